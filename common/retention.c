/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of retention. All amounts are int64 and are divided before they are multiplied, so
 * that no disk is too large for it.
 */
#include "common/retention.h"

#include "common/limits.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define SLACK_FRAMES 32 /* what goes past the limit, in frames */
#define SLACK_PART 16 /* but no more than this part of what there is */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t add(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t multiply(int64_t a, int64_t b)
{
	return b > 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
}

static int64_t percent(int64_t of, int64_t n)
{
	return of / 100 * n + of % 100 * n / 100;
}

/* The reserve that can be had: the archive keeps a tenth of what there is for it. */
static int64_t attainable(int64_t reserve, int64_t available)
{
	return least(reserve, available - available / 10);
}

/* How much is missing to the limit; with `going` or once it is passed, to the limit and the slack. */
static int64_t shortage(int64_t missing, int64_t slack, bool going)
{
	if (missing > 0)
		return add(missing, slack);
	return going && missing + slack > 0 ? missing + slack : 0;
}

static int64_t space_shortage(
	const struct retention_settings *settings, const struct retention_facts *f)
{
	int64_t available = add(f->free_bytes, f->stored_bytes);
	int64_t asked = settings->reserve < 0 ? percent(f->disk_bytes, -settings->reserve)
					      : settings->reserve;
	int64_t slack = least(multiply(f->incoming_bytes, SLACK_FRAMES), available / SLACK_PART);

	/* some network file systems do not tell their size */
	if (settings->reserve == 0 || f->disk_bytes <= 0)
		return 0;
	return shortage(add(attainable(asked, available), f->incoming_bytes) - f->free_bytes, slack,
		f->going);
}

static int64_t inode_shortage(
	const struct retention_settings *settings, const struct retention_facts *f)
{
	int64_t available = add(f->free_inodes, f->stored_frames);
	int64_t asked = settings->reserve < 0 ? percent(f->disk_inodes, -settings->reserve)
					      : INODES_RESERVED;

	if (settings->reserve == 0 || f->disk_inodes <= 0)
		return 0;
	return shortage(attainable(asked, available) + 1 - f->free_inodes,
		least(SLACK_FRAMES, available / SLACK_PART), f->going);
}

static int64_t size_shortage(
	const struct retention_settings *settings, const struct retention_facts *f)
{
	int64_t slack =
		least(multiply(f->incoming_bytes, SLACK_FRAMES), settings->max_bytes / SLACK_PART);

	if (settings->max_bytes == 0)
		return 0;
	return shortage(
		add(f->stored_bytes, f->incoming_bytes) - settings->max_bytes, slack, f->going);
}

static const struct retention_goal no_goal = {
	.why = RETENTION_NONE,
	.before_us = TIME_NONE,
};

struct retention_goal retention_goal(
	const struct retention_settings *settings, const struct retention_facts *facts)
{
	int64_t space = space_shortage(settings, facts), size = size_shortage(settings, facts);
	int64_t inodes = inode_shortage(settings, facts);
	struct retention_goal goal = no_goal;

	goal.bytes = most(space, size);
	goal.frames = inodes;
	if (settings->keep_days > 0 && facts->now_us != TIME_NONE)
		goal.before_us =
			retention_day(facts->now_us - settings->keep_days * DAY_US) * DAY_US;
	if (space > 0)
		goal.why = RETENTION_SPACE;
	else if (inodes > 0)
		goal.why = RETENTION_INODES;
	else if (size > 0)
		goal.why = RETENTION_SIZE;
	else if (goal.before_us != TIME_NONE)
		goal.why = RETENTION_AGE;
	return goal;
}

struct retention_goal retention_emergency(
	const struct retention_settings *settings, const struct retention_facts *facts)
{
	struct retention_goal goal = no_goal;

	if (settings->reserve == 0)
		return goal;
	goal.why = RETENTION_SPACE;
	/* a frame for its inode, and twice the bytes: the file system has its own needs */
	goal.bytes = multiply(most(facts->incoming_bytes, 1), 2);
	goal.frames = 1;
	return goal;
}

/* How many from the start are old: a time that is not known counts as between its neighbours'. */
static size_t count_old(
	const struct retention_goal *goal, const struct retention_frame *frames, size_t n)
{
	size_t old = 0;

	if (goal->before_us == TIME_NONE)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!frames[i].synced)
			continue;
		if (frames[i].slot_us >= goal->before_us)
			break;
		old = i + 1;
	}
	return old;
}

size_t retention_choose(
	const struct retention_goal *goal, const struct retention_frame *frames, size_t n)
{
	size_t old = count_old(goal, frames, n), chosen = 0;
	int64_t bytes = 0;

	if (goal->why == RETENTION_NONE)
		return 0;
	while (chosen < n) {
		if (bytes >= goal->bytes && (int64_t)chosen >= goal->frames && chosen >= old)
			break;
		bytes = add(bytes, frames[chosen++].bytes);
	}
	return chosen;
}

const char *retention_why_name(enum retention_why why)
{
	static const char *const names[RETENTION_WHYS] = {
		[RETENTION_NONE] = "none",
		[RETENTION_SPACE] = "space",
		[RETENTION_INODES] = "inodes",
		[RETENTION_SIZE] = "size",
		[RETENTION_AGE] = "age",
	};

	return (unsigned)why < RETENTION_WHYS ? names[why] : "unknown";
}
