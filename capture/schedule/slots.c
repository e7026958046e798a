/* SPDX-License-Identifier: MIT */
/* Matches frames to slots. */
#include "capture/schedule/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

int64_t slots_small_step_us(const struct schedule_settings *schedule)
{
	int64_t interval = schedule_interval_us(schedule);

	return interval > SLOT_TOLERANCE_MAX_US ? interval : SLOT_TOLERANCE_MAX_US;
}

static int64_t slots_tolerance_us(const struct slots *slots)
{
	int64_t half = schedule_interval_us(slots->schedule) / 2;

	return half < SLOT_TOLERANCE_MAX_US ? half : SLOT_TOLERANCE_MAX_US;
}

struct slots slots_new(const struct schedule_settings *schedule, int64_t now_us)
{
	return (struct slots){
		.schedule = schedule,
		.open_us = schedule_next(schedule, now_us),
		.done_us = TIME_NONE,
		.candidate_us = TIME_NONE,
	};
}

/* Whether the open slot is one of a former schedule. */
static bool slots_is_owed(const struct slots *slots)
{
	return slots->open_us != TIME_NONE && slots->open_us <= slots->done_us;
}

/* Opens the next slot: one that is owed, else the first of the schedule from `from_us` on. */
static void slots_open_next(struct slots *slots, int64_t from_us)
{
	if (slots->n_owed > 0) {
		slots->open_us = slots->owed_us[0];
		slots->n_owed--;
		memmove(slots->owed_us, slots->owed_us + 1,
			(size_t)slots->n_owed * sizeof slots->owed_us[0]);
		return;
	}
	if (slots->done_us != TIME_NONE && slots->done_us >= from_us)
		from_us = slots->done_us + 1;
	slots->open_us = schedule_next(slots->schedule, from_us);
}

static int64_t slots_close(struct slots *slots)
{
	int64_t slot = slots->open_us;

	if (slot > slots->done_us)
		slots->done_us = slot;
	slots_open_next(slots, slot);
	return slot;
}

int slots_keep(struct slots *slots, int64_t now_us)
{
	struct slots ahead = *slots;
	int n = 0;

	if (slots_is_owed(slots) || (slots->open_us != TIME_NONE && slots->open_us <= now_us)) {
		slots_close(&ahead);
		for (; slots_is_owed(&ahead) ||
			(ahead.open_us != TIME_NONE && ahead.open_us <= now_us);
			slots_close(&ahead)) {
			if (n == SLOTS_OWED_MAX)
				return -ENOSPC;
			slots->owed_us[n++] = ahead.open_us;
		}
	}
	slots->n_owed = n;
	slots->done_us = ahead.done_us > now_us - 1 ? ahead.done_us : now_us - 1;
	return 0;
}

void slots_plan(struct slots *slots, int64_t now_us)
{
	if (!slots_is_owed(slots))
		slots_open_next(slots, now_us);
}

/*
 * Whether the next frame must be further from the slot than this one: it starts one duration later,
 * or half of one if the phase lock is shortening this frame.
 */
static bool slots_next_is_further(int64_t slot_us, int64_t frame_us, int64_t duration_us)
{
	return frame_us + duration_us / 2 - slot_us > slot_us - frame_us;
}

enum slots_verdict slots_offer(
	struct slots *slots, int64_t frame_us, int64_t duration_us, int64_t *ret_slot_us)
{
	int64_t slot = slots->open_us, after, before;

	if (slot == TIME_NONE)
		return SLOTS_DROP;
	*ret_slot_us = slot;
	if (frame_us < slot && !slots_next_is_further(slot, frame_us, duration_us)) {
		slots->candidate_us = frame_us;
		return SLOTS_HOLD;
	}
	after = llabs(frame_us - slot);
	before = slots->candidate_us == TIME_NONE ? INT64_MAX : slot - slots->candidate_us;
	slots->candidate_us = TIME_NONE;
	slots_close(slots);
	if ((before < after ? before : after) > slots_tolerance_us(slots))
		return SLOTS_MISS;
	return before <= after ? SLOTS_TAKE_CANDIDATE : SLOTS_TAKE;
}

void slots_drop_candidate(struct slots *slots)
{
	slots->candidate_us = TIME_NONE;
}

int64_t slots_deadline(const struct slots *slots, int64_t latency_us)
{
	return slots->open_us == TIME_NONE
		? INT64_MAX
		: slots->open_us + slots_tolerance_us(slots) + latency_us;
}

enum slots_verdict slots_expire(
	struct slots *slots, int64_t now_us, int64_t latency_us, int64_t *ret_slot_us)
{
	int64_t candidate = slots->candidate_us;

	if (now_us < slots_deadline(slots, latency_us))
		return SLOTS_HOLD;
	*ret_slot_us = slots_close(slots);
	slots->candidate_us = TIME_NONE;
	return candidate != TIME_NONE && *ret_slot_us - candidate <= slots_tolerance_us(slots)
		? SLOTS_TAKE_CANDIDATE
		: SLOTS_MISS;
}

/* Gives up the open slot and all others before `end_us`. The caller opens the next one. */
static uint64_t slots_skip(
	struct slots *slots, int64_t end_us, int64_t *ret_first_us, int64_t *ret_last_us)
{
	uint64_t count = 0;

	if (slots->open_us == TIME_NONE || slots->open_us >= end_us)
		return 0;
	*ret_first_us = slots->open_us;
	for (; slots_is_owed(slots) && slots->open_us < end_us; count++)
		*ret_last_us = slots_close(slots);
	if (slots->open_us == TIME_NONE || slots->open_us >= end_us)
		return count;
	count += schedule_count(slots->schedule, slots->open_us, end_us);
	*ret_last_us = slots->done_us = schedule_previous(slots->schedule, end_us);
	slots->open_us = TIME_NONE;
	return count;
}

void slots_step(struct slots *slots, int64_t before_us, int64_t after_us, uint64_t *ret_skipped,
	int64_t *ret_first_us, int64_t *ret_last_us)
{
	int64_t small = slots_small_step_us(slots->schedule);
	bool back = after_us < before_us;
	/* the second test: many small steps must not add up to a long wait */
	bool restarts = back &&
		(before_us - after_us > small ||
			(slots->done_us != TIME_NONE && slots->done_us - after_us > small));

	*ret_skipped = 0;
	slots->candidate_us = TIME_NONE;
	if (restarts) {
		*ret_skipped = slots_skip(slots, before_us, ret_first_us, ret_last_us);
		slots->done_us = TIME_NONE;
		slots->n_owed = 0;
	} else if (!back) {
		*ret_skipped = slots_skip(slots, after_us, ret_first_us, ret_last_us);
	} else if (slots->open_us != TIME_NONE && slots->open_us < after_us) {
		return; /* its frame is on its way, before its deadline */
	}
	if (!slots_is_owed(slots))
		slots_open_next(slots, after_us);
}
