/* SPDX-License-Identifier: MIT */
/* Frames that become durable and visible together. */
#include "common/archive/archive.h"

#include "tests/unit/archive_kit.h"

TEST(nothing_is_seen_before_the_commit)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct kit_batch batch = { 0 };
	struct record miss = kit_miss(KIT_SLOT), found;
	char path[64];
	int hidden;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	CHECK_INT(kit_commit_batch(archive, &batch), 0);
	for (int i = 1; i <= 4; i++)
		CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	CHECK_INT(batch.n, 4);
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 1);
	CHECK_INT(hidden, 4);
	CHECK_INT(kit_newest(path), 1);
	/* a note and a frame that is published at once take the numbers before theirs */
	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(miss.seq, 2);
	CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + 5 * KIT_MINUTE, 5), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, &found), 0);
	CHECK_INT(found.seq, 3);
	CHECK_INT(kit_commit_batch(archive, &batch), 5);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(batch.errors[i], 0);
		CHECK_INT(batch.done[i].seq, 4 + i);
		CHECK_INT(batch.done[i].slot_us, KIT_SLOT + (i + 1) * KIT_MINUTE);
		CHECK_INT(archive_find(archive, (uint64_t)(4 + i), &found), 0);
		CHECK_INT(memcmp(found.sha256, batch.done[i].sha256, SHA256_BYTES), 0);
	}
	CHECK_INT(batch.n, 0);
	CHECK_STR(kit_latest(path), KIT_DAY "/20261120T160600Z-00000008.jpg");
	CHECK_INT(kit_publish(archive, KIT_SLOT + 9 * KIT_MINUTE, 1, &found), 0);
	CHECK_INT(found.seq, 9);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* Each file, the folder, the lines: a letter for each call, see archive_kit.h. */
TEST(one_sync_for_all_lines)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct kit_batch batch = { 0 };
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	kit_fault_set(0, 0, 0);
	for (int i = 1; i <= 3; i++)
		CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	CHECK_STR(kit_fault.log, "owowow");
	kit_fault_set(0, 0, 0);
	CHECK_INT(kit_commit_batch(archive, &batch), 3);
	CHECK_STR(kit_fault.log, "scscscrrrswdlr");
	test_remove_folder(path);
}

TEST(what_is_refused)
{
	CLEANUP(archive_freep) struct archive *archive = NULL, *reader = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	struct kit_batch batch = { 0 };
	struct record frame = kit_frame(KIT_SLOT), miss = kit_miss(KIT_SLOT);
	struct partial *partial = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	char path[64];
	int hidden;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	kit_jpeg(jpeg, 1);
	CHECK_INT(partial_stage(archive, &frame, jpeg, sizeof(jpeg) - 1, &partial), -EINVAL);
	CHECK_INT(partial_stage(archive, &miss, jpeg, sizeof(jpeg), &partial), -EINVAL);
	CHECK_INT(partial_stage(archive, &frame, jpeg, FRAME_BYTES_MAX + 1, &partial), -EFBIG);
	frame = kit_frame(-1);
	CHECK_INT(partial_stage(archive, &frame, jpeg, sizeof(jpeg), &partial), -ERANGE);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), -1);
	frame = kit_frame(KIT_SLOT);
	CHECK_INT(archive_open(path, &read, &reader), 0);
	CHECK_INT(partial_stage(reader, &frame, jpeg, sizeof(jpeg), &partial), -EROFS);
	for (int i = 0; i < BATCH_FRAMES_MAX; i++)
		CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + i * US_PER_SEC / 10, 1), 0);
	CHECK_INT(kit_commit_batch(archive, &batch), BATCH_FRAMES_MAX);
	CHECK_INT(batch.done[BATCH_FRAMES_MAX - 1].seq, BATCH_FRAMES_MAX);
	CHECK_INT(kit_stage(archive, &batch, KIT_SLOT, 1), 0);
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), BATCH_FRAMES_MAX);
	CHECK_INT(hidden, 1);
	/* what was not committed is gone with its archive */
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), BATCH_FRAMES_MAX);
	CHECK_INT(hidden, 0);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* Midnight, and a frame that takes another's place, which is announced alone. */
TEST(across_two_days)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame = kit_frame(KIT_SLOT + 5 * KIT_MINUTE), found;
	struct kit_batch batch = { 0 };
	uint8_t jpeg[KIT_JPEG_BYTES];
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	for (int i = 1; i <= 4; i++)
		CHECK_INT(kit_stage(archive, &batch,
				  KIT_SLOT + (i + 24 * 60 * (i / 3)) * KIT_MINUTE, (uint64_t)i),
			0);
	kit_jpeg(jpeg, 1);
	frame.was = 1;
	CHECK_INT(
		partial_stage(archive, &frame, jpeg, sizeof(jpeg), &batch.partials[batch.n++]), 0);
	CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + 6 * KIT_MINUTE, 6), 0);
	CHECK_INT(kit_commit_batch(archive, &batch), 6);
	for (uint64_t i = 0; i < 6; i++) {
		CHECK_INT(batch.errors[i], 0);
		CHECK_INT(batch.done[i].seq, 2 + i);
	}
	CHECK_INT(kit_count(path, KIT_DAY, NULL), 5);
	CHECK_INT(kit_count(path, "2026/11/21", NULL), 2);
	CHECK_STR(kit_read(path, "journal/folder"), KIT_DAY "\n");
	CHECK(strstr(kit_read(path, "journal/redate"), "\"seq\":6,") != NULL);
	CHECK_INT(archive_find(archive, 6, &found), 0);
	CHECK_INT(found.was, 1);
	CHECK_INT(archive_finish_redate(archive), 0);
	CHECK_INT(archive_open_frame(archive, &batch.done[5], &(int){ -1 }), 0);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(across_two_segments)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct kit_batch batch = { 0 };
	struct record miss = kit_miss(KIT_SLOT), found;
	char path[64], line[LINE_MAX_BYTES + 1];
	int n;

	kit_make_folder(path);
	kit_publish_some(path, 1);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	miss.seq = SEGMENT_LINES - 3;
	n = record_format(&miss, line);
	CHECK_INT(journal_append(archive_journal(archive), miss.seq, line, (size_t)n, true), 0);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 1; i <= 5; i++)
		CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	CHECK_INT(kit_commit_batch(archive, &batch), 5);
	for (uint64_t i = 0; i < 5; i++) {
		CHECK_INT(batch.errors[i], 0);
		CHECK_INT(batch.done[i].seq, SEGMENT_LINES - 2 + i);
		CHECK_INT(archive_find(archive, SEGMENT_LINES - 2 + i, &found), 0);
	}
	CHECK(strstr(kit_read(path, "journal/00000001.jsonl"), "\"seq\":100002,") != NULL);
	test_remove_folder(path);
}

TEST(a_name_that_is_taken_costs_one_frame)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct kit_batch batch = { 0 };
	struct record miss = kit_miss(KIT_SLOT);
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(kit_stage(archive, &batch, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	kit_write(path, KIT_DAY "/20261120T160200Z-00000002.jpg", "mine", 4, 0);
	CHECK_INT(kit_commit_batch(archive, &batch), 2);
	CHECK_INT(batch.errors[0], 0);
	CHECK_INT(batch.errors[1], -EEXIST);
	/* told of before the rest is committed */
	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(batch.n, 1);
	CHECK_INT(kit_commit_batch(archive, &batch), 1);
	CHECK_INT(batch.errors[0], 0);
	CHECK_INT(batch.done[0].seq, 3);
	CHECK_STR(kit_read(path, KIT_DAY "/20261120T160200Z-00000002.jpg"), "mine");
	test_remove_folder(path);
}

/* Runs with the faults set; returns whether one was met. */
static bool run_faulty(int at, int count, int error)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct kit_batch batch = { 0 };
	int failures = test_failures, added = 0;
	struct record frame;
	uint64_t want = 1;
	char path[64];
	bool met;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	kit_fault_set(at, count, error);
	for (int i = 1; i <= 3; i++) {
		int r = kit_stage(archive, &batch, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i);

		CHECK(r == 0 || r == -error);
		added += r == 0;
	}
	for (int n = 0; n < added;) {
		int part = (int)kit_commit_batch(archive, &batch);

		if (!CHECK(part > 0 && n + part <= added))
			break;
		for (int i = 0; i < part; i++) {
			CHECK(batch.errors[i] == 0 || batch.errors[i] == -error);
			want += batch.errors[i] == 0;
			if (batch.errors[i] == 0)
				CHECK_INT(batch.done[i].seq, want);
		}
		n += part;
	}
	CHECK_INT(batch.n, 0);
	met = kit_fault.calls >= at;
	if (count == 1) {
		CHECK_INT(kit_newest(path), want);
		/* hidden files of which two could not be removed are swept by the next opening */
		archive_freep(&archive);
		archive = NULL;
	}
	kit_fault_set(0, 0, 0);
	if (!archive)
		CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 9 * KIT_MINUTE, 3, &frame), 0);
	archive_freep(&archive);
	archive = NULL;
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
	if (test_failures > failures)
		fprintf(stderr, "  %s from call %d, %d times\n", strerror(error), at, count);
	return met;
}

TEST(every_call_fails)
{
	static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		for (int count = 1; count < 2000; count += 1000) {
			int at = 1;

			while (at < 100 && run_faulty(at, count, errors[e]))
				at++;
			CHECK(at > 10 && at < 100);
		}
	}
}

/*
 * Of files made visible together a power cut left the first and the last: no number is without a
 * line.
 */
TEST(a_gap_in_what_is_left)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record found;
	char path[64];

	kit_make_folder(path);
	kit_publish_some(path, 2);
	kit_jpeg(jpeg, 3);
	kit_write(path, KIT_DAY "/20261120T160300Z-00000003.jpg", jpeg, sizeof(jpeg), 0);
	kit_write(path, KIT_DAY "/20261120T160600Z-00000006.jpg", jpeg, sizeof(jpeg), 0);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(archive_repairs(archive)->lines_restored, 2);
	CHECK_INT(archive_find(archive, 4, &found), 0);
	CHECK_INT(found.type, RECORD_OTHER);
	CHECK_INT(archive_find(archive, 6, &found), 0);
	CHECK_INT(found.type, RECORD_FRAME);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 9 * KIT_MINUTE, 3, &found), 0);
	CHECK_INT(found.seq, 7);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}
