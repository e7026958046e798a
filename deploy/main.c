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
