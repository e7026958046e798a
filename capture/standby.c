/* SPDX-License-Identifier: MIT */
/* Decides when the sensor streams, and learns how early it has to start; see standby.h. */
#include "capture/standby.h"

#define LEARN_DOWN 8 /* a shorter time counts for this part */

struct standby_policy standby_new(int mode, int64_t every_us, int64_t warmup_us)
{
	return (struct standby_policy){
		.mode = mode,
		.every_us = every_us,
		.warmup_us = warmup_us,
		.settle_us = STANDBY_SETTLE_FIRST_US,
		.started_us = TIME_NONE,
	};
}

void standby_set(struct standby_policy *s, int mode, int64_t every_us, int64_t warmup_us)
{
	s->mode = mode;
	s->every_us = every_us;
	s->warmup_us = warmup_us;
}

int64_t standby_lead_us(const struct standby_policy *s, int64_t least_us)
{
	int64_t lead_us = s->warmup_us;

	if (lead_us <= 0)
		lead_us = s->settle_us + s->settle_us / 2 + STANDBY_MARGIN_US;
	return lead_us > least_us ? lead_us : least_us;
}

static bool rests(const struct standby_policy *s)
{
	return s->mode == STANDBY_STOP ||
		(s->mode == STANDBY_AUTO && s->every_us > STANDBY_STREAM_UP_TO_US);
}

bool standby_wanted(const struct standby_policy *s, int64_t until_us, int64_t least_us)
{
	int64_t lead_us = standby_lead_us(s, least_us);

	if (until_us <= lead_us)
		return true;
	/* a slot that is further away than the interval is behind a closed window */
	if (!rests(s))
		return until_us <= STANDBY_STREAM_UP_TO_US + lead_us;
	return s->started_us != TIME_NONE && until_us <= lead_us + STANDBY_REST_US;
}

static void learn(struct standby_policy *s, int64_t took_us)
{
	if (took_us > STANDBY_SETTLE_MAX_US)
		took_us = STANDBY_SETTLE_MAX_US;
	if (took_us > s->settle_us)
		s->settle_us = took_us;
	else
		s->settle_us -= (s->settle_us - took_us) / LEARN_DOWN;
}

void standby_started(struct standby_policy *s, int64_t now_us)
{
	s->started_us = now_us;
	s->settled = false;
}

void standby_frame(struct standby_policy *s, int64_t now_us, unsigned flags)
{
	if (s->started_us == TIME_NONE)
		return;
	s->tells |= (flags & FRAME_CONVERGED) != 0;
	if (s->settled || (flags & FRAME_STARTUP) || (s->tells && !(flags & FRAME_CONVERGED)))
		return;
	s->settled = true;
	learn(s, now_us - s->started_us);
}

void standby_stopped(struct standby_policy *s, int64_t now_us)
{
	int64_t had_us = s->started_us == TIME_NONE ? 0 : now_us - s->started_us;

	/* a stream that broke early says nothing about the light */
	if (s->started_us != TIME_NONE && !s->settled && had_us >= s->settle_us)
		learn(s, 2 * had_us);
	s->started_us = TIME_NONE;
}
