/* SPDX-License-Identifier: MIT */
/* Every word that systemd has, and the states that hide behind "done", as sentences. */
#include "deploy/outcome.h"

#include <sys/wait.h>

#include "common/util.h"
#include "deploy/session.h"
#include "tests/test.h"

struct row {
	const char *job, *active, *sub, *result, *type;
	enum outcome_kind kind;
	const char *text, *next; /* parts of them */
};

static struct unit_state unit_of(const struct row *row)
{
	struct unit_state u = { .name = "x.service",
		.load = "loaded",
		.condition_ok = true,
		.condition_us = 1 };

	snprintf(u.active, sizeof u.active, "%s", row->active);
	snprintf(u.sub, sizeof u.sub, "%s", row->sub);
	snprintf(u.result, sizeof u.result, "%s", row->result);
	snprintf(u.type, sizeof u.type, "%s", row->type);
	snprintf(u.program, sizeof u.program, "/usr/bin/x");
	return u;
}

static void check_outcome(const struct row *row, const struct outcome *o)
{
	bool right = o->kind == row->kind && strstr(o->text, row->text) &&
		(!row->next || strstr(o->next, row->next));

	if (!CHECK(right))
		fprintf(stderr, "  job %s, %s/%s, %s: kind %d, \"%s\", \"%s\"\n",
			row->job ? row->job : "-", row->active, row->sub, row->result, o->kind,
			o->text, o->next);
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct unit_state u = unit_of(&rows[i]);
		struct outcome o = { 0 };

		outcome_judge(UNIT_START, rows[i].job, &u, &u, NULL, &o);
		check_outcome(&rows[i], &o);
	}
}

TEST(words_of_jobs)
{
	static const struct row rows[] = {
		{ "done", "active", "running", "success", "notify", OUTCOME_OK, "runs", "" },
		{ "skipped", "active", "running", "success", "notify", OUTCOME_OK, "runs", "" },
		{ JOB_LOST, "active", "running", "success", "notify", OUTCOME_OK, "runs", "" },
		{ NULL, "activating", "start", "success", "notify", OUTCOME_LATER, "activating",
			"" },
		{ "failed", "failed", "failed", "timeout", "notify", OUTCOME_FAILED, "in time",
			"" },
		{ "canceled", "inactive", "dead", "success", "notify", OUTCOME_FAILED, "canceled",
			"" },
		{ "timeout", "inactive", "dead", "success", "notify", OUTCOME_FAILED,
			"JobTimeoutSec", "" },
		{ "dependency", "inactive", "dead", "success", "notify", OUTCOME_FAILED,
			"needs failed", "status x.service" },
		{ "assert", "inactive", "dead", "success", "notify", OUTCOME_FAILED, "assertion",
			"" },
		{ "once", "inactive", "dead", "success", "notify", OUTCOME_FAILED, "only once",
			"" },
		{ "unsupported", "inactive", "dead", "success", "notify", OUTCOME_FAILED,
			"does not support", "" },
		{ "invalid", "inactive", "dead", "success", "notify", OUTCOME_FAILED,
			"does not fit", "" },
		{ "collected", "inactive", "dead", "success", "notify", OUTCOME_FAILED, "forgot",
			"" },
		{ "frozen", "active", "running", "success", "notify", OUTCOME_FAILED, "frozen",
			"" },
		{ "novel", "active", "running", "success", "notify", OUTCOME_FAILED, "(\"novel\")",
			"" },
	};

	check_rows(rows, ARRAY_SIZE(rows));
}

TEST(done_proves_little)
{
	static const struct row rows[] = {
		{ "done", "failed", "failed", "start-limit-hit", "simple", OUTCOME_FAILED,
			"too often", "reset-failed" },
		{ "done", "failed", "failed", "watchdog", "notify", OUTCOME_FAILED, "WatchdogSec",
			"" },
		{ "done", "failed", "failed", "oom-kill", "notify", OUTCOME_FAILED, "memory", "" },
		{ "done", "failed", "failed", "protocol", "notify", OUTCOME_FAILED, "Type=", "" },
		{ "done", "failed", "failed", "resources", "notify", OUTCOME_FAILED, "missing",
			"" },
		{ "done", "inactive", "dead", "exec-condition", "notify", OUTCOME_FAILED,
			"ExecCondition", "" },
		{ "done", "failed", "failed", "novel", "notify", OUTCOME_FAILED, "\"novel\"", "" },
		{ "done", "failed", "failed", "success", "notify", OUTCOME_FAILED, "not say why",
			"" },
		{ "done", "inactive", "dead", "success", "simple", OUTCOME_FAILED, "does not run",
			"" },
		{ "done", "inactive", "dead", "success", "oneshot", OUTCOME_OK, "ran to its end",
			"" },
		{ "done", "activating", "auto-restart", "protocol", "notify", OUTCOME_RETRYING,
			"Type=", "" },
		{ "done", "activating", "auto-restart-queued", "watchdog", "notify",
			OUTCOME_RETRYING, "WatchdogSec", "" },
		{ "done", "activating", "start", "success", "simple", OUTCOME_LATER,
			"still starting", "" },
		{ "done", "deactivating", "stop", "success", "simple", OUTCOME_FAILED,
			"deactivating", "" },
		{ "done", "reloading", "reload", "success", "notify", OUTCOME_OK, "runs", "" },
		{ "done", "novel", "state", "success", "notify", OUTCOME_FAILED, "novel", "" },
	};

	check_rows(rows, ARRAY_SIZE(rows));
}

TEST(ends_of_programs)
{
	static const struct {
		int code, status;
		const char *text, *next;
	} rows[] = {
		{ CLD_EXITED, 1, "status 1", "" },
		{ CLD_EXITED, 203, "cannot be executed (status 203): /usr/bin/x",
			"see that /usr/bin/x" },
		{ CLD_EXITED, 218, "capabilities", "" },
		{ CLD_EXITED, 226, "sandbox", "" },
		{ CLD_EXITED, 238, "state directory", "" },
		{ CLD_EXITED, 78, "status 78", "settings" },
		{ CLD_KILLED, 9, "signal 9 (Killed)", "" },
		{ CLD_DUMPED, 11, "core dumped", "" },
		{ CLD_EXITED, 0, "one of its commands", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row row = { "failed", "failed", "failed", "exit-code", "notify",
			OUTCOME_FAILED, rows[i].text, rows[i].next };
		struct unit_state u = unit_of(&row);
		struct outcome o;

		u.exit_code = rows[i].code;
		u.exit_status = rows[i].status;
		outcome_judge(UNIT_START, row.job, &u, &u, NULL, &o);
		check_outcome(&row, &o);
	}
}

/* What only the second look shows. */
TEST(it_did_not_stay_up)
{
	const struct row up = { "done", "active", "running", "success", "simple", OUTCOME_RETRYING,
		"started again", "" };
	const struct row again = { "done", "activating", "start", "success", "simple",
		OUTCOME_RETRYING, "started again", "" };
	struct unit_state first = unit_of(&up), later = first, restarting = unit_of(&again);
	struct outcome o;

	later.restarts = 1;
	outcome_judge(UNIT_START, "done", &first, &later, NULL, &o);
	check_outcome(&up, &o);
	outcome_judge(UNIT_START, "done", &first, &restarting, NULL, &o);
	check_outcome(&again, &o);
}

TEST(conditions_assertions_and_needs_are_named)
{
	const struct row row = { "done", "inactive", "dead", "success", "notify", OUTCOME_FAILED,
		"condition is not met: ConditionPathExists=/data", "" };
	const struct row assertion = { "assert", "inactive", "dead", "success", "notify",
		OUTCOME_FAILED, "AssertPathIsMountPoint=/data", "" };
	const struct row dependency = { "dependency", "inactive", "dead", "success", "notify",
		OUTCOME_FAILED, "disk.service", "status disk.service" };
	struct unit_state u = unit_of(&row), need = u;
	struct outcome o;

	u.condition_ok = false;
	snprintf(u.condition, sizeof u.condition, "ConditionPathExists=/data");
	snprintf(u.assertion, sizeof u.assertion, "AssertPathIsMountPoint=/data");
	snprintf(need.name, sizeof need.name, "disk.service");
	outcome_judge(UNIT_START, "done", &u, &u, NULL, &o);
	check_outcome(&row, &o);
	outcome_judge(UNIT_START, "assert", &u, &u, NULL, &o);
	check_outcome(&assertion, &o);
	outcome_judge(UNIT_START, "dependency", &u, &u, &need, &o);
	check_outcome(&dependency, &o);
}

TEST(timers)
{
	const struct row rows[] = {
		{ "done", "active", "waiting", "success", "", OUTCOME_OK, "waits for its time",
			"" },
		{ "done", "active", "running", "success", "", OUTCOME_OK, "waits for its time",
			"" },
		{ "done", "active", "elapsed", "success", "", OUTCOME_FAILED, "no next time",
			"cat x.timer" },
		{ "done", "failed", "failed", "resources", "", OUTCOME_FAILED, "missing", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_state u = unit_of(&rows[i]);
		struct outcome o;

		strcpy(u.name, "x.timer");
		outcome_judge(UNIT_START, rows[i].job, &u, &u, NULL, &o);
		check_outcome(&rows[i], &o);
	}
}

TEST(units_that_are_not_loaded)
{
	static const struct {
		const char *load;
		struct row row;
	} rows[] = {
		{ "not-found",
			{ "done", "inactive", "dead", "success", "", OUTCOME_FAILED, "no such unit",
				"install" } },
		{ "masked",
			{ "done", "inactive", "dead", "success", "", OUTCOME_FAILED, "masked",
				"unmask x.service" } },
		{ "bad-setting",
			{ "done", "inactive", "dead", "success", "", OUTCOME_FAILED,
				"cannot be used (bad-setting): it is odd", "verify" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_state u = unit_of(&rows[i].row);
		struct outcome o;

		strcpy(u.load, rows[i].load);
		strcpy(u.load_error, "it is odd");
		outcome_judge(UNIT_START, "done", &u, &u, NULL, &o);
		check_outcome(&rows[i].row, &o);
	}
}

TEST(stopping)
{
	static const struct row rows[] = {
		{ "done", "inactive", "dead", "success", "notify", OUTCOME_OK, "stopped", "" },
		{ "done", "failed", "failed", "exit-code", "notify", OUTCOME_OK, "stopped", "" },
		{ "done", "active", "running", "success", "notify", OUTCOME_FAILED, "again", "" },
		{ "canceled", "active", "running", "success", "notify", OUTCOME_FAILED, "canceled",
			"" },
		{ JOB_LOST, "deactivating", "stop", "success", "notify", OUTCOME_LATER, "stopping",
			"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_state u = unit_of(&rows[i]);
		struct outcome o;

		outcome_judge(UNIT_STOP, rows[i].job, &u, &u, NULL, &o);
		check_outcome(&rows[i], &o);
	}
}

TEST(refusals)
{
	static const struct {
		const char *error, *text, *next;
	} rows[] = {
		{ "org.freedesktop.systemd1.NoSuchUnit", "no such unit", "install" },
		{ "org.freedesktop.systemd1.UnitMasked", "masked", "unmask x.service" },
		{ "org.freedesktop.systemd1.LoadFailed", "cannot be used: words",
			"verify x.service" },
		{ "org.freedesktop.systemd1.BadUnitSetting", "cannot be used: words", "verify" },
		{ "org.freedesktop.systemd1.TransactionIsDestructive", "waits already",
			"list-jobs" },
		{ "org.freedesktop.systemd1.TransactionOrderIsCyclic", "circle", "verify" },
		{ "org.freedesktop.systemd1.OnlyByDependency", "by other units", "" },
		{ "org.freedesktop.DBus.Error.AccessDenied", "does not allow", "" },
		{ "org.example.Novel", "words (org.example.Novel)", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row row = { .job = rows[i].error,
			.active = "",
			.sub = "",
			.result = "",
			.kind = OUTCOME_FAILED,
			.text = rows[i].text,
			.next = rows[i].next };
		struct outcome o;

		outcome_refused("x.service", rows[i].error, "words", &o);
		check_outcome(&row, &o);
	}
}
