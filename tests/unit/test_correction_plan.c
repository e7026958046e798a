/* SPDX-License-Identifier: MIT */
/*
 * Which frames get another time, and by how much: boots, anchors, clocks that were set in between.
 */
#include "tests/test.h"
#include "tests/unit/clock_kit.h"

#include "capture/store/clock_correct.h"

#define TRUE_US (INT64_C(1795190460) * US_PER_SEC) /* 2026-11-20T16:01:00Z */
#define WRONG_US (INT64_C(1500000000) * US_PER_SEC)
#define A "aaaaaaaa-0d3b-4c1a-9f55-2b8f6f0a7d11"
#define B "bbbbbbbb-0d3b-4c1a-9f55-2b8f6f0a7d11"
#define S US_PER_SEC

/* A frame `at_us` after its boot, taken while the wall clock showed `wall_us`. */
struct line {
	const char *boot; /* NULL: a miss */
	int64_t at_us, wall_us;
	bool synced;
	uint64_t was;
	enum correction_verdict want;
	int64_t delta_us;
};

static struct record record_of(const struct line *line, uint64_t seq)
{
	struct record record = record_new(line->boot ? RECORD_FRAME : RECORD_MISS);

	record.seq = seq;
	record.slot_us = record.last_us = record.exposed_us = line->wall_us;
	if (!line->boot)
		return record;
	snprintf(record.boot, sizeof record.boot, "%s", line->boot);
	record.slot_us -= 300;
	record.late_us = 300;
	record.up_ns = line->at_us * NS_PER_US;
	record.synced = line->synced;
	record.was = line->was;
	return record;
}

static struct correction_plan plan_new(const char *boot, int64_t zero_us)
{
	struct correction_plan plan = { .zero_us = zero_us };

	snprintf(plan.boot, sizeof plan.boot, "%s", boot);
	return plan;
}

/* Shows all lines to a plan, with the anchors behind them as the work finds them. */
static void check_plan(const char *boot, int64_t zero_us, const struct line *lines, size_t n)
{
	struct correction_plan plan = plan_new(boot, zero_us);

	for (size_t i = 0; i < n; i++) {
		struct record record = record_of(&lines[i], i + 1);
		int64_t delta_us = 0;
		enum correction_verdict verdict = correction_judge(&plan, &record, &delta_us);

		if (verdict == CORRECTION_ASK) {
			int64_t anchor_us = TIME_NONE;
			struct record next;

			for (size_t k = i + 1; k < n && anchor_us == TIME_NONE; k++) {
				next = record_of(&lines[k], k + 1);
				correction_anchor(&next, record.boot, &anchor_us);
			}
			correction_answer(&plan, &record, anchor_us);
			verdict = correction_judge(&plan, &record, &delta_us);
		}
		if (!CHECK(verdict == lines[i].want && delta_us == lines[i].delta_us))
			fprintf(stderr, "  line %zu: verdict %d, delta %lld\n", i, (int)verdict,
				(long long)delta_us);
	}
}

TEST(this_boot_is_known)
{
	const int64_t delta = TRUE_US - WRONG_US;
	const struct line lines[] = {
		/* another boot without an anchor */
		{ B, 5 * S, WRONG_US + 5 * S, .want = CORRECTION_UNKNOWN },
		{ NULL, 0, WRONG_US, .want = CORRECTION_PASS },
		{ A, 10 * S, WRONG_US + 10 * S, .want = CORRECTION_DUE, .delta_us = delta },
		/*
		 * set by hand in between: to a time that was wrong as well, then to one that is
		 * right
		 */
		{ A, 20 * S, WRONG_US + 9000 * S, .want = CORRECTION_DUE,
			.delta_us = delta - 8980 * S },
		{ A, 30 * S, TRUE_US + 30 * S, .want = CORRECTION_RIGHT },
		{ A, 40 * S, TRUE_US + 40 * S + 999999, .want = CORRECTION_RIGHT },
		{ A, 40 * S, TRUE_US + 40 * S - 999999, .want = CORRECTION_RIGHT },
		{ A, 50 * S, TRUE_US + 51 * S, .want = CORRECTION_DUE, .delta_us = -1 * S },
		{ A, 50 * S, TRUE_US + 49 * S, .want = CORRECTION_DUE, .delta_us = 1 * S },
		{ A, 60 * S, TRUE_US + 60 * S, .synced = true, .want = CORRECTION_PASS },
		/* one that was dated already, by the plan of an earlier run */
		{ A, 10 * S, TRUE_US + 10 * S, .synced = true, .was = 3, .want = CORRECTION_PASS },
		{ A, 70 * S, TRUE_US + 70 * S, .want = CORRECTION_RIGHT },
		/* far in the future */
		{ A, 80 * S, TRUE_US + 900000080 * S, .want = CORRECTION_DUE,
			.delta_us = -900000000 * S },
	};

	check_plan(A, TRUE_US, lines, ARRAY_SIZE(lines));
}

TEST(anchors)
{
	const int64_t delta = TRUE_US - WRONG_US;
	const struct line behind[] = {
		{ A, 10 * S, WRONG_US + 10 * S, .want = CORRECTION_DUE, .delta_us = delta },
		{ NULL, 0, WRONG_US, .want = CORRECTION_PASS },
		{ A, 20 * S, WRONG_US + 20 * S, .want = CORRECTION_DUE, .delta_us = delta },
		{ A, 30 * S, TRUE_US + 30 * S + 7, .synced = true, .want = CORRECTION_PASS },
		/* later the clock is another: this is the nearest one for what follows only */
		{ A, 40 * S, TRUE_US + 540 * S, .synced = true, .want = CORRECTION_PASS },
		{ A, 50 * S, TRUE_US + 50 * S, .want = CORRECTION_DUE, .delta_us = 500 * S },
		{ B, 9 * S, WRONG_US + 9 * S, .want = CORRECTION_UNKNOWN },
		{ B, 10 * S, WRONG_US + 11 * S, .want = CORRECTION_UNKNOWN },
	};
	struct line lines[ARRAY_SIZE(behind)];

	memcpy(lines, behind, sizeof behind);
	/* the anchor is 7 us off the round time */
	lines[0].delta_us = lines[2].delta_us = delta + 7;
	check_plan("", TIME_NONE, lines, ARRAY_SIZE(lines));
	/* this boot's own time goes before any anchor */
	lines[0].delta_us = lines[2].delta_us = delta;
	lines[5] = (struct line){ A, 50 * S, TRUE_US + 50 * S, .want = CORRECTION_RIGHT };
	check_plan(A, TRUE_US, lines, ARRAY_SIZE(lines));
}

TEST(a_dated_frame_is_an_anchor)
{
	const struct line lines[] = {
		{ A, 10 * S, WRONG_US + 10 * S, .want = CORRECTION_DUE,
			.delta_us = TRUE_US - WRONG_US },
		{ A, 10 * S, TRUE_US + 10 * S, .synced = true, .was = 1, .want = CORRECTION_PASS },
		{ B, 10 * S, TRUE_US + 900 * S, .synced = true, .want = CORRECTION_PASS },
	};

	check_plan(B, TRUE_US + 890 * S, lines, ARRAY_SIZE(lines));
}

TEST(what_cannot_be_dated)
{
	struct correction_plan plan = plan_new(A, TRUE_US);
	const struct line good = { A, 10 * S, WRONG_US, false, 0, CORRECTION_DUE, 0 };
	struct record bad[6];
	int64_t delta_us;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = record_of(&good, 1);
	bad[0].up_ns = 0;
	bad[1].boot[0] = '\0';
	bad[2].exposed_us = TIME_NONE;
	bad[3].type = RECORD_OTHER;
	CHECK_INT(correction_judge(&plan, &bad[5], &delta_us), CORRECTION_DUE);
	for (int i = 0; i < 4; i++)
		CHECK_INT(correction_judge(&plan, &bad[i], &delta_us), CORRECTION_PASS);
	/* before 1970, behind 9999 */
	plan = plan_new(A, -11 * S);
	CHECK_INT(correction_judge(&plan, &bad[5], &delta_us), CORRECTION_UNKNOWN);
	plan = plan_new(A, INT64_C(253402300800) * S - 10 * S);
	CHECK_INT(correction_judge(&plan, &bad[5], &delta_us), CORRECTION_UNKNOWN);
	plan = plan_new(A, -9 * S);
	CHECK_INT(correction_judge(&plan, &bad[5], &delta_us), CORRECTION_DUE);
	CHECK_INT(delta_us, 1 * S - WRONG_US);
	/* the exposure is in range, the slot before it is not */
	plan = plan_new(A, -10 * S + 299);
	CHECK_INT(correction_judge(&plan, &bad[5], &delta_us), CORRECTION_UNKNOWN);
}

TEST(moves_the_times_and_nothing_else)
{
	const struct line line = { A, 10 * S, WRONG_US + 123456, false, 0, CORRECTION_DUE, 0 };
	struct record frame = record_of(&line, 42), moved = correction_moved(&frame, 5000000001);

	CHECK_INT(moved.was, 42);
	CHECK_INT(moved.seq, 0);
	CHECK_INT(moved.exposed_us, frame.exposed_us + 5000000001);
	CHECK_INT(moved.slot_us, frame.slot_us + 5000000001);
	CHECK_INT(moved.late_us, 300);
	CHECK_INT(moved.synced, true);
	CHECK_INT(moved.up_ns, frame.up_ns);
	CHECK_STR(moved.boot, A);
}

TEST(zero_is_where_both_clocks_began)
{
	struct clock_fake fake = clock_fake(TRUE_US);

	CHECK_INT(clock_wall_of_up(&fake.clock, 0), TRUE_US - 3600 * S);
	fake.up_ns += 1500 * NS_PER_US;
	CHECK_INT(clock_wall_of_up(&fake.clock, 0), TRUE_US - 3600 * S - 1500);
}
