/* SPDX-License-Identifier: MIT */
/* Removes old frames after a clock correction, one in a turn. */
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

/* Removes the frame whose place the frame `seq` took, if both are here with the same picture. */
static int redated_drop_old(struct archive *archive, uint64_t seq, struct archive_pruned *ret)
{
	CLEANUP_FD int new_fd = -1, old_fd = -1;
	struct record new, old;
	int r = archive_find(archive, seq, &new);

	if (r == 0)
		r = archive_find(archive, new.was, &old);
	if (r == 0 && (old.type != RECORD_FRAME || old.synced || old.bytes != new.bytes))
		return 0;
	if (r == 0)
		r = archive_open_frame(archive, &new, &new_fd);
	if (r == 0)
		r = archive_open_frame(archive, &old, &old_fd);
	if (r < 0)
		return r == -ENOMEM || r == -EIO ? r : 0;
	if (!redated_same(new_fd, old_fd, new.bytes))
		return 0;
	r = archive_prune(archive, old.seq, old.seq, PRUNE_REDATED, ret);
	return r == -ENOENT ? 0 : r;
}

int redated_drop(struct session *s)
{
	struct ranges *redated = &s->held.redated;
	uint64_t seq;

	while (!s->options->dry_run && (seq = ranges_last(redated)) > 0) {
		struct archive_pruned pruned = { 0 };
		/* each in a turn of its own, so that a fetch need not wait for all of them */
		int code = session_take_turn(s), r = 0;

		if (code == CLI_OK)
			r = redated_drop_old(s->archive, seq, &pruned);
		session_release(s);
		s->result->redated += pruned.count;
		if (r == 0)
			r = ranges_remove(redated, seq, seq);
		if (r < 0 || code != CLI_OK)
			return r < 0 ? session_archive_failed(s, r) : code;
	}
	return CLI_OK;
}
