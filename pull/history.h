/* SPDX-License-Identifier: MIT */
/*
 * Whether the archive here and the camera's go together. Shared by fetch, sync and follow; each returns an
 * exit code of common/cli.h and, where that is not CLI_OK, leaves a sentence for the person in `error`.
 */
#pragma once

#include "common/wire.h"

/*
 * Two histories are never mixed. `held_id` is the archive's here, "" where there is none;
 * `held_last` the highest sequence number that is known here, looked up before the camera greeted.
 * CLI_PROTOCOL for another id (a new card, another camera), and for the same id where the camera's
 * numbers end before ours: an old copy of the card, which will give our numbers to other frames.
 */
int history_check(const struct wire_greeting *greeting, const char *held_id, uint64_t held_last,
	const char *path, char *error, size_t size);
