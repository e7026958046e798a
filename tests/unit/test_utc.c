/* SPDX-License-Identifier: MIT */
/* Instants as text and back; the calendar is checked day by day against the C library's. */
#include "common/base/utc.h"

#include "common/base/clock.h"
#include "common/base/util.h"
#include "tests/test.h"

#define DAY_S INT64_C(86400)
#define LAST_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

TEST(formats_and_parses)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 1, "1970-01-01T00:00:00.000001Z" },
		{ 412, "1970-01-01T00:00:00.000412Z" },
		{ INT64_C(951782399999999), "2000-02-28T23:59:59.999999Z" },
		{ INT64_C(951782400000000), "2000-02-29T00:00:00Z" },
		{ INT64_C(1795190460000412), "2026-11-20T16:01:00.000412Z" },
		{ INT64_C(4107542400000000), "2100-03-01T00:00:00Z" },
		{ INT64_C(2147483648000000), "2038-01-19T03:14:08Z" },
		{ LAST_US, "9999-12-31T23:59:59.999999Z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[UTC_TEXT_MAX];
		int64_t us = -1;

		CHECK_STR(utc_format(cases[i].us, buf), cases[i].text);
		CHECK_INT(utc_parse(cases[i].text, strlen(cases[i].text), &us), 0);
		CHECK_INT(us, cases[i].us);
	}
}

TEST(formats_no_time)
{
	static const int64_t cases[] = { TIME_NONE, -1, LAST_US + 1, INT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[UTC_TEXT_MAX];

		CHECK_STR(utc_format(cases[i], buf), "-");
		CHECK_STR(utc_format_local(cases[i], buf), "-");
	}
}

TEST(parses_short_fractions)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:00.5Z", 500000 },
		{ "1970-01-01T00:00:00.05Z", 50000 },
		{ "1970-01-01T00:00:00.123Z", 123000 },
		{ "1970-01-01T00:00:01.00000Z", 1000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t us = -1;

		CHECK_INT(utc_parse(cases[i].text, strlen(cases[i].text), &us), 0);
		CHECK_INT(us, cases[i].us);
	}
}

TEST(refuses)
{
	static const char *const cases[] = {
		"",
		"Z",
		"-",
		"2026-11-20T16:01:00",
		"2026-11-20T16:01:00z",
		"2026-11-20 16:01:00Z",
		"2026-11-20T16:01:00+00:00",
		"2026-11-20T16:01:00.Z",
		"2026-11-20T16:01:00.1234567Z",
		"2026-11-20T16:01:00.12 Z",
		"2026-11-20T16:01:00.-1Z",
		"2026-11-20T16:01:00,5Z",
		"2026-11-20T16:01:00Z ",
		" 2026-11-20T16:01:00Z",
		"2026-11-20T24:00:00Z",
		"2026-11-20T23:60:00Z",
		"2026-12-31T23:59:60Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-00-10T00:00:00Z",
		"2026-13-10T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"1969-12-31T23:59:59Z",
		"0000-01-01T00:00:00Z",
		"10000-01-01T00:00:00Z",
		"2026-1-20T16:01:00Z",
		"+026-11-20T16:01:00Z",
		"20261120T160100Z",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t us = 42;

		if (!CHECK(utc_parse(cases[i], strlen(cases[i]), &us) == -EINVAL))
			fprintf(stderr, "  for \"%s\"\n", cases[i]);
		CHECK_INT(us, 42);
	}
	/* a NUL is no end of the text */
	CHECK_INT(utc_parse("2026-11-20T16:01:00Z\0", 21, &(int64_t){ 0 }), -EINVAL);
}

TEST(agrees_with_the_c_library_on_every_day)
{
	int wrong = 0;

	for (int64_t day = -800000; day <= LAST_US / US_PER_SEC / DAY_S; day++) {
		const time_t t = (time_t)(day * DAY_S + 86399);
		struct utc_fields f;
		struct tm tm;
		int64_t back;

		gmtime_r(&t, &tm);
		utc_split(t * US_PER_SEC + 7, &f);
		wrong += f.year != tm.tm_year + 1900 || f.month != tm.tm_mon + 1 ||
			f.day != tm.tm_mday || f.hour != 23 || f.minute != 59 || f.second != 59 ||
			f.us != 7;
		if (day >= 0)
			wrong += utc_join(&f, &back) < 0 || back != t * US_PER_SEC + 7;
		else
			wrong += utc_join(&f, &back) != -EINVAL;
	}
	CHECK_INT(wrong, 0);
}

TEST(splits_the_extremes)
{
	struct utc_fields f;

	utc_split(-1, &f);
	CHECK_INT(f.year, 1969);
	CHECK_INT(f.us, 999999);
	utc_split(INT64_MIN, &f);
	CHECK_INT(f.year, -290308);
	CHECK_INT(f.month, 12);
	CHECK_INT(f.day, 21);
	utc_split(INT64_MAX, &f);
	CHECK_INT(f.year, 294247);
	CHECK_INT(f.month, 1);
	CHECK_INT(f.day, 10);
}

TEST(joins_only_what_exists)
{
	static const struct utc_fields good = { 2026, 11, 20, 16, 1, 0, 0 };
	static const struct {
		size_t offset;
		int low, high; /* the nearest values that are wrong */
	} cases[] = {
		{ offsetof(struct utc_fields, year), 1969, 10000 },
		{ offsetof(struct utc_fields, month), 0, 13 },
		{ offsetof(struct utc_fields, day), 0, 31 },
		{ offsetof(struct utc_fields, hour), -1, 24 },
		{ offsetof(struct utc_fields, minute), -1, 60 },
		{ offsetof(struct utc_fields, second), -1, 60 },
		{ offsetof(struct utc_fields, us), -1, 1000000 },
	};
	int64_t us;

	CHECK_INT(utc_join(&good, &us), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct utc_fields f = good;
		int *value = (int *)(void *)((char *)&f + cases[i].offset);

		*value = cases[i].low;
		CHECK_INT(utc_join(&f, &us), -EINVAL);
		*value = cases[i].low + 1;
		CHECK_INT(utc_join(&f, &us), 0);
		*value = cases[i].high;
		CHECK_INT(utc_join(&f, &us), -EINVAL);
		*value = cases[i].high - 1;
		CHECK_INT(utc_join(&f, &us), 0);
	}
}

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* Zones as POSIX rules: what the machine has of zone files does not matter. */
TEST(formats_local_time)
{
	static const struct {
		const char *zone;
		int64_t us;
		const char *text;
		int day;
	} cases[] = {
		{ "UTC0", INT64_C(1795190460000000), "2026-11-20 16:01:00 +00:00", 20777 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", INT64_C(1795190460412999),
			"2026-11-20 17:01:00.412 +01:00", 20777 },
		/* both sides of the repeated hour */
		{ "CET-1CEST,M3.5.0,M10.5.0/3", INT64_C(1792888200000000),
			"2026-10-25 02:30:00 +02:00", 20751 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", INT64_C(1792891800000000),
			"2026-10-25 02:30:00 +01:00", 20751 },
		{ "NST3:30", INT64_C(1795190460000000), "2026-11-20 12:31:00 -03:30", 20777 },
		{ "XST0:30", INT64_C(1795190460000000), "2026-11-20 15:31:00 -00:30", 20777 },
		{ "LINT-14", INT64_C(1795190460000000), "2026-11-21 06:01:00 +14:00", 20778 },
		{ "EST5", 0, "1969-12-31 19:00:00 -05:00", -1 },
		{ "LINT-14", LAST_US, "10000-01-01 13:59:59.999 +14:00", 2932897 },
		{ "UTC0", 999, "1970-01-01 00:00:00 +00:00", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[UTC_TEXT_MAX];

		set_zone(cases[i].zone);
		CHECK_STR(utc_format_local(cases[i].us, buf), cases[i].text);
		CHECK_INT(utc_local_day(cases[i].us), cases[i].day);
	}
	/* outside of what has a text there is no zone */
	CHECK_INT(utc_local_day(INT64_MAX), 106751991);
	CHECK_INT(utc_local_day(TIME_NONE), -106751992);
	set_zone("UTC0");
}

TEST(formats_durations)
{
	const int64_t s = US_PER_SEC, min = 60 * s, h = 60 * min, d = 24 * h;
	const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "0 s" },
		{ 999, "0 s" },
		{ 1000, "1 ms" },
		{ 412999, "412 ms" },
		{ s, "1 s" },
		{ 12 * s + 999999, "12 s" },
		{ min - 1, "59 s" },
		{ min, "1 min" },
		{ 3 * min + 59 * s, "3 min" },
		{ h, "1 h" },
		{ 4 * h + 10 * min, "4 h 10 min" },
		{ d - 1, "23 h 59 min" },
		{ d, "1 d" },
		{ 2 * d + 3 * h + 59 * min, "2 d 3 h" },
		{ 1000 * d, "1000 d" },
		{ -12 * s, "-12 s" },
		{ -1, "0 s" },
		{ INT64_MAX, "106751991 d 4 h" },
		{ INT64_MIN + 1, "-106751991 d 4 h" },
		{ TIME_NONE, "-" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[UTC_TEXT_MAX];

		CHECK_STR(duration_format(cases[i].us, buf), cases[i].text);
	}
}
