/* SPDX-License-Identifier: MIT */
/*
 * Phase lock: makes an exposure start on the slot, not within half a frame of it. It aims
 * PHASE_LOCK_AIM_NS after the slot, which is more than the lock is wrong by, so that no picture is
 * of the second before its slot. Pure policy: it is shown every frame, and says now and then which
 * frame durations to ask for. It knows no clock and no camera; camera_ops.set_frame_duration()
 * carries the orders out.
 *
 * Model. A sensor starts a frame every period P, its frame duration by its own clock, which is off
 * by up to some 100 ppm. A frame of another length moves all that come after it. So to put a frame
 * on a slot, at T, the aim, predict the frames, take the error e = T - (the frame nearest to T),
 * and have one frame last P + e. The order shows only after the requests that are queued already
 * and the sensor's latency (2 or 3 frames), so one order is on its way at a time, and it aims at
 * the first slot that it is sure to reach. What it did is measured, and the rest is the next
 * order's error: the loop needs no gains to be tuned, and the camera's answer, or its silence, is
 * seen.
 *
 *  - Frames are followed by the end of the first row's exposure (libcamera's SensorTimestamp),
 *    because the start of the exposure moves when the exposure time changes and the frames do not.
 *  - Phase and period are estimated by a Kalman filter of these two states from the reported times
 *    (jitter about 20 us); what it knows of its own error decides whether an error is worth an
 *    order.
 *  - Where the camera's own control follows the light, exposures get longer or shorter until the
 *    slot; what that comes to is counted in.
 *  - Where the exposure is set from outside, it is known before it shows, and so is the frames'
 *    duration with it. When an order shows is counted: the requests that are queued before it, and
 *    the sensor's latency, which the last answer told. So the first frame of the new duration lasts
 *    as long as puts its exposure on a slot, and none is lost.
 *  - A duration that the camera reports is true at once: the period changes with it, and what is
 *    known of the clock stays.
 *  - Where the frame cannot be made short enough (at the sensor's minimum, or shorter than the
 *    exposure) the frame before is made longer instead; where one frame is not enough, several.
 *  - A frame that is out of step with the prediction is ignored once; two in a row are a new
 *    beginning (the exposure control has changed the frame duration, frames were dropped without
 *    being counted).
 *  - Frames that are lost on their way are noticed by the time. Where that is one in six or more,
 *    the sensor is told to be slower for good: a little slower than pictures have come.
 *  - A frame has whole lines, so their number seldom fits the slots. It is made the nearest one
 *    that does; where slots come faster than orders, an order allows for half of the drift until
 *    the next one.
 *  - Slots are met one by one if they are further apart than an order takes, whatever the frame
 *    rate.
 *  - A camera that does not answer four orders is left alone.
 *
 * Source: the idea of changing single frames' durations is that of rpi.sync (libcamera
 * src/ipa/rpi/controller/rpi/sync.cpp) and of the "software PLL" of raspivid-inatech; the filter is
 * the textbook one of constant velocity (Bar-Shalom, Estimation with Applications, 6.3).
 *
 * All times are CLOCK_MONOTONIC nanoseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"

#define PHASE_LOCK_DEADBAND_NS INT64_C(60000) /* less is not worth an order */
#define PHASE_LOCK_AIM_NS INT64_C(250000) /* after the slot: the deadband, and more for jitter */
#define PHASE_LOCK_FRAMES_MAX 32 /* of one order; a larger correction is made in steps */

/* For camera_ops.set_frame_duration(). */
struct phase_lock_order {
	int64_t duration_ns;
	int frames; /* 0: for good */
};

struct phase_lock {
	/* of the camera, as in camera_info */
	int64_t duration_min_ns, duration_max_ns; /* 0: not known */
	int64_t duration_open_ns; /* the normal one, where no other is wanted; 0: not known */
	int latency_frames;

	/* the newest frame */
	uint64_t sequence;
	int64_t seen_ns; /* end of its first row's exposure as reported, 0: none since the start */
	int64_t duration_ns; /* as it was reported, but for orders */
	int64_t aim_ns, every_ns; /* the slot it was shown with */

	/* the exposure, and by how much of the time that passes it gets longer */
	int64_t exposure_ns; /* 0: none was seen */
	double exposure_trend;

	/* an exposure that was ordered and has not shown yet; 0: none */
	int64_t exposure_next_ns;
	int exposure_wait; /* frames until it must have shown */

	/* the estimate: when that was, and how long until the next; with variances, ns^2 */
	int64_t end_ns;
	double period_ns; /* 0: not known */
	double var_end, var_both, var_period;
	int steady; /* frames in a row that came as predicted */
	int odd; /* frames in a row that did not */
	bool duration_is_true; /* frames have come as far apart as they said */
	int hold; /* frames until an order for good has shown */
	int gap_frames; /* that have been looked at since the start */
	double gap_mean; /* periods from frame to frame, of late; more than 1: some are lost */
	double gap_mean_ns; /* the same as a time, which does not depend on how they are counted */

	/* the order on its way */
	int64_t shift_ns; /* by how much it moves the frames, 0: none */
	int64_t own_ns; /* of that, what is not of orders before it which had not shown either */
	int64_t left_ns; /* of all that, what has not shown yet */
	int shift_frames; /* it was for so many */
	double period_next_ns; /* after it the period is another one; 0: it is not */
	int queued, queued_most; /* requests that were before it, and that ever were */
	int since, wait; /* frames since it was given, and when it must have shown */
	int unanswered; /* orders in a row without effect */
	int answer_frames; /* from those to the first frame that shows it; 0: not known yet */

	/* normal frame duration */
	int64_t wanted_ns; /* with the exposure; 0: as opened */
	int64_t asked_ns; /* of the sensor for that, by its clock and in whole lines */
	bool rounded; /* to the lines that fit the slots best */
	double line_ns; /* whole ones make a frame, what is asked is rounded down; 0: not known */

	/* what became of it */
	double drift_ppm; /* of the sensor's clock against ours, NaN: not known */
	int64_t residual_ns; /* of the last frame near a slot: how late after its aim */
	double residual_mean_ns; /* of its magnitude, over the last 16 or so; NaN: none yet */
	uint64_t orders;
};

struct phase_lock phase_lock_new(const struct camera_info *info);

/* The stream was started again: the phase is forgotten, what was learned of the sensor is kept. */
void phase_lock_start(struct phase_lock *lock);

/*
 * A frame has come; start-up frames too, and all others, in order. `slot_ns` is a slot: the next
 * one or one that has just passed, `every_ns` the distance to the ones after it (0: there are
 * none). Returns 1 and the order that is to be carried out now, 0 for nothing to do, -EOPNOTSUPP
 * when this camera does not answer: the nearest frame must do.
 */
int phase_lock_frame(struct phase_lock *lock, const struct frame *frame, int64_t slot_ns,
	int64_t every_ns, struct phase_lock_order *ret_order);

/*
 * The camera is about to be told, after this frame (the one that phase_lock_frame() was shown;
 * NULL: none has come), to expose the frames from now on like that. Makes of the duration wanted
 * the one to ask for. Returns 1 and an order that has to go to the camera with the same request, so
 * that the exposures go on starting on slots: what is known ahead is met ahead. 0: there is none,
 * and the frames are moved later.
 */
int phase_lock_expose(struct phase_lock *lock, const struct frame *frame,
	struct camera_exposure *exposure, struct phase_lock_order *ret_order);

/* Whether an order is on its way that moves the frames by more than is noise. */
bool phase_lock_is_moving(const struct phase_lock *lock);

/* From the first frame until one can be on a slot, at frames of `duration_ns`, nanoseconds. */
int64_t phase_lock_lead_ns(const struct phase_lock *lock, int64_t duration_ns);
