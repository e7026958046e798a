/* SPDX-License-Identifier: MIT */
/*
 * Whether a unit that runs is still what is installed and set. Times are compared with the inode's change
 * time: packages keep the modification time of when they were built.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "deploy/setup.h"

static bool newer(const char *path, uint64_t than_us)
{
	struct stat st;

	if (!*path || than_us == 0 || stat(path, &st) < 0)
		return false;
	return (uint64_t)st.st_ctim.tv_sec * US_PER_SEC + (uint64_t)st.st_ctim.tv_nsec / 1000 >
		than_us;
}

static bool files_newer(const struct unit_state *u, uint64_t than_us)
{
	if (newer(u->fragment, than_us))
		return true;
	for (unsigned i = 0; i < u->n_dropins; i++)
		if (newer(u->dropins[i], than_us))
			return true;
	return false;
}

/* By the file itself where it may be seen, since a clock can have been set meanwhile. */
static bool program_replaced(const struct unit_state *u)
{
	char path[64];
	struct stat running, installed;

	if (u->pid == 0 || !*u->program || stat(u->program, &installed) < 0)
		return false;
	snprintf(path, sizeof path, "/proc/%u/exe", u->pid);
	if (stat(path, &running) == 0)
		return running.st_dev != installed.st_dev || running.st_ino != installed.st_ino;
	return newer(u->program, u->started_us);
}

enum unit_work setup_work_for(
	const struct unit_state *u, const char *settings, const char **ret_reason)
{
	const uint64_t since_us = u->started_us ? u->started_us : u->active_since_us;

	*ret_reason = NULL;
	if (strcmp(u->active, "active") != 0 && strcmp(u->active, "reloading") != 0)
		return UNIT_WORK_START;
	if (strcmp(u->sub, "elapsed") == 0) { /* it does not look at its times again by itself */
		*ret_reason = "it had no next time";
		return UNIT_WORK_RESTART;
	}
	if (program_replaced(u)) {
		*ret_reason = "its program was replaced";
		return UNIT_WORK_RESTART;
	}
	if (files_newer(u, since_us)) {
		*ret_reason = "its unit was changed";
		return UNIT_WORK_RESTART;
	}
	if (settings && newer(settings, u->changed_us ? u->changed_us : since_us)) {
		*ret_reason = "its settings were changed";
		return UNIT_WORK_RELOAD;
	}
	return UNIT_WORK_NONE;
}
