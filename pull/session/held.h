/* SPDX-License-Identifier: MIT */
/*
 * The have-set: which of the camera's sequence numbers are settled. Their line is in the journal
 * here, the camera has pruned them, or it has nothing of that number. What a person deleted here
 * keeps its line, so it is settled and not fetched again.
 *
 * The journal is the truth. The file `.settled` in the archive saves reading it again: it has the
 * set, and how far each segment was read. Without the file, or with one that does not fit the
 * journal, all is read again. Versions before 0.2.0 wrote a line "acked N", which is ignored.
 *
 *   settled 1 0b5c6a3e-7f60-4c1d-9a55-1f1f6f3b9f10
 *   unwanted LAST
 *   damaged FIRST LAST
 *   segment NUMBER OFFSET
 *   range FIRST LAST
 *   end
 */
#pragma once

#include "common/archive/archive.h"
#include "common/journal/ranges.h"

struct held {
	struct ranges settled;
	uint64_t unwanted; /* up to there nothing is missed here: retention would remove it */
	/*
	 * Of the settled ones those whose file is damaged over there: each sync asks whether it
	 * still is.
	 */
	struct ranges damaged;
	/*
	 * Frames that took another's place (redated.h), of the lines that were read and noted.
	 * While there are any, the file is not written, so that a crash loses none.
	 */
	struct ranges redated;
	/* private: how far each segment was read */
	struct held_segment {
		uint64_t number;
		int64_t offset;
	} * segments;
	size_t n_segments;
	bool changed; /* since the file was written */
};

/* From the file and the journal. `ret` is empty where there is no journal. -errno. */
int held_load(struct archive *archive, struct held *ret);
/* Takes in what the journal has got since. */
int held_update(struct held *held, struct archive *archive);
/* A line that was stored or is known to be none. A prune line settles what was pruned too. */
int held_note(struct held *held, const struct record *record);
/* The frame's file is damaged over there. -ENOMEM. */
int held_note_damaged(struct held *held, uint64_t seq);
/* It seems to be whole again, and is wanted like any other. -ENOMEM. */
int held_want(struct held *held, uint64_t seq);
/* Writes the file if anything changed; by the archive's writer. */
int held_save(struct held *held, struct archive *archive);
void held_clear(struct held *held);
