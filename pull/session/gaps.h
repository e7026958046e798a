/* SPDX-License-Identifier: MIT */
/*
 * What is missing in a camera's copy here, and why: slots that the camera missed, with the cause
 * that it recorded; frames that it pruned, or lost, before they were fetched; and what has not been
 * fetched yet. These are no gaps: what was deleted here, what is too old to be kept here, and a
 * frame that a clock correction replaced (its picture is here under another number).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/archive/archive.h"
#include "common/contact/peer_state.h"

/* What to do about a picture that is damaged on the camera. */
#define DAMAGED_NEXT_STEP "put a good copy back there, or run `capturepi verify --repair`"

enum gap_cause {
	/* MISS_CAMERA to MISS_DOWN of record.h come first, as they are */
	GAP_PRUNED = MISS_CAUSES, /* by the camera, before it was fetched */
	GAP_GONE, /* the camera has no file, or no line, of it and does not say why */
	GAP_DAMAGED, /* its file is damaged, or cannot be read, on the camera */
	GAP_PENDING, /* not fetched yet */
	GAP_CAUSES,
};

struct gap {
	unsigned cause; /* enum gap_cause, or enum miss_cause */
	uint64_t first_seq, last_seq;
	uint64_t count; /* slots; without lines: numbers, some of which may be no frames */
	/*
	 * The first and the last slot of misses; else the slots of the nearest lines here, before
	 * and after the gap. TIME_NONE: there is none.
	 */
	int64_t first_us, last_us;
	char why[TEXT_MAX]; /* GAP_PRUNED: the camera's word for it: age, space, ... */
};

struct gaps_options {
	const struct peer_state *peer; /* says what the camera has beyond what is here */
	uint64_t from; /* the first number to look at; 0: the first that anybody has */
	int64_t since_us; /* skips gaps that end before it; TIME_NONE: none */
	int (*gap)(void *data, const struct gap *gap); /* a negative errno ends the walk */
	/*
	 * NULL: not wanted. Shows each slot since then whose picture is here, or was: neither one
	 * on demand, nor under a number that a clock correction replaced. `late_us`, within half
	 * an hour, may be TIME_NONE.
	 */
	void (*taken)(void *data, int64_t late_us);
	void *data;
};

/*
 * Shows each gap, in the order of the numbers; misses in a row with one cause are one gap.
 * `ret_behind` (NULL: not wanted) is how many numbers are not settled here. Needs 4 MB and reads
 * the journal twice, with `since_us` only the segments that reach back to it. -errno.
 */
int gaps_walk(struct archive *archive, const struct gaps_options *options, uint64_t *ret_behind);

/* "camera", "down", "pruned", "gone", "damaged", "pending" */
const char *gap_cause_name(unsigned cause);
/* One line for people, in local time. Returns `buf`. */
const char *gap_describe(const struct gap *gap, char *buf, size_t size);
