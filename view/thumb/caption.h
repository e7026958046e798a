/* SPDX-License-Identifier: MIT */
/* Words in a picture: light letters on a dark ground, in its luma alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The luma of a picture; `step` bytes from a pixel to the next, `stride` from a row to the next. */
struct luma {
	uint8_t *data;
	size_t step, stride;
	int width, height;
};

/* Writes from (x, y) on, each dot `scale` pixels; what is outside the picture is cut. */
void caption_draw(const struct luma *luma, int x, int y, int scale, const char *text);
/* What it covers. */
int caption_width(int scale, const char *text);
int caption_height(int scale);
