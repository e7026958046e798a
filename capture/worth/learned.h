/* SPDX-License-Identifier: MIT */
/* What was learned of a camera, as it is in memory and, field by field, in the state file. */
#pragma once

#include "capture/worth/worth.h"

#define HOURS 24
#define MAP_SAMPLES (MAP_SIDE * MAP_SIDE)
#define FINE 64 /* steps of the means for one of a map, so that small changes add up */

/* The pictures of one hour of the day, without those with a mark. */
struct hour {
	uint32_t n; /* that it has learned from, at most LEARNED_FULL */
	int64_t last_us; /* slot of the last of them */
	double mean_low; /* the darkest of the last days */
	struct cell cell[CELLS_SIDE][CELLS_SIDE]; /* means of roots, squared */
	int16_t sample[MAP_SAMPLES]; /* means of the map, in FINE steps */
	int16_t luma[MAP_SAMPLES];
};

struct worth {
	int width, height; /* of the maps; 0: nothing is learned */
	struct hour hour[HOURS];
	uint64_t digest; /* of the picture before */
	enum mark mark; /* of it, and since which slot */
	int64_t since_us;
};
