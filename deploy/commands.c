/* SPDX-License-Identifier: MIT */
/* deploypi restart and remove. */
#include "deploy/commands.h"

#include <string.h>

#include "common/settings/conf.h"
#include "common/systemd/userbus.h"
#include "deploy/ours.h"
#include "deploy/setup.h"
#include "deploy/system.h"

const struct cli_option restart_options[] = { SETUP_OPTIONS, SYSTEM_OPTION, { 0 } };

const struct cli_option remove_options[] = {
	SETUP_OPTIONS,
	SYSTEM_OPTION,
	{ "camera", 0, "NAME", "only the pull units of this camera" },
	{ "name", 0, "NAME", "only the units of this camera of capturepi" },
	{ 0 },
};

/*
 * A unit that runs to its end (a pull) is started and not restarted: restarting would kill it in
 * the middle, and started twice it runs once, with both waiting for that.
 */
static int restart_add(struct deploy *deploy, const char *unit, struct unit_task *task)
{
	const struct unit_state *u = &task->job.state;
	int r = units_read(deploy, "restart", unit, &task->job.state);
	const bool ends = r == CLI_OK && strcmp(u->type, "oneshot") == 0 && !u->remains;

	strcpy(task->job.unit, unit);
	task->work = ends ? UNIT_WORK_START : UNIT_WORK_RESTART;
	if (ends && strcmp(u->active, "activating") == 0)
		task->deed = "it ran already, and its end was waited for";
	return r;
}

static int restart_all(struct deploy *deploy, const struct cli *cli)
{
	CLEANUP_FREE struct unit_task *tasks = calloc(UNITS_MAX, sizeof *tasks);
	size_t n = 0;

	for (int i = 0; tasks && i < cli->argc; i++) {
		char name[UNIT_NAME_MAX];
		bool twice = false;
		int r;

		if (!unit_name_complete(cli->argv[i], name))
			return cli_usage(cli, "%s: not the name of a unit", cli->argv[i]);
		for (size_t k = 0; k < n; k++)
			twice |= strcmp(tasks[k].job.unit, name) == 0;
		r = twice ? CLI_OK : restart_add(deploy, name, &tasks[n]);
		n += !twice;
		if (r != CLI_OK)
			return r;
	}
	return tasks ? units_work(deploy, "restart", tasks, n) : CLI_INTERNAL;
}

int command_restart(struct cli *cli)
{
	struct deploy deploy;
	int r = setup_begin(cli, true, "", &deploy);

	if (r != CLI_OK)
		return r;
	r = setup_connect(&deploy);
	if (r == CLI_OK) /* a unit's file that was changed is meant to count */
		r = units_reload_manager(&deploy);
	if (r == CLI_OK)
		r = restart_all(&deploy, cli);
	setup_end(&deploy);
	return r;
}

static void remove_tell_left(struct deploy *deploy)
{
	char home[CONF_VALUE_MAX];

	if (user_is_system()) {
		report_ok(&deploy->report, "left", NULL,
			"pictures and keys (/var/lib/capturepi, /var/lib/pullpi), settings "
			"(/etc/capturepi, /etc/pullpi) and the users capturepi and pullpi stay");
		return;
	}
	if (conf_home(home) < 0)
		strcpy(home, "~");
	report_ok(&deploy->report, "left", NULL,
		"pictures, settings (%s/.config/capturepi, pullpi) and keys "
		"(%s/.local/state/pullpi) stay; lingering stays on: `loginctl disable-linger %u` "
		"ends it",
		home, home, (unsigned)getuid());
}

int command_remove(struct cli *cli)
{
	const char *camera = cli_value(cli, "camera"), *name;
	struct ours_choice choice = { 0 };
	struct deploy deploy;
	int r = setup_name(cli, &name);

	if (r == CLI_OK && camera && name)
		r = cli_usage(cli, "--camera and --name: one of them");
	if (r == CLI_OK)
		r = setup_begin(cli, true, "", &deploy);
	if (r != CLI_OK)
		return r;
	if (camera || name)
		choice = (struct ours_choice){ .prefix = camera ? "pullpi-" : "capturepi",
			.instance = camera ? camera : name };
	r = setup_connect(&deploy);
	if (r == CLI_OK)
		r = ours_remove(&deploy, &choice);
	if (r == CLI_OK)
		remove_tell_left(&deploy);
	setup_end(&deploy);
	return r;
}
