/* SPDX-License-Identifier: MIT */
/* Learns how long a camera takes to settle; see settling.h. */
#include "capture/stream/settling.h"

#include "capture/camera/camera.h"

#define LEARN_DOWN 8 /* a shorter time counts for this part */

struct settling settling_new(void)
{
	return (struct settling){
		.settle_us = SETTLE_FIRST_US,
		.started_us = TIME_NONE,
		.stopped_us = TIME_NONE,
	};
}

static void settling_learn(struct settling *s, int64_t took_us)
{
	if (took_us > SETTLE_MAX_US)
		took_us = SETTLE_MAX_US;
	if (took_us > s->settle_us)
		s->settle_us = took_us;
	else
		s->settle_us -= (s->settle_us - took_us) / LEARN_DOWN;
}

void settling_start(struct settling *s, int64_t now_us)
{
	s->rest_us = settling_rest_us(s, now_us);
	s->started_us = now_us;
	s->settled = false;
}

void settling_frame(struct settling *s, int64_t now_us, unsigned flags)
{
	if (s->started_us == TIME_NONE)
		return;
	s->tells |= (flags & FRAME_CONVERGED) != 0;
	if (s->settled || (flags & FRAME_STARTUP) || (s->tells && !(flags & FRAME_CONVERGED)))
		return;
	s->settled = true;
	settling_learn(s, now_us - s->started_us);
}

void settling_stop(struct settling *s, int64_t now_us)
{
	int64_t had_us = s->started_us == TIME_NONE ? 0 : now_us - s->started_us;

	/* a stream that broke early says nothing about the light */
	if (s->started_us != TIME_NONE && !s->settled && had_us >= s->settle_us)
		settling_learn(s, 2 * had_us);
	if (s->started_us != TIME_NONE)
		s->stopped_us = now_us;
	s->started_us = TIME_NONE;
}

int64_t settling_rest_us(const struct settling *s, int64_t at_us)
{
	if (s->started_us != TIME_NONE)
		return s->rest_us;
	return s->stopped_us == TIME_NONE ? 0 : at_us - s->stopped_us;
}
