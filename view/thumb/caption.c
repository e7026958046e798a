/* SPDX-License-Identifier: MIT */
/* Writes words into pictures. */
#include "view/thumb/caption.h"

#include <string.h>

#include "common/base/letters.h"

#define WHITE 235
#define MARGIN 2 /* dots on each side */

int caption_width(int scale, const char *text)
{
	return ((int)strlen(text) * LETTER_WIDTH - 1 + 2 * MARGIN) * scale;
}

int caption_height(int scale)
{
	return (LETTER_HEIGHT + 2 * MARGIN) * scale;
}

static bool letter_has(const char *text, int column, int row)
{
	const int in_letter = column % LETTER_WIDTH;

	if (row < 0 || row >= LETTER_HEIGHT || column < 0 ||
		column / LETTER_WIDTH >= (int)strlen(text) || in_letter >= LETTER_WIDTH - 1)
		return false;
	return letter_rows(text[column / LETTER_WIDTH])[row] & 0x10 >> in_letter;
}

void caption_draw(const struct luma *luma, int x, int y, int scale, const char *text)
{
	const int right = x + caption_width(scale, text), bottom = y + caption_height(scale);

	for (int py = y < 0 ? 0 : y; py < bottom && py < luma->height; py++) {
		uint8_t *row = luma->data + (size_t)py * luma->stride;

		for (int px = x < 0 ? 0 : x; px < right && px < luma->width; px++) {
			uint8_t *pixel = row + (size_t)px * luma->step;

			*pixel = letter_has(
					 text, (px - x) / scale - MARGIN, (py - y) / scale - MARGIN)
				? WHITE
				: (uint8_t)(16 + *pixel / 4);
		}
	}
}
