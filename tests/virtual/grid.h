/* SPDX-License-Identifier: MIT */
/*
 * Whether two pictures show the same: the mean colours of a grid of cells, as a JPEG decoder sees
 * them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* after stdio.h */
#include <jpeglib.h>

#include "common/base/util.h"

/*
 * Grids of one scene differ by less than the first, of two different photographs by more than the
 * other.
 */
#define GRID_SAME 8
#define GRID_OTHER 25

#define COLUMNS 16
#define ROWS 9

/* Mean colour of each cell of a grid over a picture. */
struct grid {
	int width, height;
	double mean[ROWS][COLUMNS][3];
};

static bool grid_read(const uint8_t *jpeg, size_t bytes, struct grid *ret)
{
	struct jpeg_error_mgr error;
	struct jpeg_decompress_struct d = { .err = jpeg_std_error(&error) };
	uint8_t *row;

	memset(ret, 0, sizeof *ret);
	jpeg_create_decompress(&d);
	jpeg_mem_src(&d, jpeg, bytes);
	jpeg_read_header(&d, TRUE);
	d.out_color_space = JCS_RGB;
	jpeg_start_decompress(&d);
	ret->width = (int)d.output_width;
	ret->height = (int)d.output_height;
	row = malloc(d.output_width * 3);
	while (row && d.output_scanline < d.output_height) {
		unsigned y = d.output_scanline * ROWS / d.output_height;
		jpeg_read_scanlines(&d, &row, 1);
		for (unsigned x = 0; x < d.output_width; x++)
			for (int c = 0; c < 3; c++)
				ret->mean[y][x * COLUMNS / d.output_width][c] += row[3 * x + c];
	}
	free(row);
	jpeg_finish_decompress(&d);
	jpeg_destroy_decompress(&d);
	for (int i = 0; i < ROWS * COLUMNS * 3; i++)
		((double *)ret->mean)[i] /= (double)ret->width * ret->height / (ROWS * COLUMNS);
	return error.num_warnings == 0;
}

static bool grid_of_file(const char *path, struct grid *ret)
{
	static uint8_t bytes[1 << 20];
	CLEANUP_FILE FILE *f = fopen(path, "re");
	size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;

	return n > 0 && grid_read(bytes, n, ret);
}

/* Mean difference of two grids, in steps of 8-bit colour. */
static double grid_difference(const struct grid *a, const struct grid *b)
{
	double sum = 0;

	for (int i = 0; i < ROWS * COLUMNS * 3; i++) {
		double d = ((const double *)a->mean)[i] - ((const double *)b->mean)[i];
		sum += d < 0 ? -d : d;
	}
	return sum / (ROWS * COLUMNS * 3);
}
