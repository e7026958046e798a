/* SPDX-License-Identifier: MIT */
/* The disk under an archive, as `doctor` sees it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/doctor_host.h"
#include "common/fs.h"
#include "common/place.h"

#define DAYS_FEW 7 /* until a disk is full that nothing makes room on */

void doctor_disk_read(const char *path, struct doctor_disk *ret)
{
	struct statvfs space;
	struct statfs fs;

	*ret = (struct doctor_disk){ 0 };
	snprintf(ret->path, sizeof ret->path, "%s", path);
	while (statfs(ret->path, &fs) < 0) {
		char *slash = strrchr(ret->path, '/');

		ret->error = -errno;
		if (errno != ENOENT || !slash || strcmp(ret->path, "/") == 0)
			return;
		slash[slash == ret->path] = '\0';
	}
	ret->error = statvfs(ret->path, &space) < 0 ? -errno : 0;
	if (ret->error < 0)
		return;
	ret->type = (int64_t)fs.f_type;
	ret->read_only = space.f_flag & ST_RDONLY;
	ret->bytes = (int64_t)(space.f_blocks * space.f_frsize);
	ret->free_bytes = (int64_t)(space.f_bavail * space.f_frsize);
	ret->inodes = (int64_t)space.f_files;
	ret->free_inodes = (int64_t)space.f_favail;
}

#define TRIAL ".doctor.jpg" /* its temp is what a killed writer leaves, too */

/* One after the other, until one fails. */
static void trial_steps(int dirfd, struct doctor_trial *ret)
{
	const struct fs_ops *fs = &fs_real;
	int fd = fs_open_new(fs, dirfd, TRIAL ".part", 0644);

	ret->step = "make a file";
	ret->error = fd < 0 ? fd : 0;
	if (fd < 0)
		return;
	ret->step = "write to it";
	ret->error = fs_write_all(fs, fd, TRIAL, strlen(TRIAL));
	if (ret->error == 0) {
		ret->step = "lock it (flock)";
		ret->error = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	}
	if (ret->error < 0) {
		close(fd);
		return;
	}
	ret->step = "put it onto the disk (fsync)";
	ret->error = fs_finish(fs, fd);
	if (ret->error < 0)
		return;
	ret->step = "give it its name (rename)";
	ret->error = fs_rename_noreplace(fs, dirfd, TRIAL ".part", TRIAL);
	if (ret->error < 0)
		return;
	ret->step = "put the name onto the disk (fsync)";
	ret->error = fs_sync_folder(fs, dirfd);
	if (ret->error == 0) {
		ret->step = "replace it (rename)";
		ret->error = fs_replace(fs, dirfd, TRIAL, TRIAL, strlen(TRIAL), 0644);
	}
}

void doctor_trial_run(const char *folder, struct doctor_trial *ret)
{
	CLEANUP_FD int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = (struct doctor_trial){ .step = "open it" };
	snprintf(ret->path, sizeof ret->path, "%s", folder);
	if (dirfd < 0) {
		ret->error = -errno;
		return;
	}
	unlinkat(dirfd, TRIAL, 0); /* of a trial that was killed */
	trial_steps(dirfd, ret);
	unlinkat(dirfd, TRIAL ".part", 0);
	unlinkat(dirfd, TRIAL, 0);
	ret->has_symlinks = ret->error == 0 && fs_replace_symlink(&fs_real, dirfd, "x", TRIAL) == 0;
	unlinkat(dirfd, TRIAL, 0);
}

struct doctor_finding doctor_publish(const struct doctor_trial *trial)
{
	if (trial->error == -ENOLCK)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "%s: the file system has no file locks",
					  trial->path),
			PLACE_NO_LOCKS_FIX);
	if (trial->error < 0)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "%s: cannot %s: %s", trial->path,
					  trial->step, strerror(-trial->error)),
			"see that it can be written by who runs this, and `dmesg`");
	return doctor_find(DOCTOR_OK, "a picture can be stored in %s%s", trial->path,
		trial->has_symlinks ? "" : "; without symlinks, so latest.jpg is a copy");
}

/* Numbers: linux/magic.h; statfs(2). */
static const struct kind {
	int64_t type;
	const char *name;
	enum doctor_verdict verdict;
	const char *what, *fix;
} kinds[] = {
	{ 0xef53, "ext4", DOCTOR_OK, "", "" },
	{ 0xf2f52010, "f2fs", DOCTOR_OK, "", "" },
	{ 0x9123683e, "btrfs", DOCTOR_OK, "", "" },
	{ 0x58465342, "xfs", DOCTOR_OK, "", "" },
	{ 0x2fc12fc1, "zfs", DOCTOR_OK, "", "" },
	{ 0x01021994, "tmpfs", DOCTOR_FAIL, " in memory: all is gone when the power is",
		"set archive to a folder on a disk" },
	{ 0x858458f6, "ramfs", DOCTOR_FAIL, " in memory: all is gone when the power is",
		"set archive to a folder on a disk" },
	{ 0x794c7630, "overlay", DOCTOR_FAIL, ": what is written is mostly in memory",
		"use a disk that is not overlaid (overlayroot: recurse=0)" },
	{ 0x4d44, "vfat", DOCTOR_WARN, ", which has no journal: a power cut may cost files",
		"make ext4 on that disk" },
	{ 0x2011bab0, "exfat", DOCTOR_WARN, ", which has no journal: a power cut may cost files",
		"make ext4 on that disk" },
	{ 0x7366746e, "ntfs3", DOCTOR_WARN,
		", which a power cut may leave to be repaired by Windows",
		"make ext4 on that disk" },
	{ 0x65735546, "FUSE", DOCTOR_WARN,
		" (exFAT, NTFS or another by a program): slow, and a power cut may cost files",
		"make ext4 on that disk, or use the kernel's exfat" },
	{ 0x6969, "nfs", DOCTOR_WARN, " over the network: frames are missed while that is away",
		"" },
	{ 0xff534d42, "cifs", DOCTOR_WARN,
		" over the network: frames are missed while that is away", "" },
	{ 0xfe534d42, "smb", DOCTOR_WARN, " over the network: frames are missed while that is away",
		"" },
};

struct doctor_finding doctor_real_disk(const struct doctor_disk *disk)
{
	if (disk->error < 0)
		return doctor_find(DOCTOR_FAIL, "%s: %s", disk->path, strerror(-disk->error));
	if (disk->read_only)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "%s is read-only", disk->path),
			"look at `dmesg`: a disk that fails is made read-only");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *kind = &kinds[i];

		if (kind->type == disk->type)
			return doctor_fix(doctor_find(kind->verdict, "%s is on %s%s", disk->path,
						  kind->name, kind->what),
				"%s", kind->fix);
	}
	return doctor_find(DOCTOR_OK, "%s is on a file system of type 0x%llx", disk->path,
		(unsigned long long)disk->type);
}

struct doctor_finding doctor_mount(bool required, int error, const char *path)
{
	if (!required)
		return doctor_find(DOCTOR_OK, "require_mount is off");
	if (error == -ENOMEDIUM)
		return doctor_fix(doctor_find(DOCTOR_FAIL, "the disk of %s is not mounted", path),
			"mount it; see /etc/fstab, with nofail");
	if (error < 0)
		return doctor_find(DOCTOR_FAIL, "%s: %s", path, strerror(-error));
	return doctor_find(DOCTOR_OK, "the disk of %s is mounted", path);
}

static const char *days_text(double days, char buf[static 32])
{
	if (days < 2)
		snprintf(buf, 32, "%.1f hours", days * 24);
	else if (days < 10000)
		snprintf(buf, 32, "%.0f days", days);
	else
		snprintf(buf, 32, "decades");
	return buf;
}

struct doctor_finding doctor_space(const struct doctor_disk *disk, const struct doctor_use *use)
{
	const double frames_by_bytes = (double)disk->free_bytes / use->frame_bytes;
	const bool few_inodes = disk->inodes > 0 && (double)disk->free_inodes < frames_by_bytes;
	const double frames = few_inodes ? (double)disk->free_inodes : frames_by_bytes;
	const double days = frames / use->frames_per_day;
	const double held = (frames + use->held_frames) / use->frames_per_day;
	const char *what = few_inodes ? "inodes" : "space";
	char text[32], free_text[64];

	if (disk->error < 0)
		return doctor_find(DOCTOR_FAIL, "%s: %s", disk->path, strerror(-disk->error));
	snprintf(free_text, sizeof free_text, "%.1f GB, %lld inodes free",
		(double)disk->free_bytes / 1e9, (long long)disk->free_inodes);
	if (disk->inodes == 0)
		*strchr(free_text, ',') = '\0';
	if (disk->bytes == 0)
		return doctor_find(DOCTOR_OK, "the file system does not tell how much is free");
	if (disk->free_bytes == 0 || (disk->inodes > 0 && disk->free_inodes == 0))
		return doctor_fix(doctor_find(DOCTOR_FAIL, "%s: no %s left", disk->path,
					  disk->free_bytes ? "inodes" : "space"),
			"remove what is not needed");
	if (use->frames_per_day <= 0 || use->frame_bytes <= 0)
		return doctor_find(DOCTOR_OK, "%s", free_text);
	if (use->makes_room && held >= 1)
		return doctor_find(DOCTOR_OK, "%s: room for %s, then the oldest frames go",
			free_text, days_text(held, text));
	if (use->makes_room)
		return doctor_fix(doctor_find(DOCTOR_WARN, "%s: room for %s only", free_text,
					  days_text(held, text)),
			"take a larger disk, or fewer or smaller frames");
	if (days >= DAYS_FEW)
		return doctor_find(
			DOCTOR_OK, "%s: %s for %s", free_text, what, days_text(days, text));
	return doctor_fix(doctor_find(DOCTOR_WARN, "%s: %s for %s only", free_text, what,
				  days_text(days, text)),
		"set archive.reserve, or make room");
}
