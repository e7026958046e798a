/* SPDX-License-Identifier: MIT */
/* Jobs: all are queued, their real ends waited for, and what became of the units read back twice. */
#include "deploy/units.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/userbus.h"
#include "common/utc.h"
#include "common/util.h"

#define JOB_MARGIN_US (30 * INT64_C(1000000)) /* beyond what the unit's own time-outs allow */
#define JOB_LEAST_US (90 * INT64_C(1000000))
#define JOB_UNLIMITED_US (600 * INT64_C(1000000)) /* for units without a time-out */
#define PROGRESS_NS (15000 * INT64_C(1000000))

static const char *method_of(enum unit_work work)
{
	switch (work) {
	case UNIT_WORK_START:
		return "StartUnit";
	case UNIT_WORK_RESTART:
		return "RestartUnit";
	case UNIT_WORK_RELOAD:
		return "ReloadUnit";
	case UNIT_WORK_STOP:
		return "StopUnit";
	case UNIT_WORK_NONE:
		break;
	}
	return NULL;
}

/* How long its job may take: to stop and to start. */
static int64_t allowed_us(const struct unit_state *u)
{
	const uint64_t limits[] = { u->start_limit_us, u->stop_limit_us };
	int64_t sum_us = JOB_MARGIN_US;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		sum_us +=
			limits[i] > (uint64_t)INT64_MAX / 4 ? JOB_UNLIMITED_US : (int64_t)limits[i];
	return sum_us > JOB_LEAST_US ? sum_us : JOB_LEAST_US;
}

static int64_t jobs_deadline_ns(
	const struct deploy *deploy, const struct unit_task *tasks, size_t n)
{
	int64_t longest_us = deploy->timeout_us;

	for (size_t i = 0; i < n && !deploy->timeout_us; i++)
		if (tasks[i].work != UNIT_WORK_NONE && allowed_us(&tasks[i].before) > longest_us)
			longest_us = allowed_us(&tasks[i].before);
	return clock_mono_ns(&clock_real) + longest_us * 1000;
}

/* A refusal is of one unit; the others are still done. */
static int queue_jobs(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
		struct unit_task *task = &tasks[i];
		int r;

		if (task->work == UNIT_WORK_NONE)
			continue;
		task->seen = task->before;
		r = session_job(
			deploy->session, method_of(task->work), task->unit, &task->seen, &error);
		if (r < 0 && sd_bus_error_is_set(&error)) {
			outcome_refused(task->unit, error.name, error.message ? error.message : "",
				&task->outcome);
			task->work = UNIT_WORK_NONE;
		} else if (r < 0) {
			return units_tell_error(deploy, step, task->unit, r, &error);
		}
	}
	return CLI_OK;
}

static void tell_progress(struct deploy *deploy, const struct unit_task *tasks, size_t n)
{
	for (size_t i = 0; i < n && !deploy->report.json; i++)
		if (tasks[i].work != UNIT_WORK_NONE &&
			!session_job_result(deploy->session, tasks[i].unit))
			fprintf(stderr, "%s: still waiting for %s\n",
				deploy->report.cli->program->name, tasks[i].unit);
}

/* 0, also when the time is over: then some have no result. */
static int wait_jobs(struct deploy *deploy, const struct unit_task *tasks, size_t n)
{
	int64_t deadline_ns = jobs_deadline_ns(deploy, tasks, n);

	for (;;) {
		int64_t next_ns = clock_mono_ns(&clock_real) + PROGRESS_NS;
		int r = session_jobs_wait(
			deploy->session, next_ns < deadline_ns ? next_ns : deadline_ns);

		if (r != -ETIMEDOUT)
			return r;
		if (next_ns >= deadline_ns)
			return 0;
		tell_progress(deploy, tasks, n);
	}
}

/* The first of the units that it needs that failed. */
static bool find_failed_need(
	struct session *session, const struct unit_state *u, struct unit_state *ret)
{
	for (unsigned i = 0; i < u->n_needs; i++) {
		CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

		if (session_unit(session, u->needs[i], &error, ret) == 0 &&
			(strcmp(ret->active, "failed") == 0 || strcmp(ret->load, "loaded") != 0))
			return true;
	}
	return false;
}

static const char *deed(const struct unit_task *task)
{
	if (task->deed)
		return task->deed;
	switch (task->work) {
	case UNIT_WORK_START:
		return "started";
	case UNIT_WORK_RESTART:
		return "restarted";
	case UNIT_WORK_RELOAD:
		return "read its settings again";
	default:
		return "";
	}
}

static int tell_task(struct deploy *deploy, const char *step, const struct unit_task *task,
	const char *log_unit, int64_t since_us)
{
	const struct outcome *o = &task->outcome;
	char next[REPORT_TEXT_MAX];
	struct unitlog log;
	struct step line = { .name = step, .unit = task->unit, .next = next };

	if (o->kind == OUTCOME_OK) {
		if (!task->quiet)
			report_ok(&deploy->report, step, task->unit, "%s%s%s%s%s", deed(task),
				task->reason ? ", since " : "", task->reason ? task->reason : "",
				*deed(task) ? ": " : "", o->text);
		return CLI_OK;
	}
	line.result = STEP_FAILED;
	if (o->kind == OUTCOME_LATER) {
		snprintf(next, sizeof next, "it goes on by itself; see `deploypi status`");
		report_step(&deploy->report, &line, "%s", o->text);
		return CLI_TEMPFAIL;
	}
	snprintf(next, sizeof next, "%s%s`%s`", o->next,
		*o->next ? "; then again: " : "mend that, then again: ", deploy->again);
	if (task->state_known) { /* else it was refused, and did nothing */
		unitlog_read(log_unit, since_us, &log);
		line.log = &log;
	}
	report_step(&deploy->report, &line, "%s", o->text);
	return CLI_INTERNAL;
}

/* Reads the unit into `after`, and judges it by what it was right after the job. */
static int judge(struct deploy *deploy, const char *step, struct unit_task *task,
	const struct unit_state *first, char ret_log_unit[static UNIT_NAME_MAX])
{
	const char *result = session_job_result(deploy->session, task->unit);
	struct unit_state need;
	bool needs = false;
	int r;

	strcpy(ret_log_unit, task->unit);
	if (task->work == UNIT_WORK_NONE)
		return CLI_OK; /* it was refused, and why is known */
	r = units_read(deploy, step, task->unit, &task->after);
	if (r != CLI_OK)
		return r;
	/* unloaded meanwhile: then what was told until its job ended is all there is */
	if (task->after.condition_us == 0 && task->seen.condition_us != 0 && result && *result)
		task->after = task->seen;
	task->state_known = true;
	if (result && strcmp(result, "dependency") == 0)
		needs = find_failed_need(deploy->session, &task->after, &need);
	if (needs)
		strcpy(ret_log_unit, need.name);
	outcome_judge(task->work == UNIT_WORK_STOP ? UNIT_STOP : UNIT_START, result, first,
		&task->after, needs ? &need : NULL, &task->outcome);
	return CLI_OK;
}

/* Whether a second look may show something: not at what has ended or is only a timer. */
static bool may_change(const struct unit_task *task, const struct unit_state *u)
{
	return (task->work == UNIT_WORK_START || task->work == UNIT_WORK_RESTART) &&
		(strcmp(u->active, "active") == 0 || strcmp(u->active, "activating") == 0) &&
		*u->type && !(strcmp(u->type, "oneshot") == 0 && !u->remains);
}

static int finish(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n,
	int64_t since_us)
{
	CLEANUP_FREE struct unit_state *first = calloc(n, sizeof *first);
	bool look_again = false;
	int worst = CLI_OK, r;

	if (!first)
		return units_tell_error(deploy, step, NULL, -ENOMEM, NULL);
	for (size_t i = 0; i < n; i++) {
		if (tasks[i].work == UNIT_WORK_NONE)
			continue;
		r = units_read(deploy, step, tasks[i].unit, &first[i]);
		if (r != CLI_OK)
			return r;
		look_again |= may_change(&tasks[i], &first[i]);
	}
	r = look_again ? session_sleep(deploy->session,
				 clock_mono_ns(&clock_real) + deploy->settle_us * 1000)
		       : 0;
	if (r < 0)
		return units_tell_error(deploy, step, NULL, r, NULL);
	for (size_t i = 0; i < n; i++) {
		char log_unit[UNIT_NAME_MAX];

		r = judge(deploy, step, &tasks[i], &first[i], log_unit);
		if (r != CLI_OK)
			return r;
		r = tell_task(deploy, step, &tasks[i], log_unit, since_us);
		if (r == CLI_INTERNAL || worst == CLI_OK)
			worst = r;
	}
	return worst;
}

int units_work(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n)
{
	int64_t since_us = clock_wall_us(&clock_real);
	int r;

	session_jobs_clear(deploy->session);
	r = queue_jobs(deploy, step, tasks, n);
	if (r != CLI_OK)
		return r;
	r = wait_jobs(deploy, tasks, n);
	if (r < 0)
		return units_tell_error(deploy, step, n == 1 ? tasks[0].unit : NULL, r, NULL);
	r = finish(deploy, step, tasks, n, since_us);
	session_jobs_clear(deploy->session);
	return r;
}

void units_undo(struct deploy *deploy, const char *unit)
{
	struct unit_task task = { .work = UNIT_WORK_STOP, .quiet = true };
	bool changed = false;

	snprintf(task.unit, sizeof task.unit, "%s", unit);
	if (units_work(deploy, "undo", &task, 1) == CLI_OK &&
		units_disable(deploy, &unit, 1, &changed) == CLI_OK)
		report_ok(&deploy->report, "undo", unit,
			"stopped and disabled again, as it was before; lingering stays on");
}
