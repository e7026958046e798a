/* SPDX-License-Identifier: MIT */
/* What the implementations of a camera share. */
#include "capture/camera/camera.h"

#include <math.h>

void camera_set_shape(struct camera *camera, enum pixel_format format, enum pixel_range range,
	int width, int height, size_t stride)
{
	struct frame *shape = &camera->shape;
	bool planar = format == PIXEL_YUV420, mjpeg = format == PIXEL_MJPEG;
	size_t blue = planar ? stride / 2 : format == PIXEL_NV12 ? stride : 0;

	*shape = (struct frame){
		.format = format,
		.range = range,
		.width = width,
		.height = height,
		.stride = { mjpeg ? 0 : stride, blue, planar ? blue : 0 },
		.exposure_us = NAN,
		.gain = NAN,
		.colour_temperature = NAN,
		.lens_position = NAN,
	};
	for (int i = 0; i < 3; i++)
		shape->plane_bytes[i] = shape->stride[i] * (size_t)(i ? (height + 1) / 2 : height);
	if (mjpeg)
		shape->plane_bytes[0] = stride;
}
