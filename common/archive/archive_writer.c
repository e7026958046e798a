/* SPDX-License-Identifier: MIT */
/*
 * What a writer needs before a frame: its day folder, a folder without what failed before, and
 * space for the journal.
 *
 * journal/ballast is space that is held while there is some, and given up so that the journal can
 * tell of a full disk. Its content is nothing; it may be deleted at any time.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int archive_record_folder(struct archive *archive, const char *folder)
{
	char text[FRAME_PATH_MAX + 1];
	int n, r;

	if (strcmp(archive->recorded, folder) == 0)
		return 0;
	n = snprintf(text, sizeof(text), "%s\n", folder);
	/* Until the replacement is known to be durable either text may be on the disk. */
	archive->recorded[0] = '\0';
	r = fs_replace(archive->fs, journal_folder_fd(archive->journal), ARCHIVE_FOLDER_FILE, text,
		(size_t)n, 0644);
	if (r < 0)
		return r;
	memcpy(archive->recorded, folder, strlen(folder) + 1);
	return 0;
}

/* Whether the open folder still is the one of that path: a person may have moved or deleted it. */
static bool archive_folder_is_current(const struct archive *archive, const char *folder)
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
	if (!archive_folder_is_current(archive, folder)) {
		fd_closep(&archive->folder_fd);
		archive->folder_fd = -1;
		r = fs_open_folder(
			archive->fs, archive->root_fd, folder, true, &archive->folder_fd);
		if (r < 0)
			return r;
		memcpy(archive->folder, folder, sizeof(folder));
	}
	return archive_record_folder(archive, folder);
}

/* ---- what failed before */

void archive_undo(struct archive *archive, struct frame_name name, bool hidden)
{
	struct archive_undone *undone = &archive->undone;

	/* more than one batch cannot fail before the archive is closed */
	if (undone->n == ARRAY_SIZE(undone->files))
		return;
	undone->files[undone->n].name = name;
	undone->files[undone->n++].hidden = hidden;
}

/* Removes one of them. -ENOENT there is no folder for it. */
static int undone_remove(struct archive *archive, const struct frame_name *name, bool hidden)
{
	char file[FRAME_NAME_MAX], temp[ARCHIVE_TEMP_MAX];
	CLEANUP_FD int fd = -1;
	int r = archive_open_day(archive, name, file, &fd);

	if (r < 0)
		return r;
	snprintf(temp, sizeof(temp), ".%s" ARCHIVE_TEMP_SUFFIX, file);
	if (archive->fs->unlinkat(fd, hidden ? temp : file, 0) < 0 && errno != ENOENT)
		return -errno;
	return fs_sync_folder(archive->fs, fd);
}

int archive_finish_undone(struct archive *archive, uint64_t after)
{
	struct archive_undone *undone = &archive->undone;

	for (; undone->n > 0; undone->n--) {
		const struct frame_name *name = &undone->files[undone->n - 1].name;
		bool hidden = undone->files[undone->n - 1].hidden;
		int r = 0;

		if (hidden || name->seq > after)
			r = undone_remove(archive, name, hidden);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

int archive_check_next(struct archive *archive)
{
	if (archive->writer_fd < 0)
		return -EROFS;
	if (archive->next_seq > SEQ_MAX)
		return -EOVERFLOW;
	return archive_finish_undone(archive, 0);
}

/* ---- space */

/* One that a crash left half made is no ballast. */
static bool ballast_is_whole(int journal_fd)
{
	struct stat st;

	return fstatat(journal_fd, ARCHIVE_BALLAST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode) && st.st_blocks >= BALLAST_BYTES / 512;
}

int archive_ballast_make(struct archive *archive)
{
	const int journal_fd = journal_folder_fd(archive->journal);
	CLEANUP_FD int fd = -1;
	int r;

	if (archive->writer_fd < 0)
		return -EROFS;
	if (!archive->ballast)
		archive->ballast = ballast_is_whole(journal_fd);
	if (archive->ballast)
		return 0;
	fd = fs_open_new(archive->fs, journal_fd, ARCHIVE_BALLAST_FILE, 0644);
	if (fd < 0)
		return fd;
	/* writes it where the file system cannot reserve */
	r = -posix_fallocate(fd, 0, BALLAST_BYTES);
	if (r < 0)
		archive->fs->unlinkat(journal_fd, ARCHIVE_BALLAST_FILE, 0);
	archive->ballast = r == 0;
	return r;
}

int archive_ballast_release(struct archive *archive)
{
	const int journal_fd = journal_folder_fd(archive->journal);

	archive->ballast = false;
	if (archive->fs->unlinkat(journal_fd, ARCHIVE_BALLAST_FILE, 0) < 0)
		return -errno;
	/* some file systems have the blocks of a deleted file once the deletion is on the disk */
	fs_sync_folder(archive->fs, journal_fd);
	return 0;
}

int archive_append_lines(
	struct archive *archive, uint64_t first, uint64_t last, const char *lines, size_t bytes)
{
	int r = journal_append_lines(archive->journal, first, last, lines, bytes);

	if ((r == -ENOSPC || r == -EDQUOT) && archive_ballast_release(archive) == 0)
		r = journal_append_lines(archive->journal, first, last, lines, bytes);
	return r;
}

int archive_append_record(struct archive *archive, const struct record *record)
{
	char line[LINE_MAX_BYTES + 1];
	int length = record_format(record, line);

	return length < 0
		? length
		: archive_append_lines(archive, record->seq, record->seq, line, (size_t)length);
}
