/* SPDX-License-Identifier: MIT */
/* pullpi: brings frames from the cameras to this machine. The commands; their work is elsewhere. */
#include "common/cli.h"
#include "pull/commands.h"
#include "pull/settings.h"

static const struct cli_command commands[] = {
	{
		.name = "pair",
		.operands = "[USER@]HOST[:PORT]",
		.help = "meet a camera: host key, login key, settings",
		.run = command_pair,
		.options = pair_options,
		.min_operands = 1,
		.max_operands = 1,
	},
	{
		.name = "unpair",
		.operands = "CAMERA",
		.help = "take a pairing back; the pictures stay",
		.run = command_unpair,
		.options = unpair_options,
		.min_operands = 1,
		.max_operands = 1,
	},
	{
		.name = "fetch",
		.operands = "[CAMERA]",
		.help = "bring the newest frame here",
		.run = command_fetch,
		.options = fetch_options,
		.max_operands = 1,
	},
	{
		.name = "sync",
		.operands = "[CAMERA]",
		.help = "bring everything here that is missing, newest first",
		.run = command_sync,
		.options = sync_options,
		.max_operands = 1,
	},
	{
		.name = "follow",
		.operands = "[CAMERA]",
		.help = "stay connected: each frame here when it is stored there",
		.run = command_follow,
		.options = cli_json_option,
		.max_operands = 1,
	},
	{
		.name = "status",
		.operands = "[CAMERA]",
		.help = "newest frame, its age, last contact; exit 1 if stale",
		.run = command_status,
		.options = cli_json_option,
		.max_operands = 1,
	},
	{
		.name = "doctor",
		.operands = "[CAMERA]",
		.help = "check this machine; exit 1 if something needs mending",
		.run = command_doctor,
		.options = doctor_options,
		.max_operands = 1,
	},
	{
		.name = "list",
		.operands = "[CAMERA]",
		.help = "what is held, newest last",
		.run = command_list,
		.options = cli_list_options,
		.max_operands = 1,
	},
	{
		.name = "verify",
		.operands = "[CAMERA]",
		.help = "check every frame that is held",
		.run = cli_verify,
		.options = cli_verify_options,
		.max_operands = 1,
	},
	{ .name = "check", .help = "check the settings", .run = cli_check },
	{
		.name = "dump",
		.help = "print the settings in force",
		.run = cli_dump,
		.options = cli_json_option,
	},
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "pullpi",
		.summary = "Brings the frames of CapturePi cameras to this machine over SSH.",
		.commands = commands,
		.table = &pull_settings_table,
		.settings_size = sizeof(struct pull_settings),
		.check = pull_settings_check,
		.archive = choose_archive,
		.copies = true,
	};

	return cli_main(&program, argc, argv);
}
