/* SPDX-License-Identifier: MIT */
/*
 * Which frame is for which slot: a pure merge of two ordered sequences, the slots of the schedule
 * and the exposure starts of the frames. Every slot gets exactly one outcome, in order: the frame
 * whose exposure starts nearest to it, or a miss.
 *
 * The caller holds at most one frame, the candidate: the last one that started before the open
 * slot. All times are wall time in microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/schedule/schedule.h"

/* A frame further from its slot than this, or than half the interval, is no frame for it. */
#define SLOT_TOLERANCE_MAX_US INT64_C(10000000)
#define SLOTS_OWED_MAX 64 /* slots whose frames are on their way while the schedule changes */

struct slots {
	const struct schedule_settings *schedule;
	int64_t open_us; /* the oldest slot without an outcome, TIME_NONE: none */
	int64_t done_us; /* the slots up to there are accounted for, TIME_NONE: none are */
	int64_t candidate_us; /* exposure start of the frame held, TIME_NONE: none */
	int64_t owed_us
		[SLOTS_OWED_MAX]; /* of a former schedule, after the open one: they come first */
	int n_owed;
};

/* Slots from `now_us` on. */
struct slots slots_new(const struct schedule_settings *schedule, int64_t now_us);

/*
 * The schedule changes, or what it is counted in: the settings, or the machine's zone. slots_keep()
 * goes before the change, slots_plan() after it. The slots whose time has come by `now_us` keep
 * their place and have their outcome as before; after that only the new schedule counts. -ENOSPC
 * more slots are waited for than SLOTS_OWED_MAX: give up the oldest one (slots_expire()) and try
 * again.
 */
int slots_keep(struct slots *slots, int64_t now_us);
void slots_plan(struct slots *slots, int64_t now_us);

enum slots_verdict {
	SLOTS_DROP, /* release the frame */
	SLOTS_HOLD, /* it is the candidate now: release the former one, hold this one */
	SLOTS_TAKE, /* it is the open slot's frame; release the candidate */
	SLOTS_TAKE_CANDIDATE, /* the candidate is the slot's frame; then offer this one again */
	SLOTS_MISS, /* no frame is near enough to the open slot; then offer this one again */
};

/*
 * What to do with a frame whose exposure started at `frame_us` and that lasts `duration_us` (0: not
 * known; known, a frame so little before the slot that the next one must be further away is taken
 * at once). *ret_slot_us is the open slot; for TAKE, TAKE_CANDIDATE and MISS it has its outcome by
 * that and the next one is open. Start-up frames are not to be offered.
 */
enum slots_verdict slots_offer(
	struct slots *slots, int64_t frame_us, int64_t duration_us, int64_t *ret_slot_us);

/* The candidate was given up by the caller (the stream was stopped). */
void slots_drop_candidate(struct slots *slots);

/* Wall time when the open slot is lost if no frame came; `latency_us` is what frames may take. */
int64_t slots_deadline(const struct slots *slots, int64_t latency_us);

/*
 * SLOTS_HOLD while the open slot is waited for; after its deadline SLOTS_TAKE_CANDIDATE or
 * SLOTS_MISS, *ret_slot_us is the slot, and the next one is open.
 */
enum slots_verdict slots_expire(
	struct slots *slots, int64_t now_us, int64_t latency_us, int64_t *ret_slot_us);

/* A clock that is back by no more than this repeats no slot: one interval, or 10 s. */
int64_t slots_small_step_us(const struct schedule_settings *schedule);

/*
 * The wall clock was set from `before_us` to `after_us`. A small step back repeats no slot that has
 * an outcome; a larger one, or many small ones that add up to more, starts the schedule again where
 * the clock now is, because waiting for the old time to come again would be a silent stop.
 *
 * *ret_skipped slots, first and last in the other two, get no frame any more: those that a step
 * forward passed over (nothing is caught up), and before a larger step back those whose frames were
 * still on their way.
 */
void slots_step(struct slots *slots, int64_t before_us, int64_t after_us, uint64_t *ret_skipped,
	int64_t *ret_first_us, int64_t *ret_last_us);
