/* SPDX-License-Identifier: MIT */
/* The proof of capture: a frame in the archive that was not there before. */
#pragma once

#include <json-c/json.h>

#include "deploy/units.h"

#define FIRST_FRAME_WAIT_US (180 * INT64_C(1000000)) /* for a slot that comes later nobody waits */

struct first_frame {
	char archive[PATH_MAX];
	int64_t every_us, wait_for_clock_us;
	uint64_t before; /* sequence number of the newest frame; 0: none */
	int64_t before_slot_us;
};

/* From the settings, and what is there now; before the service is started. */
void first_frame_note(struct json_object *dump, struct first_frame *ret);

/*
 * Waits for it, and tells where it is. A service that ran already may have stored one just now: that will
 * do. CLI_OK, also where the next slot is further away than `wait_us`; CLI_TEMPFAIL none came though it
 * was due, and the service runs; CLI_INTERNAL the service ended.
 */
int first_frame_wait(struct deploy *deploy, const struct first_frame *frame,
	const struct unit_state *service, bool started, int64_t wait_us, int64_t begun_ns);
