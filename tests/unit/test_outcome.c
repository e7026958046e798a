/* SPDX-License-Identifier: MIT */
/* Every word that systemd has, and what "done" may hide, as sentences. */
#include "common/systemd/unit.h"

#include <sys/wait.h>

#include "common/base/util.h"
#include "tests/test.h"

struct row {
	const char *job, *active, *sub, *result, *type;
	int code;
	const char *text, *next; /* parts of them */
};

static struct unit_state unit_of(const struct row *row)
{
	struct unit_state u = {
		.name = "x.service", .load = "loaded", .condition_ok = true, .condition_us = 1
	};

	snprintf(u.active, sizeof u.active, "%s", row->active);
	snprintf(u.sub, sizeof u.sub, "%s", row->sub);
	snprintf(u.result, sizeof u.result, "%s", row->result);
	snprintf(u.type, sizeof u.type, "%s", row->type);
	snprintf(u.program, sizeof u.program, "/usr/bin/x");
	return u;
}

static void check_outcome(const struct row *row, const struct outcome *o)
{
	bool right = (int)o->code == row->code && strstr(o->text, row->text) &&
		(!row->next || strstr(o->next, row->next));

	if (!CHECK(right))
		fprintf(stderr, "  job %s, %s/%s, %s: code %d, \"%s\", \"%s\"\n", row->job,
			row->active, row->sub, row->result, o->code, o->text, o->next);
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct unit_state u = unit_of(&rows[i]);
		struct outcome o = { 0 };

		outcome_judge(UNIT_START, rows[i].job, &u, false, NULL, &o);
		check_outcome(&rows[i], &o);
	}
}

TEST(words_of_jobs)
{
	static const struct row rows[] = {
		{ "done", "active", "running", "success", "notify", CLI_OK, "runs", "" },
		{ "skipped", "active", "running", "success", "notify", CLI_OK, "runs", "" },
		{ "", "activating", "start", "success", "notify", CLI_TEMPFAIL, "activating", "" },
		{ "failed", "failed", "failed", "timeout", "notify", CLI_INTERNAL, "in time", "" },
		{ "canceled", "inactive", "dead", "success", "notify", CLI_INTERNAL, "canceled",
			"" },
		{ "timeout", "inactive", "dead", "success", "notify", CLI_INTERNAL, "its turn",
			"" },
		{ "dependency", "inactive", "dead", "success", "notify", CLI_INTERNAL,
			"needs failed", "status x.service" },
		{ "assert", "inactive", "dead", "success", "notify", CLI_INTERNAL, "assertion",
			"" },
		{ "once", "inactive", "dead", "success", "notify", CLI_INTERNAL, "once", "" },
		{ "unsupported", "inactive", "dead", "success", "notify", CLI_INTERNAL,
			"unsupported", "" },
		{ "invalid", "inactive", "dead", "success", "notify", CLI_INTERNAL, "invalid", "" },
		{ "collected", "inactive", "dead", "success", "notify", CLI_INTERNAL, "collected",
			"" },
		{ "frozen", "active", "running", "success", "notify", CLI_INTERNAL, "frozen", "" },
		{ "novel", "active", "running", "success", "notify", CLI_INTERNAL, "as novel", "" },
	};

	check_rows(rows, ARRAY_SIZE(rows));
}

TEST(done_proves_little)
{
	static const struct row rows[] = {
		{ "done", "failed", "failed", "start-limit-hit", "simple", CLI_INTERNAL,
			"too often", "reset-failed" },
		{ "done", "failed", "failed", "watchdog", "notify", CLI_INTERNAL, "WatchdogSec",
			"" },
		{ "done", "failed", "failed", "oom-kill", "notify", CLI_INTERNAL, "memory", "" },
		{ "done", "failed", "failed", "protocol", "notify", CLI_INTERNAL, "Type=", "" },
		{ "done", "failed", "failed", "resources", "notify", CLI_INTERNAL, "missing", "" },
		{ "done", "inactive", "dead", "exec-condition", "notify", CLI_INTERNAL,
			"exec-condition", "" },
		{ "done", "failed", "failed", "novel", "notify", CLI_INTERNAL, "novel", "" },
		{ "done", "failed", "failed", "success", "notify", CLI_INTERNAL, "not say why",
			"" },
		{ "done", "inactive", "dead", "success", "simple", CLI_INTERNAL, "does not run",
			"" },
		{ "done", "inactive", "dead", "success", "oneshot", CLI_OK, "ran to its end", "" },
		{ "done", "activating", "auto-restart", "protocol", "notify", CLI_INTERNAL,
			"Type=", "" },
		{ "done", "activating", "auto-restart-queued", "watchdog", "notify", CLI_INTERNAL,
			"WatchdogSec", "" },
		{ "done", "activating", "start", "success", "simple", CLI_TEMPFAIL,
			"still starting", "" },
		{ "done", "deactivating", "stop", "success", "simple", CLI_INTERNAL, "deactivating",
			"" },
		{ "done", "reloading", "reload", "success", "notify", CLI_OK, "runs", "" },
		{ "done", "novel", "state", "success", "notify", CLI_INTERNAL, "novel", "" },
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
			"see that it is installed" },
		{ CLD_EXITED, 218, "status 218: /usr/bin/x", "" },
		{ CLD_EXITED, 226, "sandbox", "" },
		{ CLD_EXITED, 238, "status 238: /usr/bin/x", "" },
		{ CLD_EXITED, 78, "status 78", "settings" },
		{ CLD_KILLED, 9, "signal 9 (Killed)", "" },
		{ CLD_DUMPED, 11, "signal 11", "" },
		{ CLD_EXITED, 0, "one of its commands", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row row = { "failed", "failed", "failed", "exit-code", "notify",
			CLI_INTERNAL, rows[i].text, rows[i].next };
		struct unit_state u = unit_of(&row);
		struct outcome o;

		u.exit_code = rows[i].code;
		u.exit_status = rows[i].status;
		outcome_judge(UNIT_START, row.job, &u, false, NULL, &o);
		check_outcome(&row, &o);
	}
}

/* What only the second look shows. */
TEST(it_did_not_stay_up)
{
	const struct row up = { "done", "active", "running", "success", "simple", CLI_INTERNAL,
		"started again", "" };
	const struct row again = { "done", "activating", "start", "success", "simple", CLI_INTERNAL,
		"started again", "" };
	struct unit_state runs = unit_of(&up), starting = unit_of(&again);
	struct outcome o;

	outcome_judge(UNIT_START, "done", &runs, true, NULL, &o);
	check_outcome(&up, &o);
	outcome_judge(UNIT_START, "done", &starting, true, NULL, &o);
	check_outcome(&again, &o);
}

TEST(conditions_assertions_and_needs_are_named)
{
	const struct row row = { "done", "inactive", "dead", "success", "notify", CLI_INTERNAL,
		"condition is not met: ConditionPathExists=/data", "" };
	const struct row assertion = { "assert", "inactive", "dead", "success", "notify",
		CLI_INTERNAL, "AssertPathIsMountPoint=/data", "" };
	const struct row dependency = { "dependency", "inactive", "dead", "success", "notify",
		CLI_INTERNAL, "disk.service", "status disk.service" };
	struct unit_state u = unit_of(&row);
	struct outcome o;

	u.condition_ok = false;
	snprintf(u.condition, sizeof u.condition, "ConditionPathExists=/data");
	snprintf(u.assertion, sizeof u.assertion, "AssertPathIsMountPoint=/data");
	outcome_judge(UNIT_START, "done", &u, false, NULL, &o);
	check_outcome(&row, &o);
	outcome_judge(UNIT_START, "assert", &u, false, NULL, &o);
	check_outcome(&assertion, &o);
	outcome_judge(UNIT_START, "dependency", &u, false, "disk.service", &o);
	check_outcome(&dependency, &o);
}

TEST(timers)
{
	const struct row rows[] = {
		{ "done", "active", "waiting", "success", "", CLI_OK, "waits for its time", "" },
		{ "done", "active", "running", "success", "", CLI_OK, "waits for its time", "" },
		{ "done", "active", "elapsed", "success", "", CLI_INTERNAL, "no next time",
			"cat x.timer" },
		{ "done", "failed", "failed", "resources", "", CLI_INTERNAL, "missing", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_state u = unit_of(&rows[i]);
		struct outcome o;

		strcpy(u.name, "x.timer");
		outcome_judge(UNIT_START, rows[i].job, &u, false, NULL, &o);
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
			{ "done", "inactive", "dead", "success", "", CLI_INTERNAL, "no such unit",
				"install" } },
		{ "masked",
			{ "done", "inactive", "dead", "success", "", CLI_INTERNAL, "masked",
				"unmask x.service" } },
		{ "bad-setting",
			{ "done", "inactive", "dead", "success", "", CLI_INTERNAL,
				"cannot be used: it is odd", "verify" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_state u = unit_of(&rows[i].row);
		struct outcome o;

		strcpy(u.load, rows[i].load);
		strcpy(u.load_error, "it is odd");
		outcome_judge(UNIT_START, "done", &u, false, NULL, &o);
		check_outcome(&rows[i].row, &o);
	}
}

TEST(stopping)
{
	static const struct row rows[] = {
		{ "done", "inactive", "dead", "success", "notify", CLI_OK, "stopped", "" },
		{ "done", "failed", "failed", "exit-code", "notify", CLI_OK, "stopped", "" },
		{ "done", "active", "running", "success", "notify", CLI_INTERNAL, "again", "" },
		{ "canceled", "active", "running", "success", "notify", CLI_INTERNAL, "canceled",
			"" },
		{ "done", "deactivating", "stop", "success", "notify", CLI_TEMPFAIL, "stopping",
			"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_state u = unit_of(&rows[i]);
		struct outcome o;

		outcome_judge(UNIT_STOP, rows[i].job, &u, false, NULL, &o);
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
		{ "org.freedesktop.systemd1.TransactionOrderIsCyclic",
			"TransactionOrderIsCyclic: words", "" },
		{ "org.freedesktop.systemd1.OnlyByDependency", "OnlyByDependency: words", "" },
		{ "org.freedesktop.DBus.Error.AccessDenied", "AccessDenied: words", "" },
		{ "org.example.Novel", "org.example.Novel: words", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row row = { .job = rows[i].error,
			.active = "",
			.sub = "",
			.result = "",
			.code = CLI_INTERNAL,
			.text = rows[i].text,
			.next = rows[i].next };
		struct outcome o;

		outcome_refused("x.service", rows[i].error, "words", &o);
		check_outcome(&row, &o);
	}
}
