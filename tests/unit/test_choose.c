/* SPDX-License-Identifier: MIT */
/* A slot at 0 is offered frames; what becomes of them is held against rules said in another way. */
#include "tests/test.h"

#include "capture/choose.h"
#include "common/util.h"

#define MS 1000
#define TOLERANCE (500 * MS)

/* Offers the frames in order and returns which one the slot got, -1 for none, -2 for no decision. */
static int play(const struct choose_frame *frames, int n, bool end, int *ret_after)
{
	int held = -1;

	for (int i = 0; i < n; i++) {
		const struct choose_frame *h = held >= 0 ? &frames[held] : NULL;

		*ret_after = i;
		switch (choose_offer(0, TOLERANCE, h, &frames[i])) {
		case CHOOSE_DROP:
			break;
		case CHOOSE_HOLD:
			held = i;
			break;
		case CHOOSE_TAKE:
			return i;
		case CHOOSE_TAKE_HELD:
			return CHECK(h) ? held : -3;
		case CHOOSE_NONE:
			return -1;
		}
	}
	if (!end)
		return -2;
	*ret_after = n;
	return choose_end(0, TOLERANCE, held >= 0 ? &frames[held] : NULL) == CHOOSE_TAKE_HELD ? held
											      : -1;
}

/* "-20 +30": exposures in ms; "s" before one: a start-up frame; "d100": frames last 100 ms from here */
static int parse(const char *text, struct choose_frame *frames)
{
	int n = 0, used;
	struct choose_frame frame = { 0 };

	for (; *text; text += used + (text[used] == ' ')) {
		long value;
		char kind = *text == 's' || *text == 'd' ? *text : 0;

		if (!CHECK(sscanf(text + (kind != 0), "%ld%n", &value, &used) == 1))
			return 0;
		used += kind != 0;
		if (kind == 'd') {
			frame.duration_us = value * MS;
			continue;
		}
		frames[n] = frame;
		frames[n].start_us = value * MS;
		frames[n++].startup = kind == 's';
	}
	return n;
}

TEST(the_frame_for_a_slot)
{
	static const struct {
		const char *frames;
		int want, after; /* which, and after how many more were seen */
	} cases[] = {
		{ "0", 0, 0 },
		{ "30", 0, 0 },
		{ "-20 30", 0, 1 },
		{ "-30 20", 1, 1 },
		{ "-30 30", 0, 1 }, /* of two as near, the earlier */
		{ "-90 -50 60", 1, 2 },
		{ "-500 600", 0, 1 },
		{ "-501 500", 1, 1 },
		{ "-501 501", -1, 1 }, /* stale, and too late */
		{ "501", -1, 0 },
		{ "-100", -2, 0 },
		/* certain before the next one is there */
		{ "d100 -20", 0, 0 },
		{ "d100 -25", -2, 0 },
		{ "d100 -24", 0, 0 },
		{ "d100 -120 -20 80", 1, 1 },
		{ "d100 -60 40", 1, 1 },
		{ "d4000 -400", 0, 0 },
		{ "d4000 -600", -2, 0 },
		/* start-up frames are for when there is nothing else */
		{ "s-20 100", 1, 1 },
		{ "s-20 s80 180", 2, 2 },
		{ "-100 s-20 40", 2, 2 },
		{ "-100 s-20 140", 0, 2 },
		{ "-100 s80 120", 0, 2 },
		{ "-100 s100", 0, 1 },
		{ "s0 s100", -2, 1 },
		{ "s-200 s-100 s80 s180 501", 2, 4 },
		{ "s-50 s80 501", 0, 2 },
		{ "d100 s-10 90", 1, 1 },
		{ "s-501 501", -1, 1 },
		{ "s-20 s501", 0, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct choose_frame frames[8];
		int n = parse(cases[i].frames, frames), after = -1;
		int got = play(frames, n, false, &after);

		if (got != cases[i].want || after != cases[i].after) {
			CHECK_INT(got, cases[i].want);
			CHECK_INT(after, cases[i].after);
			fprintf(stderr, "\"%s\"\n", cases[i].frames);
		}
	}
}

TEST(at_the_deadline_what_is_held_is_better_than_nothing)
{
	static const struct {
		const char *frames;
		int want;
	} cases[] = { { "", -1 }, { "-100", 0 }, { "-501", -1 }, { "s-20", 0 }, { "-300 s-20", 0 },
		{ "s-100 s80", 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct choose_frame frames[8];
		int after;

		CHECK_INT(
			play(frames, parse(cases[i].frames, frames), true, &after), cases[i].want);
	}
	/* the clock was set while it was held */
	CHECK_INT(choose_end(0, TOLERANCE, &(struct choose_frame){ .start_us = 501 * MS }),
		CHOOSE_NONE);
}

/* Any stream of frames: the choice is the best of all, whatever came after it was made. */
TEST(no_better_frame_was_let_go)
{
	uint64_t state = test_seed() | 1;

	for (int round = 0; round < 100000; round++) {
		struct choose_frame frames[32];
		int64_t duration = 1 + (int64_t)(test_random(&state) % (200 * MS));
		int64_t start = -(int64_t)(test_random(&state) % (900 * MS));
		int n = (int)(test_random(&state) % 32), best = -1, after, got;
		int startup = (int)(test_random(&state) % 16);

		for (int i = 0; i < n; i++) {
			frames[i].start_us = start;
			frames[i].startup = i < startup;
			frames[i].duration_us = test_random(&state) % 4 ? duration : 0;
			/* the steered one is shorter or longer, some are lost */
			start += test_random(&state) % 8 ? duration
							 : duration / 2 +
					(int64_t)(test_random(&state) % (uint64_t)(3 * duration));
		}
		for (int i = 0; i < n; i++) {
			int64_t d = llabs(frames[i].start_us);

			if (d <= TOLERANCE &&
				(best < 0 || (frames[best].startup && !frames[i].startup) ||
					(frames[best].startup == frames[i].startup &&
						d < llabs(frames[best].start_us))))
				best = i;
		}
		got = play(frames, n, true, &after);
		if (got != best) {
			CHECK_INT(got, best);
			fprintf(stderr, "round %d\n", round);
			break;
		}
	}
}
