/* SPDX-License-Identifier: MIT */
/* What other programs hear of: `metrics` and `hook`. */
#pragma once

#include "common/commands/cli.h"

/* Return the exit code; their options are metrics_options and hook_options. */
int capture_metrics_command(struct cli *cli);
int capture_hook_command(struct cli *cli);
