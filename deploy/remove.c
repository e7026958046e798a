/* SPDX-License-Identifier: MIT */
/* deploypi remove: our units stop and start no more. Pictures, settings and keys are the person's. */
#include <string.h>

#include "common/conf.h"
#include "deploy/commands.h"
#include "deploy/ours.h"
#include "deploy/sandbox.h"
#include "deploy/setup.h"

const struct cli_option remove_options[] = {
	SETUP_OPTIONS,
	{ "camera", 0, "NAME", "only the pull units of this camera" },
	{ "name", 0, "NAME", "only the capture service of this camera" },
	{ 0 },
};

/* Timers before what they start, or it may be started again meanwhile. */
static void order(struct unit_names *names)
{
	for (size_t i = 0, front = 0; i < names->n; i++) {
		char name[UNIT_NAME_MAX];

		if (!strstr(names->names[i], ".timer"))
			continue;
		strcpy(name, names->names[i]);
		strcpy(names->names[i], names->names[front]);
		strcpy(names->names[front++], name);
	}
}

/* Else the manager keeps the unit, and every list of units has it. */
static void forget_failure(struct deploy *deploy, const char *unit)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

	(void)session_call(deploy->session, &(struct session_call){ .member = "ResetFailedUnit" },
		&error, NULL, "s", unit);
}

static int stop_all(struct deploy *deploy, const struct unit_names *names)
{
	CLEANUP_FREE struct unit_task *tasks = calloc(UNITS_MAX, sizeof *tasks);
	size_t n = 0;
	int r;

	if (!tasks)
		return CLI_INTERNAL;
	for (size_t i = 0; i < names->n; i++) {
		strcpy(tasks[n].unit, names->names[i]);
		r = units_read(deploy, "stop", names->names[i], &tasks[n].before);
		if (r != CLI_OK)
			return r;
		if (strcmp(tasks[n].before.active, "failed") == 0)
			forget_failure(deploy, names->names[i]);
		if (strcmp(tasks[n].before.active, "inactive") == 0 ||
			strcmp(tasks[n].before.active, "failed") == 0)
			continue;
		tasks[n++].work = UNIT_WORK_STOP;
	}
	if (n == 0) {
		report_ok(&deploy->report, "stop", NULL, "nothing of ours runs");
		return CLI_OK;
	}
	return units_work(deploy, "stop", tasks, n);
}

static int disable_all(struct deploy *deploy, const struct unit_names *names)
{
	const char *units[UNITS_MAX];
	bool changed = false;
	int r;

	for (size_t i = 0; i < names->n; i++)
		units[i] = names->names[i];
	r = units_disable(deploy, units, names->n, &changed);
	if (r == CLI_OK)
		report_ok(&deploy->report, "disable", NULL, "%s",
			changed ? "nothing of it starts with the machine any more"
				: "nothing of it was to start with the machine");
	return r;
}

static void tell_left(struct deploy *deploy)
{
	char home[CONF_VALUE_MAX];

	if (conf_home(home) < 0)
		strcpy(home, "~");
	report_ok(&deploy->report, "left", NULL,
		"pictures, settings (%s/.config/capturepi, pullpi) and keys "
		"(%s/.local/state/pullpi) stay; lingering stays on: `loginctl disable-linger %u` "
		"ends it",
		home, home, (unsigned)getuid());
}

int ours_remove(struct deploy *deploy, const struct ours_choice *choice)
{
	CLEANUP_FREE struct unit_names *names = calloc(1, sizeof *names);
	int r = names ? ours_list(deploy, choice, names) : CLI_INTERNAL, disabled;

	if (r != CLI_OK)
		return r;
	order(names);
	for (size_t i = 0; choice->known && i < names->n; i++)
		report_ok(&deploy->report, "leftover", names->names[i],
			"its camera has no settings any more");
	if (!choice->known || names->n > 0)
		r = stop_all(deploy, names);
	if (r == CLI_OK && !choice->prefix)
		r = ours_files(deploy, names);
	if (r != CLI_OK)
		return r;
	/* a drop-in that stays is told, and keeps no unit enabled */
	r = sandbox_close(deploy, choice);
	disabled = choice->known && names->n == 0 ? CLI_OK : disable_all(deploy, names);
	return disabled != CLI_OK ? disabled : r;
}

static int choose(struct cli *cli, struct ours_choice *ret)
{
	const char *camera = cli_value(cli, "camera"), *name = cli_value(cli, "name");

	if (camera && name)
		return cli_usage(cli, "--camera and --name: one of them");
	if (name && !cli_name_ok("capturepi", name))
		return cli_usage(cli, "--name %s: not a name: " CLI_NAME_RULE, name);
	*ret = (struct ours_choice){
		.prefix = camera ? "pullpi-"
			: name   ? "capturepi@"
				 : NULL,
		.instance = camera ? camera : name,
	};
	return CLI_OK;
}

int command_remove(struct cli *cli)
{
	struct ours_choice choice;
	struct deploy deploy;
	int r = choose(cli, &choice);

	if (r == CLI_OK)
		r = setup_begin(cli, true, &deploy);
	if (r != CLI_OK)
		return r;
	r = setup_connect(&deploy);
	if (r == CLI_OK)
		r = ours_remove(&deploy, &choice);
	if (r == CLI_OK)
		tell_left(&deploy);
	setup_end(&deploy);
	return r;
}
