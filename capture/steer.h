/* SPDX-License-Identifier: MIT */
/*
 * Phase lock: makes an exposure start on the slot, not within half a frame of it: STEER_AIM_NS after it,
 * which is more than the lock is wrong by, so that no picture is of the second before its slot. Pure policy: it is
 * shown every frame, and says now and then for which frame durations to ask. Nothing here knows a
 * clock or a camera; camera_ops.set_frame_duration() carries the orders out.
 *
 * Model. A sensor starts a frame every period P, its frame duration by its own clock, which is off by
 * up to some 100 ppm. A frame of another length moves all that come after it. So to put a frame on a
 * slot, at T, the aim, predict the frames, take the error e = T - (the frame nearest to T), and have
 * one frame last P + e. The order shows only after the requests that are queued already and the sensor's
 * latency (2 or 3 frames), so one order is on its way at a time, and it aims at the first slot that it
 * is sure to reach. What it did is measured, and the rest is the next order's error: the loop needs no
 * gains to be tuned, and the camera's answer, or its silence, is seen.
 *
 *  - Frames are followed by the end of the first row's exposure (libcamera's SensorTimestamp), because
 *    the start of the exposure moves when the exposure time changes and the frames do not.
 *  - Phase and period are estimated by a Kalman filter of these two states from the reported times
 *    (jitter about 20 us); what it knows of its own error decides whether an error is worth an order.
 *  - Where the frame cannot be made short enough (at the sensor's minimum, or shorter than the
 *    exposure) the frame before is made longer instead; where one frame is not enough, several.
 *  - A frame that is out of step with the prediction is ignored once; two in a row are a new beginning
 *    (the exposure control has changed the frame duration, frames were dropped without being counted).
 *  - Slots are met one by one if they are further apart than an order takes, whatever the frame rate.
 *    Where they are not, the slot distance should be a multiple of the frame duration:
 *    steer_fit_duration_ns().
 *  - A camera that does not answer four orders is left alone.
 *
 * Source: the idea of changing single frames' durations is that of rpi.sync (libcamera
 * src/ipa/rpi/controller/rpi/sync.cpp) and of the "software PLL" of raspivid-inatech; the filter is the
 * textbook one of constant velocity (Bar-Shalom, Estimation with Applications, 6.3).
 *
 * All times are CLOCK_MONOTONIC nanoseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/camera.h"

#define STEER_DEADBAND_NS INT64_C(100000) /* less is not worth an order */
#define STEER_AIM_NS INT64_C(250000) /* after the slot: the deadband, and as much for jitter */
#define STEER_FRAMES_MAX 32 /* of one order; a larger correction is made in steps */

struct steer_settings {
	int64_t duration_min_ns, duration_max_ns; /* as in camera_info; 0: not known */
	int latency_frames; /* as in camera_info: from the order to the frame that shows it, at most */
};

/* For camera_ops.set_frame_duration(). */
struct steer_order {
	int64_t duration_ns;
	int frames; /* from 1 */
};

struct steer {
	struct steer_settings settings;

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
	int64_t residual_ns; /* exposure start - (slot + STEER_AIM_NS), of the last frame near a slot */
	double residual_mean_ns; /* of its magnitude, over the last 16 or so; NaN: none yet */
	uint64_t orders;
};

struct steer steer_new(const struct steer_settings *settings);

/* The stream was started anew: the phase is forgotten, what was learned of the sensor is kept. */
void steer_start(struct steer *steer);

/*
 * A frame has come; start-up frames too, and all others, in order. `slot_ns` is a slot: the next one or
 * one that has just passed, `every_ns` the distance to the ones after it (0: there are none).
 * Returns 1 and the order that is to be carried out now, 0 for nothing to do, -EOPNOTSUPP when this
 * camera cannot be steered: the nearest frame must do.
 */
int steer_frame(struct steer *steer, const struct frame *frame, int64_t slot_ns, int64_t every_ns,
	struct steer_order *ret_order);

/* From the first frame until one can be on a slot, at frames of `duration_ns`, nanoseconds. */
int64_t steer_lead_ns(const struct steer *steer, int64_t duration_ns);

/*
 * The shortest frame duration from `duration_ns` on that divides `every_ns`: with it each slot comes at
 * the same phase and an order is needed only against drift. `duration_ns` itself where there is none up
 * to `max_ns` (0: no limit).
 */
int64_t steer_fit_duration_ns(int64_t every_ns, int64_t duration_ns, int64_t max_ns);
