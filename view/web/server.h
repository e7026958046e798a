/* SPDX-License-Identifier: MIT */
/*
 * HTTP by libmicrohttpd: a thread for each connection (connections.h), so that a slow client holds
 * up itself alone.
 */
#pragma once

#include "common/commands/cli.h"

#define SERVER_PORT 8484

extern const struct cli_option web_options[];
/* Serves until SIGTERM or, on a socket of systemd's, until nobody has asked for a while. */
int command_web(struct cli *cli);
