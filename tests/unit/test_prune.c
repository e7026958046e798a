/* SPDX-License-Identifier: MIT */
/* Taking frames away, and frames that take the place of others. */
#include "common/archive/archive.h"

#include "tests/unit/archive_kit.h"

#define DAY (24 * 60 * KIT_MINUTE)

/* Frames 1 to 3 on one day, a miss, frames 5 and 6 on two others. */
static void make_archive(const char *path, const struct fs_ops *fs, struct archive **ret)
{
	struct record miss = kit_miss(KIT_SLOT);

	CHECK_INT(kit_open(path, fs, ret), 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(kit_publish(*ret, KIT_SLOT + i * KIT_MINUTE, 1, NULL), 0);
	CHECK_INT(archive_note(*ret, &miss), 0);
	CHECK_INT(kit_publish(*ret, KIT_SLOT + DAY, 5, NULL), 0);
	CHECK_INT(kit_publish(*ret, KIT_SLOT + 40 * DAY, 6, NULL), 0);
}

TEST(a_range_goes_and_the_journal_tells_why)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_pruned pruned;
	struct verify_totals totals;
	struct record line;
	char path[64];

	kit_make_folder(path);
	make_archive(path, NULL, &archive);
	CHECK_INT(archive_prune(archive, 1, 2, "space", &pruned), 0);
	CHECK_INT(pruned.count, 2);
	CHECK_INT(pruned.bytes, 2 * KIT_JPEG_BYTES);
	CHECK_INT(pruned.left, 0);
	CHECK_INT(archive_find(archive, 7, &line), 0);
	CHECK_INT(line.type, RECORD_PRUNE);
	CHECK_STR(line.text, "space");
	CHECK_INT(line.first_seq, 1);
	CHECK_INT(line.last_seq, 2);
	CHECK_INT(line.count, 2);
	CHECK_INT(line.bytes, 2 * KIT_JPEG_BYTES);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), 1);
	/* over two days and what is gone already; a folder that is empty by it goes as well */
	CHECK_INT(archive_prune(archive, 1, 5, "age", &pruned), 0);
	CHECK_INT(pruned.count, 2);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), -1);
	CHECK_INT(kit_count(path, "2026", NULL), 1);
	CHECK_INT(kit_verify(path, &totals), 0);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.pruned, 4);
	CHECK_INT(totals.checked, 1);
	/* a frame of a folder that was removed */
	CHECK_INT(kit_publish(archive, KIT_SLOT + DAY, 7, NULL), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 40 * DAY, 7, NULL), 0);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

TEST(a_folder_that_others_use_stays)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_pruned pruned;
	struct verify_totals totals;
	char path[64];

	kit_make_folder(path);
	make_archive(path, NULL, &archive);
	kit_write(path, KIT_DAY "/Thumbs.db", "x", 1, 0);
	CHECK_INT(archive_prune(archive, 1, 4, "age", &pruned), 0);
	CHECK_INT(pruned.count, 3);
	CHECK_INT(pruned.left, 0);
	CHECK_STR(kit_read(path, KIT_DAY "/Thumbs.db"), "x");
	CHECK_INT(kit_verify(path, &totals), 0);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.found[VERIFY_NOT_OURS], 1);
	test_remove_folder(path);
}

TEST(refuses)
{
	CLEANUP(archive_freep) struct archive *archive = NULL, *reader = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	struct archive_pruned pruned;
	char path[64];
	uint64_t last;

	kit_make_folder(path);
	make_archive(path, NULL, &archive);
	CHECK_INT(archive_prune(archive, 0, 1, "age", &pruned), -EINVAL);
	CHECK_INT(archive_prune(archive, 2, 1, "age", &pruned), -EINVAL);
	CHECK_INT(archive_prune(archive, 1, PRUNE_LINES_MAX + 1, "age", &pruned), -EINVAL);
	CHECK_INT(archive_prune(archive, 5, 6, "age", &pruned), -EBUSY);
	CHECK_INT(archive_prune(archive, 4, 4, "age", &pruned), -ENOENT);
	CHECK_INT(archive_prune(archive, 7, 9, "age", &pruned), -ENOENT);
	CHECK_INT(archive_prune(archive, 1, 1, "", &pruned), -ERANGE);
	CHECK_INT(archive_open(path, &read, &reader), 0);
	CHECK_INT(archive_prune(reader, 1, 1, "age", &pruned), -EROFS);
	CHECK_INT(journal_last(archive_journal(archive), &last), 0);
	CHECK_INT(last, 6);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), 3);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* Whatever call fails: no file is gone without its line. */
TEST(a_failing_disk)
{
	int at = 1;

	for (bool met = true; met; at++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		struct archive_pruned pruned = { 0 };
		char path[64];
		int r;

		kit_make_folder(path);
		make_archive(path, &kit_fs, &archive);
		kit_fault_set(at, 1, EIO);
		r = archive_prune(archive, 1, 5, "space", &pruned);
		met = kit_fault.calls >= at;
		kit_fault_set(0, 0, 0);
		CHECK(r == 0 || r == -EIO);
		CHECK_INT(kit_findings(path), 0);
		if (r < 0)
			CHECK_INT(archive_prune(archive, 1, 5, "space", &pruned), 0);
		CHECK_INT(pruned.count, 4);
		/* what could not be removed is removed by the next opening */
		archive_free(archive);
		archive = NULL;
		CHECK_INT(kit_open(path, NULL, &archive), 0);
		CHECK(kit_count(path, KIT_DAY, NULL) <= 0);
		CHECK_INT(kit_findings(path), 0);
		test_remove_folder(path);
	}
	CHECK(at > 8);
}

static int publish_dated(struct archive *archive, int64_t slot_us, uint64_t was, struct record *ret)
{
	uint8_t jpeg[KIT_JPEG_BYTES];

	*ret = kit_frame(slot_us);
	ret->was = was;
	kit_jpeg(jpeg, was);
	return archive_publish(archive, ret, jpeg, sizeof(jpeg));
}

TEST(latest_follows_what_was_taken_last)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_pruned pruned;
	struct record frame;
	char path[64];

	kit_make_folder(path);
	make_archive(path, NULL, &archive);
	CHECK_INT(publish_dated(archive, KIT_SLOT + 50 * DAY, 5, &frame), 0);
	CHECK_INT(frame.seq, 7);
	CHECK_STR(kit_latest(path), "2026/12/30/20261230T160100Z-00000006.jpg");
	CHECK_INT(archive_prune(archive, 5, 5, PRUNE_REDATED, &pruned), 0);
	CHECK_INT(archive_prune(archive, 6, 6, PRUNE_REDATED, &pruned), -EBUSY);
	CHECK_INT(publish_dated(archive, KIT_SLOT + 60 * DAY, 6, &frame), 0);
	CHECK_INT(frame.seq, 9);
	CHECK_STR(kit_latest(path), "2027/01/19/20270119T160100Z-00000009.jpg");
	CHECK_INT(archive_prune(archive, 6, 6, PRUNE_REDATED, &pruned), 0);
	CHECK_INT(kit_findings(path), 0);
	/* the same after opening it again */
	archive_free(archive);
	archive = NULL;
	CHECK_INT(unlink(kit_path(path, "latest.jpg")), 0);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_STR(kit_latest(path), "2027/01/19/20270119T160100Z-00000009.jpg");
	CHECK_INT(kit_newest(path), 9);
	test_remove_folder(path);
}

/*
 * A crash before the prune line, and one between it and the file; the old file may be damaged too.
 */
TEST(opening_finishes_what_was_begun)
{
	for (int i = 0; i < 4; i++) {
		const int told = i % 2, damaged = i / 2;
		CLEANUP(archive_freep) struct archive *archive = NULL;
		struct archive_pruned pruned;
		struct record frame, line;
		uint8_t jpeg[KIT_JPEG_BYTES];
		char path[64];

		kit_make_folder(path);
		make_archive(path, NULL, &archive);
		CHECK_INT(publish_dated(archive, KIT_SLOT + 50 * DAY, 1, &frame), 0);
		if (told)
			CHECK_INT(archive_prune(archive, 1, 1, PRUNE_REDATED, &pruned), 0);
		CHECK_INT(kit_publish(archive, KIT_SLOT + 51 * DAY, 8, NULL), 0);
		archive_free(archive);
		archive = NULL;
		kit_jpeg(jpeg, 1);
		if (told)
			kit_write(path, KIT_FIRST, jpeg, sizeof(jpeg), 0);
		if (damaged)
			CHECK_INT(truncate(kit_path(path, KIT_FIRST), 99), 0);
		CHECK_INT(kit_count(path, KIT_DAY, NULL), 3);
		CHECK_INT(kit_open(path, NULL, &archive), 0);
		CHECK_INT(kit_count(path, KIT_DAY, NULL), 2);
		CHECK_INT(kit_findings(path), 0);
		CHECK_INT(archive_find(archive, told ? 10 : 9, &line), told ? -ENOENT : 0);
		if (!told) {
			CHECK_STR(line.text, PRUNE_REDATED);
			CHECK_INT(line.first_seq, 1);
			CHECK_INT(line.last_seq, 1);
		}
		test_remove_folder(path);
	}
}

/* The line of a dated frame was lost: it comes back as it was, not as a recovered one. */
TEST(lost_line_of_a_dated_frame)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame, line;
	const char *journal, *last;
	char path[64];

	kit_make_folder(path);
	make_archive(path, NULL, &archive);
	CHECK_INT(publish_dated(archive, KIT_SLOT + 50 * DAY, 1, &frame), 0);
	archive_free(archive);
	archive = NULL;
	journal = kit_read(path, "journal/00000000.jsonl");
	last = strstr(journal, "{\"seq\":7");
	if (!CHECK(last != NULL))
		return;
	kit_write(path, "journal/00000000.jsonl", journal, (size_t)(last - journal), O_TRUNC);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK_INT(archive_repairs(archive)->lines_restored, 1);
	CHECK_INT(archive_find(archive, 7, &line), 0);
	CHECK_INT(line.was, 1);
	CHECK_INT(line.recovered, false);
	CHECK_INT(line.late_us, 412);
	CHECK_INT(kit_count(path, KIT_DAY, NULL), 2);
	CHECK_INT(kit_findings(path), 0);
	test_remove_folder(path);
}

/* What is written there is only believed where it fits the file. */
TEST(journal_redate_is_nonsense)
{
	static const char *const texts[] = {
		"", "x", "{\"seq\":7}\n",
		"{\"seq\":2,\"slot\":\"2026-11-20T16:02:00Z\",\"file\":"
		"\"20261120T160200Z-00000002.jpg\",\"bytes\":4,\"sha256\":"
		"\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"was\":1}\n"
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		char path[64];

		kit_make_folder(path);
		make_archive(path, NULL, &archive);
		archive_free(archive);
		archive = NULL;
		kit_write(path, "journal/redate", texts[i], strlen(texts[i]), 0);
		CHECK_INT(kit_open(path, NULL, &archive), 0);
		CHECK_INT(kit_count(path, KIT_DAY, NULL), 3);
		CHECK_INT(kit_findings(path), 0);
		test_remove_folder(path);
	}
}
