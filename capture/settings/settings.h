/* SPDX-License-Identifier: MIT */
/* The settings of capturepi, one struct, one table. See capturepi.conf(5). */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "capture/schedule/schedule.h"
#include "common/settings/conf.h"
#include "common/upkeep/retention.h"

enum standby { STANDBY_AUTO, STANDBY_STREAM, STANDBY_STOP };
enum durability { DURABILITY_FRAME, DURABILITY_BATCH };

struct control_setting {
	char name[64];
	char value[64];
};

/* The section that the store works by. */
struct archive_settings {
	char path[PATH_MAX];
	char camera[CAMERA_NAME_MAX];
	struct retention_settings retention;
	int durability;
	bool require_mount;
};

struct capture_settings {
	struct archive_settings archive;
	struct schedule_settings schedule;
	int64_t wait_for_clock_us;
	struct {
		char source[256];
		int64_t width, height, quality, rotation;
		double fps;
		int standby;
		bool phase_lock;
		int64_t warmup_us;
	} camera;
	struct control_setting controls[CONF_CONTROLS_MAX];
	size_t n_controls;
	struct {
		int64_t seed;
		double drift_ppm;
		char faults[CONF_VALUE_MAX];
	} test;
};

extern const struct conf_table capture_settings_table;

/*
 * Checks what takes more than one value of a struct capture_settings. Complains like conf_load(),
 * and mends what it complains about, as it says, so that a camera in the field goes on with
 * settings that make sense. Returns the number of complaints. Fits cli_program.check.
 */
int capture_settings_check(void *settings, conf_complain *complain, void *data);

/*
 * Sets the defaults of another camera, `name`: its archive is ~/captures-NAME, beside the first
 * one's and not in it. Fits cli_program.name_defaults.
 */
void capture_settings_name(void *settings, const char *name);

/* The options of camera_open(); they point into `settings` and `arrays`. */
struct control_arrays {
	const char *names[CONF_CONTROLS_MAX], *values[CONF_CONTROLS_MAX];
};
struct camera_options capture_camera_options(
	const struct capture_settings *settings, struct control_arrays *arrays);
