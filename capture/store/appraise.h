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
};
void appraiser_clear(struct appraiser *appraiser);

/*
 * Fills record->picture. `small` is the small copy of `frame`, NULL: it is small itself. What
 * cannot be measured, as MJPEG, stays without facts, as does all where there is no memory.
 */
void appraiser_judge(struct appraiser *appraiser, struct archive *archive,
	const struct frame *frame, const struct frame *small, struct record *record);

/* Saves it, unless that was done within `after_us`, or `archive` (which may be NULL) is another. */
void appraiser_save(struct appraiser *appraiser, struct archive *archive, int64_t after_us);
