/* SPDX-License-Identifier: MIT */
/* Steers the sensor's frames onto the slots; see phase_lock.h for the model. */
#include "capture/stream/phase_lock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define JITTER_NS 25e3 /* standard deviation of a reported time */
#define WANDER 5e-8 /* by how much of itself the period changes from frame to frame */
#define RESTART_WANDER 5e-6 /* and from stream to stream */
#define ODD_NS 200e3 /* further from the prediction, and five sigma, a frame is out of step */
#define STEADY_FRAMES 3 /* before an order */
#define SLACK_FRAMES 2 /* in which an order may show later than the camera says */
#define PATIENCE_FRAMES 4 /* more of them after each order that had no effect */
#define TRIES 4
#define EXPOSURE_MARGIN_NS INT64_C(1000000) /* a frame is longer than its exposure by some lines */
#define CLEAR_NS INT64_C(1000000) /* a larger shift cannot be mistaken for noise */
#define GOOD_NS INT64_C(1000000) /* so near to its slot a frame is a good one */
#define DRIFT_MAX 0.01 /* reported durations further from the measured ones mean something else */
#define SLOTS_AHEAD_MAX 64 /* slots looked at that are too near for an order */
#define RESIDUAL_FRAMES 16.0

struct phase_lock phase_lock_new(const struct camera_info *info)
{
	return (struct phase_lock){
		.duration_min_ns = info->frame_duration_min_ns,
		.duration_max_ns = info->frame_duration_max_ns,
		.latency_frames = info->latency_frames,
		.drift_ppm = NAN,
		.residual_mean_ns = NAN,
	};
}

void phase_lock_start(struct phase_lock *s)
{
	s->seen_ns = 0;
	s->steady = s->odd = 0;
	s->shift_ns = 0;
	s->unanswered = 0;
	s->var_period += pow(RESTART_WANDER * s->period_ns, 2);
}

static int64_t exposure_ns(const struct frame *frame)
{
	return isnan(frame->exposure_us) ? 0 : llround(frame->exposure_us * 1e3);
}

/* `x` reduced to -every/2 .. every/2 */
static int64_t fold_ns(int64_t x, int64_t every)
{
	x %= every;
	return x > every / 2 ? x - every : x < -every / 2 ? x + every : x;
}

/* ---- where the frames are ---- */

/* Time goes on by `gap` frames. */
static void predict_frame(struct phase_lock *s, double gap)
{
	s->end_ns += llround(gap * s->period_ns);
	s->var_end += gap * (2 * s->var_both + gap * s->var_period);
	s->var_both += gap * s->var_period;
	s->var_period += gap * pow(WANDER * s->period_ns, 2);
}

/* A frame was `miss_ns` after its prediction. */
static void correct_estimate(struct phase_lock *s, double miss_ns)
{
	double sum = s->var_end + JITTER_NS * JITTER_NS;
	double gain_end = s->var_end / sum, gain_period = s->var_both / sum;

	s->end_ns += llround(gain_end * miss_ns);
	s->period_ns += gain_period * miss_ns;
	s->var_period -= gain_period * s->var_both;
	s->var_both -= gain_end * s->var_both;
	s->var_end -= gain_end * s->var_end;
}

/* The phase is what was seen; of the period stays what was known. */
static void take_phase(struct phase_lock *s, int64_t end_ns)
{
	s->end_ns = end_ns;
	s->var_end = JITTER_NS * JITTER_NS;
	s->var_both = 0;
}

/* Nothing is known but the last two frames; and the period, if they are a period apart. */
static void begin_again(struct phase_lock *s, int64_t end_ns, uint64_t gap)
{
	double period_ns = (double)(end_ns - s->seen_ns) / (double)gap;

	take_phase(s, end_ns);
	if (fabs(period_ns - s->period_ns) > ODD_NS) {
		s->period_ns = period_ns;
		s->var_both = s->var_end;
		s->var_period = 2 * s->var_end;
	}
	s->steady = s->odd = 0;
}

static void follow_frames(struct phase_lock *s, int64_t end_ns, uint64_t gap)
{
	double miss_ns = (double)(end_ns - s->end_ns);
	double sigma_ns = sqrt(s->var_end + JITTER_NS * JITTER_NS);

	if (fabs(miss_ns) <= fmax(ODD_NS, 5 * sigma_ns)) {
		correct_estimate(s, miss_ns);
		s->steady++;
		s->odd = 0;
	} else if (s->odd++ > 0) {
		begin_again(s, end_ns, gap);
	} else {
		s->steady = 0;
	}
}

/* Has the order shown? It is over when it has, or when it must have. */
static void watch_order(struct phase_lock *s, int64_t end_ns, uint64_t gap)
{
	int64_t moved_ns = end_ns - s->end_ns, size_ns = llabs(s->shift_ns);
	int64_t tolerance_ns = size_ns / (4 * s->shift_frames);
	double sigma_ns = sqrt(s->var_end + JITTER_NS * JITTER_NS);

	s->since += gap < INT16_MAX ? (int)gap : INT16_MAX;
	if (size_ns >= CLEAR_NS && llabs(moved_ns - s->shift_ns) <= tolerance_ns) {
		s->unanswered = 0;
	} else if (s->since < s->wait) {
		if (llabs(moved_ns) < 2 * tolerance_ns)
			correct_estimate(s, (double)moved_ns); /* not yet: a frame like any other */
		return;
	} else if ((double)size_ns > 4 * sigma_ns) {
		s->unanswered = llabs(moved_ns) < size_ns / 2 ? s->unanswered + 1 : 0;
	}
	take_phase(s, end_ns);
	s->shift_ns = 0;
	s->steady = s->odd = 0;
}

static void observe_frame(struct phase_lock *s, const struct frame *frame)
{
	int64_t end_ns = frame->start_ns + exposure_ns(frame);
	uint64_t gap = frame->sequence > s->sequence ? frame->sequence - s->sequence : 1;

	if (s->seen_ns != 0 && end_ns <= s->seen_ns)
		return;
	if (s->seen_ns == 0) {
		take_phase(s, end_ns);
	} else if (s->period_ns <= 0) {
		begin_again(s, end_ns, gap);
	} else {
		predict_frame(s, (double)gap);
		if (s->shift_ns)
			watch_order(s, end_ns, gap);
		else
			follow_frames(s, end_ns, gap);
	}
	s->seen_ns = end_ns;
	s->sequence = frame->sequence;
}

/* The sensor's own idea of the period: what an order must be said in. */
static int64_t nominal_ns(const struct phase_lock *s, const struct frame *frame)
{
	double ratio = s->period_ns / (double)frame->duration_ns;

	return frame->duration_ns > 0 && fabs(ratio - 1) < DRIFT_MAX ? frame->duration_ns
								     : llround(s->period_ns);
}

static void measure_lock(
	struct phase_lock *s, const struct frame *frame, int64_t aim_ns, int64_t every_ns)
{
	int64_t late_ns = frame->start_ns - aim_ns;
	int64_t nominal = nominal_ns(s, frame);

	if (s->shift_ns == 0 && s->steady >= STEADY_FRAMES && nominal == frame->duration_ns)
		s->drift_ppm = (s->period_ns / (double)nominal - 1) * 1e6;
	if (every_ns > 0)
		late_ns = fold_ns(late_ns, every_ns);
	if ((double)llabs(late_ns) > s->period_ns / 2)
		return;
	s->residual_ns = late_ns;
	if (isnan(s->residual_mean_ns))
		s->residual_mean_ns = (double)llabs(late_ns);
	s->residual_mean_ns += ((double)llabs(late_ns) - s->residual_mean_ns) / RESIDUAL_FRAMES;
}

/* ---- what to do about it ---- */

/* How far a frame nearest to an instant will be from it, and how sure that is. */
struct forecast {
	int64_t frames; /* from the newest one */
	int64_t error_ns; /* the instant less the frame: the frames should come so much later */
	double sigma_ns;
};

static struct forecast forecast_frame(const struct phase_lock *s, int64_t end_ns)
{
	double ahead = (double)(end_ns - s->end_ns), n = round(ahead / s->period_ns);

	return (struct forecast){
		.frames = (int64_t)n,
		.error_ns = llround(ahead - n * s->period_ns),
		.sigma_ns = sqrt(s->var_end + n * (2 * s->var_both + n * s->var_period)),
	};
}

/* What is not worth an order. */
static double deadband_ns(const struct forecast *f)
{
	return (double)PHASE_LOCK_DEADBAND_NS + 2 * f->sigma_ns;
}

/* Whether a slot that would be met well enough would not be after this shift. */
static bool spoils_slot(const struct forecast *f, int64_t shift_ns, int64_t period_ns)
{
	int64_t before_ns = llabs(f->error_ns);
	int64_t after_ns = llabs(fold_ns(f->error_ns - shift_ns, period_ns));

	/* a frame that much longer takes the place of the slot's own, though it ends in phase */
	if (before_ns <= GOOD_NS && shift_ns > GOOD_NS)
		return true;
	return before_ns <= GOOD_NS && after_ns > before_ns && (double)after_ns > deadband_ns(f);
}

/*
 * The order that moves the frames by `error_ns`, or by a period more or less: whatever takes fewer
 * frames. `room` is by how much one frame can be longer or shorter. Returns the shift, 0: it
 * cannot.
 */
static int64_t make_order(const struct phase_lock *s, const struct frame *frame, int64_t error_ns,
	struct phase_lock_order *ret)
{
	int64_t nominal = nominal_ns(s, frame), period = llround(s->period_ns);
	int64_t least = s->duration_min_ns, most = s->duration_max_ns;
	int64_t longer = error_ns > 0 ? error_ns : error_ns + period;
	int64_t shorter = longer - period, room_up, room_down, n_up, n_down, frames, shift;

	/* a frame that is too short for its exposure would be a dark one */
	if (least > 0 && least < exposure_ns(frame) + EXPOSURE_MARGIN_NS)
		least = exposure_ns(frame) + EXPOSURE_MARGIN_NS;
	room_up = most > 0 ? most - nominal : longer;
	room_down = least > 0 ? nominal - least : 0;
	n_up = room_up > 0 ? (longer + room_up - 1) / room_up : INT64_MAX;
	n_down = room_down > 0 ? (room_down - 1 - shorter) / room_down : INT64_MAX;
	if (error_ns == 0 || (n_up == INT64_MAX && n_down == INT64_MAX))
		return 0;
	if (n_up < n_down || (n_up == n_down && longer <= -shorter)) {
		frames = n_up;
		shift = n_up > PHASE_LOCK_FRAMES_MAX ? room_up * PHASE_LOCK_FRAMES_MAX : longer;
	} else {
		frames = n_down;
		shift = n_down > PHASE_LOCK_FRAMES_MAX ? -room_down * PHASE_LOCK_FRAMES_MAX
						       : shorter;
	}
	if (frames > PHASE_LOCK_FRAMES_MAX)
		frames = PHASE_LOCK_FRAMES_MAX;
	*ret = (struct phase_lock_order){ nominal + shift / frames, (int)frames };
	return shift / frames * frames;
}

static int wait_frames(const struct phase_lock *s, const struct phase_lock_order *order)
{
	return s->latency_frames + order->frames + SLACK_FRAMES + PATIENCE_FRAMES * s->unanswered;
}

static int plan_order(struct phase_lock *s, const struct frame *frame, int64_t start_ns,
	int64_t every_ns, struct phase_lock_order *ret)
{
	/* the frame's end of exposure that would put the start there */
	int64_t aim_ns = start_ns + exposure_ns(frame), period = llround(s->period_ns);
	int64_t near_ns = s->end_ns + period + period / 2, shift;
	struct forecast before[SLOTS_AHEAD_MAX], f;
	struct phase_lock_order order;
	int64_t step_ns = every_ns > 0 ? (period + every_ns - 1) / every_ns * every_ns : 0;
	int n = 0;

	/* the next frame has begun already and cannot be moved: slots up to there are past */
	if (aim_ns < near_ns && every_ns > 0)
		aim_ns += (near_ns - aim_ns + every_ns - 1) / every_ns * every_ns;
	for (;;) {
		f = forecast_frame(s, aim_ns);
		shift = make_order(s, frame, f.error_ns, &order);
		if (shift == 0)
			return f.error_ns == 0 ? 0 : -EOPNOTSUPP;
		/* a longer frame eats one of those until the slot */
		if (f.frames > wait_frames(s, &order) + (shift > 0))
			break;
		if (every_ns <= 0 || n == SLOTS_AHEAD_MAX)
			return 0;
		before[n++] = f;
		aim_ns += step_ns;
	}
	if ((double)llabs(f.error_ns) <= deadband_ns(&f))
		return 0;
	/* a slot before that one must not be spoiled for it: let it pass first */
	for (int i = 0; i < n; i++)
		if (spoils_slot(&before[i], shift, period))
			return 0;
	s->shift_ns = shift;
	s->shift_frames = order.frames;
	s->since = 0;
	s->wait = wait_frames(s, &order);
	s->orders++;
	*ret = order;
	return 1;
}

int phase_lock_frame(struct phase_lock *s, const struct frame *frame, int64_t slot_ns,
	int64_t every_ns, struct phase_lock_order *ret_order)
{
	int64_t aim_ns = slot_ns + PHASE_LOCK_AIM_NS;

	observe_frame(s, frame);
	if (s->period_ns > 0)
		measure_lock(s, frame, aim_ns, every_ns);
	if (s->unanswered >= TRIES)
		return -EOPNOTSUPP;
	if (s->shift_ns != 0 || s->steady < STEADY_FRAMES)
		return 0;
	return plan_order(s, frame, aim_ns, every_ns, ret_order);
}

int64_t phase_lock_lead_ns(const struct phase_lock *s, int64_t duration_ns)
{
	/*
	 * to be steady, for two orders and to be steady in between, and for the frames they
	 * lengthen
	 */
	int frames = 2 * (STEADY_FRAMES + 1 + s->latency_frames + SLACK_FRAMES + 2);

	return frames * duration_ns;
}
