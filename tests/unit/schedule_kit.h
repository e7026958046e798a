/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the schedule share. The zones come from tzdata where it is installed, else from
 * a POSIX rule that says the same for today.
 */
#pragma once

#include <math.h>

#include "capture/schedule/schedule.h"
#include "common/base/clock.h"
#include "common/base/utc.h"
#include "tests/test.h"

#define MINUTE (60 * US_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const struct {
	const char *name, *rule;
} zones[] = {
	{ "UTC", "UTC0" },
	{ "Europe/London", "GMT0BST,M3.5.0/1,M10.5.0" },
	{ "Australia/Lord_Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0" },
	{ "Europe/Dublin", "IST-1GMT0,M10.5.0,M3.5.0/1" },
	{ "America/St_Johns", "NST3:30NDT,M3.2.0,M11.1.0" },
	{ "Asia/Beirut", "EET-2EEST,M3.5.0/0,M10.5.0/0" },
};
enum { UTC, LONDON, LORD_HOWE, DUBLIN, ST_JOHNS, BEIRUT };

static void set_zone(int zone)
{
	char path[128];

	snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zones[zone].name);
	setenv("TZ", access(path, R_OK) == 0 ? zones[zone].name : zones[zone].rule, 1);
	tzset();
}

__attribute__((unused)) static int64_t at(const char *text)
{
	int64_t us = 0;

	CHECK_INT(utc_parse(text, strlen(text), &us), 0);
	return us;
}

#define CHECK_TIME(got, want)                                                                      \
	do {                                                                                       \
		char text_[UTC_TEXT_MAX];                                                          \
		CHECK_STR(utc_format((got), text_), (want));                                       \
	} while (0)

__attribute__((unused)) static struct schedule_settings make(
	int64_t every_us, const char *days, const char *hours)
{
	struct schedule_settings settings = { .every_us = every_us, .latitude = NAN };

	CHECK_INT(schedule_parse_days(NULL, days, &settings.days), 0);
	CHECK_INT(schedule_parse_hours(NULL, hours, &settings), 0);
	return settings;
}

static int64_t pick(uint64_t *state, int64_t from, int64_t to)
{
	return from + (int64_t)(test_random(state) % (uint64_t)(to - from));
}
