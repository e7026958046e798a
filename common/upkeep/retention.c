/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of retention. All amounts are int64 and are divided before they are multiplied, so
 * that no disk is too large for it.
 */
#include "common/upkeep/retention.h"

#include "common/base/limits.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define SLACK_FRAMES 32 /* what goes past the limit, in frames */
#define SLACK_PART 16 /* but no more than this part of what there is */

static int64_t amount_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Sums and products stop at INT64_MAX. */
static int64_t amount_add(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t amount_times(int64_t a, int64_t b)
{
	return b > 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
}

/* How much has to go when so much is missing to the limit: a little more, so that it lasts. */
static int64_t shortage_of(int64_t missing, int64_t slack)
{
	return missing > 0 ? amount_add(missing, slack) : 0;
}

int64_t retention_reserve(int64_t reserve, int64_t total)
{
	return reserve < 0 ? total / 100 * -reserve + total % 100 * -reserve / 100 : reserve;
}

/* Of bytes, or of inodes: `reserve` shall be free when the next frame is stored. */
static int64_t shortage_of_reserve(int64_t reserve, int64_t total, int64_t free, int64_t stored,
	int64_t incoming, bool exchange)
{
	int64_t available = amount_add(free, stored);
	int64_t slack = amount_min(amount_times(incoming, SLACK_FRAMES), available / SLACK_PART);

	/* some network file systems do not tell their size */
	if (reserve == 0 || total <= 0)
		return 0;
	reserve = retention_reserve(reserve, total);
	if (exchange)
		return amount_min(incoming, shortage_of(amount_add(reserve, incoming) - free, 0));
	/* the reserve that can be had: the archive keeps a tenth of what there is for it */
	reserve = amount_min(reserve, available - available / 10);
	return shortage_of(amount_add(reserve, incoming) - free, slack);
}

static int64_t shortage_of_size(int64_t max_bytes, const struct retention_facts *f)
{
	int64_t slack =
		amount_min(amount_times(f->incoming_bytes, SLACK_FRAMES), max_bytes / SLACK_PART);

	if (max_bytes == 0)
		return 0;
	return shortage_of(amount_add(f->stored_bytes, f->incoming_bytes) - max_bytes, slack);
}

static const struct retention_goal no_goal = {
	.why = RETENTION_NONE,
	.before_us = TIME_NONE,
	.arrived_us = TIME_NONE,
};

/* Without a clock that is right nothing is known to have been here for long. */
static int64_t retention_arrived_us(const struct retention_settings *settings, int64_t now_us)
{
	if (settings->keep_us == 0)
		return TIME_NONE;
	return now_us == TIME_NONE ? TIME_NONE + 1 : now_us - settings->keep_us;
}

struct retention_goal retention_goal(
	const struct retention_settings *settings, const struct retention_facts *facts)
{
	int64_t reserved_inodes = settings->reserve > 0 ? INODES_RESERVED : settings->reserve;
	int64_t space = shortage_of_reserve(settings->reserve, facts->disk_bytes, facts->free_bytes,
		facts->stored_bytes, facts->incoming_bytes, settings->exchange);
	int64_t inodes = shortage_of_reserve(reserved_inodes, facts->disk_inodes,
		facts->free_inodes, facts->stored_frames,
		!settings->exchange || facts->incoming_bytes > 0, settings->exchange);
	int64_t size = shortage_of_size(settings->max_bytes, facts);
	int64_t frames = settings->max_frames == 0
		? 0
		: shortage_of(facts->stored_frames + 1 - settings->max_frames, 0);
	struct retention_goal goal = no_goal;

	goal.bytes = space > size ? space : size;
	goal.frames = inodes > frames ? inodes : frames;
	goal.arrived_us = retention_arrived_us(settings, facts->now_us);
	if (settings->keep_days > 0 && facts->now_us != TIME_NONE)
		goal.before_us =
			retention_day(facts->now_us - settings->keep_days * DAY_US) * DAY_US;
	if (space > 0)
		goal.why = RETENTION_SPACE;
	else if (inodes > 0)
		goal.why = RETENTION_INODES;
	else if (size > 0 || frames > 0)
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
	goal.bytes = amount_times(facts->incoming_bytes > 0 ? facts->incoming_bytes : 1, 2);
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
		if (chosen >= old && goal->arrived_us != TIME_NONE &&
			frames[chosen].arrived_us >= goal->arrived_us)
			break;
		bytes = amount_add(bytes, frames[chosen++].bytes);
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
