/* SPDX-License-Identifier: MIT */
/*
 * What each picture is worth (worth.h), and what was learned for that, kept with the archive: in
 * journal/worth, saved every six hours and at the end. If that is lost or damaged it is learned
 * again.
 */
#pragma once

#include "capture/worth/worth.h"
#include "common/archive/archive.h"

/* Zeroed: of no archive yet. */
struct appraiser {
	struct worth *worth; /* NULL: nothing was measured yet */
	char id[UUID_CHARS + 1]; /* of its archive, */
	int64_t saved_us; /* saved then (monotonic), or loaded */
	int64_t decode_after_us; /* a JPEG is decoded again only then (monotonic) */
};
void appraiser_clear(struct appraiser *appraiser);

/*
 * Fills record->picture. `small` is the small copy of `frame`, NULL: it is small itself. A webcam's
 * MJPEG has no planes: its file `jpeg` is decoded at half its size, for at most a twentieth of the
 * time; the frames in between, and all where there is no memory, stay without facts.
 */
void appraiser_judge(struct appraiser *appraiser, struct archive *archive,
	const struct frame *frame, const struct frame *small, const uint8_t *jpeg, size_t bytes,
	struct record *record);

/* Saves it, unless that was done within `after_us`, or `archive` (which may be NULL) is another. */
void appraiser_save(struct appraiser *appraiser, struct archive *archive, int64_t after_us);
