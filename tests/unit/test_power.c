/* SPDX-License-Identifier: MIT */
/*
 * Power cuts (power_kit.h), each of whose disks is repaired. On each of them: no partial picture is
 * visible, every frame with a line is whole, every frame that was reported stored is there.
 */
#include "tests/unit/crash_kit.h"
#include "tests/unit/power_kit.h"

static char path[64]; /* of the archive */
static bool copy;
static uint64_t stored;

static void repair(const char *disk)
{
	if (copy) {
		CHECK_INT(crash_bring(disk, NULL, 7, KIT_SLOT - 24 * 60 * KIT_MINUTE), 0);
		CHECK_INT(crash_bring(disk, NULL, 8, KIT_SLOT), 0);
		CHECK_INT(crash_bring(disk, NULL, 9, KIT_SLOT), 0);
		CHECK_INT(crash_bring(disk, NULL, 10, KIT_SLOT), 0);
	} else {
		crash_repair(disk);
	}
}

static void check_disk(const char *disk)
{
	crash_check_dead(disk, stored);
	repair(disk);
	crash_check_repaired(disk, !copy);
}

static void begin(bool of_copy)
{
	copy = of_copy;
	stored = 0;
	kit_make_folder(path);
	power_start(path, check_disk);
}

static void end(void)
{
	power_end(100);
	test_remove_folder(path);
}

TEST(power_fails_while_publishing)
{
	struct fs_ops fs = power_fs();
	struct record miss = kit_miss(KIT_SLOT);
	struct archive *archive = NULL;

	begin(false);
	CHECK_INT(kit_open(path, &fs, &archive), 0);
	for (uint64_t seq = 1; archive && seq < 7; seq++) {
		if (seq == 3) {
			CHECK_INT(archive_note(archive, &miss), 0);
			continue;
		}
		/* two days */
		CHECK(crash_publish(archive, seq,
			KIT_SLOT + (int64_t)seq * KIT_MINUTE + (seq > 4) * 24 * 60 * KIT_MINUTE,
			&stored));
	}
	archive_free(archive);
	end();
}

TEST(power_fails_while_dating_anew)
{
	const int64_t day = 24 * 60 * KIT_MINUTE;
	struct fs_ops fs = power_fs();
	struct archive *archive = NULL;

	begin(false);
	CHECK_INT(kit_open(path, &fs, &archive), 0);
	CHECK(archive && crash_publish(archive, 1, KIT_SLOT - 400 * day, &stored));
	CHECK(crash_publish(archive, 2, KIT_SLOT - 399 * day, &stored));
	stored = 0; /* its file goes */
	CHECK(crash_redate(archive, 3, KIT_SLOT, 1, &stored));
	CHECK(crash_publish(archive, 5, KIT_SLOT + day, &stored));
	CHECK(crash_redate(archive, 6, KIT_SLOT + KIT_MINUTE, 2, &stored));
	archive_free(archive);
	end();
}

TEST(power_fails_around_batches)
{
	struct fs_ops fs = power_fs();
	struct archive *archive = NULL;

	begin(false);
	crash_unlined = 3;
	CHECK_INT(kit_open(path, &fs, &archive), 0);
	CHECK(archive && crash_publish(archive, 1, KIT_SLOT, &stored));
	CHECK(crash_batch(archive, 2, 3, KIT_SLOT + KIT_MINUTE, &stored));
	CHECK(crash_batch(archive, 5, 2, KIT_SLOT + 24 * 60 * KIT_MINUTE, &stored));
	archive_free(archive);
	end();
	crash_unlined = 1;
}

/* A writer that was killed left the disk unsynced; the power fails while the next one repairs. */
TEST(power_fails_while_repairing)
{
	struct fs_ops fs = power_fs();
	struct archive *archive = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	int fd;

	begin(false);
	CHECK_INT(kit_open(path, &fs, &archive), 0);
	CHECK(archive && crash_publish(archive, 1, KIT_SLOT, &stored));
	archive_free(archive);
	kit_jpeg(jpeg, 2);
	kit_write(path, KIT_DAY "/20261120T160200Z-00000002.jpg", jpeg, sizeof(jpeg), 0);
	kit_write(path, "journal/00000000.jsonl", "{\"seq\":2,", 9, O_APPEND);
	fd = open(kit_path(path, KIT_DAY "/20261120T160200Z-00000002.jpg"), O_RDONLY | O_CLOEXEC);
	remember(fd);
	close(fd);
	archive = NULL;
	CHECK_INT(kit_open(path, &fs, &archive), 0);
	CHECK(archive && crash_publish(archive, 3, KIT_SLOT + 2 * KIT_MINUTE, &stored));
	archive_free(archive);
	end();
}

TEST(power_fails_while_receiving)
{
	struct fs_ops fs = power_fs();
	uint8_t jpeg[KIT_JPEG_BYTES];
	const char *name;
	int fd;

	begin(true);
	CHECK_INT(crash_bring(path, &fs, 8, KIT_SLOT), 0);
	stored = 8;
	CHECK_INT(crash_bring(path, &fs, 7, KIT_SLOT - 24 * 60 * KIT_MINUTE), 0);
	stored = 7;
	/* number 9 is there already, but its name is not on the disk yet: a writer was killed */
	kit_jpeg(jpeg, 9);
	name = kit_path(path, KIT_DAY "/20261120T160100Z-00000009.jpg");
	kit_write("", name, jpeg, sizeof(jpeg), 0);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	remember(fd);
	close(fd);
	CHECK_INT(crash_bring(path, &fs, 9, KIT_SLOT), 0);
	stored = 9;
	CHECK_INT(crash_bring(path, &fs, 10, KIT_SLOT), 0);
	end();
}
