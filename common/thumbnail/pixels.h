/* SPDX-License-Identifier: MIT */
/*
 * JPEGs into pixels, and back. libjpeg makes small ones out of large ones at a fraction of the
 * work, and its errors come back here as numbers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* YCbCr of the full range (JFIF), three bytes a pixel. Zeroed is empty. */
struct pixels {
	uint8_t *data;
	int width, height;
};
void pixels_clear(struct pixels *pixels);

/*
 * Decodes at an eighth, a quarter or a half of its size, the smallest that has `width` and
 * `height`, or as it is. -EBADMSG it is no JPEG in colour, or too large. `ret_damaged`: a part of
 * the picture is not what the camera saw, as the data ends early or is wrong.
 */
int pixels_decode(const uint8_t *jpeg, size_t bytes, unsigned width, unsigned height,
	struct pixels *ret, bool *ret_damaged);

/* How large it is, by its head. -EBADMSG as above. */
int pixels_measure(const uint8_t *jpeg, size_t bytes, int *ret_width, int *ret_height);

/*
 * Encodes an image of that size whose lines `row` returns from the top on, each of three bytes a
 * pixel as in `pixels`. `ret_jpeg` is for free(). -EIO.
 */
int rows_encode(int width, int height, int quality, uint8_t *(*row)(void *data, int y), void *data,
	uint8_t **ret_jpeg, size_t *ret_bytes);
int pixels_encode(const struct pixels *pixels, int quality, uint8_t **ret_jpeg, size_t *ret_bytes);
