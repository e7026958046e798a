/* SPDX-License-Identifier: MIT */
/* Learns how long a camera takes from the start of its stream to frames that have settled. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

#define SETTLE_FIRST_US (2 * US_PER_SEC) /* expected before anything is known */
#define SETTLE_MAX_US (20 * US_PER_SEC) /* some scenes never settle: more is not believed */

/* What is learned of a camera. */
struct settling {
	int64_t settle_us; /* from a start to the first settled frame */
	bool tells; /* the camera has called a frame converged */
	int64_t started_us; /* TIME_NONE: it is stopped, */
	int64_t stopped_us; /* since then; TIME_NONE: it never ran */
	int64_t rest_us; /* that the last start ended */
	bool settled; /* since then */
};

struct settling settling_new(void);

/*
 * The stream was started, a frame with these frame_flags has come, the stream was stopped or broke.
 */
void settling_start(struct settling *settling, int64_t now_us);
void settling_frame(struct settling *settling, int64_t now_us, unsigned flags);
void settling_stop(struct settling *settling, int64_t now_us);

/* How long it rests by `at_us`, or rested before the stream that runs; 0: it never ran before. */
int64_t settling_rest_us(const struct settling *settling, int64_t at_us);
