/* SPDX-License-Identifier: MIT */
/*
 * `viewpi site`: the pages of some days as files, for any web space, and for a browser without a
 * server. Each is what `viewpi web` answers; links lead to files, or nowhere where there is none.
 */
#pragma once

#include "common/commands/cli.h"

extern const struct cli_option site_options[];
int command_site(struct cli *cli);
