/* SPDX-License-Identifier: MIT */
/*
 * What comes before the units, each a step in the report: the right user, the program's own check of its
 * settings, folders, groups, lingering, the manager. As units.h: these tell what is wrong and return an
 * exit code.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "deploy/units.h"

#define SETUP_OPTIONS                                                                              \
	{ "json", 0, NULL, "an object a line, for scripts" },                                      \
		{ "timeout", 't', "DURATION", "wait for jobs that long; as the units allow" },     \
	{                                                                                          \
		"root", 0, NULL, "really for root's own services"                                  \
	}

/*
 * Refuses root, unless it was told that root is meant. The session is not connected yet. `jobs`: the command
 * has all of SETUP_OPTIONS.
 */
int setup_begin(struct cli *cli, bool jobs, struct deploy *ret);
/* The same for one camera of capturepi: --name of a command with that option. */
int setup_begin_named(struct cli *cli, struct deploy *ret);
void setup_end(struct deploy *deploy);

/* The user's name; "UID" as a number where the user database does not know it. */
const char *setup_user(char ret[static 64]);

/* child_run() of PROGRAM [--name NAME] with these words, which end with NULL; at most SETUP_WORDS_MAX. */
#define SETUP_WORDS_MAX 8
int setup_ask(struct deploy *deploy, const char *program, const char *const words[],
	struct child_result *ret);

/* `PROGRAM check`, as step "settings". */
int setup_check_settings(struct deploy *deploy, const char *program);
/* `PROGRAM dump --json`; for json_object_put(). */
int setup_dump(struct deploy *deploy, const char *program, struct json_object **ret);
/* What is at SECTION.KEY of such a dump; "" if nothing is. */
const char *setup_setting(struct json_object *dump, const char *section, const char *key);

/*
 * Makes ~/.local/state/PROGRAM and ~/.config/PROGRAM. The first must be there before systemd 257 looks for
 * a StateDirectory=: finding only the second, it takes that for an upgrade and links the state to it.
 */
int setup_folders(struct deploy *deploy, const char *program);

/* A warning where the user, or the manager that runs already, is not in the group `video`. */
void setup_warn_of_groups(struct deploy *deploy);

/* Lingering on, the manager there, the session connected. */
int setup_manager(struct deploy *deploy);
/* Only connects, for commands that set nothing up: a manager that is not there is an error. */
int setup_connect(struct deploy *deploy);

/* A unit's next step: what to do with it so that it runs what is installed and set now. */
enum unit_work setup_work_for(
	const struct unit_state *unit, const char *settings, const char **ret_reason);
/* ~/.config/PROGRAM/NAME.conf; `name` NULL: of the first, PROGRAM.conf. 0 or -errno. */
int setup_settings_path(const char *program, const char *name, char ret[static PATH_MAX]);
