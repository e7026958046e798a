/* SPDX-License-Identifier: MIT */
/* Instants as people say them, through both changes of the clock and in zones of half hours. */
#include "common/base/when.h"

#include "common/base/clock.h"
#include "common/base/utc.h"
#include "common/base/util.h"
#include "tests/test.h"

#define DAY_US (INT64_C(86400) * US_PER_SEC)

struct when_case {
	const char *text, *from, *to; /* NULL: -EINVAL */
};

static const char *parse(const char *text, enum when_edge edge, const char *now)
{
	static char buf[UTC_TEXT_MAX];
	int64_t now_us = 0, us = -7;
	int r;

	CHECK_INT(utc_parse(now, strlen(now), &now_us), 0);
	r = when_parse(text, edge, now_us, &us);
	if (r == 0)
		return utc_format(us, buf);
	CHECK_INT(r, -EINVAL);
	CHECK_INT(us, -7);
	return "-EINVAL";
}

static void check(const char *zone, const char *now, const struct when_case *cases, size_t n)
{
	setenv("TZ", zone, 1);
	tzset();
	for (size_t i = 0; i < n; i++) {
		const char *to = cases[i].to ? cases[i].to : cases[i].from;

		CHECK_STR(parse(cases[i].text, WHEN_FROM, now), cases[i].from);
		CHECK_STR(parse(cases[i].text, WHEN_TO, now), to);
	}
}

TEST(what_people_say)
{
	static const struct when_case cases[] = {
		{ "2026-11-24", "2026-11-23T23:00:00Z", "2026-11-24T22:59:59.999999Z" },
		{ "today", "2026-11-27T23:00:00Z", "2026-11-28T22:59:59.999999Z" },
		{ "Yesterday", "2026-11-26T23:00:00Z", "2026-11-27T22:59:59.999999Z" },
		{ "yesterday 6:00", "2026-11-27T05:00:00Z", NULL },
		{ "12:00", "2026-11-28T11:00:00Z", NULL },
		{ "23:59:59.25", "2026-11-28T22:59:59.250000Z", NULL },
		{ "2026-11-24 12:00", "2026-11-24T11:00:00Z", NULL },
		{ "2026-11-24T12:00", "2026-11-24T11:00:00Z", NULL },
		{ "2026-07-24 12:00:30", "2026-07-24T10:00:30Z", NULL },
		{ "2026-11-24T12:00:00Z", "2026-11-24T12:00:00Z", NULL },
		{ "2026-11-24T12:00:00.5Z", "2026-11-24T12:00:00.500000Z", NULL },
		{ "2026-11-24 12:00:00.412 +05:30", "2026-11-24T06:30:00.412000Z", NULL },
		{ "2026-11-24 12:00 -03:00", "2026-11-24T15:00:00Z", NULL },
		{ "now", "2026-11-28T10:00:00Z", NULL },
		{ "3d", "2026-11-25T10:00:00Z", NULL },
		{ "-3d", "2026-11-25T10:00:00Z", NULL },
		{ "3d ago", "2026-11-25T10:00:00Z", NULL },
		{ "3 days ago", "2026-11-25T10:00:00Z", NULL },
		{ "1 Day ago", "2026-11-27T10:00:00Z", NULL },
		{ "2 weeks", "2026-11-14T10:00:00Z", NULL },
		{ "1w", "2026-11-21T10:00:00Z", NULL },
		{ "1h 30min ago", "2026-11-28T08:30:00Z", NULL },
		{ "1h30min", "2026-11-28T08:30:00Z", NULL },
		{ "1 week 2 hours ago", "2026-11-21T08:00:00Z", NULL },
		{ "90 minutes ago", "2026-11-28T08:30:00Z", NULL },
		{ "36500d", "-EINVAL", NULL },
		{ "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", NULL },
		{ "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", NULL },
		/* a local day of which a part is before the first year */
		{ "1970-01-01", "-EINVAL", "1970-01-01T22:59:59.999999Z" },
	};
	static const char *const bad[] = { "", " ", "2026", "2026-11", "2026-02-30", "2026-13-01",
		"2026-11-24 24:00", "2026-11-24 12:60", "2026-11-24 12", "12", "12:0", "12:000",
		"2026-11-24x", "2026-11-24 12:00x", "2026-11-24 12:00:", "2026-11-24 12:00:00.",
		"2026-11-24Z", "12:00Z", "2026-11-24 12:00 +1:00", "2026-11-24 12:00 +24:00",
		"2026-11-24 12:00 CET", "yesterdays", "tomorrow", "last week", "3", "-3", "3 x ago",
		"3 days ago ago", "days ago", "ago", "--3d", "9999999 days", "3dd", "1e3d",
		"20260-01-01", "2026-11-24 12:00:00.1234567", "10000-01-01T00:00:00Z", "0x10d",
		"\xff", "3 d\nays" };

	check("Europe/Berlin", "2026-11-28T10:00:00Z", cases, ARRAY_SIZE(cases));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!CHECK(strcmp(parse(bad[i], WHEN_FROM, "2026-11-28T10:00:00Z"), "-EINVAL") ==
			    0))
			fprintf(stderr, "  for %s\n", bad[i]);
}

TEST(changes_of_the_clock)
{
	static const struct when_case berlin[] = {
		{ "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z" },
		{ "2026-10-25 01:59", "2026-10-24T23:59:00Z", NULL },
		{ "2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z" },
		{ "2026-10-25 03:00", "2026-10-25T02:00:00Z", NULL },
		{ "2026-10-25 02:30 +01:00", "2026-10-25T01:30:00Z", NULL },
		{ "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z" },
		{ "2026-03-29 01:59", "2026-03-29T00:59:00Z", NULL },
		{ "2026-03-29 02:30", "2026-03-29T01:30:00Z", NULL },
		{ "2026-03-29 03:30", "2026-03-29T01:30:00Z", NULL },
	};
	static const struct when_case lord_howe[] = {
		{ "2026-04-05 01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z" },
		{ "2026-10-04 02:15", "2026-10-03T15:45:00Z", NULL },
	};
	/* midnight itself is left out there */
	static const struct when_case santiago[] = {
		{ "2026-09-06", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59.999999Z" },
		{ "2026-09-05", "2026-09-05T04:00:00Z", "2026-09-06T03:59:59.999999Z" },
	};

	check("Europe/Berlin", "2026-11-28T10:00:00Z", berlin, ARRAY_SIZE(berlin));
	check("Australia/Lord_Howe", "2026-11-28T10:00:00Z", lord_howe, ARRAY_SIZE(lord_howe));
	check("America/Santiago", "2026-11-28T10:00:00Z", santiago, ARRAY_SIZE(santiago));
}

/* What `list` prints for people and for programs is understood. */
TEST(there_and_back)
{
	static const char *const zones[] = { "UTC", "Asia/Kolkata", "America/St_Johns" };
	uint64_t random = test_seed() | 1;

	for (int i = 0; i < 3000; i++) {
		int64_t us = (int64_t)(test_random(&random) % (80 * 365 * (uint64_t)DAY_US)), back;
		char text[UTC_TEXT_MAX];

		setenv("TZ", zones[i % 3], 1);
		tzset();
		us = us / 1000 * 1000;
		CHECK_INT(when_parse(utc_format_local(us, text), WHEN_TO, 0, &back), 0);
		CHECK_INT(back, us);
		CHECK_INT(when_parse(utc_format(us, text), WHEN_FROM, 0, &back), 0);
		CHECK_INT(back, us);
	}
}
