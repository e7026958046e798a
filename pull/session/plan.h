/* SPDX-License-Identifier: MIT */
/*
 * The three plans of a session, as pure functions of facts: what to ask next on a connection, and
 * whether another connection is worth a try.
 *
 *   newest    one visit for the newest frame; a frame that a visit before began comes first
 *   backlog   everything that is missing here, newest first, over as many connections as it takes
 *   follow    each frame as soon as the camera has it, for ever
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pull/ssh/connect.h"

enum session_plan { PLAN_NEWEST, PLAN_BACKLOG, PLAN_FOLLOW };

/* The state of one connection. */
struct plan_facts {
	enum session_plan plan;
	bool time_over; /* ask for nothing more */
	bool asked; /* something was asked on this connection */
	size_t n_asks; /* requests without an answer */
	bool compare_due; /* the last line that is held here is to be compared with the camera's */
	bool comparing; /* that was asked and is not answered */
	bool list_wanted; /* few known frames are left, and there may be more */
	bool newest_due; /* newest, follow: the newest frame is to be asked for */
	bool status_due; /* follow: what is known of the camera's schedule is old */
	size_t n_items; /* known frames that are to be fetched */
	int64_t under_way, credit; /* bytes of frames: asked for, and how many may be */
	bool paused; /* no frame may be asked for now: a rate limit, or somebody else receives it */
};

enum plan_step {
	STEP_COMPARE,
	STEP_LIST,
	STEP_FRAME,
	STEP_NEWEST,
	STEP_STATUS,
	STEP_ANSWER, /* ask nothing, take an answer */
	STEP_NAP, /* nothing is under way, and frames may be asked for later */
	STEP_DONE,
};

/* What to do next. All steps before STEP_ANSWER send one request. */
enum plan_step plan_next(const struct plan_facts *facts);

/* A connection, or the try to get one, has ended. */
struct plan_end {
	enum session_plan plan;
	int code; /* an exit code */
	enum connect_why why;
	bool connected_once; /* in this session */
	bool time_over;
	int64_t silent_us; /* since the camera brought anything */
	int64_t silent_max_us; /* backlog: give up then; 0: never */
};

enum plan_after { AFTER_END, AFTER_TIME_OVER, AFTER_RETRY };

enum plan_after plan_after(const struct plan_end *end);
