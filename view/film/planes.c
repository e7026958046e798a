/* SPDX-License-Identifier: MIT */
/* Scales pictures into planes, and draws in these. */
#include "view/film/planes.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "view/thumb/caption.h"

/* H.264, table A-1, level 4.0, in macroblocks of 16 x 16 */
#define LEVEL_FRAME 8192
#define LEVEL_SECOND 245760
#define SIDE_MAX 4096
#define WEIGHTS 256 /* of a pixel's sources together */
#define BLOCK 64
#define SPAN_MIN 3 /* weights that each span has, the last ones 0 */

static bool level_takes(int width, int height, int fps)
{
	const int blocks = (width + 15) / 16 * ((height + 15) / 16);

	return width <= SIDE_MAX && height <= SIDE_MAX && blocks <= LEVEL_FRAME &&
		blocks * fps <= LEVEL_SECOND;
}

int planes_choose_size(
	int width, int height, int wanted_height, int fps, int *ret_width, int *ret_height)
{
	for (int h = (wanted_height < height ? wanted_height : height) & ~1; h >= 16; h -= 2) {
		const int w = (int)((int64_t)width * h / height + 1) & ~1;

		if (w < 16)
			return -ERANGE;
		if (!level_takes(w, h, fps))
			continue;
		*ret_width = w;
		*ret_height = h;
		return 0;
	}
	return -ERANGE;
}

struct fit planes_fit(const struct planes *planes, int width, int height)
{
	struct fit fit = { .width = planes->width, .height = planes->height };

	if ((int64_t)width * planes->height > (int64_t)planes->width * height)
		fit.height = (int)((int64_t)planes->width * height / width);
	else
		fit.width = (int)((int64_t)planes->height * width / height);
	/* a rounded size fills the film */
	fit.width = fit.width + 4 > planes->width ? planes->width : fit.width & ~1;
	fit.height = fit.height + 4 > planes->height ? planes->height : fit.height & ~1;
	fit.width = fit.width < 2 ? 2 : fit.width;
	fit.height = fit.height < 2 ? 2 : fit.height;
	fit.x = (planes->width - fit.width) / 4 * 2;
	fit.y = (planes->height - fit.height) / 4 * 2;
	return fit;
}

/* ---- scaling */

/* Which pixels one of the small ones stands for, and how much each counts. */
struct span {
	int first, n;
	uint16_t *weights;
};

struct spans {
	struct span *list;
	uint16_t *weights;
};

static void spans_clear(struct spans *spans)
{
	free(spans->list);
	free(spans->weights);
}

/* `from` pixels onto `to`. In units of 1/to of a source pixel each small one is `from` wide. */
static int spans_make(int from, int to, struct spans *ret)
{
	struct spans spans = {
		.list = calloc((size_t)to, sizeof(*spans.list)),
		.weights =
			calloc((size_t)from + (2 + SPAN_MIN) * (size_t)to, sizeof(*spans.weights)),
	};
	uint16_t *weights = spans.weights;

	if (!spans.list || !weights) {
		spans_clear(&spans);
		return -ENOMEM;
	}
	for (int i = 0; i < to; i++) {
		const int64_t start = (int64_t)i * from, end = start + from;
		struct span *span = &spans.list[i];
		int left = WEIGHTS;

		*span = (struct span){ (int)(start / to), (int)((end - 1) / to - start / to + 1),
			weights };
		for (int k = 0; k < span->n; k++) {
			const int64_t a = (int64_t)(span->first + k) * to;
			const int64_t covered =
				(a + to < end ? a + to : end) - (a > start ? a : start);
			const int weight =
				k == span->n - 1 ? left : (int)(covered * WEIGHTS / from);

			span->weights[k] = (uint16_t)weight;
			left -= weight;
		}
		weights += span->n < SPAN_MIN ? SPAN_MIN : span->n;
	}
	*ret = spans;
	return 0;
}

/* In blocks of a fixed size, which compilers turn into vectors at any level. */
static void row_add(const uint8_t *restrict row, unsigned weight, size_t n, uint16_t *restrict sums)
{
	size_t i = 0;

	for (; i + BLOCK <= n; i += BLOCK) {
		for (size_t k = 0; k < BLOCK; k++)
			sums[i + k] = (uint16_t)(sums[i + k] + weight * row[i + k]);
	}
	for (; i < n; i++)
		sums[i] = (uint16_t)(sums[i] + weight * row[i]);
}

/* The mean of the source rows of one row, WEIGHTS times as large. */
static void rows_add(const struct pixels *from, const struct span *span, uint16_t *sums)
{
	const size_t n = 3 * (size_t)from->width;

	memset(sums, 0, n * sizeof(*sums));
	for (int k = 0; k < span->n; k++)
		row_add(from->data + (size_t)(span->first + k) * n, span->weights[k], n, sums);
}

/* The mean of one channel, where pixels have three; most spans have so few. */
static uint8_t span_mean3(const uint16_t *weights, const uint16_t *from)
{
	const uint32_t sum = (uint32_t)weights[0] * from[0] + (uint32_t)weights[1] * from[3] +
		(uint32_t)weights[2] * from[6];

	return (uint8_t)(sum >> 16);
}

static uint8_t span_mean(const struct span *span, const uint16_t *from)
{
	uint32_t sum = 0;

	for (int k = 0; k < span->n; k++)
		sum += (uint32_t)span->weights[k] * from[3 * k];
	return (uint8_t)(sum >> 16);
}

static void row_shrink(const uint16_t *sums, const struct span *spans, int width, uint8_t *to)
{
	for (int x = 0; x < width; x++, to += 3) {
		const struct span *span = &spans[x];
		const uint16_t *from = sums + 3 * (size_t)span->first;

		for (int i = 0; i < 3; i++)
			to[i] = span->n <= SPAN_MIN ? span_mean3(span->weights, from + i)
						    : span_mean(span, from + i);
	}
}

/* Two rows of YCbCr into rows `y` and `y + 1` of the planes, from `fit.x` on. */
static void rows_store(const uint8_t *rows, struct fit fit, int y, struct planes *to)
{
	const size_t width = (size_t)to->width, size = width * (size_t)to->height;
	uint8_t *luma = to->data + (size_t)y * width + fit.x;
	uint8_t *blue = to->data + size + (size_t)(y / 2) * (width / 2) + fit.x / 2;
	uint8_t *red = blue + size / 4;
	const uint8_t *a = rows, *b = rows + 3 * (size_t)fit.width;

	for (int x = 0; x < fit.width; x += 2, a += 6, b += 6) {
		luma[x] = a[0];
		luma[x + 1] = a[3];
		luma[x + to->width] = b[0];
		luma[x + to->width + 1] = b[3];
		*blue++ = (uint8_t)((a[1] + a[4] + b[1] + b[4] + 2) / 4);
		*red++ = (uint8_t)((a[2] + a[5] + b[2] + b[5] + 2) / 4);
	}
}

int planes_scale(const struct pixels *from, struct planes *to)
{
	const struct fit fit = planes_fit(to, from->width, from->height);
	const size_t size = (size_t)to->width * (size_t)to->height;
	CLEANUP(spans_clear) struct spans across = { 0 }, down = { 0 };
	CLEANUP_FREE uint16_t *sums = calloc(3 * ((size_t)from->width + SPAN_MIN), sizeof(*sums));
	CLEANUP_FREE uint8_t *rows = calloc(6 * (size_t)fit.width, 1);

	if (!sums || !rows || spans_make(from->width, fit.width, &across) < 0 ||
		spans_make(from->height, fit.height, &down) < 0)
		return -ENOMEM;
	if (fit.width < to->width || fit.height < to->height) {
		memset(to->data, 0, size);
		memset(to->data + size, 128, size / 2);
	}
	for (int y = 0; y < fit.height; y++) {
		rows_add(from, &down.list[y], sums);
		row_shrink(sums, across.list, fit.width, rows + y % 2 * 3 * fit.width);
		if (y % 2 == 1)
			rows_store(rows, fit, fit.y + y - 1, to);
	}
	return 0;
}

/* ---- tone and marks */

double planes_mean(const struct planes *planes)
{
	const size_t n = (size_t)planes->width * (size_t)planes->height;
	uint64_t sum = 0;
	size_t i = 0;

	for (; i + BLOCK <= n; i += BLOCK) {
		uint32_t part = 0;

		for (size_t k = 0; k < BLOCK; k++)
			part += planes->data[i + k];
		sum += part;
	}
	for (; i < n; i++)
		sum += planes->data[i];
	return (double)sum / (double)n;
}

static void bytes_map(const uint8_t *from, size_t n, const uint8_t map[static 256], uint8_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = map[from[i]];
}

void planes_tone(const struct planes *from, double gain, struct planes *to)
{
	const size_t size = (size_t)from->width * (size_t)from->height;
	uint8_t luma[256], chroma[256];

	for (int i = 0; i < 256; i++) {
		luma[i] = (uint8_t)lround(16 + fmin(i * gain, 255) * 219 / 255);
		chroma[i] = (uint8_t)lround(128 + (i - 128) * 224 / 255.0);
	}
	bytes_map(from->data, size, luma, to->data);
	bytes_map(from->data + size, size / 2, chroma, to->data + size);
}

static struct luma planes_luma(const struct planes *planes)
{
	return (struct luma){ planes->data, 1, (size_t)planes->width, planes->width,
		planes->height };
}

/* Pixels of a letter's dot, so that some 60 letters are as wide as the film. */
static int letter_scale(const struct planes *planes)
{
	const int scale = planes->width / 360;

	return scale < 1 ? 1 : scale;
}

void planes_mark(struct planes *planes, const char *why)
{
	const struct luma luma = planes_luma(planes);
	const int scale = letter_scale(planes), band = 4 * scale;

	for (int y = 0; y < planes->height; y++) {
		uint8_t *row = planes->data + (size_t)y * (size_t)planes->width;
		const bool striped = y < band || y >= planes->height - band;

		for (int x = 0; x < planes->width; x++)
			row[x] = striped ? ((x + y) / band % 2 ? 200 : 30)
					 : (uint8_t)(16 + (row[x] - 16) / 2);
	}
	caption_draw(&luma, (planes->width - caption_width(scale, why)) / 2, 2 * band, scale, why);
}

void planes_stamp(struct planes *planes, const char *text)
{
	const struct luma luma = planes_luma(planes);
	const int scale = letter_scale(planes);

	caption_draw(
		&luma, 4 * scale, planes->height - caption_height(scale) - 6 * scale, scale, text);
}
