/* SPDX-License-Identifier: MIT */
/*
 * Repairs what a check (verify.h) found, and deletes nothing: what is damaged moves to
 * damaged/TIME/, where it keeps its path; TIME is when the repair began ("20261120T160100Z").
 *
 *   a damaged file          moves; the camera's journal gets a prune line "damaged". A copy's
 *                           journal loses the frame's line, so that the next sync fetches it again,
 *                           and local/ gets the prune line.
 *   a missing file          camera: a prune line "lost"
 *   a file without a line   gets its line back ("recovered") if it is a whole JPEG and its number
 *                           has none; else it moves
 *   lines, segments         a segment is written again, in order and with its whole lines; numbers
 *                           without one get a line that says nothing (camera). The old file moves.
 *   temps                   move
 *
 * Lines that are written again are marked "unchained". What stands in a wrong place stays, and so
 * does what was changed so that lines do not fit each other, as the evidence that it is, and what
 * cannot be read for a reason other than damage: those are `left`. What is not ours is not touched.
 */
#pragma once

#include "common/base/clock.h"
#include "common/upkeep/verify.h"

struct repair;

int repair_new(struct repair **ret);
void repair_free(struct repair *repair);
DEFINE_CLEANUP(struct repair, repair_free)

/* Takes note of a finding; one too many is left for the next repair. */
void repair_note(struct repair *repair, const struct verify_finding *finding);

struct repair_result {
	uint64_t moved; /* files */
	uint64_t told; /* frames that the journal now calls damaged or lost */
	uint64_t restored; /* lines of frames */
	uint64_t segments; /* written again */
	uint64_t left; /* findings that stay as they were */
	int error; /* why the first of them does, -errno; 0: it is none of ours */
	char folder[FRAME_PATH_MAX]; /* where things were moved to; "": nothing was */
};

/*
 * The archive is open for writing, and of a copy archive_lock_copy() is held. Each frame is looked
 * at again before it moves. Afterwards the archive must be closed. -ENOMEM, or 0 and `ret`.
 */
int repair_carry_out(struct repair *repair, struct archive *archive, const struct clock *clock,
	struct repair_result *ret);
