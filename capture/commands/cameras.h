/* SPDX-License-Identifier: MIT */
/* `cameras`: which cameras there are, and what each can do. */
#pragma once

#include "common/commands/cli.h"

/* Returns the exit code. */
int cameras_command(struct cli *cli);

extern const struct cli_option cameras_options[];
