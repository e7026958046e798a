/* SPDX-License-Identifier: MIT */
/* A puller's archive is kept small: what goes stays known, and is not wanted again. */
#include "pull/session/room.h"

#include <sys/wait.h>

#include "common/upkeep/pruner_private.h"
#include "tests/unit/clock_kit.h"
#include "tests/unit/pull_kit.h"

static int64_t disk_free; /* frames, of 1000 */

static int fake_statvfs(int fd, struct statvfs *st)
{
	(void)fd;
	*st = (struct statvfs){ .f_blocks = 1000, .f_frsize = KIT_JPEG_BYTES };
	st->f_bavail = (fsblkcnt_t)disk_free;
	return 0;
}

static void bring(struct archive *archive, struct room *room, uint64_t seq)
{
	struct partial *partial = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, sizeof(jpeg)), 0);
	CHECK_INT(kit_commit(archive, partial), 0);
	partial_free(partial);
	if (room)
		room_stored(room, &frame);
}

static struct archive *open_copy(const char *path)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE,
		.id = KIT_ID,
		.copy = true,
		.wait_until_ns = deadline_in(US_PER_SEC) };
	struct archive *archive = NULL;

	CHECK_INT(archive_open(path, &options, &archive), 0);
	return archive;
}

static void enter(struct room *room, struct archive *archive, const struct camera_settings *camera)
{
	room_open(room, archive, camera, &clock_real);
	CHECK_INT(room->error, 0);
	room->pruner->statvfs = fake_statvfs;
}

static uint64_t count_lines(struct archive *archive, uint64_t *ret_frames)
{
	struct journal *local;
	struct record line;
	uint64_t n = 0;

	*ret_frames = 0;
	CHECK_INT(archive_local(archive, &local), 0);
	while (journal_find(local, n + 1, &line) == 0) {
		CHECK_STR(line.text, "space");
		*ret_frames += line.count;
		n++;
	}
	return n;
}

/* What verify says of a copy whose files are all there, or known to be gone. */
static uint64_t findings(const char *path)
{
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct verify_options verify = { .copy = true, .finding = kit_print_finding };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals;

	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_INT(verify_archive(archive, &verify, &totals), 0);
	return totals.findings + totals.deleted;
}

/*
 * Newest first until the disk is full: the oldest of those that came go, and what is older stays
 * away.
 */
TEST(a_small_disk)
{
	struct camera_settings camera = { .reserve = 100 * KIT_JPEG_BYTES };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct room room = { 0 };
	struct record last;
	uint64_t gone = 0, frames;
	char path[64];

	kit_make_folder(path);
	archive = open_copy(path);
	enter(&room, archive, &camera);
	for (uint64_t seq = 200; seq > 20; seq--) {
		disk_free = 300 - (int64_t)room.pruner->state.frames;
		CHECK_INT(room_make(&room, KIT_JPEG_BYTES), 0);
		bring(archive, &room, seq);
	}
	disk_free = 90;
	gone = room_make(&room, KIT_JPEG_BYTES);
	CHECK(room.removed >= 11 && room.removed <= PRUNE_PER_FRAME);
	CHECK_INT(gone, 20 + room.removed);
	CHECK_INT(journal_holds(archive_journal(archive), gone), 1);
	CHECK_INT(count_frames(path), 180 - (int)room.removed);
	CHECK(count_lines(archive, &frames) > 0);
	CHECK_INT(frames, room.removed);
	CHECK_INT(archive_last_removal(archive, &last), 0);
	CHECK_INT(last.last_seq, gone);
	/* a new one comes by somebody else */
	bring(archive, NULL, 201);
	room_refresh(&room, archive);
	CHECK_INT(pruner_totals(room.pruner).frames, 181 - (int)room.removed);
	room_close(&room);
	/* the next visit knows all that */
	enter(&room, archive, &camera);
	CHECK_INT(pruner_totals(room.pruner).frames, 181 - (int)room.removed);
	CHECK_INT(pruner_totals(room.pruner).gone, gone);
	CHECK_INT(findings(path), 0);
	room_close(&room);
	room_close(&room);
	test_remove_folder(path);
}

/* Killed in the middle of it: all is counted anew, and what is gone stays gone. */
TEST(after_a_crash)
{
	struct camera_settings camera = { .reserve = 100 * KIT_JPEG_BYTES };
	struct archive *archive;
	struct room room = { 0 };
	uint64_t gone, removed;
	char path[64];
	pid_t pid;
	int status;

	kit_make_folder(path);
	archive = open_copy(path);
	for (uint64_t seq = 60; seq > 20; seq--)
		bring(archive, NULL, seq);
	archive_free(archive);
	pid = fork();
	if (pid == 0) {
		archive = open_copy(path);
		enter(&room, archive, &camera);
		disk_free = 95;
		gone = room_make(&room, KIT_JPEG_BYTES);
		_exit(gone == 20 + room.removed ? (int)room.removed : 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	removed = (uint64_t)WEXITSTATUS(status);
	CHECK(removed > 5);
	CHECK_STR(kit_read(path, "journal/retention"), "");
	archive = open_copy(path);
	enter(&room, archive, &camera);
	CHECK_INT(pruner_totals(room.pruner).gone, 20 + removed);
	/* the last line's frames may be there still, so those are counted */
	CHECK_INT(pruner_totals(room.pruner).first, 21);
	disk_free = 200;
	CHECK_INT(room_make(&room, KIT_JPEG_BYTES), 20 + removed);
	CHECK_INT(room.removed, 0);
	disk_free = 99;
	gone = room_make(&room, KIT_JPEG_BYTES);
	CHECK_INT(gone, 20 + removed);
	gone = room_make(&room, KIT_JPEG_BYTES);
	CHECK(gone > 20 + removed);
	CHECK_INT(count_frames(path), 40 - (int)removed - (int)room.removed);
	CHECK_INT(pruner_totals(room.pruner).frames, count_frames(path));
	room_close(&room);
	archive_free(archive);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

TEST(since)
{
	struct clock_fake fake = clock_fake(KIT_SLOT);
	struct camera_settings camera = { .keep_days = 0 };
	int64_t midnight = KIT_SLOT - KIT_SLOT % (24 * 60 * KIT_MINUTE);

	CHECK(room_since(&camera, &fake.clock) == TIME_NONE);
	camera.keep_days = 2;
	CHECK_INT(room_since(&camera, &fake.clock), midnight - 2 * 24 * 60 * KIT_MINUTE);
	fake.synced = false;
	CHECK(room_since(&camera, &fake.clock) == TIME_NONE);
}

/* A fetch leaves it to the sync that is under way; without one it does it itself. */
TEST(tidying_up)
{
	struct clock_fake fake = clock_fake(KIT_SLOT + 10 * 24 * 60 * KIT_MINUTE);
	struct camera_settings camera = { .keep_days = 8 };
	struct archive *archive;
	struct room room = { 0 };
	char path[64];
	int lock_fd = -1;

	kit_make_folder(path);
	archive = open_copy(path);
	for (uint64_t seq = 1; seq <= 300; seq++)
		bring(archive, NULL, seq);
	CHECK_INT(archive_lock_copy(archive, 0, &lock_fd), 0);
	room_tidy(&room, archive, &camera, KIT_JPEG_BYTES, &fake.clock);
	CHECK_INT(room.removed, 0);
	CHECK_INT(room.error, 0);
	close(lock_fd);
	room_tidy(&room, archive, &camera, KIT_JPEG_BYTES, &fake.clock);
	CHECK_INT(room.error, 0);
	CHECK_INT(room.removed, ROOM_FRAMES_MAX);
	CHECK_INT(count_frames(path), 300 - ROOM_FRAMES_MAX);
	archive_free(archive);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* What goes wrong with it is told and keeps nobody from fetching. */
TEST(an_archive_that_is_not_ours_now)
{
	struct archive_options options = { .mode = ARCHIVE_READ, .copy = true };
	struct camera_settings camera = { .reserve = -5 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct room room = { 0 };
	char path[64];

	kit_make_folder(path);
	kit_publish_some(path, 3);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	enter(&room, archive, &camera);
	disk_free = 10;
	CHECK_INT(room_make(&room, KIT_JPEG_BYTES), 0);
	CHECK_INT(room.error, -EROFS);
	room_close(&room);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}
