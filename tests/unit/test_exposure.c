/* SPDX-License-Identifier: MIT */
/* The exposure policy piece by piece, the meter, and what both do with nonsense. */
#include "tests/test.h"

#include <math.h>

#include "capture/exposure/exposure.h"
#include "capture/exposure/meter.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define MS INT64_C(1000000)

static const struct camera_info imx = { .frame_duration_min_ns = 47 * MS,
	.frame_duration_max_ns = 11 * NS_PER_SEC,
	.frame_duration_ns = 47 * MS,
	.exposure_min_ns = 20000,
	.exposure_max_ns = 10 * NS_PER_SEC,
	.gain_max = 10.7,
	.latency_frames = 7 };

static struct exposure_limits limits_for(struct exposure_wishes wishes, int64_t every_ms)
{
	return exposure_limits_of(&wishes, &imx, every_ms * 1000);
}

TEST(limits)
{
	static const struct {
		struct exposure_wishes wishes;
		int64_t every_ms, max_us;
		enum exposure_bound bound;
		double gain;
	} cases[] = {
		{ { 0 }, 0, 1000000, EXPOSURE_BY_DEFAULT, 10.7 },
		{ { 0 }, 60000, 1000000, EXPOSURE_BY_DEFAULT, 10.7 },
		{ { 0 }, 1000, 475000, EXPOSURE_BY_INTERVAL, 10.7 },
		{ { 0 }, 100, 47500, EXPOSURE_BY_INTERVAL, 10.7 },
		{ { .exposure_max_us = 5000000 }, 60000, 5000000, EXPOSURE_BY_SETTING, 10.7 },
		{ { .exposure_max_us = 5000000 }, 2000, 1900000, EXPOSURE_BY_INTERVAL, 10.7 },
		{ { .exposure_max_us = 60000000 }, 60000, 10000000, EXPOSURE_BY_CAMERA, 10.7 },
		{ { .exposure_max_us = INT64_MAX / 1000 }, 0, 10000000, EXPOSURE_BY_CAMERA, 10.7 },
		{ { .exposure_max_us = 1 }, 60000, 20, EXPOSURE_BY_SETTING, 10.7 },
		{ { .exposure_max_us = 5000000, .fps = 20 }, 60000, 44650, EXPOSURE_BY_RATE, 10.7 },
		{ { .gain_max = 4 }, 60000, 1000000, EXPOSURE_BY_DEFAULT, 4 },
		{ { .gain_max = 1e9 }, 60000, 1000000, EXPOSURE_BY_DEFAULT, 10.7 },
		{ { .gain_max = NAN }, 60000, 1000000, EXPOSURE_BY_DEFAULT, 10.7 },
	};
	struct camera_info none = imx;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exposure_limits l = limits_for(cases[i].wishes, cases[i].every_ms);

		CHECK_INT(l.max_ns / 1000, cases[i].max_us);
		CHECK_INT(l.bound, cases[i].bound);
		CHECK(l.gain_max == cases[i].gain);
		CHECK(l.min_ns <= l.max_ns);
		for (int k = 0; k < EXPOSURE_BOUNDS; k++)
			CHECK(*exposure_bound_name((enum exposure_bound)k));
	}
	none.exposure_max_ns = 0;
	CHECK_INT(exposure_limits_of(&cases[4].wishes, &none, 60000000).max_ns, 0);
}

/*
 * Over twenty stops the product is what was asked for, first by the exposure, then by the gain, and
 * nothing jumps.
 */
TEST(parting_is_continuous)
{
	static const int64_t hz[] = { 0, 50, 60 };

	for (size_t i = 0; i < ARRAY_SIZE(hz); i++) {
		struct exposure_limits l = limits_for(
			(struct exposure_wishes){ .exposure_max_us = 5000000, .flicker_hz = hz[i] },
			60000);
		struct camera_exposure last = { 0 }, e;

		for (double stops = log2(20000); stops < log2(5e9 * 10.6); stops += 0.01) {
			exposure_part(&l, exp2(stops), &e);
			CHECK(fabs(log2((double)e.exposure_ns * e.gain) - stops) < 0.001);
			CHECK(e.exposure_ns >= 20000 && e.exposure_ns <= l.max_ns);
			CHECK(e.gain >= 1 && e.gain <= 10.7);
			CHECK(e.exposure_ns >= last.exposure_ns);
			if (!hz[i])
				CHECK(e.gain < 1.0001 || e.exposure_ns == l.max_ns);
			else if (e.exposure_ns >= l.flicker_ns)
				CHECK(e.exposure_ns % l.flicker_ns == 0 &&
					e.gain < 2.001 *
							(e.exposure_ns >= l.max_ns - l.flicker_ns
									? 5.5
									: 1));
			last = e;
		}
		exposure_part(&l, 1e18, &e);
		CHECK(e.exposure_ns <= l.max_ns && e.gain == 10.7);
		exposure_part(&l, 0, &e);
		CHECK(e.exposure_ns == 20000 && e.gain == 1);
	}
}

/* Frames are long enough for their exposure, fit into the interval, and change seldom. */
TEST(frames_follow_the_exposure)
{
	static const int64_t every_ms[] = { 0, 100, 500, 2000, 60000, 3600000 };

	for (size_t i = 0; i < ARRAY_SIZE(every_ms); i++) {
		struct exposure_limits l = limits_for(
			(struct exposure_wishes){ .exposure_max_us = 9000000 }, every_ms[i]);
		int64_t duration = 0;
		int changes = 0;

		for (int way = 0; way < 2; way++)
			for (double part = 0; part <= 1; part += 0.001) {
				double stops = log2(1e6) +
					(way ? 1 - part : part) * log2((double)l.max_ns / 1e6);
				int64_t exposure_ns = llround(fmin(exp2(stops), (double)l.max_ns));
				int64_t new = exposure_duration_ns(&l, exposure_ns, duration);

				CHECK((new ? new : l.duration_ns) > exposure_ns + MS);
				CHECK(!new || new <= l.duration_max_ns);
				/* a frame for each slot */
				if (new &&l.every_ns) {
					double frames = (double)l.every_ns / (double)new;

					CHECK(fabs(frames - round(frames)) < 1e-3);
				}
				changes += new != duration;
				duration = new;
			}
		CHECK_INT(duration, 0);
		CHECK(changes <= 2 * 16);
	}
}

static struct exposure_reading reading(int64_t at_ns, double product_ns, double luma)
{
	return (struct exposure_reading){ .at_ns = at_ns,
		.exposure_us = fmin(product_ns, 33e6) / 1e3,
		.gain = fmax(product_ns / 33e6, 1),
		.duration_ns = 47 * MS,
		.red = 1.8,
		.blue = 1.5,
		.luma = luma,
		.converged = true };
}

static void resume(struct exposure *e, double product_ns, struct camera_exposure *ret)
{
	const struct exposure_past past = { product_ns, NAN, NAN, 0 };

	CHECK_INT(exposure_resume(e, &past, ret), 1);
}

/* The hand-over: the first order is what the camera had, and the way back has a hysteresis. */
TEST(takes_and_gives_back)
{
	struct exposure_limits l = limits_for((struct exposure_wishes){ 0 }, 2000);
	struct exposure e = exposure_new(&l);
	struct camera_exposure order = { 0 };
	struct exposure_reading r;
	int64_t now = 0;
	int n = 0;

	for (int i = 0; i < 200; i++) {
		r = reading(now += 200 * MS, 10e6, 0.47);
		CHECK_INT(exposure_frame(&e, &r, &order), 0);
	}
	CHECK(fabs(e.target - 0.47) < 0.01);
	CHECK_INT(e.stage, EXPOSURE_OF_CAMERA);
	do {
		r = reading(now += 200 * MS, 40e6, 0.47);
	} while (exposure_frame(&e, &r, &order) == 0 && n++ < 10);
	CHECK(n < 5);
	CHECK(fabs(log2((double)order.exposure_ns * order.gain / 40e6)) < 0.05);
	CHECK_INT(e.stage, EXPOSURE_BY_TIME);
	CHECK(fabs(e.target - 0.47) < 0.01);
	/* between the two marks it keeps it */
	for (int i = 0; i < 50; i++) {
		r = reading(now += 200 * MS, 20e6, e.target);
		exposure_frame(&e, &r, &order);
	}
	CHECK(e.stage == EXPOSURE_BY_TIME && order.exposure_ns > 19 * MS);
	for (n = 0; e.stage != EXPOSURE_OF_CAMERA && n < 50; n++) {
		r = reading(now += 200 * MS, 10e6, e.target);
		exposure_frame(&e, &r, &order);
	}
	CHECK(n < 20);
	CHECK_INT(order.exposure_ns, 0);
}

/* One bright or dark frame, a flash or a bird, changes nothing. */
TEST(a_flash_is_passed_over)
{
	struct exposure_limits l = limits_for((struct exposure_wishes){ 0 }, 2000);
	struct exposure e = exposure_new(&l);
	struct camera_exposure order = { 0 };
	struct exposure_reading r;

	resume(&e, 300e6, &order);
	for (int i = 1; i < 300; i++) {
		r = reading(
			i * 200 * MS, 300e6, i % 50 == 49 ? (i % 100 == 99 ? 1 : 0.02) : e.target);
		r.clipped = i % 100 == 99;
		CHECK_INT(exposure_frame(&e, &r, &order), 0);
	}
	CHECK(fabs(e.stops - log2(300e6)) < 0.02);
}

/* A camera that reports nonsense: passed over, and what holds goes on holding. */
TEST(nonsense)
{
	static const struct exposure_reading bad[] = {
		{ .exposure_us = 0, .gain = 1, .luma = 0.4 },
		{ .exposure_us = -1, .gain = 1, .luma = 0.4 },
		{ .exposure_us = NAN, .gain = 1, .luma = 0.4 },
		{ .exposure_us = INFINITY, .gain = 1, .luma = 0.4 },
		{ .exposure_us = 1e300, .gain = 1, .luma = 0.4 },
		{ .exposure_us = 1000, .gain = NAN, .luma = 0.4 },
		{ .exposure_us = 1000, .gain = 0, .luma = 0.4 },
		{ .exposure_us = 1000, .gain = -3, .luma = 0.4 },
		{ .exposure_us = 1000, .gain = 1e30, .luma = 0.4 },
		{ .exposure_us = 1000, .gain = 1, .luma = NAN },
		{ .exposure_us = 1000, .gain = 1, .luma = -0.1 },
		{ .exposure_us = 1000, .gain = 1, .luma = 1.1 },
		{ .exposure_us = 1000, .gain = 1, .luma = 0.4, .clipped = NAN },
		{ .exposure_us = 1000, .gain = 1, .luma = 0.4, .clipped = 2 },
	};
	struct exposure_limits l = limits_for((struct exposure_wishes){ 0 }, 60000);
	struct exposure e = exposure_new(&l), before;
	struct camera_exposure order = { 0 };
	struct exposure_reading r;

	resume(&e, 300e6, &order);
	before = e;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(exposure_frame(&e, &bad[i], &order), -EINVAL);
	CHECK(memcmp(&e, &before, sizeof e) == 0);
	/* times and durations of another clock, and a white balance that is none */
	for (int i = 0; i < 200; i++) {
		r = reading(i * 200 * MS, 300e6, 0.3);
		r.at_ns = i % 3 == 1 ? INT64_MAX / 2 - i : i % 3 == 2 ? -i : r.at_ns;
		r.duration_ns = i % 5 == 1 ? INT64_MAX / 64 : i % 5 == 2 ? -1 : r.duration_ns;
		r.until_slot_ns = i % 7 == 1 ? INT64_MAX : i % 7 == 2 ? -1 : 0;
		r.red = i % 2 ? NAN : -1;
		r.blue = INFINITY;
		if (exposure_frame(&e, &r, &order) <= 0)
			continue;
		CHECK(order.exposure_ns >= l.min_ns && order.exposure_ns <= l.max_ns);
		CHECK(order.gain >= 1 && order.gain <= l.gain_max);
		CHECK(order.duration_ns >= 0 && order.duration_ns <= l.duration_max_ns);
		CHECK(order.red == 0 && order.blue == 0);
	}
	CHECK(isfinite(e.stops) && isfinite(e.rate) && isfinite(e.target));
}

/* A camera whose exposure cannot be set is never ordered anything. */
TEST(a_camera_that_cannot_is_left_alone)
{
	struct camera_info info = imx;
	struct exposure_wishes wishes = { 0 };
	struct exposure_limits l;
	struct exposure e;
	struct camera_exposure order;

	info.exposure_max_ns = 0;
	l = exposure_limits_of(&wishes, &info, 2000000);
	e = exposure_new(&l);
	for (int i = 0; i < 100; i++) {
		struct exposure_reading r = reading(i * 200 * MS, 400e6, 0.02);

		CHECK_INT(exposure_frame(&e, &r, &order), 0);
	}
	CHECK_INT(e.stage, EXPOSURE_OF_CAMERA);
}

/*
 * The camera was opened again in the night, and the order did not reach it: its own control goes
 * on, at what it can do at most, in the dark. The order is given again until it shows.
 */
TEST(an_order_that_got_lost_is_given_again)
{
	struct exposure_limits l = limits_for((struct exposure_wishes){ 0 }, 60000);
	struct exposure e = exposure_new(&l);
	struct camera_exposure first = { 0 }, again = { 0 };
	int orders = 0, i = 1;

	resume(&e, 4e9, &first);
	for (; i < 600; i++) {
		struct exposure_reading r = reading(i * 200 * MS, 66.7e6 * 8, 0.01);

		orders += exposure_frame(&e, &r, &again) > 0;
	}
	CHECK(orders >= 5 && orders <= 30);
	CHECK_INT(again.exposure_ns, first.exposure_ns);
	CHECK(fabs(again.gain / first.gain - 1) < 0.1);
	/* and no more of it when it has shown */
	for (orders = 0; i < 800; i++) {
		struct exposure_reading r = reading(i * 200 * MS, 4e9, e.target);

		orders += exposure_frame(&e, &r, &again) > 0;
	}
	CHECK(orders <= 3);
}

/* After a restart in the night the first order is the last one, as the journal has it. */
TEST(goes_on_after_a_restart)
{
	static const int64_t minute = 60 * US_PER_SEC;
	static const struct {
		struct exposure_past past;
		bool ordered, white;
	} cases[] = {
		{ { 20e9, 1.7, 1.4, 0, 1 }, true, true },
		{ { 20e9, 1.7, 1.4, 14 * minute, 1 }, true, true },
		/* the next day only the white balance counts; after a week nothing does */
		{ { 20e9, 1.7, 1.4, 16 * minute }, false, true },
		{ { 20e9, 1.7, 1.4, 8 * 1440 * minute }, false, false },
		/* by day the camera has it; from the future, and what is none */
		{ { 10e6, 1.7, 1.4, minute }, false, true },
		{ { 20e9, 1.7, 1.4, -1 }, false, false },
		{ { NAN, NAN, NAN, minute }, false, false },
		{ { INFINITY, 0, -1, minute }, false, false },
		{ { 1e300, 1.7, INFINITY, minute }, false, false },
		{ { -20e9, 1.7, 1e9, minute }, false, false },
	};
	struct exposure_limits l =
		limits_for((struct exposure_wishes){ .exposure_max_us = 5000000 }, 60000);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exposure e = exposure_new(&l);
		struct camera_exposure order = { 0 }, again;

		CHECK_INT(exposure_resume(&e, &cases[i].past, &order), cases[i].ordered);
		CHECK((e.red == 1.7 && e.blue == 1.4) == cases[i].white);
		CHECK_INT(e.stage, cases[i].ordered ? EXPOSURE_BY_GAIN : EXPOSURE_OF_CAMERA);
		if (!cases[i].ordered)
			continue;
		CHECK_INT(order.exposure_ns, 5 * NS_PER_SEC);
		/* frames from before it shows are black: that is known */
		for (int k = 1; k < 5; k++) {
			struct exposure_reading r = reading(k * 200 * MS, 2e6, 0.004);

			CHECK_INT(exposure_frame(&e, &r, &again), 0);
		}
		CHECK(fabs(order.gain - 4) < 0.001 && order.red == 1.7 && order.blue == 1.4);
	}
}

/* The interval gets shorter in the night: the exposure follows at once, and the gain with it. */
TEST(new_limits_hold_at_once)
{
	struct exposure_limits wide = limits_for((struct exposure_wishes){ 0 }, 60000);
	struct exposure_limits narrow = limits_for((struct exposure_wishes){ 0 }, 500);
	struct exposure e = exposure_new(&wide);
	struct camera_exposure order = { 0 };
	struct exposure_reading r;

	resume(&e, 800e6, &order);
	CHECK_INT(order.exposure_ns, 800 * MS);
	exposure_set_limits(&e, &narrow);
	r = reading(200 * MS, 800e6, e.target);
	r.until_slot_ns = 100 * MS;
	CHECK_INT(exposure_frame(&e, &r, &order), 1);
	CHECK_INT(order.exposure_ns, narrow.max_ns);
	CHECK(fabs((double)order.exposure_ns * order.gain / 800e6 - 1) < 0.01);
}

/* ---- the meter ---- */

static struct frame picture(uint8_t *luma, int width, int height)
{
	return (struct frame){ .plane = { luma },
		.stride = { (size_t)width },
		.plane_bytes = { (size_t)width * (size_t)height },
		.format = PIXEL_YUV420,
		.range = PIXEL_FULL_RANGE,
		.width = width,
		.height = height };
}

TEST(meter)
{
	static uint8_t luma[400 * 300 * 2];
	struct frame f = picture(luma, 400, 300);
	struct meter m;

	memset(luma, 102, sizeof luma);
	for (int k = METERING_CENTRE; k <= METERING_MATRIX; k++) {
		CHECK_INT(meter_frame(&f, (enum camera_metering)k, &m), 0);
		CHECK(fabs(m.luma - 0.4) < 1e-9 && m.clipped == 0);
	}
	/* a bright upper half, a bright middle */
	memset(luma, 255, 400 * 150);
	CHECK_INT(meter_frame(&f, METERING_MATRIX, &m), 0);
	CHECK(fabs(m.luma - 0.7) < 0.01 && fabs(m.clipped - 0.5) < 0.01);
	memset(luma, 0, sizeof luma);
	for (int y = 112; y < 188; y++)
		memset(luma + y * 400 + 150, 255, 100);
	CHECK_INT(meter_frame(&f, METERING_MATRIX, &m), 0);
	CHECK(fabs(m.luma - 1 / 16.0) < 0.02);
	CHECK_INT(meter_frame(&f, METERING_SPOT, &m), 0);
	CHECK(m.luma == 1);
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), 0);
	CHECK(m.luma > 0.1 && m.luma < 0.25);
	/* limited range, packed luma, small pictures */
	memset(luma, 235, sizeof luma);
	f.range = PIXEL_LIMITED_RANGE;
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), 0);
	CHECK(m.luma == 1 && m.clipped == 1);
	memset(luma, 7, sizeof luma);
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), 0);
	CHECK(m.luma == 0);
	f = picture(luma, 400, 300);
	f.format = PIXEL_YUYV;
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), -EINVAL);
	f.stride[0] = 800;
	f.plane_bytes[0] = 800 * 300;
	for (size_t i = 0; i < sizeof luma; i += 2)
		luma[i] = 255;
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), 0);
	CHECK(m.luma == 1);
	f = picture(luma, 16, 16);
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), 0);
	/* what is no picture */
	f.format = PIXEL_MJPEG;
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), -EINVAL);
	f = picture(luma, 16, 16);
	f.plane_bytes[0] = 255;
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), -EINVAL);
	f = picture(NULL, 16, 16);
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), -EINVAL);
	f = picture(luma, 0, -4);
	CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), -EINVAL);
}

/* What a reading costs: of 12 megapixels that no cache has. */
TEST(meter_cost)
{
	const int width = 4056, height = 3040, n = 8;
	size_t bytes = (size_t)width * (size_t)height;
	uint8_t *luma = malloc(bytes * (size_t)n);
	int64_t begin, took = 0;
	struct meter m;

	if (!CHECK(luma != NULL))
		return;
	memset(luma, 90, bytes * (size_t)n);
	for (int i = 0; i < n; i++) {
		struct frame f = picture(luma + bytes * (size_t)i, width, height);

		begin = clock_mono_ns(&clock_real);
		CHECK_INT(meter_frame(&f, METERING_CENTRE, &m), 0);
		took += clock_mono_ns(&clock_real) - begin;
	}
	printf("  a reading of %dx%d: %.0f us\n", width, height, (double)took / n / 1e3);
	free(luma);
}
