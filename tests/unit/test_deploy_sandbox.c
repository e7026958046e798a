/* SPDX-License-Identifier: MIT */
/* What a unit sees of what its settings name, and that no path can say more than a path. */
#include "deploy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/base/util.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"
#include "tests/test.h"

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
				 capture = { "capturepi", "a.b", NULL, NULL };

	CHECK(ours_chosen(&all, "capturepi.service") && ours_chosen(&all, "pullpi-sync@x.timer"));
	CHECK(!ours_chosen(&all, "other.service"));
	CHECK(ours_chosen(&pull, "pullpi-sync@a.b.timer"));
	CHECK(!ours_chosen(&pull, "pullpi-sync@a.timer") &&
		!ours_chosen(&pull, "pullpi-sync@.timer"));
	CHECK(!ours_chosen(&pull, "capturepi@a.b.service"));
	CHECK(ours_chosen(&capture, "capturepi@a.b.service"));
	CHECK(ours_chosen(&capture, "capturepi-new@a.b.path"));
	CHECK(!ours_chosen(&capture, "capturepi.service") &&
		!ours_chosen(&capture, "capturepi-new.path"));
	CHECK(!ours_chosen(&capture, "pullpi-sync@a.b.timer"));
}

#define HIDDEN "-/run/dbus -/run/docker.sock -/run/libvirt -/run/log -/var/log -/dev/pts"
#define MNT_OPEN                                                                                   \
	"InaccessiblePaths=\nInaccessiblePaths=" HIDDEN "\nReadWritePaths=\"-/mnt\"\n"             \
	"InaccessiblePaths=\"-/media\"\nInaccessiblePaths=\"-/srv\"\n"

static struct sandbox_needs needs_of(const char *archive, const char *file)
{
	struct sandbox_needs needs = { .home = "/nohome/pi", .usual = "/nohome/pi/captures" };

	snprintf(needs.archive, sizeof needs.archive, "%s", archive);
	needs.reads[0] = file;
	needs.n_reads = *file != '\0';
	return needs;
}

static void check_text(const struct sandbox_needs *needs, const char *want)
{
	CLEANUP_FREE char *text = NULL;
	const char *lines;

	CHECK_INT(sandbox_text(needs, &text), 0);
	if (!text)
		return;
	lines = strstr(text, "[Service]\n");
	CHECK_STR(lines ? lines + 10 : text, want);
}

TEST(what_the_settings_name)
{
	static const struct {
		const char *archive, *file, *want;
	} rows[] = {
		{ "/nohome/pi/captures", "", "" },
		{ "/nohome/pi/captures/garden", "", "" },
		{ "/nohome/pi/captures2", "", "BindPaths=\"-/nohome/pi/captures2\"\n" },
		{ "/data/captures", "", "BindPaths=\"-/data/captures\"\n" },
		{ "/mnt/data/captures", "", MNT_OPEN },
		{ "/mnt/data/captures", "/mnt/key", MNT_OPEN },
		{ "/nohome/pi/captures", "/nohome/pi/.ssh/id",
			"BindReadOnlyPaths=\"-/nohome/pi/.ssh/id\"\n" },
		{ "/nohome/pi/captures", "/srv/key",
			"InaccessiblePaths=\nInaccessiblePaths=" HIDDEN
			"\nInaccessiblePaths=\"-/mnt\"\nInaccessiblePaths=\"-/media\"\n" },
		{ "/a disk/50%", "", "BindPaths=\"-/a disk/50%%\"\n" },
		{ "/a:b", "", "BindPaths=\"-/a:b\"\n" },
		{ "/say \"hello\" \\o/", "", "BindPaths=\"-/say \\\"hello\\\" \\\\o/\"\n" },
	};
	static const char *const refused[] = { "captures", "/", "/mnt/../etc",
		"/data\nExecStart=/bin/sh" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sandbox_needs needs = needs_of(rows[i].archive, rows[i].file);

		check_text(&needs, rows[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct sandbox_needs needs = needs_of(refused[i], "");
		char *text = NULL;

		CHECK_INT(sandbox_text(&needs, &text), -EINVAL);
	}
}

/* Nothing is written, and several are read: of the disks only those are seen that have one. */
TEST(what_is_only_read)
{
	struct sandbox_needs needs = { .home = "/nohome/pi",
		.reads = { "/data/a", "/media/usb/b", "/nohome/pi/captures-porch" },
		.n_reads = 3 };
	char *text = NULL;

	check_text(&needs,
		"InaccessiblePaths=\nInaccessiblePaths=" HIDDEN
		"\nInaccessiblePaths=\"-/mnt\"\nInaccessiblePaths=\"-/srv\"\n"
		"BindReadOnlyPaths=\"-/data/a\"\nBindReadOnlyPaths=\"-/nohome/pi/"
		"captures-porch\"\n");
	needs.reads[1] = "/media/../etc";
	CHECK_INT(sandbox_text(&needs, &text), -EINVAL);
	needs.n_reads = 0;
	check_text(&needs, "");
}

/* A link leads to a disk; a folder that is not there yet; what is mounted in the one above. */
TEST(what_links_and_folders_say)
{
	struct sandbox_needs needs = { 0 };
	char folder[64], want[256];

	test_make_folder(folder);
	snprintf(needs.home, sizeof needs.home, "%s", folder);
	snprintf(needs.usual, sizeof needs.usual, "%s/captures", folder);
	snprintf(needs.archive, sizeof needs.archive, "%s/captures", folder);
	CHECK_INT(symlink("/mnt", needs.usual), 0);
	check_text(&needs, MNT_OPEN);
	snprintf(needs.archive, sizeof needs.archive, "%s/usb/captures", folder);
	snprintf(want, sizeof want, "BindPaths=\"-%s/usb/captures\"\n", folder);
	check_text(&needs, want);
	snprintf(want, sizeof want, "%s/usb", folder);
	CHECK_INT(mkdir(want, 0700), 0);
	snprintf(want, sizeof want, "BindPaths=\"-%s/usb\"\n", folder);
	check_text(&needs, want);
	test_remove_folder(folder);
}

/* units/sandbox hides what a drop-in has to hide again. */
TEST(the_units_hide_the_same)
{
	CLEANUP_FREE char *text = NULL;

	CHECK_INT(fs_read_file(AT_FDCWD, SOURCE_ROOT "/units/sandbox", 65536, &text, NULL), 0);
	CHECK(strstr(
		text, "\nInaccessiblePaths=-/mnt -/media -/srv\nInaccessiblePaths=" HIDDEN "\n"));
}
