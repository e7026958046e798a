/* SPDX-License-Identifier: MIT */
/*
 * What the simulated camera looks at: a sky that follows the light, ground, a clock with hands,
 * colour bars, and the exposure's time, number and settings as text. All of it is drawn straight
 * into YUV planes and clipped to them.
 */
#pragma once

#include "capture/camera/camera.h"
#include "capture/simcam/sensor.h"

struct canvas {
	enum pixel_format format;
	int width, height;
	bool turned; /* by 180 degrees */
	uint8_t *plane[3]; /* as in struct frame */
	size_t stride[3];
	int background; /* which one it shows, 0 for none yet; for scene_paint() only */
};

/*
 * Paints what the sensor saw in that frame, whose exposure started at `wall_us`. `name` is shown;
 * digits and a few letters have a shape, the rest is a box. Only another background repaints all of
 * the canvas.
 */
void scene_paint(
	struct canvas *canvas, const char *name, int64_t wall_us, const struct sensor_frame *frame);
