/* SPDX-License-Identifier: MIT */
/* Frames are matched to slots: nearest wins, every slot has one outcome, clock steps re-plan. */
#include "tests/test.h"

#include "capture/schedule/slots.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define S US_PER_SEC
static const int64_t base = INT64_C(1800000000) * US_PER_SEC;

static struct schedule_settings every(int64_t every_us)
{
	return (struct schedule_settings){ .every_us = every_us, .days = 0x7f };
}

/* Offers frames at the given offsets and writes down what becomes of the slots, "T-20 M C30 ". */
static void play(struct slots *slots, const int64_t *frames_ms, size_t n, char *log, size_t size)
{
	int64_t slot, candidate = 0;

	*log = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t frame = base + frames_ms[i] * 1000;
		enum slots_verdict verdict;
		char word[32] = "";

		do {
			verdict = slots_offer(slots, frame, 0, &slot);
			if (verdict == SLOTS_TAKE)
				snprintf(word, sizeof word, "T%+lld ",
					(long long)(frame - slot) / 1000);
			else if (verdict == SLOTS_TAKE_CANDIDATE)
				snprintf(word, sizeof word, "C%+lld ",
					(long long)(candidate - slot) / 1000);
			else if (verdict == SLOTS_MISS)
				snprintf(word, sizeof word, "M ");
			else
				word[0] = 0;
			if (strlen(log) + strlen(word) < size)
				strcat(log, word);
		} while (verdict == SLOTS_TAKE_CANDIDATE || verdict == SLOTS_MISS);
		if (verdict == SLOTS_HOLD)
			candidate = frame;
	}
}

TEST(the_nearest_frame_is_taken)
{
	static const struct {
		int64_t frames_ms[8];
		size_t n;
		const char *want;
	} cases[] = {
		{ { 1 }, 1, "T+1 " },
		{ { -20, 30 }, 2, "C-20 " },
		{ { -30, 20 }, 2, "T+20 " },
		{ { -30, 30 }, 2, "C-30 " },
		{ { -80, -40, 60 }, 3, "C-40 " },
		{ { 0, 500, 1000 }, 3, "T+0 T+0 " },
		{ { -300, 900, 1300 }, 3, "C-300 C-100 " },
		{ { 700 }, 1, "M " }, /* more than half the interval away from slot 0 */
		{ { 10, 5010 }, 2, "T+10 M M M M T+10 " }, /* silence: each slot is accounted for */
		{ { -600, 2400 }, 2, "M M T+400 " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings schedule = every(S);
		struct slots slots = slots_new(&schedule, base - S / 2);
		char log[256];

		play(&slots, cases[i].frames_ms, cases[i].n, log, sizeof log);
		CHECK_STR(log, cases[i].want);
	}
}

TEST(a_far_slot_takes_no_old_frame)
{
	struct schedule_settings schedule = every(3600 * S);
	struct slots slots = slots_new(&schedule, base);
	int64_t slot;

	CHECK_INT(slots_offer(&slots, base - 11 * S, 0, &slot), SLOTS_HOLD);
	CHECK_INT(slots_offer(&slots, base + 11 * S, 0, &slot), SLOTS_MISS);
	CHECK_INT(slot, base);
	CHECK_INT(slots.open_us, base + 3600 * S);
}

TEST(silence_expires_slots_in_order)
{
	struct schedule_settings schedule = every(S);
	struct slots slots = slots_new(&schedule, base);
	int64_t slot;

	CHECK_INT(slots_expire(&slots, base + 2 * S, 2 * S, &slot), SLOTS_HOLD);
	CHECK_INT(slots_expire(&slots, base + 2 * S + S / 2, 2 * S, &slot), SLOTS_MISS);
	CHECK_INT(slot, base);
	CHECK_INT(slots_expire(&slots, base + 2 * S + S / 2, 2 * S, &slot), SLOTS_HOLD);
	CHECK_INT(slots.open_us, base + S);
}

TEST(a_held_frame_is_taken_when_no_other_comes)
{
	struct schedule_settings schedule = every(S);
	struct slots slots = slots_new(&schedule, base);
	int64_t slot;

	CHECK_INT(slots_offer(&slots, base - S / 4, 0, &slot), SLOTS_HOLD);
	CHECK_INT(slots_expire(&slots, base + 2 * S, 2 * S, &slot), SLOTS_HOLD);
	CHECK_INT(slots_expire(&slots, base + 3 * S, 2 * S, &slot), SLOTS_TAKE_CANDIDATE);
	CHECK_INT(slot, base);
	CHECK_INT(slots_expire(&slots, base + 4 * S, 2 * S, &slot), SLOTS_MISS);
	CHECK_INT(slot, base + S);
}

TEST(a_frame_just_before_the_slot_is_taken_at_once)
{
	static const struct {
		int64_t before_ms, duration_ms;
		enum slots_verdict want;
	} cases[] = {
		{ 10, 250,
			SLOTS_TAKE }, /* the next one is 240 ms, or shortened 115 ms, behind it */
		{ 100, 250, SLOTS_HOLD }, /* the next one may be 25 ms behind it */
		{ 10, 0, SLOTS_HOLD }, /* nothing is known of the next one */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings schedule = every(S);
		struct slots slots = slots_new(&schedule, base);
		int64_t slot;

		CHECK_INT(slots_offer(&slots, base - cases[i].before_ms * 1000,
				  cases[i].duration_ms * 1000, &slot),
			cases[i].want);
	}
}

TEST(every_slot_has_one_outcome)
{
	uint64_t state = test_seed() | 1;
	struct schedule_settings schedule = every(S);
	struct slots slots = slots_new(&schedule, base);
	int64_t frame = base, expected = base, slot, outcomes = 0;

	for (int i = 0; i < 20000; i++) {
		enum slots_verdict verdict;

		frame += 1 +
			(int64_t)(test_random(&state) %
				(uint64_t)(test_random(&state) % 50 ? 300000 : 9 * S));
		do {
			verdict = slots_offer(&slots, frame, 0, &slot);
			if (verdict != SLOTS_HOLD && verdict != SLOTS_DROP) {
				CHECK_INT(slot, expected);
				expected += S;
				outcomes++;
			}
		} while (verdict == SLOTS_TAKE_CANDIDATE || verdict == SLOTS_MISS);
		while (slots_expire(&slots, frame, 2 * S, &slot) != SLOTS_HOLD) {
			CHECK_INT(slot, expected);
			expected += S;
			outcomes++;
		}
	}
	CHECK(outcomes > 1000);
	CHECK_INT(outcomes, (expected - base) / S);
}

TEST(clock_steps_replan)
{
	static const struct {
		int64_t done_s, before_s, after_s, want_open_s, want_skipped;
	} cases[] = {
		/* the slot after `done` is open */
		{ 10, 15, 16, 20, 0 }, /* forward within an interval */
		{ 10, 15, 45, 50, 3 }, /* forward over 20, 30, 40 */
		{ 10, 15, 40, 40, 2 }, /* onto a slot: it is taken */
		{ 10, 15, 12, 20, 0 }, /* back, behind the last outcome */
		{ 10, 15, 8, 20, 0 }, /* back over it: not taken twice */
		{ 10, 15, -1000, -1000, 0 }, /* far back: the schedule starts again there */
		{ 10, 15, 315360000, 315360000, 31535998 }, /* ten years on */
		/* the frame of 20 is on its way */
		{ 10, 21, 21, 30, 1 }, /* forward by next to nothing: it cannot be dated */
		{ 10, 25, 23, 20, 0 }, /* back a little: its time is not over */
		{ 10, 25, 19, 20, 0 }, /* back before it: taken when it comes */
		{ 10, 25, -1000, -1000,
			1 }, /* far back: it has an outcome before the end of time */
		{ 10, 45, -1000, -1000, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings schedule = every(10 * S);
		struct slots slots = slots_new(&schedule, base);
		uint64_t skipped = 99;
		int64_t first = 0, last = 0;

		slots.done_us = base + cases[i].done_s * S;
		slots.open_us = base + (cases[i].done_s + 10) * S;
		slots_step(&slots, base + cases[i].before_s * S, base + cases[i].after_s * S,
			&skipped, &first, &last);
		CHECK_INT(slots.open_us, base + cases[i].want_open_s * S);
		CHECK_INT(skipped, cases[i].want_skipped);
		if (skipped) {
			int64_t end_s = cases[i].after_s > cases[i].before_s ? cases[i].after_s
									     : cases[i].before_s;

			CHECK_INT(first, base + 20 * S);
			CHECK_INT(last, base + (end_s + 9) / 10 * 10 * S - 10 * S);
		}
	}
}

/* Several steps with no slot between them. */
TEST(clock_steps_in_a_row)
{
	static const struct {
		int64_t steps_s[12];
		size_t n;
		int64_t want_open_s;
	} cases[] = {
		/* every 1 s, at 0.5 s, slots up to 0 have an outcome, 1 is open */
		{ { -7, 3 }, 2, 1 }, /* on again, but not to where it was: nothing is repeated */
		{ { -7, 7 }, 2, 1 },
		{ { -1000, -7 }, 2, -1006 }, /* the account before the first step is closed */
		{ { -1000, 7 }, 2, -992 }, { { -7, -7 }, 2, -13 }, /* no waiting for 14 s */
		{ { -5, -5, -5, -5, -5, -5 }, 6, -29 }, { { 1000, -1000 }, 2, 1 },
		{ { 7, -7 }, 2, 8 }, /* 1 to 7 were passed over: they have their outcome */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings schedule = every(S);
		struct slots slots = slots_new(&schedule, base + S);
		int64_t wall = base + S / 2, first, last;
		uint64_t skipped;

		slots.done_us = base;
		for (size_t k = 0; k < cases[i].n; k++) {
			slots_step(&slots, wall, wall + cases[i].steps_s[k] * S, &skipped, &first,
				&last);
			wall += cases[i].steps_s[k] * S;
		}
		CHECK_INT((slots.open_us - base) / S, cases[i].want_open_s);
	}
}

/* The slots' account while the clock is set again and again. */
struct account {
	const struct schedule_settings *schedule;
	struct slots slots;
	int64_t next_us; /* the slot that must have the next outcome */
	bool empty; /* no outcome yet in this timeline */
	uint64_t frames, far, misses, skipped, segments;
};

static void outcome(struct account *a, int64_t first_us, int64_t last_us)
{
	CHECK_INT(first_us, a->next_us);
	a->empty = false;
	a->next_us = schedule_next(a->schedule, last_us + 1);
}

static void offer(struct account *a, int64_t frame_us)
{
	int64_t slot, candidate_us, distance;
	enum slots_verdict verdict;

	do {
		candidate_us = a->slots.candidate_us;
		verdict = slots_offer(&a->slots, frame_us, 0, &slot);
		if (verdict == SLOTS_HOLD || verdict == SLOTS_DROP)
			return;
		outcome(a, slot, slot);
		a->misses += verdict == SLOTS_MISS;
		a->frames += verdict != SLOTS_MISS;
		if (verdict == SLOTS_MISS)
			continue;
		distance = llabs((verdict == SLOTS_TAKE ? frame_us : candidate_us) - slot);
		a->far += distance > 70000;
		CHECK(distance <= a->schedule->every_us / 2);
	} while (verdict != SLOTS_TAKE);
}

static void step(struct account *a, int64_t before_us, int64_t after_us)
{
	int64_t first, last;
	uint64_t skipped;

	slots_step(&a->slots, before_us, after_us, &skipped, &first, &last);
	if (skipped) {
		CHECK_INT(schedule_count(a->schedule, first, last + 1), skipped);
		outcome(a, first, last);
		a->skipped += skipped;
	}
	if (a->slots.open_us == a->next_us)
		return;
	/* only a clock that went back begins again, and not before the old account is complete */
	CHECK(after_us < before_us && a->slots.open_us < a->next_us);
	CHECK(a->empty || a->next_us >= before_us);
	CHECK(a->slots.open_us >= after_us && a->slots.open_us < after_us + a->schedule->every_us);
	a->next_us = a->slots.open_us;
	a->empty = true;
	a->segments++;
}

/* 1 ms to 3 years, each order of magnitude as likely as the next. */
static int64_t random_step(uint64_t *state)
{
	int64_t us = INT64_C(1000) << test_random(state) % 37;

	us += (int64_t)(test_random(state) % (uint64_t)us);
	return test_random(state) % 2 ? us : -us;
}

/*
 * 10 frames/s with 20 ms of jitter, 70 ms on their way, now and then some seconds without any, and
 * a clock that is set some 1,000 times.
 */
TEST(frames_of_years_with_clock_steps)
{
	static const int64_t intervals[] = { 100000, 700000, S, 60 * S };
	uint64_t state = test_seed() | 1;

	for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
		struct schedule_settings schedule = every(intervals[i]);
		struct account a = { &schedule, slots_new(&schedule, base), .empty = true };
		int64_t wall = base, slot;
		uint64_t breaks = 0;
		int gap = 0;

		a.next_us = a.slots.open_us;
		for (int f = 0; f < 200000; f++) {
			int64_t jitter = (int64_t)(test_random(&state) % 40000) - 20000;

			wall += 100000;
			if (gap == 0 && test_random(&state) % 2000 == 0) {
				gap = (int)(test_random(&state) % 100);
				breaks++;
			}
			if (gap > 0)
				gap--;
			else
				offer(&a, wall + jitter - 70000);
			for (;;) {
				enum slots_verdict verdict =
					slots_expire(&a.slots, wall, 2 * S, &slot);

				if (verdict == SLOTS_HOLD)
					break;
				outcome(&a, slot, slot);
				a.misses += verdict == SLOTS_MISS;
				a.frames += verdict == SLOTS_TAKE_CANDIDATE;
			}
			if (test_random(&state) % 200 == 0) {
				int64_t after = wall + random_step(&state);

				if (after > base / 2 && after < base * 2) {
					step(&a, wall, after);
					wall = after;
					breaks++;
				}
			}
		}
		CHECK(a.frames > 100 && a.segments > 100 && a.skipped > 100000);
		CHECK(schedule.every_us > S || a.misses > 100);
		/*
		 * the nearest of frames every 100 ms, but for the ends of a silence and a timeline
		 */
		CHECK(a.far <= 2 * breaks);
	}
}

/*
 * What is expected while the schedule changes again and again: first the slots that had come by
 * then.
 */
struct changes {
	struct schedule_settings schedule;
	struct slots slots;
	int64_t owed_us[256], next_us;
	int n_owed;
	uint64_t outcomes, late;
};

static void expect(struct changes *c, int64_t slot)
{
	bool owed = c->n_owed > 0;

	CHECK_INT(slot, owed ? c->owed_us[0] : c->next_us);
	c->outcomes++;
	c->late += owed;
	if (owed)
		memmove(c->owed_us, c->owed_us + 1, (size_t)--c->n_owed * sizeof c->owed_us[0]);
	else
		c->next_us = schedule_next(&c->schedule, slot + 1);
}

static void change(struct changes *c, const struct schedule_settings *schedule, int64_t wall)
{
	int64_t slot, from = wall;

	for (slot = c->next_us; slot != TIME_NONE && slot <= wall;
		slot = schedule_next(&c->schedule, slot + 1))
		c->owed_us[c->n_owed++] = slot;
	while (slots_keep(&c->slots, wall) == -ENOSPC)
		if (CHECK(slots_expire(&c->slots, INT64_MAX, 0, &slot) != SLOTS_HOLD))
			expect(c, slot);
	c->schedule = *schedule;
	slots_plan(&c->slots, wall);
	if (c->n_owed && c->owed_us[c->n_owed - 1] == wall)
		from = wall + 1;
	c->next_us = schedule_next(&c->schedule, from);
	CHECK_INT(c->slots.open_us, c->n_owed ? c->owed_us[0] : c->next_us);
}

TEST(a_changed_schedule_holds_from_now_on)
{
	/* far apart and near, other phases, windows that are shut for days, or that never open */
	static const struct schedule_settings schedules[] = {
		{ .every_us = 100000, .days = 0x7f },
		{ .every_us = 700000, .days = 0x7f },
		{ .every_us = S, .days = 0x7f },
		{ .every_us = S, .offset_us = S / 2, .days = 0x7f },
		{ .every_us = 60 * S, .days = 0x7f },
		{ .every_us = 86400 * S, .days = 0x7f },
		{ .every_us = S, .days = 0x7f, .hours = { { 0, 60 } }, .n_hours = 1 },
		{ .every_us = S, .days = 1 },
		{ .every_us = S, .days = 0 },
	};
	uint64_t state = test_seed() | 1;
	struct changes c = { .schedule = schedules[0] };
	int64_t wall = base, slot;

	c.slots = slots_new(&c.schedule, base);
	c.next_us = c.slots.open_us;
	for (int f = 0; f < 200000; f++) {
		bool silent = f / 500 % 7 == 0; /* frames stay away for 50 s now and then */
		enum slots_verdict verdict;

		wall += 100000;
		do {
			verdict =
				silent ? SLOTS_DROP : slots_offer(&c.slots, wall - 70000, 0, &slot);
			if (verdict != SLOTS_DROP && verdict != SLOTS_HOLD)
				expect(&c, slot);
		} while (verdict == SLOTS_MISS || verdict == SLOTS_TAKE_CANDIDATE);
		while (slots_expire(&c.slots, wall, 2 * S, &slot) != SLOTS_HOLD)
			expect(&c, slot);
		if (test_random(&state) % 20 == 0)
			change(&c, &schedules[test_random(&state) % ARRAY_SIZE(schedules)], wall);
	}
	CHECK(c.outcomes > 20000 && c.late > 1000);
}

/* The clock is set while slots of a former schedule wait for their frames. */
TEST(a_clock_step_soon_after_a_changed_schedule)
{
	static const struct {
		int64_t step_ms;
		uint64_t skipped;
		int64_t first_ms, last_ms, open_ms; /* after base */
	} cases[] = {
		{ -200, 0, 0, 0, -1000 }, /* no slot is repeated, none given up */
		{ -2500, 0, 0, 0, -1000 },
		{ 2500, 5, -1000, 2000, 3000 }, /* those that are owed as well */
		{ -86400000, 3, -1000, 0, -86399000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings schedule = every(S / 2), next = every(S);
		struct slots slots = slots_new(&schedule, base - S);
		int64_t now = base + 100000, first = base, last = base;
		uint64_t skipped;

		next.offset_us = 0;
		CHECK_INT(slots_keep(&slots, now), 0);
		schedule = next;
		slots_plan(&slots, now);
		slots_step(&slots, now, now + cases[i].step_ms * 1000, &skipped, &first, &last);
		CHECK_INT(skipped, cases[i].skipped);
		CHECK_INT((first - base) / 1000, cases[i].first_ms);
		CHECK_INT((last - base) / 1000, cases[i].last_ms);
		CHECK_INT((slots.open_us - base) / 1000, cases[i].open_ms);
	}
}
