/* SPDX-License-Identifier: MIT */
/* Finds leftovers by their names alone. Only a name that a camera can have counts. */
#include "pull/pair/leftovers.h"

#include <dirent.h>
#include <string.h>

#include "common/base/util.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

struct search {
	const struct pull_settings *settings;
	struct leftovers *found;
};

/* The entry of this camera; NULL: it has a section, or there is no room. */
static struct leftover *leftover_of(struct search *s, const char *camera)
{
	struct leftovers *found = s->found;

	if (!pull_camera_name_ok(camera) || pull_camera(s->settings, camera))
		return NULL;
	for (unsigned i = 0; i < found->n; i++)
		if (strcmp(found->list[i].camera, camera) == 0)
			return &found->list[i];
	if (found->n == LEFTOVERS_MAX)
		return NULL;
	strcpy(found->list[found->n].camera, camera);
	return &found->list[found->n++];
}

static int take_unit(void *data, const char *unit, const char *drop_in)
{
	char camera[UNIT_NAME_MAX];
	struct leftover *l = NULL;

	(void)drop_in;
	if (unit_instance(unit, "pullpi-", camera) == 0)
		l = leftover_of(data, camera);
	if (l)
		l->units = true;
	return 0;
}

/* Takes contact-CAMERA.json and id_ed25519-CAMERA, but not id_ed25519-CAMERA.pub. */
static void take_file(struct search *s, const char *file)
{
	char camera[NAME_MAX + 1], path[PATH_MAX], end[8] = "";
	bool state = sscanf(file, "contact-%255s", camera) == 1;
	struct leftover *l = NULL;
	char *dot;

	if (!state && sscanf(file, "id_ed25519-%255s", camera) != 1)
		return;
	dot = strrchr(camera, '.');
	if (dot)
		snprintf(end, sizeof end, "%s", dot);
	if (state && strcmp(end, ".json") == 0) {
		*dot = '\0';
		l = leftover_of(s, camera);
	} else if (!state && strcmp(end, ".pub") != 0 && pull_state_path(file, path) == 0 &&
		!pull_key_is_used(s->settings, path, NULL)) {
		l = leftover_of(s, camera);
	}
	if (l)
		*(state ? &l->state : &l->key) = true;
}

void leftovers_find(const struct pull_settings *settings, struct leftovers *ret)
{
	struct search s = { .settings = settings, .found = ret };
	struct dirent *entry;
	char folder[PATH_MAX];
	DIR *dir;

	*ret = (struct leftovers){ .n = 0 };
	(void)userunits_walk(take_unit, &s);
	dir = pull_state_path(".", folder) == 0 ? opendir(folder) : NULL;
	while (dir && (entry = readdir(dir)))
		take_file(&s, entry->d_name);
	if (dir)
		closedir(dir);
}
