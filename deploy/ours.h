/* SPDX-License-Identifier: MIT */
/* Which units are ours: by their names, among those that are installed or loaded. */
#pragma once

#include "deploy/units.h"

struct unit_names {
	char names[UNITS_MAX][UNIT_NAME_MAX];
	size_t n;
};

/*
 * Every unit of ours that could be read with units_read(): no templates, but their instances that are
 * enabled or did something. With `camera` only that camera's. Exit code.
 */
int ours_list(struct deploy *deploy, const char *camera, struct unit_names *ret);

/* The installed files: templates too, whose instances are disabled with them. Exit code. */
int ours_files(struct deploy *deploy, struct unit_names *ret);

/* Adds ".service" to what has no type, as systemctl does. False: that is no unit's name. */
bool unit_name_complete(const char *text, char ret[static UNIT_NAME_MAX]);
