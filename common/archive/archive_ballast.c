/* SPDX-License-Identifier: MIT */
/*
 * journal/ballast: space that is held while there is some, and given up so that the journal can
 * tell of a full disk. Its content is nothing; it may be deleted at any time.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>

static int ballast_open_journal(struct archive *archive, int *ret_fd)
{
	return fs_open_folder(&fs_real, archive->root_fd, "journal", false, ret_fd);
}

/* One that a crash left half made is no ballast. */
static bool ballast_is_whole(int journal_fd)
{
	struct stat st;

	return fstatat(journal_fd, ARCHIVE_BALLAST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode) && st.st_blocks >= BALLAST_BYTES / 512;
}

int archive_ballast_make(struct archive *archive)
{
	CLEANUP_FD int journal_fd = -1, fd = -1;
	int r;

	if (archive->writer_fd < 0)
		return -EROFS;
	if (archive->ballast)
		return 0;
	r = ballast_open_journal(archive, &journal_fd);
	if (r < 0)
		return r;
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
	CLEANUP_FD int journal_fd = -1;
	int r = ballast_open_journal(archive, &journal_fd);

	if (r < 0)
		return r;
	archive->ballast = false;
	if (archive->fs->unlinkat(journal_fd, ARCHIVE_BALLAST_FILE, 0) < 0)
		return -errno;
	/*
	 * some file systems have the blocks of a deleted file only when the deletion is on the disk
	 */
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
