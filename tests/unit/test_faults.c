/* SPDX-License-Identifier: MIT */
/* Fault scripts: what is one, and what is broken when. Time is a number here. */
#include "tests/test.h"

#include "capture/simcam/faults.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define T0 (1000 * NS_PER_SEC)
#define SEC NS_PER_SEC

static struct faults *get(const char *script, uint64_t seed, int64_t now_ns)
{
	struct faults *f = NULL;
	char error[256] = "";
	int r = faults_get(script, seed, now_ns, &f, error, sizeof(error));

	if (r < 0) {
		fprintf(stderr, "\"%s\": %s\n", script, error);
		CHECK_INT(r, 0);
		exit(1);
	}
	return f;
}

static void count_frames(struct faults *f, int n)
{
	while (n-- > 0)
		faults_count_frame(f);
}

TEST(scripts)
{
	static const struct {
		const char *script, *complaint; /* part of it; NULL: it is fine */
	} cases[] = {
		{ "", NULL },
		{ "  ", NULL },
		{ "freeze@30", NULL },
		{ "freeze@30f+5s", NULL },
		{ "cancel@60, busy@open*3 ,gone@100+10s,slowstop@200+20s,hangstop@12s,stale@60*3",
			NULL },
		{ "busy@start", NULL },
		{ "busy@10+500ms*2", NULL },
		{ "slowstop@1min+2min*3", NULL },
		{ "freze@30", "\"freze@30\" is not a fault" },
		{ "freeze", "is not a fault" },
		{ "@30", "is not a fault" },
		{ "FREEZE@30", "is not a fault" },
		{ "freeze@", "after @" },
		{ "freeze@-1", "after @" },
		{ "freeze@open", "after @" },
		{ "freeze@999999999", "after @" },
		{ "freeze@30x", "is not a comma" },
		{ "freeze@30sec", "is not a comma" },
		{ "freeze@30+5", "needs a duration such as 500ms" },
		{ "freeze@30+0s", "needs a duration such as 500ms" },
		{ "freeze@30+-5s", "needs a duration such as 500ms" },
		{ "freeze@30*2", "takes no count" },
		{ "freeze@30+5s+5s", "is not a comma" },
		{ "stale@30+5s", "takes no duration" },
		{ "stale@30", "needs a count" },
		{ "stale@30*0", "needs a count from 1" },
		{ "slowstop@30", "needs a duration" },
		{ "hangstop@30+5s", "takes no duration" },
		{ "freeze@1,", "is not a fault" },
		{ "freeze@1,,cancel@2", "is not a fault" },
		{ ",", "is not a fault" },
		{ "freeze@1 cancel@2", "is not a comma" },
		{ "freeze@1;cancel@2", "is not a comma" },
		{ "cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@"
		  "1,"
		  "cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1",
			NULL },
		{ "cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@"
		  "1,"
		  "cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1,cancel@1",
			"one fault too many" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct faults *f = NULL;
		char error[256] = "";
		int r = faults_get(cases[i].script, 1, T0, &f, error, sizeof(error));

		if (!CHECK(r == (cases[i].complaint ? -EINVAL : 0) && !f == !!cases[i].complaint) ||
			!CHECK(!cases[i].complaint || strstr(error, cases[i].complaint)))
			fprintf(stderr, "  \"%s\" is %d: %s\n", cases[i].script, r, error);
		faults_put(f);
	}
}

TEST(a_long_script_is_refused)
{
	char script[FAULT_SCRIPT_BYTES_MAX + 10], error[64];
	struct faults *f = NULL;

	memset(script, ' ', sizeof(script));
	script[FAULT_SCRIPT_BYTES_MAX] = 0;
	CHECK_INT(faults_get(script, 1, T0, &f, error, sizeof(error)), -EINVAL);
	script[FAULT_SCRIPT_BYTES_MAX - 1] = 0;
	CHECK_INT(faults_get(script, 1, T0, &f, error, sizeof(error)), 0);
	faults_put(f);
}

TEST(freeze_by_frames)
{
	struct faults *f = get("freeze@3+5s", 2, T0);
	struct fault_state state;

	CHECK(!faults_now(f, T0).frozen);
	count_frames(f, 2);
	CHECK(!faults_now(f, T0).frozen);
	count_frames(f, 1);
	state = faults_now(f, T0 + SEC);
	CHECK(state.frozen && state.error == 0);
	CHECK_INT(state.next_ns, T0 + 6 * SEC);
	/* a restart does not heal it, the time does */
	CHECK_INT(faults_at_stop(f, T0 + 2 * SEC), 0);
	CHECK_INT(faults_at_call(f, FAULT_START, T0 + 2 * SEC), 0);
	CHECK(faults_now(f, T0 + 6 * SEC - 1).frozen);
	CHECK(!faults_now(f, T0 + 6 * SEC).frozen);
	CHECK_INT(faults_now(f, T0 + 6 * SEC).next_ns, INT64_MAX);
	faults_put(f);
}

TEST(freeze_by_time_until_a_restart)
{
	struct faults *f = get("freeze@12s", 2, T0);

	CHECK_INT(faults_now(f, T0).next_ns, T0 + 12 * SEC);
	CHECK(!faults_now(f, T0 + 12 * SEC - 1).frozen);
	CHECK(faults_now(f, T0 + 12 * SEC).frozen);
	CHECK(faults_now(f, T0 + 9999 * SEC).frozen);
	CHECK_INT(faults_now(f, T0 + 9999 * SEC).next_ns, INT64_MAX);
	faults_at_stop(f, T0 + 9999 * SEC);
	CHECK(!faults_now(f, T0 + 9999 * SEC).frozen);
	faults_put(f);
}

TEST(cancel)
{
	struct faults *f = get("cancel@2, cancel@5+3s", 2, T0);

	count_frames(f, 2);
	CHECK_INT(faults_now(f, T0).error, -ECANCELED);
	CHECK_INT(faults_now(f, T0 + 100 * SEC).error, -ECANCELED);
	faults_at_stop(f, T0);
	CHECK_INT(faults_now(f, T0).error, 0);
	count_frames(f, 3);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(faults_now(f, T0 + i * SEC).error, -ECANCELED);
		faults_at_stop(f, T0 + i * SEC);
	}
	CHECK_INT(faults_now(f, T0 + 3 * SEC).error, 0);
	faults_put(f);
}

TEST(busy)
{
	struct faults *f = get("busy@open*2, busy@start, busy@4+2s", 2, T0);

	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0), -EBUSY);
	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0), -EBUSY);
	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0), 0);
	CHECK_INT(faults_at_call(f, FAULT_START, T0), -EBUSY);
	CHECK_INT(faults_at_call(f, FAULT_START, T0), 0);
	count_frames(f, 4);
	CHECK_INT(faults_at_call(f, FAULT_START, T0), -EBUSY);
	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0 + 2 * SEC - 1), -EBUSY);
	CHECK_INT(faults_at_call(f, FAULT_START, T0 + 2 * SEC), 0);
	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0 + 2 * SEC), 0);
	faults_put(f);
}

TEST(gone)
{
	struct faults *f = get("gone@1+10s, gone@2", 2, T0);

	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0), 0);
	count_frames(f, 1);
	CHECK_INT(faults_now(f, T0).error, -ENODEV);
	CHECK_INT(faults_at_call(f, FAULT_START, T0), -ENODEV);
	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0 + 10 * SEC - 1), -ENODEV);
	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0 + 10 * SEC), 0);
	CHECK_INT(faults_now(f, T0 + 10 * SEC).error, 0);
	count_frames(f, 1);
	/* without a time: until it is opened again */
	CHECK_INT(faults_now(f, T0 + 20 * SEC).error, -ENODEV);
	faults_at_stop(f, T0 + 20 * SEC);
	CHECK_INT(faults_at_call(f, FAULT_START, T0 + 99 * SEC), -ENODEV);
	CHECK_INT(faults_at_call(f, FAULT_OPEN, T0 + 99 * SEC), 0);
	CHECK_INT(faults_now(f, T0 + 99 * SEC).error, 0);
	faults_put(f);
}

TEST(stops)
{
	struct faults *f = get("slowstop@1+20s*2, hangstop@3", 2, T0);

	CHECK_INT(faults_at_stop(f, T0), 0);
	count_frames(f, 1);
	/* a stop that will be slow is no reason to wake up, now or later */
	CHECK_INT(faults_now(f, T0 + 100 * SEC).next_ns, INT64_MAX);
	CHECK_INT(faults_at_stop(f, T0 + 100 * SEC), 20 * SEC);
	CHECK_INT(faults_at_stop(f, T0 + 200 * SEC), 20 * SEC);
	CHECK_INT(faults_at_stop(f, T0 + 300 * SEC), 0);
	count_frames(f, 2);
	CHECK_INT(faults_at_stop(f, T0), INT64_MAX);
	CHECK_INT(faults_at_stop(f, T0), INT64_MAX);
	faults_put(f);
}

TEST(stale)
{
	struct faults *f = get("stale@2*3", 2, T0);

	count_frames(f, 2);
	for (int left = 3; left >= 0; left--) {
		CHECK_INT(faults_now(f, T0).stale, left);
		count_frames(f, 1);
	}
	faults_put(f);
}

/* The state is the hardware's: it outlives close and open; another seed is other hardware. */
TEST(state_stays)
{
	struct faults *f = get("cancel@5", 10, T0), *other = NULL;
	char error[128] = "";

	count_frames(f, 3);
	CHECK_INT(faults_get("cancel@5", 10, T0, &other, error, sizeof error), -EBUSY);
	CHECK_INT(faults_get("cancel@5", 11, T0, &other, error, sizeof error), -EBUSY);
	CHECK(error[0] != 0 && !other);
	faults_put(f);
	f = get("cancel@5", 10, T0 + SEC);
	count_frames(f, 2);
	CHECK_INT(faults_now(f, T0 + SEC).error, -ECANCELED);
	faults_put(f);
	f = get("cancel@5", 11, T0 + SEC);
	CHECK_INT(faults_now(f, T0 + SEC).error, 0);
	faults_put(f);
	faults_put(NULL);
}
