/* SPDX-License-Identifier: MIT */
/*
 * A set of sequence numbers as ranges in order: a few bytes for millions of numbers that are near
 * each other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/util.h"

struct range {
	uint64_t first, last; /* both are in it */
};

/* Zeroed is empty. The ranges are disjoint, in order, and do not touch. */
struct ranges {
	struct range *list;
	size_t n, room;
};

void ranges_clear(struct ranges *ranges);
/* -ENOMEM. */
int ranges_add(struct ranges *ranges, uint64_t first, uint64_t last);
/* -ENOMEM. */
int ranges_remove(struct ranges *ranges, uint64_t first, uint64_t last);
/* `ret` must be empty. -ENOMEM. */
int ranges_copy(const struct ranges *ranges, struct ranges *ret);

bool ranges_has(const struct ranges *ranges, uint64_t seq);
/*
 * Whether `seq` is in it, and the last of the numbers from there on of which the same can be said.
 */
bool ranges_run(const struct ranges *ranges, uint64_t seq, uint64_t *ret_last);
/* The highest number, 0 where there is none. */
uint64_t ranges_last(const struct ranges *ranges);
/* How many of first..last are not in it. */
uint64_t ranges_missing(const struct ranges *ranges, uint64_t first, uint64_t last);
/* The last of the numbers from `first` on that are in it without a hole; first - 1 if it is not. */
uint64_t ranges_prefix(const struct ranges *ranges, uint64_t first);
/* The highest run of numbers within first..last that are not in it. False: all are. */
bool ranges_gap(const struct ranges *ranges, uint64_t first, uint64_t last, struct range *ret);
