/* SPDX-License-Identifier: MIT */
/*
 * deploypi pull: for each paired camera the timer that brings the newest picture, or the service
 * that follows it live, and the timer that brings all the others; and, where [alarm] names a way
 * for messages, the timer of pullpi watch. A first fetch shows whether the pairing holds.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/utc.h"
#include "common/systemd/userbus.h"
#include "deploy/commands.h"
#include "deploy/sandbox.h"
#include "deploy/setup.h"
#include "deploy/system.h"

#define PULL_WATCH "pullpi-watch.timer"
#define FETCH_TIMEOUT "30s"
#define FETCH_TIMEOUT_US (60 * US_PER_SEC)
#define NEXT_MAX_US (32 * INT64_C(24) * 3600 * US_PER_SEC) /* ours fire every hour at least */

const struct cli_option pull_options[] = {
	SETUP_OPTIONS,
	SYSTEM_OPTION,
	{ "camera", 0, "NAME", "only this one of the paired cameras" },
	{ "follow", 0, NULL, "a live view: follow the camera, no timer for its newest" },
	{ "no-follow", 0, NULL, "back to the timer" },
	{ 0 },
};

/* A camera that is away is no reason not to set up the pulling; one that refuses us is. */
static int pull_try_fetch(struct deploy *deploy, const char *camera)
{
	CLEANUP(child_result_clear) struct child_result child = { 0 };
	const char *const argv[] = { "pullpi", "fetch", "--latest", "--timeout", FETCH_TIMEOUT,
		camera, NULL };
	char next[REPORT_TEXT_MAX];
	struct step away = { "fetch", NULL, STEP_WARN, "nothing: the timers go on trying", NULL };
	int r = child_run(argv, FETCH_TIMEOUT_US, &child);

	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "fetch", NULL, NULL,
			"pullpi cannot be run: %s", strerror(-r));
	if (child.code == CLI_OK) {
		report_ok(&deploy->report, "fetch", NULL, "%s",
			*child.out ? setup_last_line(child.out) : "nothing new");
		return CLI_OK;
	}
	if (child.code == CLI_TEMPFAIL) {
		report_step(&deploy->report, &away, "%s", setup_last_line(child.err));
		return CLI_OK;
	}
	snprintf(next, sizeof next,
		child.code == CLI_REFUSED
			? "`pullpi pair [USER@]HOST --camera %s`, then again: `%s`"
			: "`pullpi doctor --connect %s` knows more; then again: `%s`",
		camera, deploy->again);
	return report_failed(&deploy->report, child.code, "fetch", NULL, next, "%s",
		*child.err ? setup_last_line(child.err) : "pullpi fetch failed");
}

/* Followed: as asked for now, else as it was set up before. */
static int pull_wants_follow(struct deploy *deploy, const char *follow, bool *ret)
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

static int pull_check_timer(struct deploy *deploy, const struct unit_state *u)
{
	/* while its service runs a timer has none; after a reload it is "never" until then */
	const bool has_next = u->next_us != 0 && u->next_us != UNIT_TIME_NONE;
	char time[UTC_TEXT_MAX];

	if (!strstr(u->name, ".timer"))
		return CLI_OK;
	if (!has_next && strcmp(u->sub, "running") == 0)
		report_ok(&deploy->report, "timer", u->name, "its service runs just now");
	else if (!has_next || (int64_t)u->next_us > clock_wall_us(&clock_real) + NEXT_MAX_US)
		return report_failed(&deploy->report, CLI_INTERNAL, "timer", u->name,
			"see its OnCalendar= and the clock of this machine (date)",
			"it has no sensible next time");
	else
		report_ok(&deploy->report, "timer", u->name, "next at %s",
			utc_format_local((int64_t)u->next_us, time));
	return CLI_OK;
}

/* The one of the two that is not wanted. */
static int pull_stop(struct deploy *deploy, const char *unit)
{
	struct unit_task task = { .work = UNIT_WORK_STOP };
	const struct unit_state *u = &task.job.state;
	bool enabled, changed = false;
	int r = units_read(deploy, "stop", unit, &task.job.state);

	enabled = r == CLI_OK && strcmp(u->file_state, "enabled") == 0;
	snprintf(task.job.unit, sizeof task.job.unit, "%s", unit);
	if (r == CLI_OK &&
		(strcmp(u->active, "active") == 0 || strcmp(u->active, "activating") == 0))
		r = units_work(deploy, "stop", &task, 1);
	if (r == CLI_OK && enabled)
		r = units_link(deploy, false, unit, &changed);
	return r == CLI_OK && changed ? units_reload_manager(deploy) : r;
}

/* `moved`: the unit that runs does not see what the settings name. */
static int pull_start(struct deploy *deploy, const char *unit, bool moved)
{
	struct unit_task task = { 0 };
	int r;

	snprintf(task.job.unit, sizeof task.job.unit, "%s", unit);
	r = units_start(deploy, &task, moved, "runs already");
	return r == CLI_OK ? pull_check_timer(deploy, &task.job.state) : r;
}

static int pull_camera(struct deploy *deploy, const char *camera, struct json_object *settings)
{
	/* each of the three services of the camera writes the same archive */
	static const char *const kinds[] = { "latest", "sync", "follow" };
	char latest[UNIT_NAME_MAX], follow[UNIT_NAME_MAX], sync[UNIT_NAME_MAX];
	struct sandbox_needs needs;
	bool follows = false, moved = false;
	int r;

	snprintf(latest, sizeof latest, "pullpi-latest@%s.timer", camera);
	snprintf(follow, sizeof follow, "pullpi-follow@%s.service", camera);
	snprintf(sync, sizeof sync, "pullpi-sync@%s.timer", camera);
	if (!unit_name_ok(latest))
		return report_failed(&deploy->report, CLI_SETTINGS, "settings", NULL, NULL,
			"%s: no name for a unit", camera);
	r = pull_try_fetch(deploy, camera);
	if (r == CLI_OK)
		r = sandbox_needs_of(deploy, "pulled", json_get_text(settings, "/archive"),
			json_get_text(settings, "/key"), &needs);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == CLI_OK; i++) {
		char unit[UNIT_NAME_MAX];

		snprintf(unit, sizeof unit, "pullpi-%s@%s.service", kinds[i], camera);
		r = sandbox_open(deploy, unit, &needs, true, &moved);
	}
	if (r == CLI_OK)
		r = pull_wants_follow(deploy, follow, &follows);
	if (r == CLI_OK)
		r = pull_start(deploy, follows ? follow : latest, follows && moved);
	if (r == CLI_OK)
		r = pull_stop(deploy, follows ? latest : follow);
	return r == CLI_OK ? pull_start(deploy, sync, false) : r;
}

/* Every camera is tried; the first that fails gives the exit code. `only` NULL: all of them. */
static int pull_cameras(struct deploy *deploy, struct json_object *cameras, const char *only)
{
	int worst = CLI_OK;

	json_object_object_foreach(cameras, name, camera)
	{
		int r = CLI_OK;

		if (!only || strcmp(only, name) == 0)
			r = pull_camera(deploy, name, camera);
		if (deploy->manager.signal)
			return r;
		worst = worst == CLI_OK ? r : worst;
	}
	return worst;
}

/* Whether the settings, or the file beside them, name a way for messages. */
static bool pull_wants_watch(struct json_object *dump)
{
	static const char *const ways[] = { "/alarm/mail_server", "/alarm/ntfy", "/alarm/url",
		"/alarm/command", "/alarm/ping_url" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (*json_get_text(dump, ways[i]))
			return true;
	}
	if (setup_settings_path("pullpi", NULL, path) != CLI_OK)
		return false;
	strcpy(strrchr(path, '/'), "/secrets");
	return access(path, F_OK) == 0;
}

static int pull_watch(struct deploy *deploy, struct json_object *dump)
{
	return pull_wants_watch(dump) ? pull_start(deploy, PULL_WATCH, false)
				      : pull_stop(deploy, PULL_WATCH);
}

static bool pull_knows_camera(void *data, const char *name)
{
	return json_object_object_get_ex(data, name, NULL);
}

static int pull_deploy(struct deploy *deploy, struct json_object *dump, struct json_object *cameras,
	const char *only)
{
	const struct ours_choice gone = {
		.prefix = "pullpi-", .known = pull_knows_camera, .data = cameras
	};
	const bool any =
		only ? pull_knows_camera(cameras, only) : json_object_object_length(cameras) > 0;
	int r = CLI_OK;

	if (any)
		r = setup_folders(deploy, "pullpi");
	if (any && r == CLI_OK)
		r = setup_manager(deploy);
	if (r != CLI_OK)
		return r;
	/* also of the last camera that went; then a manager that does not run has nothing of it */
	if (!only && (any || manager_connect(&deploy->manager, clock_mono_ns(&clock_real)) == 0))
		r = ours_remove(deploy, &gone);
	if (r == CLI_OK && !any)
		return report_failed(&deploy->report, CLI_SETTINGS, "settings", NULL,
			user_is_system() ? "sudo -u pullpi pullpi pair [USER@]HOST --camera NAME"
					 : "pullpi pair [USER@]HOST --camera NAME",
			"%s%s",
			only ? "no camera is paired under the name " : "no camera is paired yet",
			only ? only : "");
	if (r == CLI_OK)
		r = pull_cameras(deploy, cameras, only);
	return r == CLI_OK ? pull_watch(deploy, dump) : r;
}

int command_pull(struct cli *cli)
{
	struct json_object *dump = NULL, *cameras, *none = json_object_new_object();
	struct deploy deploy;
	int r;

	if (cli_flag(cli, "follow") && cli_flag(cli, "no-follow"))
		return cli_usage(cli, "--follow and --no-follow: one of them");
	r = setup_begin(cli, true, "pullpi", &deploy);
	if (r != CLI_OK)
		return r;
	r = setup_settings(&deploy, "pullpi", &dump);
	cameras = r == CLI_OK ? json_object_object_get(dump, "camera") : NULL;
	if (r == CLI_OK)
		r = pull_deploy(&deploy, dump, cameras ? cameras : none, cli_value(cli, "camera"));
	json_object_put(dump);
	json_object_put(none);
	setup_end(&deploy);
	return r;
}
