/* SPDX-License-Identifier: MIT */
/*
 * deploypi capture: from settings to a picture in the archive. A first start that fails is undone,
 * so that nothing is left that fails again at every boot; a service that was enabled before stays
 * enabled, because it may well run again by itself. The proof is a frame that was not there before:
 * the newest one, as `capturepi status` has it, changes when a frame is stored.
 */
#include <errno.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/journal/name.h"
#include "common/systemd/userbus.h"
#include "deploy/commands.h"
#include "deploy/sandbox.h"
#include "deploy/setup.h"
#include "deploy/system.h"

#define WAIT_US (180 * US_PER_SEC) /* for a slot that comes later nobody waits */
#define LOOK_NS (NS_PER_SEC / 2)
#define LOOKS_AT_UNIT 4
#define GRACE_US (20 * US_PER_SEC) /* a camera that opens slowly, a slot that is missed */

const struct cli_option capture_options[] = {
	SETUP_OPTIONS,
	SYSTEM_OPTION,
	{ "name", 0, "NAME", "another camera of this machine than the first" },
	{ "wait", 0, "DURATION", "for the first frame; 3min, 0: not at all" },
	{ 0 },
};

struct capture {
	struct deploy deploy;
	struct json_object *dump; /* the settings */
	const char *archive; /* by these */
	struct unit_task task; /* of the service */
	bool moved; /* the unit that runs does not see what the settings name */
	char before[FRAME_PATH_MAX]; /* the newest frame when this began; "": none */
	char call[CLI_NAME_MAX + 32]; /* "capturepi --name porch" */
	int64_t begun_ns, begun_us, wait_us;
};

/* What capturepi tells of its archive and service; NULL: nothing yet. For json_object_put(). */
static struct json_object *capture_status(struct capture *c)
{
	static const char *const words[] = { "status", "--json", NULL };
	struct json_object *status = NULL;

	(void)setup_ask(&c->deploy, "capturepi", words, &status);
	return status;
}

/* When the next slot is; TIME_NONE where the schedule has none, or cannot be asked. */
static int64_t capture_next_slot_us(struct capture *c)
{
	static const char *const words[] = { "schedule", "-n", "1", "--json", NULL };
	struct json_object *slots = NULL;
	int64_t us = TIME_NONE;

	if (setup_ask(&c->deploy, "capturepi", words, &slots) == 0)
		us = json_get_time(slots, "/0");
	json_object_put(slots);
	return us;
}

/* Whether the frame is there, which is told then. One of a service that ran already will do. */
static bool capture_has_frame(struct capture *c)
{
	struct json_object *status = capture_status(c);
	const char *newest = json_get_text(status, "/newest");
	const int64_t exposed_us = json_get_time(status, "/newest_exposed");
	const int64_t due_us = json_get_time(status, "/due");
	const bool stored = *newest && strcmp(newest, c->before) != 0;
	const bool recent = *newest && c->task.work == UNIT_WORK_NONE &&
		(due_us == TIME_NONE || exposed_us >= due_us - GRACE_US);
	char time[UTC_TEXT_MAX];

	if (stored)
		report_ok(&c->deploy.report, "frame", NULL,
			"%s/%s is stored, %.1f s after this began", c->archive, newest,
			(double)(clock_mono_ns(&clock_real) - c->begun_ns) / NS_PER_SEC);
	else if (recent)
		report_ok(&c->deploy.report, "frame", NULL, "the newest is %s/%s, of %s",
			c->archive, newest, utc_format_local(exposed_us, time));
	json_object_put(status);
	return stored || recent;
}

static int capture_fail(struct capture *c, int code, const char *next, const char *what)
{
	const char *unit = c->task.job.unit;
	struct step step = { "frame", unit, STEP_FAILED, next, NULL };
	struct unitlog log;

	unitlog_read(unit, c->begun_us, &log);
	step.log = &log;
	report_step(&c->deploy.report, &step, "%s", what);
	return code;
}

static int capture_no_frame(struct capture *c)
{
	struct json_object *status = capture_status(c);
	const char *error = json_get_text(status, "/service/camera/error");
	char what[REPORT_TEXT_MAX], next[REPORT_TEXT_MAX];

	snprintf(what, sizeof what,
		"it runs, but no frame came to %s though one was due; the camera: %s%s%s",
		c->archive, json_get_text(status, "/service/camera/state"), *error ? ", " : "",
		error);
	json_object_put(status);
	snprintf(next, sizeof next,
		"the service goes on trying; see `%s status`, `capturepi cameras`", c->call);
	return capture_fail(c, CLI_TEMPFAIL, next, what);
}

/* The service may end, or begin again, while its frame is waited for. */
static int capture_look_at_service(struct capture *c)
{
	const struct unit_state *before = &c->task.job.state;
	char what[OUTCOME_TEXT_MAX + 32];
	struct outcome outcome;
	struct unit_state now;
	int r = units_read(&c->deploy, "frame", before->name, &now);

	if (r != CLI_OK)
		return r;
	outcome_judge(UNIT_START, "done", &now, now.restarts > before->restarts, NULL, &outcome);
	if (outcome.code == CLI_OK)
		return CLI_OK;
	snprintf(what, sizeof what, "before its first frame: %s", outcome.text);
	return capture_fail(c, CLI_INTERNAL, *outcome.next ? outcome.next : c->deploy.again, what);
}

static int capture_wait_until(struct capture *c, int64_t deadline_ns)
{
	for (unsigned turn = 1; !capture_has_frame(c); turn++) {
		int r;

		if (clock_mono_ns(&clock_real) >= deadline_ns)
			return capture_no_frame(c);
		r = manager_sleep(&c->deploy.manager, clock_mono_ns(&clock_real) + LOOK_NS);
		if (r < 0)
			return units_tell_error(&c->deploy, "frame", c->task.job.unit, r, NULL);
		r = turn % LOOKS_AT_UNIT == 0 ? capture_look_at_service(c) : CLI_OK;
		if (r != CLI_OK)
			return r;
	}
	return CLI_OK;
}

static int capture_wait_for_frame(struct capture *c)
{
	const struct conf_item item = { .type = &conf_duration, .max = INT64_MAX };
	int64_t next_us, left_us, clock_us = 0;
	char time[UTC_TEXT_MAX];

	if (c->wait_us == 0 || capture_has_frame(c))
		return CLI_OK;
	next_us = capture_next_slot_us(c);
	if (next_us == TIME_NONE) {
		report_ok(&c->deploy.report, "frame", NULL,
			"the schedule has no next slot that could be waited for");
		return CLI_OK;
	}
	if (!clock_synced(&clock_real))
		conf_parse(&item, json_get_text(c->dump, "/schedule/wait_for_clock"), &clock_us);
	left_us = next_us - clock_wall_us(&clock_real) + clock_us;
	utc_format_local(next_us, time);
	if (left_us > c->wait_us) {
		report_ok(&c->deploy.report, "frame", NULL,
			"the first is due at %s, and not waited for; `%s shot` takes one now", time,
			c->call);
		return CLI_OK;
	}
	if (!c->deploy.report.json && left_us > 2 * US_PER_SEC)
		text_print(stdout, "%-9s waiting for the slot of %s\n", "frame", time);
	fflush(stdout);
	return capture_wait_until(c, clock_mono_ns(&clock_real) + (left_us + GRACE_US) * NS_PER_US);
}

/* The service reads its settings again, but for the archive's place: that needs a new start. */
static bool capture_archive_moved(const struct capture *c)
{
	pid_t writer;

	return archive_writer_pid(c->archive, &writer) < 0 ||
		(uint32_t)writer != c->task.job.state.pid;
}

static int capture_start(struct capture *c)
{
	struct unit_task *task = &c->task;
	char settings[PATH_MAX];
	int r = setup_settings_path("capturepi", c->deploy.name, settings);

	if (r == CLI_OK)
		r = units_read(&c->deploy, "start", task->job.unit, &task->job.state);
	if (r != CLI_OK)
		return r;
	task->work = units_choose_work(&task->job.state, settings, &task->reason);
	if ((task->work == UNIT_WORK_NONE && c->moved) ||
		(task->work == UNIT_WORK_RELOAD && (c->moved || capture_archive_moved(c))))
		task->work = UNIT_WORK_RESTART;
	if (task->work != UNIT_WORK_NONE)
		return units_work(&c->deploy, "start", task, 1);
	report_ok(&c->deploy.report, "start", task->job.unit,
		"runs already, with all that is installed and set");
	return CLI_OK;
}

static bool capture_has_settings(void *data, const char *name)
{
	char path[PATH_MAX];

	(void)data;
	return setup_settings_path("capturepi", name, path) != CLI_OK || access(path, F_OK) == 0;
}

static int capture_deploy(struct capture *c)
{
	const struct ours_choice gone = { .prefix = "capturepi", .known = capture_has_settings };
	struct json_object *status = capture_status(c);
	struct deploy *deploy = &c->deploy;
	const char *name = deploy->name;
	char usual[CLI_NAME_MAX + 16];
	struct sandbox_needs needs;
	bool enabled_now = false;
	int r = setup_folders(deploy, "capturepi");

	snprintf(usual, sizeof usual, "captures%s%s", name ? "-" : "", name ? name : "");
	snprintf(c->before, sizeof c->before, "%s", json_get_text(status, "/newest"));
	json_object_put(status);
	if (r == CLI_OK)
		r = setup_manager(deploy);
	if (r == CLI_OK && strcmp(json_get_text(c->dump, "/camera/source"), "test") != 0)
		setup_warn_of_groups(deploy);
	if (r == CLI_OK)
		r = sandbox_needs_of(deploy, usual, c->archive,
			json_get_text(c->dump, "/camera/tuning_file"), &needs);
	if (r == CLI_OK) /* a disk that must be mounted is not made up by a folder */
		r = sandbox_open(deploy, c->task.job.unit, &needs,
			strcmp(json_get_text(c->dump, "/archive/require_mount"), "no") == 0,
			&c->moved);
	if (r == CLI_OK)
		r = ours_remove(deploy, &gone);
	if (r == CLI_OK)
		r = units_enable(deploy, c->task.job.unit, &enabled_now);
	if (r != CLI_OK)
		return r;
	r = capture_start(c);
	if (r == CLI_INTERNAL && enabled_now)
		units_undo(deploy, c->task.job.unit);
	return r == CLI_OK ? capture_wait_for_frame(c) : r;
}

int command_capture(struct cli *cli)
{
	struct capture c = {
		.wait_us = WAIT_US,
		.begun_ns = clock_mono_ns(&clock_real),
		.begun_us = clock_wall_us(&clock_real),
	};
	const char *name;
	int r = cli_quantity(cli, "wait", &conf_duration, 0, SETUP_WAIT_MAX_US, &c.wait_us);

	if (r == CLI_OK)
		r = setup_name(cli, &name);
	if (r == CLI_OK)
		r = setup_begin(cli, true, "capturepi", &c.deploy);
	if (r != CLI_OK)
		return r;
	c.deploy.name = name;
	if (name)
		snprintf(c.deploy.again, sizeof c.deploy.again, "deploypi capture%s --name %s",
			user_is_system() ? " --system" : "", name);
	snprintf(c.call, sizeof c.call, "capturepi%s%s", name ? " --name " : "", name ? name : "");
	snprintf(c.task.job.unit, sizeof c.task.job.unit, "capturepi%s%s.service", name ? "@" : "",
		name ? name : "");
	r = setup_settings(&c.deploy, "capturepi", &c.dump);
	c.archive = json_get_text(c.dump, "/archive/path");
	if (r == CLI_OK)
		r = capture_deploy(&c);
	json_object_put(c.dump);
	setup_end(&c.deploy);
	return r;
}
