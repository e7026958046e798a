/* SPDX-License-Identifier: MIT */
/*
 * Files. The calls of the publish path go through a vtable, so that tests can fail each of them
 * (ENOSPC, EIO, EROFS, EDQUOT); everything else uses the system calls directly.
 *
 * Every path of an archive is opened relative to a directory fd, with O_NOFOLLOW, so a planted
 * symlink is an error (-ELOOP), never a way out of the tree.
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Each returns as its system call does: -1 and errno. */
struct fs_ops {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	ssize_t (*write)(int fd, const void *data, size_t bytes);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*close)(int fd);
	int (*renameat2)(int olddir, const char *old, int newdir, const char *new, unsigned flags);
	int (*unlinkat)(int dirfd, const char *path, int flags);
	int (*mkdirat)(int dirfd, const char *path, mode_t mode);
	int (*symlinkat)(const char *target, int dirfd, const char *path);
	int (*ftruncate)(int fd, off_t bytes);
};

/* Who else may read: others of the folder's group, or everybody. */
enum fs_access { FS_ACCESS_KEEP, FS_ACCESS_PRIVATE, FS_ACCESS_GROUP, FS_ACCESS_PUBLIC };
extern const char *const fs_access_words[]; /* for a setting; NULL-terminated */
/* The mode of a folder; 0: as it is. */
static inline mode_t fs_access_mode(int access)
{
	static const mode_t modes[] = { 0, 0700, 0750, 0755 };

	return modes[access];
}

/* The system calls themselves. */
extern const struct fs_ops fs_real;

/*
 * Makes the temp `name` (".NAME.part") for writing and returns its fd. Only the writer that holds
 * the folder's lock may call it, so a file or symlink of that name is left over, and is removed.
 * -errno.
 */
int fs_open_new(const struct fs_ops *fs, int dirfd, const char *name, mode_t mode);

/*
 * Whether an error (negative) says that the file system has no such thing: symlinks, modes, a flag
 * of a call. Each of our calls then takes another way, or does without.
 */
bool fs_is_unsupported(int error);

/* fsync of a folder; nothing where the file system has no such thing. -errno. */
int fs_sync_folder(const struct fs_ops *fs, int fd);

/* fsync and close, each checked; the fd is closed in any case. -errno. */
int fs_finish(const struct fs_ops *fs, int fd);

/* Writes all of it, through short writes and EINTR. -errno. */
int fs_write_all(const struct fs_ops *fs, int fd, const void *data, size_t bytes);

/*
 * rename(2), from one folder to another, that does not replace: RENAME_NOREPLACE; where the file
 * system has no such flag (NFS, FUSE) link(2) and unlink(2); where it has no hard links either
 * (exFAT over FUSE) a look whether the name is free, so the caller's lock must keep others from
 * making that name. -EEXIST the new name is taken.
 */
int fs_rename_noreplace(
	const struct fs_ops *fs, int old_fd, const char *old, int new_fd, const char *new);

/*
 * Replaces or makes `name` in `dirfd` with `data`, durably: temp in the same folder, write, fsync,
 * rename, fsync of the folder. The umask goes off the mode.
 * -errno, and the old file is untouched.
 */
int fs_replace(const struct fs_ops *fs, int dirfd, const char *name, const void *data, size_t bytes,
	mode_t mode);
/* The same of a path, whose folder is there. */
int fs_replace_path(
	const struct fs_ops *fs, const char *path, const void *data, size_t bytes, mode_t mode);
/* The same, but -EEXIST where there is such a file, which stays. One maker of a name at a time. */
int fs_make(const struct fs_ops *fs, int dirfd, const char *name, const void *data, size_t bytes,
	mode_t mode);

/* Names an open file, which may have none (O_TMPFILE). -EEXIST the name is taken; -errno. */
int fs_link(int fd, int dirfd, const char *name);

/* The same with what is in the file `from_fd`. */
int fs_replace_copy(const struct fs_ops *fs, int from_fd, int dirfd, const char *name, mode_t mode);

/*
 * Points the symlink `name` at `target` by rename; there is no moment without a link. -errno;
 * fs_is_unsupported(): the file system has no symlinks.
 */
int fs_replace_symlink(const struct fs_ops *fs, int dirfd, const char *target, const char *name);
/* The same; where the file system has none, `name` is a copy of that file, with `mode`. */
int fs_point(const struct fs_ops *fs, int dirfd, const char *target, const char *name, mode_t mode);

/*
 * Opens the folder `path` ("2026/11/20") below `dirfd`, making what is missing, each level made
 * durable by an fsync of its parent. No component may be a symlink or "..". -errno.
 */
int fs_open_folder(const struct fs_ops *fs, int dirfd, const char *path, bool create, int *ret_fd);

/* The names in a folder, for readdir(3); a symlink is not followed. -errno. */
int fs_list_folder(int dirfd, const char *path, DIR **ret);
static inline void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define CLEANUP_DIR __attribute__((cleanup(dir_closep)))

/* Whether `path` is `folder` or in it, as the names have it: no link is looked at. */
bool fs_path_is_below(const char *folder, const char *path);

/* Makes the folder of an absolute or relative path and its parents (mode 0777 & ~umask). -errno. */
int fs_make_folders(const char *path, mode_t mode);
/* The same, and opens it. The descriptor, or -errno. */
int fs_open_made(const char *path, mode_t mode);

/*
 * The whole file as a NUL-terminated buffer of the caller's; `ret_bytes` may be NULL. -EFBIG over
 * `max_bytes`.
 */
int fs_read_file(int dirfd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_bytes);

/*
 * Fills the buffer from `offset` through short reads; the bytes read (less at the end), or -errno.
 */
ssize_t fs_read_at(int fd, void *data, size_t bytes, off_t offset);
