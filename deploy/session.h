/* SPDX-License-Identifier: MIT */
/*
 * A conversation with the user's manager that survives what happens to it: one event loop, in which
 * calls are answered, jobs end, and Ctrl-C is heard while any of that is waited for.
 *
 * The manager drops its connections when it executes itself anew (daemon-reexec, an upgrade of systemd). Then
 * the session connects again, and asks what became of the jobs it waits for. A call that was cut off
 * is made once more; all that deploypi calls may be done twice.
 *
 * Every function returns -EINTR once SIGINT, SIGTERM or SIGHUP came; what was begun goes on without us.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "common/limits.h"
#include "common/unitstate.h"
#include "common/util.h"

#define SESSION_CALL_US (25 * INT64_C(1000000)) /* for an answer that needs no work */
#define SESSION_RECONNECT_US (30 * INT64_C(1000000)) /* for a manager to be back, on a slow Pi */
#define JOBS_REMEMBERED 64 /* that ended and that nobody waited for yet */
#define JOB_LOST "" /* the result of one that ended while there was no connection */

struct session;

struct session_options {
	/* Opens one connection, as userbus_open(), whose errors it has. NULL: that. */
	int (*connect)(void *data, sd_bus **ret);
	void *data;
	int64_t reconnect_us; /* how long to try after a loss; 0: SESSION_RECONNECT_US */
};

/* Blocks the signals from here on; connects to nothing yet. -errno. */
int session_new(const struct session_options *options, struct session **ret);
void session_free(struct session *session);
DEFINE_CLEANUP(struct session, session_free)

/* The signal that ended the waiting, 0: none did. */
int session_signal(const struct session *session);

/*
 * Connects, trying again while the manager comes up. -ETIMEDOUT nothing answered until `deadline_ns`
 * (CLOCK_MONOTONIC, as all deadlines here); -EPERM see userbus_runtime(); other -errno.
 */
int session_connect(struct session *session, int64_t deadline_ns);

/* Waits until the deadline with an open ear. 0; -EINTR; -errno of the loop. */
int session_sleep(struct session *session, int64_t deadline_ns);

struct session_call {
	const char *path; /* NULL: the manager's */
	const char *interface; /* NULL: the manager's */
	const char *member;
	int64_t timeout_us; /* 0: SESSION_CALL_US */
};

/*
 * Calls and waits for the answer; `types` and what follows as in sd_bus_message_append(). -ETIMEDOUT;
 * -ECONNRESET the connection is gone and did not come back; or what the manager answered, as -errno and
 * in `error`.
 */
int session_call(struct session *session, const struct session_call *call, sd_bus_error *error,
	sd_bus_message **ret, const char *types, ...);

/* unit_state_read() in the session. */
int session_unit(
	struct session *session, const char *unit, sd_bus_error *error, struct unit_state *ret);

/*
 * Queues a job: `method` is StartUnit, StopUnit, RestartUnit or ReloadUnit. It is then one of those
 * that session_jobs_wait() waits for. What the manager tells of the unit until session_jobs_clear() is taken
 * into `seen`, which may be NULL: a unit that nothing refers to is unloaded as soon as its job is over,
 * and whoever asks then is told of a unit that never ran. -EBADMSG the answer is no job; -ENOBUFS over UNITS_MAX; else as
 * session_call().
 */
int session_job(struct session *session, const char *method, const char *unit,
	struct unit_state *seen, sd_bus_error *error);

/* Until every job has ended. -ETIMEDOUT some have not. */
int session_jobs_wait(struct session *session, int64_t deadline_ns);

/*
 * How the unit's job ended: "done", "failed", ... as the manager said it, or JOB_LOST. NULL: it has not
 * ended, or there is none. Valid until session_jobs_clear().
 */
const char *session_job_result(const struct session *session, const char *unit);
void session_jobs_clear(struct session *session);
