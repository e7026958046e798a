/* SPDX-License-Identifier: MIT */
/*
 * `viewpi export`: the pictures of a selection as hard links or copies in a folder, or in a zip
 * file or stream, and facts.csv beside them. `viewpi sheet`: all in one JPEG, with their times.
 */
#pragma once

#include "common/commands/cli.h"

extern const struct cli_option export_options[], sheet_options[];
int command_export(struct cli *cli);
int command_sheet(struct cli *cli);
