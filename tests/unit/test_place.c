/* SPDX-License-Identifier: MIT */
/* Where an archive may be made. Real mounts are in tests/disk and tests/pull/mount. */
#include "common/archive/place.h"

#include "tests/unit/archive_kit.h"

TEST(places)
{
	char memory[64], path[64], inner[100], deep[120], link[100];

	snprintf(memory, sizeof(memory), "/dev/shm/capturepi-test-XXXXXX");
	test_make_folder(path);
	snprintf(inner, sizeof(inner), "%s/a", path);
	snprintf(deep, sizeof(deep), "%s/a/b/c", path);
	snprintf(link, sizeof(link), "%s/link", path);
	CHECK_INT(place_check(deep, false, NULL, "/"), 0);
	CHECK_INT(place_check(deep, true, NULL, path), -ENOMEDIUM);
	CHECK_INT(place_check(path, true, NULL, path), -ENOMEDIUM);
	kit_write(path, "a", "x", 1, 0);
	CHECK_INT(place_check(deep, true, NULL, path), -ENOTDIR);
	if (!mkdtemp(memory)) {
		printf("skipped: no /dev/shm\n");
	} else {
		/*
		 * another file system than `root`, and a folder that is not there on one in memory
		 */
		CHECK_INT(place_check(memory, true, NULL, path), 0);
		CHECK_INT(place_check(path, true, NULL, memory), 0);
		snprintf(inner, sizeof(inner), "%s/captures", memory);
		CHECK_INT(place_check(inner, true, NULL, path), -ENOMEDIUM);
		CHECK_INT(place_check(inner, false, NULL, path), 0);
		/* what is behind a link counts */
		CHECK_INT(symlink(memory, link), 0);
		CHECK_INT(place_check(link, true, NULL, path), 0);
		test_remove_folder(memory);
	}
	test_remove_folder(path);
}

/* The memory of a mount, with a folder of another file system for it. */
TEST(memory)
{
	char memory[64], path[64], mount[PATH_MAX], deep[120], link[100], text[PATH_MAX];

	snprintf(memory, sizeof(memory), "/dev/shm/capturepi-test-XXXXXX");
	if (!mkdtemp(memory)) {
		printf("skipped: no /dev/shm\n");
		return;
	}
	test_make_folder(path);
	snprintf(deep, sizeof(deep), "%s/captures", memory);
	snprintf(link, sizeof(link), "%s/link", path);
	place_mount(deep, path, mount);
	CHECK_STR(mount, ""); /* it is not there */
	place_mount(memory, memory, mount);
	CHECK_STR(mount, ""); /* the same as the root's */
	place_mount(memory, path, mount);
	CHECK_STR(mount, "/dev/shm");
	CHECK_INT(mkdir(deep, 0755), 0);
	CHECK_INT(place_check(deep, false, mount, path), 0);
	CHECK_INT(symlink(deep, link), 0);
	place_mount(link, path, mount);
	CHECK_STR(mount, "/dev/shm");
	CHECK_INT(place_check(link, false, mount, path), 0);
	/* what it was mounted on is a folder of a disk that is mounted above it, /home perhaps */
	snprintf(text, sizeof(text), "/dev/shm/usb");
	CHECK_INT(place_check(deep, false, text, path), -ENOMEDIUM);
	CHECK_INT(place_check(deep, true, text, path), -ENOMEDIUM);
	/* the folder is gone, the disk is there */
	CHECK_INT(rmdir(deep), 0);
	CHECK_INT(place_check(deep, false, mount, path), 0);
	CHECK_INT(mkdir(deep, 0755), 0);
	/* it moved to another disk */
	CHECK_INT(place_check(deep, false, "/dev/shmoo", path), 0);
	CHECK_INT(place_check(deep, false, "/mnt/old", path), 0);
	/* or back to that of the root, or its link leads nowhere */
	CHECK_INT(place_check(path, false, mount, path), -ENOMEDIUM);
	CHECK_INT(rmdir(deep), 0);
	CHECK_INT(place_check(link, false, mount, path), -ENOMEDIUM);
	test_remove_folder(memory);
	test_remove_folder(path);
}
