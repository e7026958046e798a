/* SPDX-License-Identifier: MIT */
/* A month's bytes: simulated months against the budget, clocks that jump, and a session's own. */
#include "common/base/when.h"
#include "pull/ssh/pace.h"
#include "tests/unit/clock_kit.h"
#include "tests/unit/sync_kit.h"
#include "tests/unit/zone_kit.h"

#define HOUR (3600 * US_PER_SEC)
#define MB INT64_C(1000000)

static char folder[64], zone[96];

/* Central European Time, and a state folder of its own. */
static void begin(void)
{
	kit_make_folder(folder);
	setenv("STATE_DIRECTORY", folder, 1);
	snprintf(zone, sizeof zone, "%s/zone", folder);
	zone_write(zone, "CET-1CEST,M3.5.0,M10.5.0/3", 1000);
	setenv("TZ", zone, 1);
	tzset();
}

static void end(void)
{
	test_remove_folder(folder);
	unsetenv("STATE_DIRECTORY");
}

static int64_t at(const char *text)
{
	int64_t us = 0;

	CHECK_INT(when_parse(text, WHEN_FROM, 0, &us), 0);
	return us;
}

TEST(months)
{
	static const struct {
		const char *at, *from, *to;
		int hours;
	} cases[] = {
		{ "2026-03-15 12:00", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", 743 },
		{ "2026-10-31 23:59", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", 745 },
		{ "2026-12-01 00:00", "2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z", 744 },
		{ "2028-02-29 12:00", "2028-01-31T23:00:00Z", "2028-02-29T23:00:00Z", 696 },
	};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t from_us = 0, to_us = 0;

		CHECK_INT(when_month(at(cases[i].at), &from_us, &to_us), 0);
		CHECK_INT(from_us, at(cases[i].from));
		CHECK_INT(to_us, at(cases[i].to));
		CHECK_INT((to_us - from_us) / HOUR, cases[i].hours);
	}
	end();
}

static struct pace_month month_of(const struct peer_spending *spending, int64_t budget)
{
	struct pace_month month = {
		.bytes = budget, .used = spending->bytes, .exempt = spending->exempt
	};

	CHECK_INT(when_month(spending->month_us, &month.from_us, &month.to_us), 0);
	return month;
}

/*
 * A contact each ten minutes with its 8 KB of talk, a newest picture each hour that waits for
 * nothing, and a backlog without end. Returns what was spent from `now_us` to `end_us`.
 */
static int64_t simulate(struct clock_fake *clock, int64_t end_us, int64_t budget, int64_t frame)
{
	struct peer_spending spending;
	int64_t sum = 0;

	for (int64_t step = 0; clock->wall_us < end_us; step++) {
		int64_t bytes = 8000 + (step % 6 == 0 ? frame : 0), exempt = bytes;
		struct pace_month month;

		CHECK_INT(peer_state_spent("garden", &clock->clock, bytes, exempt, &spending), 0);
		month = month_of(&spending, budget);
		while (pace_month_due_us(&month, frame) <= clock->wall_us) {
			CHECK_INT(
				peer_state_spent("garden", &clock->clock, frame, 0, &spending), 0);
			month = month_of(&spending, budget);
			sum += frame;
		}
		sum += bytes;
		clock_fake_advance(clock, 600 * US_PER_SEC);
	}
	return sum;
}

/* Through both changes of the clock, and from one month into the next. */
TEST(a_month_holds_within_a_percent)
{
	static const char *const months[] = { "2026-03-01", "2026-04-01", "2026-05-01" };
	const int64_t budget = 200 * MB;
	struct clock_fake clock;

	begin();
	clock = clock_fake(at(months[0]));
	for (size_t i = 0; i + 1 < ARRAY_SIZE(months); i++) {
		const int64_t spent = simulate(&clock, at(months[i + 1]), budget, 100000);

		CHECK(spent <= budget + budget / 100 && spent >= budget - budget / 100);
		fprintf(stderr, "  %s: %.2f of %.2f MB\n", months[i], (double)spent / 1e6,
			(double)budget / 1e6);
	}
	/* begun in the middle of a month, the half of it may come at once, and no more */
	clock = clock_fake(at("2026-10-16"));
	CHECK(simulate(&clock, at("2026-10-16 01:00"), budget, 100000) <= budget / 2);
	CHECK(simulate(&clock, at("2026-11-01"), budget, 100000) <= budget * 52 / 100);
	end();
}

/* Whatever a clock shows, and shows again, what was spent stays spent. */
TEST(a_clock_that_jumps_back)
{
	const int64_t budget = 100 * MB;
	struct peer_spending spending;
	struct pace_month month;
	struct clock_fake clock;

	begin();
	clock = clock_fake(at("2026-11-20"));
	CHECK(simulate(&clock, at("2026-11-20 06:00"), budget, 100000) > budget / 2);
	/* within the month, and into the one before: nothing waits there but the newest */
	for (int i = 0; i < 2; i++) {
		clock.wall_us = at(i ? "2026-10-10" : "2026-11-02");
		CHECK_INT(peer_state_spent("garden", &clock.clock, 1, 1, &spending), 0);
		month = month_of(&spending, budget);
		CHECK_INT(month.from_us, at("2026-11-01"));
		CHECK(pace_month_due_us(&month, 100000) > clock.wall_us + 10 * 24 * HOUR);
	}
	/* and forward again: it is the same month as before */
	clock.wall_us = at("2026-11-21");
	CHECK_INT(peer_state_spent("garden", &clock.clock, 1, 1, &spending), 0);
	CHECK(spending.bytes > budget / 2 && spending.back_us == TIME_NONE);
	/* a clock that nobody knows to be right begins no month */
	clock.wall_us = at("2036-05-05");
	clock.synced = false;
	clock.up_ns = 60 * NS_PER_SEC;
	CHECK_INT(peer_state_spent("garden", &clock.clock, 1, 1, &spending), 0);
	CHECK_INT(spending.month_us, at("2026-11-01"));
	/* one that was known to be right and was wrong costs a month's budget, not ten years' */
	clock.synced = true;
	CHECK_INT(peer_state_spent("garden", &clock.clock, 1, 1, &spending), 0);
	CHECK_INT(spending.month_us, at("2036-05-01"));
	clock.wall_us = at("2026-11-22");
	for (int day = 0; day < 32; day++) {
		CHECK_INT(peer_state_spent("garden", &clock.clock, 1, 1, &spending), 0);
		CHECK_INT(spending.month_us, at("2036-05-01"));
		clock_fake_advance(&clock, 24 * HOUR);
	}
	CHECK_INT(peer_state_spent("garden", &clock.clock, 1, 1, &spending), 0);
	CHECK_INT(spending.month_us, at("2026-12-01"));
	CHECK_INT(spending.bytes, 1);
	end();
}

/* A state file that somebody wrote. */
#define MONTH "{\"month\":\"2026-11-01T00:00:00Z\",\"month_bytes\":"

TEST(numbers_that_make_no_sense)
{
	struct clock_fake clock;
	struct peer_spending spending;
	static const char *const files[] = {
		MONTH "9223372036854775807,\"month_exempt\":9223372036854775807}",
		"{\"month\":7,\"month_bytes\":-5,\"month_exempt\":\"x\",\"month_back\":[]}",
		MONTH "1,\"month_exempt\":2}",
		"{",
		"",
	};

	begin();
	clock = clock_fake(at("2026-11-20"));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct pace_month month;

		kit_write(folder, "contact-garden.json", files[i], strlen(files[i]),
			O_CREAT | O_TRUNC);
		CHECK_INT(peer_state_spent("garden", &clock.clock, 1, 1, &spending), 0);
		CHECK(spending.bytes > 0 && spending.exempt <= spending.bytes);
		month = month_of(&spending, 100 * MB);
		CHECK(pace_month_due_us(&month, 1) > 0);
		CHECK(pace_month_done_us(&month, INT64_MAX, clock.wall_us) > 0);
	}
	end();
}

TEST(when_the_rest_is_here)
{
	struct pace_month month = { .bytes = 310 * MB, .used = 100 * MB, .exempt = 50 * MB };

	begin();
	month.from_us = at("2026-12-01");
	month.to_us = at("2027-01-01");
	/* 10 MB a day, of which 5 MB are the newest pictures' */
	CHECK_INT(pace_month_done_us(&month, 50 * MB, at("2026-12-11")), at("2026-12-21"));
	CHECK_INT(pace_month_done_us(&month, 0, at("2026-12-11")), at("2026-12-11"));
	month.exempt = month.used = 310 * MB;
	CHECK_INT(pace_month_done_us(&month, 50 * MB, at("2026-12-11")), INT64_MAX);
	CHECK_INT(pace_month_due_us(&month, 1), INT64_MAX);
	end();
}

/* At the start of a month only the newest picture comes, and the session ends at once. */
TEST(a_session_keeps_to_it)
{
	struct clock_fake clock;
	struct peer *peer;

	for (int later = 0; later < 2; later++) {
		begin();
		run_init();
		clock = clock_fake(at("2026-12-01 00:01") + later * HOUR);
		run.options.clock = &clock.clock;
		run.camera.budget = 100 * MB;
		peer = camera(KIT_ID, 3);
		say_list(peer, 1, 3);
		say_frame(peer, 3);
		for (uint64_t seq = 2; later && seq > 0; seq--)
			say_frame(peer, seq);
		CHECK_INT(sync_run(), CLI_OK);
		CHECK_INT(run.result.frames, later ? 3 : 1);
		CHECK_INT(run.result.left, later ? 0 : 2);
		CHECK((run.result.budget_us > clock.wall_us) == !later);
		run_end();
		end();
	}
}
