/* SPDX-License-Identifier: MIT */
/* What a session asks next, and whether it comes again: tables of facts. */
#include "pull/session/plan.h"

#include "common/base/limits.h"
#include "common/base/util.h"
#include "common/commands/cli.h"
#include "tests/test.h"

#define SECOND INT64_C(1000000)

static const struct {
	const char *name;
	struct plan_facts facts;
	enum plan_step want;
} steps[] = {
	/* the first request, which opens the connection */
	{ "newest", { .newest_due = true, .credit = 1 }, STEP_NEWEST },
	{ "newest, something is held", { .compare_due = true, .newest_due = true, .credit = 1 },
		STEP_NEWEST },
	{ "newest, a visit before began a frame",
		{ .compare_due = true, .newest_due = true, .n_items = 1, .credit = 1 },
		STEP_FRAME },
	{ "backlog, nothing is held", { PLAN_BACKLOG, .credit = 1 }, STEP_DONE },
	{ "backlog", { PLAN_BACKLOG, .compare_due = true, .credit = 1 }, STEP_COMPARE },
	{ "follow", { PLAN_FOLLOW, .newest_due = true, .credit = 1 }, STEP_NEWEST },
	{ "follow, something is held",
		{ PLAN_FOLLOW, .compare_due = true, .newest_due = true, .n_items = 1, .credit = 1 },
		STEP_COMPARE },
	/* newest */
	{ "the histories while the frame comes",
		{ .asked = true, .n_asks = 1, .compare_due = true, .credit = 1 }, STEP_COMPARE },
	{ "nothing else before that is answered",
		{ .asked = true, .n_asks = 2, .comparing = true, .newest_due = true, .credit = 1 },
		STEP_ANSWER },
	{ "and then the newest, after a frame that was begun before",
		{ .asked = true, .newest_due = true, .credit = 1 }, STEP_NEWEST },
	{ "all is asked", { .asked = true, .n_asks = 1, .credit = 1 }, STEP_ANSWER },
	{ "all is answered", { .asked = true, .credit = 1 }, STEP_DONE },
	/* backlog */
	{ "a list", { PLAN_BACKLOG, .asked = true, .list_wanted = true, .credit = 1 }, STEP_LIST },
	{ "a frame before a list",
		{ PLAN_BACKLOG, .asked = true, .list_wanted = true, .n_items = 9, .credit = 1 },
		STEP_FRAME },
	{ "then the list",
		{ PLAN_BACKLOG, .asked = true, .n_asks = 1, .list_wanted = true, .n_items = 9,
			.under_way = 5, .credit = 100 },
		STEP_LIST },
	{ "frames as far as the credit allows",
		{ PLAN_BACKLOG, .asked = true, .n_asks = 2, .n_items = 9, .under_way = 99,
			.credit = 100 },
		STEP_FRAME },
	{ "and no further",
		{ PLAN_BACKLOG, .asked = true, .n_asks = 2, .n_items = 9, .under_way = 100,
			.credit = 100 },
		STEP_ANSWER },
	{ "the ring is full",
		{ PLAN_BACKLOG, .asked = true, .n_asks = SYNC_ASKS_MAX, .n_items = 9,
			.credit = 100 },
		STEP_ANSWER },
	{ "a rate limit",
		{ PLAN_BACKLOG, .asked = true, .n_items = 9, .credit = 100, .paused = true },
		STEP_NAP },
	{ "a rate limit, with answers to come",
		{ PLAN_BACKLOG, .asked = true, .n_asks = 1, .n_items = 9, .credit = 100,
			.paused = true },
		STEP_ANSWER },
	{ "the time is over",
		{ PLAN_BACKLOG, .time_over = true, .asked = true, .n_items = 9, .credit = 100 },
		STEP_DONE },
	{ "the time is over, with answers to come",
		{ PLAN_BACKLOG, .time_over = true, .asked = true, .n_asks = 3, .n_items = 9,
			.credit = 100 },
		STEP_ANSWER },
	/* follow */
	{ "what was begun, then what comes",
		{ PLAN_FOLLOW, .asked = true, .newest_due = true, .n_items = 1, .credit = 1 },
		STEP_FRAME },
	{ "the next one while this one comes",
		{ PLAN_FOLLOW, .asked = true, .newest_due = true, .under_way = 5000, .credit = 1 },
		STEP_NEWEST },
	{ "what is due, now and then",
		{ PLAN_FOLLOW, .asked = true, .newest_due = true, .status_due = true, .credit = 1 },
		STEP_STATUS },
	{ "one that is asked for waits",
		{ PLAN_FOLLOW, .asked = true, .n_asks = 1, .status_due = true, .credit = 1 },
		STEP_ANSWER },
};

TEST(what_is_asked_next)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (!CHECK(plan_next(&steps[i].facts) == steps[i].want))
			fprintf(stderr, "  %s\n", steps[i].name);
	}
}

static const struct {
	const char *name;
	struct plan_end end;
	enum plan_after want;
} ends[] = {
	{ "newest, done", { .code = CLI_OK, .why = CONNECT_DONE }, AFTER_END },
	{ "newest, a lost link", { .code = CLI_TEMPFAIL, .why = CONNECT_SILENT }, AFTER_END },
	{ "follow goes on", { PLAN_FOLLOW, CLI_TEMPFAIL, CONNECT_SILENT, true }, AFTER_RETRY },
	{ "follow, refused", { PLAN_FOLLOW, CLI_REFUSED, CONNECT_ANSWERED }, AFTER_RETRY },
	{ "follow, the disk is away", { PLAN_FOLLOW, CLI_TEMPFAIL, CONNECT_HERE, true },
		AFTER_RETRY },
	{ "backlog, done", { PLAN_BACKLOG, CLI_OK, CONNECT_DONE, true }, AFTER_END },
	{ "backlog, never there", { PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_SILENT }, AFTER_END },
	{ "backlog, a lost link", { PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_SILENT, true },
		AFTER_RETRY },
	{ "backlog, for a day",
		{ PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_SILENT, true, .silent_us = 86400 * SECOND },
		AFTER_RETRY },
	{ "backlog, for nearly so long",
		{ PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_SILENT, true, false, 600 * SECOND - 1,
			600 * SECOND },
		AFTER_RETRY },
	{ "backlog, for too long",
		{ PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_SILENT, true, false, 600 * SECOND,
			600 * SECOND },
		AFTER_END },
	{ "backlog, another camera", { PLAN_BACKLOG, CLI_PROTOCOL, CONNECT_ANSWERED, true },
		AFTER_END },
	{ "backlog, the disk is away", { PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_HERE, true },
		AFTER_END },
	{ "backlog, the time is over", { PLAN_BACKLOG, CLI_OK, CONNECT_DONE, true, true },
		AFTER_TIME_OVER },
	{ "backlog, the time is over in a blackout",
		{ PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_SILENT, true, true }, AFTER_TIME_OVER },
	{ "backlog, the time is over and it was never there",
		{ PLAN_BACKLOG, CLI_TEMPFAIL, CONNECT_SILENT, false, true }, AFTER_END },
	{ "backlog, the time is over and the key is refused",
		{ PLAN_BACKLOG, CLI_REFUSED, CONNECT_ANSWERED, true, true }, AFTER_END },
};

TEST(whether_it_comes_again)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (!CHECK(plan_after(&ends[i].end) == ends[i].want))
			fprintf(stderr, "  %s\n", ends[i].name);
	}
}
