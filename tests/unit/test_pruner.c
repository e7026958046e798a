/* SPDX-License-Identifier: MIT */
/*
 * Retention on real archives in memory: what goes, what the journal and journal/retention say of
 * it.
 */
#include "common/upkeep/pruner_private.h"

#include "tests/unit/archive_kit.h"
#include "tests/unit/clock_kit.h"

#define DAY (24 * 60 * KIT_MINUTE)
#define BYTES KIT_JPEG_BYTES

static struct clock_fake fake;

/*
 * A disk of 1000 frames, with as many free as a test says; archives have as many inodes as they
 * like.
 */
static int64_t disk_free;

static int fake_statvfs(int fd, struct statvfs *st)
{
	(void)fd;
	*st = (struct statvfs){ .f_blocks = 1000, .f_frsize = BYTES };
	st->f_bavail = (fsblkcnt_t)disk_free;
	return 0;
}

static struct pruner *new_pruner(struct archive *archive, struct retention_settings settings)
{
	struct pruner *p = NULL;

	if (fake.wall_us == 0)
		fake = clock_fake(KIT_SLOT);
	CHECK_INT(pruner_new(archive, &settings, &fake.clock, &p), 0);
	if (p)
		p->statvfs = fake_statvfs;
	return p;
}

static void publish(struct archive *archive, int n, int64_t first_us, int64_t step_us)
{
	for (int i = 0; i < n; i++)
		CHECK_INT(kit_publish(archive, first_us + i * step_us, (uint64_t)i, NULL), 0);
}

/* Whether frame `seq` has its file. */
static bool is_there(struct archive *archive, uint64_t seq)
{
	struct record frame;
	int fd;

	if (archive_find(archive, seq, &frame) < 0 || frame.type != RECORD_FRAME ||
		archive_open_frame(archive, &frame, &fd) < 0)
		return false;
	close(fd);
	return true;
}

static int count_prunes(struct archive *archive)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq;
	size_t len;
	int n = 0;

	CHECK_INT(journal_seek(archive_journal(archive), 1, &cursor), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0)
		n += memmem(line, len, "\"prune\"", 7) != NULL;
	return n;
}

static void remove_state(const char *path)
{
	CHECK_INT(unlink(kit_path(path, "journal/retention")), 0);
}

TEST(an_archive_stays_below_its_size)
{
	struct retention_settings settings = { .max_bytes = 100 * BYTES };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct pruner *p;
	struct pruner_totals before, after;
	struct pruner_removed removed;
	struct verify_totals totals;
	char path[64];
	int most = 0;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	p = new_pruner(archive, settings);
	for (int i = 0; i < 400; i++) {
		CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
		CHECK(removed.frames <= PRUNE_PER_FRAME);
		publish(archive, 1, KIT_SLOT + i * KIT_MINUTE, 0);
		most = pruner_totals(p).frames > most ? (int)pruner_totals(p).frames : most;
	}
	CHECK_INT(pruner_count(p, 1000), 1);
	before = pruner_totals(p);
	CHECK(most > 95 && most <= 100);
	CHECK_INT(before.bytes, before.frames * BYTES);
	CHECK_INT(kit_verify(path, &totals), 0);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.checked, before.frames);
	CHECK_INT(totals.checked + totals.pruned, 400);
	/* a sixteenth at a time, not a line for each frame */
	CHECK(count_prunes(archive) < 400 / 5);
	pruner_free(p);
	/* from its file, and counted again from the journal */
	p = new_pruner(archive, settings);
	after = pruner_totals(p);
	CHECK(after.counted && after.bytes == before.bytes && after.first == before.first);
	pruner_free(p);
	remove_state(path);
	p = new_pruner(archive, settings);
	after = pruner_totals(p);
	CHECK(after.counted && after.bytes == before.bytes && after.first == before.first);
	CHECK_INT(after.frames, before.frames);
	pruner_free(p);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(the_newest_frame_stays)
{
	struct retention_settings settings = { .max_bytes = 1, .keep_days = 1, .reserve = -90 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *p = NULL;
	struct pruner_removed removed;
	char path[64];

	disk_free = 0;
	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	publish(archive, 3, KIT_SLOT - 40 * DAY, KIT_MINUTE);
	p = new_pruner(archive, settings);
	for (int i = 0; i < 3; i++)
		CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
	CHECK_INT(pruner_force(p, BYTES, &removed), -ENOSPC);
	CHECK(!is_there(archive, 1) && !is_there(archive, 2) && is_there(archive, 3));
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(old_days_go_whole)
{
	struct retention_settings settings = { .keep_days = 2 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *p = NULL;
	struct pruner_removed removed;
	uint64_t sum = 0;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int day = 5; day >= 0; day--)
		publish(archive, 50, KIT_SLOT - day * DAY, KIT_MINUTE);
	fake = clock_fake(KIT_SLOT);
	fake.synced = false;
	p = new_pruner(archive, settings);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
		CHECK_INT(removed.frames, 0);
	}
	fake.synced = true;
	for (int i = 0; i < 8; i++) {
		CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
		CHECK(removed.frames <= PRUNE_PER_FRAME);
		CHECK(removed.frames == 0 || removed.why == RETENTION_AGE);
		sum += removed.frames;
	}
	CHECK_INT(sum, 150);
	CHECK_INT(kit_count(path, "2026/11", NULL), 3);
	CHECK(!is_there(archive, 150) && is_there(archive, 151));
	CHECK_INT(pruner_totals(p).first, 151);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(an_emergency_makes_room_whatever_is_known)
{
	struct retention_settings settings = { .reserve = -5 }, none = { .max_bytes = 1 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *p = NULL;
	struct pruner_removed removed;
	char path[64];

	disk_free = 900;
	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	publish(archive, 100, KIT_SLOT, US_PER_SEC);
	p = new_pruner(archive, settings);
	CHECK_INT(pruner_force(p, 40 * BYTES, &removed), 0);
	CHECK_INT(removed.frames, 80);
	CHECK_INT(removed.why, RETENTION_SPACE);
	pruner_set(p, &none);
	CHECK_INT(pruner_force(p, BYTES, &removed), -ENOSPC);
	CHECK_INT(removed.frames, 0);
	test_remove_folder(path);
}

TEST(files_that_a_person_deleted)
{
	struct retention_settings settings = { .max_bytes = 20 * BYTES };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *p = NULL;
	struct pruner_removed removed;
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	publish(archive, 40, KIT_SLOT, KIT_MINUTE);
	for (int seq = 1; seq <= 40; seq++) {
		char file[100];

		if (seq > 10 && seq % 2)
			continue;
		snprintf(file, sizeof(file), KIT_DAY "/20261120T16%02d00Z-%08d.jpg", seq, seq);
		CHECK_INT(unlink(kit_path(path, file)), 0);
	}
	p = new_pruner(archive, settings);
	for (int i = 0; i < 5; i++)
		CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
	CHECK_INT(pruner_count(p, 100), 1);
	/*
	 * 19 at most are said to be there; of the last ones half are not, which nobody has seen yet
	 */
	CHECK(pruner_totals(p).frames <= 19 && pruner_totals(p).frames >= 17);
	CHECK_INT(pruner_totals(p).bytes, pruner_totals(p).frames * BYTES);
	CHECK(!is_there(archive, 11));
	CHECK(is_there(archive, 39));
	test_remove_folder(path);
}

/*
 * Many lines and no journal/retention: counted some at a time, and nothing goes before that is
 * done.
 */
TEST(counting_is_bounded)
{
	struct retention_settings settings = { .max_bytes = BYTES };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *p = NULL;
	struct record miss = kit_miss(KIT_SLOT);
	char path[64], line[LINE_MAX_BYTES + 1];
	struct pruner_removed removed;
	int n = 0, length;

	kit_make_folder(path);
	kit_publish_some(path, 5);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (miss.seq = 6; miss.seq < 3 * COUNT_LINES; miss.seq++) {
		length = record_format(&miss, line);
		CHECK_INT(journal_append(
				  archive_journal(archive), miss.seq, line, (size_t)length, false),
			0);
	}
	archive_free(TAKE_PTR(archive));
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	p = new_pruner(archive, settings);
	while (!pruner_totals(p).counted && n < 10) {
		CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
		CHECK(removed.frames == 0 || pruner_totals(p).counted);
		n++;
	}
	CHECK_INT(n, 2);
	CHECK_INT(pruner_totals(p).frames, 1);
	CHECK(!is_there(archive, 4) && is_there(archive, 5));
	pruner_free(TAKE_PTR(p));
	CHECK(strstr(kit_read(path, "journal/retention"), "\"next\":15000,\"first\":5,") != NULL);
	/* nothing is counted twice */
	p = new_pruner(archive, settings);
	CHECK(pruner_totals(p).counted);
	CHECK_INT(pruner_totals(p).frames, 1);
	test_remove_folder(path);
}

TEST(a_state_that_is_none_of_ours)
{
	static const char *const states[] = {
		"",
		"{",
		"[]",
		"{\"format\":2,\"next\":1,\"first\":1,\"gone\":0,\"bytes\":0,\"frames\":0}",
		"{\"format\":1,\"next\":-1,\"first\":1,\"gone\":0,\"bytes\":0,\"frames\":0}",
		"{\"format\":1,\"next\":1,\"first\":\"1\",\"gone\":0,\"bytes\":0,\"frames\":0}",
		"{\"format\":1,\"next\":1,\"first\":1,\"gone\":0,\"bytes\":0}",
		/* of a journal that was longer */
		"{\"format\":1,\"next\":5,\"first\":5,\"gone\":4,\"bytes\":0,\"frames\":0}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		struct pruner *p;
		char path[64];

		kit_make_folder(path);
		kit_publish_some(path, 3);
		kit_write(path, "journal/retention", states[i], strlen(states[i]), 0);
		CHECK_INT(kit_open(path, NULL, &archive), 0);
		p = new_pruner(archive, (struct retention_settings){ 0 });
		CHECK_INT(pruner_totals(p).frames, 3);
		CHECK_INT(pruner_totals(p).bytes, 3 * BYTES);
		pruner_free(p);
		CHECK_STR(kit_read(path, "journal/retention"),
			"{\"format\":1,\"next\":4,\"first\":0,\"gone\":0,\"bytes\":9000,"
			"\"frames\":3}\n");
		CHECK_INT(kit_findings(path), 0);
		test_remove_folder(path);
	}
}

/* Whatever call fails: no file is gone without its line, and it goes on when the disk is back. */
TEST(a_failing_disk)
{
	static const int errors[] = { ENOSPC, EIO, EROFS };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		int at = 1;

		for (bool met = true; met; at++) {
			struct retention_settings settings = { .max_bytes = 10 * BYTES };
			CLEANUP(archive_freep) struct archive *archive = NULL;
			CLEANUP(pruner_freep) struct pruner *p = NULL;
			struct pruner_removed removed;
			char path[64];

			kit_make_folder(path);
			CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
			publish(archive, 12, KIT_SLOT - DAY, KIT_MINUTE);
			p = new_pruner(archive, settings);
			kit_fault_set(at, 1, errors[e]);
			pruner_make_room(p, BYTES, &removed);
			met = kit_fault.calls >= at;
			kit_fault_set(0, 0, 0);
			CHECK_INT(kit_findings(path), 0);
			for (int i = 0; i < 2; i++)
				CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
			CHECK(pruner_totals(p).frames <= 10);
			CHECK_INT(kit_findings(path), 0);
			test_remove_folder(path);
		}
		CHECK(at > 4);
	}
}

static void bring(struct archive *archive, struct pruner *p, uint64_t seq)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	int64_t slot_us = KIT_SLOT - 10 * DAY + (int64_t)seq * 60 * KIT_MINUTE;
	uint8_t jpeg[BYTES];
	struct record frame = kit_sent(seq, slot_us, jpeg);

	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, sizeof(jpeg)), 0);
	CHECK_INT(kit_commit(archive, partial), 0);
	pruner_stored(p, &frame);
}

/* Frames arrive in any order; the oldest of what is there go, their lines stay. */
TEST(a_copy)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .id = KIT_ID, .copy = true };
	struct retention_settings settings = { .keep_days = 5 };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(pruner_freep) struct pruner *p = NULL;
	struct pruner_removed removed;
	uint64_t gone = 0;
	char path[64];

	kit_make_folder(path);
	fake = clock_fake(KIT_SLOT);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	p = new_pruner(archive, settings);
	/* the newest, then the backlog, newest first; 240 hours are ten days */
	bring(archive, p, 240);
	for (uint64_t seq = 230; seq > 10; seq -= 10)
		bring(archive, p, seq);
	CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
	/* 16:01 ten days ago and 10 h times n: before midnight five days ago are 20 to 100 */
	CHECK_INT(removed.frames, 9);
	CHECK(!is_there(archive, 100) && is_there(archive, 110));
	CHECK_INT(count_prunes(archive), 0);
	CHECK_INT(journal_holds(archive_journal(archive), 50), 1);
	CHECK_INT(pruner_totals(p).frames, 14);
	CHECK_INT(pruner_totals(p).bytes, 14 * BYTES);
	/* one more of the old ones comes late, and goes */
	bring(archive, p, 15);
	CHECK_INT(pruner_make_room(p, BYTES, &removed), 0);
	CHECK_INT(removed.frames, 1);
	CHECK(!is_there(archive, 15));
	CHECK_INT(pruner_totals(p).frames, 14);
	pruner_free(TAKE_PTR(p));
	CHECK_INT(pruner_gone(archive, &gone), 0);
	CHECK_INT(gone, 100);
	p = new_pruner(archive, settings);
	CHECK_INT(pruner_totals(p).frames, 14);
	CHECK_STR(strrchr(kit_latest(path), '-'), "-00000240.jpg");
	test_remove_folder(path);
}

TEST(ballast)
{
	CLEANUP(archive_freep) struct archive *archive = NULL, *reader = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	char path[64];
	struct stat st;

	kit_make_folder(path);
	kit_publish_some(path, 1);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(archive_ballast_release(archive), -ENOENT);
	CHECK_INT(archive_ballast_make(archive), 0);
	CHECK_INT(archive_ballast_make(archive), 0);
	CHECK_INT(stat(kit_path(path, "journal/ballast"), &st), 0);
	CHECK(st.st_blocks * 512 >= BALLAST_BYTES);
	CHECK_INT(kit_findings(path), 0);
	CHECK_INT(archive_open(path, &read, &reader), 0);
	CHECK_INT(archive_ballast_make(reader), -EROFS);
	CHECK_INT(archive_ballast_release(archive), 0);
	CHECK_INT(access(kit_path(path, "journal/ballast"), F_OK), -1);
	/* one that is not whole, as a crash leaves it */
	kit_write(path, "journal/ballast", "", 0, 0);
	CHECK_INT(archive_ballast_make(archive), 0);
	CHECK_INT(stat(kit_path(path, "journal/ballast"), &st), 0);
	CHECK(st.st_blocks * 512 >= BALLAST_BYTES);
	test_remove_folder(path);
}

/* The line finds no space: the ballast goes, and it is tried once more. */
TEST(ballast_is_given_up_for_a_line)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		struct record miss = kit_miss(KIT_SLOT);
		bool space = errors[e] != EIO;
		char path[64];

		kit_make_folder(path);
		CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
		CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
		CHECK_INT(archive_ballast_make(archive), 0);
		kit_fault_set(1, 1, errors[e]);
		CHECK_INT(archive_note(archive, &miss), space ? 0 : -EIO);
		CHECK_INT(access(kit_path(path, "journal/ballast"), F_OK), space ? -1 : 0);
		CHECK_INT(kit_findings(path), 0);
		kit_fault_set(0, 0, 0);
		test_remove_folder(path);
	}
}
