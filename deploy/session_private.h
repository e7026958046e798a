/* SPDX-License-Identifier: MIT */
/* What session.c and session_jobs.c share. */
#pragma once

#include <systemd/sd-event.h>

#include "deploy/session.h"

struct job {
	uint32_t id; /* 0: is only just asked for */
	bool ended;
	struct unit_state *seen;
	char unit[UNIT_NAME_MAX];
	char result[UNIT_WORD_MAX];
};

struct session {
	struct session_options options;
	sd_event *event;
	sd_bus *bus; /* NULL: not connected */
	bool recovering; /* no second recovery within one */
	int signal;
	struct job jobs[UNITS_MAX];
	unsigned n_jobs;
	/* a ring; more than one job may end while a call waits */
	struct job removed[JOBS_REMEMBERED];
	unsigned n_removed;
};

/*
 * One turn of the loop, until the deadline at most. 0; 1 the deadline has passed; -EINTR; -ECONNRESET
 * the connection was lost and is closed now.
 */
int session_turn(struct session *session, int64_t deadline_ns);

/* Connects again and looks after the jobs. -ECONNRESET it did not work. */
int session_recover(struct session *session);

/* Hears of jobs that end, on a new connection; then asks after those that may have ended. */
int session_jobs_attach(struct session *session);
int session_jobs_look(struct session *session);
