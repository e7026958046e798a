/* SPDX-License-Identifier: MIT */
/* Anybody may have put anything into the folder: what is no unit's name is skipped. */
#include "common/systemd/userunits.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/settings/conf.h"
#include "common/systemd/unitstate.h"

int userunits_folder(char ret[static PATH_MAX])
{
	char folder[PATH_MAX];
	int r = conf_folder("XDG_CONFIG_HOME", ".config", folder);

	if (r < 0)
		return r;
	r = snprintf(ret, PATH_MAX, "%s/systemd/user", folder);
	return r < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static bool take_end(char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	if (n <= k || strcmp(name + n - k, end) != 0)
		return false;
	name[n - k] = '\0';
	return true;
}

static int walk_links(const char *folder, userunits_found *found, void *data)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int r = 0;

	while (dir && r >= 0 && (entry = readdir(dir)))
		if (unit_name_ok(entry->d_name))
			r = found(data, entry->d_name, NULL);
	if (dir)
		closedir(dir);
	return r;
}

static int visit_entry(const char *folder, const char *entry, userunits_found *found, void *data)
{
	char name[NAME_MAX + 1], path[PATH_MAX + 2 * NAME_MAX];

	snprintf(name, sizeof name, "%s", entry);
	snprintf(path, sizeof path, "%s/%s", folder, entry);
	if (take_end(name, ".wants"))
		return walk_links(path, found, data);
	if (!take_end(name, ".d") || !unit_name_ok(name))
		return 0;
	strcat(path, "/" USERUNITS_DROP_IN);
	return access(path, F_OK) == 0 ? found(data, name, path) : 0;
}

int userunits_walk(userunits_found *found, void *data)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	int r = userunits_folder(folder);
	DIR *dir = r == 0 ? opendir(folder) : NULL;

	if (r == 0 && !dir)
		return errno == ENOENT ? 0 : -errno;
	while (r >= 0 && (entry = readdir(dir)))
		r = visit_entry(folder, entry->d_name, found, data);
	if (dir)
		closedir(dir);
	return r < 0 ? r : 0;
}

int unit_instance(const char *unit, const char *prefix, char ret[static UNIT_NAME_MAX])
{
	const char *at = strchr(unit, '@'), *type = strrchr(unit, '.');

	if (strncmp(unit, prefix, strlen(prefix)) != 0 || !at || !type || type <= at + 1)
		return -ENOENT;
	snprintf(ret, UNIT_NAME_MAX, "%.*s", (int)(type - at - 1), at + 1);
	return 0;
}
