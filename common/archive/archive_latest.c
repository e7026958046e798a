/* SPDX-License-Identifier: MIT */
/*
 * The newest frame, and latest.jpg, which points at it: a symlink, or a copy where there are none.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* For a file system without symlinks. */
static int latest_copy(struct archive *archive)
{
	CLEANUP_FD int fd = -1;
	int r = archive_open_name(archive->root_fd, &archive->newest, &fd);

	return r < 0 ? r : fs_replace_copy(archive->fs, fd, archive->root_fd, LATEST, 0644);
}

/* Whether latest.jpg is a file of its own with that frame's content. */
static bool latest_is_copy(int root_fd, const struct frame_name *newest)
{
	CLEANUP_FD int frame_fd = -1, copy_fd = -1;
	uint8_t frame[SHA256_BYTES], copy[SHA256_BYTES];
	int64_t bytes;

	copy_fd = openat(root_fd, LATEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return copy_fd >= 0 && archive_open_name(root_fd, newest, &frame_fd) == 0 &&
		digest_fd(copy_fd, copy, &bytes) == 0 && digest_fd(frame_fd, frame, &bytes) == 0 &&
		memcmp(frame, copy, sizeof(frame)) == 0;
}

bool archive_latest_is_right(int root_fd, const struct frame_name *newest)
{
	char path[FRAME_PATH_MAX], target[FRAME_PATH_MAX + 1];
	ssize_t n = readlinkat(root_fd, LATEST, target, sizeof(target));

	if (n < 0)
		return errno != ENOENT && latest_is_copy(root_fd, newest);
	return n < (ssize_t)sizeof(target) && frame_name_path(newest, path) == 0 &&
		strlen(path) == (size_t)n && memcmp(path, target, (size_t)n) == 0;
}

void archive_point_latest(struct archive *archive)
{
	char path[FRAME_PATH_MAX];
	int r;

	if (archive->latest_ok || !archive->has_newest ||
		frame_name_path(&archive->newest, path) < 0)
		return;
	/* No frame is lost where this fails; it is done again with the next one. */
	r = fs_replace_symlink(archive->fs, archive->root_fd, path, LATEST);
	if (fs_is_unsupported(r) || r == -EROFS || r == -EACCES) /* shared folders of VirtualBox */
		r = latest_copy(archive);
	archive->latest_ok = r == 0;
}

void archive_note_newest(struct archive *archive, const struct record *frame)
{
	uint64_t order = record_order(frame);

	if (archive->has_newest &&
		(order < archive->newest_order ||
			(order == archive->newest_order && frame->seq <= archive->newest.seq)))
		return;
	archive->newest = record_name(frame);
	archive->newest_order = order;
	archive->has_newest = true;
	archive->latest_ok = false;
}
