/* SPDX-License-Identifier: MIT */
/*
 * deploypi capture: from settings to a picture in the archive. A first start that fails is undone, so that
 * nothing is left that fails again at every boot; a service that was enabled before stays enabled,
 * because it may well run again by itself.
 */
#include <errno.h>
#include <string.h>

#include "common/archive.h"
#include "common/clock.h"
#include "deploy/commands.h"
#include "deploy/first_frame.h"
#include "deploy/sandbox.h"
#include "deploy/setup.h"

const struct cli_option capture_options[] = {
	SETUP_OPTIONS,
	{ "name", 0, "NAME", "another camera of this machine than the first" },
	{ "wait", 0, "DURATION", "for the first frame; 3min, 0: not at all" },
	{ 0 },
};

/* The service reads its settings again, but for the archive's place: that needs a new start. */
static bool archive_moved(const struct first_frame *frame, const struct unit_state *u)
{
	pid_t writer;
	int r = archive_writer_pid(frame->archive, &writer);

	return r < 0 || (uint32_t)writer != u->pid;
}

static int start(struct deploy *deploy, const struct first_frame *frame, struct unit_task *task)
{
	char settings[PATH_MAX];
	int r = units_read(deploy, "start", task->unit, &task->before);

	if (r != CLI_OK)
		return r;
	if (setup_settings_path("capturepi", deploy->name, settings) < 0)
		*settings = '\0';
	task->work = setup_work_for(&task->before, settings, &task->reason);
	if (task->work == UNIT_WORK_RELOAD && archive_moved(frame, &task->before))
		task->work = UNIT_WORK_RESTART;
	if (task->work == UNIT_WORK_NONE) {
		report_ok(&deploy->report, "start", task->unit,
			"runs already, with all that is installed and set");
		task->after = task->before;
		return CLI_OK;
	}
	return units_work(deploy, "start", task, 1);
}

static bool has_settings(void *data, const char *name)
{
	char path[PATH_MAX];

	(void)data;
	return setup_settings_path("capturepi", name, path) < 0 || access(path, F_OK) == 0;
}

/* `ret_usual`: where its archive is below the home folder, unless the settings say otherwise. */
static void name_service(const char *name, char ret_unit[static UNIT_NAME_MAX],
	char ret_usual[static CLI_NAME_MAX + 16])
{
	snprintf(ret_unit, UNIT_NAME_MAX, "capturepi%s%s.service", name ? "@" : "",
		name ? name : "");
	snprintf(ret_usual, CLI_NAME_MAX + 16, "captures%s%s", name ? "-" : "", name ? name : "");
}

static int deploy_capture(struct deploy *deploy, struct json_object *dump, int64_t wait_us)
{
	int64_t begun_ns = clock_mono_ns(&clock_real);
	struct unit_task task = { 0 };
	const char *const units[] = { task.unit };
	char usual[CLI_NAME_MAX + 16];
	struct first_frame frame;
	bool enabled_now = false;
	int r;

	name_service(deploy->name, task.unit, usual);
	first_frame_note(dump, &frame);
	r = setup_folders(deploy, "capturepi");
	if (r == CLI_OK)
		r = setup_manager(deploy);
	if (r != CLI_OK)
		return r;
	if (strcmp(setup_setting(dump, "camera", "source"), "test") != 0)
		setup_warn_of_groups(deploy);
	/* a disk that must be mounted is not made up by a folder */
	r = sandbox_open(deploy, task.unit, usual, setup_setting(dump, "archive", "path"),
		strcmp(setup_setting(dump, "archive", "require_mount"), "no") == 0);
	if (r == CLI_OK)
		r = ours_remove(deploy,
			&(struct ours_choice){ .prefix = "capturepi@", .known = has_settings });
	if (r == CLI_OK)
		r = units_enable(deploy, units, 1, &enabled_now);
	if (r == CLI_OK)
		r = start(deploy, &frame, &task);
	if (r == CLI_INTERNAL && enabled_now)
		units_undo(deploy, task.unit);
	if (r != CLI_OK || wait_us == 0)
		return r;
	return first_frame_wait(
		deploy, &frame, &task.after, task.work != UNIT_WORK_NONE, wait_us, begun_ns);
}

int command_capture(struct cli *cli)
{
	struct json_object *dump = NULL;
	struct deploy deploy;
	int64_t wait_us = FIRST_FRAME_WAIT_US;
	int r = cli_quantity(cli, "wait", &conf_duration, 0, 24 * 3600 * US_PER_SEC, &wait_us);

	if (r == CLI_OK)
		r = setup_begin_named(cli, &deploy);
	if (r != CLI_OK)
		return r;
	r = setup_check_settings(&deploy, "capturepi");
	if (r == CLI_OK)
		r = setup_dump(&deploy, "capturepi", &dump);
	if (r == CLI_OK)
		r = deploy_capture(&deploy, dump, wait_us);
	json_object_put(dump);
	setup_end(&deploy);
	return r;
}
