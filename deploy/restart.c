/* SPDX-License-Identifier: MIT */
/*
 * deploypi restart: waits for the real end of each job. A unit that runs to its end (a pull) is started and
 * not restarted: restarting would kill it in the middle, and started twice it runs once, with both
 * waiting for that.
 */
#include <string.h>

#include "deploy/commands.h"
#include "deploy/ours.h"
#include "deploy/setup.h"

const struct cli_option restart_options[] = { SETUP_OPTIONS, { 0 } };

static void choose_work(struct unit_task *task)
{
	const struct unit_state *u = &task->before;

	task->work = UNIT_WORK_RESTART;
	if (strcmp(u->type, "oneshot") != 0 || u->remains)
		return;
	task->work = UNIT_WORK_START;
	if (strcmp(u->active, "activating") == 0)
		task->deed = "it ran already, and its end was waited for";
}

static int prepare(struct cli *cli, struct deploy *deploy, struct unit_task *tasks, size_t *ret_n)
{
	size_t n = 0;

	for (int i = 0; i < cli->argc; i++) {
		char name[UNIT_NAME_MAX];
		bool twice = false;
		int r;

		if (!unit_name_complete(cli->argv[i], name))
			return cli_usage(cli, "%s: not the name of a unit", cli->argv[i]);
		for (size_t k = 0; k < n; k++)
			twice |= strcmp(tasks[k].unit, name) == 0;
		if (twice)
			continue;
		strcpy(tasks[n].unit, name);
		r = units_read(deploy, "restart", name, &tasks[n].before);
		if (r != CLI_OK)
			return r;
		choose_work(&tasks[n++]);
	}
	*ret_n = n;
	return CLI_OK;
}

int command_restart(struct cli *cli)
{
	CLEANUP_FREE struct unit_task *tasks = calloc(UNITS_MAX, sizeof *tasks);
	struct deploy deploy;
	size_t n = 0;
	int r;

	if (!tasks)
		return CLI_INTERNAL;
	r = setup_begin(cli, true, &deploy);
	if (r != CLI_OK)
		return r;
	r = setup_connect(&deploy);
	/* a unit's file that was changed is meant to count */
	if (r == CLI_OK)
		r = units_reload_manager(&deploy);
	if (r == CLI_OK)
		r = prepare(cli, &deploy, tasks, &n);
	if (r == CLI_OK)
		r = units_work(&deploy, "restart", tasks, n);
	setup_end(&deploy);
	return r;
}
