/* SPDX-License-Identifier: MIT */
/*
 * What comes before the units, each a step in the report: the right user, the program's own check
 * of its settings, folders, groups, lingering, the manager. As in units.h, these functions tell
 * what is wrong and return an exit code.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "deploy/units.h"

#define SETUP_OPTIONS                                                                              \
	{ "json", 0, NULL, "an object a line, for scripts" },                                      \
		{ "timeout", 't', "DURATION", "wait for jobs that long; 10min" },                  \
	{                                                                                          \
		"root", 0, NULL, "really for root's own services"                                  \
	}

#define SETUP_WAIT_MAX_US (24 * 3600 * INT64_C(1000000)) /* of --timeout and --wait */

/*
 * Refuses root, unless it was told that root is meant. The manager is not connected yet. `jobs`:
 * the command has all of SETUP_OPTIONS. `program`: --system is known here, see system_enter();
 * NULL: it is not.
 */
int setup_begin(struct cli *cli, bool jobs, const char *program, struct deploy *ret);
void setup_end(struct deploy *deploy);

/* --name: of another camera of capturepi than the first; NULL: not given. */
int setup_name(struct cli *cli, const char **ret);

/* The user's name; "UID" as a number where the user database does not know it. */
const char *setup_user(char ret[static 64]);

/*
 * What PROGRAM [--name NAME] prints on these words, at most 5, which end with NULL: a JSON value,
 * for json_object_put(). -EBADMSG it prints none; else as child_run().
 */
int setup_ask(struct deploy *deploy, const char *program, const char *const words[],
	struct json_object **ret);
/* `PROGRAM check`, as step "settings", then what `PROGRAM dump --json` prints. */
int setup_settings(struct deploy *deploy, const char *program, struct json_object **ret);
/* ~/.config/PROGRAM/NAME.conf; `name` NULL: of the first, PROGRAM.conf. */
int setup_settings_path(const char *program, const char *name, char ret[static PATH_MAX]);

/* The last line of what a child wrote for people, without the newline; the text is changed. */
char *setup_last_line(char *text);

/*
 * Makes ~/.local/state/PROGRAM and ~/.config/PROGRAM. The first must be there before systemd 257
 * looks for a StateDirectory=: finding only the second, it takes that for an upgrade and links the
 * state to it.
 */
int setup_folders(struct deploy *deploy, const char *program);

/* A warning where the user, or the manager that runs already, is not in the group `video`. */
void setup_warn_of_groups(struct deploy *deploy);

/* Lingering on, the manager there and connected. */
int setup_manager(struct deploy *deploy);
/* Only connects, for commands that set nothing up: a manager that is not there is an error. */
int setup_connect(struct deploy *deploy);
