/* SPDX-License-Identifier: MIT */
/* Slots at times of the local day: through clock changes, in windows, beside a grid. */
#include "tests/unit/schedule_kit.h"

#define AT(schedule, text) CHECK_INT(schedule_parse_at(NULL, text, (schedule)), 0)

/* All slots from `from` on, "TTT" each, against a list that ends with NULL. */
static void check_slots(
	const struct schedule_settings *s, const char *from, const char *const *want)
{
	int64_t start = at(from), slot = start, last = TIME_NONE;
	uint64_t n = 0;

	for (; want[n]; n++, slot++) {
		slot = schedule_next(s, slot);
		CHECK_TIME(slot, want[n]);
		CHECK_INT(schedule_previous(s, slot + 1), slot);
		if (last != TIME_NONE)
			CHECK_INT(schedule_previous(s, slot), last);
		last = slot;
		CHECK_INT(schedule_count(s, start, slot + 1), n + 1);
	}
}

/* Local times through both clock changes. */
TEST(local_times)
{
	static const struct {
		int zone;
		const char *at, *days, *hours;
		int64_t every_us;
		const char *from, *want[9];
	} cases[] = {
		{ LONDON, "12:00", "all", "all", 0, "2026-03-28T00:00:00Z",
			{ "2026-03-28T12:00:00Z", "2026-03-29T11:00:00Z",
				"2026-03-30T11:00:00Z" } },
		{ LONDON, "18:30,12:00", "all", "all", 0, "2026-10-24T17:00:00Z",
			{ "2026-10-24T17:30:00Z", "2026-10-25T12:00:00Z",
				"2026-10-25T18:30:00Z" } },
		/* 01:00 to 02:00 is left out: counted from the clock as it went before, once */
		{ LONDON, "01:30", "all", "all", 0, "2026-03-28T00:00:00Z",
			{ "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z",
				"2026-03-30T00:30:00Z" } },
		{ LONDON, "01:30, 02:30", "all", "all", 0, "2026-03-28T12:00:00Z",
			{ "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z",
				"2026-03-30T01:30:00Z" } },
		{ LONDON, "01:45, 02:15", "all", "all", 0, "2026-03-28T12:00:00Z",
			{ "2026-03-29T01:15:00Z", "2026-03-29T01:45:00Z",
				"2026-03-30T00:45:00Z" } },
		{ LONDON, "01:00", "all", "all", 0, "2026-03-28T12:00:00Z",
			{ "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z" } },
		/* it shows 01:00 to 02:00 twice: the first of them */
		{ LONDON, "01:30", "all", "all", 0, "2026-10-24T12:00:00Z",
			{ "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
		{ LONDON, "02:00", "all", "all", 0, "2026-10-24T12:00:00Z",
			{ "2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z" } },
		{ LORD_HOWE, "01:45", "all", "all", 0, "2026-04-04T00:00:00Z",
			{ "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z" } },
		{ LORD_HOWE, "02:15", "all", "all", 0, "2026-10-03T00:00:00Z",
			{ "2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z" } },
		{ DUBLIN, "01:30", "all", "all", 0, "2026-10-24T12:00:00Z",
			{ "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
		/*
		 * the clock goes at midnight: a time of the day before comes after one of this day
		 */
		{ BEIRUT, "23:30, 00:30, 01:15", "all", "all", 0, "2026-03-28T12:00:00Z",
			{ "2026-03-28T21:30:00Z", "2026-03-28T22:15:00Z", "2026-03-28T22:30:00Z",
				"2026-03-29T20:30:00Z" } },
		/* hourly where the zone is half an hour off */
		{ ST_JOHNS, "09:00, 10:00, 11:00", "all", "all", 0, "2026-11-20T00:00:00Z",
			{ "2026-11-20T12:30:00Z", "2026-11-20T13:30:00Z", "2026-11-20T14:30:00Z",
				"2026-11-21T12:30:00Z" } },
		/* days and hours select among them; 2026-11-20 is a Friday */
		{ UTC, "12:00", "mon,sat", "all", 0, "2026-11-20T00:00:00Z",
			{ "2026-11-21T12:00:00Z", "2026-11-23T12:00:00Z" } },
		{ UTC, "01:00, 23:00", "fri", "22:00-02:00", 0, "2026-11-20T00:00:00Z",
			{ "2026-11-20T23:00:00Z", "2026-11-21T01:00:00Z",
				"2026-11-27T23:00:00Z" } },
		{ LONDON, "01:30", "all", "01:00-02:00", 0, "2026-03-28T12:00:00Z",
			{ "2026-03-30T00:30:00Z" } }, /* its reading on that day is 02:30 */
		/* beside a grid; what is both is one */
		{ UTC, "00:30, 01:00", "all", "all", HOUR, "2026-11-20T00:00:00Z",
			{ "2026-11-20T00:00:00Z", "2026-11-20T00:30:00Z", "2026-11-20T01:00:00Z",
				"2026-11-20T02:00:00Z" } },
		{ UTC, "01:00", "all", "01:00-03:00", HOUR, "2026-11-20T00:00:00Z",
			{ "2026-11-20T01:00:00Z", "2026-11-20T02:00:00Z",
				"2026-11-21T01:00:00Z" } },
		{ UTC, "00:00", "all", "all", 0, "1970-01-01T00:00:00Z",
			{ "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z" } },
		{ UTC, "23:59", "all", "all", 0, "9999-12-31T00:00:00Z",
			{ "9999-12-31T23:59:00Z" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings s = make(cases[i].every_us, cases[i].days, cases[i].hours);
		int failures = test_failures;

		AT(&s, cases[i].at);
		set_zone(cases[i].zone);
		check_slots(&s, cases[i].from, cases[i].want);
		if (test_failures > failures)
			fprintf(stderr, "%s at %s\n", zones[cases[i].zone].name, cases[i].at);
	}
}

/* Every day has each of its times once, in all zones, by what the C library's clock shows. */
TEST(local_times_of_a_year)
{
	uint64_t state = test_seed() | 1;

	for (int zone = 0; zone < (int)ARRAY_SIZE(zones); zone++) {
		struct schedule_settings s = make(0, "all", "all");
		int64_t from = at("2026-01-01T12:00:00Z"), to = at("2027-01-01T12:00:00Z");
		int64_t slot;
		uint64_t seen = 0;

		set_zone(zone);
		for (int i = 0; i < 5; i++)
			s.at[s.n_at++].minute = 288 * i + (int)pick(&state, 0, 288);
		slot = schedule_next(&s, from);
		for (int64_t us = from; us < to; us += MINUTE) {
			time_t t = us / US_PER_SEC;
			struct tm tm;
			bool is_slot = slot == us, listed = false;

			localtime_r(&t, &tm);
			for (int i = 0; i < s.n_at; i++)
				listed |= s.at[i].minute == tm.tm_hour * 60 + tm.tm_min;
			seen += is_slot;
			if (is_slot)
				slot = schedule_next(&s, us + 1);
			/* twice in autumn, elsewhere in spring: those two days apart */
			if (utc_local_offset_s(us - DAY) == utc_local_offset_s(us + DAY))
				CHECK_INT(is_slot, listed);
		}
		CHECK_INT(seen, 5 * 365);
		CHECK_INT(schedule_count(&s, from, to), 5 * 365);
	}
}

TEST(how_near_slots_are)
{
	static const struct {
		int64_t every_us;
		const char *at;
		int64_t grid_us, interval_us;
	} cases[] = {
		{ 0, "none", MINUTE, MINUTE },
		{ HOUR, "none", HOUR, HOUR },
		{ 0, "12:00", 0, DAY },
		{ 0, "12:00, 18:30", 0, 6 * HOUR + 30 * MINUTE },
		{ 0, "23:59, 00:00, 12:00", 0, MINUTE },
		{ US_PER_SEC, "12:00", US_PER_SEC, US_PER_SEC },
		{ DAY, "12:00, 12:01", DAY, MINUTE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings s = make(cases[i].every_us, "all", "all");

		AT(&s, cases[i].at);
		CHECK_INT(schedule_every_us(&s), cases[i].grid_us);
		CHECK_INT(schedule_interval_us(&s), cases[i].interval_us);
	}
}
