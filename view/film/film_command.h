/* SPDX-License-Identifier: MIT */
/*
 * `viewpi film`: with -o FILE any selection; without it a whole day, yesterday if no other is
 * named, as DAY.mp4 in the camera's folder of films, once.
 */
#pragma once

#include "common/commands/cli.h"

extern const struct cli_option film_options_list[];
int command_film(struct cli *cli);
