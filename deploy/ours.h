/* SPDX-License-Identifier: MIT */
/* Which units are ours: by their names, among those that are installed or loaded. */
#pragma once

#include "deploy/units.h"

struct unit_names {
	char names[UNITS_MAX][UNIT_NAME_MAX];
	size_t n;
};

/* Some of them; all zero: every one. */
struct ours_choice {
	const char *prefix; /* "pullpi-" */
	const char *instance; /* "garden"; NULL: each */
	/* Instances that are known and so not chosen; NULL: none is. */
	bool (*known)(void *data, const char *instance);
	void *data;
};
bool ours_chosen(const struct ours_choice *choice, const char *unit);

/*
 * Every unit of ours that is chosen and could be read with units_read(): no templates, but their
 * instances that are enabled or did something. Exit code.
 */
int ours_list(struct deploy *deploy, const struct ours_choice *choice, struct unit_names *ret);

/*
 * Stops and disables what is chosen and removes its drop-ins; of every one their templates too.
 * Says nothing where `known` leaves nothing to choose. Exit code.
 */
int ours_remove(struct deploy *deploy, const struct ours_choice *choice);

/* Adds ".service" to what has no type, as systemctl does. False: that is no unit's name. */
bool unit_name_complete(const char *text, char ret[static UNIT_NAME_MAX]);
