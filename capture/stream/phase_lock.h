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
 *  - Where the frame cannot be made short enough (at the sensor's minimum, or shorter than the
 *    exposure) the frame before is made longer instead; where one frame is not enough, several.
 *  - A frame that is out of step with the prediction is ignored once; two in a row are a new
 *    beginning (the exposure control has changed the frame duration, frames were dropped without
 *    being counted).
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

#define PHASE_LOCK_DEADBAND_NS INT64_C(100000) /* less is not worth an order */
#define PHASE_LOCK_AIM_NS INT64_C(250000) /* after the slot: the deadband, and as much for jitter */
#define PHASE_LOCK_FRAMES_MAX 32 /* of one order; a larger correction is made in steps */

/* For camera_ops.set_frame_duration(). */
struct phase_lock_order {
	int64_t duration_ns;
	int frames; /* from 1 */
};

struct phase_lock {
	/* of the camera, as in camera_info */
	int64_t duration_min_ns, duration_max_ns; /* 0: not known */
	int latency_frames; /* from the order to the frame that shows it, at most */

	/* the newest frame */
	uint64_t sequence;
	int64_t seen_ns; /* end of its first row's exposure as reported, 0: none since the start */

	/* the estimate: when that was, and how long until the next; with variances, ns^2 */
	int64_t end_ns;
	double period_ns; /* 0: not known */
	double var_end, var_both, var_period;
	int steady; /* frames in a row that came as predicted */
	int odd; /* frames in a row that did not */

	/* the order on its way */
	int64_t shift_ns; /* by how much it moves the frames, 0: none */
	int shift_frames; /* it was for so many */
	int since, wait; /* frames since it was given, and when it must have shown */
	int unanswered; /* orders in a row without effect */

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

/* From the first frame until one can be on a slot, at frames of `duration_ns`, nanoseconds. */
int64_t phase_lock_lead_ns(const struct phase_lock *lock, int64_t duration_ns);
