/* SPDX-License-Identifier: MIT */
/*
 * Paints the test camera's scene. The background (sky, sun, stars, hills) changes by the minute and
 * with the exposure level; whatever moves over it is restored from the same function, row by row,
 * so no copy of the background is kept.
 */
#include "capture/test_scene.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/utc.h"

#define HILLS 2
#define STARS 70
#define TIME_LETTERS 27 /* "2026-11-20 16:01:00.412345Z" */
#define BARS 8

struct rgb {
	double r, g, b;
};

struct scene {
	int width, height;
	const char *name;
	int64_t background; /* key of what is prepared below */
	double bright; /* all colours are multiplied by it: a wrong exposure shows */

	struct colour *sky; /* by row */
	int *hill[HILLS]; /* by column: the topmost row of the far and the near hills */
	int hill_top; /* the topmost row of all */
	struct colour hill_colour[HILLS];
	struct point sun;
	double sun_radius;
	struct colour sun_colour;
	struct colour star_colour;
	int stars;

	struct point clock;
	double clock_radius;
	struct rect plate, bars;
	int time_scale, small_scale;
};

static struct rgb mix(struct rgb a, struct rgb b, double t)
{
	return (struct rgb){ a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t };
}

static struct colour lit(const struct scene *s, struct rgb c)
{
	return colour_rgb(c.r * s->bright, c.g * s->bright, c.b * s->bright);
}

static void lay_out(struct scene *s)
{
	double w = s->width, h = s->height;
	int scale = s->width / (TIME_LETTERS * LETTER_WIDTH + 6), margin;

	s->time_scale = scale < 1 ? 1 : scale;
	s->small_scale = s->time_scale / 2 < 1 ? 1 : s->time_scale / 2;
	margin = 2 * s->small_scale;
	s->bars = (struct rect){ 0, s->height - margin * 2, s->width, s->height };
	s->plate = (struct rect){ 0,
		s->bars.y0 - 4 * margin - LETTER_HEIGHT * (s->time_scale + s->small_scale),
		s->width, s->bars.y0 };
	s->clock_radius = 0.19 * fmin(h, w);
	s->clock = (struct point){ s->clock_radius * 1.35, s->clock_radius * 1.35 };
	s->sun_radius = 0.05 * fmin(h, w);
	s->hill_top = s->height;
	for (int i = 0; i < HILLS; i++)
		for (int x = 0; x < s->width; x++) {
			double t = x / w;
			double wave = i == 0
				? 0.62 + 0.035 * sin(7 * t + 1) + 0.02 * sin(17 * t)
				: 0.70 + 0.03 * sin(5 * t + 4) + 0.012 * sin(23 * t + 1);
			int top = (int)(h * wave);

			s->hill[i][x] = top;
			s->hill_top = top < s->hill_top ? top : s->hill_top;
		}
}

int scene_new(int width, int height, const char *name, struct scene **ret)
{
	CLEANUP(scene_freep) struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->width = width;
	s->height = height;
	s->name = name;
	s->background = -1;
	s->sky = calloc((size_t)height, sizeof(s->sky[0]));
	for (int i = 0; i < HILLS; i++)
		s->hill[i] = calloc((size_t)width, sizeof(s->hill[0][0]));
	if (!s->sky || !s->hill[0] || !s->hill[1])
		return -ENOMEM;
	lay_out(s);
	*ret = TAKE_PTR(s);
	return 0;
}

void scene_free(struct scene *s)
{
	if (!s)
		return;
	free(s->sky);
	for (int i = 0; i < HILLS; i++)
		free(s->hill[i]);
	free(s);
}

/* The colours of an hour: night, then dawn or dusk, then day, by the light. */
static void prepare_sky(struct scene *s, double light)
{
	static const struct rgb top[3] = { { .02, .03, .10 }, { .20, .26, .50 },
		{ .22, .47, .80 } };
	static const struct rgb low[3] = { { .07, .09, .22 }, { .98, .58, .34 },
		{ .76, .88, .97 } };
	static const struct rgb far[3] = { { .04, .06, .13 }, { .34, .30, .40 },
		{ .43, .57, .62 } };
	static const struct rgb near[3] = { { .02, .04, .06 }, { .16, .19, .18 },
		{ .25, .43, .22 } };
	/* 0 night, 1 dusk, 2 day: dusk is at a hundredth of the light of noon */
	double stage =
		light >= 0.01 ? 1 + (log10(light) + 2) / 2 : fmax(0, (log10(light) + 3.3) / 1.3);
	int i = stage >= 1 ? 1 : 0;
	double part = fmin(stage - i, 1);

	for (int y = 0; y < s->height; y++)
		s->sky[y] = lit(s,
			mix(mix(top[i], top[i + 1], part), mix(low[i], low[i + 1], part),
				fmin(y / (0.68 * s->height), 1)));
	s->hill_colour[0] = lit(s, mix(far[i], far[i + 1], part));
	s->hill_colour[1] = lit(s, mix(near[i], near[i + 1], part));
	s->stars = stage < 0.8 ? (int)(STARS * (1 - stage / 0.8)) : 0;
	s->star_colour = lit(s, (struct rgb){ .8, .82, .9 });
}

/* The sun by day and the moon by night cross the sky from left to right. */
static void prepare_sun(struct scene *s, double day)
{
	bool is_day = day >= 0.25 && day < 0.75;
	double way = is_day ? (day - 0.25) * 2 : fmod(day + 0.25, 1) * 2;

	s->sun = (struct point){ s->width * (0.02 + 0.96 * way),
		s->height * (0.66 - 0.54 * sin(M_PI * way)) };
	s->sun_colour = lit(s,
		is_day ? mix((struct rgb){ 1, .62, .3 }, (struct rgb){ 1, .97, .82 },
				 sin(M_PI * way))
		       : (struct rgb){ .86, .87, .8 });
}

/* Makes the scene ready for this minute and level. */
static void prepare(struct scene *s, const struct scene_facts *facts, const struct utc_fields *f)
{
	double stops = fmin(fmax(log2(fmax(facts->level, 1e-6)), -5), 1.5);
	int64_t step = lround(stops * 8), minute = f->hour * 60 + f->minute;
	int64_t key = minute * 1000 + step + 500;

	if (key == s->background)
		return;
	s->background = key;
	/* a gamma of about 2: a stop in light is half a stop in the picture's values */
	s->bright = exp2((double)step / 16);
	prepare_sky(s, facts->light);
	prepare_sun(s, (double)minute / 1440);
}

static void paint_hills(const struct scene *s, const struct canvas *c, int y, struct rect r)
{
	for (int i = 0; i < HILLS; i++)
		for (int x = r.x0, end; x < r.x1; x = end) {
			bool hill = y >= s->hill[i][x];

			for (end = x + 1; end < r.x1 && (y >= s->hill[i][end]) == hill; end++)
				;
			if (hill)
				draw_span(c, y, x, end, s->hill_colour[i]);
		}
}

static void paint_stars(const struct scene *s, const struct canvas *c, struct rect r)
{
	int size = s->small_scale < 3 ? 1 : s->small_scale / 2;

	for (int i = 0; i < s->stars; i++) {
		/* scattered by multiples of irrational numbers */
		int x = (int)(fmod(i * 0.618034 + 0.1, 1) * s->width);
		int y = (int)(fmod(i * 0.754878 + 0.3, 1) * 0.6 * s->height);

		if (x >= r.x0 && y >= r.y0 && x + size <= r.x1 && y + size <= r.y1)
			draw_rect(c, (struct rect){ x, y, x + size, y + size }, s->star_colour);
	}
}

static void paint_background(const struct scene *s, const struct canvas *c, struct rect r)
{
	/* whole chroma samples, so that none is left with the colour of what stood there */
	r.x0 = r.x0 < 0 ? 0 : r.x0 & ~1;
	r.y0 = r.y0 < 0 ? 0 : r.y0 & ~1;
	r.x1 = r.x1 >= s->width ? s->width : (r.x1 + 1) & ~1;
	r.y1 = r.y1 >= s->plate.y0 ? s->plate.y0 : (r.y1 + 1) & ~1;
	for (int y = r.y0; y < r.y1; y++)
		draw_span(c, y, r.x0, r.x1, s->sky[y]);
	paint_stars(s, c, r);
	draw_disc(c, r, s->sun, s->sun_radius, s->sun_colour);
	for (int y = r.y0 > s->hill_top ? r.y0 : s->hill_top; y < r.y1; y++)
		paint_hills(s, c, y, r);
}

static void paint_hand(const struct scene *s, const struct canvas *c, double turns, double length,
	double width, struct rgb rgb)
{
	double x = sin(2 * M_PI * turns) * s->clock_radius,
	       y = -cos(2 * M_PI * turns) * s->clock_radius;
	const struct point tail = { s->clock.x - x * 0.12, s->clock.y - y * 0.12 };
	const struct point tip = { s->clock.x + x * length, s->clock.y + y * length };

	draw_line(c, tail, tip, s->clock_radius * width, lit(s, rgb));
}

static void paint_clock(const struct scene *s, const struct canvas *c, const struct utc_fields *f)
{
	static const struct rgb rim = { .16, .19, .24 }, face = { .95, .95, .92 };
	static const struct rgb red = { .85, .16, .12 };
	const struct rect all = { 0, 0, s->width, s->height };
	double second = f->second + f->us / 1e6, minute = f->minute + second / 60;
	double hour = f->hour % 12 + minute / 60, r = s->clock_radius;

	draw_disc(c, all, s->clock, r, lit(s, rim));
	draw_disc(c, all, s->clock, r * 0.93, lit(s, face));
	for (int i = 0; i < 60; i++) {
		double x = sin(M_PI * i / 30), y = -cos(M_PI * i / 30);
		double from = r * (i % 5 ? 0.85 : 0.76), to = r * 0.89;

		if (i % 5 && r < 60)
			continue;
		draw_line(c, (struct point){ s->clock.x + x * from, s->clock.y + y * from },
			(struct point){ s->clock.x + x * to, s->clock.y + y * to },
			r * (i % 5 ? 0.014 : 0.045), lit(s, rim));
	}
	paint_hand(s, c, hour / 12, 0.50, 0.085, rim);
	paint_hand(s, c, minute / 60, 0.74, 0.055, rim);
	paint_hand(s, c, second / 60, 0.82, 0.022, red);
	draw_disc(c, all, s->clock, r * 0.055, lit(s, red));
}

/*
 * Up and down on a sine while it crosses to and fro, right of the clock; the same place each 20 s.
 */
static struct rect paint_ball(const struct scene *s, const struct canvas *c, int64_t wall_us)
{
	double t = (double)(wall_us % (20 * US_PER_SEC)) / 20e6,
	       r = 0.055 * fmin(s->width, s->height);
	double left = s->clock.x + s->clock_radius + 2 * r, right = s->width - 2 * r;
	double way = 0.5 - 0.5 * cos(2 * M_PI * t);
	const struct point at = { left + (right - left) * way,
		s->height * (0.33 + 0.20 * sin(10 * M_PI * t)) };
	const struct rect box = { (int)floor(at.x - r) - 1, (int)floor(at.y - r) - 1,
		(int)ceil(at.x + r) + 1, (int)ceil(at.y + r) + 1 };

	draw_disc(c, box, at, r, lit(s, (struct rgb){ .80, .22, .10 }));
	draw_disc(c, box, (struct point){ at.x - r * .10, at.y - r * .12 }, r * .82,
		lit(s, (struct rgb){ .95, .42, .13 }));
	draw_disc(c, box, (struct point){ at.x - r * .32, at.y - r * .36 }, r * .24,
		lit(s, (struct rgb){ 1, .80, .58 }));
	return box;
}

static void paint_bars(const struct scene *s, const struct canvas *c)
{
	for (int i = 0; i < BARS; i++) {
		/* white, yellow, cyan, green, magenta, red, blue, black: by falling luma */
		static const uint8_t bits[BARS] = { 7, 6, 3, 2, 5, 4, 1, 0 };
		struct rect r = s->bars;

		r.x0 = s->width * i / BARS;
		r.x1 = s->width * (i + 1) / BARS;
		draw_rect(c, r,
			colour_rgb(bits[i] & 4 ? .85 : .06, bits[i] & 2 ? .85 : .06,
				bits[i] & 1 ? .85 : .06));
	}
}

static void paint_text(const struct scene *s, const struct canvas *c,
	const struct scene_facts *facts, const struct utc_fields *f)
{
	const struct colour white = colour_rgb(1, 1, 1), soft = colour_rgb(.66, .75, .84);
	int margin = 2 * s->small_scale, x = 3 * s->time_scale,
	    y = s->plate.y0 + margin + margin / 2;
	char time[64], rest[128];

	snprintf(time, sizeof(time), "%04d-%02d-%02d %02d:%02d:%02d.%06dZ", f->year, f->month,
		f->day, f->hour, f->minute, f->second, f->us);
	snprintf(rest, sizeof(rest), "%s #%08llu %.1fms x%.1f%s", s->name,
		(unsigned long long)facts->sequence, facts->exposure_us / 1e3, facts->gain,
		facts->startup ? " start-up" : "");
	draw_rect(c, s->plate, colour_rgb(.07, .09, .12));
	draw_text(c, x, y, s->time_scale, white, time);
	draw_text(c, x, y + LETTER_HEIGHT * s->time_scale + margin, s->small_scale, soft, rest);
}

static struct rect clock_box(const struct scene *s)
{
	double r = s->clock_radius + 2;

	return (struct rect){ (int)(s->clock.x - r), (int)(s->clock.y - r), (int)(s->clock.x + r),
		(int)(s->clock.y + r) };
}

void scene_paint(struct scene *s, const struct canvas *c, struct painting *painting,
	const struct scene_facts *facts)
{
	struct utc_fields f;

	utc_split(facts->wall_us, &f);
	prepare(s, facts, &f);
	if (!painting->painted || painting->background != s->background) {
		paint_background(s, c, (struct rect){ 0, 0, s->width, s->height });
		paint_bars(s, c);
	} else {
		paint_background(s, c, painting->ball);
		paint_background(s, c, clock_box(s));
	}
	painting->painted = true;
	painting->background = s->background;
	paint_clock(s, c, &f);
	painting->ball = paint_ball(s, c, facts->wall_us);
	paint_text(s, c, facts, &f);
}
