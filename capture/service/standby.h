/* SPDX-License-Identifier: MIT */
/*
 * When the sensor streams and when it rests: pure policy.
 *
 *   stream   it always streams, but for closed windows of the schedule
 *   stop     it stops after a slot and starts again before the next one
 *   auto     stop for intervals above 30 s, stream up to there: starting costs about as much
 *            exposure control, and so as much power, as a good part of a minute of frames
 *
 * The stream has to start so early that exposure and white balance have settled at the slot. How
 * early is learned: each start is measured from there to the first settled frame (one that the
 * camera calls converged, or, of a camera that never does, the first one that is not a start-up
 * frame). A longer time is believed at once, a shorter one by an eighth each; a start that had not
 * settled when the stream was stopped counts as twice the time it had. The lead is one and a half
 * times that, and STANDBY_MARGIN_US. The setting `warmup` puts a fixed lead in its place.
 *
 * Where the next slot is nearer than the lead and STANDBY_REST_US, stopping is not worth it.
 *
 * Times are microseconds of a monotonic clock, or distances.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/settings/settings.h"
#include "capture/stream/settling.h"
#include "common/base/clock.h"

#define STANDBY_STREAM_UP_TO_US (30 * US_PER_SEC) /* auto: longer intervals stop the sensor */
#define STANDBY_REST_US (2 * US_PER_SEC) /* a shorter rest is none */
#define STANDBY_MARGIN_US (US_PER_SEC / 2)

/* How long before a slot the stream starts; `least_us` is what the phase lock needs. */
int64_t standby_lead_us(
	const struct capture_settings *settings, const struct settling *settling, int64_t least_us);

/*
 * Whether the stream is wanted now, `until_us` before the next slot without an outcome (negative:
 * it has passed, its frame is on the way; INT64_MAX: there is none).
 */
bool standby_wanted(const struct capture_settings *settings, const struct settling *settling,
	int64_t until_us, int64_t least_us);
