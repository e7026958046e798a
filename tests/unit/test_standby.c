/* SPDX-License-Identifier: MIT */
/* When the stream is wanted, and what is learned from one start for the next. */
#include "tests/test.h"

#include "capture/service/standby.h"
#include "common/base/util.h"

#define S US_PER_SEC

TEST(when_the_stream_is_wanted)
{
	static const struct {
		int mode;
		int64_t every_s, warmup_s, until_s, least_s;
		bool streaming, want;
	} cases[] = {
		/* auto is stream up to 30 s */
		{ STANDBY_AUTO, 30, 0, 29, 0, true, true },
		{ STANDBY_AUTO, 30, 0, 29, 0, false, true },
		{ STANDBY_AUTO, 31, 0, 30, 0, true, false },
		{ STANDBY_AUTO, 31, 0, 3, 0, false, true },
		{ STANDBY_STREAM, 3600, 0, 3, 0, false, true },
		/* a lead of 3.5 s before anything is known, and 2 s more for a stream that runs */
		{ STANDBY_STOP, 60, 0, 4, 0, false, false },
		{ STANDBY_STOP, 60, 0, 5, 0, true, true },
		{ STANDBY_STOP, 60, 0, 6, 0, true, false },
		{ STANDBY_STOP, 60, 0, 3, 0, false, true },
		{ STANDBY_STOP, 60, 0, 0, 0, true, true },
		{ STANDBY_STOP, 60, 0, -2, 0, true, true }, /* its frame is on the way */
		{ STANDBY_STOP, 1, 0, 1, 0, true, true }, /* no time to stop */
		{ STANDBY_STOP, 60, 10, 9, 0, false, true }, /* warmup is a lead of its own */
		{ STANDBY_STOP, 60, 1, 2, 0, false, false },
		{ STANDBY_STOP, 60, 1, 7, 8, false, true }, /* the phase lock needs longer */
		/* a window is closed for hours: also the stream rests */
		{ STANDBY_STREAM, 1, 0, 33, 0, true, true },
		{ STANDBY_STREAM, 1, 0, 34, 0, true, false },
		{ STANDBY_AUTO, 1, 0, 36000, 0, true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct capture_settings settings = { .camera = { .standby = cases[i].mode,
							     .warmup_us = cases[i].warmup_s * S },
			.schedule.every_us = cases[i].every_s * S };
		struct settling s = settling_new();

		if (cases[i].streaming)
			settling_start(&s, 0);
		if (standby_wanted(&settings, &s, cases[i].until_s * S, 0, cases[i].least_s * S) !=
			cases[i].want) {
			CHECK_INT(!cases[i].want, cases[i].want);
			fprintf(stderr, "case %zu\n", i);
		}
	}
	CHECK(!standby_wanted(&(struct capture_settings){ .camera.standby = STANDBY_STREAM },
		&(struct settling){ 0 }, INT64_MAX, 0, 0));
}

/* A start at 100 s whose first settled frame comes after `took_us`. */
static void start(struct settling *s, int64_t took_us, unsigned before, unsigned after)
{
	settling_start(s, 100 * S);
	for (int64_t us = S / 10; us < took_us; us += S / 10)
		settling_frame(s, 100 * S + us, before);
	settling_frame(s, 100 * S + took_us, after);
	settling_frame(s, 100 * S + took_us + S, after);
	settling_stop(s, 100 * S + took_us + 2 * S);
}

TEST(it_learns_how_long_settling_takes)
{
	struct capture_settings settings = { 0 };
	struct settling s = settling_new();
	int64_t last;

	CHECK_INT(standby_lead_us(&settings, &s, 0, 0), 3 * S + S / 2);
	start(&s, 4 * S, FRAME_STARTUP, 0);
	CHECK_INT(standby_lead_us(&settings, &s, 0, 0), 6 * S + S / 2); /* longer: at once */
	start(&s, 4 * S, FRAME_STARTUP, 0);
	CHECK_INT(s.settle_us, 4 * S);
	start(&s, S, FRAME_STARTUP, 0);
	CHECK_INT(s.settle_us, 4 * S - 3 * S / 8); /* shorter: an eighth of the way */
	for (int i = 0; i < 60; i++) {
		last = s.settle_us;
		start(&s, S, FRAME_STARTUP, 0);
		CHECK(s.settle_us <= last);
	}
	CHECK(s.settle_us < S + S / 100);
	/* a fixed lead has the last word, and the phase lock needs what it needs */
	settings.camera.warmup_us = 5 * S;
	CHECK_INT(standby_lead_us(&settings, &s, 0, 0), 5 * S);
	CHECK_INT(standby_lead_us(&settings, &s, 0, 7 * S), 7 * S);
	CHECK(s.settle_us < S + S / 100);
}

TEST(a_camera_that_tells_is_believed)
{
	struct settling s = settling_new();

	start(&s, 3 * S, 0, FRAME_CONVERGED);
	CHECK_INT(s.settle_us, 2 * S - (2 * S - S / 10) / 8); /* not known yet that it tells */
	start(&s, 3 * S, 0, FRAME_CONVERGED);
	CHECK_INT(s.settle_us, 3 * S);
	start(&s, 3 * S, FRAME_STARTUP | FRAME_CONVERGED, FRAME_CONVERGED);
	CHECK_INT(s.settle_us, 3 * S);
}

TEST(a_start_that_never_settled)
{
	struct settling s = settling_new();

	start(&s, 3 * S, FRAME_STARTUP, FRAME_STARTUP); /* stopped after 5 s */
	CHECK_INT(s.settle_us, 10 * S);
	start(&s, 30 * S, FRAME_STARTUP, FRAME_STARTUP);
	CHECK_INT(s.settle_us, SETTLE_MAX_US);
	/* broken before it could: nothing is learned from that */
	start(&s, S, FRAME_STARTUP, FRAME_STARTUP);
	CHECK_INT(s.settle_us, SETTLE_MAX_US);
	/* a late frame of a stream that was stopped */
	s = settling_new();
	settling_start(&s, 100 * S);
	settling_stop(&s, 101 * S);
	settling_frame(&s, 110 * S, 0);
	CHECK_INT(s.settle_us, SETTLE_FIRST_US);
}

TEST(a_night_without_pictures)
{
	struct capture_settings settings = { .camera.standby = STANDBY_STOP,
		.schedule.every_us = 60 * S };
	const int64_t night = 10 * 3600 * S;
	struct settling s = settling_new();

	CHECK_INT(settling_rest_us(&s, night), 0); /* it never ran: nothing is known of it */
	start(&s, S, FRAME_STARTUP, 0); /* stopped at 103 s */
	CHECK_INT(settling_rest_us(&s, 163 * S), 60 * S);
	CHECK_INT(standby_lead_us(&settings, &s, night, 0),
		standby_lead_us(&settings, &s, 60 * S, 0) + STANDBY_LONG_LEAD_US);
	CHECK(!standby_wanted(&settings, &s, 6 * S, 60 * S, 0));
	CHECK(standby_wanted(&settings, &s, 6 * S, night, 0));
	/* the stream that has started so early is not stopped for the rest of its lead */
	settling_start(&s, 103 * S + night);
	CHECK_INT(settling_rest_us(&s, 113 * S + night), night);
	CHECK(standby_wanted(&settings, &s, 6 * S, settling_rest_us(&s, 109 * S + night), 0));
	settings.camera.warmup_us = 5 * S;
	CHECK_INT(standby_lead_us(&settings, &s, night, 0), 5 * S);
}
