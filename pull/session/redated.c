/* SPDX-License-Identifier: MIT */
/* Old frames after a clock correction: found in one pass of the journal, removed one in a turn. */
#include "pull/session/redated.h"

#include <errno.h>
#include <string.h>

#include "common/commands/cli.h"

#define PIECE_BYTES 16384

/* Where the picture begins: after the start marker and the EXIF block. */
static int64_t redated_picture_start(const uint8_t head[static 6])
{
	if (head[0] != 0xff || head[1] != 0xd8)
		return 0;
	return head[2] == 0xff && head[3] == 0xe1 ? 4 + (head[4] << 8 | head[5]) : 2;
}

bool redated_same(int fd_a, int fd_b, int64_t bytes)
{
	uint8_t a[PIECE_BYTES], b[PIECE_BYTES];
	int64_t at;

	if (bytes < 6 || fs_read_at(fd_a, a, 6, 0) != 6 || fs_read_at(fd_b, b, 6, 0) != 6)
		return false;
	at = redated_picture_start(a);
	if (at == 0 || at >= bytes || redated_picture_start(b) != at)
		return false;
	while (at < bytes) {
		size_t want = bytes - at < PIECE_BYTES ? (size_t)(bytes - at) : PIECE_BYTES;

		if (fs_read_at(fd_a, a, want, at) != (ssize_t)want ||
			fs_read_at(fd_b, b, want, at) != (ssize_t)want || memcmp(a, b, want) != 0)
			return false;
		at += (int64_t)want;
	}
	return true;
}

static int redated_open_file(struct archive *archive, uint64_t seq, int64_t slot_us, int64_t bytes)
{
	struct record frame = record_new(RECORD_FRAME);
	int fd, r;

	frame.seq = seq;
	frame.slot_us = slot_us;
	frame.bytes = bytes;
	r = archive_open_frame(archive, &frame, &fd);
	return r < 0 ? r : fd;
}

static bool redated_both_are_here(struct archive *archive, const struct held_redated *pair)
{
	CLEANUP_FD int new = redated_open_file(archive, pair->seq, pair->slot_us, pair->bytes);
	CLEANUP_FD int old = new < 0
		? -1
		: redated_open_file(archive, pair->was, pair->was_slot_us, pair->bytes);

	return new >= 0 && old >= 0 && redated_same(new, old, pair->bytes);
}

/* In a turn of its own, so that a fetch need not wait for all of them. */
static int redated_drop_one(struct session *s, const struct held_redated *pair)
{
	struct archive_pruned pruned = { 0 };
	int code = session_take_turn(s), r = 0;

	if (code == CLI_OK && redated_both_are_here(s->archive, pair))
		r = archive_prune(s->archive, pair->was, pair->was, PRUNE_REDATED, &pruned);
	session_release(s);
	s->result->redated += pruned.count;
	return r < 0 && r != -ENOENT ? session_archive_failed(s, r) : code;
}

static int redated_compare_pairs(const void *left, const void *right)
{
	const struct held_redated *a = left, *b = right;

	return (a->was > b->was) - (a->was < b->was);
}

static void redated_note_old(struct held_redated *pair, const char *line, size_t len)
{
	struct record old;

	if (record_parse(line, len, &old) < 0 || old.type != RECORD_FRAME || old.synced ||
		old.bytes != pair->bytes)
		return;
	pair->was_slot_us = old.slot_us;
}

/* When the old frames were thought to have been taken: their names have it. */
static int redated_find_old(struct session *s)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct held *held = &s->held;
	struct held_redated key = { 0 }, *pair;
	const char *line;
	size_t len;
	int r;

	qsort(held->redated, held->n_redated, sizeof *held->redated, redated_compare_pairs);
	r = journal_seek(archive_journal(s->archive), held->redated[0].was, &cursor);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &key.was)) > 0) {
		pair = bsearch(
			&key, held->redated, held->n_redated, sizeof key, redated_compare_pairs);
		if (pair)
			redated_note_old(pair, line, len);
	}
	return r;
}

int redated_drop(struct session *s)
{
	struct held *held = &s->held;
	int code = CLI_OK, r;

	if (s->options->dry_run)
		return CLI_OK;
	while (code == CLI_OK && held->n_redated > 0) {
		size_t n;

		code = session_take_turn(s); /* others may have added some */
		n = held->n_redated;
		r = code == CLI_OK ? redated_find_old(s) : 0;
		session_release(s);
		for (size_t i = 0; r >= 0 && code == CLI_OK && i < n; i++) {
			struct held_redated pair = held->redated[i];

			if (pair.was_slot_us != TIME_NONE)
				code = redated_drop_one(s, &pair);
		}
		if (r < 0)
			return session_archive_failed(s, r);
		if (code == CLI_OK)
			held_forget_redated(held, n);
	}
	return code;
}
