/* SPDX-License-Identifier: MIT */
#include "pull/commands.h"
const struct cli_option pair_options[] = { { .name = NULL } };
int command_pair(struct cli *cli)
{
	cli_error(cli, "not yet");
	return CLI_INTERNAL;
}
