/* SPDX-License-Identifier: MIT */
/*
 * `capturepi aim`: how sharp the camera's picture is, in a terminal. It comes from the running
 * service, or where none runs from one for this alone, whose archive is in memory and goes with it.
 */
#pragma once

#include "capture/settings/settings.h"
#include "common/commands/cli.h"

/*
 * Draws a bar of the sharpness and its best until a key ends it, or for `seconds`. Changes
 * `settings`. Returns an exit code.
 */
int aim_in_terminal(struct cli *cli, struct capture_settings *settings, int64_t seconds);
