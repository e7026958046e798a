/* SPDX-License-Identifier: MIT */
/* Measures a picture's luma; see meter.h. */
#include "capture/exposure/meter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define CLIPPED_LUMA 0.98

/* How much a sample counts. */
static int meter_weight(enum camera_metering metering, int column, int row)
{
	/* the distance from the middle in parts of 8 of the way to the edge */
	int x = abs(2 * column + 1 - METER_COLUMNS) * 8 / METER_COLUMNS;
	int y = abs(2 * row + 1 - METER_ROWS) * 8 / METER_ROWS;
	int away = x > y ? x : y;

	return metering == METERING_MATRIX  ? 1
		: metering == METERING_SPOT ? away < 2
		: away < 4                  ? 4
		: away < 6                  ? 2
					    : 1;
}

int meter_frame(const struct frame *frame, enum camera_metering metering, struct meter *ret)
{
	size_t width = frame->width > 0 ? (size_t)frame->width : 0;
	size_t height = frame->height > 0 ? (size_t)frame->height : 0, stride = frame->stride[0];
	size_t step = frame->format == PIXEL_YUYV ? 2 : 1; /* bytes from luma to luma */
	bool limited = frame->range == PIXEL_LIMITED_RANGE;
	double black = limited ? 16 : 0, white = limited ? 235 : 255;
	long sum = 0, weights = 0, clipped = 0;

	if (!frame->plane[0] || frame->format == PIXEL_MJPEG || width == 0 || height == 0 ||
		stride < width * step ||
		frame->plane_bytes[0] < stride * (height - 1) + width * step)
		return -EINVAL;
	for (int row = 0; row < METER_ROWS; row++) {
		const uint8_t *line = frame->plane[0] +
			stride * ((size_t)(2 * row + 1) * height / (2 * METER_ROWS));

		for (int column = 0; column < METER_COLUMNS; column++) {
			size_t x = (size_t)(2 * column + 1) * width / (2 * METER_COLUMNS);
			uint8_t y = line[x * step];
			int weight = meter_weight(metering, column, row);

			sum += weight * y;
			weights += weight;
			clipped += y >= black + CLIPPED_LUMA * (white - black);
		}
	}
	ret->luma = ((double)sum / (double)weights - black) / (white - black);
	ret->luma = fmin(fmax(ret->luma, 0), 1);
	ret->clipped = (double)clipped / (METER_COLUMNS * METER_ROWS);
	return 0;
}
