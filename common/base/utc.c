/* SPDX-License-Identifier: MIT */
/*
 * Instants as text and back, by integer arithmetic: timegm(3) and gmtime(3) know years and leap
 * seconds that the archive has no names for. Only the zone's offset comes from the C library.
 */
#include "common/base/utc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/util.h"

#define SEC_PER_DAY INT64_C(86400)
#define US_PER_DAY (SEC_PER_DAY * US_PER_SEC)
#define YEAR_10000_US INT64_C(253402300800000000)
/*
 * Years are counted from March here, so that the leap day is a year's last; months from March then
 * begin (153 * month + 2) / 5 days after it ("chrono-Compatible Low-Level Date Algorithms").
 */
#define CYCLE_DAYS 146097 /* 400 years, after which the Gregorian calendar repeats */
#define EPOCH_DAYS 719468 /* from 1 March of the year 0 to 1 January 1970 */

static const char *const no_time = "-";

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void utc_split(int64_t wall_us, struct utc_fields *ret)
{
	const int64_t days = floor_div(wall_us, US_PER_DAY) + EPOCH_DAYS;
	const int64_t cycle = floor_div(days, CYCLE_DAYS);
	const int64_t us = (wall_us % US_PER_DAY + US_PER_DAY) % US_PER_DAY;
	const int second = (int)(us / US_PER_SEC), day_of_cycle = (int)(days - cycle * CYCLE_DAYS);
	const int year = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 -
				 day_of_cycle / (CYCLE_DAYS - 1)) /
		365;
	const int day = day_of_cycle - (365 * year + year / 4 - year / 100);
	const int month = (5 * day + 2) / 153;

	*ret = (struct utc_fields){
		.year = year + (int)(cycle * 400) + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day - (153 * month + 2) / 5 + 1,
		.hour = second / 3600,
		.minute = second / 60 % 60,
		.second = second % 60,
		.us = (int)(us % US_PER_SEC),
	};
}

static bool is_within(int value, int min, int max)
{
	return value >= min && value <= max;
}

int utc_join(const struct utc_fields *f, int64_t *ret_wall_us)
{
	const int year = f->year - (f->month <= 2), month = (f->month + 9) % 12;
	struct utc_fields back;
	int64_t days, us;

	if (!is_within(f->year, 1970, 9999) || !is_within(f->month, 1, 12) ||
		!is_within(f->day, 1, 31) || !is_within(f->hour, 0, 23) ||
		!is_within(f->minute, 0, 59) || !is_within(f->second, 0, 59) ||
		!is_within(f->us, 0, (int)US_PER_SEC - 1))
		return -EINVAL;
	days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + f->day -
		1 - EPOCH_DAYS;
	us = (days * SEC_PER_DAY + f->hour * 3600 + f->minute * 60 + f->second) * US_PER_SEC +
		f->us;
	utc_split(us, &back);
	if (back.day != f->day) /* 30 February is 1 or 2 March */
		return -EINVAL;
	*ret_wall_us = us;
	return 0;
}

const char *utc_format(int64_t wall_us, char buf[static UTC_TEXT_MAX])
{
	struct utc_fields f;
	int n;

	if (wall_us < 0 || wall_us >= YEAR_10000_US)
		return strcpy(buf, no_time);
	utc_split(wall_us, &f);
	n = snprintf(buf, UTC_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", f.year, f.month, f.day,
		f.hour, f.minute, f.second);
	snprintf(buf + n, UTC_TEXT_MAX - (size_t)n, f.us ? ".%06dZ" : "Z", f.us);
	return buf;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int utc_parse(const char *text, size_t len, int64_t *ret_wall_us)
{
	static const char pattern[] = "dddd-dd-ddTdd:dd:dd";
	const size_t whole = sizeof(pattern) - 1;
	struct utc_fields f = { 0 };
	int *const numbers[] = { &f.year, &f.month, &f.day, &f.hour, &f.minute, &f.second };
	size_t n = 0;

	if (len <= whole || text[len - 1] != 'Z')
		return -EINVAL;
	for (size_t i = 0; i < whole; i++) {
		if (pattern[i] == 'd' ? !is_digit(text[i]) : text[i] != pattern[i])
			return -EINVAL;
		if (pattern[i] == 'd')
			*numbers[n] = *numbers[n] * 10 + (text[i] - '0');
		else
			n++;
	}
	if (len > whole + 1 && (text[whole] != '.' || len < whole + 3 || len > whole + 8))
		return -EINVAL;
	for (size_t i = whole + 1, scale = 100000; i < len - 1; i++, scale /= 10) {
		if (!is_digit(text[i]))
			return -EINVAL;
		f.us += (text[i] - '0') * (int)scale;
	}
	return utc_join(&f, ret_wall_us);
}

int utc_local_offset_s(int64_t wall_us)
{
	time_t t = (time_t)floor_div(wall_us, US_PER_SEC);
	struct tm tm;

	return localtime_r(&t, &tm) ? (int)tm.tm_gmtoff : 0;
}

/* Minutes that local time is ahead of UTC; cuts a part of a minute (Liberia until 1972). */
static int zone_minutes(int64_t wall_us)
{
	const bool has_zone = wall_us >= 0 && wall_us < YEAR_10000_US;

	return has_zone ? utc_local_offset_s(wall_us) / 60 : 0;
}

const char *utc_format_local(int64_t wall_us, char buf[static UTC_TEXT_MAX])
{
	struct utc_fields f;
	int minutes, n;

	if (wall_us < 0 || wall_us >= YEAR_10000_US)
		return strcpy(buf, no_time);
	minutes = zone_minutes(wall_us);
	utc_split(wall_us + minutes * 60 * US_PER_SEC, &f);
	n = snprintf(buf, UTC_TEXT_MAX, "%04d-%02d-%02d %02d:%02d:%02d", f.year, f.month, f.day,
		f.hour, f.minute, f.second);
	if (f.us / 1000)
		n += snprintf(buf + n, UTC_TEXT_MAX - (size_t)n, ".%03d", f.us / 1000);
	snprintf(buf + n, UTC_TEXT_MAX - (size_t)n, " %c%02d:%02d", minutes < 0 ? '-' : '+',
		(minutes < 0 ? -minutes : minutes) / 60, (minutes < 0 ? -minutes : minutes) % 60);
	return buf;
}

int utc_local_day(int64_t wall_us)
{
	return (int)floor_div(wall_us + zone_minutes(wall_us) * 60 * US_PER_SEC, US_PER_DAY);
}

const char *duration_format(int64_t us, char buf[static UTC_TEXT_MAX])
{
	static const struct unit {
		uint64_t us;
		const char *name;
		bool has_rest; /* is told with as many of the next unit as are left */
	} units[] = {
		{ (uint64_t)US_PER_DAY, "d", true },
		{ 3600 * (uint64_t)US_PER_SEC, "h", true },
		{ 60 * (uint64_t)US_PER_SEC, "min", false },
		{ (uint64_t)US_PER_SEC, "s", false },
		{ 1000, "ms", false },
	};
	const uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;
	const struct unit *unit = units;
	uint64_t rest;
	int n;

	if (us == TIME_NONE)
		return strcpy(buf, no_time);
	if (size < 1000)
		return strcpy(buf, "0 s");
	while (size < unit->us)
		unit++;
	n = snprintf(buf, UTC_TEXT_MAX, "%s%" PRIu64 " %s", us < 0 ? "-" : "", size / unit->us,
		unit->name);
	rest = unit->has_rest ? size % unit->us / unit[1].us : 0;
	if (rest > 0)
		snprintf(buf + n, UTC_TEXT_MAX - (size_t)n, " %" PRIu64 " %s", rest, unit[1].name);
	return buf;
}
