/* SPDX-License-Identifier: MIT */
#include "capture/simcam/trouble.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/util.h"

#define TURN (2 * M_PI / 180)
#define TURN_ASIDE 0.03 /* of the width: 2 degrees of a usual lens */
#define FLAKES 500
#define GREY 128 /* chroma without colour */

/* One plane whose samples are bytes that are neighbours. */
struct plane {
	uint8_t *data;
	size_t stride;
	int width, height;
};

static struct plane luma_plane(const struct canvas *c)
{
	return (struct plane){ c->plane[0], c->stride[0], c->width, c->height };
}

static uint8_t to_byte(double value)
{
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
}

/* From 0 to 1. */
static double random_part(uint64_t *random)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(*random >> 40) / 0x1p24;
}

/* ---- blur: each sample the mean of those around it, in one direction, three times */

static void line_blur(uint8_t *data, size_t step, int n, int radius, uint8_t *scratch)
{
	const int span = 2 * radius + 1;
	int sum = 0;

	for (int i = 0; i < n; i++)
		scratch[i] = data[(size_t)i * step];
	for (int i = -radius; i <= radius; i++)
		sum += scratch[i < 0 ? 0 : i >= n ? n - 1 : i];
	for (int i = 0; i < n; i++) {
		const int leaves = i - radius, comes = i + radius + 1;

		data[(size_t)i * step] = (uint8_t)((sum + radius) / span);
		sum += scratch[comes >= n ? n - 1 : comes] - scratch[leaves < 0 ? 0 : leaves];
	}
}

static int plane_blur(const struct plane *p, int radius)
{
	CLEANUP_FREE uint8_t *scratch =
		malloc((size_t)(p->width > p->height ? p->width : p->height));

	if (!scratch)
		return -ENOMEM;
	for (int pass = 0; pass < 3 && radius > 0; pass++) {
		for (int y = 0; y < p->height; y++)
			line_blur(p->data + (size_t)y * p->stride, 1, p->width, radius, scratch);
		for (int x = 0; x < p->width; x++)
			line_blur(p->data + x, p->stride, p->height, radius, scratch);
	}
	return 0;
}

/* ---- the troubles, each on luma */

/* `own` of its light, and `veil` of another. */
static void plane_veil(const struct plane *p, double own, double veil)
{
	for (int y = 0; y < p->height; y++)
		for (int x = 0; x < p->width; x++) {
			uint8_t *sample = p->data + (size_t)y * p->stride + x;

			*sample = to_byte(*sample * own + veil);
		}
}

/* What little comes through has no shape but a brighter side. */
static void plane_cover(const struct plane *p, double strength, uint64_t *random)
{
	const double light = 8 + 60 * random_part(random), side = 20 * random_part(random);

	for (int y = 0; y < p->height; y++)
		for (int x = 0; x < p->width; x++) {
			uint8_t *sample = p->data + (size_t)y * p->stride + x;

			*sample = to_byte(*sample * (1 - strength) +
				strength * (light + side * x / p->width));
		}
}

static int plane_ice(const struct plane *p, double strength)
{
	const int r = plane_blur(p, (int)lround(strength * p->width / 40));

	plane_veil(p, 1 - 0.6 * strength, 0.6 * strength * 190);
	return r;
}

static int plane_turn(const struct plane *p, double strength)
{
	const size_t bytes = p->stride * (size_t)p->height;
	const double angle = TURN * strength, aside = TURN_ASIDE * strength * p->width;
	CLEANUP_FREE uint8_t *was = malloc(bytes);

	if (!was)
		return -ENOMEM;
	memcpy(was, p->data, bytes);
	for (int y = 0; y < p->height; y++)
		for (int x = 0; x < p->width; x++) {
			const double dx = x - p->width / 2.0, dy = y - p->height / 2.0;
			int u = (int)lround(
				p->width / 2.0 + dx * cos(angle) - dy * sin(angle) + aside);
			int v = (int)lround(p->height / 2.0 + dx * sin(angle) + dy * cos(angle));

			u = u < 0 ? 0 : u >= p->width ? p->width - 1 : u;
			v = v < 0 ? 0 : v >= p->height ? p->height - 1 : v;
			p->data[(size_t)y * p->stride + x] = was[(size_t)v * p->stride + u];
		}
	return 0;
}

/* A soft disc: `own` of the light in its middle, and `more` of its own. */
static void plane_disc(
	const struct plane *p, double cx, double cy, double radius, double own, double more)
{
	const int y0 = (int)fmax(cy - radius, 0), y1 = (int)fmin(cy + radius, p->height - 1);
	const int x0 = (int)fmax(cx - radius, 0), x1 = (int)fmin(cx + radius, p->width - 1);

	for (int y = y0; y <= y1; y++)
		for (int x = x0; x <= x1; x++) {
			const double dx = (x - cx) / radius, dy = (y - cy) / radius;
			const double part = fmin(fmax(2 * (1 - dx * dx - dy * dy), 0), 1);
			uint8_t *sample = p->data + (size_t)y * p->stride + x;

			*sample = to_byte(*sample * (1 - part * (1 - own)) + part * more);
		}
}

static void plane_spider(const struct plane *p, double strength, uint64_t *random)
{
	const double x = p->width * (0.4 + 0.2 * random_part(random));
	const double y = p->height * (0.45 + 0.15 * random_part(random));

	plane_disc(p, x, y, 0.42 * p->width * sqrt(strength), 0.04, 10);
}

static void plane_snow(const struct plane *p, double strength, uint64_t *random)
{
	plane_veil(p, 1 - 0.3 * strength, 0.3 * strength * 200);
	for (int i = 0; i < FLAKES * strength; i++) {
		const double near = random_part(random), x = random_part(random) * p->width;

		plane_disc(p, x, random_part(random) * p->height,
			1 + near * near * near * p->width / 60, 0.3, 160);
	}
}

static double plane_mean(const struct plane *p)
{
	int64_t sum = 0;

	for (int y = 0; y < p->height; y++)
		for (int x = 0; x < p->width; x++)
			sum += p->data[(size_t)y * p->stride + (size_t)x];
	return (double)sum / p->width / p->height;
}

/* The ground comes nearer from the horizon, in the middle, down; above it all is far. */
static void plane_fog(const struct plane *p, double strength)
{
	const double veil = fmin(plane_mean(p) * 1.3 + 10, 200);

	for (int y = 0; y < p->height; y++) {
		const double down = fmax((double)y / p->height - 0.5, 0.01);
		const double own = exp(-strength * 0.3 / down);
		const struct plane row = { p->data + (size_t)y * p->stride, p->stride, p->width,
			1 };

		plane_veil(&row, own, (1 - own) * veil);
	}
}

static void plane_headlights(const struct plane *p, double strength, uint64_t *random)
{
	const double x = p->width * random_part(random);
	const double y = p->height * (0.55 + 0.3 * random_part(random)), w = p->width * strength;

	for (int i = 0; i < 2; i++) {
		plane_disc(p, x + i * w / 12, y, w / 3, 1, 60);
		plane_disc(p, x + i * w / 12, y, w / 30, 0, 255);
	}
}

static int plane_trouble(
	const struct plane *p, enum camera_trouble trouble, double strength, uint64_t *random)
{
	switch (trouble) {
	case VIEW_COVERED:
		plane_cover(p, strength, random);
		return 0;
	case VIEW_ICED:
		return plane_ice(p, strength);
	case VIEW_DEFOCUSED:
		return plane_blur(p, (int)lround(strength * fmax(p->width / 200.0, 2)));
	case VIEW_TURNED:
		return plane_turn(p, strength);
	case VIEW_SPIDER:
		plane_spider(p, strength, random);
		return 0;
	case VIEW_SNOW:
		plane_snow(p, strength, random);
		return 0;
	case VIEW_FOG:
		plane_fog(p, strength);
		return 0;
	case VIEW_HEADLIGHTS:
		plane_headlights(p, strength, random);
		return 0;
	default:
		return 0;
	}
}

int trouble_do(struct canvas *canvas, enum camera_trouble trouble, double strength, uint64_t seed)
{
	const struct plane luma = luma_plane(canvas);
	const size_t rows = (size_t)(canvas->height + 1) / 2;
	uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	if (trouble == VIEW_NONE || trouble == VIEW_FROZEN || strength <= 0)
		return 0;
	canvas->background = 0; /* is painted again */
	/* colours would not fit what happens to the light */
	for (int i = 1; i < 3 && trouble != VIEW_DEFOCUSED; i++)
		if (canvas->stride[i])
			memset(canvas->plane[i], GREY, canvas->stride[i] * rows);
	random_part(&random);
	return plane_trouble(&luma, trouble, fmin(strength, 1), &random);
}
