/* SPDX-License-Identifier: MIT */
/* The instants of the times that `at` lists, for schedule.c. */
#pragma once

#include "capture/schedule/schedule.h"

/* A time comes at most twice in a day, but a skipped hour or a polar sunrise may add one. */
#define AT_FOUND_MAX (4 * SCHEDULE_AT_MAX)

struct at_slot {
	int64_t us;
	int index; /* in settings->at; the first of those that meet at that instant */
};

/* Finds those in [from_us, to_us), a day at most, in order, each instant once; returns how many. */
int at_find(const struct schedule_settings *settings, int64_t from_us, int64_t to_us,
	struct at_slot ret[static AT_FOUND_MAX]);
