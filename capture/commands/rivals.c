/* SPDX-License-Identifier: MIT */
/*
 * Mistakes in the other settings files are not reported here: `check` of that camera reports them.
 */
#include "capture/commands/rivals.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "common/base/fs.h"

#define OWN "\ngive each its own"

/* A model and an id of that model may be the same camera; `auto` may be any. */
static enum doctor_verdict source_judge(const char *mine, const char *other)
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
	enum doctor_verdict source = source_judge(mine->camera.source, other->camera.source);
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

	return settings_path(cli, name, path) != CLI_OK || access(path, F_OK) == 0;
}

struct rival_search {
	const struct cli *cli;
	const struct capture_settings *mine;
	rivals_found *found;
	void *data;
	sd_bus *bus; /* NULL: not open yet */
	int failures;
};

/* Only a service that is there can be in the way; settings alone may be anybody's copy. */
static bool rival_is_in_use(struct rival_search *s, const char *name)
{
	struct unit_state unit;
	char service[UNIT_NAME_MAX];

	snprintf(service, sizeof service, "%s.service", name);
	if (!s->bus && userbus_open(&s->bus) < 0)
		return false;
	doctor_unit_read(s->bus, service, &unit);
	return unit_is_enabled(&unit) || strcmp(unit.active, "active") == 0;
}

/* `name` NULL: the first. */
static void rival_compare(struct rival_search *s, const char *name)
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
	if (finding.verdict == DOCTOR_OK || !rival_is_in_use(s, unit))
		return;
	s->failures += finding.verdict == DOCTOR_FAIL;
	s->found(s->data, &finding);
}

static void rival_search_settings(struct rival_search *s)
{
	CLEANUP_DIR DIR *dir = NULL;
	char folder[PATH_MAX];
	struct dirent *entry;

	if (s->cli->file || cli_settings_path(s->cli, folder) != CLI_OK)
		return;
	if (s->cli->name)
		rival_compare(s, NULL);
	*strrchr(folder, '/') = '\0';
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		char name[NAME_MAX + 1], *end = strstr(strcpy(name, entry->d_name), ".conf");

		if (!end || strcmp(end, ".conf") != 0)
			continue;
		*end = '\0';
		if (cli_name_ok(s->cli->program->name, name) &&
			(!s->cli->name || strcmp(name, s->cli->name) != 0))
			rival_compare(s, name);
	}
}

static int rival_search_unit(void *data, const char *unit, const char *drop_in)
{
	struct rival_search *s = data;
	struct doctor_finding finding;
	char name[UNIT_NAME_MAX];

	if (drop_in || unit_instance(unit, "capturepi@", name) < 0 ||
		rivals_has_settings(s->cli, name))
		return 0;
	finding = doctor_find(DOCTOR_WARN,
		"capturepi@%s.service is enabled, and its settings %s.conf are gone\n"
		"run `deploypi remove --name %s`",
		name, name, name);
	s->found(s->data, &finding);
	return 0;
}

int rivals_find(
	const struct cli *cli, const struct capture_settings *mine, rivals_found *found, void *data)
{
	struct rival_search s = { .cli = cli, .mine = mine, .found = found, .data = data };

	rival_search_settings(&s);
	(void)userunits_walk(rival_search_unit, &s);
	sd_bus_flush_close_unref(s.bus);
	return s.failures;
}
