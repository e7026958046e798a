/* SPDX-License-Identifier: MIT */
/*
 * What is left here of cameras whose section is gone from the settings: links and drop-ins of
 * their units, and keys and peer states in the state folder.
 */
#pragma once

#include <stdbool.h>

#include "pull/settings/settings.h"

#define LEFTOVERS_MAX 64 /* cameras; more are not looked at */

struct leftover {
	char camera[CAMERA_NAME_MAX];
	bool units, key, state;
};

struct leftovers {
	struct leftover list[LEFTOVERS_MAX];
	unsigned n;
};

/* A folder that cannot be read counts as empty. A key that another section names is no leftover. */
void leftovers_find(const struct pull_settings *settings, struct leftovers *ret);
