/* SPDX-License-Identifier: MIT */
/* Decides when the sensor streams; see standby.h. */
#include "capture/service/standby.h"

int64_t standby_lead_us(const struct capture_settings *settings, const struct settling *settling,
	int64_t rest_us, int64_t least_us)
{
	int64_t lead_us = settings->camera.warmup_us;

	if (lead_us <= 0)
		lead_us = settling->settle_us + settling->settle_us / 2 + STANDBY_MARGIN_US +
			(rest_us > STANDBY_LONG_REST_US ? STANDBY_LONG_LEAD_US : 0);
	return lead_us > least_us ? lead_us : least_us;
}

bool standby_wanted(const struct capture_settings *settings, const struct settling *settling,
	int64_t until_us, int64_t rest_us, int64_t least_us)
{
	int64_t lead_us = standby_lead_us(settings, settling, rest_us, least_us);

	if (until_us <= lead_us)
		return true;
	/* a slot further away than that comes after a closed window */
	if (!capture_settings_rest(settings))
		return until_us <= STANDBY_STREAM_UP_TO_US + lead_us;
	return settling->started_us != TIME_NONE && until_us <= lead_us + STANDBY_REST_US;
}
