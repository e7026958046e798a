/* SPDX-License-Identifier: MIT */
/*
 * Slots by the sun: against tables of an observatory, against a scan minute by minute, and as slots
 * among others.
 */
#include "tests/unit/schedule_kit.h"

#include "capture/schedule/sun.h"

#define AT(schedule, text) CHECK_INT(schedule_parse_at(NULL, text, (schedule)), 0)

static struct schedule_settings make_at(const char *text, double latitude, double longitude)
{
	struct schedule_settings s = make(0, "all", "all");

	s.latitude = latitude;
	s.longitude = longitude;
	AT(&s, text);
	return s;
}

/* "0725" as minutes after `midnight`. */
static int64_t clock_of(int64_t midnight, int hhmm)
{
	return midnight + (hhmm / 100 * 60 + hhmm % 100) * MINUTE;
}

/* A table rounds to the nearest minute; here sunrise is the first minute with the sun up. */
static bool is_near(int64_t got, int64_t want, int64_t before, int64_t after)
{
	char text[UTC_TEXT_MAX], other[UTC_TEXT_MAX];

	if (got >= want - before && got <= want + after)
		return true;
	fprintf(stderr, "  %s is not %s\n", utc_format(got, text), utc_format(want, other));
	return false;
}

/*
 * Astronomical Applications Dept., U. S. Naval Observatory, "Rise and Set for the Sun": San
 * Francisco, W122 26 N37 46, 2012, Pacific Standard Time; Toronto, W079 25 N43 40, 2001, zone 4h
 * west of Greenwich.
 */
static const struct {
	double latitude, longitude;
	int hours_west;
	const char *day;
	int rise, set;
} observatory[] = {
	{ 37.7667, -122.4333, 8, "2012-01-01", 725, 1701 },
	{ 37.7667, -122.4333, 8, "2012-01-15", 724, 1714 },
	{ 37.7667, -122.4333, 8, "2012-02-01", 714, 1733 },
	{ 37.7667, -122.4333, 8, "2012-02-29", 642, 1803 },
	{ 37.7667, -122.4333, 8, "2012-03-10", 627, 1813 },
	{ 37.7667, -122.4333, 8, "2012-03-20", 612, 1822 },
	{ 37.7667, -122.4333, 8, "2012-04-01", 554, 1833 },
	{ 37.7667, -122.4333, 8, "2012-05-01", 513, 1901 },
	{ 37.7667, -122.4333, 8, "2012-06-01", 449, 1926 },
	{ 37.7667, -122.4333, 8, "2012-06-20", 448, 1935 },
	{ 37.7667, -122.4333, 8, "2012-07-15", 500, 1931 },
	{ 37.7667, -122.4333, 8, "2012-08-01", 514, 1918 },
	{ 37.7667, -122.4333, 8, "2012-09-01", 540, 1838 },
	{ 37.7667, -122.4333, 8, "2012-09-22", 558, 1806 },
	{ 37.7667, -122.4333, 8, "2012-10-15", 619, 1732 },
	{ 37.7667, -122.4333, 8, "2012-11-01", 636, 1710 },
	{ 37.7667, -122.4333, 8, "2012-11-04", 639, 1707 },
	{ 37.7667, -122.4333, 8, "2012-12-01", 707, 1651 },
	{ 37.7667, -122.4333, 8, "2012-12-21", 722, 1655 },
	{ 37.7667, -122.4333, 8, "2012-12-31", 725, 1701 },
	{ 43.6667, -79.4167, 4, "2001-04-01", 659, 1945 },
	{ 43.6667, -79.4167, 4, "2001-04-02", 657, 1946 },
	{ 43.6667, -79.4167, 4, "2001-04-10", 643, 1955 },
	{ 43.6667, -79.4167, 4, "2001-04-20", 627, 2007 },
	{ 43.6667, -79.4167, 4, "2001-04-30", 611, 2019 },
};

TEST(sunrise_and_sunset_of_an_observatory)
{
	set_zone(UTC);
	for (size_t i = 0; i < ARRAY_SIZE(observatory); i++) {
		struct schedule_settings rise =
			make_at("sunrise", observatory[i].latitude, observatory[i].longitude);
		struct schedule_settings set =
			make_at("sunset", observatory[i].latitude, observatory[i].longitude);
		char text[32];
		int64_t midnight;

		snprintf(text, sizeof text, "%sT00:00:00Z", observatory[i].day);
		midnight = at(text) + observatory[i].hours_west * HOUR;
		CHECK(is_near(schedule_next(&rise, midnight),
			clock_of(midnight, observatory[i].rise), 0, MINUTE));
		CHECK(is_near(schedule_next(&set, midnight), clock_of(midnight, observatory[i].set),
			MINUTE, 0));
	}
}

/* By the equation of time of NOAA's spreadsheet, which sun.c does not use. */
TEST(noon_of_the_sun)
{
	static const struct {
		double latitude, longitude;
		const char *noon;
	} cases[] = {
		{ 51.5, -0.1167, "2015-12-01T11:49:00Z" },
		{ 51.5, -0.1167, "2015-12-03T11:50:00Z" },
		{ 51.5, -0.1167, "2015-12-12T11:54:00Z" },
		{ 51.5, -0.1167, "2015-12-25T12:00:00Z" }, { 50.5, 30.5, "2013-03-05T10:09:00Z" },
		{ 90, 30.5, "2013-03-05T10:09:00Z" }, /* also where there is no day */
	};

	set_zone(LONDON);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings s = make_at("noon", cases[i].latitude, cases[i].longitude);
		int64_t want = at(cases[i].noon);

		CHECK(is_near(schedule_next(&s, want - 12 * HOUR), want, MINUTE, MINUTE));
	}
}

/* Through the change of the clocks in spring the sun goes on as before. */
TEST(clocks_change_and_the_sun_does_not)
{
	struct schedule_settings s = make_at("sunrise, 06:00", 51.507, -0.128);
	int64_t slot, last = TIME_NONE;
	int rises = 0;

	set_zone(LONDON);
	slot = schedule_next(&s, at("2026-03-26T12:00:00Z"));
	for (int i = 0; i < 12; i++, slot = schedule_next(&s, slot + 1)) {
		if (s.at[schedule_at_of(&s, slot)].sun == SUN_NONE)
			continue;
		CHECK(last == TIME_NONE || (slot - last < DAY && slot - last > DAY - 4 * MINUTE));
		last = slot;
		rises++;
	}
	CHECK_INT(rises, 6);
	/* 06:43 by clocks that have just gone forward */
	CHECK_TIME(schedule_next(&s, at("2026-03-29T05:30:00Z")), "2026-03-29T05:43:00Z");
}

/* Sunrise is the first minute with the sun after one without it, everywhere and always. */
TEST(a_scan_finds_the_same)
{
	uint64_t state = test_seed() | 1;
	int rises = 0, sets = 0;

	for (int i = 0; i < 150; i++) {
		double latitude = (double)pick(&state, -900, 901) / 10;
		double longitude = (double)pick(&state, -1800, 1801) / 10;
		int64_t day = pick(&state, 100, 60000);
		struct sun_day sun = sun_day_find(day, latitude, longitude);
		int64_t number = sun_day_number(sun.noon_us, longitude);

		CHECK_INT(number, day);
		for (int64_t us = sun.noon_us - 12 * HOUR; us < sun.noon_us + 12 * HOUR;
			us += MINUTE) {
			bool up = sun_elevation(us, latitude, longitude) >= SUN_HORIZON;
			bool then = sun_elevation(us + MINUTE, latitude, longitude) >= SUN_HORIZON;

			if (!up && then && us < sun.noon_us && fabs(latitude) < 60)
				CHECK_INT(sun.rise_us, us + MINUTE);
			if (up && !then && us >= sun.noon_us && fabs(latitude) < 60)
				CHECK_INT(sun.set_us, us);
			rises += us + MINUTE == sun.rise_us && CHECK(!up && then);
			sets += us == sun.set_us && CHECK(up && !then);
		}
	}
	CHECK(rises > 75 && sets > 75);
}

/* Tromso: polar night and midnight sun; the pole rises once. Almanacs differ by a day or two. */
TEST(polar_days)
{
	struct schedule_settings s = make_at("sunrise", 69.65, 18.96);
	struct schedule_sunless days;

	set_zone(UTC);
	CHECK(is_near(schedule_next(&s, at("2026-12-01T00:00:00Z")), at("2027-01-15T11:00:00Z"),
		3 * DAY, 3 * DAY));
	CHECK_INT(schedule_count(&s, at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z")), 0);
	CHECK_INT(schedule_count(&s, at("2026-06-01T00:00:00Z"), at("2026-07-01T00:00:00Z")), 0);
	if (CHECK(schedule_sunless(
		    &s, at("2026-10-01T00:00:00Z"), at("2027-02-01T00:00:00Z"), &days))) {
		CHECK(!days.up);
		CHECK(is_near(days.first_us, at("2026-11-27T12:00:00Z"), 3 * DAY, 3 * DAY));
		CHECK(is_near(days.last_us, at("2027-01-15T12:00:00Z"), 3 * DAY, 3 * DAY));
	}
	if (CHECK(schedule_sunless(
		    &s, at("2026-04-01T00:00:00Z"), at("2026-08-01T00:00:00Z"), &days))) {
		CHECK(days.up);
		CHECK(is_near(days.first_us, at("2026-05-19T12:00:00Z"), 3 * DAY, 3 * DAY));
		CHECK(is_near(days.last_us, at("2026-07-24T12:00:00Z"), 3 * DAY, 3 * DAY));
	}
	CHECK(!schedule_sunless(&s, at("2026-08-01T00:00:00Z"), at("2026-11-01T00:00:00Z"), &days));
	AT(&s, "noon, 12:00"); /* these come in the dark too */
	CHECK(!schedule_sunless(&s, at("2026-10-01T00:00:00Z"), at("2027-02-01T00:00:00Z"), &days));
	CHECK_INT(schedule_count(&s, at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z")), 62);
	s = make_at("sunrise", 90, 0);
	CHECK_INT(schedule_count(&s, at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")), 1);
}

/* Without a place nothing goes by the sun, and what goes by the clock stays. */
TEST(no_place)
{
	struct schedule_settings s = make_at("noon, sunrise", NAN, NAN);
	struct schedule_sunless days;

	set_zone(UTC);
	CHECK_INT(schedule_next(&s, at("2026-01-01T00:00:00Z")), TIME_NONE);
	CHECK(!schedule_sunless(&s, 0, SCHEDULE_HORIZON_US, &days));
	AT(&s, "noon, 12:00");
	CHECK_TIME(schedule_next(&s, at("2026-01-01T00:00:00Z")), "2026-01-01T12:00:00Z");
	CHECK_INT(schedule_count(&s, at("2026-01-01T00:00:00Z"), at("2026-01-11T00:00:00Z")), 10);
}

/* Two that meet are one slot: in Greenwich the sun's noon is at 12:00 four times a year. */
TEST(slots_that_meet)
{
	struct schedule_settings s = make_at("12:00, noon", 51.5, 0);
	int64_t from = at("2026-01-01T00:00:00Z"), to = at("2027-01-01T00:00:00Z");
	struct schedule_settings noon = make_at("noon", 51.5, 0);
	int met = 0;

	set_zone(UTC);
	for (int64_t us = from + 12 * HOUR; us < to; us += DAY)
		met += schedule_next(&noon, us) == us;
	CHECK(met >= 4 && met < 20);
	CHECK_INT(schedule_count(&s, from, to), 2 * 365 - met);
	s.every_us = HOUR; /* and with the grid */
	CHECK_INT(schedule_count(&s, from, to), 365 * 24 + 365 - met);
}

/* next, previous and count tell the same slots, one after the other, with all there is. */
TEST(all_at_once)
{
	static const char *const texts[] = { "noon", "sunrise, sunset", "12:00, noon-12h, noon+12h",
		"sunrise-1h, sunrise+30min, 06:30, sunset+12h", "00:00, sunset-12h, sunrise+11h" };
	uint64_t state = test_seed() | 1;

	for (int i = 0; i < 40; i++) {
		const char *text = texts[pick(&state, 0, ARRAY_SIZE(texts))];
		struct schedule_settings s = make_at(
			text, (double)pick(&state, -90, 91), (double)pick(&state, -180, 181));
		int64_t from = pick(&state, 0, at("2199-01-01T00:00:00Z")), last = TIME_NONE, slot;
		int n = 0;

		set_zone((int)pick(&state, 0, ARRAY_SIZE(zones)));
		s.every_us = pick(&state, 0, 3) ? 0 : 7 * HOUR;
		if (pick(&state, 0, 3) == 0)
			CHECK_INT(schedule_parse_hours(NULL, "05:00-13:00", &s), 0);
		s.daylight = pick(&state, 0, 3) == 0;
		s.daylight_elevation = SUN_HORIZON;
		for (slot = schedule_next(&s, from); slot != TIME_NONE && n < 40;
			slot = schedule_next(&s, slot + 1)) {
			CHECK(last == TIME_NONE || slot > last);
			CHECK_INT(slot % MINUTE, 0);
			CHECK(last == TIME_NONE || schedule_previous(&s, slot) == last);
			last = slot;
			n++;
		}
		if (n == 0)
			continue;
		CHECK_INT(schedule_previous(&s, last + 1), last);
		if (!CHECK(schedule_count(&s, from, last + 1) == (uint64_t)n))
			fprintf(stderr, "  %s at %g %g\n", text, s.latitude, s.longitude);
	}
}

/* What status and a puller are told in the evening, at sunset and a minute later. */
TEST(what_is_due)
{
	struct schedule_settings s = make_at("sunrise, sunset+1h", 37.7667, -122.4333);
	int64_t set = at("2012-03-11T02:13:00Z") + HOUR, rise = at("2012-03-10T14:27:00Z");
	struct schedule_due due;

	set_zone(UTC);
	due = schedule_due(&s, set - 10 * MINUTE);
	CHECK(is_near(due.due_us, rise, 0, MINUTE));
	CHECK_INT(due.pending_us, TIME_NONE);
	CHECK(is_near(due.next_us, set, MINUTE, 0));
	set = due.next_us;
	due = schedule_due(&s, set);
	CHECK(is_near(due.due_us, rise, 0, MINUTE));
	CHECK_INT(due.pending_us, set);
	due = schedule_due(&s, set + MINUTE);
	CHECK_INT(due.due_us, set);
	CHECK_INT(due.pending_us, TIME_NONE);
	CHECK(is_near(due.next_us, rise + DAY, 2 * MINUTE, 0));
}

/* A window of daylight has both ends of the day. */
TEST(in_daylight)
{
	struct schedule_settings s = make_at("sunrise, sunset, sunrise-1min, sunset+1min", 52, 13);

	set_zone(UTC);
	s.daylight = true;
	s.daylight_elevation = SUN_HORIZON;
	CHECK_INT(schedule_count(&s, at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")),
		2 * 365);
}

TEST(how_near_they_are)
{
	static const struct {
		const char *at;
		int64_t interval_us;
	} cases[] = {
		{ "noon", DAY },
		{ "noon, noon+2h", 2 * HOUR },
		{ "sunrise+30min, sunrise+1h", 30 * MINUTE },
		{ "noon, 18:00", DAY / 2 }, /* they move past each other */
		{ "sunrise, sunset", DAY / 2 },
		{ "noon-12h, noon+12h", DAY / 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings s = make_at(cases[i].at, 52, 13);

		CHECK_INT(schedule_every_us(&s), 0);
		CHECK_INT(schedule_interval_us(&s), cases[i].interval_us);
	}
}
