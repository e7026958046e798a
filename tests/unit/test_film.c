/* SPDX-License-Identifier: MIT */
/* The parts of a film that are functions: sizes, scaling, marks, flicker. */
#include <math.h>

#include "common/base/util.h"
#include "tests/test.h"
#include "view/film/deflicker.h"
#include "view/film/planes.h"

TEST(sizes)
{
	static const struct {
		int width, height, wanted, fps, want_width, want_height;
	} cases[] = {
		{ 4056, 3040, 1080, 25, 1440, 1080 },
		{ 4608, 2592, 1080, 25, 1920, 1080 },
		{ 4608, 2592, 1080, 60, 1360, 764 }, /* level 4.0 ends there */
		{ 640, 480, 1080, 25, 640, 480 }, /* not larger than it is */
		{ 641, 481, 1080, 25, 640, 480 },
		{ 16384, 1000, 1080, 25, 4096, 250 },
	};
	int width = 0, height = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_INT(planes_choose_size(cases[i].width, cases[i].height, cases[i].wanted,
				  cases[i].fps, &width, &height),
			0);
		CHECK(abs(width - cases[i].want_width) <= 16);
		CHECK(abs(height - cases[i].want_height) <= 16);
		CHECK(width % 2 == 0 && height % 2 == 0);
		CHECK((width + 15) / 16 * ((height + 15) / 16) * cases[i].fps <= 245760);
	}
	CHECK_INT(planes_choose_size(16384, 8, 1080, 25, &width, &height), -ERANGE);
	CHECK_INT(planes_choose_size(1, 16384, 1080, 25, &width, &height), -ERANGE);
}

static struct planes planes_new(int width, int height)
{
	return (struct planes){ calloc(planes_bytes(width, height), 1), width, height };
}

static struct pixels pixels_new(int width, int height, uint8_t y, uint8_t u, uint8_t v)
{
	struct pixels pixels = { calloc(3 * (size_t)width * (size_t)height, 1), width, height };

	for (int i = 0; i < width * height; i++) {
		pixels.data[3 * i] = y;
		pixels.data[3 * i + 1] = u;
		pixels.data[3 * i + 2] = v;
	}
	return pixels;
}

/* One colour stays that colour at any ratio, and nothing is read or written outside. */
TEST(scaling_keeps_colours)
{
	static const int sides[][2] = { { 640, 480 }, { 161, 121 }, { 37, 29 }, { 3, 2 }, { 1, 1 },
		{ 1000, 20 }, { 20, 1000 } };

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		struct pixels from = pixels_new(sides[i][0], sides[i][1], 200, 90, 160);
		struct planes to = planes_new(160, 120);
		const struct fit fit = planes_fit(&to, from.width, from.height);
		const size_t size = 160 * 120;
		const size_t at = (size_t)fit.y * 160 + (size_t)fit.x;
		const size_t half = (size_t)fit.y / 2 * 80 + (size_t)fit.x / 2;

		CHECK_INT(planes_scale(&from, &to), 0);
		CHECK_INT(to.data[at], 200);
		CHECK_INT(
			to.data[at + (size_t)(fit.height - 1) * 160 + (size_t)fit.width - 1], 200);
		CHECK_INT(to.data[size + half], 90);
		CHECK_INT(to.data[size + size / 4 + half], 160);
		if (fit.y > 0)
			CHECK_INT(to.data[0], 0);
		pixels_clear(&from);
		free(to.data);
	}
}

/* Means are kept: a picture of stripes becomes grey. */
TEST(scaling_takes_means)
{
	struct pixels from = pixels_new(320, 240, 0, 128, 128);
	struct planes to = planes_new(112, 84);

	for (int i = 0; i < 320 * 240; i += 2)
		from.data[3 * i] = 250;
	CHECK_INT(planes_scale(&from, &to), 0);
	CHECK(fabs(planes_mean(&to) - 125) < 2);
	pixels_clear(&from);
	free(to.data);
}

TEST(tone)
{
	struct planes from = planes_new(16, 16), to = planes_new(16, 16);

	from.data[1] = 255;
	from.data[2] = 100;
	memset(from.data + 256, 128, 128);
	planes_tone(&from, 1, &to);
	CHECK_INT(to.data[0], 16);
	CHECK_INT(to.data[1], 235);
	CHECK_INT(to.data[256], 128);
	planes_tone(&from, 2, &to);
	CHECK_INT(to.data[2], 188);
	CHECK_INT(to.data[1], 235);
	planes_mark(&to, "a long sentence that is wider than the picture");
	planes_stamp(&to, "2026-11-20 17:01:00");
	free(from.data);
	free(to.data);
}

static double jitter_after(struct brightness *list, size_t n)
{
	double worst = 0;

	for (size_t i = 10; i + 10 < n; i++) {
		const double a = list[i].luma * deflicker_gain(list, n, i);
		const double b = list[i + 1].luma * deflicker_gain(list, n, i + 1);

		worst = fmax(worst, fabs(log2(a / b)));
	}
	return worst;
}

TEST(exposure_that_jitters)
{
	struct brightness list[60];

	for (int i = 0; i < 60; i++) {
		const double jump = i % 3 == 0 ? 1.3 : 1;

		list[i] = (struct brightness){ 80 * pow(jump, 1 / 2.2), 4000 * jump };
	}
	CHECK(jitter_after(list, 60) < 0.03); /* of 0.17 */
	for (int i = 0; i < 60; i++)
		list[i].exposure = (double)NAN; /* without the journal's facts */
	CHECK(jitter_after(list, 60) < 0.03);
}

/* What the light does is shown: a cloud at a constant exposure, and exposure that follows light. */
TEST(light_that_changes)
{
	struct brightness list[40];

	for (int i = 0; i < 40; i++)
		list[i] = (struct brightness){ i == 20 ? 50 : 100, 4000 };
	CHECK(fabs(deflicker_gain(list, 40, 20) - 1) < 1e-9);
	for (int i = 0; i < 40; i++)
		list[i] = (struct brightness){ 100, i < 20 ? 4000 : 8000 };
	for (size_t i = 0; i < 40; i++)
		CHECK(fabs(deflicker_gain(list, 40, i) - 1) < 1e-9);
}

TEST(bounds)
{
	struct brightness list[] = { { 1, 1 }, { 250, 1e9 }, { (double)NAN, (double)NAN }, { 0, 0 },
		{ 100, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		const double gain = deflicker_gain(list, ARRAY_SIZE(list), i);

		CHECK(gain >= 0.5 && gain <= 2);
	}
	CHECK(deflicker_gain(list, ARRAY_SIZE(list), 2) == 1);
}
