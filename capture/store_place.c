/* SPDX-License-Identifier: MIT */
/* Where an archive may be, and what an error says about the disk under it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store.h"
#include "common/place.h"

#define LOOK_BACK_MAX 1000 /* lines without an outcome at the journal's end */

struct store_settings store_settings(const struct capture_settings *settings)
{
	struct store_settings store = {
		.retention = {
			.reserve = settings->archive.reserve,
			.keep_days = settings->archive.keep_days,
			.max_bytes = settings->archive.max_bytes,
		},
		.batch = settings->archive.durability == DURABILITY_BATCH,
		.require_mount = settings->archive.require_mount,
	};

	snprintf(store.path, sizeof store.path, "%s", settings->archive.path);
	snprintf(store.camera, sizeof store.camera, "%s", settings->archive.camera);
	return store;
}

int store_open_archive(const struct store_settings *settings, const struct fs_ops *fs,
	const char *root, struct archive **ret)
{
	struct archive_options options = {
		.mode = ARCHIVE_WRITE, .camera = settings->camera, .fs = fs
	};
	int r = place_check(settings->path, settings->require_mount, settings->mount, root);

	return r < 0 ? r : archive_open(settings->path, &options, ret);
}

bool store_is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

const char *store_error_text(int error)
{
	switch (-error) {
	case ENOSPC:
		return "the disk is full";
	case EDQUOT:
		return "the disk quota is used up";
	case EROFS:
		return "the disk is read-only";
	case EIO:
		return "the disk fails (Input/output error)";
	case ENOMEDIUM:
		return "the archive's disk is not mounted";
	case ENODEV:
	case ENOENT:
	case ENXIO:
	case ESTALE:
		return "the archive's disk or folder is gone";
	case ENOTDIR:
		return "a file is where a folder has to be (Not a directory)";
	case ENOLCK:
		return "its file system has no file locks (No locks available)";
	case EWOULDBLOCK:
		return "another program writes the archive";
	case EBADMSG:
		return "the archive is damaged, see capturepi verify";
	default:
		return strerror(-error);
	}
}

const char *store_error_fix(int error)
{
	switch (-error) {
	case ENOSPC:
		return "remove what is not needed, or set archive.reserve";
	case EDQUOT:
		return "raise the quota, or set archive.max_bytes below it";
	case EACCES:
		return "give the service's user the right to write there (ls -ld tells whose it "
		       "is)";
	case EPERM:
		return "remove what forbids it: lsattr -d tells of flags, mount of options";
	case EROFS:
	case EIO:
	case EUCLEAN:
	case EREMOTEIO:
		return "see dmesg; check the disk, or take another one";
	case ENOTDIR:
	case ELOOP:
	case EEXIST:
		return "move away what is there";
	case ENOMEDIUM:
	case ENODEV:
	case ENOENT:
	case ENXIO:
		return "mount the disk; see /etc/fstab, with nofail";
	case ENOLCK:
		return PLACE_NO_LOCKS_FIX;
	default:
		return "";
	}
}

/* Whether it can be written, as far as owner, modes, flags and mount tell. */
static int check_writable(const char *path, bool folder)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (folder && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return faccessat(AT_FDCWD, path, folder ? W_OK | X_OK : W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* A part of the archive; what is not there yet is not wrong. */
static int check_below(const char *path, const char *part, bool folder, char ret[static PATH_MAX])
{
	char whole[PATH_MAX];
	int r;

	if (snprintf(whole, sizeof whole, "%s%s", path, part) >= (int)sizeof whole)
		return 0;
	r = check_writable(whole, folder);
	if (r == 0 || r == -ENOENT)
		return 0;
	snprintf(ret, PATH_MAX, "%s", whole);
	return r;
}

int store_find_unwritable(const char *path, int64_t slot_us, char ret[static PATH_MAX])
{
	struct frame_name name = { .slot_us = slot_us, .seq = 1 };
	char nearest[PATH_MAX], folder[FRAME_PATH_MAX] = "", file[FRAME_PATH_MAX + 8];
	struct stat st;
	int r;

	snprintf(ret, PATH_MAX, "%s", path);
	r = place_nearest(path, &st, nearest);
	if (r < 0)
		return r;
	r = check_writable(nearest, true);
	if (r < 0)
		snprintf(ret, PATH_MAX, "%s", nearest);
	if (r < 0 || frame_name_folder(&name, folder) < 0)
		return r;
	/* "2026", "2026/11", "2026/11/20" */
	for (size_t i = 0; i <= strlen(folder); i++) {
		if (folder[i] != '/' && folder[i] != '\0')
			continue;
		snprintf(file, sizeof file, "/%.*s", (int)i, folder);
		r = check_below(path, file, true, ret);
		if (r < 0)
			return r;
	}
	r = check_below(path, "/journal", true, ret);
	return r < 0 ? r : check_below(path, "/.writer", false, ret);
}

int64_t store_last_outcome(struct archive *archive)
{
	struct journal *journal = archive_journal(archive);
	struct record record;
	uint64_t seq;

	if (journal_last(journal, &seq) < 0)
		return TIME_NONE;
	for (int i = 0; i < LOOK_BACK_MAX && seq > 0; i++, seq--) {
		if (journal_find(journal, seq, &record) < 0)
			continue;
		/* what was dated anew stands far behind its slot */
		if (record.type == RECORD_FRAME && !record.shot && !record.was)
			return record.slot_us;
		if (record.type == RECORD_MISS)
			return record.last_us;
	}
	return journal_newest_frame(journal, &record) == 0 && !record.shot ? record.slot_us
									   : TIME_NONE;
}
