/* SPDX-License-Identifier: MIT */
/* From states and words to sentences. No calls to anybody here. */
#include "common/systemd/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/util.h"

/* What a word is of; a sentence, where the word itself is not known below. */
#define RESULT "its result is"
#define STATUS "its program ended with status"
#define JOB "its job ended as"
#define LOAD "its load state is"
#define REFUSAL "the manager refuses:"

#define NOT_THERE "there is no such unit here", "install the package that has it"
#define MASKED "it is masked: somebody forbade to start it", "run `systemctl --user unmask "
#define BAD_FILE "its file cannot be used", "run `systemd-analyze --user verify "

/*
 * What the manager's words mean; a word that is not here is told as it is. `next` is what to do; a
 * command that ends in a blank gets the unit's name.
 */
static const struct phrase {
	const char *kind, *word, *text, *next;
} phrases[] = {
	{ RESULT, "timeout", "it did not get ready in time, or did not stop in time", "" },
	{ RESULT, "watchdog", "it gave no sign of life within WatchdogSec=", "" },
	{ RESULT, "protocol", "it ended, or did not talk to systemd as its Type= says", "" },
	{ RESULT, "resources", "something that it needs is missing or full", "" },
	{ RESULT, "oom-kill", "it was ended because memory ran out", "" },
	{ RESULT, "start-limit-hit", "it was started too often in a short time",
		"run `systemctl --user reset-failed " },
	{ RESULT, "success", "it failed and does not say why", "" },
	{ STATUS, "0", "one of its commands failed", "" },
	{ STATUS, "78", "its program ended with status 78", "check its settings" },
	{ STATUS, "203", "its program cannot be executed (status 203)",
		"see that it is installed and can be executed" },
	{ STATUS, "226", "its sandbox cannot be set up (status 226): is a folder missing?", "" },
	{ JOB, "canceled", "its job was canceled: something else stopped or started it meanwhile",
		"" },
	{ JOB, "timeout", "its job waited too long for its turn", "" },
	{ JOB, "dependency", "a unit that it needs failed", "look at `systemctl --user status " },
	{ JOB, "assert", "an assertion of it does not hold", "" },
	{ LOAD, "not-found", NOT_THERE },
	{ LOAD, "masked", MASKED },
	{ LOAD, "bad-setting", BAD_FILE },
	{ LOAD, "error", BAD_FILE },
	{ REFUSAL, "org.freedesktop.systemd1.NoSuchUnit", NOT_THERE },
	{ REFUSAL, "org.freedesktop.DBus.Error.FileNotFound", NOT_THERE },
	{ REFUSAL, "System.Error.ENOENT", NOT_THERE },
	{ REFUSAL, "org.freedesktop.systemd1.UnitMasked", MASKED },
	{ REFUSAL, "org.freedesktop.systemd1.LoadFailed", BAD_FILE },
	{ REFUSAL, "org.freedesktop.systemd1.BadUnitSetting", BAD_FILE },
	{ REFUSAL, "org.freedesktop.systemd1.TransactionIsDestructive",
		"a job that waits already forbids it", "look at `systemctl --user list-jobs`" },
};

static void PRINTF(3, 4) outcome_say(struct outcome *o, enum cli_exit code, const char *fmt, ...)
{
	va_list values;

	o->code = code;
	va_start(values, fmt);
	vsnprintf(o->text, sizeof o->text, fmt, values);
	va_end(values);
}

/* A failure by a word of the manager's; `detail` "": there is none. */
static void outcome_fail(
	struct outcome *o, const char *kind, const char *word, const char *detail, const char *unit)
{
	outcome_say(o, CLI_INTERNAL, "%s %s%s%s", kind, word, *detail ? ": " : "", detail);
	for (size_t i = 0; i < ARRAY_SIZE(phrases); i++) {
		const struct phrase *p = &phrases[i];
		size_t n = strlen(p->next);

		if (strcmp(p->kind, kind) != 0 || strcmp(p->word, word) != 0)
			continue;
		outcome_say(o, CLI_INTERNAL, "%s%s%s", p->text, *detail ? ": " : "", detail);
		if (n > 0 && p->next[n - 1] == ' ')
			snprintf(o->next, sizeof o->next, "%s%s`", p->next, unit);
		else
			snprintf(o->next, sizeof o->next, "%s", p->next);
	}
}

/* Why it failed: its Result, and of a program that ended, how. */
static void outcome_fail_result(struct outcome *o, const struct unit_state *u, const char *more)
{
	size_t n;
	char status[16];

	if (strcmp(u->result, "exit-code") != 0 && strcmp(u->result, "signal") != 0 &&
		strcmp(u->result, "core-dump") != 0) {
		outcome_fail(o, RESULT, u->result, "", u->name);
	} else if (u->exit_code == CLD_KILLED || u->exit_code == CLD_DUMPED) {
		outcome_say(o, CLI_INTERNAL, "its program was ended by signal %d (%s)",
			u->exit_status, strsignal(u->exit_status));
	} else {
		snprintf(status, sizeof status, "%d", u->exit_status);
		/*
		 * from 200 on it is systemd's, which could not start the program: systemd.exec(5)
		 */
		outcome_fail(o, STATUS, status, u->exit_status >= 200 ? u->program : "", u->name);
	}
	n = strlen(o->text);
	snprintf(o->text + n, sizeof o->text - n, "%s", more);
}

/* It runs no more, and did not fail: as it should be where it runs to its end. */
static void outcome_judge_inactive(struct outcome *o, const struct unit_state *u)
{
	if (!u->condition_ok)
		outcome_say(o, CLI_INTERNAL,
			"it was not started, because a condition is not met: %s", u->condition);
	else if (*u->result && strcmp(u->result, "success") != 0)
		outcome_fail_result(o, u, "");
	else if (strcmp(u->type, "oneshot") == 0 && !u->remains)
		outcome_say(o, CLI_OK, "ran to its end");
	else
		outcome_say(o, CLI_INTERNAL, "it does not run: %s",
			u->condition_us ? "it ended right away, without an error"
					: "a condition is false, or it ended at once");
}

static void outcome_judge_active(struct outcome *o, const struct unit_state *u)
{
	const char *type = strrchr(u->name, '.');
	const bool timer = type && strcmp(type, ".timer") == 0;

	if (timer && strcmp(u->sub, "elapsed") == 0) {
		outcome_say(o, CLI_INTERNAL, "the timer has no next time: it never fires again");
		snprintf(o->next, sizeof o->next, "see its OnCalendar=: `systemctl --user cat %s`",
			u->name);
	} else {
		outcome_say(o, CLI_OK, "%s", timer ? "waits for its time" : "runs");
	}
}

static void outcome_judge_started(struct outcome *o, const struct unit_state *u, bool restarted)
{
	const bool activating = strcmp(u->active, "activating") == 0;
	const bool again =
		activating && strncmp(u->sub, "auto-restart", strlen("auto-restart")) == 0;

	if (again || strcmp(u->active, "failed") == 0)
		outcome_fail_result(o, u, again ? "; it is started again" : "");
	else if (restarted)
		outcome_say(
			o, CLI_INTERNAL, "it ended right after its start, and was started again");
	else if (activating)
		outcome_say(o, CLI_TEMPFAIL, "it is still starting (%s)", u->sub);
	else if (strcmp(u->active, "inactive") == 0)
		outcome_judge_inactive(o, u);
	else if (strcmp(u->active, "active") == 0 || strcmp(u->active, "reloading") == 0 ||
		strcmp(u->active, "refreshing") == 0)
		outcome_judge_active(o, u);
	else
		outcome_say(o, CLI_INTERNAL, "it is %s (%s)", u->active, u->sub);
}

static void outcome_judge_stopped(struct outcome *o, const struct unit_state *u)
{
	if (strcmp(u->active, "inactive") == 0 || strcmp(u->active, "failed") == 0)
		outcome_say(o, CLI_OK, "stopped");
	else if (strcmp(u->active, "deactivating") == 0)
		outcome_say(o, CLI_TEMPFAIL, "it is still stopping (%s)", u->sub);
	else
		outcome_say(
			o, CLI_INTERNAL, "it was stopped, and is %s (%s) again", u->active, u->sub);
}

void outcome_judge(enum unit_action action, const char *result, const struct unit_state *u,
	bool restarted, const char *need, struct outcome *ret)
{
	*ret = (struct outcome){ .code = CLI_OK };
	if (!*result)
		outcome_say(ret, CLI_TEMPFAIL, "it is still %s (%s)", u->active, u->sub);
	else if (action == UNIT_START && strcmp(u->load, "loaded") != 0)
		outcome_fail(ret, LOAD, u->load, u->load_error, u->name);
	else if (strcmp(result, "failed") == 0)
		outcome_fail_result(ret, u, "");
	else if (strcmp(result, "dependency") == 0)
		outcome_fail(ret, JOB, result, need ? need : "", need ? need : u->name);
	else if (strcmp(result, "assert") == 0)
		outcome_fail(ret, JOB, result, u->assertion, u->name);
	else if (strcmp(result, "done") != 0 && strcmp(result, "skipped") != 0)
		outcome_fail(ret, JOB, result, "", u->name);
	else if (action == UNIT_STOP)
		outcome_judge_stopped(ret, u);
	else
		outcome_judge_started(ret, u, restarted);
}

void outcome_refused(const char *unit, const char *error, const char *message, struct outcome *ret)
{
	*ret = (struct outcome){ 0 };
	outcome_fail(ret, REFUSAL, error, message, unit);
}
