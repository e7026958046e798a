/* SPDX-License-Identifier: MIT */
/*
 * The simulated camera's picture. A canvas is drawn in the middle of a larger
 * area whose rest must not change, so a stroke past an edge is seen.
 */
#include "tests/test.h"

#include <math.h>

#include "capture/simcam/scene.h"
#include "capture/simcam/sensor.h"
#include "capture/simcam/sky.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define NOON_US (INT64_C(1795176000) * US_PER_SEC) /* 2026-11-20T12:00:00Z */
#define GUARD 0xa5
#define MARGIN 40 /* bytes around each row and rows around each plane */

struct sheet {
	struct canvas canvas;
	uint8_t *memory[3];
	size_t bytes[3], row_bytes[3], rows[3];
};

static struct sheet sheet_new(int width, int height, enum pixel_format format)
{
	struct sheet s = { .canvas = { .format = format, .width = width, .height = height } };
	bool nv12 = format == PIXEL_NV12;

	for (int i = 0; i < (nv12 ? 2 : 3); i++) {
		size_t stride;

		s.rows[i] = (size_t)(i ? (height + 1) / 2 : height);
		s.row_bytes[i] = (size_t)(i ? (width + 1) / 2 * (nv12 ? 2 : 1) : width);
		stride = s.row_bytes[i] + 2 * MARGIN;
		s.bytes[i] = stride * (s.rows[i] + 2 * MARGIN);
		s.memory[i] = malloc(s.bytes[i]);
		memset(s.memory[i], GUARD, s.bytes[i]);
		s.canvas.stride[i] = stride;
		s.canvas.plane[i] = s.memory[i] + MARGIN * stride + MARGIN;
	}
	return s;
}

static bool margin_is_clean(const struct sheet *s)
{
	for (int i = 0; i < 3 && s->memory[i]; i++)
		for (size_t k = 0; k < s->bytes[i]; k++) {
			size_t x = k % s->canvas.stride[i], y = k / s->canvas.stride[i];
			bool inside = x >= MARGIN && x < MARGIN + s->row_bytes[i] && y >= MARGIN &&
				y < MARGIN + s->rows[i];

			if (!inside && s->memory[i][k] != GUARD)
				return false;
		}
	return true;
}

static bool sheets_equal(const struct sheet *a, const struct sheet *b)
{
	for (int i = 0; i < 3 && a->memory[i]; i++)
		if (memcmp(a->memory[i], b->memory[i], a->bytes[i]) != 0)
			return false;
	return true;
}

static void sheet_free(struct sheet *s)
{
	for (int i = 0; i < 3; i++)
		free(s->memory[i]);
}

/* A frame and when it was exposed. */
struct view {
	int64_t wall_us;
	struct sensor_frame frame;
};

static struct view view_at(int64_t wall_us, uint64_t sequence)
{
	return (struct view){ wall_us,
		{ .sequence = sequence,
			.exposure_us = 10000,
			.gain = 1,
			.light = sky_light_at(wall_us, NAN, NAN),
			.level = 1 } };
}

static const struct {
	int width, height;
} sizes[] = { { 320, 240 }, { 641, 361 }, { 16, 16 }, { 17, 300 }, { 300, 17 }, { 64, 48 } };

/*
 * A picture that was kept up to date frame by frame is the one that is painted at once, and nothing
 * outside of the canvas changes.
 */
TEST(painting_what_moved_is_enough)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes) * 4; i++) {
		int width = sizes[i / 4].width, height = sizes[i / 4].height;
		enum pixel_format format = i & 1 ? PIXEL_NV12 : PIXEL_YUV420;
		struct sheet kept = sheet_new(width, height, format);

		kept.canvas.turned = i & 2;
		/* steps that pass minutes, dawn and dusk */
		for (uint64_t k = 0; k < 12; k++) {
			struct view view = view_at(
				NOON_US + (int64_t)(k < 6 ? k * 733333 : k * k * 400 * 1000003), k);
			struct sheet once = sheet_new(width, height, format);

			once.canvas.turned = i & 2;
			scene_paint(&kept.canvas, "test", view.wall_us, &view.frame);
			scene_paint(&once.canvas, "test", view.wall_us, &view.frame);
			CHECK(margin_is_clean(&kept));
			if (!CHECK(sheets_equal(&kept, &once)))
				fprintf(stderr, "  %dx%d case %zu step %llu\n", width, height,
					i % 4, (unsigned long long)k);
			sheet_free(&once);
		}
		sheet_free(&kept);
	}
}

/* How many of the 24 rows at the bottom differ, or of those above. */
static int rows_that_differ(const struct sheet *a, const struct sheet *b, bool bottom)
{
	int n = 0, height = a->canvas.height, text = height - 24;

	for (int k = bottom ? text : 0; k < (bottom ? height : text); k++) {
		size_t y = (size_t)k;

		n += memcmp(a->canvas.plane[0] + y * a->canvas.stride[0],
			     b->canvas.plane[0] + y * b->canvas.stride[0], a->row_bytes[0]) != 0;
	}
	return n;
}

static struct sheet sheet_painted(const char *name, const struct view *view)
{
	struct sheet s = sheet_new(320, 240, PIXEL_YUV420);

	scene_paint(&s.canvas, name, view->wall_us, &view->frame);
	return s;
}

/* The number and the exposure show in the text only; time, light and level show above it. */
TEST(facts_show)
{
	const struct view noon = view_at(NOON_US, 1);
	struct view changed[5] = { noon, noon, noon, noon, noon };
	static const bool above[5] = { false, false, true, true, true };

	changed[0].frame.sequence = 2;
	changed[1].frame.exposure_us = 20000;
	changed[2].wall_us += 3 * US_PER_SEC;
	changed[3] = view_at(NOON_US + 12 * 3600 * US_PER_SEC, 1);
	changed[4].frame.level = 0.25;
	for (size_t i = 0; i < 5; i++) {
		struct sheet a = sheet_painted("test", &noon),
			     b = sheet_painted("test", &changed[i]);

		CHECK_INT(rows_that_differ(&a, &b, false) > 0, above[i]);
		CHECK_INT(rows_that_differ(&a, &b, true) > 0, i != 4);
		sheet_free(&a);
		sheet_free(&b);
	}
}

/* The bars at the bottom have the full-range BT.601 values of their colours. */
TEST(colours)
{
	const struct view noon = view_at(NOON_US, 1);
	static const struct {
		int bar, y, u, v;
	} cases[] = { { 0, 217, 128, 128 }, { 5, 76, 94, 229 }, { 3, 134, 61, 44 },
		{ 6, 38, 229, 112 }, { 7, 15, 128, 128 } };
	struct sheet s = sheet_painted("test", &noon);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t x = (size_t)cases[i].bar * 40 + 20, y = 238;

		CHECK_INT(s.canvas.plane[0][y * s.canvas.stride[0] + x], cases[i].y);
		CHECK_INT(s.canvas.plane[1][y / 2 * s.canvas.stride[1] + x / 2], cases[i].u);
		CHECK_INT(s.canvas.plane[2][y / 2 * s.canvas.stride[2] + x / 2], cases[i].v);
	}
	sheet_free(&s);
}

/* Names that differ in one letter show differently, and no letter is the box of an unknown one. */
TEST(letters)
{
	static const char letters[] = "? -:.#0123456789AEMNPRSTUVXZ";
	const struct view noon = view_at(NOON_US, 1);
	struct sheet s[sizeof letters - 1];

	for (size_t i = 0; i < ARRAY_SIZE(s); i++) {
		const char name[] = { letters[i], 0 };

		s[i] = sheet_painted(name, &noon);
		for (size_t k = 0; k < i; k++)
			CHECK(!sheets_equal(&s[i], &s[k]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		sheet_free(&s[i]);
}
