/* SPDX-License-Identifier: MIT */
/*
 * Paints the simulated camera's scene. Every shape ends up as spans of a row: luma for each pixel,
 * chroma for each second row, where a sample belongs to the span that covers its even pixel.
 */
#include "capture/simcam/scene.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/letters.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define TIME_LETTERS 27 /* "2026-11-20 16:01:00.412345Z" */
#define BARS 8
#define HORIZON 0.68 /* of the height */

/* From 0 to 1; what is beyond is cut. */
struct rgb {
	double r, g, b;
};

/* The first corner belongs to it, the second does not. */
struct rect {
	int x0, y0, x1, y1;
};

/* A canvas and where things are on it. */
struct scene {
	const struct canvas *canvas;
	double bright; /* multiplies all colours but the text's, so that a wrong exposure shows */
	double x, y, radius; /* of the clock */
	struct rect plate, bars; /* the text's background, the colour bars */
	int time_scale, small_scale; /* pixels a dot of the two lines of text */
};

static void scene_lay_out(struct scene *s)
{
	const struct canvas *c = s->canvas;
	int scale = c->width / (TIME_LETTERS * LETTER_WIDTH + 6), margin;

	s->time_scale = scale < 1 ? 1 : scale;
	s->small_scale = s->time_scale / 2 < 1 ? 1 : s->time_scale / 2;
	margin = 2 * s->small_scale;
	s->bars = (struct rect){ 0, c->height - margin * 2, c->width, c->height };
	s->plate = (struct rect){ 0,
		s->bars.y0 - 4 * margin - LETTER_HEIGHT * (s->time_scale + s->small_scale),
		c->width, s->bars.y0 };
	s->radius = 0.22 * fmin(c->height, c->width);
	s->x = s->y = s->radius * 1.3;
}

/* ---- shapes ---- */

static struct rgb rgb_mix(struct rgb a, struct rgb b, double t)
{
	return (struct rgb){ a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t };
}

static struct rgb rgb_lit(const struct scene *s, struct rgb c)
{
	return rgb_mix((struct rgb){ 0, 0, 0 }, c, s->bright);
}

static uint8_t to_byte(double value)
{
	return (uint8_t)lround(fmin(fmax(value, 0), 255));
}

static void paint_chroma(const struct canvas *c, int y, int x0, int x1, uint8_t u, uint8_t v)
{
	size_t from = (size_t)(x0 + 1) / 2, to = (size_t)(x1 + 1) / 2;
	uint8_t *row = c->plane[1] + (size_t)(y / 2) * c->stride[1];

	if (c->format == PIXEL_YUV420) {
		memset(row + from, u, to - from);
		memset(c->plane[2] + (size_t)(y / 2) * c->stride[2] + from, v, to - from);
		return;
	}
	for (size_t i = from; i < to; i++) {
		row[2 * i] = u;
		row[2 * i + 1] = v;
	}
}

/* The colour's full-range BT.601 values in all of the rectangle that is on the canvas. */
static void paint_rect(const struct canvas *c, struct rect r, struct rgb rgb)
{
	double red = fmin(fmax(rgb.r, 0), 1) * 255, green = fmin(fmax(rgb.g, 0), 1) * 255;
	double blue = fmin(fmax(rgb.b, 0), 1) * 255;
	double luma = 0.299 * red + 0.587 * green + 0.114 * blue;
	uint8_t u = to_byte(128 + (blue - luma) * 0.564), v = to_byte(128 + (red - luma) * 0.713);

	if (c->turned)
		r = (struct rect){ c->width - r.x1, c->height - r.y1, c->width - r.x0,
			c->height - r.y0 };
	r.x0 = r.x0 < 0 ? 0 : r.x0;
	r.x1 = r.x1 > c->width ? c->width : r.x1;
	r.y1 = r.y1 > c->height ? c->height : r.y1;
	for (int y = r.y0 < 0 ? 0 : r.y0; y < r.y1 && r.x0 < r.x1; y++) {
		memset(c->plane[0] + (size_t)y * c->stride[0] + r.x0, to_byte(luma),
			(size_t)(r.x1 - r.x0));
		if (y % 2 == 0)
			paint_chroma(c, y, r.x0, r.x1, u, v);
	}
}

static void paint_disc(const struct scene *s, double radius, struct rgb rgb)
{
	for (int y = (int)(s->y - radius); y < s->y + radius; y++) {
		double dy = y + 0.5 - s->y, half = sqrt(fmax(radius * radius - dy * dy, 0));

		paint_rect(s->canvas,
			(struct rect){
				(int)lround(s->x - half), y, (int)lround(s->x + half), y + 1 },
			rgb);
	}
}

/*
 * From `from` to `to` radii along the direction of `turns`, a square of `width` radii at each
 * pixel.
 */
static void paint_hand(
	const struct scene *s, double turns, double from, double to, double width, struct rgb rgb)
{
	int side = (int)ceil(width * s->radius);

	for (int step = 0; from * s->radius + step <= to * s->radius; step++) {
		double at = from * s->radius + step;
		int x = (int)lround(s->x + sin(2 * M_PI * turns) * at) - side / 2;
		int y = (int)lround(s->y - cos(2 * M_PI * turns) * at) - side / 2;

		paint_rect(s->canvas, (struct rect){ x, y, x + side, y + side }, rgb);
	}
}

/* Each dot of a letter is `scale` pixels wide and high. */
static void paint_text(
	const struct canvas *c, int x, int y, int scale, struct rgb rgb, const char *text)
{
	for (; *text && x < c->width; text++, x += LETTER_WIDTH * scale) {
		const uint8_t *rows = letter_rows(*text);

		for (int i = 0; i < LETTER_HEIGHT * 5; i++) {
			struct rect dot = { x + i % 5 * scale, y + i / 5 * scale,
				x + (i % 5 + 1) * scale, y + (i / 5 + 1) * scale };

			if (rows[i / 5] & 0x10 >> i % 5)
				paint_rect(c, dot, rgb);
		}
	}
}

/* ---- the scene ---- */

/* Sky and ground, down to the text. */
static void paint_background(const struct scene *s, double light)
{
	/* night, dusk, day: at the top of the sky, at the horizon, on the ground */
	static const struct rgb top[] = { { .02, .03, .10 }, { .20, .26, .50 }, { .22, .47, .80 } };
	static const struct rgb low[] = { { .07, .09, .22 }, { .98, .58, .34 }, { .76, .88, .97 } };
	static const struct rgb ground[] = { { .02, .04, .06 }, { .16, .19, .18 },
		{ .25, .43, .22 } };
	/* 0 night, 1 dusk, 2 day: dusk is at a hundredth of the light of noon */
	double stage =
		light >= 0.01 ? 1 + (log10(light) + 2) / 2 : fmax(0, (log10(light) + 3.3) / 1.3);
	int i = stage >= 1 ? 1 : 0;
	double part = fmin(stage - i, 1);

	for (int y = 0; y < s->plate.y0; y++) {
		double down = y / (HORIZON * s->canvas->height);
		struct rgb sky = rgb_mix(
			rgb_mix(top[i], top[i + 1], part), rgb_mix(low[i], low[i + 1], part), down);

		if (down > 1)
			sky = rgb_mix(ground[i], ground[i + 1], part);
		paint_rect(
			s->canvas, (struct rect){ 0, y, s->canvas->width, y + 1 }, rgb_lit(s, sky));
	}
}

/* White, yellow, cyan, green, magenta, red, blue, black: by falling luma. */
static void paint_bars(const struct scene *s)
{
	static const uint8_t bits[BARS] = { 7, 6, 3, 2, 5, 4, 1, 0 };

	for (int i = 0; i < BARS; i++)
		paint_rect(s->canvas,
			(struct rect){ s->bars.x1 * i / BARS, s->bars.y0,
				s->bars.x1 * (i + 1) / BARS, s->bars.y1 },
			(struct rgb){ bits[i] & 4 ? .85 : .06, bits[i] & 2 ? .85 : .06,
				bits[i] & 1 ? .85 : .06 });
}

static void paint_clock(const struct scene *s, const struct utc_fields *f)
{
	const struct rgb rim = rgb_lit(s, (struct rgb){ .16, .19, .24 });
	const struct rgb face = rgb_lit(s, (struct rgb){ .95, .95, .92 });
	const struct rgb red = rgb_lit(s, (struct rgb){ .85, .16, .12 });
	double second = f->second + f->us / 1e6, minute = f->minute + second / 60;
	double hour = f->hour % 12 + minute / 60;

	paint_disc(s, s->radius, rim);
	paint_disc(s, s->radius * 0.93, face);
	for (int i = 0; i < 12; i++)
		paint_hand(s, i / 12.0, 0.76, 0.87, 0.05, rim);
	paint_hand(s, hour / 12, -0.1, 0.50, 0.085, rim);
	paint_hand(s, minute / 60, -0.1, 0.74, 0.055, rim);
	paint_hand(s, second / 60, -0.1, 0.84, 0.022, red);
}

static void paint_facts(const struct scene *s, const char *name, const struct sensor_frame *frame,
	const struct utc_fields *f)
{
	const struct rgb white = { 1, 1, 1 }, soft = { .66, .75, .84 }, dark = { .07, .09, .12 };
	int margin = 2 * s->small_scale, x = 3 * s->time_scale;
	int y = s->plate.y0 + margin + margin / 2;
	char time[64], rest[128];

	snprintf(time, sizeof time, "%04d-%02d-%02d %02d:%02d:%02d.%06dZ", f->year, f->month,
		f->day, f->hour, f->minute, f->second, f->us);
	snprintf(rest, sizeof rest, "%s #%08llu %.1fms x%.1f%s", name,
		(unsigned long long)frame->sequence, frame->exposure_us / 1e3, frame->gain,
		frame->startup ? " start-up" : "");
	paint_rect(s->canvas, s->plate, dark);
	paint_text(s->canvas, x, y, s->time_scale, white, time);
	paint_text(s->canvas, x, y + LETTER_HEIGHT * s->time_scale + margin, s->small_scale, soft,
		rest);
}

void scene_paint(
	struct canvas *canvas, const char *name, int64_t wall_us, const struct sensor_frame *frame)
{
	struct scene s = { .canvas = canvas };
	double stops = fmin(fmax(log2(fmax(frame->level, 1e-6)), -5), 1.5);
	int step = (int)lround(stops * 8), background;
	struct utc_fields f;

	utc_split(wall_us, &f);
	scene_lay_out(&s);
	/* a gamma of about 2: a stop in light is half a stop in the picture's values */
	s.bright = exp2(step / 16.0);
	background = 1 + (f.hour * 60 + f.minute) * 1000 + step + 500;
	if (canvas->background != background) {
		paint_background(&s, frame->light);
		paint_bars(&s);
		canvas->background = background;
	}
	paint_clock(&s, &f);
	paint_facts(&s, name, frame, &f);
}
