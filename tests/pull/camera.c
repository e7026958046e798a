/* SPDX-License-Identifier: MIT */
/*
 * A camera's archive for the tests of pulling, made without a camera and without waiting for a
 * disk.
 *
 *   camera FOLDER add COUNT BYTES [DAYS]  so many frames of that size; behind each tenth a miss;
 *                                         DAYS
 *                                   later or, negative, earlier than they should be
 *   camera FOLDER undated COUNT BYTES   the same as add, with a clock that is not set
 *   camera FOLDER prune FIRST LAST  takes these numbers away
 *   camera FOLDER redate SEQ        dates that frame a day later, under a new number
 *   camera FOLDER frames            "SEQ SHA256" of each frame whose file is there and is right
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/clock.h"

#define BASE_US (INT64_C(1795000000) * US_PER_SEC)

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int add(struct archive *archive, uint64_t count, size_t bytes, bool synced, int64_t days)
{
	/* as far as the frame header, of 16 x 16 */
	static const uint8_t head[] = { 0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11,
		0 };
	uint8_t *jpeg = bytes > sizeof head + 2 ? malloc(bytes) : NULL;
	uint64_t last = 0, state;
	int r = jpeg ? journal_last(archive_journal(archive), &last) : -ENOMEM;

	for (uint64_t i = 0; r == 0 && i < count; i++) {
		struct record frame = record_new(RECORD_FRAME), miss = record_new(RECORD_MISS);

		state = last + i + 1;
		for (size_t k = 0; k < bytes; k++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			jpeg[k] = (uint8_t)(state >> 56);
		}
		memcpy(jpeg, head, sizeof head);
		jpeg[bytes - 2] = 0xff;
		jpeg[bytes - 1] = 0xd9;
		frame.slot_us = frame.exposed_us = BASE_US + (int64_t)(last + i) * 10 * US_PER_SEC +
			days * 24 * 3600 * US_PER_SEC;
		frame.late_us = 0;
		frame.synced = synced;
		r = archive_publish(archive, &frame, jpeg, bytes);
		miss.slot_us = miss.last_us = frame.slot_us + 5 * US_PER_SEC;
		miss.cause = MISS_BUSY;
		if (r == 0 && i % 10 == 9)
			r = archive_note(archive, &miss);
	}
	free(jpeg);
	return r;
}

static int prune(struct archive *archive, uint64_t first, uint64_t last)
{
	struct archive_pruned pruned;

	return archive_prune(archive, first, last, "age", &pruned);
}

static int redate(struct archive *archive, uint64_t seq)
{
	struct archive_pruned pruned;
	struct record old, new;
	CLEANUP_FREE char *jpeg = NULL;
	CLEANUP_FD int fd = -1;
	int r = archive_find(archive, seq, &old);

	if (r == 0)
		r = archive_open_frame(archive, &old, &fd);
	if (r < 0)
		return r;
	jpeg = malloc((size_t)old.bytes);
	if (!jpeg || fs_read_at(fd, jpeg, (size_t)old.bytes, 0) != old.bytes)
		return -EIO;
	new = old;
	new.slot_us = new.exposed_us = old.slot_us + INT64_C(86400) * US_PER_SEC;
	new.synced = true;
	new.was = seq;
	r = archive_publish(archive, &new, jpeg, (size_t)old.bytes);
	return r < 0 ? r : archive_prune(archive, seq, seq, PRUNE_REDATED, &pruned);
}

static int frames(struct archive *archive)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	int r = journal_seek(archive_journal(archive), 1, &cursor);
	const char *line;
	uint64_t seq;
	size_t len;

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		uint8_t sha256[SHA256_BYTES];
		char hex[SHA256_HEX + 1];
		CLEANUP_FD int fd = -1;
		struct record record;
		int64_t bytes;

		if (record_parse(line, len, &record) < 0 || record.type != RECORD_FRAME ||
			archive_open_frame(archive, &record, &fd) < 0 ||
			digest_fd(fd, sha256, &bytes) < 0 ||
			memcmp(sha256, record.sha256, SHA256_BYTES) != 0)
			continue;
		digest_hex(sha256, hex);
		printf("%" PRIu64 " %s\n", seq, hex);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct fs_ops fs = fs_real;
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden", .fs = &fs };
	struct archive *archive = NULL;
	uint64_t a = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	uint64_t b = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	int r;

	fs.fsync = fs.fdatasync = no_sync;
	if (argc < 3)
		return 2;
	if (strcmp(argv[2], "frames") == 0)
		options.mode = ARCHIVE_READ;
	r = archive_open(argv[1], &options, &archive);
	if (r == 0 && strcmp(argv[2], "add") == 0 && b >= 4)
		r = add(archive, a, b, true, argc > 5 ? strtol(argv[5], NULL, 10) : 0);
	else if (r == 0 && strcmp(argv[2], "undated") == 0 && b >= 4)
		r = add(archive, a, b, false, 0);
	else if (r == 0 && strcmp(argv[2], "redate") == 0)
		r = redate(archive, a);
	else if (r == 0 && strcmp(argv[2], "prune") == 0)
		r = prune(archive, a, b);
	else if (r == 0 && strcmp(argv[2], "frames") == 0)
		r = frames(archive);
	archive_free(archive);
	if (r < 0)
		fprintf(stderr, "camera: %s\n", strerror(-r));
	return r < 0;
}
