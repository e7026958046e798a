/* SPDX-License-Identifier: MIT */
/* What an exposure may be, and how a product of exposure and gain is parted. */
#include <math.h>

#include "capture/exposure/exposure.h"
#include "common/base/clock.h"

#define MARGIN_LEAST_NS INT64_C(2000000) /* a frame is longer than its exposure by some lines */
#define MARGIN_PART 20 /* and by a twentieth, which the phase lock steers with */
#define KEEP_LONGER 2 /* frames stay that are longer than needed by no more than this factor */

static int64_t ns_most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The longest exposure in frames of that duration. */
static int64_t exposure_in_frame_ns(int64_t duration_ns)
{
	return duration_ns - ns_most(duration_ns / MARGIN_PART, MARGIN_LEAST_NS);
}

static void limit_max(struct exposure_limits *l, int64_t max_ns, enum exposure_bound bound)
{
	if (max_ns >= l->max_ns)
		return;
	l->max_ns = max_ns;
	l->bound = bound;
}

struct exposure_limits exposure_limits_of(
	const struct exposure_wishes *wishes, const struct camera_info *info, int64_t every_us)
{
	bool automatic = wishes->exposure_max_us <= 0;
	int64_t every_ns = every_us > 0 ? every_us * NS_PER_US : 0;
	double gain_max = wishes->gain_max > 0 ? wishes->gain_max : EXPOSURE_GAIN_DEFAULT_MAX;
	struct exposure_limits l = {
		.min_ns = ns_most(info->exposure_min_ns, NS_PER_US),
		.max_ns = info->exposure_max_ns,
		.bound = EXPOSURE_BY_CAMERA,
		.gain_max = fmax(fmin(gain_max, info->gain_max), 1),
		.compensation = wishes->compensation,
		.every_ns = every_ns,
		.duration_ns = info->frame_duration_ns,
		.duration_max_ns = info->frame_duration_max_ns,
		.fixed = wishes->fps > 0,
		.flicker_ns = wishes->flicker_hz > 0 ? NS_PER_SEC / (2 * wishes->flicker_hz) : 0,
		.latency_frames = info->latency_frames,
	};

	if (l.max_ns <= 0)
		return l;
	limit_max(&l, automatic ? EXPOSURE_DEFAULT_MAX_NS : wishes->exposure_max_us * NS_PER_US,
		automatic ? EXPOSURE_BY_DEFAULT : EXPOSURE_BY_SETTING);
	if (every_ns > 0)
		limit_max(&l, exposure_in_frame_ns(automatic ? every_ns / 2 : every_ns),
			EXPOSURE_BY_INTERVAL);
	if (l.fixed)
		limit_max(&l, exposure_in_frame_ns(l.duration_ns), EXPOSURE_BY_RATE);
	if (l.duration_max_ns > 0)
		limit_max(&l, exposure_in_frame_ns(l.duration_max_ns), EXPOSURE_BY_CAMERA);
	l.max_ns = ns_most(l.max_ns, l.min_ns);
	return l;
}

const char *exposure_bound_name(enum exposure_bound bound)
{
	static const char *const names[] = { "default", "interval", "setting", "fps", "camera" };

	return names[bound];
}

const char *exposure_bound_text(enum exposure_bound bound)
{
	static const char *const texts[] = { "camera.exposure_max = auto",
		"as the interval between slots allows", "as camera.exposure_max says",
		"as camera.fps allows", "as the camera allows" };

	return texts[bound];
}

void exposure_part(
	const struct exposure_limits *limits, double product_ns, struct camera_exposure *ret)
{
	double least = (double)limits->min_ns, most = (double)limits->max_ns;
	double period = (double)limits->flicker_ns;
	double exposure = fmin(fmax(product_ns, least), most);

	if (period > 0 && exposure >= period)
		exposure = floor(exposure / period) * period;
	ret->exposure_ns = llround(exposure);
	ret->gain = fmin(fmax(product_ns / exposure, 1), limits->gain_max);
}

/* `n` or less, of 1, 2, 4, 8, ...: so the frames change seldom. */
static int64_t few_steps(int64_t n)
{
	int64_t step = 1;

	while (step * 2 <= n)
		step *= 2;
	return step;
}

/* The longest frames that the sensor can do, and still even parts of the interval. */
static int64_t longest_part_ns(const struct exposure_limits *l)
{
	int64_t most_ns = l->duration_max_ns;

	return l->every_ns > most_ns ? l->every_ns / ((l->every_ns + most_ns - 1) / most_ns)
				     : most_ns;
}

int64_t exposure_duration_ns(
	const struct exposure_limits *limits, int64_t exposure_ns, int64_t duration_ns)
{
	/* the inverse of exposure_in_frame_ns(), never less */
	int64_t need_ns = ns_most(
		exposure_ns * MARGIN_PART / (MARGIN_PART - 1), exposure_ns + MARGIN_LEAST_NS);
	int64_t fit_ns = need_ns;

	if (limits->fixed || need_ns <= limits->duration_ns)
		return 0;
	if (limits->every_ns > 0 && need_ns > limits->every_ns)
		fit_ns = limits->every_ns;
	else if (limits->every_ns > 0)
		fit_ns = limits->every_ns / few_steps(limits->every_ns / need_ns);
	else
		fit_ns = llround(exp2(ceil(2 * log2((double)need_ns)) / 2));
	if (limits->duration_max_ns > 0 && fit_ns > limits->duration_max_ns)
		fit_ns = longest_part_ns(limits);
	return duration_ns >= need_ns && duration_ns <= KEEP_LONGER * fit_ns ? duration_ns : fit_ns;
}
