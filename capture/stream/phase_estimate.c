/* SPDX-License-Identifier: MIT */
/* Follows the sensor's frames; see phase_estimate.h, and phase_lock.h for the model. */
#include "capture/stream/phase_estimate.h"

#include <math.h>
#include <stdlib.h>

#define JITTER_NS 25e3 /* standard deviation of a reported time */
#define WANDER 5e-8 /* by how much of itself the period changes from frame to frame */
#define ODD_NS 200e3 /* further from the prediction, and five sigma, a frame is out of step */
#define DRIFT_MAX 0.01 /* reported durations further from the measured ones mean something else */
#define CLOCK_DRIFT 5e-5 /* standard deviation of sensors' clocks */
#define DURATION_SAME_NS 2000 /* durations are reported in microseconds */
#define EXPOSURE_US_SANE 1e9 /* what else is reported is none */
#define GAP_ODD 0.25 /* of a frame: a time so far from a multiple is a bad one */
#define GAP_FRAMES 64.0 /* that the mean gap is taken over */
#define TREND_FRAMES 16.0 /* that the exposure's trend is taken over */
#define TREND_MAX 0.05 /* of itself an exposure changes from frame to frame; more is a jump */
#define TREND_AHEAD_NS 1e9 /* the light may change otherwise by then */
#define GAP_MOST 3.0 /* a longer one is a stall, and no sign of a slow camera */

static int64_t exposure_ns(const struct frame *frame)
{
	return frame->exposure_us > 0 && frame->exposure_us < EXPOSURE_US_SANE
		? llround(frame->exposure_us * 1e3)
		: 0;
}

int64_t phase_exposure_ns(const struct phase_lock *s, const struct frame *frame)
{
	return s->exposure_next_ns > 0 ? s->exposure_next_ns : exposure_ns(frame);
}

int64_t phase_longer_ns(const struct phase_lock *s, int64_t ahead_ns)
{
	int64_t longer_ns = llround(s->exposure_trend * fmin((double)ahead_ns, TREND_AHEAD_NS));

	return llabs(longer_ns) < PHASE_LOCK_DEADBAND_NS ? 0 : longer_ns;
}

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

/* Whether a frame that is so far from its prediction is where it was predicted. */
static bool is_noise(const struct phase_lock *s, int64_t miss_ns)
{
	return (double)llabs(miss_ns) <= fmax(ODD_NS, 5 * sqrt(s->var_end + JITTER_NS * JITTER_NS));
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

bool phase_is_ordered(const struct phase_lock *s)
{
	return s->shift_ns != 0 || s->period_next_ns > 0;
}

/*
 * How many frames have begun since the newest one, which was at `from_ns`. A Pi numbers the
 * pictures that its ISP made, so a number never shows that the sensor made more: the time does,
 * where the camera says how long its frames are and has been seen to be right. A time that is no
 * multiple of that is a bad one, and the number has to do.
 */
static uint64_t count_gap(
	struct phase_lock *s, const struct frame *frame, int64_t from_ns, int64_t end_ns)
{
	uint64_t counted = frame->sequence > s->sequence ? frame->sequence - s->sequence : 1;
	/* an order's own frames do not tell how long the others are */
	bool ordered = phase_is_ordered(s) && s->duration_ns > 0;
	double duration_ns = (double)(ordered ? s->duration_ns : frame->duration_ns);
	double passed_ns = (double)(end_ns - from_ns), odd_ns = GAP_ODD * duration_ns;
	double left_ns = ordered ? (double)s->left_ns : 0;

	if (s->seen_ns == 0 || s->period_ns <= 0 || duration_ns <= 0)
		return counted;
	s->duration_is_true |= fabs((double)(end_ns - s->seen_ns) / duration_ns - 1) < DRIFT_MAX;
	if (!s->duration_is_true)
		return counted;
	/* one frame, longer or shorter by a part of the order that is on its way, or by all */
	if (passed_ns - duration_ns > fmin(left_ns, 0) - odd_ns &&
		passed_ns - duration_ns < fmax(left_ns, 0) + odd_ns)
		return 1;
	if (passed_ns < duration_ns || fabs(remainder(passed_ns, duration_ns)) > odd_ns)
		return counted;
	return (uint64_t)llround(passed_ns / duration_ns);
}

static void follow_frames(struct phase_lock *s, const struct frame *frame, int64_t end_ns)
{
	int64_t miss_ns = end_ns - s->end_ns;

	if (is_noise(s, miss_ns)) {
		correct_estimate(s, (double)miss_ns);
		s->steady++;
		s->odd = 0;
	} else if (s->odd++ > 0) {
		/* where that was predicted says nothing now */
		begin_again(s, end_ns, count_gap(s, frame, s->seen_ns, end_ns));
	} else {
		s->steady = 0;
	}
}

/* An order has shown; after one that changes the duration the period is another one. */
static void end_order(struct phase_lock *s, int64_t end_ns)
{
	take_phase(s, end_ns);
	if (s->period_next_ns > 0) {
		s->var_period *= pow(s->period_next_ns / s->period_ns, 2);
		s->period_ns = s->period_next_ns;
		s->duration_ns = s->asked_ns;
	}
	s->period_next_ns = 0;
	s->shift_ns = 0;
	s->steady = s->odd = 0;
}

/*
 * Has the order shown? It is over when it has, or when it must have. A frame that moves by less is
 * a part of it, as one of several frames is, or an order that was given before it.
 */
static void watch_order(struct phase_lock *s, int64_t end_ns, uint64_t gap)
{
	int64_t moved_ns = end_ns - s->end_ns, size_ns = llabs(s->own_ns);
	int64_t left_ns = s->left_ns - moved_ns, tolerance_ns = size_ns / s->shift_frames;

	/* a quarter of a frame's own share, or of what was left */
	tolerance_ns = (tolerance_ns < llabs(s->left_ns) ? tolerance_ns : llabs(s->left_ns)) / 4;
	s->since += gap < INT16_MAX ? (int)gap : INT16_MAX;
	if (size_ns >= CLEAR_NS && llabs(left_ns) <= tolerance_ns &&
		(s->own_ns == s->shift_ns || s->since + 1 >= s->queued + s->answer_frames)) {
		s->unanswered = 0;
		/* where frames are lost it may have shown in one of them */
		if (gap == 1)
			s->answer_frames = s->since - s->shift_frames + 1 - s->queued;
	} else if (s->since < s->wait) {
		if (!is_noise(s, moved_ns)) {
			take_phase(s, end_ns);
			s->left_ns = left_ns;
		} else if (llabs(moved_ns) < 2 * tolerance_ns) {
			correct_estimate(s, (double)moved_ns); /* not yet: a frame like any other */
		}
		return;
	} else if (size_ns >= CLEAR_NS) {
		/* a smaller one may be hidden by noise, and by a period that is not known well */
		s->unanswered = llabs(left_ns) > size_ns / 2 ? s->unanswered + 1 : 0;
	}
	end_order(s, end_ns);
}

/* The frames last longer or shorter from here on, and the camera says so. */
static void follow_duration(struct phase_lock *s, int64_t duration_ns)
{
	double ratio = s->duration_ns > 0 ? (double)duration_ns / (double)s->duration_ns : 1;
	double step_ns = fabs((double)(duration_ns - s->duration_ns));
	bool same = step_ns < DURATION_SAME_NS;

	if (duration_ns <= 0)
		return;
	/* from what was asked it differs by a part of a line */
	if (!same && s->duration_ns != s->asked_ns && step_ns < LINE_USUAL_NS &&
		(s->line_ns <= 0 || step_ns < s->line_ns))
		s->line_ns = step_ns;
	s->duration_ns = duration_ns;
	if (same)
		return;
	s->period_ns *= ratio;
	s->var_both *= ratio;
	s->var_period *= ratio * ratio;
}

/* The exposure that was ordered has shown, or must have; the camera's own follows the light. */
static void watch_exposure(struct phase_lock *s, int64_t exposure_seen_ns, uint64_t gap)
{
	double longer_ns = (double)(exposure_seen_ns - s->exposure_ns) / (double)gap;

	if (s->exposure_ns == 0 || s->exposure_next_ns > 0 || s->period_ns <= 0 ||
		fabs(longer_ns) > TREND_MAX * (double)s->exposure_ns)
		s->exposure_trend = 0;
	else
		s->exposure_trend += (longer_ns / s->period_ns - s->exposure_trend) / TREND_FRAMES;
	s->exposure_ns = exposure_seen_ns;
	if (s->exposure_next_ns == 0)
		return;
	if (s->exposure_wait-- > 0 &&
		llabs(exposure_seen_ns - s->exposure_next_ns) > s->exposure_next_ns / 100)
		return;
	s->exposure_next_ns = 0;
}

/* A mean of all frames so far, later of the last ones. */
static void average_gap(struct phase_lock *s, uint64_t gap, int64_t end_ns)
{
	double share = 1 / fmin(++s->gap_frames, GAP_FRAMES);
	double passed_ns = (double)(end_ns - s->seen_ns);

	if (s->period_ns > 0)
		passed_ns = fmin(passed_ns, GAP_MOST * s->period_ns);
	s->gap_mean += (fmin((double)gap, GAP_MOST) - s->gap_mean) * share;
	s->gap_mean_ns += (passed_ns - s->gap_mean_ns) * share;
}

void phase_observe_frame(struct phase_lock *s, const struct frame *frame)
{
	int64_t end_ns = frame->start_ns + exposure_ns(frame);
	uint64_t gap = count_gap(s, frame, s->end_ns, end_ns);
	bool ordered = phase_is_ordered(s), shows;

	if (s->seen_ns != 0 && end_ns <= s->seen_ns)
		return;
	if (s->seen_ns == 0) {
		take_phase(s, end_ns);
	} else if (s->period_ns <= 0) {
		begin_again(s, end_ns, gap);
	} else {
		predict_frame(s, (double)gap);
		if (ordered)
			watch_order(s, end_ns, gap);
		else
			follow_frames(s, frame, end_ns);
	}
	if (s->seen_ns != 0)
		average_gap(s, gap, end_ns);
	s->queued_most = frame->queued > s->queued_most ? frame->queued : s->queued_most;
	s->seen_ns = end_ns;
	s->sequence = frame->sequence;
	/* the frames of an order have durations of their own; some cameras tell a frame early */
	shows = ordered &&
		(s->answer_frames <= 0 || s->own_ns != s->shift_ns ||
			s->since + 1 >= s->queued + s->answer_frames);
	if (!shows)
		follow_duration(s, frame->duration_ns);
	watch_exposure(s, exposure_ns(frame), gap);
}

double phase_clock(const struct phase_lock *s)
{
	/* what was seen of it counts by how sure it is */
	double doubt = s->period_ns > 0 ? s->var_period / pow(CLOCK_DRIFT * s->period_ns, 2) : 0;

	return isfinite(s->drift_ppm) ? 1 + s->drift_ppm * 1e-6 / (1 + doubt) : 1;
}

int64_t phase_nominal_ns(const struct phase_lock *s, const struct frame *frame)
{
	double ratio = s->period_ns / (double)frame->duration_ns;

	return frame->duration_ns > 0 && fabs(ratio - 1) < DRIFT_MAX ? frame->duration_ns
								     : llround(s->period_ns);
}
