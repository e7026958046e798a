/* SPDX-License-Identifier: MIT */
/* Where the sensor's frames are: the estimate that phase_lock.h tells of. For phase_lock.c only. */
#pragma once

#include "capture/stream/phase_lock.h"

#define CLEAR_NS INT64_C(1000000) /* a larger shift cannot be mistaken for noise */
/* frames that miss a part of the slots' distance by less have whole lines */
#define LINE_MAX_NS 100e3
#define LINE_USUAL_NS 40e3 /* lines are no longer than that, with most sensors */

/* A frame has come: the estimate follows it, and an order on its way may have shown in it. */
void phase_observe_frame(struct phase_lock *lock, const struct frame *frame);

/* Whether an order is on its way. */
bool phase_is_ordered(const struct phase_lock *lock);

/* How long a second of the sensor's clock is. */
double phase_clock(const struct phase_lock *lock);

/* The sensor's own idea of the period: what an order must be said in. */
int64_t phase_nominal_ns(const struct phase_lock *lock, const struct frame *frame);

/* The exposure of the frames that an order can still move. */
int64_t phase_exposure_ns(const struct phase_lock *lock, const struct frame *frame);

/* How much longer exposures will be then, as the light is changing; small ones are none. */
int64_t phase_longer_ns(const struct phase_lock *lock, int64_t ahead_ns);
