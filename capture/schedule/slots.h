/* SPDX-License-Identifier: MIT */
/*
 * Which frame is for which slot: a pure merge of two sorted sequences, the slots of the schedule
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

/* A frame is for a slot only within this time of it, and within half the interval. */
#define SLOT_TOLERANCE_MAX_US INT64_C(10000000)
#define SLOTS_OWED_MAX 64 /* slots whose frames are on their way while the schedule changes */

struct slots {
	const struct schedule_settings *schedule;
	int64_t open_us; /* the oldest slot without an outcome, TIME_NONE: none */
	int64_t done_us; /* slots up to this one have their outcome, TIME_NONE: none has */
	int64_t candidate_us; /* exposure start of the candidate, TIME_NONE: none */
	int64_t owed_us[SLOTS_OWED_MAX]; /* slots of a former schedule after the open one */
	int n_owed;
};

/* Slots from `now_us` on. */
struct slots slots_new(const struct schedule_settings *schedule, int64_t now_us);

/*
 * For a change of the schedule or of the machine's zone: call slots_keep() before it, slots_plan()
 * after it. Slots that have come by `now_us` keep their place and get their outcome as before; then
 * only the new schedule counts. -ENOSPC: more than SLOTS_OWED_MAX slots wait; give up the oldest
 * with slots_expire() and try again.
 */
int slots_keep(struct slots *slots, int64_t now_us);
void slots_plan(struct slots *slots, int64_t now_us);

enum slots_verdict {
	SLOTS_DROP, /* release the frame */
	SLOTS_HOLD, /* it is the new candidate: release the former one, hold this one */
	SLOTS_TAKE, /* it is the slot's frame: release the candidate */
	SLOTS_TAKE_CANDIDATE, /* the candidate is the slot's frame: then offer this one again */
	SLOTS_MISS, /* no frame is near enough to the slot: then offer this one again */
};

/*
 * What to do with a frame whose exposure started at `frame_us`. *ret_slot_us is the open slot;
 * TAKE, TAKE_CANDIDATE and MISS give it its outcome and open the next one. If the frame's duration
 * is known (not 0), a frame before the slot is taken at once when the next one must be further
 * away. Start-up frames must not be offered.
 */
enum slots_verdict slots_offer(
	struct slots *slots, int64_t frame_us, int64_t duration_us, int64_t *ret_slot_us);

/* The caller has released the candidate. */
void slots_drop_candidate(struct slots *slots);

/* When the open slot is lost without a frame, if frames may take `latency_us` to arrive. */
int64_t slots_deadline(const struct slots *slots, int64_t latency_us);

/*
 * SLOTS_HOLD before the deadline of the open slot. After it SLOTS_TAKE_CANDIDATE or SLOTS_MISS for
 * *ret_slot_us, and the next slot is open.
 */
enum slots_verdict slots_expire(
	struct slots *slots, int64_t now_us, int64_t latency_us, int64_t *ret_slot_us);

/* A clock set back by this or less repeats no slot: one interval, at least 10 s. */
int64_t slots_small_step_us(const struct schedule_settings *schedule);

/*
 * The wall clock was set from `before_us` to `after_us`. After a small step back no slot with an
 * outcome is repeated. After a larger one, or many small ones that add up, the schedule starts
 * again at the new time, since waiting for the old time to come again would stop capture silently.
 *
 * *ret_skipped slots, with their first and last, will get no frame: those that a step forward has
 * passed, and, before a larger step back, those whose frames were still on their way.
 */
void slots_step(struct slots *slots, int64_t before_us, int64_t after_us, uint64_t *ret_skipped,
	int64_t *ret_first_us, int64_t *ret_last_us);
