/* SPDX-License-Identifier: MIT */
/* What is found of a camera that has no section any more. */
#include "pull/pair/leftovers.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/fs.h"
#include "tests/test.h"

static void touch(const char *folder, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	*strrchr(path, '/') = '\0';
	CHECK_INT(fs_make_folders(path, 0700), 0);
	path[strlen(path)] = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (CHECK(fd >= 0))
		close(fd);
}

static const struct leftover *find(const struct leftovers *all, const char *camera)
{
	for (unsigned i = 0; i < all->n; i++)
		if (strcmp(all->list[i].camera, camera) == 0)
			return &all->list[i];
	return NULL;
}

TEST(found)
{
	CLEANUP_FREE struct pull_settings *settings = calloc(1, sizeof *settings);
	static struct leftovers all;
	const struct leftover *l;
	char folder[64], key[128];

	test_make_folder(folder);
	setenv("XDG_CONFIG_HOME", folder, 1);
	setenv("STATE_DIRECTORY", folder, 1);
	strcpy(settings->cameras[0].name, "garden");
	strcpy(settings->cameras[1].name, "front");
	settings->n_cameras = 2;
	snprintf(key, sizeof key, "%s/id_ed25519-old", folder);
	strcpy(settings->cameras[1].key, key); /* renamed, with the key it had */
	leftovers_find(settings, &all);
	CHECK_INT(all.n, 0);
	touch(folder, "id_ed25519-garden");
	touch(folder, "id_ed25519-old");
	touch(folder, "id_ed25519-old.pub");
	touch(folder, "contact-front.json");
	touch(folder, "known_hosts");
	touch(folder, "id_ed25519-");
	touch(folder, "contact-a b.json");
	touch(folder, "systemd/user/timers.target.wants/pullpi-sync@garden.timer");
	leftovers_find(settings, &all);
	CHECK_INT(all.n, 0);
	touch(folder, "id_ed25519-attic");
	touch(folder, "id_ed25519-attic.pub");
	touch(folder, "contact-cellar.json");
	touch(folder, "systemd/user/timers.target.wants/pullpi-sync@cellar.timer");
	touch(folder, "systemd/user/pullpi-follow@roof.service.d/archive.conf");
	leftovers_find(settings, &all);
	CHECK_INT(all.n, 3);
	l = find(&all, "attic");
	CHECK(l && l->key && !l->state && !l->units);
	l = find(&all, "cellar");
	CHECK(l && !l->key && l->state && l->units);
	l = find(&all, "roof");
	CHECK(l && !l->key && !l->state && l->units);
	test_remove_folder(folder);
}
