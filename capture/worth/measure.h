/* SPDX-License-Identifier: MIT */
/*
 * What one picture shows, measured from the small copy that its thumbnail is made of (shrink.h) and
 * from a few rows of the picture itself. What a mask has blanked is blank here too.
 *
 * Detail is told from noise by two rows near each other: an edge goes through both, noise does not,
 * so the product of their gradients has a mean of 0 where there is noise alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "common/journal/record.h"

#define MAP_SIDE 80 /* samples of the longer side, at most */
#define CELL 8 /* samples of a side of a cell */
#define CELLS_SIDE (MAP_SIDE / CELL)

/*
 * The picture's shapes without its light: luma less the mean around it, four steps for each step of
 * luma. `height` rows of `width` samples.
 */
struct map {
	int width, height;
	int8_t sample[MAP_SIDE * MAP_SIDE];
	uint8_t luma[MAP_SIDE * MAP_SIDE];
};

/* Edges of one cell of the map: mean squares of the gradient of luma from sample to sample. */
struct cell {
	float fine; /* of the whole picture, */
	float coarse; /* and of its small copy; */
	float fine_doubt, coarse_doubt; /* what noise makes of them by chance */
};

struct sight {
	struct picture_facts facts; /* without `moved` and `mark` */
	double smaller; /* the small copy, than the picture: 0.06 */
	struct cell cell[CELLS_SIDE][CELLS_SIDE]; /* row by row */
	uint64_t digest; /* of all that was looked at: no two pictures have the same noise */
	struct map map;
};

/*
 * Fine detail for each piece of coarse detail, from 0 to 1. What is so blurred that it has none
 * finer than the small copy's has gradients that are as much weaker as that is smaller: 0. NaN:
 * there is no coarse detail.
 */
double cell_sharpness(struct cell cell, double smaller);

/*
 * Measures `frame`; `small` is its small copy, or the frame itself where that is small already
 * (sharpness is NaN then). -EOPNOTSUPP: MJPEG, which would have to be decoded. -EINVAL: no picture,
 * or planes that are too small for it.
 */
int sight_measure(const struct frame *frame, const struct frame *small, struct sight *ret);
