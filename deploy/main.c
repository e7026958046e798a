/* SPDX-License-Identifier: MIT */
/* deploypi: sets up the services of one user. The commands; their work is elsewhere. */
#include "deploy/commands.h"

static const struct cli_command commands[] = {
	{ "capture", "", "run capturepi on this machine, for good", command_capture,
		capture_options },
	{ "pull", "", "pull from the paired cameras on this machine, for good", command_pull,
		pull_options },
	{ "view", "", "show the pictures in a browser, for good", command_view, view_options },
	{ "restart", "UNIT...", "restart units and wait for the real end of it", command_restart,
		restart_options, 1, UNITS_MAX },
	{ "status", "", "our units; exit 1 if one is not well", command_status, status_options },
	{ "remove", "", "stop and disable our units; pictures and settings stay", command_remove,
		remove_options },
	{ "sandbox", "FOLDER", "for the manager: open the units to what the settings name",
		command_sandbox, sandbox_options, 1, 1 },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "deploypi",
		.summary = "Sets up capturepi, pullpi and viewpi as services of this user.",
		.commands = commands,
	};

	return cli_main(&program, argc, argv);
}
