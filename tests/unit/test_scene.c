/* SPDX-License-Identifier: MIT */
/*
 * The test camera's picture and the drawing below it. A canvas is drawn in the middle of a larger
 * area whose rest must not change, so a stroke past an edge is seen.
 */
#include "tests/test.h"

#include <math.h>

#include "capture/test_scene.h"
#include "capture/test_sensor.h"
#include "common/clock.h"

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

static struct scene_facts facts_at(int64_t wall_us, uint64_t sequence)
{
	double day = (double)(wall_us % (86400 * US_PER_SEC)) / 86400e6;

	return (struct scene_facts){ .wall_us = wall_us,
		.sequence = sequence,
		.exposure_us = 10000,
		.gain = 1,
		.light = sensor_light(day),
		.level = 1 };
}

static const struct {
	int width, height;
} sizes[] = { { 320, 240 }, { 641, 361 }, { 16, 16 }, { 17, 300 }, { 300, 17 }, { 64, 48 } };

/* A picture that was kept up to date frame by frame is the one that is painted at once. */
TEST(painting_what_moved_is_enough)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes) * 4; i++) {
		int width = sizes[i / 4].width, height = sizes[i / 4].height;
		enum pixel_format format = i & 1 ? PIXEL_NV12 : PIXEL_YUV420;
		struct sheet kept = sheet_new(width, height, format);
		struct painting painting = { 0 };
		struct scene *scene = NULL;

		kept.canvas.turned = i & 2;
		CHECK_INT(scene_new(width, height, "test", &scene), 0);
		/* steps that pass minutes, dawn and dusk, and a second passage of the ball */
		for (uint64_t k = 0; k < 12; k++) {
			struct scene_facts facts = facts_at(
				NOON_US + (int64_t)(k < 6 ? k * 733333 : k * k * 400 * 1000003), k);
			struct sheet once = sheet_new(width, height, format);
			struct painting empty = { 0 };

			once.canvas.turned = i & 2;
			scene_paint(scene, &kept.canvas, &painting, &facts);
			scene_paint(scene, &once.canvas, &empty, &facts);
			CHECK(margin_is_clean(&kept));
			if (!CHECK(sheets_equal(&kept, &once)))
				fprintf(stderr, "  %dx%d case %zu step %llu\n", width, height,
					i % 4, (unsigned long long)k);
			sheet_free(&once);
		}
		scene_free(scene);
		sheet_free(&kept);
	}
	scene_free(NULL);
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

/* The number and the exposure show in the text only; time, light and level show above it. */
TEST(facts_show)
{
	const struct scene_facts noon = facts_at(NOON_US, 1);
	struct scene_facts changed[5] = { noon, noon, noon, noon, noon };
	static const bool above[5] = { false, false, true, true, true };
	struct scene *scene = NULL;

	changed[0].sequence = 2;
	changed[1].exposure_us = 20000;
	changed[2].wall_us += 3 * US_PER_SEC;
	changed[3] = facts_at(NOON_US + 12 * 3600 * US_PER_SEC, 1);
	changed[4].level = 0.25;
	CHECK_INT(scene_new(320, 240, "test", &scene), 0);
	for (size_t i = 0; i < 5; i++) {
		struct sheet a = sheet_new(320, 240, PIXEL_YUV420),
			     b = sheet_new(320, 240, PIXEL_YUV420);
		struct painting pa = { 0 }, pb = { 0 };

		scene_paint(scene, &a.canvas, &pa, &noon);
		scene_paint(scene, &b.canvas, &pb, &changed[i]);
		CHECK_INT(rows_that_differ(&a, &b, false) > 0, above[i]);
		CHECK_INT(rows_that_differ(&a, &b, true) > 0, i != 4);
		sheet_free(&a);
		sheet_free(&b);
	}
	scene_free(scene);
}

TEST(colours)
{
	static const struct {
		double r, g, b;
		struct colour want;
	} cases[] = { { 0, 0, 0, { 0, 128, 128 } }, { 1, 1, 1, { 255, 128, 128 } },
		{ 1, 0, 0, { 76, 85, 255 } }, { 0, 1, 0, { 150, 44, 21 } },
		{ 0, 0, 1, { 29, 255, 107 } }, { 7, -3, -1, { 76, 85, 255 } } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct colour c = colour_rgb(cases[i].r, cases[i].g, cases[i].b);

		CHECK_INT(c.y, cases[i].want.y);
		CHECK_INT(c.u, cases[i].want.u);
		CHECK_INT(c.v, cases[i].want.v);
	}
}

/* Shapes far outside, across each edge and without size: nothing but the canvas changes. */
TEST(clipping)
{
	static const struct point points[] = { { -1e9, 5 }, { 1e9, 5 }, { 10, -1e9 }, { -7, -7 },
		{ 20.4, 10.2 }, { 45, 35 }, { 20, 10 } };
	const struct colour white = colour_rgb(1, 1, 1);

	for (int format = 0; format < 2; format++) {
		struct sheet s = sheet_new(33, 21, format ? PIXEL_NV12 : PIXEL_YUV420);
		const struct rect wide = { -50, -50, 99, 99 };

		for (size_t i = 0; i < ARRAY_SIZE(points); i++)
			for (size_t k = 0; k < ARRAY_SIZE(points); k++) {
				s.canvas.turned = k % 2;
				draw_line(&s.canvas, points[i], points[k], 3.5, white);
				draw_disc(&s.canvas, wide, points[i], 12.5 * (double)k, white);
				draw_text(&s.canvas, (int)fmax(points[i].x, -1000),
					(int)points[k].y % 99, 3, white, "W\x80 .9");
				draw_rect(&s.canvas,
					(struct rect){ -5, (int)k - 9, 99, (int)(i * k) - 3 },
					white);
			}
		for (int y = -3; y < 25; y++)
			draw_span(&s.canvas, y, -9, 99, white);
		CHECK(margin_is_clean(&s));
		sheet_free(&s);
	}
}

/* No two letters look alike, and none is the box of an unknown one. */
TEST(letters)
{
	static const char letters[] = "\x01 -:./+#%,=_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct sheet s[sizeof(letters) - 1];

	for (size_t i = 0; i < ARRAY_SIZE(s); i++) {
		const char text[2] = { letters[i], 0 };

		s[i] = sheet_new(8, 8, PIXEL_YUV420);
		draw_rect(&s[i].canvas, (struct rect){ 0, 0, 8, 8 }, colour_rgb(0, 0, 0));
		draw_text(&s[i].canvas, 1, 0, 1, colour_rgb(1, 1, 1), text);
		for (size_t k = 0; k < i; k++)
			CHECK(memcmp(s[i].memory[0], s[k].memory[0], s[i].bytes[0]) != 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		sheet_free(&s[i]);
}
