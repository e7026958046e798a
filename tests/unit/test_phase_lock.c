/* SPDX-License-Identifier: MIT */
/*
 * Steers the simulated sensor for hours of its own time, and counts how far from their slots the
 * exposures start.
 */
#include "tests/test.h"

#include <math.h>

#include "capture/simcam/sensor.h"
#include "capture/simcam/sky.h"
#include "capture/stream/phase_lock.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define MS INT64_C(1000000)
#define SLOTS_MAX 10000
#define RAW_BUFFERS 4 /* of a Pi's receiver */

struct rig {
	/* how it is set up */
	struct sensor_options sensor_options;
	int64_t every_ns, max_ns; /* max: what the camera says, 0: all that the sensor can */
	double jitter_ns;
	int drop_one_in; /* frames, 0: none */
	int64_t isp_ns; /* that a picture takes; 0: no time */
	bool uncounted; /* the sequence numbers do not tell of dropped frames */
	bool unreported; /* nor the frames of their duration */
	int told_latency; /* what the camera says, 0: the truth */
	bool mute; /* orders are not carried out */
	int stop_lead_frames; /* the stream starts so many frames before each slot; 0: it runs on */
	int slots;
	void (*at_slot)(struct rig *rig, int slot);
	int settle; /* slots that do not count */

	/* what happened */
	struct sensor sensor;
	struct phase_lock lock;
	uint64_t random, shown;
	int verdict; /* of the last phase_lock_frame() */
	int64_t off_ns[SLOTS_MAX];
	int n_off, n_early; /* early: the nearest start was before the slot */
	int64_t made_ns[RAW_BUFFERS]; /* when the ISP has made the pictures that it has to make */
	int n_lost; /* slots whose frame had no buffer */
};

static struct phase_lock lock_new(int64_t min_ns, int64_t max_ns)
{
	struct camera_info info = { .frame_duration_min_ns = min_ns,
		.frame_duration_max_ns = max_ns,
		.latency_frames = 2 };

	return phase_lock_new(&info);
}

static double noise(struct rig *rig)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += (double)(test_random(&rig->random) >> 11) / (double)(UINT64_C(1) << 53);
	return sum - 6; /* nearly normal, variance 1 */
}

static void show(struct rig *rig, const struct sensor_frame *seen, int64_t slot_ns)
{
	struct frame frame = {
		.sequence = rig->uncounted ? ++rig->shown : seen->sequence,
		.start_ns = seen->start_ns + llround(rig->jitter_ns * noise(rig)),
		.duration_ns = rig->unreported ? 0 : seen->duration_ns,
		.exposure_us = rig->unreported ? NAN : seen->exposure_us,
	};
	struct phase_lock_order order = { 0, 0 };

	rig->verdict = phase_lock_frame(&rig->lock, &frame, slot_ns, rig->every_ns, &order);
	if (rig->verdict <= 0)
		return;
	CHECK(order.frames >= 0 && order.frames <= PHASE_LOCK_FRAMES_MAX);
	CHECK(order.duration_ns >= rig->sensor.duration_min_ns);
	if (!rig->unreported)
		/* the imx708's frames are 48 lines longer than their exposure */
		CHECK(order.duration_ns >= seen->duration_ns ||
			order.duration_ns >= llround(seen->exposure_us * 1e3) + 1262000);
	if (rig->max_ns)
		CHECK(order.duration_ns <= rig->max_ns);
	if (!rig->mute)
		sensor_set_duration(&rig->sensor, order.duration_ns, order.frames);
}

/* Frames wait for the ISP, as many as there are buffers: whether there is one for this frame. */
static bool has_buffer(struct rig *rig, const struct sensor_frame *seen)
{
	int64_t begin_ns = seen->start_ns + llround(seen->exposure_us * 1e3), last_ns = 0;
	int64_t read_ns = begin_ns + rig->sensor.readout_ns, *free = NULL;

	for (int i = 0; i < RAW_BUFFERS; i++) {
		last_ns = rig->made_ns[i] > last_ns ? rig->made_ns[i] : last_ns;
		if (rig->made_ns[i] <= begin_ns)
			free = &rig->made_ns[i];
	}
	if (!free)
		return false;
	*free = (read_ns > last_ns ? read_ns : last_ns) + rig->isp_ns;
	return true;
}

/* Plays all slots; off_ns are the distances of the nearest exposure from each slot that counts. */
static void run(struct rig *rig)
{
	int64_t slot_ns = 3600 * NS_PER_SEC + rig->every_ns, before_ns = 0;
	struct sensor_frame seen;
	struct camera_info info = { 0 };

	rig->random = test_seed() | 1;
	rig->sensor_options.seed = test_seed();
	CHECK_INT(sensor_init(&rig->sensor, &rig->sensor_options), 0);
	info.frame_duration_min_ns = rig->sensor.duration_min_ns;
	info.frame_duration_max_ns = rig->max_ns ? rig->max_ns : SENSOR_DURATION_MAX_NS;
	info.latency_frames =
		rig->told_latency ? rig->told_latency : rig->sensor.options.latency_frames;
	rig->lock = phase_lock_new(&info);
	rig->n_off = rig->n_early = rig->n_lost = 0;
	memset(rig->made_ns, 0, sizeof rig->made_ns);
	sensor_start(&rig->sensor, 3600 * NS_PER_SEC, CAMERA_BUFFERS);
	for (int slot = 0; slot < rig->slots;) {
		sensor_step(&rig->sensor, &seen);
		while (seen.start_ns >= slot_ns && slot < rig->slots) {
			int64_t off_ns = seen.start_ns - slot_ns;

			bool early = slot_ns - before_ns < off_ns;

			if (early)
				off_ns = slot_ns - before_ns;
			if (slot >= rig->settle && rig->n_off < SLOTS_MAX) {
				rig->off_ns[rig->n_off++] = off_ns;
				rig->n_early += early;
			}
			if (rig->at_slot)
				rig->at_slot(rig, slot);
			slot++;
			slot_ns += rig->every_ns;
			if (rig->stop_lead_frames) {
				sensor_stop(&rig->sensor);
				sensor_start(&rig->sensor,
					slot_ns -
						rig->stop_lead_frames *
							rig->sensor.duration_normal_ns,
					CAMERA_BUFFERS);
				phase_lock_start(&rig->lock);
				seen.start_ns = 0;
			}
		}
		before_ns = seen.start_ns;
		if (rig->isp_ns && !has_buffer(rig, &seen)) {
			rig->n_lost += slot > rig->settle &&
				llabs(seen.start_ns - slot_ns + rig->every_ns) < MS;
			continue;
		}
		if (!seen.start_ns ||
			(rig->drop_one_in &&
				test_random(&rig->random) % (uint64_t)rig->drop_one_in == 0))
			continue;
		show(rig, &seen, slot_ns);
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* the part `p` of all distances is at most, microseconds */
static int64_t percentile_us(struct rig *rig, double p)
{
	if (rig->n_off == 0)
		return INT64_MAX;
	qsort(rig->off_ns, (size_t)rig->n_off, sizeof rig->off_ns[0], compare);
	return rig->off_ns[(int)(p * (rig->n_off - 1))] / 1000;
}

static struct rig new_rig(int latency_frames, double drift_ppm)
{
	return (struct rig){
		.sensor_options = { .width = 2028,
			.height = 1520,
			.fps = 10,
			.gain = 1,
			.exposure_us = 10000,
			.latency_frames = latency_frames,
			.drift_ppm = drift_ppm },
		.every_ns = NS_PER_SEC,
		.jitter_ns = 20e3,
		.slots = 1000,
		.settle = 5,
	};
}

#define CHECK_LOCKED(rig, what)                                                                    \
	do {                                                                                       \
		int64_t p99_ = percentile_us((rig), 0.99);                                         \
		if (!CHECK(p99_ <= 1000))                                                          \
			fprintf(stderr, "%s: p99 %lld us, median %lld us, %llu orders\n", (what),  \
				(long long)p99_, (long long)percentile_us((rig), 0.5),             \
				(unsigned long long)(rig)->lock.orders);                           \
	} while (0)

TEST(exposures_start_on_their_slots)
{
	static const struct {
		int latency_frames;
		double drift_ppm;
	} cases[] = { { 2, 100 }, { 2, -100 }, { 3, 100 }, { 3, -100 }, { 2, 0 }, { 7, 37 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig = new_rig(cases[i].latency_frames, cases[i].drift_ppm);

		rig.slots = SLOTS_MAX;
		run(&rig);
		CHECK_LOCKED(&rig, "10 frames a second");
		/*
		 * after the slot, not before: a picture of noon must not be of the second before it
		 */
		CHECK(rig.n_early <= rig.n_off / 1000);
		CHECK(fabs(rig.lock.drift_ppm - cases[i].drift_ppm) < 10);
		CHECK(rig.lock.residual_mean_ns < 500e3);
		/* an order where the drift asks for one, not with every frame */
		if (!CHECK(rig.lock.orders < SLOTS_MAX + SLOTS_MAX / 10))
			fprintf(stderr, "%d of %d early, %llu orders, p99 %lld us\n", rig.n_early,
				rig.n_off, (unsigned long long)rig.lock.orders,
				(long long)percentile_us(&rig, 0.99));
	}
}

/* The same without a hand on it: the contrast that the test above is worth. */
TEST(left_alone_they_are_a_quarter_frame_off)
{
	struct rig rig = new_rig(2, 100);
	int64_t median_us;

	rig.slots = SLOTS_MAX;
	rig.mute = true;
	run(&rig);
	median_us = percentile_us(&rig, 0.5);
	CHECK(median_us > 20000 && median_us < 30000);
	CHECK(percentile_us(&rig, 0.99) > 45000);
}

TEST(a_camera_that_does_not_answer_is_left_alone)
{
	struct rig rig = new_rig(2, 100);

	rig.slots = 300;
	rig.mute = true;
	run(&rig);
	CHECK_INT(rig.verdict, -EOPNOTSUPP);
	/* those of less than 1 ms do not count: the frames drift that far from where they began */
	CHECK(rig.lock.orders >= 4 && rig.lock.orders <= 60);
	phase_lock_start(&rig.lock);
	CHECK_INT(rig.lock.unanswered, 0);
}

TEST(slots_of_all_distances)
{
	static const struct {
		int64_t every_ms;
		double fps;
		int slots, settle;
	} cases[] = {
		{ 500, 10, 2000, 8 },
		{ 100, 10, 2000, 40 }, /* every frame has its slot */
		{ 60000, 10, 30, 1 },
		{ 1000, 7.3, 1000, 5 }, /* no multiple: each slot has an order of its own */
		{ 1000, 21.7, 1000, 5 },
		{ 7000, 30, 300, 2 },
		{ 86400, 25, 60, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig = new_rig(2 + i % 2, i % 4 < 2 ? 100 : -100);
		char what[64];

		rig.every_ns = cases[i].every_ms * MS;
		rig.sensor_options.fps = cases[i].fps;
		rig.slots = cases[i].slots;
		rig.settle = cases[i].settle;
		run(&rig);
		snprintf(what, sizeof what, "every %lld ms at %g frames/s",
			(long long)cases[i].every_ms, cases[i].fps);
		CHECK_LOCKED(&rig, what);
	}
}

/* Slots come faster than frames: some have one, and those are met. */
TEST(more_slots_than_frames)
{
	struct rig rig = new_rig(2, 100);

	rig.every_ns = 100 * MS;
	rig.sensor_options.fps = 0.5;
	rig.settle = 1000;
	rig.slots = 3000;
	run(&rig);
	/* 1 in 20 */
	CHECK(percentile_us(&rig, 0.045) <= 1000);
	CHECK(percentile_us(&rig, 0.06) > 1000);
}

/* Standby: the stream starts before each slot, at any phase, and stops after it. */
TEST(a_stream_that_starts_early_enough)
{
	for (int latency = 2; latency <= 7; latency++) {
		struct rig rig = new_rig(latency, latency % 2 ? 100 : -100);

		rig.every_ns = 60 * NS_PER_SEC;
		rig.slots = 400;
		rig.settle = 1;
		rig.stop_lead_frames =
			(int)(phase_lock_lead_ns(
				      &(struct phase_lock){ .latency_frames = latency }, 100 * MS) /
				(100 * MS));
		run(&rig);
		CHECK_LOCKED(&rig, "standby");
	}
}

TEST(dropped_frames)
{
	for (int uncounted = 0; uncounted < 2; uncounted++) {
		struct rig rig = new_rig(3, 100);

		rig.drop_one_in = 12;
		rig.uncounted = uncounted;
		run(&rig);
		/* the nearest frame may be one of those that were dropped */
		CHECK(percentile_us(&rig, 0.85) <= 1000);
		CHECK_LOCKED(&rig, uncounted ? "dropped, not counted" : "dropped");
	}
}

static void change_exposure(struct rig *rig, int slot)
{
	static const double exposures_us[] = { 10000, 80000, 200, 45000 };

	if (slot % 50 == 49)
		rig->sensor.options.exposure_us = exposures_us[slot / 50 % 4];
}

TEST(exposure_changes)
{
	struct rig rig = new_rig(3, -100);

	rig.at_slot = change_exposure;
	run(&rig);
	/* one or two slots in 50 pay for it */
	CHECK(percentile_us(&rig, 0.94) <= 1000);
}

TEST(limits_of_the_sensor)
{
	static const struct {
		const char *what;
		int width, height;
		double exposure_us;
		int64_t max_ns;
		int every_s;
	} cases[] = {
		{ "no room to shorten", 4056, 3040, 10000, 0, 5 },
		{ "little room to lengthen", 2028, 1520, 10000, 104 * MS, 5 },
		{ "little room to lengthen, none to shorten", 4056, 3040, 10000, 108 * MS, 5 },
		{ "nearly all of it is exposure", 2028, 1520, 99000, 0, 5 },
		{ "the same with little room", 2028, 1520, 99000, 112 * MS, 5 },
		{ "hardly any room: in several steps", 2028, 1520, 98000, 101 * MS, 20 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int drift = -100; drift <= 100; drift += 200) {
			struct rig rig = new_rig(2, drift);

			rig.sensor_options.width = cases[i].width;
			rig.sensor_options.height = cases[i].height;
			rig.sensor_options.exposure_us = cases[i].exposure_us;
			rig.max_ns = cases[i].max_ns;
			rig.every_ns = cases[i].every_s * NS_PER_SEC;
			rig.slots = 1500 / cases[i].every_s;
			run(&rig);
			CHECK_LOCKED(&rig, cases[i].what);
		}
}

TEST(a_camera_that_cannot_change_its_rate)
{
	struct phase_lock lock = lock_new(100 * MS, 100 * MS);
	struct phase_lock_order order;
	int r = 0;

	for (int i = 1; i < 20; i++) {
		struct frame frame = { .sequence = (uint64_t)i,
			.start_ns = i * 100 * MS,
			.duration_ns = 100 * MS,
			.exposure_us = 1000 };

		r = phase_lock_frame(&lock, &frame, 4050 * MS, NS_PER_SEC, &order);
	}
	CHECK_INT(r, -EOPNOTSUPP);
	CHECK_INT(lock.orders, 0);
}

/* Shows times, and nothing else. */
TEST(a_camera_that_tells_little)
{
	struct rig rig = new_rig(2, 100);

	rig.unreported = true;
	run(&rig);
	/* then the start of exposure is not known either: all are off by the same */
	CHECK(percentile_us(&rig, 0.99) <= 1000);
	CHECK(isnan(rig.lock.drift_ppm));
}

TEST(a_camera_that_is_slower_than_it_says)
{
	struct rig rig = new_rig(7, 100);

	rig.told_latency = 2;
	rig.every_ns = 3 * NS_PER_SEC;
	rig.settle = 20;
	run(&rig);
	CHECK_LOCKED(&rig, "slow");
	CHECK(rig.verdict >= 0);
}

static double light_of_a_day_in_an_hour(void *data, int64_t ns)
{
	(void)data;
	return sky_light(-90 * cos(2 * M_PI * (double)(ns % (3600 * NS_PER_SEC)) / 3600e9));
}

/* A simulated day in an hour: the exposure goes from 0.2 ms to the length of a frame and back. */
TEST(day_and_night)
{
	struct rig rig = new_rig(2, 100);

	rig.sensor_options.fps = 0;
	rig.sensor_options.exposure_us = 0;
	rig.sensor_options.gain = 0;
	rig.sensor_options.light = light_of_a_day_in_an_hour;
	rig.every_ns = 5 * NS_PER_SEC;
	rig.slots = 1440;
	run(&rig);
	/* at dawn and dusk, 24 times as fast as real ones, some are missed */
	CHECK(percentile_us(&rig, 0.9) <= 1000);
}

static struct frame regular(int i, int64_t period_ns)
{
	return (struct frame){ .sequence = (uint64_t)i,
		.start_ns = i * period_ns,
		.duration_ns = period_ns,
		.exposure_us = 5000 };
}

/* What is on time already, and what is on its way, is left alone. */
TEST(no_order_without_need)
{
	struct phase_lock lock = lock_new(30 * MS, NS_PER_SEC);
	struct phase_lock_order order = { 0, 0 };
	int i = 1;

	for (; i < 100; i++) {
		struct frame frame = regular(i, 100 * MS);

		CHECK_INT(
			phase_lock_frame(&lock, &frame,
				1000 * NS_PER_SEC + 20000 - PHASE_LOCK_AIM_NS, NS_PER_SEC, &order),
			0);
	}
	CHECK(lock.residual_ns == -20000);
	CHECK(fabs(lock.residual_mean_ns - 20000) < 1);
	/* frames that are missing are no reason to begin again */
	i += 7;
	lock.steady = 50;
	for (; i < 120 && !order.frames; i++) {
		struct frame frame = regular(i, 100 * MS);

		phase_lock_frame(&lock, &frame, 1000 * NS_PER_SEC + 20 * MS - PHASE_LOCK_AIM_NS,
			NS_PER_SEC, &order);
	}
	CHECK(lock.steady > 50);
	CHECK_INT(order.frames, 1);
	CHECK(llabs(order.duration_ns - 120 * MS) < 100000);
	/* the newest of the frames is number i - 1: nothing more in the next latency frames */
	for (int end = i + 2; i < end; i++) {
		struct frame frame = regular(i, 100 * MS);

		CHECK_INT(phase_lock_frame(&lock, &frame,
				  1000 * NS_PER_SEC + 20 * MS - PHASE_LOCK_AIM_NS, NS_PER_SEC,
				  &order),
			0);
	}
	/* a slot that is too near, and none after it */
	phase_lock_start(&lock);
	for (int end = i + 20; i < end; i++) {
		struct frame frame = regular(i, 100 * MS);

		CHECK_INT(phase_lock_frame(&lock, &frame, (i + 2) * 100 * MS + 20 * MS, 0, &order),
			0);
	}
}

/* Some drivers report other things as the frame duration: what is measured counts. */
TEST(a_duration_that_means_something_else)
{
	struct phase_lock lock = lock_new(30 * MS, NS_PER_SEC);
	struct phase_lock_order order = { 0, 0 };

	for (int i = 1; i < 20 && !order.frames; i++) {
		struct frame frame = regular(i, 100 * MS);

		frame.duration_ns = 50 * MS;
		phase_lock_frame(&lock, &frame, 4 * NS_PER_SEC + 20 * MS - PHASE_LOCK_AIM_NS,
			NS_PER_SEC, &order);
	}
	CHECK_INT(order.frames, 1);
	CHECK(llabs(order.duration_ns - 120 * MS) < 100000);
	CHECK(isnan(lock.drift_ppm));
}

/*
 * The sensor counts the pictures that were made of its frames, as a Pi's does: only time tells. The
 * order that it is given, of no duration: none.
 */
static struct phase_lock_order slow_order(int64_t every_ns)
{
	struct phase_lock lock = lock_new(40 * MS, NS_PER_SEC);
	struct phase_lock_order order = { 0, -1 };
	struct frame frame = { .duration_ns = 50 * MS, .exposure_us = 10000 };

	/* of five frames three come through */
	for (int i = 0; i < 400; i++) {
		if (i % 5 == 1 || i % 5 == 3)
			continue;
		frame.start_ns = 100 * NS_PER_SEC + i * 50 * MS;
		frame.sequence++;
		if (phase_lock_frame(&lock, &frame, 100 * NS_PER_SEC, every_ns, &order) > 0 &&
			order.frames == 0)
			return order;
	}
	return (struct phase_lock_order){ 0 };
}

TEST(a_camera_that_is_slower_than_its_sensor)
{
	int64_t duration_ns = slow_order(2 * NS_PER_SEC).duration_ns;

	/* 5/3 of 50 ms and a little, as a part of two seconds */
	CHECK(duration_ns > 83 * MS && duration_ns < 92 * MS);
	CHECK_INT(duration_ns * (2 * NS_PER_SEC / duration_ns) / MS, 1999);
	/* slots that come faster than that would go without */
	CHECK_INT(slow_order(80 * MS).duration_ns, 0);
}

/* From one a tenth faster than the sensor to one of half its rate: each slot has its own frame. */
TEST(an_isp_that_is_slower_than_the_sensor)
{
	for (int isp_ms = 45; isp_ms <= 105; isp_ms++) {
		struct rig rig = new_rig(7, isp_ms % 2 ? 100 : -100);

		if (isp_ms > 50 && isp_ms < 65)
			continue; /* few frames are lost, and the sensor stays as it is */
		rig.sensor_options.width = 2640;
		rig.sensor_options.height = 2200;
		rig.sensor_options.fps = 20;
		rig.every_ns = 2 * NS_PER_SEC;
		rig.isp_ns = isp_ms * MS;
		rig.uncounted = true;
		rig.slots = 300;
		rig.settle = 10;
		run(&rig);
		CHECK_LOCKED(&rig, "slow ISP");
		if (!CHECK(rig.n_lost == 0))
			fprintf(stderr,
				"ISP of %d ms: %d slots without a frame, frames of %lld us\n",
				isp_ms, rig.n_lost,
				(long long)(rig.sensor.duration_normal_ns / 1000));
	}
}

TEST(a_duration_that_fits_the_slots)
{
	CHECK_INT(camera_fit_duration_ns(49 * MS, 500 * MS), 50 * MS);
	CHECK_INT(camera_fit_duration_ns(50 * MS, 500 * MS), 50 * MS);
	CHECK_INT(camera_fit_duration_ns(300 * MS, 500 * MS), 500 * MS);
	CHECK_INT(camera_fit_duration_ns(50 * MS, 40 * MS), 50 * MS); /* slots without a frame */
	CHECK_INT(camera_fit_duration_ns(50 * MS, 0), 50 * MS);
	CHECK_INT(camera_fit_duration_ns(49 * MS, 35 * NS_PER_SEC), 49 * MS);
	CHECK_INT(camera_fit_duration_ns(0, NS_PER_SEC), 0);
}
