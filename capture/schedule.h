/* SPDX-License-Identifier: MIT */
/*
 * Which slots there are: pure functions of (settings, now).
 *
 * Slots are the integers k on the UTC epoch grid: slot k is at k * every + offset. Arithmetic on
 * epoch microseconds only, so there is no drift and no slot depends on when the program started.
 * Windows then select slots: weekdays and hours in the local zone (a slot counts by what the wall
 * clock shows at that instant, so both passes of the repeated hour in autumn are in or out alike,
 * and nothing is lost in spring), and daylight between sun elevations.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"

#define SCHEDULE_WINDOWS_MAX 8

/* Minutes of the local day, from included, to excluded; from > to runs over midnight. */
struct hours_window {
	int from_minute, to_minute; /* 0..1440 */
};

struct schedule_settings {
	int64_t every_us;
	int64_t offset_us; /* 0 <= offset < every */
	unsigned days; /* bit 0 Monday ... bit 6 Sunday; 0x7f: all */
	struct hours_window hours[SCHEDULE_WINDOWS_MAX];
	int n_hours; /* 0: all day */
	bool daylight;
	double daylight_elevation; /* degrees of the sun above the horizon, at least */
	double latitude, longitude; /* degrees north, east; NaN where not set */
};

/*
 * The first slot at or after `wall_us`, microseconds. TIME_NONE where there is none within 400 days
 * (a window that never opens: polar night, or no day chosen).
 */
int64_t schedule_next(const struct schedule_settings *settings, int64_t wall_us);

/* The last slot before `wall_us`, TIME_NONE where there is none within 400 days. */
int64_t schedule_previous(const struct schedule_settings *settings, int64_t wall_us);

/* Slots in [from_us, to_us). Exact for any span; at most UINT64_MAX. */
uint64_t schedule_count(const struct schedule_settings *settings, int64_t from_us, int64_t to_us);

/* Whether the windows are open at that instant, whatever the grid. */
bool schedule_open_at(const struct schedule_settings *settings, int64_t wall_us);

/* parsers for the settings table: [unsigned], [struct schedule_settings], [struct schedule_settings] */
conf_parser schedule_parse_days; /* "mon-fri", "mon,wed,sat-sun", "all" */
conf_parser schedule_parse_hours; /* "06:00-21:00", "22:00-02:00, 05:30-07:00", "all" */
conf_parser
	schedule_parse_daylight; /* "no", "yes" (sun above -0.833), "civil", an elevation "-6" */
conf_printer schedule_print_days, schedule_print_hours, schedule_print_daylight;
