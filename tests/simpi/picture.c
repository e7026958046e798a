/* SPDX-License-Identifier: MIT */
/* What the scene looks like to the ISP: pictures of one grey, statistics, sharpness. */
#include "pi.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "isp.h"

#define RED_OF_GREEN (1 / 1.7) /* daylight on a sensor without its white balance */
#define BLUE_OF_GREEN (1 / 1.5)
#define LENS_DIOPTRES                                                                              \
	15.0 /* at the lens's near end; libcamera's imx708.json maps 445 to 0, 925 to 15 */
#define LENS_FAR 445
#define LENS_NEAR 925
#define LENS_DEPTH 1.0 /* dioptres off at which contrast has fallen to 1/e */

/* How full the scene's mean makes the frame's pixels; 1: to the brim. */
static double frame_level(int64_t frame)
{
	const struct pi_options *o = &pi.options;
	double exposure_us = sensor_of_frame(&pi.sensor, REGISTER_EXPOSURE, frame) *
		sensor_line_ns(&pi.sensor) / 1000;
	double stops = 0, phase;

	if (o->stops_a_minute > 0) { /* up by 1.5 stops, down by 3, and so on */
		phase = fmod((double)pi_now_ns() / NS_PER_S * o->stops_a_minute / 60 / 3, 2);
		stops = 3 * fabs(phase - 1) - 1.5;
	}
	return o->scene * exp2(stops) * exposure_us * sensor_gain(&pi.sensor, frame);
}

void picture_fill(const struct pi_node *node, const struct pi_buffer *buffer, int64_t frame)
{
	size_t luma = (size_t)node->format.bytesperline * node->format.height;
	double level = fmin(frame_level(frame), 1);
	uint8_t *data =
		mmap(NULL, buffer->length, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd, 0);

	if (data == MAP_FAILED)
		return;
	memset(data, (int)(pow(level, 1 / 2.2) * 255), luma);
	if (luma < buffer->length)
		memset(data + luma, 128, buffer->length - luma);
	munmap(data, buffer->length);
}

static struct isp_region region_of(double level, unsigned i)
{
	double part = fmin(level * (0.6 + 0.8 * (i * 7 % 16) / 16), 1);
	struct isp_region r = { .counted = 10000 };

	r.green = (uint64_t)(part * 8191 * r.counted);
	r.red = (uint64_t)((double)r.green * RED_OF_GREEN);
	r.blue = (uint64_t)((double)r.green * BLUE_OF_GREEN);
	return r;
}

static double lens_contrast(void)
{
	double dioptres = (pi.lens - LENS_FAR) * LENS_DIOPTRES / (LENS_NEAR - LENS_FAR);
	double off = (dioptres - pi.options.distance) / LENS_DEPTH;

	return 4e6 * exp(-off * off) + 2e5;
}

void picture_measure(const struct pi_buffer *buffer, int64_t frame)
{
	double level = frame_level(frame);
	struct isp_statistics *s =
		mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd, 0);

	if (s == MAP_FAILED)
		return;
	memset(s, 0, sizeof *s);
	for (unsigned i = 0; i < ISP_AWB_REGIONS; i++)
		s->awb[i] = region_of(level, i);
	for (unsigned i = 0; i < ISP_REGIONS - 1; i++)
		s->agc[i] = region_of(level, i);
	for (int i = 0; i < 1000; i++) {
		double bin = fmin(level * (0.5 + i / 1000.0) * (ISP_BINS - 1), ISP_BINS - 1);

		s->histogram[0].green[(int)bin] += 100;
	}
	for (int i = 0; i < ISP_FOCUS_REGIONS; i++) {
		s->focus[i].contrast[1][1] = (uint64_t)lens_contrast();
		s->focus[i].counted[1][1] = 1000;
	}
	munmap(s, sizeof *s);
}
