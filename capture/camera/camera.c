/* SPDX-License-Identifier: MIT */
/* What the implementations of a camera share. */
#include "capture/camera/camera.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *const camera_trouble_words[] = { "none", "covered", "iced", "defocused", "turned",
	"spider", "snow", "fog", "headlights", "frozen", NULL };

#define FIT_UP_TO_NS INT64_C(10000000000)
#define STEERING_ROOM 1.05 /* of the shortest frame */
#define LEAST_PERIOD_NS (INT64_C(1000000000) / 30)

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
		.red = NAN,
		.blue = NAN,
	};
	for (int i = 0; i < 3; i++)
		shape->plane_bytes[i] = shape->stride[i] * (size_t)(i ? (height + 1) / 2 : height);
	if (mjpeg)
		shape->plane_bytes[0] = stride;
}

int64_t camera_fit_duration_ns(int64_t least_ns, int64_t interval_ns)
{
	if (least_ns <= 0 || interval_ns < least_ns || interval_ns > FIT_UP_TO_NS)
		return least_ns;
	return interval_ns / (interval_ns / least_ns);
}

int64_t camera_open_duration_ns(int64_t least_ns, int64_t interval_ns)
{
	int64_t duration_ns = llround((double)least_ns * STEERING_ROOM);

	return camera_fit_duration_ns(
		duration_ns < LEAST_PERIOD_NS ? LEAST_PERIOD_NS : duration_ns, interval_ns);
}

int64_t camera_memory_free(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	int64_t kib = -1;
	char line[128];

	while (file && kib < 0 && fgets(line, sizeof line, file))
		if (sscanf(line, "CmaFree: %" SCNd64, &kib) != 1)
			kib = -1;
	if (file)
		fclose(file);
	return kib < 0 ? -ENOENT : kib * 1024;
}
