/* SPDX-License-Identifier: MIT */
/* deploypi: sets up the services of one user. The commands; their work is elsewhere. */
#include "deploy/commands.h"

static const struct cli_command commands[] = {
	{
		.name = "capture",
		.help = "run capturepi on this machine, for good",
		.run = command_capture,
		.options = capture_options,
	},
	{
		.name = "pull",
		.help = "pull from the paired cameras on this machine, for good",
		.run = command_pull,
		.options = pull_options,
	},
	{
		.name = "restart",
		.operands = "UNIT...",
		.help = "restart units and wait for the real end of it",
		.run = command_restart,
		.options = restart_options,
		.min_operands = 1,
		.max_operands = UNITS_MAX,
	},
	{
		.name = "status",
		.help = "our units; exit 1 if one is not well",
		.run = command_status,
		.options = status_options,
	},
	{
		.name = "remove",
		.help = "stop and disable our units; pictures and settings stay",
		.run = command_remove,
		.options = remove_options,
	},
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "deploypi",
		.summary = "Sets up capturepi and pullpi as services of this user.",
		.commands = commands,
	};

	return cli_main(&program, argc, argv);
}
