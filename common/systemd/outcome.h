/* SPDX-License-Identifier: MIT */
/*
 * What became of a unit, in a sentence: a pure function of the job's result and of what the manager
 * says of the unit a little later. A job that is "done" proves little: a Type=simple service whose
 * program is missing is "done", and so is one whose condition was false and that never ran.
 * Sources: org.freedesktop.systemd1(5) "JobRemoved", systemd.service(5), systemd.exec(5), and what
 * systemd 252 and 257 were seen to answer.
 */
#pragma once

#include <stdbool.h>

#include "common/commands/cli.h"
#include "common/systemd/unitstate.h"

#define OUTCOME_TEXT_MAX 640

enum unit_action {
	UNIT_START, /* also restart, reload: the unit shall be up, or have run to its end */
	UNIT_STOP,
};

struct outcome {
	/* CLI_OK; CLI_INTERNAL it is not as it should be; CLI_TEMPFAIL it is still on its way */
	enum cli_exit code;
	char text[OUTCOME_TEXT_MAX]; /* "its program ended with status 1" */
	char next[OUTCOME_TEXT_MAX]; /* what the person can do; "": nothing */
};

/*
 * `result` is what JobRemoved said; "" where the job had not ended in time. `restarted`: it ended
 * and was started again since its job was over. `need` is a unit that it needs and that failed;
 * NULL: none.
 */
void outcome_judge(enum unit_action action, const char *result, const struct unit_state *unit,
	bool restarted, const char *need, struct outcome *ret);

/*
 * The same for a call that the manager refused before there was a job: `error` is the D-Bus error's
 * name, `message` its text.
 */
void outcome_refused(const char *unit, const char *error, const char *message, struct outcome *ret);
