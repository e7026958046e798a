/* SPDX-License-Identifier: MIT */
/*
 * The image sensors of Raspberry Pi's camera modules: their modes, and when a value written to a
 * register shows in a frame. No I/O and no clock.
 *
 * A frame begins to be read out at its frame start, which is the end of its first row's exposure,
 * and lasts `height + vblank` lines. Rows are exposed by lines of `line_ns`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SENSOR_MODES_MAX 3

struct sensor_mode {
	unsigned width, height; /* 0: there is none */
	unsigned line_pixels; /* of a line with its blanking */
	double pixel_rate; /* Hz */
	unsigned vblank_min; /* lines */
	unsigned x, y, crop_width, crop_height; /* what it sees of the sensor's pixels */
};

struct sensor_model {
	const char *name, *of_node; /* in the Pi's device tree */
	unsigned width, height, code; /* media bus code of all its modes */
	unsigned exposure_gap; /* lines by which a frame is longer than its longest exposure */
	unsigned length_max; /* lines of a frame */
	int gain_min, gain_max; /* register values */
	int delay_exposure, delay_gain, delay_vblank; /* frames from the write to its effect */
	unsigned line_max; /* pixels; 0: the length of a line is fixed */
	bool has_lens;
	int hdr_mode; /* the only mode there is while the sensor does HDR; 0: it does none */
	struct sensor_mode modes[SENSOR_MODES_MAX];
};

enum sensor_register { REGISTER_EXPOSURE, REGISTER_GAIN, REGISTER_VBLANK, SENSOR_REGISTERS };

#define SENSOR_RING 512 /* frames that are looked back at */

struct sensor {
	const struct sensor_model *model;
	const struct sensor_mode *mode;
	int hblank;
	int value[SENSOR_REGISTERS]; /* as last written */
	int effect[SENSOR_REGISTERS][SENSOR_RING]; /* by frame */
	int64_t frame; /* the newest one, -1: none since the start */
};

/* NULL: there is none of that name. */
const struct sensor_model *sensor_model_find(const char *name);

struct sensor sensor_new(const struct sensor_model *model);
void sensor_set_mode(struct sensor *sensor, const struct sensor_mode *mode);
/* The stream begins: all registers hold from frame 0 on. */
void sensor_start(struct sensor *sensor);
/* The next frame begins. */
void sensor_advance(struct sensor *sensor);
void sensor_write(struct sensor *sensor, enum sensor_register which, int value);
/* What held for a frame. */
int sensor_of_frame(const struct sensor *sensor, enum sensor_register which, int64_t frame);
int sensor_exposure_max(const struct sensor *sensor);
double sensor_line_ns(const struct sensor *sensor);
/* The gain that a frame had, from 1. */
double sensor_gain(const struct sensor *sensor, int64_t frame);
