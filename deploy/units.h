/* SPDX-License-Identifier: MIT */
/*
 * Work on units that every command shares: enable, start, stop, restart, each with a step in the
 * report. These are at the edge: they tell the person what is wrong and return an exit code.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/systemd/unit.h"
#include "deploy/manager.h"
#include "deploy/report.h"

struct deploy {
	struct report report;
	struct manager manager;
	const char *name; /* --name: another camera of capturepi than the first; NULL: that */
	char again[256]; /* "deploypi capture": how to go on after a failure */
	int64_t timeout_us; /* for jobs; 0: as usual */
	sd_bus *system; /* --system: root's connection, until the manager is connected; else NULL */
};

enum unit_work {
	UNIT_WORK_NONE, /* as it should be already */
	UNIT_WORK_START,
	UNIT_WORK_RESTART,
	UNIT_WORK_RELOAD,
	UNIT_WORK_STOP,
};

struct unit_task {
	struct manager_job job; /* the caller fills in `unit`, and reads its `state` */
	enum unit_work work;
	const char *deed; /* what was done; NULL: by `work` */
	const char *reason; /* why; NULL: because it was asked for */
	uint32_t restarts; /* right after the job */
	bool was_active;
};

/* Reads the unit. CLI_OK, or tells why not as step `step`. */
int units_read(struct deploy *deploy, const char *step, const char *unit, struct unit_state *ret);

/*
 * What to do with a unit so that it runs what is installed and set now; `reason` where it is not
 * obvious. `settings`: the file that it reads; NULL: none.
 */
enum unit_work units_choose_work(
	const struct unit_state *unit, const char *settings, const char **ret_reason);

/*
 * Enables the unit (its Install section) and makes the manager read its files again, which is also
 * a barrier: what was installed is known afterwards. `ret_changed`: links were made that were not
 * there.
 */
int units_enable(struct deploy *deploy, const char *unit, bool *ret_changed);
/*
 * Makes or removes the links alone; units_reload_manager() is to follow. Step "enable" or
 * "disable".
 */
int units_link(struct deploy *deploy, bool enable, const char *unit, bool *ret_changed);
int units_reload_manager(struct deploy *deploy);

/*
 * Queues the tasks' jobs, all before the first is waited for, waits for their real ends, looks at
 * the units, looks again a little later, and tells of each. CLI_OK; CLI_INTERNAL one is not as it
 * should be; CLI_TEMPFAIL one is still on its way; else the exit code of what went wrong.
 */
int units_work(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n);

/*
 * After a first start that failed: stopped, so that it is not tried again for ever, and disabled.
 */
void units_undo(struct deploy *deploy, const char *unit);

/*
 * Enables the task's unit and starts it, or restarts it where it does not run what is installed,
 * and where it `moved`, which its `reason` explains. `runs` is told where there is nothing to do. A
 * first start that failed is undone. Exit code.
 */
int units_start(struct deploy *deploy, struct unit_task *task, bool moved, const char *runs);

/*
 * Exit code and words for an error of the conversation with the manager; `bus_error` of -EREMOTEIO.
 */
int units_tell_error(struct deploy *deploy, const char *step, const char *unit, int error,
	const sd_bus_error *bus_error);

/* Writes the drop-in `name` into `folder`, a UNIT.d, which it makes if need be. -errno. */
int drop_in_write(const char *folder, const char *name, const char *text);
/*
 * Removes USERUNITS_DROP_IN, which deploypi wrote, and the folder unless the person has more in
 * there. 0 if there was none; -errno.
 */
int drop_in_remove(const char *folder);
