/* SPDX-License-Identifier: MIT */
/* What the implementations of a camera share. */
#include "capture/camera/camera.h"

#include <math.h>

void camera_set_shape(struct camera *camera, enum pixel_format format, enum pixel_range range,
	int width, int height, size_t stride)
{
	bool nv12 = format == PIXEL_NV12;
	struct frame *shape = &camera->shape;

	*shape = (struct frame){
		.format = format,
		.range = range,
		.width = width,
		.height = height,
		.stride = { stride, nv12 ? stride : stride / 2, nv12 ? 0 : stride / 2 },
		.exposure_us = NAN,
		.gain = NAN,
		.colour_temperature = NAN,
		.lens_position = NAN,
	};
	for (int i = 0; i < 3; i++)
		shape->plane_bytes[i] = shape->stride[i] * (size_t)(i ? (height + 1) / 2 : height);
}
