/* SPDX-License-Identifier: MIT */
/*
 * A film's pictures as they go to the encoder: I420, three planes in one piece of memory, chroma at
 * half the width and height. Sides are even.
 */
#pragma once

#include <stdint.h>

#include "common/thumbnail/pixels.h"
#include "view/facts/select.h"

struct planes {
	uint8_t *data; /* planes_bytes() */
	int width, height;
};
static inline size_t planes_bytes(int width, int height)
{
	return (size_t)width * (size_t)height * 3 / 2;
}

/*
 * The size of a film of such pictures: at most `height`, no larger than they are, and within what
 * players of H.264 level 4.0 take at that rate. 0, or -ERANGE: no size is.
 */
int planes_choose_size(
	int width, int height, int wanted_height, int fps, int *ret_width, int *ret_height);

/* Where a picture of that size lies in the planes: as large as fits, in the middle. */
struct fit {
	int x, y, width, height;
};
struct fit planes_fit(const struct planes *planes, int width, int height);

/*
 * Each pixel becomes the mean of those that it stands for; what is beside the picture is black.
 * -ENOMEM.
 */
int planes_scale(const struct pixels *from, struct planes *to);
/* The mean luma, 0 to 255. */
double planes_mean(const struct planes *planes);
/* From the full range to the one of films, `gain` times as bright. Both have the same size. */
void planes_tone(const struct planes *from, double gain, struct planes *to);
/* Shows that this picture is an older one, and why: darker, with stripes and a sentence. */
void planes_mark(struct planes *planes, const char *why);
/* Writes into the lower left corner. */
void planes_stamp(struct planes *planes, const char *text);
