/* SPDX-License-Identifier: MIT */
/*
 * Instants as text and back, by integer arithmetic: timegm(3) and gmtime(3) know years and leap
 * seconds that the archive has no names for. Only the zone's offset comes from the C library.
 */
#include "common/utc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/util.h"

#define SEC_PER_DAY INT64_C(86400)
#define US_PER_DAY (SEC_PER_DAY * US_PER_SEC)
#define YEAR_FIRST 1970
#define YEAR_LAST 9999
#define YEAR_10000_US INT64_C(253402300800000000)
#define CYCLE_YEARS 400 /* the Gregorian calendar repeats, weekdays and all */
#define CYCLE_DAYS 146097

static const char *const no_time = "-";

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first of January of `year`, which is 1970 or later. */
static int64_t days_to_year(int year)
{
	const int past = year - 1, base = YEAR_FIRST - 1; /* the last whole year of each */

	return INT64_C(365) * (year - YEAR_FIRST) + (past / 4 - base / 4) -
		(past / 100 - base / 100) + (past / 400 - base / 400);
}

void utc_split(int64_t wall_us, struct utc_fields *ret)
{
	const int64_t days = floor_div(wall_us, US_PER_DAY);
	const int64_t cycle = floor_div(days, CYCLE_DAYS);
	const int64_t us = wall_us % US_PER_DAY + (wall_us % US_PER_DAY < 0 ? US_PER_DAY : 0);
	const int second = (int)(us / US_PER_SEC);
	int day = (int)(days - cycle * CYCLE_DAYS);
	int year = YEAR_FIRST + day / 365; /* too far by one at most: 97 leap days in a cycle */
	int month = 1;

	if (days_to_year(year) > day)
		year--;
	day -= (int)days_to_year(year);
	for (; day >= days_of_month(year, month); month++)
		day -= days_of_month(year, month);

	*ret = (struct utc_fields){
		.year = year + (int)(cycle * CYCLE_YEARS),
		.month = month,
		.day = day + 1,
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
	int64_t days;

	if (!is_within(f->year, YEAR_FIRST, YEAR_LAST) || !is_within(f->month, 1, 12) ||
		!is_within(f->day, 1, days_of_month(f->year, f->month)) ||
		!is_within(f->hour, 0, 23) || !is_within(f->minute, 0, 59) ||
		!is_within(f->second, 0, 59) || !is_within(f->us, 0, (int)US_PER_SEC - 1))
		return -EINVAL;

	days = days_to_year(f->year) + f->day - 1;
	for (int month = 1; month < f->month; month++)
		days += days_of_month(f->year, month);
	*ret_wall_us =
		(days * SEC_PER_DAY + f->hour * 3600 + f->minute * 60 + f->second) * US_PER_SEC +
		f->us;
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

/* "dddd-dd-ddTdd:dd:dd", each run of digits into the next number. */
static bool read_pattern(const char *text, int numbers[static 6])
{
	static const char pattern[] = "dddd-dd-ddTdd:dd:dd";
	size_t at = 0;

	for (size_t i = 0; pattern[i]; i++) {
		if (pattern[i] != 'd') {
			if (text[i] != pattern[i])
				return false;
			at++;
			continue;
		}
		if (!is_digit(text[i]))
			return false;
		numbers[at] = numbers[at] * 10 + (text[i] - '0');
	}
	return true;
}

/* Up to six digits as millionths, -1 for anything else. */
static int read_fraction(const char *digits, size_t len)
{
	int us = 0;

	if (len < 1 || len > 6)
		return -1;
	for (size_t i = 0; i < 6; i++) {
		if (i < len && !is_digit(digits[i]))
			return -1;
		us = us * 10 + (i < len ? digits[i] - '0' : 0);
	}
	return us;
}

int utc_parse(const char *text, size_t len, int64_t *ret_wall_us)
{
	const size_t whole = strlen("1970-01-01T00:00:00");
	int n[6] = { 0 }, us = 0;

	if (len <= whole || text[len - 1] != 'Z' || !read_pattern(text, n))
		return -EINVAL;
	if (len > whole + 1) {
		if (text[whole] != '.')
			return -EINVAL;
		us = read_fraction(text + whole + 1, len - whole - 2);
	}
	return utc_join(
		&(struct utc_fields){
			.year = n[0],
			.month = n[1],
			.day = n[2],
			.hour = n[3],
			.minute = n[4],
			.second = n[5],
			.us = us, /* -1 is out of range */
		},
		ret_wall_us);
}

int utc_local_offset_s(int64_t wall_us)
{
	time_t t = (time_t)floor_div(wall_us, US_PER_SEC);
	struct tm tm;

	return localtime_r(&t, &tm) ? (int)tm.tm_gmtoff : 0;
}

/* The same in minutes; a part of a minute (Liberia until 1972) is cut. */
static int zone_minutes(int64_t wall_us)
{
	return utc_local_offset_s(wall_us) / 60;
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
	const bool has_zone = wall_us >= 0 && wall_us < YEAR_10000_US;
	const int minutes = has_zone ? zone_minutes(wall_us) : 0;

	return (int)floor_div(wall_us + minutes * 60 * US_PER_SEC, US_PER_DAY);
}

const char *duration_format(int64_t us, char buf[static UTC_TEXT_MAX])
{
	static const struct {
		uint64_t us;
		const char *name, *small_name; /* of the unit, and of the next smaller one */
		uint64_t small_us;
	} units[] = {
		{ (uint64_t)US_PER_DAY, "d", "h", 3600 * (uint64_t)US_PER_SEC },
		{ 3600 * (uint64_t)US_PER_SEC, "h", "min", 60 * (uint64_t)US_PER_SEC },
		{ 60 * (uint64_t)US_PER_SEC, "min", NULL, 1 },
		{ (uint64_t)US_PER_SEC, "s", NULL, 1 },
		{ 1000, "ms", NULL, 1 },
	};
	const char *sign = us < 0 ? "-" : "";
	const uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;

	if (us == TIME_NONE)
		return strcpy(buf, no_time);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		const uint64_t rest = size % units[i].us / units[i].small_us;

		if (size < units[i].us)
			continue;
		if (units[i].small_name && rest)
			snprintf(buf, UTC_TEXT_MAX, "%s%" PRIu64 " %s %" PRIu64 " %s", sign,
				size / units[i].us, units[i].name, rest, units[i].small_name);
		else
			snprintf(buf, UTC_TEXT_MAX, "%s%" PRIu64 " %s", sign, size / units[i].us,
				units[i].name);
		return buf;
	}
	return strcpy(buf, "0 s");
}
