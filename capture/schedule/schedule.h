/* SPDX-License-Identifier: MIT */
/*
 * Which slots there are: pure functions of (settings, now, the machine's zone).
 *
 * Slots are the points of a grid on the UTC epoch, slot k at k * every + offset, and the times of
 * the local day that `at` lists, each once a day; an instant that is both is one slot. All
 * arithmetic is on epoch microseconds, so nothing drifts, and no slot depends on when the program
 * started.
 *
 * A time of `at` may also go by the sun (capture/schedule/sun.h): noon, sunrise and sunset, or some
 * minutes before or after. These are whole minutes of UTC, whatever the zone. A day on which the
 * sun does not rise or set has no such slot.
 *
 * When clocks go back in autumn, a time of `at` that they show twice means the first of the two.
 * When they go forward in spring, a time that they skip is counted by the old offset: 02:30 comes
 * when they show 03:30, a day after the one before it (as in iCalendar, RFC 5545, 3.3.5).
 *
 * Windows then select slots, those of `at` too. A slot counts by what a local clock shows at that
 * instant, so both passes of the repeated hour are in or both are out. A window over midnight
 * belongs to the day on which it starts: "fri" with 22:00-02:00 ends on Saturday at 02:00 and has
 * nothing on Friday at 01:00. Daylight counts by the sun's elevation (capture/schedule/sun.h) at
 * the last whole minute. A slot must be in all windows that are set.
 *
 * There are no slots before 1970 or after 9999. The zone is the C library's: to use another one,
 * set TZ and call tzset().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/settings/conf.h"

#define SCHEDULE_WINDOWS_MAX 8
#define SCHEDULE_AT_MAX 48
#define SCHEDULE_SUN_MAX (12 * 60) /* minutes before and after sunrise, noon, sunset */
#define SCHEDULE_EVERY_US (60 * INT64_C(1000000)) /* if nothing is set */
#define SCHEDULE_HORIZON_US (400 * INT64_C(86400000000)) /* a slot further away is none */

/* Minutes of the local day, without `to_minute`; from > to runs over midnight. */
struct hours_window {
	int from_minute, to_minute; /* 0..1439 and 0..1440, never equal */
};

enum schedule_sun { SUN_NONE, SUN_NOON, SUN_RISE, SUN_SET };

/* A time of each day. */
struct schedule_at {
	int minute; /* of the local day, 0..1439; by the sun: after it, +-SCHEDULE_SUN_MAX */
	enum schedule_sun sun;
};

struct schedule_settings {
	int64_t every_us; /* 0: no grid if there is an `at`, else SCHEDULE_EVERY_US */
	int64_t offset_us; /* 0 <= offset; counts modulo the interval */
	struct schedule_at at[SCHEDULE_AT_MAX]; /* sorted by `sun`, then `minute` */
	int n_at;
	unsigned days; /* bit 0 Monday ... bit 6 Sunday; 0x7f: all */
	struct hours_window hours[SCHEDULE_WINDOWS_MAX];
	int n_hours; /* 0: all day */
	bool daylight;
	double daylight_elevation; /* the sun is at least so many degrees above the horizon */
	double latitude, longitude; /* degrees north, east; NaN: not set, no sun */
};

/*
 * The first slot at or after `wall_us`, in microseconds; TIME_NONE: there is none within 400 days,
 * because a window never opens (polar night, no day chosen).
 */
int64_t schedule_next(const struct schedule_settings *settings, int64_t wall_us);

/* The last slot before `wall_us`; TIME_NONE: there is none within 400 days. */
int64_t schedule_previous(const struct schedule_settings *settings, int64_t wall_us);

/* The index in `at` of the time that makes this slot; -1: the grid makes it. */
int schedule_at_of(const struct schedule_settings *settings, int64_t slot_us);

/* Days in a row without a sunrise or sunset that `at` asks for; each day is given by its noon. */
struct schedule_sunless {
	int64_t first_us, last_us;
	bool up; /* the sun does not set; else it does not rise */
};

/*
 * Finds the first such days at or after `from_us`. The first day's noon is before `to_us`; the last
 * may be later, up to SCHEDULE_HORIZON_US after `from_us`. False: there are none.
 */
bool schedule_sunless(const struct schedule_settings *settings, int64_t from_us, int64_t to_us,
	struct schedule_sunless *ret);

/*
 * How many slots are in [from_us, to_us), exact for any span. It costs about 10 us for each day of
 * the span with windows or `at`, 20 us with times by the sun, and one division without all these.
 */
uint64_t schedule_count(const struct schedule_settings *settings, int64_t from_us, int64_t to_us);

/* The interval of the grid; 0: there is no grid. */
int64_t schedule_every_us(const struct schedule_settings *settings);

/*
 * The least distance of two slots by the grid and by `at`, at most a day. Times by the sun and
 * others may meet, so they count as spread over the day.
 */
int64_t schedule_interval_us(const struct schedule_settings *settings);

/* Whether that minute of the local day, 0..1439, is within the hours, whatever the day. */
bool schedule_has_minute(const struct schedule_settings *settings, int minute);

/* The slots as a puller sees them at `now_us`, as in struct wire_schedule; TIME_NONE: none. */
struct schedule_due {
	int64_t due_us, pending_us, next_us;
};
struct schedule_due schedule_due(const struct schedule_settings *settings, int64_t now_us);

/*
 * Parsers and printers of the settings (struct conf_type), with the type of `dest` in brackets.
 * Words may be in upper or lower case, with blanks around them.
 *  - at [struct schedule_settings]: "12:00, 18:30", "noon, sunrise+30min, sunset-1h", "none"; at
 *    most SCHEDULE_AT_MAX
 *  - days [unsigned]: "mon-fri", "mon,wed,sat-sun", "sat-mon", "all"
 *  - hours [struct schedule_settings]: "06:00-21:00", "22:00-02:00, 05:30-07:00", "18:00-24:00",
 *    "all"; at most SCHEDULE_WINDOWS_MAX
 *  - daylight [struct schedule_settings]: "no", "yes" (the upper edge of the sun above the horizon,
 *    -0.833 with refraction), "civil" (twilight, -6), an elevation in degrees such as "-4.5"
 */
#define SCHEDULE_AT_TEXT_MAX 32
/* One time of `at` as its parser reads it; returns `ret`. */
const char *schedule_at_text(const struct schedule_at *at, char ret[static SCHEDULE_AT_TEXT_MAX]);

conf_parser schedule_parse_at, schedule_parse_days, schedule_parse_hours, schedule_parse_daylight;
conf_printer schedule_print_at, schedule_print_days, schedule_print_hours, schedule_print_daylight;
