/* SPDX-License-Identifier: MIT */
/*
 * Mistakes in the other settings files are not reported here: `check` of that camera reports them.
 */
#include "capture/commands/rivals.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

#define OWN "\ngive each its own"

/* A model and an id of that model are perhaps the same one; `auto` is perhaps any. */
static enum doctor_verdict judge_source(const char *mine, const char *other)
{
	if (strcmp(mine, "test") == 0 || strcmp(other, "test") == 0)
		return DOCTOR_OK;
	if (strcmp(mine, other) == 0)
		return DOCTOR_FAIL;
	if (strcmp(mine, "auto") == 0 || strcmp(other, "auto") == 0 || strstr(mine, other) ||
		strstr(other, mine))
		return DOCTOR_WARN;
	return DOCTOR_OK;
}

struct doctor_finding rivals_judge(
	const struct capture_settings *mine, const struct capture_settings *other, const char *name)
{
	const char *a = mine->archive.path, *b = other->archive.path;
	enum doctor_verdict source = judge_source(mine->camera.source, other->camera.source);
	struct doctor_finding finding = { .verdict = DOCTOR_OK };

	if (fs_path_is_below(a, b) || fs_path_is_below(b, a))
		finding = doctor_find(DOCTOR_FAIL, "archive.path = %s: %s has %s%s" OWN, a, name, b,
			strcmp(a, b) == 0 ? ", too" : ", and one is in the other");
	else if (source != DOCTOR_OK)
		finding = doctor_find(source,
			"camera.source = %s: %s has %s, which %s the same camera" OWN,
			mine->camera.source, name, other->camera.source,
			source == DOCTOR_FAIL ? "is" : "may be");
	return finding;
}

static int settings_path(const struct cli *cli, const char *name, char ret[static PATH_MAX])
{
	struct cli other = { .program = cli->program, .name = name };

	return cli_settings_path(&other, ret);
}

bool rivals_has_settings(const struct cli *cli, const char *name)
{
	char path[PATH_MAX];

	return !name || settings_path(cli, name, path) != CLI_OK || access(path, F_OK) == 0;
}

struct rival_search {
	const struct cli *cli;
	const struct capture_settings *mine;
	rivals_found *found;
	void *data;
	sd_bus *bus; /* NULL: not asked for yet */
	int failures;
};

/* Only a service that is there can be in the way; settings alone may be anybody's copy. */
static bool is_in_use(struct rival_search *s, const char *name)
{
	struct unit_state unit = { 0 };
	char service[UNIT_NAME_MAX];

	snprintf(service, sizeof service, "%s.service", name);
	if (!s->bus && userbus_open(&s->bus) < 0)
		return false;
	return doctor_unit_read(s->bus, service, &unit) == 0 &&
		(strncmp(unit.file_state, "enabled", strlen("enabled")) == 0 ||
			strcmp(unit.active, "active") == 0);
}

/* `name` NULL: the first. */
static void compare_settings(struct rival_search *s, const char *name)
{
	CLEANUP_FREE struct capture_settings *other = calloc(1, sizeof *other);
	char path[PATH_MAX], unit[CLI_NAME_MAX + 32];
	struct doctor_finding finding;

	if (!other || settings_path(s->cli, name, path) != CLI_OK)
		return;
	conf_defaults(&capture_settings_table, other);
	if (name)
		capture_settings_name(other, name);
	(void)conf_load(&capture_settings_table, other, path, NULL, NULL);
	snprintf(unit, sizeof unit, "capturepi%s%s", name ? "@" : "", name ? name : "");
	finding = rivals_judge(s->mine, other, unit);
	if (finding.verdict == DOCTOR_OK || !is_in_use(s, unit))
		return;
	s->failures += finding.verdict == DOCTOR_FAIL;
	s->found(s->data, &finding);
}

int rivals_find(
	const struct cli *cli, const struct capture_settings *mine, rivals_found *found, void *data)
{
	struct rival_search s = { .cli = cli, .mine = mine, .found = found, .data = data };
	char folder[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (cli->file || cli_settings_path(cli, folder) != CLI_OK)
		return 0;
	if (cli->name)
		compare_settings(&s, NULL);
	*strrchr(folder, '/') = '\0';
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		char name[NAME_MAX + 1], *end = strstr(strcpy(name, entry->d_name), ".conf");

		if (!end || strcmp(end, ".conf") != 0)
			continue;
		*end = '\0';
		if (cli_name_ok(cli->program->name, name) &&
			(!cli->name || strcmp(name, cli->name) != 0))
			compare_settings(&s, name);
	}
	if (dir)
		closedir(dir);
	sd_bus_flush_close_unref(s.bus);
	return s.failures;
}

struct gone {
	const struct cli *cli;
	void (*found)(void *data, const char *name);
	void *data;
};

static int look_for_settings(void *data, const char *unit, const char *drop_in)
{
	struct gone *gone = data;
	char name[UNIT_NAME_MAX];

	if (!drop_in && unit_instance(unit, "capturepi@", name) == 0 &&
		!rivals_has_settings(gone->cli, name))
		gone->found(gone->data, name);
	return 0;
}

void rivals_find_gone(
	const struct cli *cli, void (*found)(void *data, const char *name), void *data)
{
	struct gone gone = { .cli = cli, .found = found, .data = data };

	(void)userunits_walk(look_for_settings, &gone);
}
