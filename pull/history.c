/* SPDX-License-Identifier: MIT */
/* The archive here against the camera's. */
#include "pull/history.h"

#include <errno.h>
#include <string.h>

#include "common/archive.h"
#include "common/cli.h"

int history_check(const struct wire_greeting *greeting, const char *held_id, uint64_t held_last,
	const char *path, char *error, size_t size)
{
	if (*held_id && strcmp(held_id, greeting->id) != 0)
		snprintf(error, size,
			"the camera has another archive now (%.8s, here %.8s): a new card, or "
			"another camera; to begin a new history here: mv %s %s.%.8s",
			greeting->id, held_id, path, path, held_id);
	else if (*held_id && greeting->last < held_last)
		snprintf(error, size,
			"the camera's history ends at number %llu, here it goes on to %llu: an old "
			"copy of its card; nothing is taken from it, so that two histories are not "
			"mixed; to begin a new one here: mv %s %s.%llu",
			(unsigned long long)greeting->last, (unsigned long long)held_last, path,
			path, (unsigned long long)held_last);
	else
		return CLI_OK;
	return CLI_PROTOCOL;
}
