/* SPDX-License-Identifier: MIT */
/* How to expose the next frames; see exposure.h. */
#include "capture/exposure/exposure.h"

#include <errno.h>
#include <math.h>

#include "common/base/clock.h"

#define LUMA_STOPS 2.2 /* stops of light for one doubling of luma: the gamma of a JPEG, about */
#define LUMA_BLACK (1 / 256.0)
#define BRIGHTER_MAX 3.0 /* stops that one frame can ask for */
#define DARKER_MAX 4.0
#define CLIPPED_MUCH 0.25 /* with more the mean tells too little */
#define JUMP 0.4 /* stops from what was expected: a cloud, a lamp, a flash */
#define SMOOTH_S 2.0 /* time constants of the filter */
#define RATE_S 90.0
#define RATE_MAX 0.012 /* stops a second; dusk at the equator has half of that */
#define AHEAD_MAX_S 60.0 /* the rate is not trusted for longer */
#define FORGET_S 600.0 /* later nothing that was known of the light counts */
#define WAITED 0.1 /* stops by which an exposure and its gain are exchanged */
#define DEADBAND 0.03 /* stops: 1 % of luma */
#define HURRY 0.6 /* stops: does not wait for a slot to pass */
#define WAIT_BRIGHT 0.1 /* nor does what is so much too bright */
#define LOCK_FRAMES 4 /* beside the latency: what the phase lock needs to move the frames */
#define PRODUCT_MAX_NS 1e15
#define TAKE_READINGS 3
#define LEARN 16.0 /* readings that the target is a mean of, about */
#define TARGET_MIN 0.15
#define TARGET_MAX 0.65
#define WHITE_HOLD_NS 250e6 /* product from which on the white balance is held; half to let go */
#define WHITE_LEARN 16.0
#define PAST_LIGHT_US (15 * 60 * US_PER_SEC) /* the light has changed after it */
#define PAST_WHITE_US (7 * 24 * 3600 * US_PER_SEC)
#define LOST_STOPS                                                                                 \
	0.25 /* frames are exposed so far from the order, and long after it: it is lost */
#define LIMIT_STOPS 0.5 /* so much too dark: at the limit */

static double target_default(const struct exposure_limits *limits)
{
	double target = EXPOSURE_TARGET * exp2(limits->compensation / LUMA_STOPS);

	return fmin(fmax(target, TARGET_MIN), TARGET_MAX);
}

struct exposure exposure_new(const struct exposure_limits *limits)
{
	return (struct exposure){ .limits = *limits, .target = target_default(limits) };
}

void exposure_set_limits(struct exposure *e, const struct exposure_limits *limits)
{
	double moved = (limits->compensation - e->limits.compensation) / LUMA_STOPS;

	e->target = fmin(fmax(e->target * exp2(moved), TARGET_MIN), TARGET_MAX);
	e->limits = *limits;
}

const char *exposure_stage_name(enum exposure_stage stage)
{
	static const char *const names[] = { "camera", "exposure", "gain", "limit" };

	return names[stage];
}

/* ---- what a frame tells ---- */

static bool reading_makes_sense(const struct exposure_reading *r)
{
	return r->exposure_us > 0 && r->exposure_us < EXPOSURE_US_MAX && r->gain >= 0.1 &&
		r->gain < 1e5 && r->luma >= 0 && r->luma <= 1 && r->clipped >= 0 && r->clipped <= 1;
}

static double reading_stops(const struct exposure_reading *r)
{
	return log2(r->exposure_us * 1e3 * r->gain);
}

/* By how many stops the frame should have been brighter. */
static double reading_error(const struct exposure *e, const struct exposure_reading *r)
{
	double error = LUMA_STOPS * log2(e->target / fmax(r->luma, LUMA_BLACK));
	double much = (r->clipped - CLIPPED_MUCH) / (1 - CLIPPED_MUCH);

	if (much > 0)
		error = fmin(error, -1 - (DARKER_MAX - 1) * much);
	return fmin(fmax(error, -DARKER_MAX), BRIGHTER_MAX);
}

/* ---- the light ---- */

static void follow_light(struct exposure *e, double right, int64_t at_ns)
{
	double passed = (double)(at_ns - e->at_ns) / (double)NS_PER_SEC, off, alpha;

	if (e->at_ns == 0 || passed > FORGET_S) {
		e->stops = right;
		e->rate = e->odd = 0;
		e->at_ns = at_ns;
		return;
	}
	if (passed <= 0)
		return;
	off = right - (e->stops + e->rate * passed);
	if (fabs(off) > JUMP && !(e->odd * off > 0)) {
		e->odd = off;
		return;
	}
	alpha = fabs(off) > JUMP ? 1 : 1 - exp(-passed / SMOOTH_S);
	if (fabs(off) <= JUMP)
		e->rate += off / fmax(passed, 1) * (1 - exp(-passed / RATE_S));
	e->rate = fmin(fmax(e->rate, -RATE_MAX), RATE_MAX);
	e->stops += e->rate * passed + alpha * off;
	e->odd = 0;
	e->at_ns = at_ns;
}

/*
 * A black frame tells only that the product should be much larger, a white one much smaller:
 * nothing new where that is known, as of frames from before an order has shown.
 */
static bool tells_nothing(const struct exposure *e, double error, double right)
{
	return e->at_ns != 0 &&
		((error >= BRIGHTER_MAX && e->stops >= right) ||
			(error <= -DARKER_MAX && e->stops <= right));
}

static bool white_is_known(double gain)
{
	return gain > 0.1 && gain < 32;
}

/* Of frames whose white balance is the camera's, while there is light enough. */
static void learn_white(struct exposure *e, const struct exposure_reading *r)
{
	if (e->order.red > 0 || reading_stops(r) >= log2(WHITE_HOLD_NS) ||
		!white_is_known(r->red) || !white_is_known(r->blue))
		return;
	e->red = e->red > 0 ? e->red + (r->red - e->red) / WHITE_LEARN : r->red;
	e->blue = e->blue > 0 ? e->blue + (r->blue - e->blue) / WHITE_LEARN : r->blue;
}

/* ---- what to do ---- */

static void hold_white(const struct exposure *e, double product_ns, struct camera_exposure *order)
{
	bool held = e->order.red > 0;

	if (e->red <= 0 || product_ns < (held ? WHITE_HOLD_NS / 2 : WHITE_HOLD_NS))
		return;
	order->red = held ? e->order.red : e->red;
	order->blue = held ? e->order.blue : e->blue;
}

static enum exposure_stage stage_of(const struct exposure *e, double wanted)
{
	const struct exposure_limits *l = &e->limits;
	double top = log2((double)l->max_ns * l->gain_max);
	/* a little each way, so that it does not flutter */
	double gain_from = log2((double)l->max_ns) + (e->stage >= EXPOSURE_BY_GAIN ? 0.05 : 0.2);
	double limit_from = top + (e->stage == EXPOSURE_AT_LIMIT ? 0.1 : LIMIT_STOPS);

	return wanted > limit_from                      ? EXPOSURE_AT_LIMIT
		: wanted > gain_from && top > gain_from ? EXPOSURE_BY_GAIN
							: EXPOSURE_BY_TIME;
}

/* How long before a slot the exposure has to stand. */
static int64_t lead_ns(const struct exposure *e, int64_t duration_ns)
{
	int64_t every_ns = e->limits.every_ns;
	int64_t lead = (e->limits.latency_frames + LOCK_FRAMES) * duration_ns;
	/* where that is too long there is still the frame after the slot */
	int64_t most = every_ns - 3 * duration_ns / 2;

	return every_ns > 0 && lead > most ? most : lead;
}

/* Whether the exposure stays as it is for now. */
static bool has_to_wait(const struct exposure *e, const struct exposure_reading *r,
	const struct camera_exposure *order, double wanted)
{
	double now = log2((double)e->order.exposure_ns);

	return e->order.exposure_ns <= e->limits.max_ns &&
		fabs(log2((double)order->exposure_ns) - now) < HURRY &&
		wanted > now - WAIT_BRIGHT && wanted < now + log2(e->limits.gain_max) &&
		(r->moving ||
			(r->until_slot_ns > 0 && r->until_slot_ns < lead_ns(e, r->duration_ns)));
}

/*
 * How far ahead an exposure looks: to when it shows, or, where it has to stand before a slot, to
 * that slot.
 */
static double ahead_s(const struct exposure *e, const struct exposure_reading *r)
{
	int64_t lead = lead_ns(e, r->duration_ns);
	int64_t ahead = r->until_slot_ns > lead && r->until_slot_ns < lead + 3 * r->duration_ns
		? r->until_slot_ns
		: lead;

	return fmin(fmax((double)ahead / (double)NS_PER_SEC, 0), AHEAD_MAX_S);
}

/*
 * The order for a scene that needs `wanted` stops now; 1 where it is worth one. Where the exposure
 * has to wait, or looks ahead into more light, the gain makes up for it meanwhile.
 */
static int make_order(struct exposure *e, const struct exposure_reading *r, double wanted,
	struct camera_exposure *ret)
{
	const struct exposure_limits *l = &e->limits;
	double ahead = e->rate * ahead_s(e, r);
	double there = wanted + (ahead < 0 ? 2 * ahead : ahead);
	struct camera_exposure order = { 0 };
	double product_ns, off, longer;

	e->stage = stage_of(e, wanted);
	exposure_part(l, exp2(there), &order);
	if (e->order.exposure_ns > 0 && has_to_wait(e, r, &order, wanted))
		order.exposure_ns = e->order.exposure_ns;
	if (order.exposure_ns != e->order.exposure_ns && ahead > 0)
		wanted = there;
	product_ns = exp2(wanted);
	order.gain = fmin(fmax(product_ns / (double)order.exposure_ns, 1), l->gain_max);
	off = log2((double)order.exposure_ns * order.gain);
	off -= log2((double)e->order.exposure_ns * e->order.gain);
	/* an exposure that had to wait comes to its right length even if nothing else changes */
	longer = log2((double)order.exposure_ns) - log2((double)e->order.exposure_ns);
	if (e->order.exposure_ns > 0 && e->order.exposure_ns <= l->max_ns && fabs(off) < DEADBAND &&
		fabs(longer) < WAITED)
		return 0;
	order.duration_ns = exposure_duration_ns(l, order.exposure_ns, e->order.duration_ns);
	hold_white(e, product_ns, &order);
	*ret = e->order = order;
	return 1;
}

/*
 * Whether the last order got lost on its way, as at a start of the stream or with a frame that
 * libcamera skips. Then frames stay as they were, and as all that is wanted was ordered, nothing
 * else would come.
 */
static bool order_is_lost(struct exposure *e, const struct exposure_reading *r)
{
	double off = reading_stops(r) - log2((double)e->order.exposure_ns * e->order.gain);
	int64_t longest_ns =
		r->duration_ns > e->order.duration_ns ? r->duration_ns : e->order.duration_ns;

	if (fabs(off) < LOST_STOPS)
		e->unlike_ns = 0;
	else if (e->unlike_ns == 0)
		e->unlike_ns = r->at_ns;
	if (e->unlike_ns == 0 ||
		r->at_ns - e->unlike_ns < 2 * e->limits.latency_frames * longest_ns + NS_PER_SEC)
		return false;
	e->unlike_ns = 0;
	return true;
}

static int give_back(struct exposure *e, struct camera_exposure *ret)
{
	e->stage = EXPOSURE_OF_CAMERA;
	e->dark = 0;
	*ret = e->order = (struct camera_exposure){ 0 };
	return 1;
}

/* The camera's own control has it: learn from it, until it needs too much. */
static int watch_camera(
	struct exposure *e, const struct exposure_reading *r, struct camera_exposure *ret)
{
	double stops = reading_stops(r);

	if (r->startup)
		return 0;
	e->dark = stops >= log2(EXPOSURE_TAKE_NS) ? e->dark + 1 : 0;
	follow_light(e, stops, r->at_ns);
	if (r->converged && e->dark == 0) {
		e->target += (r->luma - e->target) / LEARN;
		e->target = fmin(fmax(e->target, TARGET_MIN), TARGET_MAX);
	}
	if (e->dark < TAKE_READINGS)
		return 0;
	return make_order(e, r, stops, ret);
}

int exposure_resume(
	struct exposure *e, const struct exposure_past *past, struct camera_exposure *ret)
{
	const struct exposure_reading none = { 0 };

	e->order = (struct camera_exposure){ 0 };
	e->stage = EXPOSURE_OF_CAMERA;
	e->dark = 0;
	if (past->age_us < 0 || past->age_us > PAST_WHITE_US)
		return 0;
	if (white_is_known(past->red) && white_is_known(past->blue)) {
		e->red = past->red;
		e->blue = past->blue;
	}
	if (past->age_us > PAST_LIGHT_US || e->limits.max_ns <= 0 ||
		!(past->product_ns >= EXPOSURE_TAKE_NS && past->product_ns <= PRODUCT_MAX_NS))
		return 0;
	e->stops = log2(past->product_ns);
	e->rate = e->odd = 0;
	e->at_ns = past->now_ns;
	return make_order(e, &none, e->stops, ret);
}

int exposure_frame(
	struct exposure *e, const struct exposure_reading *r, struct camera_exposure *ret)
{
	double shows_s, wanted, error, right;

	if (!reading_makes_sense(r))
		return -EINVAL;
	if (e->limits.max_ns <= 0)
		return 0;
	learn_white(e, r);
	if (e->stage == EXPOSURE_OF_CAMERA)
		return watch_camera(e, r, ret);
	if (order_is_lost(e, r)) {
		*ret = e->order;
		return 1;
	}
	error = reading_error(e, r);
	right = reading_stops(r) + error;
	if (tells_nothing(e, error, right))
		return 0;
	follow_light(e, right, r->at_ns);
	shows_s = (double)(e->limits.latency_frames * r->duration_ns) / (double)NS_PER_SEC;
	wanted = e->stops + e->rate * fmin(fmax(shows_s, 0), AHEAD_MAX_S);
	if (wanted < log2(EXPOSURE_GIVE_NS))
		return give_back(e, ret);
	return make_order(e, r, wanted, ret);
}
