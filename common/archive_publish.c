/* SPDX-License-Identifier: MIT */
/*
 * Making a frame visible. The file is on the disk before it has its name, its name is on the disk
 * before the journal tells of it; whatever fails on the way is undone, so that the next frame finds
 * the archive as this one did.
 */
#include "common/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

int archive_record_folder(struct archive *archive, const char *folder)
{
	CLEANUP_FD int journal_fd = -1;
	char text[FRAME_PATH_MAX + 1];
	int n, r;

	if (strcmp(archive->recorded, folder) == 0)
		return 0;
	r = fs_open_folder(archive->fs, archive->root_fd, "journal", false, &journal_fd);
	if (r < 0)
		return r;
	n = snprintf(text, sizeof(text), "%s\n", folder);
	/* Until the replacement is known to be durable either text may be on the disk. */
	archive->recorded[0] = '\0';
	r = fs_replace(archive->fs, journal_fd, ARCHIVE_FOLDER_FILE, text, (size_t)n, 0644);
	if (r < 0)
		return r;
	memcpy(archive->recorded, folder, strlen(folder) + 1);
	return 0;
}

/* Whether the open folder still is the one of that path: a person may have moved or deleted it. */
static bool folder_is_current(const struct archive *archive, const char *folder)
{
	struct stat open, there;

	return archive->folder_fd >= 0 && strcmp(archive->folder, folder) == 0 &&
		fstat(archive->folder_fd, &open) == 0 &&
		fstatat(archive->root_fd, folder, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		open.st_ino == there.st_ino && open.st_dev == there.st_dev;
}

int archive_use_folder(struct archive *archive, const struct frame_name *name)
{
	char folder[FRAME_PATH_MAX];
	int r;

	r = frame_name_folder(name, folder);
	if (r < 0)
		return r;
	if (!folder_is_current(archive, folder)) {
		closep(&archive->folder_fd);
		archive->folder_fd = -1;
		r = fs_open_folder(
			archive->fs, archive->root_fd, folder, true, &archive->folder_fd);
		if (r < 0)
			return r;
		memcpy(archive->folder, folder, sizeof(folder));
	}
	return archive_record_folder(archive, folder);
}

int temp_init(const struct archive *archive, const struct frame_name *name, struct temp *ret)
{
	int r = frame_name_format(name, ret->name);

	if (r < 0)
		return r;
	ret->folder_fd = archive->folder_fd;
	snprintf(ret->temp, sizeof(ret->temp), ".%s.part", ret->name);
	return 0;
}

bool archive_remove_name(struct archive *archive, int folder_fd, const char *name, bool harmless)
{
	struct orphan *orphan = &archive->orphans[archive->n_orphans];

	if (archive->fs->unlinkat(folder_fd, name, 0) == 0)
		return true;
	if (errno == ENOENT || archive->n_orphans == ARRAY_SIZE(archive->orphans))
		return false;
	orphan->folder_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0);
	orphan->harmless = harmless;
	snprintf(orphan->name, sizeof(orphan->name), "%s", name);
	archive->n_orphans += orphan->folder_fd >= 0;
	return false;
}

void temp_remove(struct archive *archive, const struct temp *temp)
{
	archive_remove_name(archive, temp->folder_fd, temp->temp, false);
}

void archive_unname(struct archive *archive, const struct temp *temp)
{
	archive_remove_name(archive, temp->folder_fd, temp->name, false);
}

/* For a file system without symlinks. */
static int copy_newest(struct archive *archive)
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
		r = copy_newest(archive);
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

void archive_saw_frame(struct archive *archive, const struct record *frame)
{
	archive_note_newest(archive, frame);
	archive_point_latest(archive);
}

static int remove_orphans(struct archive *archive)
{
	for (unsigned i = archive->n_orphans; i-- > 0;) {
		struct orphan *orphan = &archive->orphans[i];

		if (archive->fs->unlinkat(orphan->folder_fd, orphan->name, 0) < 0 &&
			errno != ENOENT) {
			if (orphan->harmless)
				continue;
			return -errno;
		}
		closep(&orphan->folder_fd);
		*orphan = archive->orphans[--archive->n_orphans];
	}
	return 0;
}

int archive_place(struct archive *archive, const struct temp *temp, const struct record *frame,
	const char *line, size_t line_bytes)
{
	int r;

	r = fs_rename_noreplace(archive->fs, temp->folder_fd, temp->temp, temp->name);
	if (r < 0) {
		temp_remove(archive, temp);
		return r;
	}
	r = fs_sync_folder(archive->fs, temp->folder_fd);
	if (r == 0 && line_bytes > 0)
		r = archive_append(archive, frame->seq, line, line_bytes);
	if (r < 0) {
		archive_unname(archive, temp);
		fs_sync_folder(archive->fs, temp->folder_fd);
		return r;
	}
	archive_saw_frame(archive, frame);
	return 0;
}

/* The disk is already at work while the hash is made. */
int archive_write_temp(struct archive *archive, const struct temp *temp, const void *jpeg,
	struct record *record, int *ret_fd)
{
	size_t bytes = (size_t)record->bytes;
	int fd = fs_open_new(archive->fs, temp->folder_fd, temp->temp, 0666), r;

	if (fd < 0)
		return fd;
	r = fs_write_all(archive->fs, fd, jpeg, bytes);
	if (r == 0) {
		/* only a hint: the fsync is what counts */
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		r = digest_buffer(jpeg, bytes, record->sha256);
	}
	if (r < 0) {
		archive->fs->close(fd);
		temp_remove(archive, temp);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Writes the file, durably. Returns the length of the journal line. */
static int write_temp(struct archive *archive, const struct temp *temp, const void *jpeg,
	struct record *record, char ret_line[static LINE_MAX_BYTES + 1])
{
	int fd, length, r = archive_write_temp(archive, temp, jpeg, record, &fd);

	if (r < 0)
		return r;
	r = length = record_format(record, ret_line);
	if (r < 0)
		archive->fs->close(fd);
	else
		r = fs_finish(archive->fs, fd);
	if (r < 0)
		temp_remove(archive, temp);
	return r < 0 ? r : length;
}

int archive_check_next(struct archive *archive)
{
	if (archive->writer_fd < 0)
		return -EROFS;
	if (archive->next_seq > SEQ_MAX)
		return -EOVERFLOW;
	return remove_orphans(archive);
}

int archive_publish(struct archive *archive, struct record *frame, const void *jpeg, size_t bytes)
{
	char line[LINE_MAX_BYTES + 1];
	struct record record = *frame;
	struct frame_name name;
	struct temp temp;
	int r, length;

	if (bytes > FRAME_BYTES_MAX)
		return -EFBIG;
	if (frame->type != RECORD_FRAME || !jpeg_is_whole(jpeg, bytes))
		return -EINVAL;
	if (archive_batch_count(archive) > 0)
		return -EBUSY;
	r = archive_check_next(archive);
	if (r < 0)
		return r;
	record.seq = archive->next_seq;
	record.bytes = (int64_t)bytes;
	name = record_name(&record);
	r = archive_use_folder(archive, &name);
	if (r == 0)
		r = temp_init(archive, &name, &temp);
	if (r == 0)
		r = write_temp(archive, &temp, jpeg, &record, line);
	length = r;
	if (r > 0 && record.was) {
		r = archive_announce(archive, line, (size_t)length);
		if (r < 0)
			temp_remove(archive, &temp);
	}
	if (r >= 0)
		r = archive_place(archive, &temp, &record, line, (size_t)length);
	if (r < 0)
		return r;
	archive->next_seq++;
	*frame = record;
	return 0;
}

int archive_note(struct archive *archive, struct record *record)
{
	char line[LINE_MAX_BYTES + 1];
	struct record numbered = *record;
	int length, r;

	if (record->type == RECORD_FRAME)
		return -EINVAL;
	r = archive_check_next(archive);
	if (r < 0)
		return r;
	numbered.seq = archive->next_seq;
	length = record_format(&numbered, line);
	if (length < 0)
		return length;
	r = archive_append(archive, numbered.seq, line, (size_t)length);
	if (r < 0)
		return r;
	archive->next_seq++;
	record->seq = numbered.seq;
	archive_point_latest(archive);
	return 0;
}
