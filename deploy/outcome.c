/* SPDX-License-Identifier: MIT */
/* From states and words to sentences. No calls to anybody here. */
#include "deploy/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/util.h"
#include "deploy/session.h"

static void PRINTF(3, 4) say(struct outcome *o, enum outcome_kind kind, const char *fmt, ...)
{
	va_list values;

	o->kind = kind;
	*o->next = '\0';
	va_start(values, fmt);
	vsnprintf(o->text, sizeof o->text, fmt, values);
	va_end(values);
}

static void PRINTF(2, 3) advise(struct outcome *o, const char *fmt, ...)
{
	va_list values;

	va_start(values, fmt);
	vsnprintf(o->next, sizeof o->next, fmt, values);
	va_end(values);
}

static bool is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

/* systemd.exec(5): statuses from 200 on are of systemd, which could not start the program. */
static const char *spawn_problem(int status)
{
	static const struct {
		int status;
		const char *text;
	} problems[] = {
		{ 200, "its working directory cannot be entered" },
		{ 203, "its program cannot be executed" },
		{ 216, "its groups cannot be set" },
		{ 218, "the user manager has not the capabilities that a line of the unit needs" },
		{ 219, "its control group cannot be set up" },
		{ 226,
			"its sandbox cannot be set up: a folder that the unit names may be "
			"missing" },
		{ 228, "its system call filter cannot be set up" },
		{ 233, "its runtime directory cannot be made" },
		{ 238, "its state directory cannot be made" },
		{ 239, "its cache directory cannot be made" },
		{ 240, "its log directory cannot be made" },
		{ 241, "its configuration directory cannot be made" },
		{ 243, "its credentials cannot be set up" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(problems); i++)
		if (problems[i].status == status)
			return problems[i].text;
	return NULL;
}

static void say_exit(const struct unit_state *u, enum outcome_kind kind, struct outcome *o)
{
	const char *problem = spawn_problem(u->exit_status);

	if (u->exit_code != CLD_EXITED && u->exit_code != 0) {
		say(o, kind, "its program was ended by signal %d (%s)%s", u->exit_status,
			strsignal(u->exit_status),
			u->exit_code == CLD_DUMPED ? ", core dumped" : "");
	} else if (problem) {
		say(o, kind, "%s (status %d)%s%s", problem, u->exit_status, *u->program ? ": " : "",
			u->program);
		if (u->exit_status == 203)
			advise(o, "see that %s is installed and can be executed",
				*u->program ? u->program : "its program");
	} else if (u->exit_status != 0) {
		say(o, kind, "its program ended with status %d", u->exit_status);
	} else {
		say(o, kind, "one of its commands failed");
	}
	if (!*o->next && u->exit_status == 78 && u->exit_code == CLD_EXITED)
		advise(o, "check its settings");
}

/* Why a unit is failed, or on its way to be started again: its Result. */
static void say_result(const struct unit_state *u, enum outcome_kind kind, struct outcome *o)
{
	static const struct {
		const char *word, *text, *next;
	} results[] = {
		{ "timeout",
			"it did not get ready in time (TimeoutStartSec=), or did not stop in time",
			"" },
		{ "watchdog", "it gave no sign of life within WatchdogSec=", "" },
		{ "protocol", "it ended, or did not talk to systemd as its Type= promises", "" },
		{ "resources",
			"the manager could not start it: something it needs is missing or full",
			"" },
		{ "oom-kill", "it was ended because memory ran out", "" },
		{ "exec-condition", "an ExecCondition= of it said no, and it did not run", "" },
		{ "start-limit-hit", "it was started too often in a short time",
			"wait a moment; `systemctl --user reset-failed` forgets it at once" },
		{ "condition", "a condition of it was false, and it did not run", "" },
	};

	if (is(u->result, "exit-code") || is(u->result, "signal") || is(u->result, "core-dump")) {
		say_exit(u, kind, o);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		if (!is(results[i].word, u->result))
			continue;
		say(o, kind, "%s", results[i].text);
		advise(o, "%s", results[i].next);
		return;
	}
	if (!*u->result || is(u->result, "success"))
		say(o, kind, "it failed and does not say why");
	else
		say(o, kind, "it failed with the result \"%s\"", u->result);
}

/* Not loaded: no job could have helped. */
static bool judge_load(const struct unit_state *u, struct outcome *o)
{
	if (is(u->load, "loaded"))
		return false;
	if (is(u->load, "masked"))
		outcome_refused(u->name, "org.freedesktop.systemd1.UnitMasked", "", o);
	else if (is(u->load, "not-found"))
		outcome_refused(u->name, "org.freedesktop.systemd1.NoSuchUnit", "", o);
	else {
		say(o, OUTCOME_FAILED, "the unit's file cannot be used (%s)%s%s", u->load,
			*u->load_error ? ": " : "", u->load_error);
		advise(o, "systemd-analyze --user verify %s", u->name);
	}
	return true;
}

/* What JobRemoved says where it is not "done"; false: judge by the state. */
static bool judge_word(const char *result, const struct unit_state *u,
	const struct unit_state *need, struct outcome *o)
{
	static const struct {
		const char *word, *text;
	} words[] = {
		{ "canceled",
			"the job was canceled: something else stopped or started it meanwhile" },
		{ "timeout", "the job waited longer than its JobTimeoutSec= for its turn" },
		{ "once", "it starts only once, and has run already since the manager came up" },
		{ "unsupported", "this system does not support units of its type" },
		{ "invalid", "the job does not fit a unit of its type or state" },
		{ "collected", "the manager forgot the unit before the job had its turn" },
		{ "frozen", "it is frozen; a frozen unit takes no jobs" },
	};

	if (is(result, "done") || is(result, "skipped") || is(result, JOB_LOST))
		return false;
	if (is(result, "failed")) {
		say_result(u, OUTCOME_FAILED, o);
	} else if (is(result, "dependency")) {
		say(o, OUTCOME_FAILED, "a unit that it needs failed%s%s", need ? ": " : "",
			need ? need->name : "");
		advise(o, "systemctl --user status %s", need ? need->name : u->name);
	} else if (is(result, "assert")) {
		say(o, OUTCOME_FAILED, "an assertion of it does not hold%s%s",
			*u->assertion ? ": " : "", u->assertion);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (is(words[i].word, result)) {
				say(o, OUTCOME_FAILED, "%s", words[i].text);
				return true;
			}
		say(o, OUTCOME_FAILED,
			"its job ended in a way that this program does not know (\"%s\")", result);
	}
	return true;
}

static bool runs_to_its_end(const struct unit_state *u)
{
	return is(u->type, "oneshot") && !u->remains;
}

static void judge_inactive(const struct unit_state *u, struct outcome *o)
{
	if (!u->condition_ok) {
		say(o, OUTCOME_FAILED, "it was not started, because a condition is not met%s%s",
			*u->condition ? ": " : "", u->condition);
		advise(o, "see to that condition");
	} else if (!is(u->result, "success") && *u->result) {
		say_result(u, OUTCOME_FAILED, o);
	} else if (runs_to_its_end(u) && u->exit_status != 0) {
		say(o, OUTCOME_OK, "ran to its end, with status %d, which is no failure of it",
			u->exit_status);
	} else if (runs_to_its_end(u) && u->condition_us == 0) {
		say(o, OUTCOME_OK, "its job is done, and the manager has unloaded it already");
	} else if (runs_to_its_end(u)) {
		say(o, OUTCOME_OK, "ran to its end");
	} else if (u->condition_us == 0) {
		say(o, OUTCOME_FAILED,
			"it does not run, and the manager has unloaded it: a condition of it was "
			"false, or it ended at once");
	} else {
		say(o, OUTCOME_FAILED, "it does not run: it ended right away, without an error");
	}
}

static bool is_timer(const struct unit_state *u)
{
	size_t n = strlen(u->name);

	return n > 6 && is(u->name + n - 6, ".timer");
}

static void judge_active(
	const struct unit_state *first, const struct unit_state *later, struct outcome *o)
{
	if (later->restarts > first->restarts) {
		say(o, OUTCOME_RETRYING, "it ended right after its start and was started again");
	} else if (is_timer(later) && !is(later->result, "success")) {
		say_result(later, OUTCOME_FAILED, o);
	} else if (is_timer(later) && is(later->sub, "elapsed")) {
		say(o, OUTCOME_FAILED, "the timer has no next time: it never fires again");
		advise(o, "see its OnCalendar=: systemctl --user cat %s", later->name);
	} else {
		say(o, OUTCOME_OK, "%s", is_timer(later) ? "waits for its time" : "runs");
	}
}

/* An oneshot that runs is a success of nothing yet. */
static void judge_started(
	const struct unit_state *first, const struct unit_state *u, struct outcome *o)
{
	if (is(u->active, "active") || is(u->active, "reloading") || is(u->active, "refreshing")) {
		judge_active(first, u, o);
	} else if (is(u->active, "failed")) {
		say_result(u, OUTCOME_FAILED, o);
	} else if (is(u->active, "activating") && strncmp(u->sub, "auto-restart", 12) == 0) {
		say_result(u, OUTCOME_RETRYING, o);
	} else if (is(u->active, "activating")) {
		if (u->restarts > first->restarts || is(first->active, "active"))
			say(o, OUTCOME_RETRYING,
				"it ended right after its start and is started again");
		else
			say(o, OUTCOME_LATER, "it is still starting (%s)", u->sub);
	} else if (is(u->active, "inactive")) {
		judge_inactive(u, o);
	} else {
		say(o, OUTCOME_FAILED, "it is %s (%s)", u->active, u->sub);
	}
}

static void judge_stopped(const struct unit_state *u, struct outcome *o)
{
	if (is(u->active, "inactive") || is(u->active, "failed"))
		say(o, OUTCOME_OK, "stopped");
	else if (is(u->active, "deactivating"))
		say(o, OUTCOME_LATER, "it is still stopping (%s)", u->sub);
	else
		say(o, OUTCOME_FAILED, "it was stopped and is %s (%s) again", u->active, u->sub);
}

void outcome_judge(enum unit_action action, const char *result, const struct unit_state *first,
	const struct unit_state *later, const struct unit_state *need, struct outcome *ret)
{
	if (!result) {
		say(ret, OUTCOME_LATER, "it is still %s (%s)", later->active, later->sub);
		return;
	}
	if (action == UNIT_START && is(result, JOB_LOST) && is(later->active, "inactive") &&
		later->condition_us == 0) {
		say(ret, OUTCOME_FAILED,
			"the connection was lost, and how its job ended is not known");
		advise(ret, "see its log");
		return;
	}
	if (action == UNIT_STOP && !judge_word(result, later, need, ret))
		judge_stopped(later, ret);
	else if (action == UNIT_START && !judge_load(later, ret) &&
		!judge_word(result, later, need, ret))
		judge_started(first, later, ret);
}

void outcome_refused(const char *unit, const char *error, const char *message, struct outcome *ret)
{
	static const char prefix[] = "org.freedesktop.systemd1.";
	const char *word =
		strncmp(error, prefix, strlen(prefix)) == 0 ? error + strlen(prefix) : "";

	if (is(word, "NoSuchUnit") || is(error, "org.freedesktop.DBus.Error.FileNotFound") ||
		is(error, "System.Error.ENOENT")) {
		say(ret, OUTCOME_FAILED, "there is no such unit here");
		advise(ret,
			"install the package that has it, or see its name: systemctl --user "
			"list-unit-files 'capturepi*' 'pullpi*'");
	} else if (is(word, "UnitMasked")) {
		say(ret, OUTCOME_FAILED, "it is masked: somebody forbade to start it");
		advise(ret, "systemctl --user unmask %s", unit);
	} else if (is(word, "LoadFailed") || is(word, "BadUnitSetting")) {
		say(ret, OUTCOME_FAILED, "the unit's file cannot be used: %s", message);
		advise(ret, "systemd-analyze --user verify %s", unit);
	} else if (is(word, "TransactionIsDestructive") || is(word, "TransactionJobsConflicting")) {
		say(ret, OUTCOME_FAILED, "a job that waits already forbids it: %s", message);
		advise(ret, "systemctl --user list-jobs");
	} else if (is(word, "TransactionOrderIsCyclic")) {
		say(ret, OUTCOME_FAILED, "its order is a circle: %s", message);
		advise(ret, "systemd-analyze --user verify %s", unit);
	} else if (is(word, "OnlyByDependency")) {
		say(ret, OUTCOME_FAILED, "it can only be started by other units: %s", message);
	} else if (is(error, SD_BUS_ERROR_ACCESS_DENIED)) {
		say(ret, OUTCOME_FAILED, "the manager does not allow it: %s", message);
	} else {
		say(ret, OUTCOME_FAILED, "the manager refuses: %s (%s)", *message ? message : "-",
			error);
	}
}
