/* SPDX-License-Identifier: MIT */
/*
 * What an archive is, finding frames in it, and the newest one: latest.jpg points at it, as a
 * symlink, or is a copy of it where there are none.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define JPEG_SEGMENTS_MAX 1000 /* before the frame header; a large EXIF takes a few */
#define LOOK_BACK_MAX 1000 /* files that a person deleted or a repair moved aside */

const char *archive_id(const struct archive *archive)
{
	return archive->id;
}

const char *archive_camera(const struct archive *archive)
{
	return archive->camera;
}

const char *archive_path(const struct archive *archive)
{
	return archive->path;
}

int archive_root_fd(const struct archive *archive)
{
	return archive->root_fd;
}

struct journal *archive_journal(const struct archive *archive)
{
	return archive->journal;
}

const struct archive_repairs *archive_repairs(const struct archive *archive)
{
	return &archive->repairs;
}

int archive_newest(struct archive *archive, struct record *ret)
{
	return journal_newest_frame(archive->journal, ret);
}

int archive_newest_there(struct archive *archive, struct record *ret)
{
	struct record frame, newest = record_new(RECORD_OTHER);
	int r = archive_newest(archive, &frame);
	uint64_t seq = r == 0 ? frame.seq : 0, order = 0;

	/* no line before `seq` is of a newer frame than its number says; one of a clock's
	 * correction is of an older one */
	for (int i = 0; r == 0 && i < LOOK_BACK_MAX; i++) {
		CLEANUP_FD int fd = -1;

		if (frame.type == RECORD_FRAME && record_order(&frame) > order &&
			archive_open_frame(archive, &frame, &fd) == 0) {
			newest = frame;
			order = record_order(&frame);
		}
		frame.type = RECORD_OTHER;
		if (--seq <= order)
			break;
		r = archive_find(archive, seq, &frame);
		if (r == -ENOENT) /* a copy has holes */
			r = 0;
	}
	if (r == 0 && newest.type == RECORD_FRAME)
		*ret = newest;
	else if (r == 0)
		r = -ENOENT;
	return r;
}

int archive_find(struct archive *archive, uint64_t seq, struct record *ret)
{
	return journal_find(archive->journal, seq, ret);
}

int archive_open_day(const struct archive *archive, const struct frame_name *name,
	char ret_file[static FRAME_NAME_MAX], int *ret_fd)
{
	char folder[FRAME_PATH_MAX];
	int r = frame_name_folder(name, folder);

	if (r == 0)
		r = frame_name_format(name, ret_file);
	return r < 0 ? r : fs_open_folder(&fs_real, archive->root_fd, folder, false, ret_fd);
}

int archive_open_name(const struct archive *archive, const struct frame_name *name, int *ret_fd)
{
	CLEANUP_FD int folder_fd = -1;
	char file[FRAME_NAME_MAX];
	int r = archive_open_day(archive, name, file, &folder_fd), fd;

	if (r < 0)
		return r;
	fd = openat(folder_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int archive_open_frame(struct archive *archive, const struct record *frame, int *ret_fd)
{
	struct frame_name name = record_name(frame);
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r = archive_open_name(archive, &name, &fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != frame->bytes)
		return -EBADMSG;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int archive_read_frame(struct archive *archive, const struct record *frame, uint8_t **ret_jpeg)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(archive, frame, &fd);

	if (r < 0)
		return r;
	jpeg = malloc((size_t)frame->bytes);
	if (!jpeg)
		return -ENOMEM;
	if (fs_read_at(fd, jpeg, (size_t)frame->bytes, 0) != frame->bytes)
		return -EIO;
	*ret_jpeg = TAKE_PTR(jpeg);
	return 0;
}

bool jpeg_is_whole(const uint8_t *data, size_t bytes)
{
	return bytes >= FRAME_BYTES_MIN && data[0] == 0xff && data[1] == 0xd8 &&
		data[bytes - 2] == 0xff && data[bytes - 1] == 0xd9;
}

int jpeg_check_file(int fd, int64_t *ret_bytes)
{
	uint8_t ends[4];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < FRAME_BYTES_MIN || st.st_size > FRAME_BYTES_MAX)
		return -EBADMSG;
	for (int i = 0; i < 2; i++) {
		ssize_t n = fs_read_at(fd, ends + 2 * i, 2, i ? st.st_size - 2 : 0);

		if (n < 0)
			return (int)n;
		if (n < 2)
			return -EBADMSG;
	}
	*ret_bytes = st.st_size;
	return jpeg_is_whole(ends, sizeof(ends)) ? 0 : -EBADMSG;
}

bool jpeg_has_size(int fd)
{
	off_t at = 2; /* after the start marker */

	for (int i = 0; i < JPEG_SEGMENTS_MAX; i++) {
		uint8_t head[9]; /* marker, length, bits of a sample, height, width */
		const ssize_t n = fs_read_at(fd, head, sizeof(head), at);
		const bool frame = n > 1 && head[1] >= 0xc0 && head[1] <= 0xcf && head[1] != 0xc4 &&
			head[1] != 0xc8 && head[1] != 0xcc;
		unsigned height, width;

		if (n < (ssize_t)sizeof(head) || head[0] != 0xff || head[1] == 0xda)
			return false;
		height = (unsigned)(head[5] << 8 | head[6]);
		width = (unsigned)(head[7] << 8 | head[8]);
		if (frame)
			return jpeg_is_sane(width, height);
		/* a marker may have any number of 0xff before it */
		at += head[1] == 0xff ? 1 : 2 + (head[2] << 8 | head[3]);
	}
	return false;
}

/* ---- the newest frame */

/* Whether latest.jpg is a file of its own with that frame's content. */
static bool latest_is_copy(const struct archive *archive, const struct frame_name *newest)
{
	CLEANUP_FD int frame_fd = -1, copy_fd = -1;
	uint8_t frame[SHA256_BYTES], copy[SHA256_BYTES];
	int64_t bytes;

	copy_fd = openat(archive->root_fd, LATEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return copy_fd >= 0 && archive_open_name(archive, newest, &frame_fd) == 0 &&
		digest_fd(copy_fd, copy, &bytes) == 0 && digest_fd(frame_fd, frame, &bytes) == 0 &&
		memcmp(frame, copy, sizeof(frame)) == 0;
}

bool archive_latest_is_right(const struct archive *archive, const struct frame_name *newest)
{
	char path[FRAME_PATH_MAX], target[FRAME_PATH_MAX + 1];
	ssize_t n = readlinkat(archive->root_fd, LATEST, target, sizeof(target));

	if (n < 0)
		return errno != ENOENT && latest_is_copy(archive, newest);
	return n < (ssize_t)sizeof(target) && frame_name_path(newest, path) == 0 &&
		strlen(path) == (size_t)n && memcmp(path, target, (size_t)n) == 0;
}

void archive_point_latest(struct archive *archive)
{
	char path[FRAME_PATH_MAX];

	if (archive->latest_ok || !archive->has_newest ||
		frame_name_path(&archive->newest, path) < 0)
		return;
	/* No frame is lost where this fails; it is done again with the next one. */
	archive->latest_ok = fs_point(archive->fs, archive->root_fd, path, LATEST, 0644) == 0;
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

int archive_head(struct archive *archive, const struct clock *clock, struct archive_head *ret)
{
	struct archive_head head = { .time_us = clock_wall_us(clock) };
	char line[LINE_MAX_BYTES];
	size_t len;
	int r = journal_last(archive->journal, &head.seq);

	if (r == 0)
		r = journal_read_line(archive->journal, head.seq, line, &len);
	if (r == 0)
		r = digest_buffer(line, len, head.sha256);
	if (r == 0)
		*ret = head;
	return r;
}
