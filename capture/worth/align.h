/* SPDX-License-Identifier: MIT */
/*
 * Where the shapes of a picture are against those of a reference. Both are divided into blocks;
 * each block that has a shape in the reference is looked for nearby in the picture, by the
 * correlation of the two, which does not depend on the light. How the blocks that were found lie
 * tells how the camera has turned.
 */
#pragma once

#include "capture/worth/measure.h"

#define MOVED_SURE 0.018 /* widths: no shadow and no lamp in the fog moves as much */
#define ELSEWHERE_PART 0.4 /* of the blocks that are where they were, by chance as well */

struct alignment {
	int blocks; /* that have a shape in the reference; what follows is of these */
	int seen; /* have one now, */
	int still; /* were found where they were, */
	int found; /* there or nearby, with others that agree on where */
	int dark; /* are dark now, and not where they were */
	double shape; /* of the strongest of them, against the reference: 1 is as strong */
	double sharp; /* of those found the median sharpness against the reference; NaN */
	double moved; /* of those found, in widths; NaN: too few were */
};

/* What is looked for: a map, and the edges of its cells. */
struct reference {
	struct map map;
	struct cell cell[CELLS_SIDE][CELLS_SIDE];
};

/* Both of one size. */
struct alignment sight_align(const struct reference *reference, const struct sight *now);
