/* SPDX-License-Identifier: MIT */
/* `capturepi redate`: dating anew by hand, the whole archive, with a line for each frame. */
#pragma once

#include "common/archive.h"
#include "common/cli.h"

/*
 * `archive` is open for writing, in a dry run for reading. Options of `cli`: --dry-run, --json. Returns
 * an exit code; CLI_INTERNAL where a frame could not be dated, told on stderr.
 */
int redate_command(struct cli *cli, struct archive *archive);

extern const struct cli_option redate_command_options[];
