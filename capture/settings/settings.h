/* SPDX-License-Identifier: MIT */
/* The settings of capturepi, one struct, one table. See capturepi.conf(5). */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "capture/picture/mask.h"
#include "capture/schedule/schedule.h"
#include "common/events/hook.h"
#include "common/settings/conf.h"
#include "common/upkeep/retention.h"

/* With `auto` longer intervals stop the sensor. */
#define STANDBY_STREAM_UP_TO_US (30 * INT64_C(1000000))

enum standby { STANDBY_AUTO, STANDBY_STREAM, STANDBY_STOP };
enum light { LIGHT_CLOCK, LIGHT_NOON, LIGHT_DUSK, LIGHT_NIGHT };
enum durability { DURABILITY_FRAME, DURABILITY_BATCH };

struct control_setting {
	char name[64];
	char value[64];
};

struct focus_setting {
	enum camera_focus kind;
	double dioptres; /* of FOCUS_FIXED, else 0 */
};

struct crop_setting {
	double share[4]; /* as in camera_options */
};

/* The section that the store works by. */
struct archive_settings {
	char path[PATH_MAX];
	char camera[CAMERA_NAME_MAX];
	struct retention_settings retention;
	int durability, access; /* enum durability, fs_access */
	bool require_mount;
};

struct capture_settings {
	struct archive_settings archive;
	struct schedule_settings schedule;
	int64_t wait_for_clock_us;
	struct {
		char source[256];
		int64_t width, height, quality, rotation;
		double fps, gain_max, compensation; /* gain_max NaN: auto */
		int64_t exposure_max_us; /* 0: auto */
		int standby, flip; /* flip: enum camera_flip */
		int flicker, metering; /* metering: enum camera_metering */
		struct focus_setting focus;
		struct crop_setting crop;
		char tuning_file[PATH_MAX];
		bool hdr, phase_lock;
		int64_t warmup_us;
	} camera;
	bool exif_gps;
	struct mask_setting mask;
	struct control_setting controls[CONF_CONTROLS_MAX];
	size_t n_controls;
	struct {
		int64_t seed;
		double drift_ppm;
		int light; /* enum light */
		int trouble; /* enum camera_trouble */
		char faults[CONF_VALUE_MAX];
	} test;
	struct hook_settings hook;
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

/*
 * Of settings with mistakes and those that are used instead: unless both have the same mask, which
 * one is meant is not known, and no picture may be stored until they are right. Fits
 * cli_program.fall_back.
 */
void capture_settings_fall_back(const void *wrong, void *used);

/* Whether the sensor stops between slots. */
bool capture_settings_rest(const struct capture_settings *settings);

/* Of lamps that exposures go by; 0: none. */
int capture_flicker_hz(const struct capture_settings *settings);

/* The options of camera_open(); they point into `settings` and `arrays`. */
struct control_arrays {
	const char *names[CONF_CONTROLS_MAX], *values[CONF_CONTROLS_MAX];
};
struct camera_options capture_camera_options(
	const struct capture_settings *settings, struct control_arrays *arrays);
