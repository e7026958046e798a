/* SPDX-License-Identifier: MIT */
/*
 * What is missing in a camera's copy here, and why: slots that the camera missed, with the cause that
 * it wrote down; frames that it pruned, or lost, before they were fetched; and what has not been
 * fetched yet. What was deleted here is no gap, nor is what is too old to be kept here, nor a frame that
 * was dated anew (its picture is here under another number).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/archive.h"
#include "pull/held.h"

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
	uint64_t
		count; /* slots; where there are no lines: numbers, some of which may be no frames */
	/*
	 * Misses: the first and the last slot. Else the slots of the nearest lines that are here, before
	 * and behind it. TIME_NONE: there is none.
	 */
	int64_t first_us, last_us;
	char why[TEXT_MAX]; /* GAP_PRUNED: the camera's word for it: age, space, ... */
};

struct gaps_options {
	const struct held *held;
	uint64_t first,
		last; /* numbers to look at; the camera's last one may be beyond what is here */
	int64_t since_us; /* gaps that end before it are left out; TIME_NONE: none */
	int (*gap)(void *data, const struct gap *gap); /* a negative errno ends the walk */
	void *data;
};

/* The numbers that are worth looking at: of what is here and of what the camera said it has last. */
struct contact;
int gaps_bounds(struct archive *archive, const struct contact *contact, struct gaps_options *ret);

/*
 * Shows each gap, in the order of the numbers. Misses of one cause in a row are one. Needs 3 MB and
 * reads the journal once or twice; with `since_us` only the segments that reach back to it.
 */
int gaps_walk(struct archive *archive, const struct gaps_options *options);

/* "camera", "down", "pruned", "gone", "damaged", "pending" */
const char *gap_cause_name(unsigned cause);
/* One line for people, in local time. Returns `buf`. */
const char *gap_describe(const struct gap *gap, char *buf, size_t size);
