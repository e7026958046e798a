/* SPDX-License-Identifier: MIT */
/* pullpi: brings frames from the cameras to this machine. The commands; their work is elsewhere. */
#include "common/commands/cli.h"
#include "common/events/hook.h"
#include "common/events/metrics.h"
#include "pull/commands/commands.h"
#include "pull/pair/pair.h"
#include "pull/session/heads.h"
#include "pull/settings/settings.h"
#include "pull/watch/watch.h"

static const struct cli_command commands[] = {
	{ "pair", "[USER@]HOST[:PORT]", "meet a camera: host key, login key, settings",
		command_pair, pair_options, 0, 1 },
	{ "unpair", "CAMERA", "take a pairing back; the pictures stay", command_unpair,
		unpair_options, 1, 1 },
	{ "fetch", "[CAMERA]", "bring the newest frame here", command_fetch, fetch_options, 0, 1 },
	{ "sync", "[CAMERA]", "bring everything here that is missing, newest first", command_sync,
		sync_options, 0, 1 },
	{ "follow", "[CAMERA]", "stay connected: each frame here when it is stored there",
		command_follow, cli_json_option, 0, 1 },
	{ "status", "[CAMERA]", "newest frame, its age, last contact; exit 1 if stale",
		command_status, cli_json_option, 0, 1 },
	{ "metrics", "[CAMERA]", "the same for Prometheus", command_metrics, metrics_options, 0,
		1 },
	{ "hook", "[CAMERA]", "run [hook] command for each new picture", command_hook, hook_options,
		0, 1 },
	{ "doctor", "[CAMERA]", "check this machine; exit 1 if something needs mending",
		command_doctor, doctor_options, 0, 1 },
	{ "watch", "", "tell once, by mail or otherwise, of a camera that is silent", command_watch,
		watch_options },
	{ "list", "[CAMERA]", "what is held, newest last", command_list, cli_list_options, 0, 1 },
	{ "verify", "[CAMERA]", "check every frame that is held", cli_verify, cli_verify_options, 0,
		1 },
	{ "head", "[CAMERA]", "the number and hash of the last line that is held", cli_head,
		cli_json_option, 0, 1 },
	{ "attest", "CAMERA FOLDER", "what a third person can check by OpenSSH alone",
		command_attest, attest_options, 2, 2 },
	{ "forget", "CAMERA", "set aside what came from a number on; sync asks for it again",
		command_forget, forget_options, 1, 1 },
	{ "check", "", "check the settings", cli_check },
	{ "dump", "", "print the settings in force", cli_dump, cli_json_option },
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
		.heads = heads_load,
		.copies = true,
	};

	return cli_main(&program, argc, argv);
}
