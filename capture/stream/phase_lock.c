/* SPDX-License-Identifier: MIT */
/* Steers the sensor's frames onto the slots; see phase_lock.h for the model. */
#include "capture/stream/phase_lock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "capture/stream/phase_estimate.h"

#define RESTART_WANDER 5e-6 /* and from stream to stream */
#define STEADY_FRAMES 3 /* before an order */
#define SLACK_FRAMES 2 /* in which an order may show later than the camera says */
#define PATIENCE_FRAMES 4 /* more of them after each order that had no effect */
#define TRIES 4
/* a frame is longer than its exposure by some lines: on the imx708 by 48, which are 1.26 ms */
#define EXPOSURE_MARGIN_NS INT64_C(1500000)
#define GOOD_NS INT64_C(1000000) /* so near to its slot a frame is a good one */
#define SLOTS_AHEAD_MAX 64 /* slots looked at that are too near for an order */
#define CLOCK_MAX 2e-4 /* nor is a sensor's clock off by more of itself */
#define ROUND_NS 20e3 /* from slot to slot: a smaller drift is left alone */
#define RESIDUAL_FRAMES 16.0
#define GAP_SURE 64 /* frames after which a mean gap is settled */
#define GAP_SLOW 1.2 /* a mean gap above it: the camera cannot keep up with its sensor */
#define SLOWER 1.05 /* than what it has kept up with is what it is asked for */

struct phase_lock phase_lock_new(const struct camera_info *info)
{
	return (struct phase_lock){
		.duration_min_ns = info->frame_duration_min_ns,
		.duration_max_ns = info->frame_duration_max_ns,
		.duration_open_ns = info->frame_duration_ns,
		.asked_ns = info->frame_duration_ns,
		.latency_frames = info->latency_frames,
		.gap_mean = 1,
		.drift_ppm = NAN,
		.residual_mean_ns = NAN,
	};
}

void phase_lock_start(struct phase_lock *s)
{
	s->seen_ns = 0;
	s->steady = s->odd = 0;
	s->shift_ns = s->duration_ns = 0;
	s->period_next_ns = 0;
	s->exposure_wait = s->unanswered = 0;
	s->exposure_ns = s->exposure_next_ns = 0;
	s->gap_mean = 1;
	s->gap_frames = s->hold = 0;
	s->var_period += pow(RESTART_WANDER * s->period_ns, 2);
}

/* `x` reduced to -every/2 .. every/2 */
static int64_t fold_ns(int64_t x, int64_t every)
{
	x %= every;
	return x > every / 2 ? x - every : x < -every / 2 ? x + every : x;
}

static void measure_lock(
	struct phase_lock *s, const struct frame *frame, int64_t aim_ns, int64_t every_ns)
{
	int64_t late_ns = frame->start_ns - aim_ns;
	int64_t nominal = phase_nominal_ns(s, frame);

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

/* From this frame to the first one that shows an order given now. */
static int frames_to_answer(const struct phase_lock *s, const struct frame *frame)
{
	int answer = s->answer_frames > 0 ? s->answer_frames : s->latency_frames - s->queued_most;

	return frame->queued + answer > 0 ? frame->queued + answer : 1;
}

static int wait_frames(
	const struct phase_lock *s, const struct frame *frame, const struct phase_lock_order *order)
{
	return frames_to_answer(s, frame) + order->frames +
		(s->answer_frames > 0 ? 0 : SLACK_FRAMES) + PATIENCE_FRAMES * s->unanswered;
}

/*
 * Where frames drift against the slots, because no whole number of lines fits, an order cannot put
 * all the slots right that it moves before the next one does: it puts the middle of them right.
 */
struct drift {
	int64_t lead_ns; /* so far before the slot that it is for */
	int64_t spread_ns; /* so far off are the first and the last of them then */
};

static struct drift find_drift(const struct phase_lock *s, const struct frame *frame,
	int64_t every_ns, const struct phase_lock_order *order, const struct forecast *f)
{
	double period = s->period_ns, each_ns = remainder((double)-every_ns, period);
	int shows = frames_to_answer(s, frame) + order->frames - 1;
	int next = wait_frames(s, frame, order) + STEADY_FRAMES;
	double later, earlier;

	/* where there is time for an order for each slot, or need of one, there is no middle */
	if (every_ns <= 0 || fabs(each_ns) > (double)GOOD_NS || (double)every_ns > next * period)
		return (struct drift){ 0 };
	later = fmax(floor((double)(next + shows - 1 - f->frames) * period / (double)every_ns), 0);
	earlier = s->answer_frames > 0
		? floor((double)(f->frames - shows) * period / (double)every_ns)
		: 0;
	return (struct drift){ llround(each_ns * (later - earlier) / 2),
		llround(fabs(each_ns) * (later + earlier) / 2) };
}

/* Whether a slot that would be met well enough would not be after this shift. */
static bool spoils_slot(
	const struct forecast *f, int64_t shift_ns, int64_t spread_ns, int64_t period_ns)
{
	int64_t before_ns = llabs(f->error_ns);
	int64_t after_ns = llabs(fold_ns(f->error_ns - shift_ns, period_ns)) - spread_ns;

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
	int64_t every_ns, struct phase_lock_order *ret)
{
	int64_t nominal = phase_nominal_ns(s, frame), period = llround(s->period_ns);
	int64_t least = s->duration_min_ns, most = s->duration_max_ns;
	int64_t longer = error_ns > 0 ? error_ns : error_ns + period;
	int64_t shorter = longer - period, room_up, room_down, n_up, n_down, frames, shift;

	/* a frame that is too short for its exposure would be a dark one */
	if (least > 0 && least < phase_exposure_ns(s, frame) + EXPOSURE_MARGIN_NS)
		least = phase_exposure_ns(s, frame) + EXPOSURE_MARGIN_NS;
	/* between two frames that are further apart there may be a slot that has neither */
	if (nominal < every_ns - every_ns / 10 && (most <= 0 || most > every_ns - every_ns / 10))
		most = every_ns - every_ns / 10;
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
	*ret = (struct phase_lock_order){ nominal + shift / frames + llround(s->line_ns / 2),
		(int)frames };
	return shift / frames * frames;
}

/* `own_ns` of the shift is this order's, the rest that of one which has not shown yet. */
static void order_given(struct phase_lock *s, const struct frame *frame, int64_t shift_ns,
	int64_t own_ns, const struct phase_lock_order *order)
{
	s->shift_ns = s->left_ns = shift_ns;
	s->own_ns = own_ns;
	s->shift_frames = order->frames > 0 ? order->frames : 1;
	s->queued = frame->queued;
	s->since = 0;
	s->wait = wait_frames(s, frame, order);
	s->orders++;
}

/* The frames' duration changes for good, with that order; nothing moves before it has shown. */
static void await_duration(
	struct phase_lock *s, const struct frame *frame, const struct phase_lock_order *order)
{
	order_given(s, frame, 0, 0, order);
	s->period_next_ns = (double)order->duration_ns * phase_clock(s);
}

static int plan_order(struct phase_lock *s, const struct frame *frame, int64_t start_ns,
	int64_t every_ns, struct phase_lock_order *ret)
{
	/* the frame's end of exposure that would put the start there */
	int64_t aim_ns = start_ns + phase_exposure_ns(s, frame), period = llround(s->period_ns);
	int64_t near_ns = s->end_ns + period + period / 2, shift;
	struct forecast before[SLOTS_AHEAD_MAX], f;
	struct drift drift;
	struct phase_lock_order order;
	int64_t step_ns = every_ns > 0 ? (period + every_ns - 1) / every_ns * every_ns : 0;
	/* frames before that one are surely not moved */
	int reach = s->answer_frames > 0 ? frames_to_answer(s, frame) - 1 : 0, n = 0;

	/* the next frame has begun already and cannot be moved: slots up to there are past */
	if (aim_ns < near_ns && every_ns > 0)
		aim_ns += (near_ns - aim_ns + every_ns - 1) / every_ns * every_ns;
	for (;;) {
		f = forecast_frame(s, aim_ns + phase_longer_ns(s, aim_ns - s->end_ns));
		shift = make_order(s, frame, f.error_ns, every_ns, &order);
		if (shift == 0)
			return f.error_ns == 0 ? 0 : -EOPNOTSUPP;
		/* a longer frame eats one of those until the slot */
		if (f.frames > wait_frames(s, frame, &order) + (shift > 0))
			break;
		if (every_ns <= 0 || n == SLOTS_AHEAD_MAX)
			return 0;
		before[n++] = f;
		aim_ns += step_ns;
	}
	drift = find_drift(s, frame, every_ns, &order, &f);
	f.error_ns -= drift.lead_ns;
	/* where they drift an order is due anyway, and is worth as much as it is sure to mend */
	if ((double)llabs(f.error_ns) <= (drift.spread_ns > 0 ? 2 * f.sigma_ns : deadband_ns(&f)))
		return 0;
	shift = make_order(s, frame, f.error_ns, every_ns, &order);
	/* a slot before that one must not be spoiled for it: let it pass first */
	for (int i = 0; i < n; i++)
		if (before[i].frames >= reach &&
			spoils_slot(&before[i], shift, drift.spread_ns, period))
			return 0;
	if (shift == 0)
		return 0;
	order_given(s, frame, shift, shift, &order);
	*ret = order;
	return 1;
}

/* An order for good: from when it shows, the period is another one. */
static void change_duration(struct phase_lock *s, int64_t duration_ns, struct phase_lock_order *ret)
{
	*ret = (struct phase_lock_order){ duration_ns, 0 };
	phase_lock_start(s);
	s->period_ns = 0;
	s->answer_frames = 0; /* it was learned while frames waited for their turn */
	s->asked_ns = duration_ns;
	if (s->wanted_ns == 0)
		s->duration_open_ns = duration_ns;
	s->hold = s->latency_frames + SLACK_FRAMES;
	s->orders++;
}

/*
 * The sensor makes more frames than the camera can deliver, so that those on slots are as likely
 * lost as others. The sensor has to be slower, but for slots that would have no frame then.
 */
static bool slow_down(struct phase_lock *s, int64_t every_ns, struct phase_lock_order *ret)
{
	int64_t kept_ns = llround(s->gap_mean_ns * SLOWER);

	if (s->gap_frames < GAP_SURE || s->gap_mean < GAP_SLOW ||
		(every_ns > 0 && kept_ns > every_ns) ||
		(s->duration_max_ns > 0 && kept_ns > s->duration_max_ns))
		return false;
	change_duration(s, camera_fit_duration_ns(kept_ns, every_ns), ret);
	return true;
}

/*
 * Frames have whole lines, and a camera rounds down: the frames that should be a part of the slots'
 * distance come earlier from slot to slot. Asked for by half a line more than that, they have the
 * nearest number of lines; how long a line is shows in the answer.
 */
static bool round_duration(struct phase_lock *s, const struct frame *frame, int64_t every_ns,
	struct phase_lock_order *ret)
{
	double every = (double)every_ns / phase_clock(s), duration = (double)frame->duration_ns;
	double frames = round(every / duration);
	double short_ns = frames > 0 ? every / frames - duration : 0, more_ns;

	if (s->rounded || !s->duration_is_true || 3 * sqrt(s->var_period) > fabs(short_ns))
		return false;
	s->rounded = true;
	if (fabs(short_ns) > LINE_MAX_NS + CLOCK_MAX * duration ||
		fabs(short_ns) * frames < ROUND_NS ||
		(s->line_ns > 0 ? fabs(short_ns) < 0.6 * s->line_ns : short_ns < 0))
		return false;
	/* longer by twice what is missing, it gets a line more if that one misses by less */
	more_ns = s->line_ns > 0 ? s->line_ns / 2 : fmin(short_ns, LINE_USUAL_NS / 2);
	s->asked_ns = llround(duration + short_ns + more_ns);
	*ret = (struct phase_lock_order){ s->asked_ns, 0 };
	/* nothing else is ordered until it shows: that would count on frames of the old length */
	await_duration(s, frame, ret);
	return true;
}

int phase_lock_frame(struct phase_lock *s, const struct frame *frame, int64_t slot_ns,
	int64_t every_ns, struct phase_lock_order *ret_order)
{
	s->aim_ns = slot_ns + PHASE_LOCK_AIM_NS;
	s->every_ns = every_ns;
	if (s->hold > 0) {
		s->hold--;
		return 0;
	}
	phase_observe_frame(s, frame);
	if (s->period_ns > 0)
		measure_lock(s, frame, s->aim_ns, every_ns);
	if (s->period_ns > 0 && slow_down(s, every_ns, ret_order))
		return 1;
	if (s->unanswered >= TRIES)
		return -EOPNOTSUPP;
	if (phase_is_ordered(s) || s->steady < STEADY_FRAMES)
		return 0;
	if (round_duration(s, frame, every_ns, ret_order))
		return 1;
	return plan_order(s, frame, s->aim_ns, every_ns, ret_order);
}

/*
 * When the n-th frame from now ends its exposure, if the orders under way are the last ones. What
 * of an order has not gone to the camera yet is replaced by the next one.
 */
static double end_of_frame_ns(const struct phase_lock *s, const struct frame *frame, int n)
{
	double ends_ns = (double)s->end_ns + n * s->period_ns;
	int sent = s->since < s->shift_frames ? s->since : s->shift_frames;
	int shown = frames_to_answer(s, frame) - frame->queued + s->queued + s->shift_frames - 1 -
		s->since;

	if (!phase_is_ordered(s))
		return ends_ns;
	ends_ns += (double)s->left_ns;
	ends_ns -= (double)s->own_ns * (s->shift_frames - sent) / s->shift_frames;
	if (s->period_next_ns > 0 && n > shown)
		ends_ns += (n - shown) * (s->period_next_ns - s->period_ns);
	return ends_ns;
}

/*
 * Frames are exposed differently from an order on: the first of them lasts as long as puts its
 * exposure on a slot, or so many frames before one. If frames last differently from then on, it is
 * the first one possible, so that there is one on each slot; where one frame cannot last as long,
 * several do. If not, the frames go on nearest to where they are.
 */
static int plan_exposure(
	struct phase_lock *s, const struct frame *frame, bool changes, struct phase_lock_order *ret)
{
	double clock = phase_clock(s), exposure = (double)phase_exposure_ns(s, frame);
	double every = (double)s->every_ns, most = (double)s->duration_max_ns * clock;
	double now = s->period_next_ns > 0 ? s->period_next_ns : s->period_ns;
	double period = changes ? (double)s->asked_ns * clock : now;
	double least = fmax((double)s->duration_min_ns, exposure + (double)EXPOSURE_MARGIN_NS);
	int first = frames_to_answer(s, frame), frames = 1;
	double before = end_of_frame_ns(s, frame, first - 1);
	/* from there to a slot's frame */
	double span = (double)s->aim_ns + exposure - before, first_ns;

	if (every > 0)
		span -= floor((span - least) / every) * every;
	first_ns = changes ? span - floor((span - least) / period) * period
			   : period + remainder(span, period);
	if (most > 0 && first_ns > most && changes) {
		frames = most > period ? (int)ceil((first_ns - period) / (most - period))
				       : INT16_MAX;
		first_ns = period + (first_ns - period) / frames;
	}
	if (frames > PHASE_LOCK_FRAMES_MAX || first_ns < least || (most > 0 && first_ns > most))
		return 0;
	*ret = (struct phase_lock_order){ llround(first_ns / clock + s->line_ns / 2), frames };
	before += frames * first_ns - (double)s->end_ns;
	order_given(s, frame, llround(before - (first + frames - 1) * s->period_ns),
		llround(frames * (first_ns - now)), ret);
	if (changes)
		s->period_next_ns = period;
	/* a frame that lasts as long as those before tells nothing: then it is counted */
	if (llabs(s->own_ns) < CLEAR_NS && s->answer_frames > 0)
		s->wait = first + frames - 1;
	return 1;
}

int phase_lock_expose(struct phase_lock *s, const struct frame *frame,
	struct camera_exposure *exposure, struct phase_lock_order *ret)
{
	int64_t exposure_ns = exposure->exposure_ns > 0 ? exposure->exposure_ns : 0;
	int64_t wanted_ns = exposure_ns > 0 ? exposure->duration_ns : 0;
	bool changes = wanted_ns != s->wanted_ns, same;

	if (changes) {
		s->wanted_ns = wanted_ns;
		s->asked_ns = wanted_ns > 0
			? llround((double)wanted_ns / phase_clock(s) + s->line_ns / 2)
			: s->duration_open_ns;
		s->rounded = false;
	}
	exposure->duration_ns = wanted_ns > 0 ? s->asked_ns : 0;
	if (!frame || s->period_ns <= 0)
		return 0;
	/* another gain alone moves nothing */
	same = !changes && fabs((double)(exposure_ns - phase_exposure_ns(s, frame))) < LINE_MAX_NS;
	s->exposure_next_ns = exposure_ns;
	s->exposure_wait = s->latency_frames + SLACK_FRAMES + PATIENCE_FRAMES;
	if (s->unanswered >= TRIES || s->asked_ns <= 0)
		return 0;
	if (same || (!changes && s->odd > 0))
		return 0;
	if (s->seen_ns != 0 && plan_exposure(s, frame, changes, ret) > 0)
		return 1;
	/* frames are not moved, but reckoned to last differently from then on */
	if (changes)
		await_duration(s, frame, &(struct phase_lock_order){ s->asked_ns, 0 });
	return 0;
}

bool phase_lock_is_moving(const struct phase_lock *s)
{
	return llabs(s->shift_ns) > CLEAR_NS || s->period_next_ns > 0;
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
