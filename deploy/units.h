/* SPDX-License-Identifier: MIT */
/*
 * Work on units that every command shares: enable, start, stop, restart, each with a step in the report.
 * These are at the edge: they tell the person what is wrong and return an exit code.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deploy/outcome.h"
#include "deploy/report.h"
#include "deploy/session.h"

struct deploy {
	struct report report;
	struct session *session;
	const char *name; /* --name: another camera of capturepi than the first; NULL: that */
	char again[256]; /* "deploypi capture": how to go on after a failure */
	int64_t settle_us; /* until a unit that was started is looked at again */
	int64_t timeout_us; /* for jobs; 0: what their units allow */
};

enum unit_work {
	UNIT_WORK_NONE, /* as it should be already */
	UNIT_WORK_START,
	UNIT_WORK_RESTART,
	UNIT_WORK_RELOAD,
	UNIT_WORK_STOP,
};

struct unit_task {
	char unit[UNIT_NAME_MAX];
	enum unit_work work;
	const char *deed; /* what was done; NULL: by `work` */
	const char *reason; /* why; NULL: because it was asked for */
	bool quiet; /* nothing is told of a success */
	struct unit_state before; /* the caller reads it */
	struct unit_state seen; /* as told while the job was there */
	struct unit_state after; /* at the end, valid where state_known */
	bool state_known;
	struct outcome outcome;
};

/* Reads the unit. CLI_OK, or tells why not as step `step`. */
int units_read(struct deploy *deploy, const char *step, const char *unit, struct unit_state *ret);

/*
 * Enables the units (their Install sections) and makes the manager read its files again, which is also a
 * barrier: what was installed is known afterwards. `ret_changed`: links were made that were not there.
 */
int units_enable(struct deploy *deploy, const char *const units[], size_t n, bool *ret_changed);
/* The other way around. */
int units_disable(struct deploy *deploy, const char *const units[], size_t n, bool *ret_changed);
int units_reload_manager(struct deploy *deploy);

/*
 * Queues the tasks' jobs, all before the first is waited for, waits for their real ends, looks at the units,
 * looks again after settle_us, and tells of each. CLI_OK; CLI_INTERNAL one is not as it should be;
 * CLI_TEMPFAIL one is still on its way; else the exit code of what went wrong.
 */
int units_work(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n);

/*
 * After a first start that failed: stopped, so that it is not tried again every few seconds, and disabled, as
 * it was before.
 */
void units_undo(struct deploy *deploy, const char *unit);

/* Exit code and words for an error of the session itself. */
int units_tell_error(struct deploy *deploy, const char *step, const char *unit, int error,
	const sd_bus_error *bus_error);
