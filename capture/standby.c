/* SPDX-License-Identifier: MIT */
/* Decides when the sensor streams, and learns how early it has to start; see standby.h. */
#include "capture/standby.h"

#include "capture/camera.h"

#define LEARN_DOWN 8 /* a shorter time counts for this part */

struct settling settling_new(void)
{
	return (struct settling){ .settle_us = STANDBY_SETTLE_FIRST_US, .started_us = TIME_NONE };
}

static void settling_learn(struct settling *s, int64_t took_us)
{
	if (took_us > STANDBY_SETTLE_MAX_US)
		took_us = STANDBY_SETTLE_MAX_US;
	if (took_us > s->settle_us)
		s->settle_us = took_us;
	else
		s->settle_us -= (s->settle_us - took_us) / LEARN_DOWN;
}

void settling_start(struct settling *s, int64_t now_us)
{
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
	s->started_us = TIME_NONE;
}

int64_t standby_lead_us(
	const struct capture_settings *settings, const struct settling *settling, int64_t least_us)
{
	int64_t lead_us = settings->camera.warmup_us;

	if (lead_us <= 0)
		lead_us = settling->settle_us + settling->settle_us / 2 + STANDBY_MARGIN_US;
	return lead_us > least_us ? lead_us : least_us;
}

static bool standby_rests(const struct capture_settings *settings)
{
	return settings->camera.standby == STANDBY_STOP ||
		(settings->camera.standby == STANDBY_AUTO &&
			schedule_interval_us(&settings->schedule) > STANDBY_STREAM_UP_TO_US);
}

bool standby_wanted(const struct capture_settings *settings, const struct settling *settling,
	int64_t until_us, int64_t least_us)
{
	int64_t lead_us = standby_lead_us(settings, settling, least_us);

	if (until_us <= lead_us)
		return true;
	/* a slot that is further away than the interval is after a closed window */
	if (!standby_rests(settings))
		return until_us <= STANDBY_STREAM_UP_TO_US + lead_us;
	return settling->started_us != TIME_NONE && until_us <= lead_us + STANDBY_REST_US;
}
