/* SPDX-License-Identifier: MIT */
/* The simulated camera's sensor; sensor.h says what is modelled. Nothing here reads a clock. */
#include "capture/simcam/sensor.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/util.h"

#define PIXELS_PER_SECOND 123e6 /* 4056x3040 at 10 frames/s */
#define DURATION_FLOOR_NS INT64_C(2000000)
#define DURATION_DEFAULT_NS INT64_C(33333333)
#define START_DELAY_NS INT64_C(20000000) /* from start to the first frame, at least */
#define ISP_DELAY_NS INT64_C(1500000)
#define JITTER_NS 4000
#define PRODUCT_NOON_NS 200e3 /* exposure x gain for a light of 1 */
#define PRODUCT_FIRST_NS 2e6 /* where the exposure control begins */
#define RED_NOON 1.8
#define BLUE_NOON 1.5
#define WHITE_DARK_LEVEL 0.25 /* against gain: below that the white balance sees noise */
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
	/* rounded down, as libcamera does */
	return clamp_ns(ns, s->duration_min_ns, SENSOR_DURATION_MAX_NS) / s->line_ns * s->line_ns;
}

static double light_at(const struct sensor *s, int64_t ns)
{
	return s->options.light ? s->options.light(s->options.light_data, ns) : 1;
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
	s->random = options->seed;
	s->duration_min_ns = llround(pixels / PIXELS_PER_SECOND * 1e9);
	if (s->duration_min_ns < DURATION_FLOOR_NS)
		s->duration_min_ns = DURATION_FLOOR_NS;
	s->line_ns = s->duration_min_ns / (options->height + 32); /* 32 lines of blanking */
	s->duration_min_ns = s->line_ns * (options->height + 32);
	s->readout_ns = s->line_ns * options->height;
	s->duration_open_ns = legal_duration(s,
		options->fps > 0 ? llround(1e9 / fmax(options->fps, 0.01)) : DURATION_DEFAULT_NS);
	s->duration_normal_ns = s->duration_open_ns;
	s->product_ns = PRODUCT_FIRST_NS;
	s->red = RED_NOON;
	s->blue = BLUE_NOON;
	return 0;
}

/*
 * Parts the product as libcamera's agc_channel.cpp does, by the table of a tuning file: to each
 * stage first the exposure rises, then the gain.
 */
static void part_product(double product_ns, double limit_ns, struct sensor_controls *ret)
{
	static const struct {
		double exposure_ns, gain;
	} stages[] = { { 10e6, 2 }, { 30e6, 4 }, { 60e6, 6 },
		{ SENSOR_EXPOSURE_AUTO_MAX_NS, SENSOR_GAIN_AUTO_MAX } };
	double exposure_ns = 0, gain = 1;

	for (size_t i = 0; i < ARRAY_SIZE(stages) && exposure_ns * gain < product_ns; i++) {
		exposure_ns = fmin(fmin(stages[i].exposure_ns, limit_ns), product_ns / gain);
		gain = fmax(gain, fmin(stages[i].gain, product_ns / exposure_ns));
	}
	ret->exposure_ns = (int64_t)exposure_ns;
	ret->gain = gain;
}

/* Only whole lines can be exposed; a Pi's digital gain makes up for the rest. */
static void fill_line(const struct sensor *s, struct sensor_controls *c)
{
	int64_t lines_ns = c->exposure_ns / s->line_ns * s->line_ns;

	lines_ns = lines_ns < s->line_ns ? s->line_ns : lines_ns;
	c->gain = fmax(c->gain * (double)c->exposure_ns / (double)lines_ns, 1);
	c->exposure_ns = lines_ns;
}

/* The controls that the exposure control and the caller want for the next request. */
static struct sensor_controls wanted_controls(struct sensor *s)
{
	const struct sensor_options *o = &s->options;
	int64_t margin = MARGIN_LINES * s->line_ns;
	struct sensor_controls c = { .duration_ns = s->duration_normal_ns,
		.red = s->set.red > 0 ? s->set.red : s->red,
		.blue = s->set.blue > 0 ? s->set.blue : s->blue };

	part_product(s->product_ns, (double)(s->duration_normal_ns - margin), &c);
	if (s->set.exposure_ns > 0) {
		c.exposure_ns = s->set.exposure_ns;
		c.gain = s->set.gain;
	}
	if (o->exposure_us > 0) {
		c.exposure_ns = (int64_t)fmin(o->exposure_us * 1e3, (double)SENSOR_DURATION_MAX_NS);
		if (s->set.exposure_ns <= 0)
			c.gain = fmin(fmax(s->product_ns / (double)c.exposure_ns, 1),
				SENSOR_GAIN_AUTO_MAX);
	}
	if (o->gain > 0)
		c.gain = o->gain;
	else if (s->set.exposure_ns <= 0 && o->exposure_us <= 0)
		fill_line(s, &c);
	if (o->fps > 0 || o->exposure_us <= 0)
		c.exposure_ns = clamp_ns(c.exposure_ns, 0, c.duration_ns - margin);
	c.exposure_ns = clamp_ns(whole_lines(s, c.exposure_ns), s->line_ns, SENSOR_DURATION_MAX_NS);
	/* a long exposure that was set for good stretches the frames of a rate that was not */
	if (o->fps <= 0 && c.duration_ns < c.exposure_ns + margin)
		c.duration_ns = legal_duration(s, c.exposure_ns + margin);
	if (s->forced_frames > 0 && s->requests > 0) {
		s->forced_frames--;
		c.duration_ns = s->forced_ns;
	}
	return c;
}

/* One round of the camera's own controls: halfway, in stops, to what a frame has shown. */
static void follow_scene(struct sensor *s, const struct sensor_frame *frame, double right_ns)
{
	double limit = (double)(s->duration_normal_ns - MARGIN_LINES * s->line_ns);
	double dark = fmin(frame->level / frame->gain / WHITE_DARK_LEVEL, 1);

	if (s->requests == 0)
		return;
	if (s->set.exposure_ns > 0) /* it goes on from there when it may again */
		s->product_ns = (double)s->set.exposure_ns * s->set.gain;
	else
		s->product_ns = sqrt(s->product_ns * right_ns);
	limit = fmin(limit, (double)SENSOR_EXPOSURE_AUTO_MAX_NS) * SENSOR_GAIN_AUTO_MAX;
	s->product_ns = fmin(s->product_ns, limit);
	s->red += (RED_NOON * dark - s->red * dark) / 8;
	s->blue += (BLUE_NOON * dark - s->blue * dark) / 8;
	s->red *= 1 + (1 - dark) * ((double)random_below(s, 2001) - 1000) / 20000;
	s->blue *= 1 + (1 - dark) * ((double)random_below(s, 2001) - 1000) / 20000;
	s->red = fmin(fmax(s->red, 0.5), 4);
	s->blue = fmin(fmax(s->blue, 0.5), 4);
}

void sensor_step(struct sensor *s, struct sensor_frame *ret)
{
	int latency = s->options.latency_frames;
	const struct sensor_controls *shown;
	int64_t exposure_limit, exposure, frame_start;
	double light = light_at(s, s->frame_start_ns), right = PRODUCT_NOON_NS / light, was;

	s->line[s->sequence % (uint64_t)latency] = wanted_controls(s);
	/* the oldest of the line, written latency - 1 frames ago */
	shown = &s->line[(s->sequence + 1) % (uint64_t)latency];
	exposure_limit = shown->duration_ns - MARGIN_LINES * s->line_ns;
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
		.red = shown->red,
		.blue = shown->blue,
		.startup = s->startup_left > 0,
	};
	if (s->startup_left > 0)
		s->startup_left--;
	was = s->product_ns;
	follow_scene(s, ret, right * exp2(s->options.compensation));
	/* by what the exposure control wants: at its limits it is as settled as elsewhere */
	s->settled_frames = fabs(log(s->product_ns / was)) < 0.05 ? s->settled_frames + 1 : 0;
	ret->converged = !ret->startup && s->settled_frames >= SETTLED_FRAMES;
	s->sequence++;
	/* what shows in the next frame has been told before */
	shown = &s->line[(s->sequence + 1) % (uint64_t)latency];
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
	if (frames > 0 || ns <= 0)
		return;
	s->duration_normal_ns = s->forced_ns;
	if (s->set.duration_ns <= 0)
		s->duration_open_ns = s->forced_ns;
}

void sensor_set_exposure(struct sensor *s, const struct camera_exposure *exposure)
{
	bool set = exposure->exposure_ns > 0;

	s->set = set ? *exposure : (struct camera_exposure){ 0 };
	s->set.exposure_ns = clamp_ns(s->set.exposure_ns, 0, SENSOR_DURATION_MAX_NS);
	s->set.gain = fmin(fmax(s->set.gain, 1), SENSOR_GAIN_MAX);
	s->duration_normal_ns = set && exposure->duration_ns > 0
		? legal_duration(s, exposure->duration_ns)
		: s->duration_open_ns;
}
