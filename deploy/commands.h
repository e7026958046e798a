/* SPDX-License-Identifier: MIT */
/*
 * The commands of deploypi: each takes the parsed line, tells its steps and returns an exit code.
 */
#pragma once

#include "common/commands/cli.h"

extern const struct cli_option capture_options[];
extern const struct cli_option pull_options[];
extern const struct cli_option view_options[];
extern const struct cli_option restart_options[];
extern const struct cli_option status_options[];
extern const struct cli_option remove_options[];
extern const struct cli_option sandbox_options[];

int command_capture(struct cli *cli);
int command_pull(struct cli *cli);
int command_view(struct cli *cli);
int command_restart(struct cli *cli);
int command_status(struct cli *cli);
int command_remove(struct cli *cli);
int command_sandbox(struct cli *cli);
