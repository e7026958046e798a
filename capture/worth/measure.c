/* SPDX-License-Identifier: MIT */
#include "capture/worth/measure.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define PAIRS 8 /* of rows that are read of the whole picture for each row of cells */
#define STEP 2 /* samples between the two of a gradient there */
#define NEAR 4 /* samples around one, each way, whose mean is taken from it */
#define SUMS_SIDE (MAP_SIDE + 1)
#define GAIN 4 /* steps of the map for one of luma */
#define DARK 10 /* luma of 255 that counts as black, */
#define BRIGHT 246 /* and as white */
#define DETAIL_MIN 0.05f /* mean square; what is below is no detail */
#define SMALLER_MAX 0.55 /* a small copy that is no smaller says nothing of fine detail */

/* The luma of a frame, whatever lies between its samples. */
struct luma {
	const uint8_t *data;
	size_t stride;
	int step, width, height;
};

static int luma_of(const struct frame *frame, struct luma *ret)
{
	const int step = frame->format == PIXEL_YUYV ? 2 : 1;
	const size_t bytes = (size_t)frame->width * (size_t)step;

	if (frame->format == PIXEL_MJPEG)
		return -EOPNOTSUPP;
	if (frame->width < 1 || frame->height < 1 || frame->width > PICTURE_SIDE_MAX ||
		frame->height > PICTURE_SIDE_MAX || !frame->plane[0] || frame->stride[0] < bytes ||
		frame->plane_bytes[0] < bytes ||
		(frame->plane_bytes[0] - bytes) / frame->stride[0] < (size_t)frame->height - 1)
		return -EINVAL;
	*ret = (struct luma){ frame->plane[0], frame->stride[0], step, frame->width,
		frame->height };
	return 0;
}

static const uint8_t *luma_row(const struct luma *l, int y)
{
	return l->data + (size_t)y * l->stride;
}

static uint64_t digest_add(uint64_t digest, const uint8_t *data, size_t bytes)
{
	uint64_t word;

	for (; bytes >= sizeof(word); data += sizeof(word), bytes -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		digest ^= digest >> 29;
	}
	for (; bytes > 0; bytes--)
		digest = (digest ^ *data++) * UINT64_C(0x100000001b3);
	return digest;
}

struct edges {
	int product; /* the sum of the products of two rows' gradients, */
	int square; /* and of the squares of the one's */
};

/*
 * Over `n` samples that are `step` bytes apart: a cell has no more than 16384 / 10 of them, so it
 * fits.
 */
static struct edges rows_edges(const uint8_t *a, const uint8_t *b, int n, int step, int lag)
{
	const int far = step * lag;
	struct edges e = { 0 };

	for (int x = 0; x < n; x++) {
		const int one = a[x * step + far] - a[x * step];
		const int other = b[x * step + far] - b[x * step];

		e.product += one * other;
		e.square += one * one;
	}
	return e;
}

/* `n` samples times the square of the lag. Noise alone has products as often below 0 as above. */
static void cell_add(struct cell *cell, struct edges e, int n, bool fine)
{
	const float doubt = (float)e.square / (float)n / sqrtf((float)n);

	if (fine) {
		cell->fine += (float)e.product / (float)n;
		cell->fine_doubt += doubt;
	} else {
		cell->coarse += (float)e.product / (float)n;
		cell->coarse_doubt += doubt;
	}
}

/*
 * Edges that go through rows `near` apart, in each cell, from some rows of it. Adds what it looks
 * at to the digest.
 */
static void sight_measure_edges(
	struct sight *sight, const struct luma *l, int pairs, int near, bool fine)
{
	const struct map *map = &sight->map;
	const int lag = fine ? STEP : 1;

	for (int i = 0; i < map->height / CELL; i++) {
		const int top = i * CELL * l->height / map->height;
		const int end = (i + 1) * CELL * l->height / map->height - near;
		const int n = end - top < pairs ? end - top : pairs;

		for (int k = 0; k < n; k++) {
			const uint8_t *row = luma_row(l, top + (end - top) * k / n);

			sight->digest =
				digest_add(sight->digest, row, (size_t)l->width * (size_t)l->step);
			for (int c = 0; c < map->width / CELL; c++) {
				const int from = c * CELL * l->width / map->width;
				const int to = (c + 1) * CELL * l->width / map->width - lag;
				const uint8_t *at = row + from * l->step;
				const struct edges e = rows_edges(
					at, at + (size_t)near * l->stride, to - from, l->step, lag);

				if (to > from)
					cell_add(&sight->cell[i][c], e, lag * lag * n * (to - from),
						fine);
			}
		}
	}
}

double cell_sharpness(struct cell cell, double smaller)
{
	double share;

	if (!(cell.coarse >= DETAIL_MIN))
		return NAN;
	share = (sqrt(fmax((double)cell.fine, 0) / (double)cell.coarse) - smaller) / (1 - smaller);
	return fmin(fmax(share, 0), 1);
}

/* Of all cells. */
static double sight_sharpness(const struct sight *sight)
{
	struct cell all = { 0 };
	double share;

	for (int i = 0; i < CELLS_SIDE; i++)
		for (int k = 0; k < CELLS_SIDE; k++) {
			all.fine += sight->cell[i][k].fine;
			all.coarse += sight->cell[i][k].coarse;
		}
	share = cell_sharpness(all, sight->smaller);
	return isnan(share) ? 0 : round(share * 1e3) / 1e3;
}

/* ---- the small copy */

/* Luma in the full range, in squares of the map's size. */
static void map_fill(struct map *map, const struct luma *l, bool limited)
{
	for (int y = 0; y < map->height; y++)
		for (int x = 0; x < map->width; x++) {
			const int x0 = x * l->width / map->width,
				  x1 = (x + 1) * l->width / map->width;
			const int y0 = y * l->height / map->height;
			const int y1 = (y + 1) * l->height / map->height;
			int sum = 0, mean;

			for (int v = y0; v < y1; v++)
				for (int u = x0; u < x1; u++)
					sum += luma_row(l, v)[u * l->step];
			mean = sum / ((x1 - x0) * (y1 - y0));
			if (limited)
				mean = (mean - 16) * 255 / 219;
			map->luma[y * map->width + x] = (uint8_t)(mean < 0 ? 0
					: mean > 255                       ? 255
									   : mean);
		}
}

/* 16 times the mean of the samples up to `reach` away; `sums` are of all above and left of one. */
static int mean_around(const int *sums, const struct map *map, int x, int y, int reach)
{
	const int x0 = x < reach ? 0 : x - reach, y0 = y < reach ? 0 : y - reach;
	const int x1 = x + reach < map->width ? x + reach + 1 : map->width;
	const int y1 = y + reach < map->height ? y + reach + 1 : map->height;
	const int sum = sums[y1 * SUMS_SIDE + x1] - sums[y0 * SUMS_SIDE + x1] -
		sums[y1 * SUMS_SIDE + x0] + sums[y0 * SUMS_SIDE + x0];

	return 16 * sum / ((x1 - x0) * (y1 - y0));
}

/* A sample's shape is what the mean close to it has more than the mean around that. */
static void map_flatten(struct map *map)
{
	int sums[SUMS_SIDE * SUMS_SIDE] = { 0 };
	const int w = map->width, h = map->height;

	for (int y = 0; y < h; y++)
		for (int x = 0, row = 0; x < w; x++) {
			row += map->luma[y * w + x];
			sums[(y + 1) * SUMS_SIDE + x + 1] = sums[y * SUMS_SIDE + x + 1] + row;
		}
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			const int value = GAIN *
				(mean_around(sums, map, x, y, 1) -
					mean_around(sums, map, x, y, NEAR)) /
				16;

			map->sample[y * w + x] = (int8_t)(value < -127 ? -127
					: value > 127                  ? 127
								       : value);
		}
}

static int map_side(int side, int longer)
{
	const int n = longer <= MAP_SIDE ? side : (side * MAP_SIDE + longer / 2) / longer;

	return n < 1 ? 1 : n;
}

static void sight_measure_light(struct sight *sight)
{
	const struct map *map = &sight->map;
	const int n = map->width * map->height;
	int64_t sum = 0;
	int black = 0, white = 0;

	for (int i = 0; i < n; i++) {
		sum += map->luma[i];
		black += map->luma[i] <= DARK;
		white += map->luma[i] >= BRIGHT;
	}
	sight->facts.mean = round((double)sum / n / 255 * 1e4) / 1e4;
	sight->facts.black = round((double)black / n * 1e3) / 1e3;
	sight->facts.white = round((double)white / n * 1e3) / 1e3;
}

int sight_measure(const struct frame *frame, const struct frame *small, struct sight *ret)
{
	struct sight sight = { .facts = picture_facts_none };
	const int longer = small->width > small->height ? small->width : small->height;
	struct luma whole, copy;
	int r = luma_of(frame, &whole);

	if (r == 0)
		r = luma_of(small, &copy);
	if (r < 0)
		return r;
	sight.map.width = map_side(small->width, longer);
	sight.map.height = map_side(small->height, longer);
	map_fill(&sight.map, &copy, small->range == PIXEL_LIMITED_RANGE);
	map_flatten(&sight.map);
	sight_measure_light(&sight);
	sight.digest = digest_add(1, sight.map.luma, sizeof(sight.map.luma));
	sight.smaller = (double)copy.width / whole.width;
	sight_measure_edges(&sight, &copy, copy.height, 1, false);
	sight_measure_edges(&sight, &whole, PAIRS, whole.height / 1000 + 1, true);
	if (sight.smaller <= SMALLER_MAX)
		sight.facts.sharpness = sight_sharpness(&sight);
	*ret = sight;
	return 0;
}
