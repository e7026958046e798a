/* SPDX-License-Identifier: MIT */
/* The day folder that frames go to, and names in it that could not be removed. */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

static int archive_remove_orphans(struct archive *archive)
{
	for (unsigned i = archive->n_orphans; i-- > 0;) {
		struct orphan *orphan = &archive->orphans[i];

		if (archive->fs->unlinkat(orphan->folder_fd, orphan->name, 0) < 0 &&
			errno != ENOENT) {
			if (orphan->harmless)
				continue;
			return -errno;
		}
		fd_closep(&orphan->folder_fd);
		*orphan = archive->orphans[--archive->n_orphans];
	}
	return 0;
}

int archive_check_next(struct archive *archive)
{
	if (archive->writer_fd < 0)
		return -EROFS;
	if (archive->next_seq > SEQ_MAX)
		return -EOVERFLOW;
	return archive_remove_orphans(archive);
}
