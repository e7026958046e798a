/* SPDX-License-Identifier: MIT */
/*
 * The have-set: which of the camera's sequence numbers are settled. Their line is in the journal
 * here, or the camera claims that it has pruned them or has nothing of that number. What a person
 * deleted here keeps its line, so it is settled and not fetched again.
 *
 * A claim is a camera's word. It is kept apart, and asked about again in later sessions: a frame
 * that is there after all makes all that was claimed with it wanted.
 *
 * The journal is the truth. The file `.settled` in the archive saves reading it again: it has the
 * set, and how far each segment was read. Without the file, or with one that does not fit the
 * journal, all is read again; one of a version that kept no claims does not fit.
 *
 *   settled 2 0b5c6a3e-7f60-4c1d-9a55-1f1f6f3b9f10
 *   unwanted LAST
 *   damaged FIRST LAST
 *   claimed FIRST LAST
 *   segment NUMBER OFFSET
 *   range FIRST LAST
 *   end
 */
#pragma once

#include "common/archive/archive.h"
#include "common/journal/ranges.h"

struct room;

struct held {
	struct ranges settled;
	uint64_t unwanted; /* up to there nothing is missed here: retention would remove it */
	/*
	 * Of the settled ones those whose file is damaged over there: each sync asks whether it
	 * still is.
	 */
	struct ranges damaged;
	/* Of the settled ones those without a line here: the camera's word, to be asked again. */
	struct ranges claimed;
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
/* A line that was stored. What a prune line tells of is claimed. -ENOMEM. */
int held_note(struct held *held, const struct record *record);
/* The camera has nothing of these numbers, it says. -ENOMEM. */
int held_claim(struct held *held, uint64_t first, uint64_t last);
/* The frame's file is damaged over there. -ENOMEM. */
int held_note_damaged(struct held *held, uint64_t seq);
/*
 * The frame is there, and wanted like any other. `ret` are the numbers that are wanted with it,
 * because the same claim was made of them. -ENOMEM.
 */
int held_want(struct held *held, uint64_t seq, struct range *ret);
/* Writes the file if anything changed and `room` has some for it; by the archive's writer. */
int held_save(struct held *held, struct archive *archive, struct room *room);
void held_clear(struct held *held);
