/* SPDX-License-Identifier: MIT */
/* Enabling, and jobs: all are queued, their real ends waited for, and the units read back twice. */
#include "deploy/units.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/text.h"
#include "common/base/util.h"
#include "common/systemd/userbus.h"

#define JOBS_US (600 * US_PER_SEC) /* the time-outs of most units end their jobs earlier */
#define PROGRESS_NS (15 * NS_PER_SEC)
#define SETTLE_NS (2 * NS_PER_SEC) /* until a unit that was started is looked at again */

static const struct {
	const char *method, *deed;
} works[] = {
	[UNIT_WORK_START] = { "StartUnit", "started" },
	[UNIT_WORK_RESTART] = { "RestartUnit", "restarted" },
	[UNIT_WORK_RELOAD] = { "ReloadUnit", "read its settings again" },
	[UNIT_WORK_STOP] = { "StopUnit", NULL },
};

int units_tell_error(struct deploy *deploy, const char *step, const char *unit, int error,
	const sd_bus_error *bus_error)
{
	const struct report *report = &deploy->report;
	struct outcome o;

	switch (error) {
	case -EREMOTEIO:
		outcome_refused(unit ? unit : "", bus_error->name,
			bus_error->message ? bus_error->message : "", &o);
		return report_failed(report,
			sd_bus_error_has_name(bus_error, SD_BUS_ERROR_ACCESS_DENIED) ? CLI_REFUSED
										     : CLI_INTERNAL,
			step, unit, *o.next ? o.next : NULL, "%s", o.text);
	case -EINTR:
		return report_failed(report, 128 + deploy->manager.signal, step, unit,
			"deploypi status", "%s; nothing waits any more, but what was begun goes on",
			deploy->manager.signal == SIGINT ? "interrupted" : "ended by a signal");
	case -ETIMEDOUT:
		return report_failed(report, CLI_TEMPFAIL, step, unit, deploy->again,
			"the user's manager does not answer");
	case -ECONNRESET:
		return report_failed(report, CLI_TEMPFAIL, step, unit, deploy->again,
			"the user's manager hung up: it ended, or executed itself again");
	case -EBADMSG:
		return report_failed(report, CLI_PROTOCOL, step, unit, NULL,
			"the manager answered something that this program does not understand");
	case -EINVAL:
		return report_failed(report, CLI_USAGE, step, unit,
			"name it like capturepi.service", "that is not the name of a unit");
	default:
		return report_failed(
			report, CLI_INTERNAL, step, unit, NULL, "%s", strerror(-error));
	}
}

int units_read(struct deploy *deploy, const char *step, const char *unit, struct unit_state *ret)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = manager_read_unit(&deploy->manager, unit, &error, ret);

	return r < 0 ? units_tell_error(deploy, step, unit, r, &error) : CLI_OK;
}

/* By the inode's change time: packages keep the modification time of when they were built. */
static bool file_is_newer(const char *path, uint64_t than_us)
{
	struct stat st;

	return *path && than_us != 0 && stat(path, &st) == 0 &&
		(uint64_t)st.st_ctim.tv_sec * US_PER_SEC + (uint64_t)st.st_ctim.tv_nsec / 1000 >
		than_us;
}

static bool unit_is_changed(const struct unit_state *u)
{
	const uint64_t since_us = u->started_us ? u->started_us : u->active_since_us;
	bool newer = file_is_newer(u->fragment, since_us);

	for (unsigned i = 0; i < u->dropins.n; i++) /* those of generators are always new */
		newer |= !strstr(u->dropins.items[i], "/systemd/generator/") &&
			file_is_newer(u->dropins.items[i], since_us);
	return newer;
}

static bool program_is_replaced(const struct unit_state *u)
{
	char path[64];
	struct stat running, installed;

	snprintf(path, sizeof path, "/proc/%u/exe", u->pid);
	return u->pid != 0 && stat(path, &running) == 0 && stat(u->program, &installed) == 0 &&
		(running.st_dev != installed.st_dev || running.st_ino != installed.st_ino);
}

enum unit_work units_choose_work(
	const struct unit_state *u, const char *settings, const char **ret_reason)
{
	*ret_reason = NULL;
	if (strcmp(u->active, "active") != 0 && strcmp(u->active, "reloading") != 0)
		return UNIT_WORK_START;
	if (strcmp(u->sub, "elapsed") == 0) /* it does not look at its times again by itself */
		*ret_reason = "it had no next time";
	else if (program_is_replaced(u))
		*ret_reason = "its program was replaced";
	else if (unit_is_changed(u))
		*ret_reason = "its unit was changed";
	if (*ret_reason)
		return UNIT_WORK_RESTART;
	if (settings && file_is_newer(settings, u->changed_us)) {
		*ret_reason = "its settings were changed";
		return UNIT_WORK_RELOAD;
	}
	return UNIT_WORK_NONE;
}

/* The answer of both calls ends with a(sss): what was linked or unlinked. */
int units_link(struct deploy *deploy, bool enable, const char *unit, bool *ret_changed)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *step = enable ? "enable" : "disable";
	int r, changed = 0;

	if (enable)
		r = manager_call(&deploy->manager, "EnableUnitFiles", &error, &reply, "asbb", 1,
			unit, false, false);
	else
		r = manager_call(&deploy->manager, "DisableUnitFiles", &error, &reply, "asb", 1,
			unit, false);
	if (r < 0)
		return units_tell_error(deploy, step, unit, r, &error);
	if (enable)
		sd_bus_message_skip(reply, "b");
	r = sd_bus_message_enter_container(reply, 'a', "(sss)");
	if (r >= 0)
		changed = sd_bus_message_at_end(reply, false) == 0;
	*ret_changed |= changed;
	return r < 0 ? units_tell_error(deploy, step, unit, -EBADMSG, NULL) : CLI_OK;
}

int units_reload_manager(struct deploy *deploy)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = manager_call(&deploy->manager, "Reload", &error, NULL, "");

	return r < 0 ? units_tell_error(deploy, "reload", NULL, r, &error) : CLI_OK;
}

int units_enable(struct deploy *deploy, const char *unit, bool *ret_changed)
{
	int r = units_link(deploy, true, unit, ret_changed);

	if (r != CLI_OK)
		return r;
	report_ok(&deploy->report, "enable", unit, "starts with the machine %s",
		*ret_changed ? "from now on" : "already");
	return units_reload_manager(deploy);
}

/* A refusal is of one unit, and is told; the others are still done. */
static int jobs_queue(
	struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n, int *ret_worst)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
		struct unit_task *task = &tasks[i];
		int code,
			r = manager_queue_job(
				&deploy->manager, works[task->work].method, &task->job, &error);

		if (r >= 0)
			continue;
		code = units_tell_error(deploy, step, task->job.unit, r, &error);
		if (r != -EREMOTEIO)
			return code;
		task->work = UNIT_WORK_NONE;
		*ret_worst = code;
	}
	return CLI_OK;
}

/* 0, also when the time is over: then some have no result. */
static int jobs_wait(struct deploy *deploy, const struct unit_task *tasks, size_t n)
{
	const int64_t wait_us = deploy->timeout_us ? deploy->timeout_us : JOBS_US;
	const int64_t deadline_ns = clock_mono_ns(&clock_real) + wait_us * NS_PER_US;

	for (;;) {
		int64_t next_ns = clock_mono_ns(&clock_real) + PROGRESS_NS;
		int r = manager_wait_jobs(
			&deploy->manager, next_ns < deadline_ns ? next_ns : deadline_ns);

		if (r != -ETIMEDOUT)
			return r;
		if (next_ns >= deadline_ns)
			return 0;
		for (size_t i = 0; i < n && !deploy->report.json; i++)
			if (tasks[i].work != UNIT_WORK_NONE && !*tasks[i].job.result)
				text_print(stderr, "%s: still waiting for %s\n",
					deploy->report.cli->program->name, tasks[i].job.unit);
	}
}

/* Whether a second look may show something: not at what has ended or is only a timer. */
static bool task_may_change(const struct unit_task *task)
{
	const struct unit_state *u = &task->job.state;

	return (task->work == UNIT_WORK_START || task->work == UNIT_WORK_RESTART) &&
		(strcmp(u->active, "active") == 0 || strcmp(u->active, "activating") == 0) &&
		*u->type && (strcmp(u->type, "oneshot") != 0 || u->remains);
}

/* The first of the units that it needs that failed; NULL: none did. */
static const char *task_failed_need(struct deploy *deploy, const struct unit_task *task)
{
	const struct unit_state *u = &task->job.state;

	for (unsigned i = 0; strcmp(task->job.result, "dependency") == 0 && i < u->needs.n; i++) {
		CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
		struct unit_state need;

		if (manager_read_unit(&deploy->manager, u->needs.items[i], &error, &need) == 0 &&
			(strcmp(need.active, "failed") == 0 || strcmp(need.load, "loaded") != 0))
			return u->needs.items[i];
	}
	return NULL;
}

static int task_tell_failure(struct deploy *deploy, const char *step, const struct unit_task *task,
	const struct outcome *o, const char *log_unit, int64_t since_us)
{
	char next[REPORT_TEXT_MAX] = "it goes on by itself; see `deploypi status`";
	struct step line = { step, task->job.unit, STEP_FAILED, next, NULL };
	struct unitlog log;

	if (o->code != CLI_TEMPFAIL) {
		snprintf(next, sizeof next, "%s, then again: `%s`",
			*o->next ? o->next : "mend that", deploy->again);
		unitlog_read(log_unit, since_us, &log);
		line.log = &log;
	}
	report_step(&deploy->report, &line, "%s", o->text);
	return o->code;
}

/* What it became, by its state now and right after the job. */
static int task_tell(
	struct deploy *deploy, const char *step, const struct unit_task *task, int64_t since_us)
{
	const char *deed = task->deed ? task->deed : works[task->work].deed;
	const char *unit = task->job.unit, *need = task_failed_need(deploy, task);
	const struct unit_state *u = &task->job.state;
	const bool restarted = u->restarts > task->restarts ||
		(task->was_active && strcmp(u->active, "activating") == 0);
	struct outcome o;

	outcome_judge(task->work == UNIT_WORK_STOP ? UNIT_STOP : UNIT_START, task->job.result, u,
		restarted, need, &o);
	if (o.code != CLI_OK)
		return task_tell_failure(deploy, step, task, &o, need ? need : unit, since_us);
	report_ok(&deploy->report, step, unit, "%s%s%s%s%s", deed ? deed : "",
		task->reason ? ", since " : "", task->reason ? task->reason : "", deed ? ": " : "",
		o.text);
	return CLI_OK;
}

/* Reads the units; what was unloaded meanwhile is as it was told until its job ended. */
static int tasks_look(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct unit_state now, *state = &tasks[i].job.state;
		int r;

		if (tasks[i].work == UNIT_WORK_NONE)
			continue;
		r = units_read(deploy, step, tasks[i].job.unit, &now);
		if (r != CLI_OK)
			return r;
		if (now.condition_us || !state->condition_us)
			*state = now;
	}
	return CLI_OK;
}

static int tasks_finish(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n,
	int64_t since_us, int worst)
{
	int64_t settled_ns = clock_mono_ns(&clock_real);
	int r = tasks_look(deploy, step, tasks, n);

	if (r != CLI_OK)
		return r;
	for (size_t i = 0; i < n; i++) {
		tasks[i].restarts = tasks[i].job.state.restarts;
		tasks[i].was_active = strcmp(tasks[i].job.state.active, "active") == 0;
		if (task_may_change(&tasks[i]))
			settled_ns = clock_mono_ns(&clock_real) + SETTLE_NS;
	}
	r = manager_sleep(&deploy->manager, settled_ns);
	if (r < 0)
		return units_tell_error(deploy, step, NULL, r, NULL);
	r = tasks_look(deploy, step, tasks, n);
	if (r != CLI_OK)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = tasks[i].work == UNIT_WORK_NONE ? CLI_OK /* it was refused */
						    : task_tell(deploy, step, &tasks[i], since_us);
		if (r == CLI_INTERNAL || worst == CLI_OK)
			worst = r;
	}
	return worst;
}

int units_work(struct deploy *deploy, const char *step, struct unit_task *tasks, size_t n)
{
	int64_t since_us = clock_wall_us(&clock_real);
	int worst = CLI_OK, r = jobs_queue(deploy, step, tasks, n, &worst);

	if (r == CLI_OK) {
		r = jobs_wait(deploy, tasks, n);
		if (r < 0)
			r = units_tell_error(
				deploy, step, n == 1 ? tasks[0].job.unit : NULL, r, NULL);
	}
	if (r == CLI_OK)
		r = tasks_finish(deploy, step, tasks, n, since_us, worst);
	manager_forget_jobs(&deploy->manager);
	return r;
}

void units_undo(struct deploy *deploy, const char *unit)
{
	struct unit_task task = { .work = UNIT_WORK_STOP };
	bool changed = false;

	snprintf(task.job.unit, sizeof task.job.unit, "%s", unit);
	if (units_work(deploy, "undo", &task, 1) == CLI_OK &&
		units_link(deploy, false, unit, &changed) == CLI_OK &&
		units_reload_manager(deploy) == CLI_OK)
		report_ok(&deploy->report, "undo", unit, "disabled again, as it was before%s",
			user_is_system() ? "" : "; lingering stays on");
}

int units_start(struct deploy *deploy, struct unit_task *task, bool moved, const char *runs)
{
	const char *const unit = task->job.unit, *const why = task->reason;
	bool enabled_now = false;
	int r = units_enable(deploy, unit, &enabled_now);

	if (r == CLI_OK)
		r = units_read(deploy, "start", unit, &task->job.state);
	if (r != CLI_OK)
		return r;
	task->work = units_choose_work(&task->job.state, NULL, &task->reason);
	if (task->work == UNIT_WORK_NONE && moved) {
		task->work = UNIT_WORK_RESTART;
		task->reason = why;
	}
	if (task->work == UNIT_WORK_NONE)
		report_ok(&deploy->report, "start", unit, "%s", runs);
	else
		r = units_work(deploy, "start", task, 1);
	if (r == CLI_INTERNAL && enabled_now)
		units_undo(deploy, unit);
	return r;
}

int drop_in_write(const char *folder, const char *name, const char *text)
{
	CLEANUP_FD int fd = fs_open_made(folder, 0755);

	return fd < 0 ? fd : fs_replace(&fs_real, fd, name, text, strlen(text), 0644);
}

int drop_in_remove(const char *folder)
{
	char path[PATH_MAX + sizeof USERUNITS_DROP_IN];

	snprintf(path, sizeof path, "%s/%s", folder, USERUNITS_DROP_IN);
	if (unlink(path) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	rmdir(folder); /* unless the person has more in there */
	return 0;
}
