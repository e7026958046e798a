/* SPDX-License-Identifier: MIT */
/*
 * The settings of viewpi, viewpi.conf(5). None is needed: the table also reads, out of the settings
 * of capturepi and of pullpi, where their archives are (places.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/settings/conf.h"

struct view_camera {
	char name[CAMERA_NAME_MAX];
	char archive[CONF_VALUE_MAX]; /* "": ~/pulled/NAME */
	int64_t stale_after_us; /* 0: auto */
};

/* For the heap, zeroed. */
struct view_settings {
	char captures[CONF_VALUE_MAX]; /* the archive of this machine's own camera */
	char zone[64]; /* whose days and hours the pages show; "": the machine's */
	int64_t linger_us; /* how long the process stays after the last request */
	char films[CONF_VALUE_MAX]; /* the folder of each day's film */
	struct view_camera cameras[CONF_CAMERAS_MAX];
	size_t n_cameras;
};

extern const struct conf_table view_settings_table;

/* Local times are of that zone from now on. Before any thread. */
void view_settings_use_zone(const struct view_settings *settings);
