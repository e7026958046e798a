/* SPDX-License-Identifier: MIT */
/*
 * What the manager says of one unit, as a struct: the properties that tell a person or a program
 * how it is. Sources: org.freedesktop.systemd1(5), systemd.exec(5) "Process Exit Codes".
 *
 * The answer comes from outside: unknown properties and types are skipped, text is cleaned,
 * lists are cut at their limits.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "common/base/limits.h"

#define UNIT_TIME_NONE UINT64_MAX /* "infinity": never, or no limit */

struct unit_state {
	char name[UNIT_NAME_MAX];
	char load[UNIT_WORD_MAX]; /* "loaded", "not-found", "bad-setting", "error", "masked" */
	char load_error[TEXT_MAX]; /* why it is not loaded; "" */
	char active[UNIT_WORD_MAX]; /* "active", "inactive", "failed", "activating", ... */
	char sub[UNIT_WORD_MAX]; /* "running", "dead", "auto-restart", "waiting", ... */
	char file_state[UNIT_WORD_MAX]; /* "enabled", "disabled", "masked", ...; "": no unit file */
	char fragment[UNIT_PATH_MAX]; /* the unit's file; "" */
	char dropins[UNIT_DROPINS_MAX][UNIT_PATH_MAX];
	unsigned n_dropins;
	char needs[UNIT_NEEDS_MAX][UNIT_NAME_MAX]; /* Requires=, Requisite=, BindsTo= */
	unsigned n_needs;
	/* Of the last start; true also where the unit is only just loaded and that is not known. */
	bool condition_ok;
	uint64_t condition_us; /* when they were looked at, wall time; 0: not known */
	char condition[TEXT_MAX]; /* "ConditionPathExists=/data" that was false; "" */
	char assertion[TEXT_MAX];
	uint64_t active_since_us; /* wall time; 0: never */
	uint64_t changed_us; /* its state, wall time: also by a reload; 0: never */

	/* of services and timers; "" and 0 for others */
	char result[UNIT_WORD_MAX]; /* "success", "exit-code", ... */

	/* of services */
	char type[UNIT_WORD_MAX]; /* "notify", "oneshot", ... */
	bool remains; /* RemainAfterExit= */
	char program[UNIT_PATH_MAX]; /* of ExecStart= */
	char status_text[TEXT_MAX]; /* what it says of itself */
	uint32_t restarts; /* NRestarts: by Restart=, since it was started by somebody */
	uint32_t pid; /* of the main process; 0: none */
	uint64_t started_us; /* the main process, wall time; 0: never */
	int32_t exit_code, exit_status; /* of the last main process: CLD_*, its status or signal */

	/* of timers */
	uint64_t next_us; /* wall time of the next run; 0 or UNIT_TIME_NONE: none */
	uint64_t last_us; /* wall time of the last run; 0: none */
};

/* Whether `name` may be sent to the manager as the name of a unit, its type at the end. */
bool unit_name_ok(const char *name);

/* The object of a unit, for free(). -EINVAL, -ENOMEM. */
int unit_path(const char *name, char **ret);

/*
 * Reads the reply of org.freedesktop.DBus.Properties.GetAll("") on that object, which has the
 * properties of all interfaces. -EBADMSG for anything else.
 */
int unit_state_parse(sd_bus_message *reply, const char *name, struct unit_state *ret);

/*
 * Takes what changed, in the a{sv} that `m` stands at, into `state`: the second argument of the
 * signal PropertiesChanged. -EBADMSG.
 */
int unit_state_update(sd_bus_message *m, struct unit_state *state);

/*
 * Asks and waits for the answer, `timeout_us` at most. A unit that is not there is no error: it has
 * the load state "not-found". -EINVAL no name of a unit; -EBADMSG; -errno of the bus, told in
 * `error`.
 */
int unit_state_read(sd_bus *bus, const char *name, uint64_t timeout_us, sd_bus_error *error,
	struct unit_state *ret);
