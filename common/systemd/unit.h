/* SPDX-License-Identifier: MIT */
/*
 * One unit of the user's manager: its name, its state as a struct, and what became of it as a
 * sentence. Sources: org.freedesktop.systemd1(5), systemd.service(5), systemd.exec(5) "Process Exit
 * Codes", and the answers of systemd 252 and 257.
 *
 * The manager's answer comes from outside: unknown properties and types are skipped, text is
 * cleaned, lists are cut at their limits.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "common/base/limits.h"
#include "common/commands/cli.h"

#define UNIT_TIME_NONE UINT64_MAX /* "infinity": never, or no limit */

struct unit_list {
	unsigned n;
	char items[UNIT_LIST_MAX][UNIT_PATH_MAX];
};

struct unit_state {
	char name[UNIT_NAME_MAX];
	char load[UNIT_WORD_MAX]; /* "loaded", "not-found", "bad-setting", "error", "masked" */
	char load_error[TEXT_MAX]; /* why it is not loaded; "" */
	char active[UNIT_WORD_MAX]; /* "active", "inactive", "failed", "activating", ... */
	char sub[UNIT_WORD_MAX]; /* "running", "dead", "auto-restart", "waiting", ... */
	char file_state[UNIT_WORD_MAX]; /* "enabled", "disabled", "masked", ...; "": no unit file */
	char fragment[UNIT_PATH_MAX]; /* the unit's file; "" */
	struct unit_list dropins; /* paths */
	struct unit_list needs; /* units: Requires=, Requisite=, BindsTo= */
	bool condition_ok; /* at the last start; true where none is known */
	uint64_t condition_us; /* wall time when it was checked; 0: not known */
	char condition[TEXT_MAX]; /* the first false one, "ConditionPathExists=/data"; "" */
	char assertion[TEXT_MAX];
	uint64_t active_since_us; /* wall time; 0: never */
	uint64_t changed_us; /* wall time of its last change of state, reloads too; 0: never */

	/* of services and timers; "" and 0 for others */
	char result[UNIT_WORD_MAX]; /* "success", "exit-code", ... */

	/* of services */
	char type[UNIT_WORD_MAX]; /* "notify", "oneshot", ... */
	bool remains; /* RemainAfterExit= */
	char program[UNIT_PATH_MAX]; /* of ExecStart= */
	char status_text[TEXT_MAX]; /* what it says of itself */
	uint32_t restarts; /* NRestarts: by Restart=, since the last start by somebody */
	uint32_t pid; /* of the main process; 0: none */
	uint64_t started_us; /* the main process, wall time; 0: never */
	int32_t exit_code, exit_status; /* of the last main process: CLD_*, its status or signal */

	/* of timers */
	uint64_t next_us; /* wall time of the next run; 0 or UNIT_TIME_NONE: none */
	uint64_t last_us; /* wall time of the last run; 0: none */
};

/* Whether `name` may be sent to the manager as a unit's name; it ends in the unit's type. */
bool unit_name_ok(const char *name);

/* The object of a unit, for free(). -EINVAL, -ENOMEM. */
int unit_path(const char *name, char **ret);

/* "garden" of "pullpi-sync@garden.timer". -ENOENT: that is no unit PREFIX...@INSTANCE.TYPE. */
int unit_instance(const char *unit, const char *prefix, char ret[static UNIT_NAME_MAX]);

/*
 * Reads the reply of org.freedesktop.DBus.Properties.GetAll("") on that object, which has the
 * properties of all interfaces. -EBADMSG for anything else.
 */
int unit_state_parse(sd_bus_message *reply, const char *name, struct unit_state *ret);

/*
 * Takes the changed properties, the a{sv} at which `m` stands (second argument of the signal
 * PropertiesChanged), into `state`. -EBADMSG.
 */
int unit_state_update(sd_bus_message *m, struct unit_state *state);

/*
 * Asks the manager and waits for the answer, as long as the bus's own timeout. A unit that does not
 * exist is no error: its load state is "not-found". -EINVAL not a unit's name; -EBADMSG; -errno of
 * the bus.
 */
int unit_state_read(sd_bus *bus, const char *name, struct unit_state *ret);

/* Whether it starts by itself: "enabled", "enabled-runtime". */
bool unit_is_enabled(const struct unit_state *unit);

/*
 * The user's own folder of units, $XDG_CONFIG_HOME/systemd/user, else ~/.config/systemd/user: the
 * links that enable units, and the drop-ins of deploypi. It is read as files, which needs no
 * manager and also finds links to units that are gone.
 */
#define USERUNITS_DROP_IN "archive.conf" /* deploypi's */

/*
 * /etc/systemd/system for the account of a system service. -ENAMETOOLONG; -ENOENT there is no home
 * folder.
 */
int userunits_folder(char ret[static PATH_MAX]);

/*
 * Called once for each link in TARGET.wants/ and each drop-in of deploypi, with the unit's name.
 * `drop_in` is the drop-in's path, NULL for a link. A negative result ends the walk.
 */
typedef int userunits_found(void *data, const char *unit, const char *drop_in);
/* 0, also without such a folder; the negative result of `found`; -errno. */
int userunits_walk(userunits_found *found, void *data);

#define OUTCOME_TEXT_MAX 640

enum unit_action {
	UNIT_START, /* also restart, reload: the unit shall run, or have run to its end */
	UNIT_STOP,
};

struct outcome {
	/* CLI_OK; CLI_INTERNAL it is not as it should be; CLI_TEMPFAIL it still changes */
	enum cli_exit code;
	char text[OUTCOME_TEXT_MAX]; /* "its program ended with status 1" */
	char next[OUTCOME_TEXT_MAX]; /* what the person can do; "": nothing */
};

/*
 * What became of a unit: a pure function of its job's result and of its state a little later. A job
 * that is "done" proves little: a Type=simple service whose program is missing is "done", and so is
 * one that never ran because its condition was false.
 *
 * `result`: what JobRemoved said; "" where the job did not end in time. `restarted`: the unit ended
 * and was started again after its job. `need`: a unit that it needs and that failed; NULL: none.
 */
void outcome_judge(enum unit_action action, const char *result, const struct unit_state *unit,
	bool restarted, const char *need, struct outcome *ret);

/*
 * The same for a call that the manager refused, so that there is no job: `error` is the D-Bus
 * error's name, `message` its text.
 */
void outcome_refused(const char *unit, const char *error, const char *message, struct outcome *ret);
