/* SPDX-License-Identifier: MIT */
/*
 * Rows are added up byte by byte, whatever is interleaved in them, which the vector unit does; then
 * the columns of the sums are added up for each component that the plane has.
 */
#include "capture/picture/shrink.h"

#include <errno.h>
#include <string.h>

#include "common/base/limits.h"
#include "common/base/util.h"

#define ROWS 3 /* read for one row of the small picture; 257 fit into a sum */

enum { STEP = 32 }; /* a constant count, so that the compiler uses the vector unit at -O2 too */

/* A component within its plane. */
struct source {
	int plane;
	int offset, step; /* bytes to its first sample, and from sample to sample */
	int width, height;
};

static struct source source_of(const struct frame *frame, int component)
{
	const int width = component ? (frame->width + 1) / 2 : frame->width;
	const int height = component ? (frame->height + 1) / 2 : frame->height;

	if (frame->format == PIXEL_YUYV)
		return (struct source){ 0, component ? 2 * component - 1 : 0, component ? 4 : 2,
			width, frame->height };
	if (frame->format == PIXEL_NV12 && component)
		return (struct source){ 1, component - 1, 2, width, height };
	return (struct source){ component, 0, 1, width, height };
}

static void sums_add(uint16_t *restrict sums, const uint8_t *restrict row, size_t bytes)
{
	size_t done = 0;

	for (; done + STEP <= bytes; done += STEP, sums += STEP, row += STEP)
		for (int i = 0; i < STEP; i++)
			sums[i] = (uint16_t)(sums[i] + row[i]);
	for (size_t i = 0; i < bytes - done; i++)
		sums[i] = (uint16_t)(sums[i] + row[i]);
}

/* One row of the small picture. */
static void row_shrink(const struct frame *frame, const struct source *s, int top, int end,
	uint16_t *sums, uint8_t *to, int width)
{
	const size_t bytes = (size_t)(s->width - 1) * (size_t)s->step + 1;
	const int rows = end - top < ROWS ? end - top : ROWS, step = s->step;

	memset(sums, 0, bytes * sizeof(*sums));
	for (int i = 0; i < rows; i++) {
		const int y = top + (end - top) * i / rows;

		sums_add(sums,
			frame->plane[s->plane] + (size_t)y * frame->stride[s->plane] + s->offset,
			bytes);
	}
	for (int x = 0, left = 0, right; x < width; x++, left = right) {
		unsigned sum = 0, n;

		right = (x + 1) * s->width / width;
		n = (unsigned)((right - left) * rows);
		for (const uint16_t *p = sums + left * step; p < sums + right * step; p += step)
			sum += *p;
		to[x] = (uint8_t)((sum + n / 2) / n);
	}
}

int frame_shrink(const struct frame *frame, int side, struct frame *ret, uint8_t **ret_samples)
{
	const int longer = frame->width > frame->height ? frame->width : frame->height;
	const int width = (frame->width * side + longer / 2) / longer;
	const int height = (frame->height * side + longer / 2) / longer;
	struct frame small = { .format = PIXEL_YUV420,
		.range = frame->range,
		.width = width > 0 ? width : 1,
		.height = height > 0 ? height : 1 };
	CLEANUP_FREE uint8_t *samples = NULL;
	CLEANUP_FREE uint16_t *sums = NULL;
	uint8_t *to;

	if (longer <= side)
		return 0;
	to = samples = malloc(3 * (size_t)side * (size_t)side);
	sums = malloc(4 * PICTURE_SIDE_MAX * sizeof(*sums));
	if (!samples || !sums)
		return -ENOMEM;
	for (int i = 0; i < 3; i++) {
		const struct source s = source_of(frame, i);
		const int w = i ? (small.width + 1) / 2 : small.width;
		const int h = i ? (small.height + 1) / 2 : small.height;

		small.plane[i] = to;
		small.stride[i] = (size_t)w;
		small.plane_bytes[i] = (size_t)w * (size_t)h;
		for (int y = 0; y < h; y++, to += w)
			row_shrink(
				frame, &s, y * s.height / h, (y + 1) * s.height / h, sums, to, w);
	}
	*ret = small;
	*ret_samples = TAKE_PTR(samples);
	return 1;
}
