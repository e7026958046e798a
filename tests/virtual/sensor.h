/* SPDX-License-Identifier: MIT */
/*
 * A sensor played by hand behind the libcamera shim: the program that links sensor.cpp has its
 * requests kept here instead of queued to the pipeline, and a test finishes them one by one as a
 * real camera would. One camera at a time; no threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sensor_result { SENSOR_GOOD, SENSOR_STARTUP, SENSOR_ERROR, SENSOR_CANCELLED };

#define PIPELINE_BUFFERS 4 /* that the `virtual` pipeline has, one fewer than we ask for */

/* What a request reports; 0 leaves a fact out. */
struct sensor_facts {
	enum sensor_result result;
	unsigned sequence;
	int64_t timestamp_ns;
	int32_t exposure_us, colour_temperature;
	int64_t duration_us;
	float analogue_gain, digital_gain, lens_position, red, blue;
	int focus; /* AfState and one more, so that 0 leaves it out, too */
	int converged; /* 1 yes, -1 no: in the words this libcamera has for it */
};

/* Requests waiting here. */
int played_waiting(void);

/* Finishes the oldest of them. */
void played_finish(const struct sensor_facts *facts);

/* The FrameDurationLimits that came with the newest request; false: none came. */
bool played_limits(int64_t *ret_min_us, int64_t *ret_max_us);

/* How many of the requests waiting have a control of that name. */
int played_with(const char *name);

/* The next request is refused with this error. */
void played_refuse(int error);

/* The camera's cable is pulled. */
void played_unplug(void);

#ifdef __cplusplus
}
#endif
