/* SPDX-License-Identifier: MIT */
/* Frames are matched to slots: nearest wins, every slot has one outcome, clock steps re-plan. */
#include "tests/test.h"

#include "capture/slots.h"
#include "common/clock.h"

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
			verdict = slots_offer(slots, frame, &slot);
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

	CHECK_INT(slots_offer(&slots, base - 11 * S, &slot), SLOTS_HOLD);
	CHECK_INT(slots_offer(&slots, base + 11 * S, &slot), SLOTS_MISS);
	CHECK_INT(slot, base);
	CHECK_INT(slots.open_us, base + 3600 * S);
}

TEST(silence_expires_slots_in_order)
{
	struct schedule_settings schedule = every(S);
	struct slots slots = slots_new(&schedule, base);
	int64_t slot;

	CHECK(!slots_expire(&slots, base + 2 * S, 2 * S, &slot));
	CHECK(slots_expire(&slots, base + 2 * S + S / 2, 2 * S, &slot));
	CHECK_INT(slot, base);
	CHECK(!slots_expire(&slots, base + 2 * S + S / 2, 2 * S, &slot));
	CHECK_INT(slots.open_us, base + S);
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
			verdict = slots_offer(&slots, frame, &slot);
			if (verdict != SLOTS_HOLD && verdict != SLOTS_DROP) {
				CHECK_INT(slot, expected);
				expected += S;
				outcomes++;
			}
		} while (verdict == SLOTS_TAKE_CANDIDATE || verdict == SLOTS_MISS);
		while (slots_expire(&slots, frame, 2 * S, &slot)) {
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
		{ 10, 15, 16, 20, 0 }, /* forward within an interval */
		{ 10, 15, 45, 50, 3 }, /* forward over 20, 30, 40 */
		{ 10, 15, 40, 40, 2 }, /* onto a slot: it is taken */
		{ 10, 15, 12, 20, 0 }, /* back, behind the last outcome */
		{ 10, 15, 8, 20, 0 }, /* back over it: not taken twice */
		{ 10, 15, -1000, -1000, 0 }, /* far back: the schedule starts again there */
		{ 10, 15, 315360000, 315360000, 31535998 }, /* ten years on */
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
			CHECK_INT(first, base + 20 * S);
			CHECK_INT(last, slots.open_us - 10 * S);
		}
	}
}
