/* SPDX-License-Identifier: MIT */
/*
 * When the sensor streams and when it rests: pure policy.
 *
 *   stream   it always streams, except in closed windows of the schedule
 *   stop     it stops after a slot and starts again before the next one
 *   auto     it stops for intervals above 30 s and streams for shorter ones: a start costs about as
 *            much power as a good part of a minute of frames
 *
 * The stream starts early enough for exposure and white balance to settle before the slot. The lead
 * is one and a half times what settling takes, and STANDBY_MARGIN_US; the setting `warmup` replaces
 * it with a fixed one. What settling takes is learned: each start is measured until its first
 * settled frame (one that the camera calls converged; if it never does, the first that is no
 * start-up frame). A longer time counts at once, a shorter one by an eighth. A start that had not
 * settled when the stream stopped counts as twice the time that it had. After a rest of more than
 * STANDBY_LONG_REST_US the light is another one, from which exposure has further to go: the lead is
 * longer by STANDBY_LONG_LEAD_US.
 *
 * The stream does not stop when the next slot is nearer than the lead and STANDBY_REST_US.
 *
 * All times are distances in microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/settings/settings.h"
#include "capture/stream/settling.h"
#include "common/base/clock.h"

#define STANDBY_REST_US (2 * US_PER_SEC) /* a shorter rest is not worth it */
#define STANDBY_MARGIN_US (US_PER_SEC / 2)
#define STANDBY_LONG_REST_US (30 * 60 * US_PER_SEC)
#define STANDBY_LONG_LEAD_US (6 * US_PER_SEC)

/*
 * How long before a slot the stream starts, at least `least_us`, which the phase lock needs.
 * `rest_us`: as settling_rest_us() at the slot.
 */
int64_t standby_lead_us(const struct capture_settings *settings, const struct settling *settling,
	int64_t rest_us, int64_t least_us);

/*
 * Whether to stream now, `until_us` before the next slot without an outcome. Negative: that slot
 * has come and its frame is on the way; INT64_MAX: there is no such slot. The rest as above.
 */
bool standby_wanted(const struct capture_settings *settings, const struct settling *settling,
	int64_t until_us, int64_t rest_us, int64_t least_us);
