/* SPDX-License-Identifier: MIT */
/* What an archive is, and looking things up in it. */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

int archive_find(struct archive *archive, uint64_t seq, struct record *ret)
{
	return journal_find(archive->journal, seq, ret);
}

int archive_open_name(int root_fd, const struct frame_name *name, int *ret_fd)
{
	CLEANUP_FD int folder_fd = -1;
	char folder[FRAME_PATH_MAX], file[FRAME_NAME_MAX];
	int r, fd;

	r = frame_name_folder(name, folder);
	if (r == 0)
		r = frame_name_format(name, file);
	if (r == 0)
		r = fs_open_folder(&fs_real, root_fd, folder, false, &folder_fd);
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
	int r = archive_open_name(archive->root_fd, &name, &fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != frame->bytes)
		return -EBADMSG;
	*ret_fd = TAKE_FD(fd);
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
