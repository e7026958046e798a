/* SPDX-License-Identifier: MIT */
/*
 * Which slots there are: pure functions of (settings, now, the machine's zone).
 *
 * Slots are the integers k on the UTC epoch grid, slot k at k * every + offset, and the times of
 * the local day that `at` lists, each once a day; an instant that is both is one slot. Arithmetic
 * on epoch microseconds only, so there is no drift and no slot depends on when the program started.
 *
 * A time of `at` that the clock on the wall shows twice in autumn is its first time; one that is
 * left out in spring is counted from the clock as it went before: 02:30 comes at what is then
 * 03:30, a day after the one before it (as in iCalendar, RFC 5545, 3.3.5).
 *
 * Windows then select slots, those of `at` too. A slot counts by what a clock on the wall shows at
 * that instant, so both passes of the repeated hour in autumn are in or out alike, and the hour
 * that is left out in spring has no slots to lose. A window over midnight belongs to the day it
 * starts on: "fri" with 22:00-02:00 ends on Saturday at 02:00, and has nothing on Friday at 01:00.
 * Daylight, too, counts at the instant: the sun's elevation (capture/schedule/sun.h) at the last
 * whole minute, so that the windows open and close on whole minutes. All that are set must agree.
 *
 * Instants are from 1970 to 9999; before and after there are no slots. The zone is the C library's:
 * who wants another one sets TZ and calls tzset().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/settings/conf.h"

#define SCHEDULE_WINDOWS_MAX 8
#define SCHEDULE_AT_MAX 48
#define SCHEDULE_EVERY_US (60 * INT64_C(1000000)) /* where nothing is set */

/* Minutes of the local day, from included, to excluded; from > to runs over midnight. */
struct hours_window {
	int from_minute, to_minute; /* 0..1439 and 0..1440, never the same */
};

/* A time of each local day. */
struct schedule_at {
	int minute; /* 0..1439 */
};

struct schedule_settings {
	int64_t every_us; /* 0: SCHEDULE_EVERY_US, or no grid where there is an `at` */
	int64_t offset_us; /* 0 <= offset; only what is left of it after whole intervals counts */
	struct schedule_at at[SCHEDULE_AT_MAX]; /* in order, none twice */
	int n_at;
	unsigned days; /* bit 0 Monday ... bit 6 Sunday; 0x7f: all */
	struct hours_window hours[SCHEDULE_WINDOWS_MAX];
	int n_hours; /* 0: all day */
	bool daylight;
	double daylight_elevation; /* degrees of the sun above the horizon, at least */
	double latitude, longitude; /* degrees north, east; NaN where not set: then no daylight */
};

/*
 * The first slot at or after `wall_us`, microseconds. TIME_NONE where there is none within 400 days
 * (a window that never opens: polar night, or no day chosen).
 */
int64_t schedule_next(const struct schedule_settings *settings, int64_t wall_us);

/* The last slot before `wall_us`, TIME_NONE where there is none within 400 days. */
int64_t schedule_previous(const struct schedule_settings *settings, int64_t wall_us);

/*
 * Slots in [from_us, to_us), exact for any span. The work is per window edge, not per slot: without
 * windows and `at` it is a division, with them some 10 us for each day of the span.
 */
uint64_t schedule_count(const struct schedule_settings *settings, int64_t from_us, int64_t to_us);

/* The interval of the grid, 0: there is none. */
int64_t schedule_every_us(const struct schedule_settings *settings);

/* The nearest that neighbouring slots may be, by the grid and by `at`, up to a day. */
int64_t schedule_interval_us(const struct schedule_settings *settings);

/* Whether that minute of the local day, 0..1439, is within the hours of any day. */
bool schedule_has_minute(const struct schedule_settings *settings, int minute);

/* The slots as a puller sees them at `now_us`: those of struct wire_schedule. */
struct schedule_due {
	int64_t due_us, pending_us, next_us; /* TIME_NONE: there is none */
};
struct schedule_due schedule_due(const struct schedule_settings *settings, int64_t now_us);

/*
 * Parsers and printers of the settings (struct conf_type), `dest` in brackets. Words are read in
 * any case, blanks around them are allowed.
 *  - at [struct schedule_settings]: "12:00, 18:30", "none"; SCHEDULE_AT_MAX at most, sorted here
 *  - days [unsigned]: "mon-fri", "mon,wed,sat-sun", "sat-mon", "all"
 *  - hours [struct schedule_settings]: "06:00-21:00", "22:00-02:00, 05:30-07:00", "18:00-24:00",
 *    "all"; SCHEDULE_WINDOWS_MAX at most
 *  - daylight [struct schedule_settings]: "no", "yes" (the upper edge of the sun above the horizon,
 *    -0.833 with refraction), "civil" (twilight, -6), an elevation in degrees such as "-4.5"
 */
conf_parser schedule_parse_at, schedule_parse_days, schedule_parse_hours, schedule_parse_daylight;
conf_printer schedule_print_at, schedule_print_days, schedule_print_hours, schedule_print_daylight;
