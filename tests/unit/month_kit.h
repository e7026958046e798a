/* SPDX-License-Identifier: MIT */
/*
 * A camera's month: what it looks at (street, field far from any lamp, wall, photograph), by
 * sun, moon and weather, with what moves in it and the sensor's noise; and the troubles of
 * capture/simcam/trouble.h, each played on a copy of what was learned up to then. All of it follows
 * from a seed.
 */
#pragma once

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/picture/shrink.h"
#include "capture/simcam/trouble.h"
#include "capture/worth/worth.h"
#include "common/base/clock.h"
#include "common/base/util.h"
#include "common/journal/mark.h"

#define MONTH_BEGIN_US (INT64_C(1793491200) * US_PER_SEC) /* 2026-11-01 */
#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define WITHIN 3 /* pictures in which a trouble has to be told */
#define SCENES 16 /* more than a trouble is looked at */
#define SOFT 8 /* pixels of a side in which a cloud is the same */

enum place { PLACE_STREET, PLACE_FIELD, PLACE_WALL, PLACES, PLACE_PHOTO = PLACES };
static const char *const place_names[] = { "street", "field", "white wall", "photograph" };

enum weather { CLEAR, CLOUDY, RAIN, FOG, SNOWFALL, NIGHT, WEATHERS }; /* NIGHT: any, by night */
static const char *const weather_names[WEATHERS] = { "clear", "cloudy", "rain", "fog", "snowfall",
	"night" };

/* What is before the lens at a slot: the same whether it is taken as it is or with a trouble. */
struct scene {
	int64_t slot_us;
	uint8_t *luma; /* NULL: none yet */
	double sigma; /* of the noise that it will have */
};

struct month {
	enum place place;
	const uint8_t *photo; /* luma of that size, of PLACE_PHOTO */
	int width, height, days;
	int64_t every_us;
	uint64_t seed;
	uint8_t *world; /* how much light each sample throws back */
	uint8_t *snowy; /* the same under snow */
	float *lamp; /* what the lamps of a street light up */
	uint8_t *planes;
	struct canvas canvas;
	struct scene scene[SCENES];
	struct sight sight; /* of the last picture */
	struct worth *worth, *fork;
};

/* Per trouble. */
struct tally_of_trouble {
	int played, told, right; /* right: by the mark that fits best */
};

struct month_result {
	struct tally_of_trouble trouble[VIEW_TROUBLES];
	struct {
		int pictures, marked, events;
	} honest[WEATHERS];
	int events[MARKS]; /* of honest pictures */
	int pictures;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static double part_of(uint64_t x)
{
	return (double)(mix(x) >> 40) / 0x1p24;
}

/* Smooth noise from 0 to 1 whose hills are `size` apart. */
static double hills(double x, double y, double size, uint64_t seed)
{
	const int64_t ix = (int64_t)floor(x / size), iy = (int64_t)floor(y / size);
	const double fx = x / size - (double)ix, fy = y / size - (double)iy;
	double corner[4];

	for (int i = 0; i < 4; i++)
		corner[i] = part_of(
			seed + (uint64_t)(ix + i % 2) * 7919 + (uint64_t)(iy + i / 2) * 104729);
	corner[0] += (corner[1] - corner[0]) * fx;
	corner[2] += (corner[3] - corner[2]) * fx;
	return corner[0] + (corner[2] - corner[0]) * fy;
}

/* ---- the world */

static double skyline(const struct month *m, double x)
{
	return m->height *
		(0.5 - 0.18 * hills(x, 0, m->width / 6.0, m->seed) -
			0.05 * hills(x, 9, m->width / 25.0, m->seed));
}

/* Houses with windows, a road, trees. */
static double world_street(const struct month *m, int x, int y)
{
	const int side = m->width / 7, house = x / side;
	const double tall = m->height * (0.12 + 0.3 * part_of(m->seed + (uint64_t)house));
	const double grain = 0.08 * hills(x, y, 1.7, m->seed + 1);

	if (y > m->height * 0.62)
		return 0.28 + grain +
			0.25 * (fabs((double)x / m->width - 0.5) < 0.02 + 0.02 * (y % 40 < 20)) +
			0.1 * hills(x, y, 12, m->seed + 2);
	if (y < tall)
		return 1;
	if ((x % side) % 29 > 17 && (y % 41) > 23 && y < m->height * 0.55)
		return 0.08 + grain;
	return 0.3 + 0.4 * part_of(m->seed + 77 + (uint64_t)house) + grain;
}

static double world_field(const struct month *m, int x, int y)
{
	const double near = (double)y / m->height;

	if (y < skyline(m, x))
		return 1;
	return 0.12 + 0.35 * hills(x, y * 2, 3 + 20 * near * near, m->seed + 3) +
		0.2 * hills(x, y, 2, m->seed + 4) + 0.15 * hills(x, y, m->width / 8.0, m->seed + 5);
}

static double world_at(const struct month *m, int x, int y)
{
	switch (m->place) {
	case PLACE_PHOTO:
		return pow(fmin(m->photo[y * m->width + x], 254) / 255, 2);
	case PLACE_STREET:
		return world_street(m, x, y);
	case PLACE_FIELD:
		return world_field(m, x, y);
	default: /* rough-cast, one crack */
		return 0.8 + 0.02 * hills(x, y, 2, m->seed) -
			0.25 * (abs(x - m->width / 2 - (int)(20 * hills(0, y, 30, m->seed))) < 2);
	}
}

/* What the lamps of a street light up. */
static double lamp_at(const struct month *m, int x, int y)
{
	double sum = 0;

	for (int i = 1; i < 6; i += 2) {
		const double dx = (x - i * m->width / 6.0) / m->width,
			     dy = (y - m->height * 0.66) / m->width;

		sum += exp(-(dx * dx + dy * dy) * 120);
	}
	return sum;
}

static bool is_sky(const struct month *m, int i)
{
	return m->world[i] == 255;
}

static void month_begin(struct month *m)
{
	const size_t n = (size_t)(m->width * m->height);

	m->world = malloc(n);
	m->snowy = malloc(n);
	m->planes = malloc(2 * n);
	m->lamp = malloc(n * sizeof(*m->lamp));
	m->canvas = (struct canvas){ .format = PIXEL_YUV420,
		.width = m->width,
		.height = m->height,
		.plane = { m->planes, m->planes + n, m->planes + n + n / 4 },
		.stride = { (size_t)m->width, (size_t)m->width / 2, (size_t)m->width / 2 } };
	for (int i = 0; i < m->width * m->height; i++) {
		const double world = world_at(m, i % m->width, i / m->width);
		const bool lies = i / m->width > m->height * 0.6 && m->place != PLACE_WALL;

		m->lamp[i] = (float)lamp_at(m, i % m->width, i / m->width);
		m->world[i] = (uint8_t)(world >= 1 ? 255 : 250 * world);
		m->snowy[i] = lies ? (uint8_t)(205 + m->world[i] / 8) : m->world[i];
	}
	memset(m->planes + n, 128, n / 2);
	worth_new(&m->worth);
	worth_new(&m->fork);
}

static void month_end(struct month *m)
{
	worth_free(m->worth);
	worth_free(m->fork);
	free(m->world);
	free(m->snowy);
	free(m->planes);
	free(m->lamp);
	for (int i = 0; i < SCENES; i++)
		free(m->scene[i].luma);
}

/* ---- light and weather */

/* Fog for a week, snow at the end, the rest as it comes. */
static enum weather weather_of(const struct month *m, int day)
{
	const double part = part_of(m->seed * 31 + (uint64_t)day);

	if (day >= 10 && day < 17)
		return FOG;
	if (day >= 22)
		return part < 0.4 ? SNOWFALL : part < 0.7 ? CLOUDY : CLEAR;
	return part < 0.4 ? CLEAR : part < 0.75 ? CLOUDY : part < 0.95 ? RAIN : FOG;
}

/* The sine of the sun's height, some 50 degrees north; the days become shorter. */
static double sun_of(int64_t slot_us)
{
	const double day = (double)(slot_us - MONTH_BEGIN_US) / DAY_US;
	const double tilt = (-14.5 - day * 0.24) * M_PI / 180, place = 50 * M_PI / 180;

	return sin(place) * sin(tilt) - cos(place) * cos(tilt) * cos(2 * M_PI * day);
}

struct light {
	double sky, sun; /* all around, and straight */
	double hour; /* of the day, for shadows */
	double lamps;
	enum weather weather;
	bool snow_lies;
};

static struct light light_of(const struct month *m, int64_t slot_us)
{
	const int day = (int)((slot_us - MONTH_BEGIN_US) / DAY_US);
	const double sine = sun_of(slot_us), up = sine > 0 ? sine : 0;
	const double dusk = exp(fmin(sine, 0) * 45);
	struct light l = { .weather = weather_of(m, day), .snow_lies = day >= 23 };
	const uint64_t at = m->seed * 77 + (uint64_t)(slot_us / m->every_us);

	l.sky = (0.02 + 0.3 * up) * dusk + 2e-7 * (1 + 30 * (m->place == PLACE_STREET));
	l.sun = l.weather == CLEAR                         ? 1.2 * up
		: l.weather == CLOUDY && part_of(at) < 0.3 ? 0.6 * up
							   : 0;
	if (l.weather != CLEAR)
		l.sky *= 0.35 + 0.5 * part_of(at + 5);
	l.hour = (double)(slot_us % DAY_US) / DAY_US * 24;
	l.lamps = m->place == PLACE_STREET && sine < 0 ? 2e-4 : 0;
	return l;
}

/* ---- a picture */

/* Exposed so that the mean comes to the middle, as far as the camera can. */
static double exposure_of(double mean)
{
	return fmin(0.18 / mean, 3e4);
}

/* What a sample of so much light becomes. */
static uint8_t tone_of(double lux)
{
	return (uint8_t)fmin(sqrt(fmin(lux, 1.2)) * 255, 255);
}

/* How the light falls: for each sample 0 in the shade, 1 in the sun; and how bright the sky is. */
struct fall {
	const uint8_t *world;
	uint8_t lit[1 << 20];
	float sky[1 << 14]; /* in squares of SOFT */
	double mean;
};

/* What stands to the side throws its shadow. */
static bool is_lit(const struct month *m, int x, int y, int side)
{
	const int from = x + side;

	return from < 0 || from >= m->width || m->world[y * m->width + from] > 70 ||
		y > m->height * 0.8;
}

static double light_at(const struct month *m, const struct light *l, const struct fall *f, int i)
{
	return (l->sky + l->sun * f->lit[i] + l->lamps * m->lamp[i]) * f->world[i] / 255;
}

static void month_light(
	const struct month *m, const struct light *l, int64_t slot_us, struct fall *ret)
{
	const double drift = (double)(slot_us / US_PER_SEC) * 0.02;
	const int side = (int)((l->hour - 12) * 3), across = (m->width + SOFT - 1) / SOFT;
	int in_light[256] = { 0 }, in_shade[256] = { 0 };
	double sum = 0;

	ret->world = l->snow_lies ? m->snowy : m->world;
	for (int y = 0, i = 0; y < m->height; y++)
		for (int x = 0; x < m->width; x++, i++) {
			float *sky = &ret->sky[y / SOFT * across + x / SOFT];

			if (y % SOFT == 0 && x % SOFT == 0) /* clouds are soft */
				*sky = (float)(l->sky *
					(l->weather == CLEAR ? 1.6
							     : 1 +
								0.8 *
									hills(x + drift, 2 * y,
										m->width / 5.0,
										m->seed + 50)));
			ret->lit[i] = 0;
			if (is_sky(m, i)) {
				sum += (double)*sky;
				continue;
			}
			ret->lit[i] = l->sun > 0 && is_lit(m, x, y, side);
			if (l->lamps > 0)
				sum += light_at(m, l, ret, i);
			else
				(ret->lit[i] ? in_light : in_shade)[ret->world[i]]++;
		}
	for (int i = 0; i < 256; i++)
		sum += ((l->sky + l->sun) * in_light[i] + l->sky * in_shade[i]) * i / 255;
	ret->mean = sum / (m->width * m->height);
}

static void month_expose(const struct month *m, const struct light *l, const struct fall *f,
	double gain, uint8_t *luma)
{
	const int across = (m->width + SOFT - 1) / SOFT;
	uint8_t tone[2][256], sky[1 << 14];

	for (int i = 0; i < 256; i++)
		for (int lit = 0; lit < 2; lit++)
			tone[lit][i] = tone_of((l->sky + l->sun * lit) * i / 255 * gain);
	for (int i = 0; i < across * ((m->height + SOFT - 1) / SOFT); i++)
		sky[i] = tone_of((double)f->sky[i] * gain);
	for (int y = 0, i = 0; y < m->height; y++)
		for (int x = 0; x < m->width; x++, i++)
			luma[i] = is_sky(m, i) ? sky[y / SOFT * across + x / SOFT]
				: l->lamps > 0 ? tone_of(light_at(m, l, f, i) * gain)
					       : tone[f->lit[i]][f->world[i]];
}

/* Who passes by. */
static void month_pass(const struct month *m, uint64_t random)
{
	for (uint64_t k = 0; k < 3; k++) {
		const int w = m->width / 30 + (int)(part_of(random + k) * m->width / 15);
		const int x0 = (int)(part_of(random + 10 + k) * (m->width - w));
		const int y0 = (int)((0.6 + 0.2 * part_of(random + 20 + k)) * m->height);

		for (int y = y0; y < y0 + w / 2; y++)
			memset(m->planes + y * m->width + x0, (int)(mix(random + k) % 200),
				(size_t)w);
	}
}

static double month_paint(struct month *m, int64_t slot_us)
{
	static struct fall fall;
	const struct light l = light_of(m, slot_us);
	const uint64_t random = mix(m->seed + (uint64_t)slot_us);
	double gain;

	month_light(m, &l, slot_us, &fall);
	gain = exposure_of(fall.mean);
	month_expose(m, &l, &fall, gain, m->planes);
	if (m->place != PLACE_WALL && gain < 1000)
		month_pass(m, random);
	if (l.weather == FOG && m->place != PLACE_WALL)
		trouble_do(&m->canvas, VIEW_FOG,
			0.3 + 0.7 * part_of(m->seed + (uint64_t)(slot_us / DAY_US)), 0);
	if (l.weather == SNOWFALL && m->place != PLACE_WALL && gain < 1000)
		trouble_do(&m->canvas, VIEW_SNOW, 0.3 + 0.7 * part_of(random + 30), random);
	if (l.lamps > 0 && part_of(random + 40) < 0.15)
		trouble_do(&m->canvas, VIEW_HEADLIGHTS, 0.5 + 0.5 * part_of(random + 41), random);
	return 0.6 + 0.9 * log2(1 + gain / 30);
}

/* Puts what is before the lens into the planes; what was painted not long ago is not again. */
static double month_look(struct month *m, int64_t slot_us)
{
	struct scene *s = &m->scene[slot_us / m->every_us % SCENES];
	const size_t n = (size_t)(m->width * m->height);

	if (s->luma && s->slot_us == slot_us) {
		memcpy(m->planes, s->luma, n);
		return s->sigma;
	}
	s->luma = s->luma ? s->luma : malloc(n);
	s->slot_us = slot_us;
	s->sigma = month_paint(m, slot_us);
	memcpy(s->luma, m->planes, n);
	return s->sigma;
}

/* The sensor's noise comes after all that is before it. */
static void month_grain(struct month *m, double sigma, uint64_t seed)
{
	uint64_t random = mix(seed) | 1;
	const int n = m->width * m->height;
	const int scale = (int)(sigma * 256 / 36.9); /* four bytes' sum has a deviation of 148 */

	for (int i = 0; i < n; i += 2) {
		int sum;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		for (int k = 0; k < 2; k++) {
			const uint32_t r = (uint32_t)(random >> 32 * k);
			int value;

			sum = (int)((r & 63) + (r >> 8 & 63) + (r >> 16 & 63) + (r >> 24 & 63)) -
				126;
			value = m->planes[i + k] + ((sum * scale + 128) >> 8);
			m->planes[i + k] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
		}
	}
}

/* Takes a picture and measures it, as the product does. */
static void month_take(
	struct month *m, int64_t slot_us, enum camera_trouble trouble, double strength)
{
	const size_t n = (size_t)(m->width * m->height);
	CLEANUP_FREE uint8_t *samples = NULL;
	struct frame frame = { .format = PIXEL_YUV420, .width = m->width, .height = m->height },
		     small;
	const double sigma = month_look(m, slot_us);

	trouble_do(&m->canvas, trouble, strength, m->seed * 3 + (uint64_t)trouble);
	month_grain(m, sigma, m->seed + (uint64_t)slot_us + (uint64_t)trouble);
	for (int i = 0; i < 3; i++) {
		frame.plane[i] = m->canvas.plane[i];
		frame.stride[i] = m->canvas.stride[i];
		frame.plane_bytes[i] = i ? n / 4 : n;
	}
	if (frame_shrink(&frame, SHRINK_SIDE, &small, &samples) != 1 ||
		sight_measure(&frame, &small, &m->sight) < 0)
		abort();
}

/* ---- troubles */

/* How strong a trouble is in its `i`th picture: frost and cold take their time. */
static double strength_of(enum camera_trouble trouble, int i, int rise)
{
	if (trouble != VIEW_ICED && trouble != VIEW_DEFOCUSED)
		return 1;
	return i < rise ? (double)(i + 1) / (rise + 1) : 1;
}

static bool mark_fits(enum camera_trouble trouble, enum mark mark)
{
	switch (trouble) {
	case VIEW_COVERED:
	case VIEW_SPIDER:
		return mark == MARK_COVERED || mark == MARK_DARK;
	case VIEW_ICED:
		return mark == MARK_COVERED || mark == MARK_BLURRED;
	case VIEW_DEFOCUSED:
		return mark == MARK_BLURRED;
	case VIEW_TURNED:
		return mark == MARK_MOVED;
	default:
		return mark == MARK_FROZEN;
	}
}

static void month_play(struct month *m, enum camera_trouble trouble, int64_t slot_us,
	struct tally_of_trouble *tally, struct picture_facts *ret_last, bool say)
{
	const int hour = (int)(INT64_C(3600) * US_PER_SEC / m->every_us);
	const bool slow = trouble == VIEW_ICED || trouble == VIEW_DEFOCUSED;
	const int rise = slow ? hour : 0;
	struct mark_run run = { 0 };
	enum mark event = MARK_NONE;

	worth_copy(m->fork, m->worth);
	for (int i = 0; i < rise + WITHIN; i++, slot_us += m->every_us) {
		struct record record = record_new(RECORD_FRAME);

		if (trouble != VIEW_FROZEN) /* which is the last picture again */
			month_take(m, slot_us, trouble, strength_of(trouble, i, rise));
		record.picture = worth_judge(m->fork, &m->sight, slot_us);
		mark_run_add(&run, &record);
		if (mark_event(&run) != MARK_NONE)
			event = mark_event(&run);
		if (say)
			printf("%s%s", mark_name(record.picture.mark),
				i + 1 < rise + WITHIN ? "," : "\n");
		*ret_last = record.picture;
	}
	tally->played++;
	tally->told += event != MARK_NONE;
	tally->right += mark_fits(trouble, event);
}

/* Bright enough to see something, for as long as it takes. */
static bool is_day(const struct month *m, int64_t slot_us)
{
	return sun_of(slot_us) > 0.02 && sun_of(slot_us + INT64_C(5400) * US_PER_SEC) > 0.02 &&
		m->seed;
}

/*
 * A month: troubles are played at one in `one_in` pictures from `from_day` on. Frozen is played at
 * night too.
 */
static void month_run(
	struct month *m, int from_day, int one_in, struct month_result *result, bool say)
{
	static const enum camera_trouble played[] = { VIEW_FROZEN, VIEW_COVERED, VIEW_ICED,
		VIEW_DEFOCUSED, VIEW_TURNED, VIEW_SPIDER };
	struct mark_run run = { 0 };

	month_begin(m);
	for (int64_t slot_us = MONTH_BEGIN_US; slot_us < MONTH_BEGIN_US + m->days * DAY_US;
		slot_us += m->every_us) {
		struct record record = record_new(RECORD_FRAME);
		const int day = (int)((slot_us - MONTH_BEGIN_US) / DAY_US);
		const enum weather weather = sun_of(slot_us) < 0 ? NIGHT : weather_of(m, day);
		const uint64_t at = mix(m->seed * 7 + (uint64_t)slot_us);

		month_take(m, slot_us, VIEW_NONE, 0);
		record.picture = worth_judge(m->worth, &m->sight, slot_us);
		result->pictures++;
		result->honest[weather].pictures++;
		result->honest[weather].marked += record.picture.mark != MARK_NONE;
		mark_run_add(&run, &record);
		if (record.picture.mark && say)
			printf("  honest %s day %d %.2f h weather %d: %s mean %.3f sharp %.3f "
			       "moved %.4f\n",
				place_names[m->place], day, (slot_us % DAY_US) / 3.6e9,
				weather_of(m, day), mark_name(record.picture.mark),
				record.picture.mean, record.picture.sharpness,
				record.picture.moved);
		if (run.mark != MARK_NONE && run.count == MARK_EVENT_FRAMES) {
			result->events[run.mark]++;
			result->honest[weather].events++;
		}
		for (size_t i = 0; i < ARRAY_SIZE(played) && day >= from_day; i++) {
			struct picture_facts last = picture_facts_none;
			struct tally_of_trouble *t = &result->trouble[played[i]];
			const int told = t->right;

			/* a white wall has no shape to tell by */
			if (part_of(at + i) * one_in > 1 ||
				(played[i] != VIEW_FROZEN &&
					(!is_day(m, slot_us) || m->place == PLACE_WALL)))
				continue;
			month_play(m, played[i], slot_us + m->every_us, t, &last, say);
			if (t->right == told && say)
				printf("  not told %s day %d %.2f h weather %d: %s: %s mean %.3f "
				       "sharp %.3f moved %.4f\n",
					place_names[m->place], day, (slot_us % DAY_US) / 3.6e9,
					weather_of(m, day), camera_trouble_words[played[i]],
					mark_name(last.mark), last.mean, last.sharpness,
					last.moved);
		}
	}
	month_end(m);
}
