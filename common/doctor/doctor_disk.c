/* SPDX-License-Identifier: MIT */
/* The disk under an archive, as `doctor` sees it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/archive/place.h"
#include "common/base/fs.h"
#include "common/doctor/doctor.h"

#define DAYS_FEW 7 /* until a disk is full that nothing makes room on */
#define TRIAL ".doctor.jpg" /* its temp is what a killed writer leaves, too */

void doctor_disk_read(const char *path, struct doctor_disk *ret)
{
	struct statvfs space = { 0 };
	struct statfs fs = { 0 };
	struct stat st;
	int r = place_nearest(path, &st, ret->path);

	if (r >= 0)
		r = statfs(ret->path, &fs) < 0 || statvfs(ret->path, &space) < 0 ? -errno : 0;
	ret->error = r;
	ret->type = (int64_t)fs.f_type;
	ret->read_only = space.f_flag & ST_RDONLY;
	ret->bytes = (int64_t)(space.f_blocks * space.f_frsize);
	ret->free_bytes = (int64_t)(space.f_bavail * space.f_frsize);
	ret->inodes = (int64_t)space.f_files;
	ret->free_inodes = (int64_t)space.f_favail;
}

/* One after the other, until one fails. */
static int trial_steps(int dirfd, const char **step)
{
	const struct fs_ops *fs = &fs_real;
	CLEANUP_FD int fd = -1;
	int r;

	*step = "make a file";
	fd = fs_open_new(fs, dirfd, TRIAL ".part", 0644);
	r = fd < 0 ? fd : 0;
	if (r == 0) {
		*step = "write to it";
		r = fs_write_all(fs, fd, TRIAL, strlen(TRIAL));
	}
	if (r == 0) {
		*step = "lock it (flock)";
		r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	}
	if (r == 0) {
		*step = "put it onto the disk (fsync)";
		r = fs_finish(fs, TAKE_FD(fd));
	}
	if (r == 0) {
		*step = "give it its name (rename)";
		r = fs_rename_noreplace(fs, dirfd, TRIAL ".part", TRIAL);
	}
	if (r == 0) {
		*step = "replace it (rename, fsync)";
		r = fs_replace(fs, dirfd, TRIAL, TRIAL, strlen(TRIAL), 0644);
	}
	return r;
}

void doctor_trial_run(const char *folder, struct doctor_trial *ret)
{
	CLEANUP_FD int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = (struct doctor_trial){ .path = folder, .step = "open it" };
	ret->error = dirfd < 0 ? -errno : 0;
	if (dirfd < 0)
		return;
	unlinkat(dirfd, TRIAL, 0); /* of a trial that was killed */
	ret->error = trial_steps(dirfd, &ret->step);
	unlinkat(dirfd, TRIAL ".part", 0);
	unlinkat(dirfd, TRIAL, 0);
	ret->has_symlinks = ret->error == 0 && fs_replace_symlink(&fs_real, dirfd, "x", TRIAL) == 0;
	unlinkat(dirfd, TRIAL, 0);
}

struct doctor_finding doctor_publish(const struct doctor_trial *trial)
{
	if (trial->error == -ENOLCK)
		return doctor_find(DOCTOR_FAIL,
			"%s: the file system has no file locks\n" PLACE_NO_LOCKS_FIX, trial->path);
	if (trial->error < 0)
		return doctor_find(DOCTOR_FAIL,
			"%s: cannot %s: %s\n"
			"see that it can be written by who runs this, and `dmesg`",
			trial->path, trial->step, strerror(-trial->error));
	return doctor_find(DOCTOR_OK, "a picture can be stored in %s%s", trial->path,
		trial->has_symlinks ? "" : "; without symlinks, so latest.jpg is a copy");
}

#define IN_MEMORY                                                                                  \
	"in memory: all is gone when the power is\n"                                               \
	"set archive to a folder on a disk"
#define NO_JOURNAL "which has no journal: a power cut may cost files\nmake ext4 on that disk"
#define NETWORK "over the network: frames are missed while that is away"

/* Numbers: linux/magic.h; statfs(2). */
static const struct kind {
	int64_t type;
	const char *name;
	enum doctor_verdict verdict;
	const char *what; /* after the name, and what to do */
} kinds[] = {
	{ 0xef53, "ext4", DOCTOR_OK, "" },
	{ 0xf2f52010, "f2fs", DOCTOR_OK, "" },
	{ 0x9123683e, "btrfs", DOCTOR_OK, "" },
	{ 0x58465342, "xfs", DOCTOR_OK, "" },
	{ 0x2fc12fc1, "zfs", DOCTOR_OK, "" },
	{ 0x01021994, "tmpfs", DOCTOR_FAIL, IN_MEMORY },
	{ 0x858458f6, "ramfs", DOCTOR_FAIL, IN_MEMORY },
	{ 0x794c7630, "overlay", DOCTOR_FAIL,
		"which is mostly in memory\nuse a disk that is not overlaid (overlayroot: "
		"recurse=0)" },
	{ 0x4d44, "vfat", DOCTOR_WARN, NO_JOURNAL },
	{ 0x2011bab0, "exfat", DOCTOR_WARN, NO_JOURNAL },
	{ 0x7366746e, "ntfs3", DOCTOR_WARN,
		"which a power cut may leave to be repaired by Windows\nmake ext4 on that disk" },
	{ 0x65735546, "FUSE", DOCTOR_WARN,
		"(exFAT, NTFS or another by a program): slow, and a power cut may cost files\n"
		"make ext4 on that disk, or use the kernel's exfat" },
	{ 0x6969, "nfs", DOCTOR_WARN, NETWORK },
	{ 0xff534d42, "cifs", DOCTOR_WARN, NETWORK },
	{ 0xfe534d42, "smb", DOCTOR_WARN, NETWORK },
};

struct doctor_finding doctor_real_disk(const struct doctor_disk *disk)
{
	if (disk->error < 0)
		return doctor_find(DOCTOR_FAIL, "%s: %s", disk->path, strerror(-disk->error));
	if (disk->read_only)
		return doctor_find(DOCTOR_FAIL,
			"%s is read-only\nlook at `dmesg`: a disk that fails is made read-only",
			disk->path);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == disk->type)
			return doctor_find(kinds[i].verdict, "%s is on %s%s%s", disk->path,
				kinds[i].name, *kinds[i].what ? ", " : "", kinds[i].what);
	return doctor_find(DOCTOR_OK, "%s is on a file system of type 0x%llx", disk->path,
		(unsigned long long)disk->type);
}

struct doctor_finding doctor_mount(bool required, int error, const char *path)
{
	if (!required)
		return doctor_find(DOCTOR_OK, "require_mount is off");
	if (error == -ENOMEDIUM)
		return doctor_find(DOCTOR_FAIL,
			"the disk of %s is not mounted\nmount it; see /etc/fstab, with nofail",
			path);
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
	const double by_bytes = (double)disk->free_bytes / use->frame_bytes;
	const bool few_inodes = disk->inodes > 0 && (double)disk->free_inodes < by_bytes;
	const double frames = few_inodes ? (double)disk->free_inodes : by_bytes;
	const double days = frames / use->frames_per_day;
	const double held = (frames + use->held_frames) / use->frames_per_day;
	const char *what = few_inodes ? "inodes" : "space";
	char text[32], inodes[32] = "", free_text[64];

	if (disk->error < 0)
		return doctor_find(DOCTOR_FAIL, "%s: %s", disk->path, strerror(-disk->error));
	if (disk->bytes == 0)
		return doctor_find(DOCTOR_OK, "the file system does not tell how much is free");
	if (disk->free_bytes == 0 || (disk->inodes > 0 && disk->free_inodes == 0))
		return doctor_find(DOCTOR_FAIL, "%s: no %s left\nremove what is not needed",
			disk->path, disk->free_bytes ? "inodes" : "space");
	if (disk->inodes > 0)
		snprintf(inodes, sizeof inodes, ", %lld inodes", (long long)disk->free_inodes);
	snprintf(free_text, sizeof free_text, "%.1f GB%s free", (double)disk->free_bytes / 1e9,
		inodes);
	if (use->frames_per_day <= 0 || use->frame_bytes <= 0)
		return doctor_find(DOCTOR_OK, "%s", free_text);
	if (use->makes_room && held >= 1)
		return doctor_find(DOCTOR_OK, "%s: room for %s, then the oldest frames go",
			free_text, days_text(held, text));
	if (use->makes_room)
		return doctor_find(DOCTOR_WARN,
			"%s: room for %s only\ntake a larger disk, or fewer or smaller frames",
			free_text, days_text(held, text));
	if (days >= DAYS_FEW)
		return doctor_find(
			DOCTOR_OK, "%s: %s for %s", free_text, what, days_text(days, text));
	return doctor_find(DOCTOR_WARN, "%s: %s for %s only\nset archive.reserve, or make room",
		free_text, what, days_text(days, text));
}

void doctor_tell_disk(struct doctor *doctor, const char *path, bool required, int mount_error,
	const struct doctor_use *use)
{
	struct doctor_trial trial;
	struct doctor_disk disk;

	doctor_disk_read(path, &disk);
	doctor_tell(doctor, "disk", doctor_real_disk(&disk));
	doctor_trial_run(disk.path, &trial);
	doctor_tell(doctor, "publish", doctor_publish(&trial));
	doctor_tell(doctor, "mount", doctor_mount(required, mount_error, path));
	doctor_tell(doctor, "space", doctor_space(&disk, use));
}
