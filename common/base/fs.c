/* SPDX-License-Identifier: MIT */
/*
 * Small files written durably and folders opened without following symlinks. A name appears by
 * rename only, after the content is on the disk; the folder is synced after the name.
 */
#include "common/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/util.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define COPY_BYTES 65536
#define CIFS_TYPE 0xff534d42 /* statfs(2) */
#define SMB2_TYPE 0xfe534d42
#define OPEN_NEW (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

static int fs_real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
}

static int fs_real_renameat2(
	int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	return renameat2(olddir, old, newdir, new, flags);
}

const char *const fs_access_words[] = { "keep", "private", "group", "public", NULL };

const struct fs_ops fs_real = {
	.openat = fs_real_openat,
	.write = write,
	.fsync = fsync,
	.fdatasync = fdatasync,
	.close = close,
	.renameat2 = fs_real_renameat2,
	.unlinkat = unlinkat,
	.mkdirat = mkdirat,
	.symlinkat = symlinkat,
	.ftruncate = ftruncate,
};

int fs_write_all(const struct fs_ops *fs, int fd, const void *data, size_t bytes)
{
	const char *p = data;

	while (bytes > 0) {
		ssize_t n = fs->write(fd, p, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

/*
 * EPERM: exFAT and vfat say it of symlinks, and all of a mode that somebody who is not the owner
 * sets.
 */
bool fs_is_unsupported(int error)
{
	return error == -EINVAL || error == -ENOSYS || error == -EOPNOTSUPP || error == -EPERM;
}

int fs_sync_folder(const struct fs_ops *fs, int fd)
{
	return fs->fsync(fd) < 0 && !fs_is_unsupported(-errno) ? -errno : 0;
}

/* The file has both names. */
static int fs_remove_old(
	const struct fs_ops *fs, int old_fd, const char *old, int new_fd, const char *new)
{
	int r = fs->unlinkat(old_fd, old, 0) < 0 ? -errno : 0;

	if (r < 0)
		fs->unlinkat(new_fd, new, 0);
	return r;
}

int fs_rename_noreplace(
	const struct fs_ops *fs, int old_fd, const char *old, int new_fd, const char *new)
{
	struct stat st;

	if (fs->renameat2(old_fd, old, new_fd, new, RENAME_NOREPLACE) == 0)
		return 0;
	if (!fs_is_unsupported(-errno))
		return -errno;
	if (linkat(old_fd, old, new_fd, new, 0) == 0)
		return fs_remove_old(fs, old_fd, old, new_fd, new);
	if (!fs_is_unsupported(-errno))
		return -errno;
	if (fstatat(new_fd, new, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (errno != ENOENT)
		return -errno;
	return fs->renameat2(old_fd, old, new_fd, new, 0) < 0 ? -errno : 0;
}

static int fs_temp_name(const char *name, char ret[static NAME_MAX + 1])
{
	int n = snprintf(ret, NAME_MAX + 1, ".%s.part", name);

	return n < 0 || n > NAME_MAX ? -ENAMETOOLONG : 0;
}

/*
 * A temp of the same name is what a killed writer left; a symlink there is removed, not followed.
 */
int fs_open_new(const struct fs_ops *fs, int dirfd, const char *name, mode_t mode)
{
	int fd = fs->openat(dirfd, name, OPEN_NEW, mode);

	if (fd < 0 && errno == EEXIST && fs->unlinkat(dirfd, name, 0) == 0)
		fd = fs->openat(dirfd, name, OPEN_NEW, mode);
	return fd < 0 ? -errno : fd;
}

int fs_finish(const struct fs_ops *fs, int fd)
{
	int r = fs->fsync(fd) < 0 ? -errno : 0;

	/* An error of close(2) may be the only word of a failed write (NFS, quota). */
	if (fs->close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

/* What a file is to hold: what is in another, or in memory. */
struct fs_content {
	int from_fd; /* -1: `data` */
	const void *data;
	size_t bytes;
};

static int fs_write_content(const struct fs_ops *fs, int fd, const struct fs_content *content)
{
	char block[COPY_BYTES];
	off_t at = 0;
	ssize_t n;
	int r = 0;

	if (content->from_fd < 0)
		return fs_write_all(fs, fd, content->data, content->bytes);
	while (r == 0 && (n = fs_read_at(content->from_fd, block, sizeof(block), at)) != 0) {
		r = n < 0 ? (int)n : fs_write_all(fs, fd, block, (size_t)n);
		at += n;
	}
	return r;
}

static int fs_write_file(const struct fs_ops *fs, int dirfd, const char *name,
	const struct fs_content *content, mode_t mode, bool keep_old)
{
	char temp[NAME_MAX + 1];
	int fd, r = fs_temp_name(name, temp);

	if (r < 0)
		return r;
	fd = fs_open_new(fs, dirfd, temp, mode);
	if (fd < 0)
		return fd;
	r = fs_write_content(fs, fd, content);
	if (r < 0)
		fs->close(fd);
	else
		r = fs_finish(fs, fd);
	if (r == 0 && keep_old)
		r = fs_rename_noreplace(fs, dirfd, temp, dirfd, name);
	else if (r == 0 && fs->renameat2(dirfd, temp, dirfd, name, 0) < 0)
		r = -errno;
	if (r < 0) {
		fs->unlinkat(dirfd, temp, 0);
		return r;
	}
	return fs_sync_folder(fs, dirfd);
}

int fs_replace(const struct fs_ops *fs, int dirfd, const char *name, const void *data, size_t bytes,
	mode_t mode)
{
	const struct fs_content content = { -1, data, bytes };

	return fs_write_file(fs, dirfd, name, &content, mode, false);
}

int fs_replace_path(
	const struct fs_ops *fs, const char *path, const void *data, size_t bytes, mode_t mode)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	CLEANUP_FREE char *folder = strndup(path, (size_t)(name - path));
	CLEANUP_FD int fd = -1;

	if (!folder)
		return -ENOMEM;
	fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fs_replace(fs, fd, name, data, bytes, mode);
}

int fs_make(const struct fs_ops *fs, int dirfd, const char *name, const void *data, size_t bytes,
	mode_t mode)
{
	const struct fs_content content = { -1, data, bytes };

	return fs_write_file(fs, dirfd, name, &content, mode, true);
}

int fs_link(int fd, int dirfd, const char *name)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int fs_replace_copy(const struct fs_ops *fs, int from_fd, int dirfd, const char *name, mode_t mode)
{
	const struct fs_content content = { .from_fd = from_fd };

	return fs_write_file(fs, dirfd, name, &content, mode, false);
}

/*
 * A server of SMB may take a symlink and make an empty file of it, and for a while the kernel shows
 * what it sent, not what is there. So there is none to be had.
 */
static bool fs_is_smb(int dirfd)
{
	struct statfs fs;

	return fstatfs(dirfd, &fs) == 0 &&
		((uint32_t)fs.f_type == CIFS_TYPE || (uint32_t)fs.f_type == SMB2_TYPE);
}

/* The same of other file systems that are not what they say. */
static int fs_check_symlink(int dirfd, const char *name, const char *target)
{
	char found[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, found, sizeof found);

	return n == (ssize_t)strlen(target) && memcmp(found, target, (size_t)n) == 0 ? 0
										     : -EOPNOTSUPP;
}

int fs_replace_symlink(const struct fs_ops *fs, int dirfd, const char *target, const char *name)
{
	char temp[NAME_MAX + 1];
	int r;

	r = fs_is_smb(dirfd) ? -EOPNOTSUPP : fs_temp_name(name, temp);
	if (r < 0)
		return r;
	r = fs->symlinkat(target, dirfd, temp);
	if (r < 0 && errno == EEXIST && fs->unlinkat(dirfd, temp, 0) == 0)
		r = fs->symlinkat(target, dirfd, temp);
	if (r < 0)
		return -errno;
	r = fs_check_symlink(dirfd, temp, target);
	if (r == 0 && fs->renameat2(dirfd, temp, dirfd, name, 0) < 0)
		r = -errno;
	if (r < 0)
		fs->unlinkat(dirfd, temp, 0);
	return r;
}

int fs_point(const struct fs_ops *fs, int dirfd, const char *target, const char *name, mode_t mode)
{
	CLEANUP_FD int fd = -1;
	int r = fs_replace_symlink(fs, dirfd, target, name);

	/* EROFS, EACCES: shared folders of VirtualBox */
	if (!fs_is_unsupported(r) && r != -EROFS && r != -EACCES)
		return r;
	fd = openat(dirfd, target, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fs_replace_copy(fs, fd, dirfd, name, mode);
}

/*
 * openat(2) says ENOTDIR for a symlink with O_DIRECTORY | O_NOFOLLOW; the caller hears of a link.
 */
static int fs_open_component(const struct fs_ops *fs, int dirfd, const char *name)
{
	struct stat st;
	int fd = fs->openat(dirfd, name, OPEN_FOLDER, 0), r;

	if (fd >= 0)
		return fd;
	r = -errno;
	if (r == -ENOTDIR && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISLNK(st.st_mode))
		r = -ELOOP;
	return r;
}

/* The parent is synced for a folder that exists as well: a killed process may have made it. */
static int fs_make_component(const struct fs_ops *fs, int dirfd, const char *name)
{
	if (fs->mkdirat(dirfd, name, 0777) < 0 && errno != EEXIST)
		return -errno;
	return fs_sync_folder(fs, dirfd);
}

int fs_open_folder(const struct fs_ops *fs, int dirfd, const char *path, bool create, int *ret_fd)
{
	CLEANUP_FD int fd = -1;
	const char *p = path;

	if (!*p)
		return -EINVAL;
	while (*p) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(p, "/");
		int from = fd >= 0 ? fd : dirfd, next, r;

		if (len == 0 || len > NAME_MAX)
			return len ? -ENAMETOOLONG : -EINVAL;
		memcpy(name, p, len);
		name[len] = '\0';
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return -EINVAL;
		r = create ? fs_make_component(fs, from, name) : 0;
		if (r < 0)
			return r;
		next = fs_open_component(fs, from, name);
		if (next < 0)
			return next;
		fd_closep(&fd);
		fd = next;
		p += len;
		p += *p == '/' && p[1];
		if (*p == '/')
			return -EINVAL;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int fs_list_folder(int dirfd, const char *path, DIR **ret)
{
	CLEANUP_FD int fd = openat(dirfd, path, OPEN_FOLDER);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	fd = -1;
	*ret = dir;
	return 0;
}

/* Makes the folder, if it is not there, and syncs the folder above it. */
static int fs_make_folder(const char *path, mode_t mode)
{
	CLEANUP_FD int above = -1;
	char parent[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	if (errno != ENOENT || (mkdir(path, mode) < 0 && errno != EEXIST))
		return -errno;
	if (snprintf(parent, sizeof(parent), "%s/..", path) >= (int)sizeof(parent))
		return -ENAMETOOLONG;
	above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above < 0 && errno == EACCES)
		return 0; /* it may be passed through but not be read */
	return above < 0 ? -errno : fs_sync_folder(&fs_real, above);
}

int fs_make_folders(const char *path, mode_t mode)
{
	CLEANUP_FREE char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	if (!*path)
		return -ENOENT;
	for (char *p = copy + 1; r == 0 && p[-1]; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		r = fs_make_folder(copy, mode);
		*p = c;
	}
	return r;
}

int fs_open_made(const char *path, mode_t mode)
{
	int fd, r = fs_make_folders(path, mode);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool fs_path_is_below(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	return strncmp(path, folder, n) == 0 &&
		(path[n] == '/' || path[n] == '\0' || folder[n - 1] == '/');
}

int fs_read_file(int dirfd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_bytes)
{
	CLEANUP_FREE char *data = NULL;
	CLEANUP_FD int fd = -1;
	struct stat st;
	ssize_t n;

	/* O_NONBLOCK: a FIFO planted there must not hold us. */
	fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EBADMSG;
	if (st.st_size < 0 || (uintmax_t)st.st_size > max_bytes)
		return -EFBIG;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	n = fs_read_at(fd, data, (size_t)st.st_size, 0);
	if (n < 0)
		return (int)n;
	data[n] = '\0';
	if (ret_bytes)
		*ret_bytes = (size_t)n;
	*ret_data = TAKE_PTR(data);
	return 0;
}

ssize_t fs_read_at(int fd, void *data, size_t bytes, off_t offset)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = pread(fd, (char *)data + done, bytes - done, offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}
