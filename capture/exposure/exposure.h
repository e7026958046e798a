/* SPDX-License-Identifier: MIT */
/*
 * Exposure by day and by night without a second configuration: pure policy. It is shown readings of
 * frames, and says now and then how to expose the next ones; camera_ops.set_exposure() carries that
 * out. It knows no clock and no camera.
 *
 * A camera's own exposure control stops at what its tuning file allows (on a Pi 66 or 120 ms), and
 * what is darker stays dark. So where a scene needs more than EXPOSURE_TAKE_NS (exposure times
 * gain) this policy takes over, long before the camera's own control ends, and gives back below
 * half of that.
 *
 *  - Nobody sees the change: the first order has the product of exposure and gain that the camera
 *    had come to, and the mean luma aimed at is the one that the camera kept by day, learned from
 *    its settled frames.
 *  - First the exposure grows, up to its limit; then the gain. From the one to the other there is
 *    no step either.
 *  - A frame tells the exposure that it was made with, and its luma tells by how much that was off:
 *    together the product that would have been right. That is true whenever it comes, so orders on
 *    their way are no concern, and nothing hunts.
 *  - What is right is followed with its rate (an alpha-beta filter of stops), and an order is for
 *    the moment when it will show. A single frame that is far off, a flash, is passed over; two in
 *    a row are believed at once, clouds.
 *  - An order that does not show, long after it must have, is given again.
 *  - In the dark the white balance is held: a camera's own sees noise there.
 *  - A longer exposure begins earlier, and the phase lock has to move the frames. So a small change
 *    waits until the slot's frame is taken, where there is time enough for it; a large one does not
 *    wait.
 *  - Frames last as long as the exposure needs, in even parts of the interval between slots, and so
 *    a frame can start on each slot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "common/base/clock.h"

#define EXPOSURE_TAKE_NS 30e6 /* exposure x gain from which on the policy has it */
#define EXPOSURE_GIVE_NS 15e6 /* and below which the camera has it again */
#define EXPOSURE_DEFAULT_MAX_NS NS_PER_SEC
#define EXPOSURE_US_MAX 1e9 /* a camera that reports a longer one errs */
#define EXPOSURE_GAIN_DEFAULT_MAX 16.0
#define EXPOSURE_TARGET 0.40 /* mean luma, of 1, where none was learned */

/* ---- limits ---- */

/* What the settings ask for; capturepi.conf(5) has them. */
struct exposure_wishes {
	int64_t exposure_max_us; /* 0: auto */
	double gain_max; /* 0: auto */
	double compensation; /* stops */
	int64_t flicker_hz; /* of lamps: 0, 50, 60 */
	double fps; /* 0: no fixed rate */
};

/* What sets the longest exposure. */
enum exposure_bound {
	EXPOSURE_BY_DEFAULT, /* a second */
	EXPOSURE_BY_INTERVAL, /* the slots are so near to one another */
	EXPOSURE_BY_SETTING,
	EXPOSURE_BY_RATE, /* camera.fps */
	EXPOSURE_BY_CAMERA,
	EXPOSURE_BOUNDS
};

struct exposure_limits {
	int64_t min_ns, max_ns; /* of the exposure; max_ns 0: this camera's cannot be set */
	enum exposure_bound bound; /* of max_ns */
	double gain_max;
	double compensation;
	int64_t every_ns; /* between slots, 0: none */
	int64_t duration_ns, duration_max_ns; /* of frames: as opened, and at most */
	bool fixed; /* frames keep the duration that they were opened with */
	int64_t flicker_ns; /* longer exposures are whole multiples of this; 0: they need not be */
	int latency_frames;
};

/*
 * `every_us` is the least distance of slots, 0: there are none. `auto` leaves two frames for each
 * slot, so that no exposure costs one; a setting may go up to one frame a slot.
 */
struct exposure_limits exposure_limits_of(
	const struct exposure_wishes *wishes, const struct camera_info *info, int64_t every_us);

/* What the longest exposure is bound by: a word for JSON, and a phrase for people. */
const char *exposure_bound_name(enum exposure_bound bound);
const char *exposure_bound_text(enum exposure_bound bound);

/* The exposure and gain of that product, within the limits. */
void exposure_part(
	const struct exposure_limits *limits, double product_ns, struct camera_exposure *ret);

/*
 * The frame duration for an exposure, 0: as opened. The present one (`duration_ns`) stays while it
 * fits well.
 */
int64_t exposure_duration_ns(
	const struct exposure_limits *limits, int64_t exposure_ns, int64_t duration_ns);

/* ---- the policy ---- */

/* What a frame tells. NaN, or 0 where none can be: not known. */
struct exposure_reading {
	int64_t at_ns; /* middle of its exposure, any clock that is not set */
	double exposure_us, gain;
	int64_t duration_ns;
	double red, blue; /* gains of its white balance */
	double luma, clipped; /* mean and share of what is too bright, 0 to 1: meter.h */
	int64_t until_slot_ns; /* from now to the next slot; 0: there is none */
	bool moving; /* the phase lock has an order on its way */
	bool startup, converged; /* as the camera says */
};

enum exposure_stage {
	EXPOSURE_OF_CAMERA, /* the camera's own control has it */
	EXPOSURE_BY_TIME, /* the policy, with longer exposures */
	EXPOSURE_BY_GAIN, /* the exposure is at its limit, gain does the rest */
	EXPOSURE_AT_LIMIT, /* the gain is too: pictures are getting dark */
};

struct exposure {
	struct exposure_limits limits;
	enum exposure_stage stage;
	struct camera_exposure order; /* the last one, where the policy has it */

	double target; /* mean luma aimed at */
	double red, blue; /* white balance of the last light that was enough, 0: not known */

	/* the right product in stops (log2 of ns), when that was, and how it changes */
	double stops, rate; /* rate: stops a second */
	int64_t at_ns; /* 0: nothing is known */
	int64_t unlike_ns; /* since then frames are not exposed as ordered, 0: they are */
	double odd; /* by how much the frame before was far off, 0: it was not */
	int dark; /* readings in a row that the camera needed more for than EXPOSURE_TAKE_NS */
};

struct exposure exposure_new(const struct exposure_limits *limits);

/* The settings or the camera have changed: what was learned stays. */
void exposure_set_limits(struct exposure *exposure, const struct exposure_limits *limits);

/*
 * A frame was read. Returns 1 and the order to be carried out now; 0 nothing to do; -EINVAL the
 * reading makes no sense and was passed over.
 */
int exposure_frame(struct exposure *exposure, const struct exposure_reading *reading,
	struct camera_exposure *ret_order);

const char *exposure_stage_name(enum exposure_stage stage);

/* How a frame was exposed before a restart: its line in the journal tells. */
struct exposure_past {
	double product_ns; /* exposure x gain; NaN, as the others: not known */
	double red, blue;
	int64_t age_us;
	int64_t now_ns; /* by the clock of exposure_reading.at_ns */
};

/*
 * A camera was opened, whose own control has it now. Goes on as that frame was exposed if it is not
 * older than a quarter of an hour, since light changes; its white balance counts for a week.
 * Returns 1 and the first order, 0 nothing to order.
 */
int exposure_resume(struct exposure *exposure, const struct exposure_past *past,
	struct camera_exposure *ret_order);
