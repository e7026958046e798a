/* SPDX-License-Identifier: MIT */
/*
 * What the simulated camera looks at: a sky that follows the light, ground, a clock with hands, colour
 * bars, and the exposure's time, number and settings as text. All of it is drawn straight into YUV
 * planes and clipped to them.
 */
#pragma once

#include "capture/camera.h"

struct canvas {
	enum pixel_format format;
	int width, height;
	bool turned; /* by 180 degrees */
	uint8_t *plane[3]; /* as in struct frame */
	size_t stride[3];
};

struct scene_facts {
	const char *name; /* shown; digits and a few letters have a shape, the rest is a box */
	int64_t wall_us; /* start of the exposure */
	uint64_t sequence;
	double exposure_us, gain;
	double light, level; /* as in struct sensor_frame */
	bool startup;
};

/*
 * Paints the scene as it is at `facts`. *background says which background the canvas shows, 0 for
 * none yet: only a change of it repaints the whole canvas.
 */
void scene_paint(const struct canvas *canvas, const struct scene_facts *facts, int *background);
