/* SPDX-License-Identifier: MIT */
/* The simulated camera's sensor; sensor.h says what is modelled. Nothing here reads a clock. */
#include "capture/simcam/sensor.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/base/clock.h"

#define PIXELS_PER_SECOND 123e6 /* 4056x3040 at 10 frames/s */
#define DURATION_FLOOR_NS INT64_C(2000000)
#define DURATION_DEFAULT_NS INT64_C(33333333)
#define START_DELAY_NS INT64_C(20000000) /* from start to the first frame, at least */
#define ISP_DELAY_NS INT64_C(1500000)
#define JITTER_NS 4000
#define LIGHT_NIGHT 0.0005
#define PRODUCT_NOON_NS 2e6 /* exposure x gain for a light of 1 */
#define PRODUCT_FIRST_NS 20e6 /* where the exposure control begins */
#define GAIN_MAX 16.0
#define MARGIN_LINES 4 /* an exposure is at least this much shorter than its frame */
#define SETTLED_FRAMES 5

/* splitmix64: good from any seed, 0 included */
static uint64_t random_next(struct sensor *s)
{
	uint64_t z = s->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int64_t random_below(struct sensor *s, int64_t limit)
{
	return limit > 0 ? (int64_t)(random_next(s) % (uint64_t)limit) : 0;
}

static int64_t clamp_ns(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* A length of the sensor's clock in true time. */
static int64_t true_ns(const struct sensor *s, int64_t ns)
{
	return ns + llround((double)ns * s->options.drift_ppm * 1e-6);
}

static int64_t whole_lines(const struct sensor *s, int64_t ns)
{
	return (ns + s->line_ns / 2) / s->line_ns * s->line_ns;
}

static int64_t legal_duration(const struct sensor *s, int64_t ns)
{
	return whole_lines(s, clamp_ns(ns, s->duration_min_ns, SENSOR_DURATION_MAX_NS));
}

double sensor_light(double day)
{
	/* sun height from -1 (midnight) to 1 (noon); dawn and dusk are its way from -0.3 to 0.3 */
	double sun = -cos(2 * M_PI * day);
	double up = sun < -0.3 ? 0 : sun > 0.3 ? 1 : (sun + 0.3) / 0.6;

	return exp((1 - up) * log(LIGHT_NIGHT));
}

static double light_at(const struct sensor *s, int64_t ns)
{
	int64_t since = (ns - s->options.midnight_ns) % s->options.day_ns;

	return sensor_light((double)since / (double)s->options.day_ns);
}

int sensor_init(struct sensor *s, const struct sensor_options *options)
{
	double pixels = (double)options->width * options->height;

	if (options->width < 16 || options->height < 16 || options->width > PICTURE_SIDE_MAX ||
		options->height > PICTURE_SIDE_MAX || options->latency_frames < 0 ||
		options->latency_frames > SENSOR_LATENCY_MAX ||
		!(fabs(options->drift_ppm) <= SENSOR_DRIFT_MAX_PPM))
		return -EINVAL;
	memset(s, 0, sizeof *s);
	s->options = *options;
	if (s->options.latency_frames == 0)
		s->options.latency_frames = SENSOR_LATENCY;
	if (s->options.day_ns <= 0)
		s->options.day_ns = 24 * 3600 * NS_PER_SEC;
	s->random = options->seed;
	s->duration_min_ns = llround(pixels / PIXELS_PER_SECOND * 1e9);
	if (s->duration_min_ns < DURATION_FLOOR_NS)
		s->duration_min_ns = DURATION_FLOOR_NS;
	s->line_ns = s->duration_min_ns / (options->height + 32); /* 32 lines of blanking */
	s->duration_min_ns = s->line_ns * (options->height + 32);
	s->readout_ns = s->line_ns * options->height;
	s->duration_normal_ns = legal_duration(s,
		options->fps > 0 ? llround(1e9 / fmax(options->fps, 0.01)) : DURATION_DEFAULT_NS);
	s->product_ns = PRODUCT_FIRST_NS;
	return 0;
}

/* The controls that the exposure control and the caller want for the next request. */
static struct sensor_controls wanted_controls(struct sensor *s)
{
	const struct sensor_options *o = &s->options;
	int64_t margin = MARGIN_LINES * s->line_ns, limit = SENSOR_EXPOSURE_AUTO_MAX_NS;
	struct sensor_controls c = { .duration_ns = s->duration_normal_ns };

	if (o->exposure_us > 0)
		limit = (int64_t)fmin(o->exposure_us * 1e3, (double)SENSOR_DURATION_MAX_NS);
	if (o->fps > 0 && limit > s->duration_normal_ns - margin)
		limit = s->duration_normal_ns - margin;
	c.gain = o->gain > 0 ? o->gain : 1;
	c.exposure_ns = limit;
	if (o->exposure_us <= 0)
		c.exposure_ns = (int64_t)fmin(s->product_ns / c.gain, (double)limit);
	if (o->gain <= 0)
		c.gain = fmin(fmax(s->product_ns / (double)c.exposure_ns, 1), GAIN_MAX);
	c.exposure_ns = clamp_ns(whole_lines(s, c.exposure_ns), s->line_ns, SENSOR_DURATION_MAX_NS);
	if (o->fps <= 0 && c.duration_ns < c.exposure_ns + margin)
		c.duration_ns = legal_duration(s, c.exposure_ns + margin);
	if (s->forced_frames > 0 && s->requests > 0) {
		s->forced_frames--;
		c.duration_ns = s->forced_ns;
	}
	return c;
}

void sensor_step(struct sensor *s, struct sensor_frame *ret)
{
	int latency = s->options.latency_frames;
	const struct sensor_controls *shown;
	int64_t exposure_limit, exposure, frame_start;
	double light = light_at(s, s->frame_start_ns), right = PRODUCT_NOON_NS / light;

	s->line[s->sequence % (uint64_t)latency] = wanted_controls(s);
	/* the oldest of the line, written latency - 1 frames ago */
	shown = &s->line[(s->sequence + 1) % (uint64_t)latency];
	exposure_limit = s->last_duration_ns - MARGIN_LINES * s->line_ns;
	exposure = clamp_ns(shown->exposure_ns, s->line_ns, exposure_limit);
	frame_start = s->frame_start_ns + random_below(s, JITTER_NS);
	frame_start -= frame_start % NS_PER_US; /* as V4L2 tells it */

	*ret = (struct sensor_frame){
		.sequence = s->sequence,
		.start_ns = frame_start - exposure,
		.ready_ns = s->frame_start_ns + s->latency_ns,
		.duration_ns = shown->duration_ns,
		.exposure_us = (double)exposure / 1e3,
		.gain = shown->gain,
		.light = light,
		.level = (double)exposure * shown->gain / right,
		.startup = s->startup_left > 0,
	};
	if (s->startup_left > 0)
		s->startup_left--;
	/* by what the exposure control wants: at its limits it is as settled as elsewhere */
	s->settled_frames = fabs(log(s->product_ns / right)) < 0.1 ? s->settled_frames + 1 : 0;
	ret->converged = !ret->startup && s->settled_frames >= SETTLED_FRAMES;
	if (s->requests > 0) /* one round of the exposure control: halfway, in stops */
		s->product_ns = sqrt(s->product_ns * right);
	s->sequence++;
	s->last_duration_ns = shown->duration_ns;
	s->frame_start_ns += true_ns(s, shown->duration_ns);
	s->latency_ns =
		true_ns(s, s->readout_ns) + ISP_DELAY_NS + random_below(s, ISP_DELAY_NS / 4);
}

void sensor_start(struct sensor *s, int64_t now_ns, int requests)
{
	struct sensor_controls c;

	assert(!s->streaming && requests >= 0 && requests <= CAMERA_BUFFERS);
	s->streaming = true;
	s->requests = 0; /* until the line is filled: no forced duration is used up */
	s->forced_frames = 0;
	s->sequence = 0;
	s->startup_left = s->ever_started ? 0 : 7 + (int)random_below(s, 2);
	s->ever_started = true;
	c = wanted_controls(s);
	for (int i = 0; i < s->options.latency_frames; i++)
		s->line[i] = c;
	s->requests = requests;
	s->last_duration_ns = c.duration_ns;
	s->frame_start_ns =
		now_ns + START_DELAY_NS + c.duration_ns + random_below(s, c.duration_ns);
	s->latency_ns = true_ns(s, s->readout_ns) + ISP_DELAY_NS;
}

void sensor_stop(struct sensor *s)
{
	s->streaming = false;
	s->requests = s->n_made = s->n_done = 0;
}

/* A frame that waited for a request, or has just been made, gets one. */
static void fill_request(struct sensor *s)
{
	s->requests--;
	s->n_done++;
}

/* Makes all frames that are ready by now. */
static void make_frames(struct sensor *s, int64_t now_ns)
{
	struct sensor_frame frame;

	while (s->streaming && s->frame_start_ns + s->latency_ns <= now_ns) {
		sensor_step(s, &frame);
		if (s->requests == 0 && s->n_made - s->n_done == SENSOR_KEPT)
			continue;
		s->made[s->n_made++] = frame;
		if (s->requests > 0)
			fill_request(s);
	}
}

void sensor_request(struct sensor *s, int64_t now_ns)
{
	if (!s->streaming)
		return;
	make_frames(s, now_ns);
	s->requests++;
	if (s->n_made == s->n_done)
		return;
	s->made[s->n_done].ready_ns = now_ns + ISP_DELAY_NS;
	fill_request(s);
}

int sensor_take(struct sensor *s, int64_t now_ns, struct sensor_frame *ret)
{
	if (sensor_waiting(s, now_ns) == 0)
		return -EAGAIN;
	*ret = s->made[0];
	s->n_done--;
	memmove(s->made, s->made + 1, (size_t)--s->n_made * sizeof s->made[0]);
	return 0;
}

int sensor_waiting(struct sensor *s, int64_t now_ns)
{
	int n = 0;

	make_frames(s, now_ns);
	while (n < s->n_done && s->made[n].ready_ns <= now_ns)
		n++;
	return n;
}

int64_t sensor_next_made_ns(const struct sensor *s)
{
	return s->streaming ? s->frame_start_ns + s->latency_ns : SENSOR_NEVER;
}

int64_t sensor_next_ns(const struct sensor *s)
{
	if (!s->streaming)
		return SENSOR_NEVER;
	if (s->n_done > 0)
		return s->made[0].ready_ns;
	return s->requests > 0 ? s->frame_start_ns + s->latency_ns : SENSOR_NEVER;
}

void sensor_skip(struct sensor *s, int64_t now_ns)
{
	struct sensor_frame frame;

	s->requests += s->n_done;
	s->n_made = s->n_done = 0;
	while (s->streaming && s->frame_start_ns + s->latency_ns <= now_ns)
		sensor_step(s, &frame);
}

void sensor_set_duration(struct sensor *s, int64_t ns, int frames)
{
	s->forced_ns = legal_duration(s, ns);
	s->forced_frames = frames > 0 ? frames : 0;
}
