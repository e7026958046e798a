/* SPDX-License-Identifier: MIT */
/* What is kept apart of an older history counts like the rest, and goes like it. */
#include "tests/unit/room_kit.h"

/* An archive of frames 11 to 20, and a branch with 1 to 10. */
static struct archive *open_forked(char path[static 64])
{
	struct archive *archive;
	unsigned branch = 0;

	kit_make_folder(path);
	archive = open_copy(path);
	for (uint64_t seq = 1; seq <= 10; seq++)
		bring(archive, NULL, seq);
	CHECK_INT(archive_fork(archive, 0, &branch), 0);
	CHECK_INT(branch, 1);
	archive_free(archive);
	archive = open_copy(path);
	for (uint64_t seq = 11; seq <= 20; seq++)
		bring(archive, NULL, seq);
	disk_free = 500;
	return archive;
}

/* How many frames are in the archive itself, and in its branch; all else is as it should be. */
static void check_forked(const char *path, int here, int apart)
{
	char branch[100];

	snprintf(branch, sizeof branch, "%s/" BRANCHES "/1", path);
	CHECK_INT(count_frames(branch), apart);
	CHECK_INT(count_frames(path), here + apart);
	CHECK_INT(findings(path), 0);
	CHECK_INT(findings(branch), 0);
}

/* What is apart in branches counts, and goes in its turn. */
TEST(what_is_apart)
{
	static const struct {
		int when_full;
		int64_t max_frames, max_bytes, keep_us;
		enum room_verdict verdict;
		int apart;
	} cases[] = {
		{ WHEN_FULL_STOP, 21, 0, 0, ROOM_FREE, 10 },
		{ WHEN_FULL_STOP, 20, 0, 0, ROOM_FRAMES, 10 },
		{ WHEN_FULL_STOP, 0, 20 * KIT_JPEG_BYTES, 0, ROOM_BYTES, 10 },
		{ WHEN_FULL_REMOVE, 18, 0, 0, ROOM_FREE, 7 },
		{ WHEN_FULL_REMOVE, 0, 18 * KIT_JPEG_BYTES, 0, ROOM_FREE, 5 },
		{ WHEN_FULL_REMOVE, 18, 0, US_PER_SEC * 3600, ROOM_FRAMES, 10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct camera_settings camera = { .when_full = cases[i].when_full,
			.max_frames = cases[i].max_frames,
			.max_bytes = cases[i].max_bytes,
			.keep_at_least_us = cases[i].keep_us };
		struct room room = room_of(&camera, &clock_real);
		struct archive *archive;
		char path[64];

		archive = open_forked(path);
		CHECK_INT(admit(&room, archive), cases[i].verdict);
		CHECK_INT(room.error, 0);
		CHECK_INT(room.removed, 10 - cases[i].apart);
		CHECK_INT(room.n_open, 0);
		room_close(&room);
		archive_free(archive);
		check_forked(path, 10, cases[i].apart);
		if (test_failures)
			printf("  case %zu\n", i);
		test_remove_folder(path);
	}
}

/* All is counted again when a branch has come or gone since. */
TEST(moved_away_and_back)
{
	const struct camera_settings camera = { .max_frames = 20 };
	struct archive *archive;
	char path[64], branch[100], away[100];

	archive = open_forked(path);
	snprintf(branch, sizeof branch, "%s/" BRANCHES "/1", path);
	snprintf(away, sizeof away, "%s/away", path);
	for (int i = 0; i < 3; i++) {
		struct room room = room_of(&camera, &clock_real);

		if (i == 1)
			CHECK_INT(unlinkat(archive_root_fd(archive), ".room", 0), 0);
		if (i > 0)
			CHECK_INT(i == 1 ? rename(branch, away) : rename(away, branch), 0);
		CHECK_INT(admit(&room, archive), i == 1 ? ROOM_FREE : ROOM_FRAMES);
		CHECK_INT(room.ledger.stored_frames, i == 1 ? 10 : 20);
	}
	archive_free(archive);
	test_remove_folder(path);
}

/* On a full disk the oldest goes, be it apart or not; by keep_days all but the newest of each. */
TEST(what_is_apart_gets_old)
{
	struct clock_fake fake = clock_fake(KIT_SLOT + 10 * 24 * 60 * KIT_MINUTE);
	struct camera_settings camera = { .keep_days = 8 };
	struct room room = room_of(&camera, &fake.clock);
	struct archive *archive;
	char path[64];

	archive = open_forked(path);
	camera.keep_days = 0;
	camera.reserve = 100 * MB;
	enter(&room, archive);
	CHECK_INT(room.n_open, 1);
	room.branches[0].pruner->statvfs = fake_statvfs;
	disk_free = 90;
	for (uint64_t seq = 21; seq <= 40; seq++) {
		CHECK_INT(admit(&room, archive), ROOM_FREE);
		bring(archive, &room, seq);
	}
	CHECK_INT(room.error, 0);
	room_close(&room);
	/* nine of the branch, then those of the archive */
	CHECK(room.removed > 20);
	check_forked(path, 40 - (int)room.removed - 1, 1);

	disk_free = 500;
	camera.keep_days = 8;
	room = room_of(&camera, &fake.clock);
	room_tidy(&room, archive);
	CHECK_INT(room.error, 0);
	check_forked(path, 1, 1);
	archive_free(archive);
	test_remove_folder(path);
}
