/* SPDX-License-Identifier: MIT */
/* The disk under an archive, as `doctor` sees it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/archive/place.h"
#include "common/base/fs.h"
#include "common/doctor/doctor.h"

#define DAYS_FEW 7 /* until a disk is full that nothing makes room on */
#define TRIAL ".doctor.jpg" /* its temp is what a killed writer leaves, too */

int doctor_disk_read(const char *path, char ret_path[static PATH_MAX], struct statfs *ret)
{
	struct stat st;
	int r = place_nearest(path, &st, ret_path);

	*ret = (struct statfs){ 0 };
	if (r >= 0)
		r = statfs(ret_path, ret) < 0 ? -errno : 0;
	return r;
}

/* One after the other, until one fails. */
static int trial_steps(int dirfd, const char **step)
{
	const struct fs_ops *fs = &fs_real;
	CLEANUP_FD int fd = -1;
	int r;

	*step = "make a file";
	fd = fs_open_new(fs, dirfd, TRIAL ".part", 0644);
	if (fd < 0)
		return fd;
	*step = "write to it";
	r = fs_write_all(fs, fd, TRIAL, strlen(TRIAL));
	if (r < 0)
		return r;
	*step = "lock it (flock)";
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*step = "put it onto the disk (fsync)";
	r = fs_finish(fs, TAKE_FD(fd));
	if (r < 0)
		return r;
	*step = "give it its name (rename)";
	r = fs_rename_noreplace(fs, dirfd, TRIAL ".part", dirfd, TRIAL);
	if (r < 0)
		return r;
	*step = "replace it (rename, fsync)";
	return fs_replace(fs, dirfd, TRIAL, TRIAL, strlen(TRIAL), 0644);
}

int doctor_trial_run(const char *folder, const char **ret_step)
{
	CLEANUP_FD int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	*ret_step = "open it";
	if (dirfd < 0)
		return -errno;
	unlinkat(dirfd, TRIAL, 0); /* of a trial that was killed */
	r = trial_steps(dirfd, ret_step);
	unlinkat(dirfd, TRIAL ".part", 0);
	unlinkat(dirfd, TRIAL, 0);
	if (r == 0)
		r = fs_replace_symlink(&fs_real, dirfd, "x", TRIAL) == 0;
	unlinkat(dirfd, TRIAL, 0);
	return r;
}

struct doctor_finding doctor_publish(const char *path, int result, const char *step)
{
	if (result == -ENOLCK)
		return doctor_find(DOCTOR_FAIL,
			"%s: the file system has no file locks\n" PLACE_NO_LOCKS_FIX, path);
	if (result < 0)
		return doctor_find(DOCTOR_FAIL,
			"%s: cannot %s: %s\n"
			"see that whoever runs this may write there, and look at `dmesg`",
			path, step, strerror(-result));
	return doctor_find(DOCTOR_OK, "a picture can be stored in %s%s", path,
		result ? "" : "; without symlinks, so latest.jpg is a copy");
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

struct doctor_finding doctor_disk(const char *path, int error, const struct statfs *fs)
{
	if (error < 0)
		return doctor_find(DOCTOR_FAIL, "%s: %s", path, strerror(-error));
	if (fs->f_flags & ST_RDONLY)
		return doctor_find(DOCTOR_FAIL,
			"%s is read-only\nlook at `dmesg`: a disk that fails is made read-only",
			path);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == fs->f_type)
			return doctor_find(kinds[i].verdict, "%s is on %s%s%s", path, kinds[i].name,
				*kinds[i].what ? ", " : "", kinds[i].what);
	return doctor_find(DOCTOR_OK, "%s is on a file system of type 0x%llx", path,
		(unsigned long long)fs->f_type);
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

struct doctor_finding doctor_space(
	const char *path, int error, const struct statfs *fs, const struct doctor_use *use)
{
	const double free_bytes = (double)fs->f_bavail * (double)fs->f_frsize;
	const double free_inodes = (double)fs->f_ffree, by_bytes = free_bytes / use->frame_bytes;
	const bool few_inodes = fs->f_files > 0 && free_inodes < by_bytes;
	const double frames = few_inodes ? free_inodes : by_bytes;
	const double days =
		(frames + (use->makes_room ? use->held_frames : 0)) / use->frames_per_day;
	char text[32], inodes[32] = "", left[64];

	if (error < 0)
		return doctor_find(DOCTOR_FAIL, "%s: %s", path, strerror(-error));
	if (fs->f_blocks == 0)
		return doctor_find(DOCTOR_OK, "the file system does not tell how much is free");
	if (free_bytes <= 0 || (fs->f_files > 0 && fs->f_ffree == 0))
		return doctor_find(DOCTOR_FAIL, "%s: no %s left\nremove what is not needed", path,
			free_bytes > 0 ? "inodes" : "space");
	if (fs->f_files > 0)
		snprintf(inodes, sizeof inodes, ", %.0f inodes", free_inodes);
	snprintf(left, sizeof left, "%.1f GB%s free", free_bytes / 1e9, inodes);
	if (use->frames_per_day <= 0 || use->frame_bytes <= 0)
		return doctor_find(DOCTOR_OK, "%s", left);
	days_text(days, text);
	if (use->makes_room && days >= 1)
		return doctor_find(
			DOCTOR_OK, "%s: room for %s, then the oldest frames go", left, text);
	if (use->makes_room)
		return doctor_find(DOCTOR_WARN,
			"%s: room for %s only\ntake a larger disk, or fewer or smaller frames",
			left, text);
	return doctor_find(days >= DAYS_FEW ? DOCTOR_OK : DOCTOR_WARN, "%s: %s for %s%s", left,
		few_inodes ? "inodes" : "space", text,
		days >= DAYS_FEW ? "" : " only\nset archive.reserve, or make room");
}

void doctor_tell_disk(struct doctor *doctor, const char *path, bool required, int mount_error,
	const struct doctor_use *use)
{
	char at[PATH_MAX];
	struct statfs fs;
	const char *step;
	int error = doctor_disk_read(path, at, &fs), r = doctor_trial_run(at, &step);

	doctor_tell(doctor, "disk", doctor_disk(at, error, &fs));
	doctor_tell(doctor, "publish", doctor_publish(at, r, step));
	doctor_tell(doctor, "mount", doctor_mount(required, mount_error, path));
	doctor_tell(doctor, "space", doctor_space(at, error, &fs, use));
}
