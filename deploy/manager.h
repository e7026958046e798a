/* SPDX-License-Identifier: MIT */
/*
 * A conversation with the systemd manager of this user: calls, jobs and Ctrl-C in one event loop.
 *
 * It ends with its connection, which the manager closes when it executes itself again (an upgrade
 * of systemd does that). Every function then returns -ECONNRESET, and the person runs the command
 * again: whatever deploypi asks for may be asked for twice.
 *
 * Every function returns -EINTR once SIGINT, SIGTERM or SIGHUP came; what was begun goes on without
 * us.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/base/limits.h"
#include "common/base/util.h"
#include "common/systemd/unit.h"

#define MANAGER_CALL_US (120 * INT64_C(1000000)) /* it reads all unit files in one call */

/* A job that the manager has queued. Its owner keeps it until manager_forget_jobs(). */
struct manager_job {
	char unit[UNIT_NAME_MAX];
	/*
	 * What the manager tells of the unit until the job is forgotten is taken into this: a unit
	 * that nothing refers to is unloaded as soon as its job is over, and then nobody can ask.
	 */
	struct unit_state state;
	char result[UNIT_WORD_MAX]; /* "done", "failed", ...: how it ended; "": it has not */
	char path
		[64]; /* of the job, not of the unit: an older job of the same unit may end first */
	struct manager_job *next;
};

struct manager {
	int (*open)(void *data, sd_bus **ret); /* opens a connection; NULL: userbus_open() */
	void *data;
	int64_t call_us; /* how long a call may take */
	sd_event *event;
	sd_bus *bus; /* NULL: not connected */
	int signal; /* that ended the waiting; 0: none */
	struct manager_job *jobs;
};

/* Blocks the signals from here on; connects to nothing yet. -errno. */
int manager_init(struct manager *manager);
void manager_clear(struct manager *manager);

/*
 * Connects, trying again while the manager comes up. -ETIMEDOUT nothing answered until
 * `deadline_ns` (CLOCK_MONOTONIC, as all deadlines here); -EPERM see userbus_runtime().
 */
int manager_connect(struct manager *manager, int64_t deadline_ns);

/* Waits until the deadline. 0; -EINTR; -ECONNRESET. */
int manager_sleep(struct manager *manager, int64_t deadline_ns);

/*
 * Calls a method of the manager and waits for the answer; `types` and what follows as in
 * sd_bus_message_append(). -EREMOTEIO the manager answered with `error`; -ETIMEDOUT.
 */
int manager_call(struct manager *manager, const char *member, sd_bus_error *error,
	sd_bus_message **ret, const char *types, ...);

/* unit_state_read() in this conversation. */
int manager_read_unit(
	struct manager *manager, const char *unit, sd_bus_error *error, struct unit_state *ret);

/* Queues a job of `job->unit`: `method` is StartUnit, StopUnit, RestartUnit or ReloadUnit. */
int manager_queue_job(
	struct manager *manager, const char *method, struct manager_job *job, sd_bus_error *error);
/* Waits until every job has ended. -ETIMEDOUT some have not. */
int manager_wait_jobs(struct manager *manager, int64_t deadline_ns);
void manager_forget_jobs(struct manager *manager);
