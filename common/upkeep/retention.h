/* SPDX-License-Identifier: MIT */
/*
 * Which frames have to go, as pure functions of settings, time and facts. Frames go in the order of
 * their numbers, oldest first.
 *
 *   space, inodes   the file system has less than `reserve` free: as many frames as it takes, and a
 *                   few more, so that not every frame has a prune line of its own. Where others
 *                   filled the disk no archive is emptied for a reserve that cannot be had: it may
 *                   always use a tenth of its own and the free space together.
 *   size            the archive's frames have more than `max_bytes`, or are more than `max_frames`
 *   age             whole days (UTC) that ended more than `keep_days` ago
 *
 * In a copy what a camera sends never decides what is lost: nothing that came less than `keep_us`
 * ago goes for space, inodes or size, and the `exchange` is frame for frame, so that one camera's
 * frames never make room for another's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"

struct retention_settings {
	int64_t reserve; /* bytes; negative: percent of the disk; 0: remove nothing for space */
	int64_t keep_days; /* 0: no limit */
	int64_t max_bytes, max_frames; /* 0: no limit */
	int64_t keep_us; /* 0: no limit */
	bool exchange; /* as much goes for space and inodes as comes, and no more */
};

struct retention_facts {
	int64_t disk_bytes, free_bytes; /* of the file system; free: for us, not for root */
	int64_t disk_inodes, free_inodes; /* 0 inodes in all: the file system has no such limit */
	int64_t stored_bytes, stored_frames; /* of the archive; perhaps too low, never too high */
	int64_t incoming_bytes; /* of the frame that comes next */
	int64_t now_us; /* TIME_NONE: the clock is not known to be right, so nothing is old */
};

enum retention_why {
	RETENTION_NONE,
	RETENTION_SPACE,
	RETENTION_INODES,
	RETENTION_SIZE,
	RETENTION_AGE,
	RETENTION_WHYS
};

/* What has to go. */
struct retention_goal {
	enum retention_why why; /* NONE: nothing */
	int64_t bytes, frames; /* so much, both, from the oldest on */
	int64_t before_us; /* and every frame from before that; TIME_NONE: age does not count */
	/* What came since then goes by age alone; TIME_NONE: that does not count. */
	int64_t arrived_us;
};

struct retention_goal retention_goal(
	const struct retention_settings *settings, const struct retention_facts *facts);

/*
 * The goal when a write failed for want of space: room for the frame that comes, whatever the
 * settings say. NONE where they say that nothing goes for space.
 */
struct retention_goal retention_emergency(
	const struct retention_settings *settings, const struct retention_facts *facts);

struct retention_frame {
	uint64_t seq;
	int64_t slot_us;
	int64_t bytes;
	bool synced; /* else its time says nothing about its age */
	int64_t arrived_us; /* by the clock here; TIME_NONE: not known, or its file is gone */
};

/* How many of the frames, which are in order, go now. */
size_t retention_choose(
	const struct retention_goal *goal, const struct retention_frame *frames, size_t n);

/* A reserve in bytes, or in inodes, of a disk that has so many. */
int64_t retention_reserve(int64_t reserve, int64_t total);

/* "space", "inodes", "size", "age": what the prune line says. */
const char *retention_why_name(enum retention_why why);

static inline int64_t retention_day(int64_t slot_us)
{
	return slot_us / (24 * 3600 * US_PER_SEC) -
		(slot_us % (24 * 3600 * US_PER_SEC) < 0); /* before 1970 as well */
}
