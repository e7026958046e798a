/* SPDX-License-Identifier: MIT */
/*
 * How bright a picture is: a sparse grid over its luma, so that a frame of 12 megapixels costs as
 * little as a small one: METER_COLUMNS x METER_ROWS reads, each of a cache line of its own.
 */
#pragma once

#include "capture/camera/camera.h"

#define METER_COLUMNS 64
#define METER_ROWS 48

struct meter {
	double luma; /* mean, 0 black to 1 white, of the values as encoded */
	double clipped; /* share that is as white as can be, all counting alike */
};

/*
 * By METERING_CENTRE the middle counts four times as much as the edge, by METERING_SPOT alone, and
 * by METERING_MATRIX all of it counts alike. -EINVAL: the frame has no luma to read (MJPEG), or
 * less than its size says.
 */
int meter_frame(const struct frame *frame, enum camera_metering metering, struct meter *ret);
