/* SPDX-License-Identifier: MIT */
/*
 * deploypi pull: for each paired camera the timer that brings the newest picture, or the service that follows
 * it live, and the timer that brings all the others. A first fetch shows whether the pairing holds.
 */
#include <errno.h>
#include <string.h>

#include "common/child.h"
#include "common/clock.h"
#include "common/utc.h"
#include "deploy/commands.h"
#include "deploy/sandbox.h"
#include "deploy/setup.h"

#define FETCH_TIMEOUT "30s"
#define FETCH_TIMEOUT_US (60 * US_PER_SEC)
#define NEXT_MAX_US (32 * INT64_C(24) * 3600 * US_PER_SEC) /* ours fire every hour at least */

const struct cli_option pull_options[] = {
	SETUP_OPTIONS,
	{ "camera", 0, "NAME", "only this one of the paired cameras" },
	{ "follow", 0, NULL, "a live view: follow the camera, no timer for its newest" },
	{ "no-follow", 0, NULL, "back to the timer" },
	{ 0 },
};

/* The last line of a text, which the child wrote for people. */
static const char *last_line(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	return strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
}

/* A camera that is away is no reason not to set up the pulling; one that refuses us is. */
static int try_fetch(struct deploy *deploy, const char *camera)
{
	const char *const argv[] = { "pullpi", "fetch", "--latest", "--timeout", FETCH_TIMEOUT,
		camera, NULL };
	struct child_result child = { 0 };
	char next[REPORT_TEXT_MAX];
	int r = child_run(argv, FETCH_TIMEOUT_US, &child), code;

	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "fetch", NULL, NULL,
			"pullpi cannot be run: %s", strerror(-r));
	code = child.code;
	if (code == CLI_REFUSED)
		snprintf(next, sizeof next, "pullpi pair [USER@]HOST --camera %s, then again: `%s`",
			camera, deploy->again);
	else
		snprintf(next, sizeof next,
			"`pullpi doctor --connect %s` knows more; then again: `%s`", camera,
			deploy->again);
	if (code == CLI_OK)
		report_ok(&deploy->report, "fetch", NULL, "%s",
			*child.out ? last_line(child.out) : "nothing new");
	else if (code == CLI_TEMPFAIL)
		report_step(&deploy->report,
			&(struct step){ .name = "fetch",
				.result = STEP_WARN,
				.next = "nothing: the timers go on trying" },
			"%s", last_line(child.err));
	else
		report_failed(&deploy->report, code, "fetch", NULL, next, "%s",
			*child.err ? last_line(child.err) : "pullpi fetch failed");
	child_result_clear(&child);
	return code == CLI_TEMPFAIL ? CLI_OK : code;
}

/* Followed: as asked for now, else as it was set up before. */
static int wants_follow(struct deploy *deploy, const char *follow, bool *ret)
{
	const struct cli *cli = deploy->report.cli;
	struct unit_state state;
	int r;

	*ret = cli_flag(cli, "follow");
	if (*ret || cli_flag(cli, "no-follow"))
		return CLI_OK;
	r = units_read(deploy, "pull", follow, &state);
	*ret = r == CLI_OK && strcmp(state.file_state, "enabled") == 0;
	return r;
}

static int check_timer(struct deploy *deploy, const struct unit_task *task)
{
	int64_t now_us = clock_wall_us(&clock_real);
	char time[UTC_TEXT_MAX];
	struct unit_state u;
	bool has_next;
	int r;

	if (!strstr(task->unit, ".timer"))
		return CLI_OK;
	r = units_read(deploy, "timer", task->unit, &u);
	if (r != CLI_OK)
		return r;
	/* while its service runs a timer has none; after a reload it is "never" until then */
	has_next = u.next_us != 0 && u.next_us != UNIT_TIME_NONE;
	if (!has_next && strcmp(u.sub, "running") == 0) {
		report_ok(&deploy->report, "timer", task->unit, "its service runs just now");
		return CLI_OK;
	}
	if (!has_next || (int64_t)u.next_us > now_us + NEXT_MAX_US)
		return report_failed(&deploy->report, CLI_INTERNAL, "timer", task->unit,
			"see its OnCalendar= and the clock of this machine (date)",
			"it has no sensible next time");
	report_ok(&deploy->report, "timer", task->unit, "next at %s",
		utc_format_local((int64_t)u.next_us, time));
	return CLI_OK;
}

/* The one of the two that is not wanted. */
static int stop_other(struct deploy *deploy, const char *unit)
{
	const char *const units[] = { unit };
	struct unit_task task = { .work = UNIT_WORK_STOP };
	bool changed = false;
	int r = units_read(deploy, "stop", unit, &task.before);

	if (r != CLI_OK || strcmp(task.before.load, "loaded") != 0)
		return r;
	strcpy(task.unit, unit);
	if (strcmp(task.before.active, "active") == 0 ||
		strcmp(task.before.active, "activating") == 0)
		r = units_work(deploy, "stop", &task, 1);
	if (r == CLI_OK && strcmp(task.before.file_state, "enabled") == 0)
		r = units_disable(deploy, units, 1, &changed);
	return r;
}

static int start_unit(struct deploy *deploy, const char *unit)
{
	const char *const units[] = { unit };
	struct unit_task task = { 0 };
	bool enabled_now = false;
	int r = units_enable(deploy, units, 1, &enabled_now);

	if (r != CLI_OK)
		return r;
	r = units_read(deploy, "start", unit, &task.before);
	if (r != CLI_OK)
		return r;
	strcpy(task.unit, unit);
	task.work = setup_work_for(&task.before, NULL, &task.reason);
	if (task.work == UNIT_WORK_NONE)
		report_ok(&deploy->report, "start", unit, "runs already");
	else
		r = units_work(deploy, "start", &task, 1);
	if (r == CLI_INTERNAL && enabled_now)
		units_undo(deploy, unit);
	return r == CLI_OK ? check_timer(deploy, &task) : r;
}

/* Each of the three services of the camera writes the same archive. */
static int open_sandboxes(struct deploy *deploy, const char *camera, const char *archive)
{
	static const char *const kinds[] = { "latest", "sync", "follow" };
	int r = CLI_OK;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == CLI_OK; i++) {
		char unit[UNIT_NAME_MAX];

		snprintf(unit, sizeof unit, "pullpi-%s@%s.service", kinds[i], camera);
		r = sandbox_open(deploy, unit, "pulled", archive, true);
	}
	return r;
}

static int pull_camera(struct deploy *deploy, const char *camera, const char *archive)
{
	char latest[UNIT_NAME_MAX], follow[UNIT_NAME_MAX], sync[UNIT_NAME_MAX];
	bool follows;
	int r;

	snprintf(latest, sizeof latest, "pullpi-latest@%s.timer", camera);
	snprintf(follow, sizeof follow, "pullpi-follow@%s.service", camera);
	snprintf(sync, sizeof sync, "pullpi-sync@%s.timer", camera);
	if (!unit_name_ok(latest))
		return report_failed(&deploy->report, CLI_SETTINGS, "settings", NULL, NULL,
			"%s: no name for a unit", camera);
	r = try_fetch(deploy, camera);
	if (r == CLI_OK)
		r = open_sandboxes(deploy, camera, archive);
	if (r == CLI_OK)
		r = wants_follow(deploy, follow, &follows);
	if (r == CLI_OK)
		r = start_unit(deploy, follows ? follow : latest);
	if (r == CLI_OK)
		r = stop_other(deploy, follows ? latest : follow);
	return r == CLI_OK ? start_unit(deploy, sync) : r;
}

/* Every camera is tried; the first that fails gives the exit code. */
static int pull_cameras(struct deploy *deploy, struct json_object *dump)
{
	const char *only = cli_value(deploy->report.cli, "camera");
	struct json_object *cameras = NULL;
	int worst = CLI_OK, n = 0;

	if (json_object_object_get_ex(dump, "camera", &cameras) &&
		json_object_is_type(cameras, json_type_object)) {
		json_object_object_foreach(cameras, name, values)
		{
			struct json_object *archive = NULL;
			int r;

			json_object_object_get_ex(values, "archive", &archive);
			if (only && strcmp(only, name) != 0)
				continue;
			n++;
			r = pull_camera(
				deploy, name, archive ? json_object_get_string(archive) : "");
			if (r >= 128)
				return r;
			worst = worst == CLI_OK ? r : worst;
		}
	}
	if (n > 0)
		return worst;
	return report_failed(&deploy->report, CLI_SETTINGS, "settings", NULL,
		"pullpi pair [USER@]HOST --camera NAME", "%s%s",
		only ? "no camera is paired under the name " : "no camera is paired yet",
		only ? only : "");
}

static bool is_camera(void *dump, const char *name)
{
	struct json_object *cameras = NULL;

	return json_object_object_get_ex(dump, "camera", &cameras) &&
		json_object_is_type(cameras, json_type_object) &&
		json_object_object_get_ex(cameras, name, NULL);
}

static bool has_camera(struct json_object *dump, const char *only)
{
	struct json_object *cameras = NULL;

	if (only)
		return is_camera(dump, only);
	return json_object_object_get_ex(dump, "camera", &cameras) &&
		json_object_is_type(cameras, json_type_object) &&
		json_object_object_length(cameras) > 0;
}

int command_pull(struct cli *cli)
{
	struct json_object *dump = NULL;
	struct deploy deploy;
	int r;

	if (cli_flag(cli, "follow") && cli_flag(cli, "no-follow"))
		return cli_usage(cli, "--follow and --no-follow: one of them");
	r = setup_begin(cli, true, &deploy);
	if (r != CLI_OK)
		return r;
	r = setup_check_settings(&deploy, "pullpi");
	if (r == CLI_OK)
		r = setup_dump(&deploy, "pullpi", &dump);
	if (r == CLI_OK && has_camera(dump, cli_value(cli, "camera"))) {
		r = setup_folders(&deploy, "pullpi");
		if (r == CLI_OK)
			r = setup_manager(&deploy);
	}
	/* also of the last camera that went; then a manager that does not run has nothing of it */
	if (r == CLI_OK && !cli_value(cli, "camera") &&
		(has_camera(dump, NULL) ||
			session_connect(deploy.session, clock_mono_ns(&clock_real)) == 0))
		r = ours_remove(&deploy,
			&(struct ours_choice){
				.prefix = "pullpi-", .known = is_camera, .data = dump });
	if (r == CLI_OK)
		r = pull_cameras(&deploy, dump);
	json_object_put(dump);
	setup_end(&deploy);
	return r;
}
