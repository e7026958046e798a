/* SPDX-License-Identifier: MIT */
/*
 * Which of the frames that come is a slot's: a pure choice. The caller holds one frame at most; what
 * is said here is about that one and the one that has just come. Times are in microseconds, of any one
 * clock.
 *
 *  - The frame whose exposure starts nearest to the slot wins; of two as near, the earlier one.
 *  - A frame further from the slot than the tolerance is never taken, so a stale one cannot be.
 *  - A start-up frame (exposure and white balance have not settled) is taken only when no other came
 *    within the tolerance.
 *  - The choice is made as soon as it is certain. A frame so little before the slot that the next one
 *    must be further away is taken at once, which matters where frames last for seconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct choose_frame {
	int64_t start_us; /* of its exposure */
	int64_t duration_us; /* of a frame, 0: not known */
	bool startup;
};

enum choose_verdict {
	CHOOSE_DROP, /* release the frame that came; what is held stays held */
	CHOOSE_HOLD, /* release what is held, hold the frame that came */
	CHOOSE_TAKE, /* the frame that came is the slot's; release what is held */
	CHOOSE_TAKE_HELD, /* the held one is; the frame that came may be for the next slot */
	CHOOSE_NONE, /* neither is, nor will be another; the same */
};

/*
 * A frame has come; frames come in order. `held` is what the last CHOOSE_HOLD was about, NULL if nothing is
 * held.
 */
enum choose_verdict choose_offer(int64_t slot_us, int64_t tolerance_us,
	const struct choose_frame *held, const struct choose_frame *frame);

/* No frame is waited for any longer: CHOOSE_TAKE_HELD or CHOOSE_NONE. */
enum choose_verdict choose_end(
	int64_t slot_us, int64_t tolerance_us, const struct choose_frame *held);
