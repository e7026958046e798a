/* SPDX-License-Identifier: MIT */
/* `capturepi mask`: the privacy mask as its owner has to see it. */
#pragma once

#include "capture/picture/mask.h"
#include "common/archive/archive.h"
#include "common/commands/cli.h"

/*
 * Writes the archive's newest picture with the mask's polygons as outlines to the file of the
 * option --preview, which nobody else may read. Returns an exit code.
 */
int mask_draw(struct cli *cli, struct archive *archive, const struct mask_setting *mask);
