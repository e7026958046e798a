/* SPDX-License-Identifier: MIT */
/*
 * `pullpi watch`: one look at all cameras, the messages that follow from it, and what waits to be
 * sent. pullpi-watch.timer calls it every two minutes: what runs for seconds and keeps all in a
 * file survives restarts, updates and its own faults without more.
 */
#pragma once

#include "common/commands/cli.h"

struct secrets;
/* Reads the file `secrets` beside the settings. An exit code, and a sentence if it is that file. */
int watch_load_secrets(const struct cli *cli, struct secrets *ret, char *error, size_t size);
int command_watch(struct cli *cli);
extern const struct cli_option watch_options[];
