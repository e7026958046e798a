/* SPDX-License-Identifier: MIT */
/* What must hold after any crash, for the tests that make crashes. */
#pragma once

#include "tests/unit/archive_kit.h"

/* The picture of a number is kit_jpeg(number) in all of these. */
__attribute__((unused)) static bool crash_publish(
	struct archive *archive, uint64_t seq, int64_t slot_us, volatile uint64_t *stored)
{
	struct record frame;

	if (kit_publish(archive, slot_us, seq, &frame) < 0 || frame.seq != seq)
		return false;
	if (stored)
		*stored = seq;
	return true;
}

/* Publishes the picture of its number in the place of the frame `was`, and prunes that. */
__attribute__((unused)) static bool crash_redate(struct archive *archive, uint64_t seq,
	int64_t slot_us, uint64_t was, volatile uint64_t *stored)
{
	struct record frame = kit_frame(slot_us);
	struct archive_pruned pruned;
	uint8_t jpeg[KIT_JPEG_BYTES];

	kit_jpeg(jpeg, seq);
	frame.was = was;
	if (archive_publish(archive, &frame, jpeg, sizeof(jpeg)) < 0 || frame.seq != seq)
		return false;
	if (stored)
		*stored = seq;
	return archive_prune(archive, was, was, PRUNE_REDATED, &pruned) == 0 && pruned.count == 1;
}

/* `n` frames together, from that number on. */
__attribute__((unused)) static bool crash_batch(
	struct archive *archive, uint64_t first, int n, int64_t slot_us, volatile uint64_t *stored)
{
	struct kit_batch batch = { 0 };

	for (int i = 0; i < n; i++) {
		if (kit_stage(archive, &batch, slot_us + i * KIT_MINUTE, first + (uint64_t)i) < 0)
			return false;
	}
	if (kit_commit_batch(archive, &batch) != (unsigned)n)
		return false;
	for (int i = 0; i < n; i++) {
		if (batch.errors[i] < 0 || batch.done[i].seq != first + (uint64_t)i)
			return false;
	}
	if (stored)
		*stored = first + (uint64_t)n - 1;
	return true;
}

/* What one interrupted call can leave: a frame without its line, or as many as a batch has. */
static uint64_t crash_unlined = 1;

/* No frame is there both with its old date and with its new one. */
static void crash_check_dated(struct archive *archive)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct record frame, old;
	const char *line;
	size_t len;
	uint64_t seq;
	int fd;

	CHECK_INT(journal_seek(archive_journal(archive), 1, &cursor), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		if (record_parse(line, len, &frame) < 0 || frame.was == 0)
			continue;
		CHECK_INT(archive_find(archive, frame.was, &old), 0);
		CHECK_INT(archive_open_frame(archive, &old, &fd), -ENOENT);
	}
}

/* A frame that goes on from where the journal ends; then all must be clean. */
__attribute__((unused)) static void crash_repair(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record last, frame;
	uint64_t seq = 0;

	CHECK_INT(kit_open(path, NULL, &archive), 0);
	if (!archive)
		return;
	CHECK_INT(journal_last(archive_journal(archive), &seq), 0);
	CHECK(seq == 0 || archive_find(archive, seq, &last) == 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 48 * 60 * KIT_MINUTE, seq + 1, &frame), 0);
	CHECK_INT(frame.seq, seq + 1);
}

__attribute__((unused)) static int crash_bring(
	const char *path, const struct fs_ops *fs, uint64_t seq, int64_t slot_us)
{
	struct archive_options options = {
		.mode = ARCHIVE_WRITE, .id = KIT_ID, .copy = true, .fs = fs
	};
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(partial_freep) struct partial *partial = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_sent(seq, slot_us, jpeg);
	int r = archive_open(path, &options, &archive);

	if (r == 0)
		r = partial_resume(archive, &frame, 0, &partial);
	if (r == 0)
		r = partial_write(partial, jpeg, 1000);
	if (r == 0)
		r = partial_write(partial, jpeg + 1000, sizeof(jpeg) - 1000);
	if (r == 0)
		r = kit_commit(archive, partial);
	/* free the partial before its archive */
	partial_freep(&partial);
	partial = NULL;
	return r;
}

/* Every visible picture is the whole picture of its number. */
static int crash_check_picture(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	const char *name = path + ftw->base;
	uint8_t want[KIT_JPEG_BYTES];
	struct frame_name parsed;

	(void)st;
	if (flag != FTW_F || name[0] == '.' || !strstr(name, ".jpg"))
		return 0;
	if (!CHECK(frame_name_parse(name, strlen(name), &parsed) == 0))
		return 0;
	kit_jpeg(want, parsed.seq);
	CHECK_INT(st->st_size, KIT_JPEG_BYTES);
	CHECK_INT(memcmp(kit_read("", path), want, sizeof(want)), 0);
	return 0;
}

/* What must hold before any repair. */
__attribute__((unused)) static void crash_check_dead(const char *path, uint64_t stored)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct verify_options quiet = { .copy = false };
	struct verify_totals totals;
	struct record record;
	int fd, r;

	nftw(path, crash_check_picture, 16, FTW_PHYS);
	r = archive_open(path, &options, &archive);
	CHECK(r == 0 || (r == -ENOENT && stored == 0));
	if (r < 0)
		return;
	CHECK_INT(verify_archive(archive, &quiet, &totals), 0);
	CHECK_INT(totals.checked + totals.pruned, totals.frames);
	CHECK_INT(totals.found[VERIFY_MISSING] + totals.found[VERIFY_SIZE], 0);
	CHECK_INT(totals.found[VERIFY_HASH] + totals.found[VERIFY_MARKERS], 0);
	CHECK_INT(totals.found[VERIFY_DUPLICATE] + totals.found[VERIFY_ORDER], 0);
	CHECK_INT(totals.found[VERIFY_SEGMENT] + totals.found[VERIFY_FOREIGN], 0);
	CHECK(totals.found[VERIFY_NO_LINE] <= crash_unlined);
	CHECK(totals.found[VERIFY_LINE] <= 1);
	if (stored == 0)
		return;
	CHECK_INT(archive_find(archive, stored, &record), 0);
	CHECK_INT(archive_open_frame(archive, &record, &fd), 0);
	close(fd);
}

__attribute__((unused)) static void crash_check_repaired(const char *path, bool dense)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct verify_options verify = { .copy = !dense, .finding = kit_print_finding };
	struct verify_totals totals;

	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_INT(verify_archive(archive, &verify, &totals), 0);
	CHECK_INT(totals.findings, 0);
	CHECK_INT(totals.deleted, 0);
	crash_check_dated(archive);
}
