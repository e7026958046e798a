/* SPDX-License-Identifier: MIT */
/*
 * Power cuts. fs_ops that remember what the disk must hold: of a file what it held at its last
 * fsync, of a folder the names at its last fsync. After every call the worst disks that a power cut
 * could leave there are built beside the folder and checked:
 *
 *   lost    nothing but what was synced
 *   names   every name, but of each file only what was synced
 *   torn    the same, and half of what was not
 */
#pragma once

#include <fcntl.h>

#include "tests/unit/archive_kit.h"

#define SYNCED_MAX 400
#define NAMES_MAX 30

enum disk { DISK_LOST, DISK_NAMES, DISK_TORN, DISKS };

static const char *const disk_names[DISKS] = { "lost", "names", "torn" };

struct name {
	char name[64];
	ino_t ino;
	mode_t type;
	char target[100]; /* of a symlink */
};

/* What is known to be on the disk of one file or folder. */
struct synced {
	ino_t ino; /* 0: unused */
	char *data;
	size_t bytes;
	struct name names[NAMES_MAX];
	int n_names;
};

static struct {
	struct synced synced[SYNCED_MAX];
	char path[64]; /* the folder; "": no crashes now */
	void (*check)(const char *path); /* one of those disks, which goes after that */
	int crashes;
} power;

static struct synced *find_synced(ino_t ino)
{
	for (int i = 0; i < SYNCED_MAX; i++) {
		if (power.synced[i].ino == ino)
			return &power.synced[i];
	}
	return NULL;
}

static void forget(ino_t ino)
{
	struct synced *synced = find_synced(ino);

	if (!synced)
		return;
	free(synced->data);
	memset(synced, 0, sizeof(*synced));
}

/* The names of a folder as they are now. */
static int list(int fd, struct name names[static NAMES_MAX])
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = fdopendir(copy);
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!CHECK(n < NAMES_MAX))
			continue;
		memset(&names[n], 0, sizeof(names[n]));
		snprintf(names[n].name, sizeof(names[n].name), "%.63s", entry->d_name);
		names[n].ino = st.st_ino;
		names[n].type = st.st_mode & S_IFMT;
		if (S_ISLNK(st.st_mode) &&
			readlinkat(fd, entry->d_name, names[n].target,
				sizeof(names[n].target) - 1) < 0)
			continue;
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static void remember(int fd)
{
	CLEANUP_FD int copy = -1;
	struct synced *synced;
	char path[40];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	forget(st.st_ino);
	synced = find_synced(0);
	if (!CHECK(synced != NULL))
		return;
	synced->ino = st.st_ino;
	if (S_ISDIR(st.st_mode)) {
		synced->n_names = list(fd, synced->names);
		return;
	}
	/* the fd itself may be open for writing only */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = open(path, O_RDONLY | O_CLOEXEC);
	synced->bytes = (size_t)st.st_size;
	synced->data = malloc(synced->bytes + 1);
	CHECK_INT(fs_read_at(copy, synced->data, synced->bytes, 0), st.st_size);
}

static void build_file(enum disk disk, int from_fd, int to_fd, const struct name *name)
{
	const struct synced *synced = find_synced(name->ino);
	size_t keep = synced ? synced->bytes : 0, all = 0;
	CLEANUP_FREE char *now = NULL;
	CLEANUP_FD int fd =
		openat(to_fd, name->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	if (keep > 0)
		CHECK_INT(write(fd, synced->data, keep), keep);
	/* what was appended and not synced: half of it */
	if (disk == DISK_TORN &&
		fs_read_file(from_fd, name->name, FRAME_BYTES_MAX, &now, &all) == 0 && all > keep)
		CHECK_INT(write(fd, now + keep, (all - keep) / 2), (all - keep) / 2);
}

/* Copies the folder as it would be after the cut. */
static void build(enum disk disk, ino_t ino, int from_fd, int to_fd)
{
	const struct synced *synced = find_synced(ino);
	struct name now[NAMES_MAX];
	const struct name *names = disk == DISK_LOST ? (synced ? synced->names : NULL) : now;
	int n = disk == DISK_LOST ? (synced ? synced->n_names : 0) : list(from_fd, now);

	for (int i = 0; i < n; i++) {
		const char *name = names[i].name;

		if (S_ISLNK(names[i].type)) {
			CHECK_INT(symlinkat(names[i].target, to_fd, name), 0);
		} else if (S_ISDIR(names[i].type)) {
			int from = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to;

			CHECK_INT(mkdirat(to_fd, name, 0755), 0);
			to = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			build(disk, names[i].ino, from, to);
			close(from);
			close(to);
		} else {
			build_file(disk, from_fd, to_fd, &names[i]);
		}
	}
}

/* The power fails here. */
static void cut(void)
{
	int error = errno;

	if (!power.path[0] || test_failures)
		return;
	for (int disk = 0; disk < DISKS; disk++) {
		int from = open(power.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to;
		struct stat st;
		char path[64];

		kit_make_folder(path);
		to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK_INT(fstat(from, &st), 0);
		build((enum disk)disk, st.st_ino, from, to);
		close(from);
		close(to);
		power.check(path);
		power.crashes++;
		if (test_failures)
			fprintf(stderr, "  cut %d (%s)\n", power.crashes, disk_names[disk]);
		test_remove_folder(path);
	}
	errno = error;
}

static int power_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd = fs_real.openat(dirfd, path, flags, mode);
	struct stat st;

	/* the number of a deleted file may come again */
	if (fd >= 0 && (flags & O_EXCL) && fstat(fd, &st) == 0)
		forget(st.st_ino);
	if (fd >= 0 && (flags & O_CREAT))
		cut();
	return fd;
}
static ssize_t power_write(int fd, const void *data, size_t bytes)
{
	ssize_t n = fs_real.write(fd, data, bytes);

	cut();
	return n;
}
static int power_fsync(int fd)
{
	int r = fs_real.fsync(fd);

	remember(fd);
	cut();
	return r;
}
static int power_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	int r = fs_real.renameat2(olddir, old, newdir, new, flags);

	cut();
	return r;
}
static int power_unlinkat(int dirfd, const char *path, int flags)
{
	int r = fs_real.unlinkat(dirfd, path, flags);

	cut();
	return r;
}
static int power_mkdirat(int dirfd, const char *path, mode_t mode)
{
	int r = fs_real.mkdirat(dirfd, path, mode);
	struct stat st;

	if (r == 0 && fstatat(dirfd, path, &st, 0) == 0)
		forget(st.st_ino);
	cut();
	return r;
}
static int power_symlinkat(const char *target, int dirfd, const char *path)
{
	int r = fs_real.symlinkat(target, dirfd, path);

	cut();
	return r;
}
static int power_ftruncate(int fd, off_t bytes)
{
	int r = fs_real.ftruncate(fd, bytes);

	cut();
	return r;
}

static struct fs_ops power_fs(void)
{
	struct fs_ops fs = fs_real;

	fs.openat = power_openat;
	fs.write = power_write;
	fs.fsync = fs.fdatasync = power_fsync;
	fs.renameat2 = power_renameat2;
	fs.unlinkat = power_unlinkat;
	fs.mkdirat = power_mkdirat;
	fs.symlinkat = power_symlinkat;
	fs.ftruncate = power_ftruncate;
	return fs;
}

static void power_start(const char *path, void (*check)(const char *path))
{
	memset(&power, 0, sizeof(power));
	power.check = check;
	snprintf(power.path, sizeof(power.path), "%s", path);
}

static void power_end(int least)
{
	CHECK(power.crashes >= least);
	printf("%d disks\n", power.crashes);
	for (int i = 0; i < SYNCED_MAX; i++)
		free(power.synced[i].data);
}
