/* SPDX-License-Identifier: MIT */
/* Removes old frames after a clock correction, one in a turn. */
#include "pull/session/redated.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "common/commands/cli.h"

#define PIECE_BYTES 16384
#define FOLDER ".redated"
#define SUFFIX ".old" /* no picture to those who look for pictures */

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

/* ---- what goes aside */

/*
 * The old file gets a second name, or a copy where the file system has one name a file; its change
 * time is the time it went.
 */
static int redated_keep(
	struct archive *archive, const struct record *old, int old_fd, uint64_t new_seq)
{
	const struct frame_name name = record_name(old);
	char path[FRAME_PATH_MAX], bare[FRAME_NAME_MAX], aside[FRAME_NAME_MAX + 32];
	CLEANUP_FD int folder_fd = -1;
	int r = fs_open_folder(&fs_real, archive_root_fd(archive), FOLDER, true, &folder_fd);

	if (r == 0)
		r = frame_name_format(&name, bare);
	if (r == 0)
		r = frame_name_path(&name, path);
	if (r < 0)
		return r;
	snprintf(aside, sizeof aside, "%08" PRIu64 "-%s" SUFFIX, new_seq, bare);
	if (linkat(archive_root_fd(archive), path, folder_fd, aside, 0) == 0 || errno == EEXIST)
		return fs_sync_folder(&fs_real, folder_fd);
	return fs_replace_copy(&fs_real, old_fd, folder_fd, aside, 0644);
}

/* Reads the name of a file in the folder. False: it is none of ours. */
static bool redated_parse(const char *text, uint64_t *ret_new, struct frame_name *ret_old)
{
	const char *suffix = strstr(text, SUFFIX);
	int n = 0;

	return suffix && strcmp(suffix, SUFFIX) == 0 &&
		sscanf(text, "%12" SCNu64 "-%n", ret_new, &n) == 1 && text + n < suffix &&
		frame_name_parse(text + n, (size_t)(suffix - text) - (size_t)n, ret_old) == 0;
}

static void redated_expire(const struct session *s)
{
	const int64_t since_us = clock_wall_us(s->clock) - REDATED_DAYS * 24 * 3600 * US_PER_SEC;
	CLEANUP_DIR DIR *dir = NULL;
	const struct dirent *entry;
	struct frame_name old;
	struct stat st;
	uint64_t seq;

	if (fs_list_folder(archive_root_fd(s->archive), FOLDER, &dir) < 0)
		return;
	while ((entry = readdir(dir))) {
		if (redated_parse(entry->d_name, &seq, &old) &&
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_ctim.tv_sec < since_us / US_PER_SEC)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
}

static int redated_put_back(
	struct archive *archive, int from_fd, const char *aside, const struct frame_name *old)
{
	char folder[FRAME_PATH_MAX], bare[FRAME_NAME_MAX];
	CLEANUP_FD int to_fd = -1;
	int r = frame_name_folder(old, folder);

	if (r == 0)
		r = frame_name_format(old, bare);
	if (r == 0)
		r = fs_open_folder(&fs_real, archive_root_fd(archive), folder, true, &to_fd);
	if (r == 0)
		r = fs_rename_noreplace(&fs_real, from_fd, aside, to_fd, bare);
	if (r == 0)
		r = fs_sync_folder(&fs_real, to_fd);
	return r == -EEXIST ? 0 : r; /* it never went */
}

int redated_restore(struct archive *archive, uint64_t after)
{
	CLEANUP_DIR DIR *dir = NULL;
	const struct dirent *entry;
	struct frame_name old;
	struct record line;
	uint64_t seq;
	int r = fs_list_folder(archive_root_fd(archive), FOLDER, &dir);

	while (r == 0 && (entry = readdir(dir))) {
		if (!redated_parse(entry->d_name, &seq, &old) || seq <= after ||
			archive_find(archive, old.seq, &line) < 0 || line.type != RECORD_FRAME ||
			record_name(&line).slot_us != old.slot_us)
			continue;
		r = redated_put_back(archive, dirfd(dir), entry->d_name, &old);
	}
	return r == -ENOENT ? 0 : r;
}

/* ---- what is removed */

/* Both lines tell of one moment, whatever the clocks said. */
static bool redated_same_moment(const struct record *a, const struct record *b)
{
	return strcmp(a->boot, b->boot) == 0 && (!*a->boot || a->up_ns == b->up_ns);
}

/* Removes the frame whose place the frame `seq` took, if both are here with the same picture. */
static int redated_drop_old(struct archive *archive, uint64_t seq, struct archive_pruned *ret)
{
	CLEANUP_FD int new_fd = -1, old_fd = -1;
	struct record new, old;
	int r = archive_find(archive, seq, &new);

	if (r == 0)
		r = archive_find(archive, new.was, &old);
	if (r == 0 &&
		(old.type != RECORD_FRAME || old.synced || old.bytes != new.bytes ||
			!redated_same_moment(&old, &new)))
		return 0;
	if (r == 0)
		r = archive_open_frame(archive, &new, &new_fd);
	if (r == 0)
		r = archive_open_frame(archive, &old, &old_fd);
	if (r < 0)
		return r == -ENOMEM || r == -EIO ? r : 0;
	if (!redated_same(new_fd, old_fd, new.bytes))
		return 0;
	r = redated_keep(archive, &old, old_fd, seq);
	if (r < 0)
		return r == -ENOMEM || r == -EIO ? r : 0;
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
	if (s->archive && !s->options->dry_run)
		redated_expire(s);
	return CLI_OK;
}
