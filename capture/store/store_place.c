/* SPDX-License-Identifier: MIT */
/* Where an archive may be, and what an error says of its disk. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store/store.h"
#include "common/archive/place.h"

#define STORE_GONE "the archive's disk or folder is gone"
#define STORE_MOUNT_FIX "mount the disk; see /etc/fstab, with nofail"
#define STORE_DISK_FIX "see dmesg; check the disk, or take another one"
#define STORE_MOVE_FIX "move away what is there"
#define STORE_MASK_FIX "see capturepi check"
#define LOOK_BACK_MAX 1000 /* lines without an outcome at the journal's end */

int store_open_archive(const struct archive_settings *settings, struct archive **ret)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE,
		.camera = settings->camera,
		.access = fs_access_mode(settings->access) };
	int r = place_check(settings->path, settings->require_mount, NULL, NULL);

	return r < 0 ? r : archive_open(settings->path, &options, ret);
}

bool store_is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

/* In the words of this program; NULL: strerror() says it, or nobody knows a way out. */
static const struct {
	int error;
	const char *text, *fix;
} store_errors[] = {
	{ ENOSPC, "the disk is full", "remove what is not needed, or set archive.reserve" },
	{ EDQUOT, "the disk quota is used up",
		"raise the quota, or set archive.max_bytes below it" },
	{ EACCES, NULL,
		"give the service's user the right to write there (ls -ld tells whose it is)" },
	{ EPERM, NULL, "remove what forbids it: lsattr -d tells of flags, mount of options" },
	{ EROFS, "the disk is read-only", STORE_DISK_FIX },
	{ EIO, "the disk fails (Input/output error)", STORE_DISK_FIX },
	{ EUCLEAN, NULL, STORE_DISK_FIX },
	{ EREMOTEIO, NULL, STORE_DISK_FIX },
	{ ENOMEDIUM, "the archive's disk is not mounted", STORE_MOUNT_FIX },
	{ ENODEV, STORE_GONE, STORE_MOUNT_FIX },
	{ ENOENT, STORE_GONE, STORE_MOUNT_FIX },
	{ ENXIO, STORE_GONE, STORE_MOUNT_FIX },
	{ ESTALE, STORE_GONE, NULL },
	{ ENOTDIR, "a file is where a folder has to be (Not a directory)", STORE_MOVE_FIX },
	{ ELOOP, NULL, STORE_MOVE_FIX },
	{ EEXIST, NULL, STORE_MOVE_FIX },
	{ ENOLCK, "its file system has no file locks (No locks available)", PLACE_NO_LOCKS_FIX },
	{ EWOULDBLOCK, "another program writes the archive", NULL },
	{ EILSEQ, "the camera's picture is damaged", NULL },
	{ EDOM, "the privacy mask is not known: the settings have mistakes", STORE_MASK_FIX },
	{ EMEDIUMTYPE, "a privacy mask cannot be laid on what the camera compressed", NULL },
	{ EBADMSG, "the archive is damaged, see capturepi verify", NULL },
};

const char *store_error_text(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(store_errors); i++)
		if (store_errors[i].error == -error && store_errors[i].text)
			return store_errors[i].text;
	return strerror(-error);
}

enum miss_cause store_miss_cause(int error)
{
	return error == -EILSEQ || error == -EDOM || error == -EMEDIUMTYPE ? MISS_CAMERA
									   : MISS_DISK;
}

const char *store_error_fix(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(store_errors); i++)
		if (store_errors[i].error == -error && store_errors[i].fix)
			return store_errors[i].fix;
	return "";
}

/* Whether it can be written, as far as owner, modes, flags and mount tell. */
static int store_check_writable(const char *path, bool folder)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (folder && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return faccessat(AT_FDCWD, path, folder ? W_OK | X_OK : W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* A part of the archive; what is not there yet is not wrong. */
static int store_check_below(
	const char *path, const char *part, bool folder, char ret[static PATH_MAX])
{
	char whole[PATH_MAX];
	int r;

	if (snprintf(whole, sizeof whole, "%s%s", path, part) >= (int)sizeof whole)
		return 0;
	r = store_check_writable(whole, folder);
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
	r = store_check_writable(nearest, true);
	if (r < 0)
		snprintf(ret, PATH_MAX, "%s", nearest);
	if (r < 0 || frame_name_folder(&name, folder) < 0)
		return r;
	/* "2026", "2026/11", "2026/11/20" */
	for (size_t i = 0; i <= strlen(folder); i++) {
		if (folder[i] != '/' && folder[i] != '\0')
			continue;
		snprintf(file, sizeof file, "/%.*s", (int)i, folder);
		r = store_check_below(path, file, true, ret);
		if (r < 0)
			return r;
	}
	r = store_check_below(path, "/journal", true, ret);
	return r < 0 ? r : store_check_below(path, "/.writer", false, ret);
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
		/* a corrected frame stands far after its slot */
		if (record.type == RECORD_FRAME && !record.shot && !record.was)
			return record.slot_us;
		if (record.type == RECORD_MISS)
			return record.last_us;
	}
	return journal_newest_frame(journal, &record) == 0 && !record.shot ? record.slot_us
									   : TIME_NONE;
}
