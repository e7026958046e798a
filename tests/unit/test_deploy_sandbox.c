/* SPDX-License-Identifier: MIT */
/* Which archives need a line for the sandbox, and that no path can say more than a path in it. */
#include "deploy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/base/util.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"
#include "tests/test.h"

TEST(what_the_units_have_open)
{
	static const struct {
		const char *archive;
		bool open;
	} rows[] = {
		{ "/home/pi/captures", true },
		{ "/home/pi/captures/garden", true },
		{ "/home/pi/captures2", false },
		{ "/home/pi/pictures", false },
		{ "/home/pi/captures/../.ssh", false },
		{ "/mnt/data/captures", true },
		{ "/media/pi/disk", true },
		{ "/srv/captures", true },
		{ "/mnt/../etc", false },
		{ "/data/captures", false },
		{ "/", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!CHECK(sandbox_is_open("/home/pi/captures", rows[i].archive) == rows[i].open))
			fprintf(stderr, "  %s\n", rows[i].archive);
}

static void touch(const char *folder, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/systemd/user/%s", folder, name);
	*strrchr(path, '/') = '\0';
	CHECK_INT(fs_make_folders(path, 0700), 0);
	path[strlen(path)] = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (CHECK(fd >= 0))
		close(fd);
}

static int note(void *data, const char *unit, const char *drop_in)
{
	char *text = data;

	sprintf(text + strlen(text), "%s%s ", unit, drop_in ? "!" : "");
	return 0;
}

static bool is_garden(void *data, const char *instance)
{
	(void)data;
	return strcmp(instance, "garden") == 0;
}

/* What is left of a camera: found without a manager, and of nobody else. */
TEST(leftovers)
{
	const struct ours_choice gone = { .prefix = "pullpi-", .known = is_garden };
	struct cli cli = { 0 };
	struct deploy deploy = { .report.cli = &cli };
	char folder[64], found[1024] = "";

	test_make_folder(folder);
	setenv("XDG_CONFIG_HOME", folder, 1);
	CHECK_INT(userunits_walk(note, found), 0); /* no folder yet */
	touch(folder, "timers.target.wants/pullpi-sync@attic.timer");
	touch(folder, "pullpi-sync@attic.service.d/archive.conf");
	touch(folder, "pullpi-sync@garden.service.d/archive.conf");
	touch(folder, "pullpi-latest@attic.service.d/mine.conf");
	touch(folder, "default.target.wants/a b");
	touch(folder, "attic.d/archive.conf");
	CHECK_INT(userunits_walk(note, found), 0);
	CHECK(strstr(found, "pullpi-sync@attic.timer "));
	CHECK(strstr(found, "pullpi-sync@attic.service! "));
	CHECK(strstr(found, "pullpi-sync@garden.service! "));
	CHECK(strlen(found) ==
		strlen("pullpi-sync@attic.timer pullpi-sync@attic.service! "
		       "pullpi-sync@garden.service! "));
	CHECK_INT(sandbox_close(&deploy, &gone), CLI_OK);
	*found = '\0';
	CHECK_INT(userunits_walk(note, found), 0);
	CHECK(!strstr(found, "attic.service!") && strstr(found, "garden.service!"));
	test_remove_folder(folder);
}

TEST(which_are_chosen)
{
	const struct ours_choice all = { 0 }, pull = { "pullpi-", "a.b", NULL, NULL },
				 capture = { "capturepi@", "a.b", NULL, NULL };

	CHECK(ours_chosen(&all, "capturepi.service") && ours_chosen(&all, "pullpi-sync@x.timer"));
	CHECK(!ours_chosen(&all, "other.service"));
	CHECK(ours_chosen(&pull, "pullpi-sync@a.b.timer"));
	CHECK(!ours_chosen(&pull, "pullpi-sync@a.timer") &&
		!ours_chosen(&pull, "pullpi-sync@.timer"));
	CHECK(!ours_chosen(&pull, "capturepi@a.b.service"));
	CHECK(ours_chosen(&capture, "capturepi@a.b.service"));
	CHECK(!ours_chosen(&capture, "capturepi.service"));
	CHECK(!ours_chosen(&capture, "pullpi-sync@a.b.timer"));
}

TEST(one_path_and_no_more)
{
	static const struct {
		const char *archive, *line;
	} rows[] = {
		{ "/data/captures", "[Service]\nReadWritePaths=\"-/data/captures\"\n" },
		{ "/a disk/50%", "\nReadWritePaths=\"-/a disk/50%%\"\n" },
		{ "/say \"hello\" \\o/", "\nReadWritePaths=\"-/say \\\"hello\\\" \\\\o/\"\n" },
	};
	static char text[2 * PATH_MAX], path[3 * PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!CHECK(sandbox_drop_in(rows[i].archive, text) == 0 &&
			    strstr(text, rows[i].line)))
			fprintf(stderr, "  %s: %s\n", rows[i].archive, text);
	CHECK(sandbox_drop_in("captures", text) == -EINVAL);
	CHECK(sandbox_drop_in("/data\nExecStart=/bin/sh", text) == -EINVAL);
	memset(path, '%', sizeof path - 1);
	path[0] = '/';
	CHECK(sandbox_drop_in(path, text) == -ENAMETOOLONG);
}
