/* SPDX-License-Identifier: MIT */
/*
 * Dusk and dawn in simulated time: the sensor of the test camera, the exposure policy and the phase
 * lock together, as the service has them, at a slot a minute. The numbers are printed.
 */
#include "tests/test.h"

#include <math.h>

#include "capture/exposure/exposure.h"
#include "capture/simcam/sensor.h"
#include "capture/stream/phase_lock.h"
#include "common/base/clock.h"
#include "common/base/util.h"

#define MINUTE (60 * NS_PER_SEC)
#define BEGIN (3600 * NS_PER_SEC)
#define PATCHES 64
#define READ_EVERY_NS (NS_PER_SEC / 5)
#define SLOTS_MAX 4800

/* What a slot's frame was. */
struct shot {
	double luma, clipped, exposure_ms, gain, level, stops, red;
	int64_t off_ns; /* its start after its slot */
	bool taken;
};

struct dusk {
	/* how it is set up */
	double stops; /* between noon and night, 0: it stays as it is */
	double noon; /* stops of light above 1 */
	int ramp, hold; /* minutes */
	int cloud_every; /* slots from one cloud of a minute to the next, 0: clear sky */
	double cloud; /* its stops; the second one's are the opposite, and so on */
	struct exposure_wishes wishes;
	int64_t every_ns;
	int latency;
	bool rests; /* the sensor stops between slots, as it does at a slot a minute by default */
	bool alone; /* without the policy: what the camera does by itself */
	int slots;
	int64_t lost_from_ns; /* before that a slot may be without a frame */

	/* what happened */
	struct sensor sensor;
	struct exposure exposure;
	struct phase_lock lock;
	struct shot shot[SLOTS_MAX];
	int lost, orders;
	double longest_ms;
};

/* Stops of light at that time: noon, dusk, night, dawn, noon. */
static double dusk_stops(const struct dusk *d, int64_t ns)
{
	double minute = (double)(ns - BEGIN) / (double)MINUTE, down;
	int slot = (int)minute, cloud = d->cloud_every ? slot / d->cloud_every : 0;
	double stops = d->noon;

	down = fmin(fmax((minute - d->hold) / d->ramp, 0), 1);
	down -= fmin(fmax((minute - 2 * d->hold - d->ramp) / d->ramp, 0), 1);
	stops -= d->stops * down;
	if (d->cloud_every && slot % d->cloud_every == d->cloud_every - 1)
		stops += cloud % 2 ? -d->cloud : d->cloud;
	return stops;
}

static double dusk_light(void *data, int64_t ns)
{
	return exp2(dusk_stops(data, ns));
}

/* What a scene of patches from dark to bright gives: its mean luma, and how much is clipped. */
static double scene_luma(double level, double *ret_clipped)
{
	double sum = 0;
	int clipped = 0;

	for (int i = 0; i < PATCHES; i++) {
		double stops = -3.5 + 5.5 * i / (PATCHES - 1);
		double luma = pow(fmin(0.18 * level * exp2(stops), 1), 1 / 2.2);

		sum += luma;
		clipped += luma >= 0.98;
	}
	*ret_clipped = (double)clipped / PATCHES;
	return sum / PATCHES;
}

static struct exposure_reading read_frame(const struct sensor_frame *f)
{
	struct exposure_reading r = { .at_ns = f->start_ns + llround(f->exposure_us * 500),
		.exposure_us = f->exposure_us,
		.gain = f->gain,
		.duration_ns = f->duration_ns,
		.red = f->red,
		.blue = f->blue,
		.startup = f->startup,
		.converged = f->converged };

	r.luma = scene_luma(f->level, &r.clipped);
	return r;
}

static void keep_shot(struct dusk *d, const struct sensor_frame *f, int64_t slot_ns, int slot)
{
	struct shot *shot = &d->shot[slot];
	int64_t off_ns = f->start_ns - slot_ns;

	if (llabs(off_ns) > 10 * NS_PER_SEC || llabs(off_ns) > d->every_ns / 2 || f->startup ||
		(shot->taken && llabs(shot->off_ns) <= llabs(off_ns)))
		return;
	*shot = (struct shot){ .exposure_ms = f->exposure_us / 1e3,
		.gain = f->gain,
		.level = f->level,
		.off_ns = off_ns,
		.red = f->red,
		.stops = log2(f->light),
		.taken = true };
	shot->luma = scene_luma(f->level, &shot->clipped);
}

static struct frame frame_of(const struct sensor_frame *f)
{
	return (struct frame){ .sequence = f->sequence,
		.start_ns = f->start_ns,
		.duration_ns = f->duration_ns,
		.exposure_us = f->exposure_us };
}

static void expose_lock(
	struct dusk *d, const struct sensor_frame *f, struct camera_exposure *exposure)
{
	struct frame frame = frame_of(f);
	struct phase_lock_order order;
	bool moves = phase_lock_expose(&d->lock, &frame, exposure, &order) > 0;

	sensor_set_exposure(&d->sensor, exposure);
	if (moves)
		sensor_set_duration(&d->sensor, order.duration_ns, order.frames);
}

static void show_frame(struct dusk *d, const struct sensor_frame *f, int64_t slot_ns)
{
	struct frame frame = frame_of(f);
	struct phase_lock_order order = { 0, 0 };

	if (phase_lock_frame(&d->lock, &frame, slot_ns, d->every_ns, &order) > 0)
		sensor_set_duration(&d->sensor, order.duration_ns, order.frames);
}

/* Stops the sensor if the next slot is far enough, until in time for that. */
static void rest(struct dusk *d, const struct sensor_frame *f, int64_t slot_ns)
{
	int64_t start_ns = slot_ns - phase_lock_lead_ns(&d->lock, f->duration_ns) - NS_PER_SEC / 2;

	if (!d->rests || start_ns < f->ready_ns + 2 * NS_PER_SEC)
		return;
	sensor_stop(&d->sensor);
	sensor_start(&d->sensor, start_ns, CAMERA_BUFFERS);
	phase_lock_start(&d->lock);
}

static void play(struct dusk *d)
{
	struct sensor_options options = { .width = 1920,
		.height = 1080,
		.drift_ppm = 60,
		.seed = test_seed(),
		.latency_frames = d->latency,
		.light = dusk_light,
		.light_data = d };
	int64_t slot_ns = BEGIN + d->every_ns, read_ns = 0;
	struct camera_info info = { .frame_duration_max_ns = SENSOR_DURATION_MAX_NS,
		.exposure_max_ns = SENSOR_DURATION_MAX_NS,
		.gain_max = SENSOR_GAIN_MAX,
		.latency_frames = d->latency };
	struct exposure_limits limits;
	struct sensor_frame f;
	int slot = 0;

	memset(d->shot, 0, sizeof d->shot);
	d->lost = d->orders = 0;
	d->longest_ms = 0;
	CHECK_INT(sensor_init(&d->sensor, &options), 0);
	info.exposure_min_ns = d->sensor.line_ns;
	info.frame_duration_min_ns = d->sensor.duration_min_ns;
	info.frame_duration_ns = d->sensor.duration_open_ns;
	limits = exposure_limits_of(&d->wishes, &info, d->every_ns / NS_PER_US);
	d->exposure = exposure_new(&limits);
	d->lock = phase_lock_new(&info);
	sensor_start(&d->sensor, BEGIN, CAMERA_BUFFERS);
	while (slot < d->slots && slot < SLOTS_MAX) {
		struct camera_exposure order;
		struct exposure_reading r;

		sensor_step(&d->sensor, &f);
		keep_shot(d, &f, slot_ns, slot);
		d->longest_ms = fmax(d->longest_ms, f.exposure_us / 1e3);
		while (f.start_ns > slot_ns + d->every_ns / 2 && slot < d->slots) {
			d->lost += !d->shot[slot].taken && slot_ns > BEGIN + d->lost_from_ns;
			slot++;
			slot_ns += d->every_ns;
			if (slot < d->slots)
				keep_shot(d, &f, slot_ns, slot);
		}
		show_frame(d, &f, slot_ns);
		if (f.start_ns > slot_ns - d->every_ns + NS_PER_SEC / 100)
			rest(d, &f, slot_ns);
		if (d->alone || f.start_ns - read_ns < READ_EVERY_NS)
			continue;
		read_ns = f.start_ns;
		r = read_frame(&f);
		r.until_slot_ns = slot_ns > f.ready_ns ? slot_ns - f.ready_ns
						       : slot_ns + d->every_ns - f.ready_ns;
		r.moving = phase_lock_is_moving(&d->lock);
		if (exposure_frame(&d->exposure, &r, &order) > 0) {
			d->orders++;
			expose_lock(d, &f, &order);
		}
	}
}

static void print_shots(const struct dusk *d, int step)
{
	printf("  slot  light EV  exposure ms   gain   luma  clipped   start ms\n");
	for (int i = 0; i < d->slots; i += step)
		printf("  %4d  %8.2f  %11.3f  %5.2f  %5.3f  %6.1f%%  %9.3f\n", i, d->shot[i].stops,
			d->shot[i].exposure_ms, d->shot[i].gain, d->shot[i].luma,
			d->shot[i].clipped * 100, (double)d->shot[i].off_ns / 1e6);
}

/* How even the pictures are. */
struct evenness {
	double step; /* largest change of luma from one slot to the next */
	int step_at, clipped; /* its slot; slots in a row with more than 1 % clipped */
	int64_t off_ns; /* the largest distance of a start from its slot, */
	int off; /* and how many are further than 2 ms */
};

/* From slot `from` on. */
static struct evenness measure_shots(const struct dusk *d, int from)
{
	struct evenness e = { 0 };
	int clipped = 0;

	for (int i = from; i < d->slots; i++) {
		const struct shot *shot = &d->shot[i], *before = &d->shot[i - 1];
		double step = fabs(shot->luma / before->luma - 1);
		int64_t off_ns = llabs(shot->off_ns);

		if (step > e.step) {
			e.step = step;
			e.step_at = i;
		}
		clipped = shot->clipped > 0.01 ? clipped + 1 : 0;
		e.clipped = clipped > e.clipped ? clipped : e.clipped;
		e.off_ns = off_ns > e.off_ns ? off_ns : e.off_ns;
		e.off += off_ns > 2000000;
	}
	return e;
}

static void print_evenness(const struct dusk *d, const struct evenness *e)
{
	printf("  latency %d: largest step of luma %.1f %% (slot %d), clipped slots in a row %d, "
	       "longest exposure %.3f s, %d orders, %d of %d slots lost, start off by %.3f ms at "
	       "most, %d further than 2 ms\n",
		d->latency, e->step * 100, e->step_at, e->clipped, d->longest_ms / 1e3, d->orders,
		d->lost, d->slots, (double)e->off_ns / 1e6, e->off);
}

static struct dusk *new_dusk(int latency)
{
	struct dusk *d = calloc(1, sizeof *d);

	if (!d)
		exit(1);
	*d = (struct dusk){ .stops = 20,
		.noon = 1.5,
		.ramp = 90,
		.hold = 15,
		.wishes = { .exposure_max_us = 5 * US_PER_SEC },
		.every_ns = MINUTE,
		.latency = latency,
		.slots = 225,
		.lost_from_ns = NS_PER_SEC }; /* the stream begins with start-up frames */
	return d;
}

/* Twenty stops in ninety minutes, there and back, at a slot a minute. */
TEST(dusk_and_dawn)
{
	struct dusk *d = new_dusk(SENSOR_LATENCY);
	struct evenness e;

	play(d);
	print_shots(d, 5);
	e = measure_shots(d, 2);
	print_evenness(d, &e);
	CHECK(e.step < 0.05);
	CHECK(e.clipped <= 2);
	CHECK(d->longest_ms <= 5000);
	CHECK_INT(d->lost, 0);
	CHECK_INT(e.off, 0);
	free(d);
}

static void check_dusk_and_dawn(int latency, bool rests)
{
	struct dusk *d = new_dusk(latency);
	struct evenness e;

	d->rests = rests;
	play(d);
	e = measure_shots(d, 2);
	print_evenness(d, &e);
	/* the ramp's own is 7.3 % a slot */
	CHECK(e.step < 0.08);
	CHECK(e.clipped <= 2);
	CHECK(d->longest_ms <= 5000);
	CHECK_INT(d->lost, 0);
	CHECK_INT(e.off, 0);
	free(d);
}

/* With as many requests on their way as through libcamera an order takes half a slot to show. */
TEST(dusk_and_dawn_through_a_long_queue)
{
	for (int latency = 3; latency <= 7; latency += 2)
		check_dusk_and_dawn(latency, false);
}

/* The same where the sensor rests between slots, as long as exposures leave time for that. */
TEST(dusk_and_dawn_with_rests)
{
	for (int latency = 2; latency <= 7; latency += 5)
		check_dusk_and_dawn(latency, true);
}

/* What all this is for: the camera's own control ends at 33 ms and a gain of 8. */
TEST(a_camera_alone_ends_in_the_dark)
{
	struct dusk *d = new_dusk(SENSOR_LATENCY);

	d->alone = true;
	play(d);
	print_shots(d, 15);
	CHECK(d->shot[110].luma < 0.05);
	CHECK(d->shot[110].gain <= SENSOR_GAIN_AUTO_MAX);
	free(d);
}

/* Slots until luma is within 5 % of what it was, and how often it crosses that on the way. */
static int count_back(const struct dusk *d, int from, int to, double luma, int *ret_swings)
{
	int back = 0, sign = 0;

	*ret_swings = 0;
	for (int i = from; i < to; i++) {
		double off = d->shot[i].luma / luma - 1;
		int now = off > 0.05 ? 1 : off < -0.05 ? -1 : 0;

		if (now)
			back = i - from + 1;
		*ret_swings += now && sign && now != sign;
		sign = now ? now : sign;
	}
	return back;
}

/* A cloud of two stops for one slot in ten, by day, at dusk, and in the dark. */
TEST(clouds)
{
	static const double light[] = { 0, -7, -9, -11, -13, -15 };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(light); i++) {
		struct dusk *d = new_dusk(i % 2 ? 7 : SENSOR_LATENCY);
		int worst = 0, swung = 0;

		d->stops = 0;
		d->noon = light[i / 2];
		d->slots = 120;
		d->cloud_every = 10;
		d->cloud = 2;
		play(d);
		/* slot 18 has a cloud, slot 19 has none, and so on */
		for (int slot = 19; slot < d->slots - 10; slot += 10) {
			int swings, back = count_back(d, slot, slot + 9, d->shot[16].luma, &swings);

			worst = back > worst ? back : worst;
			swung = swings > swung ? swings : swung;
		}
		printf("  light %5.1f EV, latency %d: %6.1f ms x %.2f, back after %d slots, %d "
		       "swings, %d lost\n",
			light[i / 2], d->latency, d->shot[16].exposure_ms, d->shot[16].gain, worst,
			swung, d->lost);
		CHECK(worst <= 4);
		CHECK(swung <= 1);
		CHECK_INT(d->lost, 0);
		free(d);
	}
}

/*
 * Three stops of light a minute, down and up, which the camera's own control follows: the end of an
 * exposure is steered, and its start is on the slot though exposures get longer meanwhile.
 */
TEST(light_that_changes_fast)
{
	for (int i = 0; i < 16; i++) {
		struct dusk *d = new_dusk(i % 2 ? 7 : SENSOR_LATENCY);
		int light = 1 - i / 2, early = 0;

		d->alone = true;
		d->every_ns = 2 * NS_PER_SEC;
		d->noon = light;
		d->stops = 3;
		d->ramp = 1;
		d->hold = 0;
		d->slots = 60;
		play(d);
		for (int slot = 8; slot < d->slots; slot++) {
			early += d->shot[slot].off_ns < 0;
			CHECK(llabs(d->shot[slot].off_ns) < 1000000);
		}
		printf("  light %4.1f EV, latency %d: %4.1f to %4.1f ms, %d of 52 early\n", d->noon,
			d->latency, d->shot[8].exposure_ms, d->shot[30].exposure_ms, early);
		/* where the light stops changing at the turn */
		CHECK(early <= 1);
		free(d);
	}
}

/* Exposures of ten seconds, and of 50: they start on their slots, and no slot is without one. */
TEST(long_exposures_start_on_their_slots)
{
	static const int64_t longest_s[] = { 10, 25, 50, 10, 25, 50 };

	for (size_t i = 0; i < ARRAY_SIZE(longest_s); i++) {
		struct dusk *d = new_dusk(i < 3 ? SENSOR_LATENCY : 7);
		struct evenness e;

		d->stops = 0;
		d->noon = -20;
		d->slots = 120;
		d->wishes.exposure_max_us = longest_s[i] * US_PER_SEC;
		/* until they are in step, frames may be further from a slot than it allows */
		d->lost_from_ns = (i < 3 ? 10 : 30) * MINUTE;
		play(d);
		e = measure_shots(d, 60);
		print_evenness(d, &e);
		CHECK(fabs(d->shot[100].exposure_ms - (double)longest_s[i] * 1e3) < 1);
		CHECK(e.off_ns < 2000000);
		CHECK_INT(d->lost, 0);
		free(d);
	}
}

/* What the interval allows bounds the exposure: by default each slot has two frames. */
TEST(no_exposure_costs_a_slot)
{
	static const int64_t every_ms[] = { 100, 250, 500, 1000, 2000, 5000, 30000 };

	for (size_t i = 0; i < ARRAY_SIZE(every_ms); i++) {
		struct dusk *d = new_dusk(SENSOR_LATENCY);

		d->every_ns = every_ms[i] * 1000000;
		d->wishes.exposure_max_us = 0;
		/* five times as fast as the sun; frames get longer and shorter on the way */
		d->ramp = 3;
		d->noon = -6;
		d->stops = 5;
		d->hold = 1;
		d->slots = (int)(480000 / every_ms[i]);
		if (d->slots > SLOTS_MAX)
			d->slots = SLOTS_MAX;
		play(d);
		printf("  every %lld ms: longest exposure %.1f ms, %d of %d slots lost\n",
			(long long)every_ms[i], d->longest_ms, d->lost, d->slots);
		CHECK(d->longest_ms <= fmin(1000, (double)every_ms[i] / 2));
		CHECK_INT(d->lost, 0);
		free(d);
	}
}

/* The camera's white balance wanders in the dark; ours holds what it had in the light. */
TEST(white_balance_is_held_in_the_dark)
{
	struct dusk *d = new_dusk(SENSOR_LATENCY);
	double least[2] = { 99, 99 }, most[2] = { 0, 0 };

	for (int alone = 0; alone < 2; alone++) {
		d->alone = alone;
		play(d);
		for (int i = 106; i < 118; i++) {
			least[alone] = fmin(least[alone], d->shot[i].red);
			most[alone] = fmax(most[alone], d->shot[i].red);
		}
	}
	printf("  red in the dark: %.3f to %.3f, the camera's own %.3f to %.3f\n", least[0],
		most[0], least[1], most[1]);
	CHECK(most[0] - least[0] < 0.01 && fabs(most[0] - 1.8) < 0.1);
	CHECK(most[1] - least[1] > 0.1);
	free(d);
}
