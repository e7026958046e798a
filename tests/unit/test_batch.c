/* SPDX-License-Identifier: MIT */
/* Frames that become durable and visible together. */
#include "common/archive.h"

#include "tests/unit/archive_kit.h"

static int add(struct archive *archive, int64_t slot_us, uint64_t seed)
{
	struct record frame = kit_frame(slot_us);
	uint8_t jpeg[KIT_JPEG_BYTES];

	kit_jpeg(jpeg, seed);
	return archive_batch_add(archive, &frame, jpeg, sizeof(jpeg));
}

TEST(nothing_is_seen_before_the_commit)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_batched done[BATCH_FRAMES_MAX];
	struct record miss = kit_miss(KIT_SLOT), found;
	char path[64];
	int hidden;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	CHECK_INT(archive_batch_commit(archive, done), 0);
	for (int i = 1; i <= 4; i++)
		CHECK_INT(add(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	CHECK_INT(archive_batch_count(archive), 4);
	CHECK_INT(kit_count(path, KIT_DAY, &hidden), 1);
	CHECK_INT(hidden, 4);
	CHECK_INT(kit_newest(path), 1);
	/* a note takes the number before theirs; a frame at once does not go */
	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(miss.seq, 2);
	CHECK_INT(add(archive, KIT_SLOT + 5 * KIT_MINUTE, 5), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), -EBUSY);
	CHECK_INT(archive_batch_commit(archive, done), 5);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(done[i].error, 0);
		CHECK_INT(done[i].record.seq, 3 + i);
		CHECK_INT(done[i].record.slot_us, KIT_SLOT + (i + 1) * KIT_MINUTE);
		CHECK_INT(archive_find(archive, (uint64_t)(3 + i), &found), 0);
		CHECK_INT(memcmp(found.sha256, done[i].record.sha256, SHA256_BYTES), 0);
	}
	CHECK_INT(archive_batch_count(archive), 0);
	CHECK_STR(kit_latest(path), KIT_DAY "/20261120T160600Z-00000007.jpg");
	CHECK_INT(kit_publish(archive, KIT_SLOT + 9 * KIT_MINUTE, 1, &found), 0);
	CHECK_INT(found.seq, 8);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* Each file, the folder, the lines: a letter for each call, see archive_kit.h. */
TEST(one_sync_for_all_lines)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_batched done[BATCH_FRAMES_MAX];
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, &kit_fs, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT, 1, NULL), 0);
	kit_fault_set(0, 0, 0);
	for (int i = 1; i <= 3; i++)
		CHECK_INT(add(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	CHECK_STR(kit_fault.log, "owowow");
	kit_fault_set(0, 0, 0);
	CHECK_INT(archive_batch_commit(archive, done), 3);
	CHECK_STR(kit_fault.log, "scscscrrrswdlr");
	test_remove_folder(path);
}

TEST(refuses)
{
	CLEANUP(archive_freep) struct archive *archive = NULL, *reader = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	struct archive_batched done[BATCH_FRAMES_MAX];
	struct record frame = kit_frame(KIT_SLOT), miss = kit_miss(KIT_SLOT);
	uint8_t jpeg[KIT_JPEG_BYTES];
	char path[64];
	int hidden;

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	kit_jpeg(jpeg, 1);
	CHECK_INT(archive_batch_add(archive, &frame, jpeg, sizeof(jpeg) - 1), -EINVAL);
	CHECK_INT(archive_batch_add(archive, &miss, jpeg, sizeof(jpeg)), -EINVAL);
	CHECK_INT(archive_batch_add(archive, &frame, jpeg, FRAME_BYTES_MAX + 1), -EFBIG);
	frame.was = 1;
	CHECK_INT(archive_batch_add(archive, &frame, jpeg, sizeof(jpeg)), -EINVAL);
	frame = kit_frame(-1);
	CHECK_INT(archive_batch_add(archive, &frame, jpeg, sizeof(jpeg)), -ERANGE);
	CHECK_INT(archive_batch_count(archive), 0);
	frame = kit_frame(KIT_SLOT);
	CHECK_INT(archive_open(path, &read, &reader), 0);
	CHECK_INT(archive_batch_add(reader, &frame, jpeg, sizeof(jpeg)), -EROFS);
	/* full, and another day */
	for (int i = 0; i < BATCH_FRAMES_MAX; i++)
		CHECK_INT(add(archive, KIT_SLOT + i * US_PER_SEC / 10, 1), 0);
	CHECK_INT(add(archive, KIT_SLOT, 1), -EBUSY);
	CHECK_INT(archive_batch_commit(archive, done), BATCH_FRAMES_MAX);
	CHECK_INT(done[BATCH_FRAMES_MAX - 1].record.seq, BATCH_FRAMES_MAX);
	CHECK_INT(add(archive, KIT_SLOT, 1), 0);
	CHECK_INT(add(archive, KIT_SLOT + 24 * 60 * KIT_MINUTE, 1), -EBUSY);
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

TEST(across_two_segments)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_batched done[BATCH_FRAMES_MAX];
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
		CHECK_INT(add(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	CHECK_INT(archive_batch_commit(archive, done), 5);
	for (uint64_t i = 0; i < 5; i++) {
		CHECK_INT(done[i].error, 0);
		CHECK_INT(done[i].record.seq, SEGMENT_LINES - 2 + i);
		CHECK_INT(archive_find(archive, SEGMENT_LINES - 2 + i, &found), 0);
	}
	CHECK(strstr(kit_read(path, "journal/00000001.jsonl"), "\"seq\":100002,") != NULL);
	test_remove_folder(path);
}

TEST(a_name_that_is_taken_costs_one_frame)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_batched done[BATCH_FRAMES_MAX];
	struct record miss = kit_miss(KIT_SLOT);
	char path[64];

	kit_make_folder(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(add(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i), 0);
	kit_write(path, KIT_DAY "/20261120T160200Z-00000002.jpg", "mine", 4, 0);
	CHECK_INT(archive_batch_commit(archive, done), 2);
	CHECK_INT(done[0].error, 0);
	CHECK_INT(done[1].error, -EEXIST);
	/* told of before the rest is committed */
	CHECK_INT(archive_note(archive, &miss), 0);
	CHECK_INT(archive_batch_count(archive), 1);
	CHECK_INT(archive_batch_commit(archive, done), 1);
	CHECK_INT(done[0].error, 0);
	CHECK_INT(done[0].record.seq, 3);
	CHECK_STR(kit_read(path, KIT_DAY "/20261120T160200Z-00000002.jpg"), "mine");
	test_remove_folder(path);
}

/* Runs with the faults set; returns whether one was met. */
static bool run_faulty(int at, int count, int error)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_batched done[BATCH_FRAMES_MAX];
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
		int r = add(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i);

		CHECK(r == 0 || r == -error);
		added += r == 0;
	}
	for (int n = 0; n < added;) {
		int part = (int)archive_batch_commit(archive, done);

		if (!CHECK(part > 0 && n + part <= added))
			break;
		for (int i = 0; i < part; i++) {
			CHECK(done[i].error == 0 || done[i].error == -error);
			want += done[i].error == 0;
			if (done[i].error == 0)
				CHECK_INT(done[i].record.seq, want);
		}
		n += part;
	}
	CHECK_INT(archive_batch_count(archive), 0);
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

/* Of files made visible together a power cut left the first and the last: no number is without a line. */
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
