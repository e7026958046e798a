/* SPDX-License-Identifier: MIT */
/* Changes of exposure and frame duration on a Pi's camera, which the phase lock meets ahead. */
#include "tests/test.h"

#include <math.h>

#include "capture/stream/phase_lock.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define MS INT64_C(1000000)

/* What comes with a request shows some frames after it, the duration of a frame too. */
struct chain {
	int queued, answer; /* requests that wait, frames from them to their effect */
	int64_t line_ns;
	double drift_ppm;
	int64_t frame; /* the newest one */
	double end_ns; /* of its exposure */
	struct {
		int64_t duration_ns, exposure_ns;
	} told[64]; /* by frame */
};

static int64_t chain_lines(const struct chain *c, int64_t ns)
{
	return ns / c->line_ns * c->line_ns;
}

/* From the next request on; `frames` of a duration of their own come before the normal ones. */
static void chain_tell(struct chain *c, const struct camera_exposure *exposure,
	const struct phase_lock_order *order, int64_t *normal_ns)
{
	int64_t first = c->frame + c->queued + c->answer;

	if (exposure && exposure->duration_ns)
		*normal_ns = exposure->duration_ns;
	if (order && order->frames == 0)
		*normal_ns = order->duration_ns;
	for (int64_t i = first; i < c->frame + 63; i++) {
		bool own = order && i < first + order->frames;

		c->told[i % 64].duration_ns = chain_lines(c, own ? order->duration_ns : *normal_ns);
		if (exposure)
			c->told[i % 64].exposure_ns = chain_lines(c, exposure->exposure_ns);
	}
}

/* All frames so far lasted and were exposed like that, the newest one until then. */
static void chain_begin(struct chain *c, int64_t duration_ns, int64_t exposure_ns, int64_t end_ns)
{
	for (int i = 0; i < 64; i++) {
		c->told[i].duration_ns = chain_lines(c, duration_ns);
		c->told[i].exposure_ns = chain_lines(c, exposure_ns);
	}
	c->end_ns = (double)end_ns;
}

static struct frame chain_frame(struct chain *c, uint64_t *random)
{
	int64_t now = ++c->frame % 64;
	double jitter = (double)(test_random(random) % 15000);

	c->told[(c->frame + 62) % 64] = c->told[(c->frame + 61) % 64];
	c->end_ns += (double)c->told[now].duration_ns * (1 + c->drift_ppm * 1e-6);
	return (struct frame){ .sequence = (uint64_t)c->frame,
		.queued = c->queued,
		.start_ns = llround(c->end_ns + jitter) - c->told[now].exposure_ns,
		.duration_ns = c->told[now].duration_ns / 1000 * 1000,
		.exposure_us = (double)c->told[now].exposure_ns / 1e3 };
}

/*
 * Dusk at 2 s slots: exposures up to 1.9 s, in frames that last as long, and back, each for some
 * slots. No slot is without an exposure that starts on it, those in between included. (Frames of
 * two seconds come into step in half a minute only, by less than a line of time a frame.)
 */
static void check_dusk_of_a_pi(struct chain c)
{
	static const int64_t stages[][2] = { { 20, 0 }, { 30, 0 }, { 58, 62500 }, { 110, 125000 },
		{ 113, 125000 }, { 225, 250000 }, { 450, 500000 }, { 455, 500000 },
		{ 900, 1000000 }, { 1850, 2000000 }, { 1700, 2000000 }, { 800, 1000000 },
		{ 300, 500000 }, { 50, 62500 }, { 20, 0 } };
	struct camera_info info = { .frame_duration_min_ns = 47 * MS,
		.frame_duration_max_ns = 10 * NS_PER_SEC,
		.frame_duration_ns = 50 * MS,
		.latency_frames = 11 };
	struct phase_lock lock = phase_lock_new(&info);
	int64_t every = 2 * NS_PER_SEC, slot = 100 * NS_PER_SEC, normal = 50 * MS, best = INT64_MAX;
	uint64_t random = test_seed() | 1;
	int slots = 0, stage = 0, far = 0, off = 0;

	chain_begin(&c, normal, stages[0][0] * MS, slot - every + 12345678);
	while (stage < (int)ARRAY_SIZE(stages)) {
		struct frame frame = chain_frame(&c, &random);
		struct phase_lock_order order;
		int64_t away = llabs(frame.start_ns - slot - PHASE_LOCK_AIM_NS);

		if (frame.start_ns > slot + every / 2) {
			slots++;
			far += slots > 6 && best > 2 * MS;
			off += slots % 24 > 18 && best > 300000 && frame.duration_ns < 1500 * MS;
			slot += every;
			best = INT64_MAX;
			away = llabs(frame.start_ns - slot - PHASE_LOCK_AIM_NS);
		}
		best = away < best ? away : best;
		if (phase_lock_frame(&lock, &frame, slot, every, &order) > 0)
			chain_tell(&c, NULL, &order, &normal);
		if (slots / 24 > stage && ++stage < (int)ARRAY_SIZE(stages)) {
			struct camera_exposure exposure = { .exposure_ns = stages[stage][0] * MS,
				.gain = 1,
				.duration_ns = stages[stage][1] * 1000 };
			bool moves = phase_lock_expose(&lock, &frame, &exposure, &order) > 0;

			if (!exposure.duration_ns)
				normal = 50 * MS;
			chain_tell(&c, &exposure, moves ? &order : NULL, &normal);
		}
	}
	CHECK_INT(far, 0);
	CHECK(off <= 1);
	if (far || off > 1)
		fprintf(stderr,
			"answer %d, queued %d: of %d slots %d further than 2 ms, %d than 0.3 ms\n",
			c.answer, c.queued, slots, far, off);
}

TEST(a_change_of_duration_costs_no_slot)
{
	for (int i = 0; i < 8; i++)
		check_dusk_of_a_pi((struct chain){ .queued = 3 + i % 2,
			.answer = 6 + i / 2 % 2,
			.line_ns = i < 4 ? 18904 : 26290,
			.drift_ppm = i % 3 ? 40 : -70 });
}

/* Frames that are short of their part of the slots by this share of a line, seven or six a slot. */
static void check_lines(int64_t line_ns, int hundredths, int frames)
{
	struct chain c = { .queued = 3, .answer = 6, .line_ns = line_ns, .drift_ppm = 40 };
	int64_t normal = 2000 * line_ns + line_ns * hundredths / 100, every = frames * normal;
	int64_t slot = 100 * NS_PER_SEC, best = INT64_MAX;
	struct camera_info info = { .frame_duration_min_ns = 20 * MS,
		.frame_duration_max_ns = 10 * NS_PER_SEC,
		.frame_duration_ns = normal,
		.latency_frames = 11 };
	struct phase_lock lock = phase_lock_new(&info);
	uint64_t random = test_seed() | 1;
	int slots = 0, off = 0;

	chain_begin(&c, normal, 5 * MS, slot - every + 12345678);
	while (slots < 300) {
		struct frame frame = chain_frame(&c, &random);
		struct phase_lock_order order;

		if (frame.start_ns > slot + every / 2) {
			off += slots++ >= 30 && best > 150000;
			slot += every;
			best = INT64_MAX;
		}
		if (llabs(frame.start_ns - slot - PHASE_LOCK_AIM_NS) < best)
			best = llabs(frame.start_ns - slot - PHASE_LOCK_AIM_NS);
		if (phase_lock_frame(&lock, &frame, slot, every, &order) > 0)
			chain_tell(&c, NULL, &order, &normal);
	}
	if (!CHECK(normal / line_ns == (hundredths < 50 ? 2000 : 2001)) || !CHECK(off <= 2))
		fprintf(stderr, "%d frames short by 0.%d of %lld ns: %d slots of 270 off\n", frames,
			hundredths, (long long)line_ns, off);
}

TEST(frames_have_the_nearest_number_of_lines)
{
	static const int64_t lines_ns[] = { 13361, 18904, 26290, 32503 };
	static const int hundredths[] = { 15, 30, 45, 61, 70, 85 };

	for (size_t i = 0; i < ARRAY_SIZE(lines_ns) * ARRAY_SIZE(hundredths); i++)
		for (int frames = 6; frames <= 7; frames++)
			check_lines(lines_ns[i % ARRAY_SIZE(lines_ns)],
				hundredths[i / ARRAY_SIZE(lines_ns)], frames);
}

/*
 * libcamera before 0.5 looks at what comes with a request only every 30 ms. What comes with a frame
 * in between is lost, and what is not lost holds until the next look. Slots that are missed by more
 * than a millisecond, of 60.
 */
static int count_far(int64_t duration_ns)
{
	struct chain c = { .queued = 3, .answer = 6, .line_ns = 13361, .drift_ppm = 40 };
	int64_t normal = duration_ns, every = 2 * NS_PER_SEC, slot = 100 * NS_PER_SEC;
	int looks = (int)((30 * MS + duration_ns - 1) / duration_ns), slots = 0, far = 0;
	struct camera_info info = { .frame_duration_min_ns = 17850000,
		.frame_duration_max_ns = 10 * NS_PER_SEC,
		.frame_duration_ns = normal,
		.latency_frames = 11 };
	struct phase_lock lock = phase_lock_new(&info);
	uint64_t random = test_seed() | 1;
	int64_t best = INT64_MAX;

	chain_begin(&c, normal, 5 * MS, slot - every + 12345678);
	while (slots < 70) {
		struct frame frame = chain_frame(&c, &random);
		struct phase_lock_order order;
		int64_t away = llabs(frame.start_ns - slot - PHASE_LOCK_AIM_NS);

		if (frame.start_ns > slot + every / 2) {
			far += slots++ >= 10 && best > MS;
			slot += every;
			best = away = llabs(frame.start_ns - slot - PHASE_LOCK_AIM_NS);
		}
		best = away < best ? away : best;
		if (phase_lock_frame(&lock, &frame, slot, every, &order) <= 0)
			continue;
		if (order.frames > 0 && (c.frame + c.queued + c.answer) % looks)
			continue;
		order.frames *= looks;
		chain_tell(&c, NULL, &order, &normal);
	}
	return far;
}

/* The Camera Module 3 in its small mode makes 56 frames a second. */
TEST(no_order_is_lost_at_the_rate_that_is_chosen)
{
	int64_t every = 2 * NS_PER_SEC, least = 17850000;

	CHECK_INT(count_far(camera_open_duration_ns(least, every)), 0);
	CHECK(count_far(camera_fit_duration_ns(least * 105 / 100, every)) > 10);
	CHECK_INT(camera_open_duration_ns(100 * MS, 0), 105 * MS);
	CHECK_INT(camera_open_duration_ns(least, 0), NS_PER_SEC / 30);
}
