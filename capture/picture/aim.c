/* SPDX-License-Identifier: MIT */
/* The picture for aiming. Its centre is a frame within the planes of the whole one. */
#include "capture/picture/aim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/picture/shrink.h"

#define HEAD_MAX 256
#define EVERY_ROW 8 /* one of so many is looked at: all would take longer than encoding */

/* The centre as a frame of its own that uses the same planes; chroma wants even corners. */
static struct frame aim_centre(const struct frame *frame)
{
	struct frame centre = *frame;
	const int width = frame->width < AIM_CENTRE_SIDE ? frame->width : AIM_CENTRE_SIDE;
	const int height = frame->height < AIM_CENTRE_SIDE ? frame->height : AIM_CENTRE_SIDE;
	const size_t x = (size_t)(frame->width - width) / 4 * 2;
	const size_t y = (size_t)(frame->height - height) / 4 * 2;

	centre.width = width;
	centre.height = height;
	for (int i = 0; i < 3 && frame->plane[i]; i++) {
		const size_t column = frame->format == PIXEL_YUYV ? 2 * x
			: i && frame->format == PIXEL_YUV420      ? x / 2
								  : x;
		const size_t skipped = (i ? y / 2 : y) * frame->stride[i] + column;

		centre.plane[i] += skipped;
		centre.plane_bytes[i] -= skipped;
	}
	return centre;
}

double aim_sharpness(const struct frame *frame)
{
	const size_t step = frame->format == PIXEL_YUYV ? 2 : 1;
	uint64_t sum = 0, squares = 0, n = 0;

	if (frame->format == PIXEL_MJPEG || !frame_fits(frame))
		return 0;
	for (int y = 0; y < frame->height; y += EVERY_ROW) {
		const uint8_t *row = frame->plane[0] + (size_t)y * frame->stride[0];

		for (int x = 2; x < frame->width; x++, n++) {
			const int near = row[(size_t)x * step], far = row[(size_t)(x - 2) * step];

			sum += (uint64_t)near;
			squares += (uint64_t)((near - far) * (near - far));
		}
	}
	return sum ? 100 * sqrt((double)squares / (double)n) * (double)n / (double)sum : 0;
}

/* Appends a JPEG of the frame. */
static int aim_append(struct jpeg_encoder *encoder, const struct frame *frame, uint8_t **bytes,
	size_t *used, size_t *ret_length)
{
	const uint8_t *jpeg;
	uint8_t *grown;
	size_t length;
	int r = jpeg_encode(encoder, frame, NULL, 0, &jpeg, &length);

	if (r < 0)
		return r;
	grown = realloc(*bytes, *used + length);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + *used, jpeg, length);
	*bytes = grown;
	*used += length;
	*ret_length = length;
	return 0;
}

int aim_make(struct jpeg_encoder *encoder, const struct frame *frame, int64_t now_us, uint8_t **ret,
	size_t *ret_bytes)
{
	CLEANUP_FREE uint8_t *samples = NULL, *bytes = malloc(HEAD_MAX);
	size_t used = HEAD_MAX, picture = 0, middle = 0;
	struct frame centre, small = *frame;
	char head[HEAD_MAX], lens[32] = "null";
	int r = frame->format == PIXEL_MJPEG ? -EMEDIUMTYPE : frame_fits(frame) ? 0 : -EINVAL;
	int length;

	if (r == 0)
		r = bytes ? frame_shrink(frame, AIM_SIDE, &small, &samples) : -ENOMEM;
	if (r < 0)
		return r;
	centre = aim_centre(frame);
	r = aim_append(encoder, &small, &bytes, &used, &picture);
	if (r == 0)
		r = aim_append(encoder, &centre, &bytes, &used, &middle);
	if (r < 0)
		return r;
	if (frame->lens_position >= 0 && frame->lens_position < 1000)
		snprintf(lens, sizeof lens, "%.2f", frame->lens_position);
	length = snprintf(head, sizeof head,
		"{\"at\":%lld,\"n\":%lld,\"sharpness\":%.2f,\"lens\":%s,\"width\":%d,\"height\":%d,"
		"\"centre_width\":%d,\"centre_height\":%d,\"picture\":%zu,\"centre\":%zu}",
		(long long)now_us, (long long)(now_us / 100000), aim_sharpness(frame), lens,
		frame->width, frame->height, centre.width, centre.height, picture, middle);
	if (length >= HEAD_MAX)
		return -E2BIG;
	/* blanks fill the line, so that its length needs not be known before */
	memset(bytes, ' ', HEAD_MAX);
	memcpy(bytes, head, (size_t)length);
	bytes[HEAD_MAX - 1] = '\n';
	*ret = TAKE_PTR(bytes);
	*ret_bytes = used;
	return 0;
}
