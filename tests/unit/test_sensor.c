/* SPDX-License-Identifier: MIT */
/* The physics of the simulated camera: days pass in loops, nothing sleeps. */
#include "tests/test.h"

#include <math.h>

#include "capture/simcam/sensor.h"
#include "capture/simcam/sky.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define NOON (12 * 3600 * NS_PER_SEC) /* with midnight_ns = 0 */
#define MIDNIGHT (24 * 3600 * NS_PER_SEC)
#define JITTER_NS 5000 /* more than the sensor has, rounding included */

static double light_of_the_clock(void *data, int64_t ns)
{
	(void)data;
	return sky_light(-90 * cos(2 * M_PI * (double)(ns % MIDNIGHT) / (double)MIDNIGHT));
}

static struct sensor make(struct sensor_options options)
{
	struct sensor s;

	options.light = light_of_the_clock;
	options.width = options.width ? options.width : 4056;
	options.height = options.height ? options.height : 3040;
	CHECK_INT(sensor_init(&s, &options), 0);
	return s;
}

/* When the first row was read out: the end of its exposure. */
static int64_t frame_start(const struct sensor_frame *f)
{
	return f->start_ns + llround(f->exposure_us * 1e3);
}

/* Takes the next frame when it is ready and gives its buffer back at once. */
static struct sensor_frame next_frame(struct sensor *s)
{
	struct sensor_frame f = { 0 };
	int64_t now = sensor_next_ns(s);

	CHECK_INT(sensor_take(s, now - 1, &f), -EAGAIN);
	CHECK_INT(sensor_take(s, now, &f), 0);
	CHECK_INT(f.ready_ns, now);
	sensor_request(s, now);
	return f;
}

static void skip_startup(struct sensor *s)
{
	for (int i = 0; i < 20; i++)
		next_frame(s);
}

TEST(options)
{
	static const struct {
		struct sensor_options options;
		int want;
		int64_t duration_ns, min_ns; /* to 1 % */
	} cases[] = {
		{ { .width = 4056, .height = 3040, .fps = 10 }, 0, 100000000, 100000000 },
		{ { .width = 4056, .height = 3040 }, 0, 100000000, 100000000 },
		{ { .width = 1920, .height = 1080 }, 0, 33333333, 16860000 },
		{ { .width = 1920, .height = 1080, .fps = 500 }, 0, 16860000, 16860000 },
		{ { .width = 64, .height = 48, .fps = 250 }, 0, 4000000, 2000000 },
		{ { .width = 64, .height = 48, .fps = 0.001 }, 0, 100000000000, 2000000 },
		{ { .width = 16, .height = 16, .fps = 1 }, 0, 1000000000, 2000000 },
		{ { .width = 15, .height = 16 }, -EINVAL, 0, 0 },
		{ { .width = PICTURE_SIDE_MAX + 1, .height = 16 }, -EINVAL, 0, 0 },
		{ { .width = 64, .height = 48, .latency_frames = SENSOR_LATENCY_MAX + 1 }, -EINVAL,
			0, 0 },
		{ { .width = 64, .height = 48, .latency_frames = -1 }, -EINVAL, 0, 0 },
		{ { .width = 64, .height = 48, .drift_ppm = -20000 }, -EINVAL, 0, 0 },
		{ { .width = 64, .height = 48, .drift_ppm = NAN }, -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sensor s;

		CHECK_INT(sensor_init(&s, &cases[i].options), cases[i].want);
		if (cases[i].want < 0)
			continue;
		CHECK(llabs(s.duration_normal_ns - cases[i].duration_ns) <=
			cases[i].duration_ns / 100);
		CHECK(llabs(s.duration_min_ns - cases[i].min_ns) <= cases[i].min_ns / 100);
	}
}

/* Frames are a duration of the drifting clock apart; the jitter does not add up. */
TEST(pace_and_drift)
{
	static const double ppm[] = { 0, 50, -120, 5000 };

	for (size_t i = 0; i < ARRAY_SIZE(ppm); i++) {
		struct sensor s = make((struct sensor_options){ .fps = 10, .drift_ppm = ppm[i] });
		struct sensor_frame first, f;
		double wanted;

		sensor_start(&s, NOON, CAMERA_BUFFERS);
		f = first = next_frame(&s);
		for (uint64_t k = 1; k <= 3000; k++) {
			struct sensor_frame last = f;

			f = next_frame(&s);
			CHECK_INT(f.sequence, k);
			CHECK_INT(frame_start(&f) % NS_PER_US, 0);
			CHECK(llabs(frame_start(&f) - frame_start(&last) -
				      llround((double)last.duration_ns * (1 + ppm[i] * 1e-6))) <=
				JITTER_NS);
			CHECK_INT(f.duration_ns, last.duration_ns);
		}
		wanted = 3000.0 * (double)f.duration_ns * (1 + ppm[i] * 1e-6);
		CHECK(fabs((double)(frame_start(&f) - frame_start(&first)) - wanted) <= JITTER_NS);
		/* ready after the readout: never before the picture can be there */
		CHECK(f.ready_ns - frame_start(&f) > 95000000 &&
			f.ready_ns - frame_start(&f) < 105000000);
	}
}

TEST(phase_comes_from_the_seed)
{
	int64_t start[8];
	int same = 0;

	for (uint64_t i = 0; i < 8; i++) {
		struct sensor s = make((struct sensor_options){ .fps = 10, .seed = i / 2 });
		struct sensor_frame f;

		sensor_start(&s, NOON, CAMERA_BUFFERS);
		f = next_frame(&s);
		start[i] = frame_start(&f);
		CHECK(start[i] > NOON + 100000000 && start[i] < NOON + 300000000);
	}
	for (int i = 0; i < 8; i += 2) {
		CHECK_INT(start[i], start[i + 1]);
		same += llabs(start[i] - start[0]) < 1000000;
	}
	CHECK(same < 3);
}

/* Seven or eight frames converge after the first start; later starts go on where it was. */
TEST(startup)
{
	int seen[10] = { 0 };

	for (uint64_t seed = 0; seed < 30; seed++) {
		struct sensor s = make((struct sensor_options){ .fps = 10, .seed = seed });
		struct sensor_frame f;
		int n = 0;

		sensor_start(&s, NOON, CAMERA_BUFFERS);
		CHECK(sensor_next_ns(&s) > NOON);
		f = next_frame(&s);
		CHECK(f.level > 3 || f.level < 1 / 3.0); /* far off at first */
		for (; f.startup && n < 9; n++) {
			CHECK(!f.converged);
			f = next_frame(&s);
		}
		seen[n]++;
		CHECK(fabs(log2(f.level)) < 0.15);
		for (int i = 0; i < 5; i++)
			f = next_frame(&s);
		CHECK(f.converged);
		sensor_stop(&s);
		CHECK_INT(sensor_next_ns(&s), SENSOR_NEVER);
		CHECK_INT(sensor_take(&s, MIDNIGHT, &f), -EAGAIN);
		sensor_start(&s, NOON + 10 * NS_PER_SEC, CAMERA_BUFFERS);
		f = next_frame(&s);
		CHECK_INT(f.sequence, 0);
		CHECK(!f.startup && fabs(log2(f.level)) < 0.15);
	}
	CHECK_INT(seen[7] + seen[8], 30);
	CHECK(seen[7] > 0 && seen[8] > 0);
}

/* A start-up frame is never called converged, even where the exposure is right from the first. */
TEST(startup_is_not_converged)
{
	struct sensor s = make((struct sensor_options){ .fps = 10 });
	int64_t now = 0;
	struct sensor_frame f;

	while (light_of_the_clock(NULL, now) < 0.1)
		now += 10 * NS_PER_SEC;
	sensor_start(&s, now, CAMERA_BUFFERS);
	do {
		f = next_frame(&s);
		CHECK(f.startup != f.converged);
		CHECK(fabs(log2(f.level)) < 0.1);
	} while (f.startup && f.sequence < 20);
}

/* What was ready when the stream stopped does not turn up in the next one. */
TEST(stop_forgets)
{
	struct sensor s = make((struct sensor_options){ .fps = 10 });
	int64_t restart = NOON + 20 * NS_PER_SEC;
	struct sensor_frame f;

	sensor_start(&s, NOON, CAMERA_BUFFERS);
	CHECK_INT(sensor_waiting(&s, NOON + 10 * NS_PER_SEC), CAMERA_BUFFERS);
	sensor_stop(&s);
	sensor_start(&s, restart, CAMERA_BUFFERS);
	for (uint64_t i = 0; i < 2 * CAMERA_BUFFERS; i++) {
		f = next_frame(&s);
		CHECK_INT(f.sequence, i);
		CHECK(f.start_ns > restart);
	}
}

/* A frame that was made short cuts its exposure short. */
TEST(exposure_fits_its_frame)
{
	struct sensor s = make((struct sensor_options){
		.width = 1920, .height = 1080, .fps = 10, .exposure_us = 90000 });
	struct sensor_frame f;
	int cut = 0;

	sensor_start(&s, NOON, CAMERA_BUFFERS);
	skip_startup(&s);
	sensor_set_duration(&s, 40000000, 1);
	for (int i = 0; i < 7; i++) {
		f = next_frame(&s);
		CHECK(f.exposure_us * 1e3 < (double)f.duration_ns);
		cut += f.exposure_us < 40000;
	}
	CHECK_INT(cut, 1);
}

/*
 * A forced duration shows in the frame that is `latency` frames later, for as many as were asked
 * for.
 */
TEST(control_latency)
{
	for (int latency = 1; latency <= SENSOR_LATENCY_MAX; latency++)
		for (int frames = 1; frames <= 3; frames++) {
			struct sensor s = make((struct sensor_options){ .width = 1920,
				.height = 1080,
				.fps = 10,
				.latency_frames = latency });
			struct sensor_frame last, f;

			sensor_start(&s, NOON, CAMERA_BUFFERS);
			skip_startup(&s);
			last = next_frame(&s);
			sensor_set_duration(&s, 130000000, frames);
			for (int i = 1; i < 20; i++, last = f) {
				bool forced = i >= latency && i < latency + frames;

				f = next_frame(&s);
				CHECK(llabs(f.duration_ns - (forced ? 130000000 : 100000000)) <
					20000);
				/* it is the first that is moved, where that can be */
				CHECK(latency == 1 ||
					llabs(frame_start(&f) - frame_start(&last) -
						f.duration_ns) <= JITTER_NS);
			}
		}
}

TEST(forced_durations_are_clamped_and_can_be_called_off)
{
	struct sensor s = make((struct sensor_options){ .fps = 5 });
	struct sensor_frame f;

	sensor_start(&s, NOON, CAMERA_BUFFERS);
	skip_startup(&s);
	sensor_set_duration(&s, 1, 1);
	next_frame(&s);
	f = next_frame(&s);
	CHECK_INT(f.duration_ns, s.duration_min_ns);
	sensor_set_duration(&s, INT64_MAX, 1);
	next_frame(&s);
	f = next_frame(&s);
	CHECK(llabs(f.duration_ns - SENSOR_DURATION_MAX_NS) < 100000);
	sensor_set_duration(&s, 150000000, 1000);
	sensor_set_duration(&s, 0, 0);
	for (int i = 0; i < 5; i++)
		f = next_frame(&s);
	CHECK(llabs(f.duration_ns - 200000000) < 100000);
	sensor_set_duration(&s, 150000000, 1000);
	sensor_stop(&s);
	sensor_start(&s, f.ready_ns + NS_PER_SEC, CAMERA_BUFFERS);
	for (int i = 0; i < 5; i++)
		f = next_frame(&s);
	CHECK(llabs(f.duration_ns - 200000000) < 100000);
}

/*
 * At night the exposure is as long as the frames, and at most what a Pi's tuning allows; then the
 * gain does some of the work, up to 8, and no more: the night stays dark.
 */
TEST(day_and_night)
{
	static const struct {
		double fps;
		int64_t now_ns;
		double exposure_us, gain; /* to 10 % */
		int64_t duration_ns;
	} cases[] = {
		{ 0, NOON, 200, 1, 33333333 },
		{ 30, NOON, 200, 1, 33333333 },
		{ 0, MIDNIGHT, 33333, 8, 33333333 },
		{ 30, MIDNIGHT, 33333, 8, 33333333 },
		{ 5, MIDNIGHT, 66666, 8, 200000000 },
	};
	double last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sensor s = make((struct sensor_options){
			.width = 1920, .height = 1080, .fps = cases[i].fps });
		struct sensor_frame f;

		sensor_start(&s, cases[i].now_ns, CAMERA_BUFFERS);
		for (int k = 0; k < 20; k++) {
			f = next_frame(&s);
			CHECK(f.exposure_us * 1e3 < (double)f.duration_ns || k < 3);
		}
		CHECK(f.converged); /* also at the limit of what it can do */
		CHECK((f.level < 0.02) == (cases[i].now_ns == MIDNIGHT));
		CHECK(fabs(f.exposure_us / cases[i].exposure_us - 1) < 0.1);
		CHECK(fabs(f.gain / cases[i].gain - 1) < 0.1);
		CHECK(llabs(f.duration_ns - cases[i].duration_ns) < 1000000);
	}
	for (int minute = 0; minute <= 720; minute++) {
		double light = light_of_the_clock(NULL, minute * 60 * NS_PER_SEC);

		CHECK(light >= last && light >= CAMERA_LIGHT_NIGHT && light <= 1);
		CHECK(last == 0 || light / last < 1.4); /* no jump that a camera could not follow */
		last = light;
	}
}

TEST(manual_exposure)
{
	struct sensor s = make((struct sensor_options){
		.width = 1920, .height = 1080, .exposure_us = 50000, .gain = 4 });
	struct sensor_frame f;

	sensor_start(&s, NOON, CAMERA_BUFFERS);
	skip_startup(&s);
	f = next_frame(&s);
	CHECK(fabs(f.exposure_us - 50000) < 20);
	CHECK(f.gain == 4 && f.level > 50);
	CHECK(f.duration_ns > 50000000 && f.duration_ns < 50200000);
}

/*
 * With all buffers held three frames are kept; the buffers that come back get those first, old, and
 * what was made in between is lost.
 */
TEST(frames_grow_stale_when_all_buffers_are_held)
{
	struct sensor s = make((struct sensor_options){ .fps = 10 });
	struct sensor_frame held[CAMERA_BUFFERS], f;
	int64_t now = 0, last;

	sensor_start(&s, NOON, CAMERA_BUFFERS);
	skip_startup(&s);
	for (int i = 0; i < CAMERA_BUFFERS; i++) {
		now = sensor_next_ns(&s);
		CHECK_INT(sensor_take(&s, now, &held[i]), 0);
	}
	CHECK_INT(sensor_next_ns(&s), SENSOR_NEVER);
	now += 5 * NS_PER_SEC;
	CHECK_INT(sensor_take(&s, now, &f), -EAGAIN);
	last = frame_start(&held[CAMERA_BUFFERS - 1]);
	for (int i = 0; i < CAMERA_BUFFERS; i++)
		sensor_request(&s, now);
	for (int i = 0; i < SENSOR_KEPT; i++) {
		CHECK(sensor_next_ns(&s) <= now + 3000000);
		f = next_frame(&s);
		CHECK_INT(f.sequence, held[CAMERA_BUFFERS - 1].sequence + 1 + (uint64_t)i);
		CHECK(llabs(frame_start(&f) - last - s.duration_normal_ns) <= JITTER_NS);
		CHECK(now - frame_start(&f) > 4 * NS_PER_SEC);
		last = frame_start(&f);
	}
	f = next_frame(&s);
	CHECK(f.sequence > held[CAMERA_BUFFERS - 1].sequence + 40);
	CHECK(frame_start(&f) > now - 200000000);
}

TEST(skipped_frames_are_lost)
{
	struct sensor s = make((struct sensor_options){ .fps = 10 });
	struct sensor_frame before, after;
	int64_t now;

	sensor_start(&s, NOON, CAMERA_BUFFERS);
	before = next_frame(&s);
	now = before.ready_ns + 3 * NS_PER_SEC;
	CHECK_INT(sensor_waiting(&s, now - NS_PER_SEC), CAMERA_BUFFERS);
	sensor_skip(&s, now);
	CHECK_INT(sensor_waiting(&s, now), 0);
	CHECK(sensor_next_ns(&s) > now && sensor_next_ns(&s) < now + 110000000);
	CHECK_INT(sensor_next_ns(&s), sensor_next_made_ns(&s));
	after = next_frame(&s);
	CHECK(after.sequence >= before.sequence + 30);
}

/*
 * What the model is for: a loop that moves the frames onto whole seconds by single long or short
 * frames gets there and stays there, against a drift of 100 ppm.
 */
TEST(phase_can_be_steered)
{
	struct sensor s = make((struct sensor_options){ .fps = 8, .drift_ppm = 100, .seed = 5 });
	int64_t period = s.duration_normal_ns, worst = 0;
	int wait = 0;

	sensor_start(&s, NOON + 123456789, CAMERA_BUFFERS);
	skip_startup(&s);
	for (int i = 0; i < 2000; i++) {
		struct sensor_frame f = next_frame(&s);
		/* positive: the frame is early */
		int64_t error = 125000000 - (f.start_ns % 125000000);

		if (error > 62500000)
			error -= 125000000;
		if (i > 300 && llabs(error) > worst)
			worst = llabs(error);
		if (wait-- <= 0) {
			/* room to shorten is 20 ms */
			sensor_set_duration(
				&s, period + (error < -20000000 ? -20000000 : error), 1);
			wait = SENSOR_LATENCY + 1;
		}
	}
	CHECK(worst < 200000); /* 0.2 ms: four frames of drift, a line of 32 us, jitter */
}
