/* SPDX-License-Identifier: MIT */
/* Chooses a slot's frame; see choose.h for the rules. */
#include "capture/choose.h"

#include <stdlib.h>

static int64_t distance_us(int64_t slot_us, const struct choose_frame *frame)
{
	return llabs(frame->start_us - slot_us);
}

/*
 * The next frame starts a duration later, or half of one if this one is being shortened to steer it. Is
 * even that further from the slot?
 */
static bool next_is_further(int64_t slot_us, const struct choose_frame *frame)
{
	return frame->start_us + frame->duration_us / 2 - slot_us > distance_us(slot_us, frame);
}

static enum choose_verdict offer_early(
	int64_t slot_us, const struct choose_frame *held, const struct choose_frame *frame)
{
	if (frame->startup)
		return held && !held->startup ? CHOOSE_DROP : CHOOSE_HOLD;
	return next_is_further(slot_us, frame) ? CHOOSE_TAKE : CHOOSE_HOLD;
}

static enum choose_verdict offer_startup(
	int64_t slot_us, const struct choose_frame *held, const struct choose_frame *frame)
{
	if (!held)
		return CHOOSE_HOLD;
	if (held->startup)
		return distance_us(slot_us, frame) < distance_us(slot_us, held) ? CHOOSE_HOLD
										: CHOOSE_DROP;
	/* whatever comes now is further away than this frame */
	return distance_us(slot_us, held) <= distance_us(slot_us, frame) ? CHOOSE_TAKE_HELD
									 : CHOOSE_DROP;
}

enum choose_verdict choose_offer(int64_t slot_us, int64_t tolerance_us,
	const struct choose_frame *held, const struct choose_frame *frame)
{
	if (distance_us(slot_us, frame) > tolerance_us)
		return frame->start_us < slot_us ? CHOOSE_DROP
						 : choose_end(slot_us, tolerance_us, held);
	if (frame->start_us < slot_us)
		return offer_early(slot_us, held, frame);
	if (frame->startup)
		return offer_startup(slot_us, held, frame);
	if (held && !held->startup && distance_us(slot_us, held) <= distance_us(slot_us, frame))
		return CHOOSE_TAKE_HELD;
	return CHOOSE_TAKE;
}

enum choose_verdict choose_end(
	int64_t slot_us, int64_t tolerance_us, const struct choose_frame *held)
{
	/* the clock may have been set since it was held */
	return held && distance_us(slot_us, held) <= tolerance_us ? CHOOSE_TAKE_HELD : CHOOSE_NONE;
}
