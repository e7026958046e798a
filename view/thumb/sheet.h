/* SPDX-License-Identifier: MIT */
/*
 * Sheets: the pictures of up to SHEET_CELLS slots, small, in one JPEG, so that a day of 1,440 slots
 * is four requests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view/facts/select.h"
#include "view/thumb/cache.h"

#define SHEET_COLUMNS 20
#define SHEET_CELLS 360

struct sheet_form {
	int columns;
	int cell_width, cell_height; /* pixels; height 0 follows the first picture's shape */
	bool captions; /* each cell has its local time, and why there is no picture */
	bool flat; /* each cell has one colour, the mean of its picture */
};
extern const struct sheet_form sheet_pictures; /* small pictures, SHEET_COLUMNS in a row */

/*
 * What is the same as long as the sheet shows the same pictures (cache.h). "": there is none.
 */
void sheet_key(const struct archive *archive, const struct sheet_form *form,
	const struct slot *slots, size_t n, char ret[static CACHE_KEY_MAX]);

/*
 * Draws the held ones of `slots`, a cell each, row by row; what is not held, or cannot be read or
 * decoded, stays grey. Cells of a pixel or some show the light of each slot. One sheet is drawn at
 * a time, in memory that does not grow with it. It is kept under `key`, unless a picture could not
 * be read. `ret_jpeg` is for free(). -ENOENT there are no slots; -ENOMEM; -EIO.
 */
int sheet_draw(struct archive *archive, const struct sheet_form *form, const struct slot *slots,
	size_t n, const char *key, uint8_t **ret_jpeg, size_t *ret_bytes);
