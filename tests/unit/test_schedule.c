/* SPDX-License-Identifier: MIT */
/*
 * Slots of the schedule against a plain oracle that asks the C library for every single slot; days
 * on which the clocks change; the sun; a million slots with clock steps.
 */
#include "tests/unit/schedule_kit.h"

#include "capture/schedule/slots.h"
#include "capture/schedule/sun.h"

/* The definition, said once more without any of the code under test but the sun. */
static bool oracle(const struct schedule_settings *settings, int64_t us)
{
	time_t t = us / US_PER_SEC;
	struct tm tm;
	int minute, today, yesterday;
	bool open = settings->n_hours == 0;

	localtime_r(&t, &tm);
	minute = tm.tm_hour * 60 + tm.tm_min;
	today = settings->days >> (tm.tm_wday + 6) % 7 & 1;
	yesterday = settings->days >> (tm.tm_wday + 5) % 7 & 1;
	if (settings->n_hours == 0 && !today)
		return false;
	for (int i = 0; i < settings->n_hours; i++) {
		int from = settings->hours[i].from_minute, to = settings->hours[i].to_minute;

		if (from < to)
			open |= today && from <= minute && minute < to;
		else
			open |= (today && from <= minute) || (yesterday && minute < to);
	}
	if (open && settings->daylight)
		open = sun_elevation(us / MINUTE * MINUTE, settings->latitude,
			       settings->longitude) >= settings->daylight_elevation;
	return open;
}

/* Whether the windows are open at that instant: a slot of the finest grid is there. */
static bool open_at(const struct schedule_settings *settings, int64_t us)
{
	struct schedule_settings fine = *settings;

	fine.every_us = 1;
	fine.offset_us = fine.n_at = 0;
	return schedule_count(&fine, us, us + 1) == 1;
}

static struct schedule_settings random_settings(uint64_t *state)
{
	static const int64_t intervals[] = { 100000, 700000, US_PER_SEC, 30 * US_PER_SEC, MINUTE,
		7 * MINUTE, 10 * MINUTE, HOUR, 5 * HOUR, 24 * HOUR };
	static const double latitudes[] = { 90, -90, 89.99, -89.9, 78.2, -66.6, 60, 51.5, 0, -31 };
	struct schedule_settings s = {
		.every_us = intervals[pick(state, 0, 10)],
		.days = pick(state, 0, 2) ? 0x7f : (unsigned)pick(state, 1, 0x80),
		.n_hours = (int)pick(state, 0, 4),
		.daylight = pick(state, 0, 3) == 0,
		.daylight_elevation = pick(state, 0, 2) ? -0.833 : (double)pick(state, -18, 30),
		.latitude = latitudes[pick(state, 0, 10)],
		.longitude = (double)pick(state, -180, 181),
	};

	s.offset_us = pick(state, 0, 2) ? 0 : pick(state, 0, s.every_us);
	for (int i = 0; i < s.n_hours; i++) {
		s.hours[i].from_minute = (int)pick(state, 0, 1440);
		do
			s.hours[i].to_minute = (int)pick(state, 0, 1441);
		while (s.hours[i].to_minute == s.hours[i].from_minute);
	}
	return s;
}

/* Walks the grid point by point from `from`, and asks all four functions about what it finds. */
static void compare(const struct schedule_settings *s, int64_t from, int points, uint64_t *state)
{
	int64_t slot = from / s->every_us * s->every_us + s->offset_us, last = TIME_NONE;
	int64_t every = s->every_us, first = slot;
	uint64_t count = 0;

	for (int i = 0; i < points; i++, slot += every) {
		if (!CHECK(open_at(s, slot) == oracle(s, slot)))
			break;
		if (!oracle(s, slot))
			continue;
		if (last != TIME_NONE && pick(state, 0, 8) == 0) {
			CHECK_INT(schedule_next(s, pick(state, last + 1, slot + 1)), slot);
			CHECK_INT(schedule_previous(s, pick(state, last + 1, slot + 1)), last);
		}
		if (count == 0)
			CHECK_INT(schedule_next(s, first), slot);
		last = slot;
		count++;
	}
	CHECK_INT(schedule_count(s, first, slot), count);
	CHECK_INT(schedule_count(s, first + 1, slot), count - (count && oracle(s, first)));
	if (count)
		CHECK_INT(schedule_previous(s, slot), last);
}

TEST(fast_is_the_same_as_slow)
{
	/* where it may go wrong: both clock changes of the zones, leap days, ends of years */
	static const char *const days[] = { "2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z",
		"2026-04-04T00:00:00Z", "2026-10-03T00:00:00Z", "2026-03-07T12:00:00Z",
		"2026-10-31T12:00:00Z", "2024-02-28T12:00:00Z", "2027-12-31T00:00:00Z",
		"1999-10-30T12:00:00Z", "1970-01-01T00:00:00Z", "2099-10-24T00:00:00Z" };
	uint64_t state = test_seed() | 1;

	for (int i = 0; i < 400; i++) {
		struct schedule_settings s = random_settings(&state);
		int zone = (int)pick(&state, 0, 5), points = 500;
		int64_t from = at(days[pick(&state, 0, 11)]) + pick(&state, 0, 2 * DAY);
		int failures = test_failures;

		if (s.every_us >= HOUR)
			points = 60;
		/* short intervals: around an edge, not just anywhere */
		if (s.every_us < MINUTE && s.n_hours)
			from = schedule_previous(&s, from);
		if (from < DAY)
			from = DAY;
		set_zone(zone);
		compare(&s, from - from % s.every_us, points, &state);
		if (test_failures > failures) {
			fprintf(stderr, "case %d: %s, every %lld us\n", i, zones[zone].name,
				(long long)s.every_us);
			break;
		}
	}
}

/* Slots of one schedule on one local day; the day is given by its start and end in UTC. */
TEST(clock_changes)
{
	static const struct {
		int zone;
		const char *hours, *from, *to;
		int slots; /* every 10 minutes */
		const char *first;
	} cases[] = {
		/* autumn: what the wall clock shows twice is in twice */
		{ LONDON, "01:00-02:00", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z", 12,
			"2026-10-25T00:00:00Z" },
		{ LONDON, "01:30-02:00", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z", 6,
			"2026-10-25T00:30:00Z" },
		{ LONDON, "all", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z", 150,
			"2026-10-24T23:00:00Z" },
		/*
		 * spring: an hour that never was has no slots, and takes none from its neighbours
		 */
		{ LONDON, "00:30-02:30", "2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z", 6,
			"2026-03-29T00:30:00Z" },
		{ LONDON, "01:15-01:45, 02:00-02:10", "2026-03-29T00:00:00Z",
			"2026-03-29T23:00:00Z", 1, "2026-03-29T01:00:00Z" },
		{ LONDON, "all", "2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z", 138,
			"2026-03-29T00:00:00Z" },
		/* half an hour in Lord Howe */
		{ LORD_HOWE, "01:30-02:00", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 6,
			"2026-04-04T14:30:00Z" },
		{ LORD_HOWE, "01:00-03:00", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", 9,
			"2026-10-03T14:30:00Z" },
		{ LORD_HOWE, "02:00-02:30", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", 0,
			"2026-10-04T15:00:00Z" },
		/*
		 * Dublin's summer time is its standard time: the sign of tm_isdst must not matter
		 */
		{ DUBLIN, "00:50-02:10", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z", 14,
			"2026-10-24T23:50:00Z" },
		{ ST_JOHNS, "01:00-03:00", "2026-03-08T03:30:00Z", "2026-03-09T02:30:00Z", 6,
			"2026-03-08T04:30:00Z" },
		{ ST_JOHNS, "22:00-02:00", "2026-10-31T02:30:00Z", "2026-11-01T12:00:00Z", 42,
			"2026-10-31T02:30:00Z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings s = make(10 * MINUTE, "all", cases[i].hours);

		set_zone(cases[i].zone);
		CHECK_INT(schedule_count(&s, at(cases[i].from), at(cases[i].to)), cases[i].slots);
		CHECK_TIME(schedule_next(&s, at(cases[i].from)), cases[i].first);
	}
}

TEST(a_year_loses_and_doubles_nothing)
{
	static const struct {
		const char *days, *hours;
		int64_t slots;
	} cases[] = {
		{ "all", "all", 8760 * 6 }, { "all", "06:00-21:00", 365 * 15 * 6 },
		{ "mon-fri", "06:00-21:00", 261 * 15 * 6 }, /* 2026 has 261 of them */
		{ "all", "20:00-04:00", 365 * 8 * 6 }, /* an hour less, an hour more */
		{ "sat,sun", "all", (104 * 24 - 1 + 1) * 6 }, /* both changes are on Sundays */
	};

	for (int zone = UTC; zone <= DUBLIN; zone++) {
		set_zone(zone);
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct schedule_settings s =
				make(10 * MINUTE, cases[i].days, cases[i].hours);
			int64_t from = at("2026-01-01T00:00:00Z"), to = at("2027-01-01T00:00:00Z");

			from -= utc_local_offset_s(from) * US_PER_SEC;
			to -= utc_local_offset_s(to) * US_PER_SEC;
			CHECK_INT(schedule_count(&s, from, to), cases[i].slots);
		}
	}
}

TEST(a_window_over_midnight_belongs_to_its_first_day)
{
	struct schedule_settings s = make(HOUR, "fri", "22:00-02:00");

	set_zone(LONDON);
	/* 2026-11-20 is a Friday */
	CHECK_INT(schedule_count(&s, at("2026-11-19T12:00:00Z"), at("2026-11-22T12:00:00Z")), 4);
	CHECK(!open_at(&s, at("2026-11-20T01:59:59Z")));
	CHECK(!open_at(&s, at("2026-11-20T21:59:59.999999Z")));
	CHECK(open_at(&s, at("2026-11-20T22:00:00Z")));
	CHECK(open_at(&s, at("2026-11-21T01:59:59.999999Z")));
	CHECK(!open_at(&s, at("2026-11-21T02:00:00Z")));
	CHECK_TIME(schedule_next(&s, at("2026-11-21T02:00:00Z")), "2026-11-27T22:00:00Z");
	CHECK_TIME(schedule_previous(&s, at("2026-11-27T22:00:00Z")), "2026-11-21T01:00:00Z");
}

TEST(the_grid)
{
	struct schedule_settings s = make(60 * US_PER_SEC, "all", "all");

	s.offset_us = 7 * US_PER_SEC;
	set_zone(UTC);
	CHECK_TIME(schedule_next(&s, at("2026-11-20T16:01:07Z")), "2026-11-20T16:01:07Z");
	CHECK_TIME(schedule_next(&s, at("2026-11-20T16:01:07.000001Z")), "2026-11-20T16:02:07Z");
	CHECK_TIME(schedule_previous(&s, at("2026-11-20T16:01:07Z")), "2026-11-20T16:00:07Z");
	CHECK_INT(schedule_count(&s, at("2026-11-20T16:01:07Z"), at("2026-11-20T16:03:07Z")), 2);
	CHECK_INT(schedule_count(&s, at("2026-11-20T16:03:07Z"), at("2026-11-20T16:01:07Z")), 0);
	/* an offset that check() would have complained about is what is left of it */
	s.offset_us = 127 * US_PER_SEC;
	CHECK_TIME(schedule_next(&s, 0), "1970-01-01T00:00:07Z");
}

TEST(the_ends_of_time)
{
	struct schedule_settings s = make(US_PER_SEC, "all", "all");

	set_zone(UTC);
	CHECK_INT(schedule_next(&s, INT64_MIN), 0);
	CHECK_INT(schedule_previous(&s, INT64_MIN), TIME_NONE);
	CHECK_INT(schedule_previous(&s, 0), TIME_NONE);
	CHECK_INT(schedule_previous(&s, 1), 0);
	CHECK_INT(schedule_next(&s, INT64_MAX), TIME_NONE);
	CHECK_TIME(schedule_next(&s, at("9999-12-31T23:59:59Z")), "9999-12-31T23:59:59Z");
	CHECK_INT(schedule_next(&s, at("9999-12-31T23:59:59.000001Z")), TIME_NONE);
	CHECK_TIME(schedule_previous(&s, INT64_MAX), "9999-12-31T23:59:59Z");
	CHECK_INT(schedule_count(&s, INT64_MIN, INT64_MAX), INT64_C(253402300800));
	CHECK(!open_at(&s, -1));
	CHECK(!open_at(&s, INT64_MAX - 1));
	s.days = 0;
	CHECK_INT(schedule_next(&s, at("2026-11-20T16:01:07Z")), TIME_NONE);
	CHECK_INT(schedule_previous(&s, at("2026-11-20T16:01:07Z")), TIME_NONE);
	CHECK_INT(schedule_count(&s, 0, at("2026-11-20T16:01:07Z")), 0);
}

static bool near(double got, double want, double tolerance)
{
	if (fabs(got - want) <= tolerance)
		return true;
	fprintf(stderr, "%.5f is not %.5f\n", got, want);
	return false;
}

TEST(the_sun_is_where_the_books_say)
{
	/* Meeus, example 25.a: declination -7.78507 at 1992-10-13 0h dynamical time (59 s ahead) */
	CHECK(near(sun_elevation(at("1992-10-12T23:59:01Z"), 90, 0), -7.78507, 0.0005));
	CHECK(near(sun_elevation(at("1992-10-12T23:59:01Z"), -90, 77), 7.78507, 0.0005));
	/* the example of NREL/TP-560-34302 (SPA), elevation before refraction */
	CHECK(near(
		sun_elevation(at("2003-10-17T19:30:30Z"), 39.742476, -105.1786), 39.87205, 0.01));
	/* almanac, London: 2026-06-21 04:43 and 21:21 BST, 2026-12-21 08:04 and 15:53 GMT */
	CHECK(near(sun_elevation(at("2026-06-21T03:43:00Z"), 51.507, -0.128), -0.833, 0.1));
	CHECK(near(sun_elevation(at("2026-06-21T20:21:30Z"), 51.507, -0.128), -0.833, 0.1));
	CHECK(near(sun_elevation(at("2026-12-21T08:04:00Z"), 51.507, -0.128), -0.833, 0.1));
	CHECK(near(sun_elevation(at("2026-12-21T15:53:30Z"), 51.507, -0.128), -0.833, 0.1));
}

/* What the walk over daylight relies on. */
TEST(the_sun_keeps_its_speed_limit)
{
	uint64_t state = test_seed() | 1;

	for (int i = 0; i < 20000; i++) {
		int64_t t = pick(&state, 0, at("2199-01-01T00:00:00Z"));
		int64_t minutes = pick(&state, 1, 300);
		double latitude = (double)pick(&state, -900, 901) / 10;
		double longitude = (double)pick(&state, -1800, 1801) / 10;
		double a = sun_elevation(t, latitude, longitude);
		double b = sun_elevation(t + minutes * MINUTE, latitude, longitude);

		if (!CHECK(a >= -90 && a <= 90) ||
			!CHECK(fabs(b - a) <= (double)minutes * SUN_SPEED_MAX))
			break;
	}
}

TEST(daylight_windows)
{
	struct schedule_settings s = make(MINUTE, "all", "all");

	set_zone(UTC);
	CHECK_INT(schedule_parse_daylight(NULL, "yes", &s), 0);
	/* no place is known: the camera goes on without daylight */
	CHECK_INT(schedule_next(&s, at("2026-06-21T01:00:00Z")), at("2026-06-21T01:00:00Z"));
	s.latitude = 51.507;
	s.longitude = -0.128;
	CHECK_TIME(schedule_next(&s, at("2026-06-21T00:00:00Z")), "2026-06-21T03:44:00Z");
	CHECK_TIME(schedule_previous(&s, at("2026-06-22T00:00:00Z")), "2026-06-21T20:21:00Z");
	/* Longyearbyen: midnight sun, polar night, and the first day after it */
	s.latitude = 78.22;
	s.longitude = 15.65;
	CHECK_INT(schedule_count(&s, at("2026-06-21T00:00:00Z"), at("2026-06-22T00:00:00Z")), 1440);
	CHECK_INT(schedule_count(&s, at("2026-12-21T00:00:00Z"), at("2026-12-22T00:00:00Z")), 0);
	CHECK_INT(schedule_next(&s, at("2026-12-01T00:00:00Z")) / DAY,
		at("2027-02-16T00:00:00Z") / DAY);
	/* at the pole the sun rises once a year */
	s.latitude = 90;
	CHECK_INT(schedule_next(&s, at("2026-10-01T00:00:00Z")) / DAY,
		at("2027-03-18T00:00:00Z") / DAY);
	/* it never comes that high */
	s.latitude = 51.507;
	s.daylight_elevation = 63;
	CHECK_INT(schedule_next(&s, at("2026-01-01T00:00:00Z")), TIME_NONE);
	CHECK_INT(schedule_previous(&s, at("2026-01-01T00:00:00Z")), TIME_NONE);
}

/* Every slot of 20 years, one by one, windows and all. */
static void walk(int zone, struct schedule_settings s, int64_t from, int64_t *slots)
{
	int64_t slot, grid = from / s.every_us * s.every_us;

	set_zone(zone);
	slot = schedule_next(&s, from);
	for (int i = 0; i < 250000; i++) {
		while (!oracle(&s, grid))
			grid += s.every_us;
		if (slot != grid) {
			CHECK_INT(slot, grid);
			return;
		}
		++*slots;
		grid += s.every_us;
		slot = schedule_next(&s, slot + 1);
	}
	CHECK_INT(schedule_count(&s, from, grid), 250000);
}

TEST(a_million_slots)
{
	int64_t from = at("2020-01-01T00:00:00Z"), slots = 0;

	walk(LONDON, make(30 * MINUTE, "all", "06:00-21:00, 23:30-01:30"), from, &slots);
	walk(LORD_HOWE, make(30 * MINUTE, "all", "all"), from, &slots);
	walk(DUBLIN, make(20 * MINUTE, "mon-sat", "22:00-07:10"), from, &slots);
	walk(ST_JOHNS, make(60 * US_PER_SEC, "all", "01:00-23:00"), from, &slots);
	CHECK_INT(slots, 1000000);
}

/* From 1 s to years, each order of magnitude as likely as the next. */
static int64_t random_step(uint64_t *state)
{
	double us = pow(10, 6 + (double)pick(state, 0, 8000) / 1000);

	return pick(state, 0, 2) ? (int64_t)us : (int64_t)-us;
}

/*
 * The clock runs from slot to slot and is set now and then. Between two large steps back all slots
 * from the first to the last have one outcome: a frame, or passed over by a step forward.
 */
static void run_with_steps(struct schedule_settings s, int steps, uint64_t *state)
{
	int64_t from = at("2015-06-01T00:00:00Z"), to = at("2095-01-01T00:00:00Z");
	int64_t wall = pick(state, from, to), slot, first, last, begin, done = TIME_NONE;
	struct slots slots = slots_new(&s, wall);
	uint64_t outcomes = 0, skipped;

	begin = slots.open_us;
	for (int i = 0; i < steps; i++) {
		int64_t after;

		for (int64_t n = pick(state, 0, 1000); n >= 0; n--) {
			wall = slots.open_us;
			CHECK_INT(slots_offer(&slots, wall, 0, &slot), SLOTS_TAKE);
			CHECK_INT((slot - s.offset_us) % s.every_us, 0);
			CHECK(slot == wall && (done == TIME_NONE || slot > done));
			done = slot;
			outcomes++;
		}
		after = wall + random_step(state);
		if (after < from || after > to)
			after = pick(state, from, to);
		slots_step(&slots, wall, after, &skipped, &first, &last);
		if (skipped) {
			CHECK(first > done && last >= first && last < after);
			done = last;
			outcomes += skipped;
		}
		if (slots.open_us <= done) {
			/* the clock went back further than a slot: an account of its own begins */
			CHECK_INT(schedule_count(&s, begin, done + 1), outcomes);
			begin = slots.open_us;
			done = TIME_NONE;
			outcomes = 0;
		}
		wall = after;
	}
	CHECK_INT(schedule_count(&s, begin, done + 1), outcomes);
}

TEST(clock_steps_of_seconds_to_years)
{
	static const int64_t intervals[] = { 100000, US_PER_SEC, 7 * US_PER_SEC, MINUTE, HOUR };
	uint64_t state = test_seed() | 1;

	for (int i = 0; i < 20; i++) {
		struct schedule_settings s = make(
			intervals[i % 5], i % 2 ? "all" : "mon-fri", i % 3 ? "all" : "22:00-03:30");

		set_zone(i % 5);
		s.offset_us = i % 4 ? 0 : s.every_us / 3;
		run_with_steps(s, 30, &state);
	}
}
