/* SPDX-License-Identifier: MIT */
/* Where an archive may be, and which errors say that its disk is away. */
#include "common/archive/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "common/base/fs.h"

#define TMPFS_TYPE 0x01021994 /* statfs(2) */

int place_nearest(const char *path, struct stat *ret_st, char ret_path[static PATH_MAX])
{
	int above = 0;

	if (snprintf(ret_path, PATH_MAX, "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	while (stat(ret_path, ret_st) < 0) {
		char *slash = strrchr(ret_path, '/');

		if (errno != ENOENT)
			return -errno;
		above = 1;
		if (!slash)
			snprintf(ret_path, PATH_MAX, ".");
		else
			slash[slash == ret_path] = '\0';
	}
	return above;
}

/*
 * Disks are mounted below /run; what is there without them is in memory. An archive's folder may
 * only be made on a file system in memory that somebody mounted for it.
 */
static bool is_only_memory(const char *path, const struct stat *st)
{
	char parent[PATH_MAX + 4];
	struct stat parent_st;
	struct statfs fs;

	if (statfs(path, &fs) < 0 || fs.f_type != TMPFS_TYPE)
		return false;
	snprintf(parent, sizeof(parent), "%s/..", path);
	return strcmp(path, "/run") == 0 || stat(parent, &parent_st) < 0 ||
		parent_st.st_dev == st->st_dev;
}

/* The topmost folder that is on the same file system. */
static void find_mount(const char *path, char ret[static PATH_MAX])
{
	char above[PATH_MAX], *slash;
	struct stat st, above_st;

	if (!realpath(path, ret) || stat(ret, &st) < 0) {
		ret[0] = '\0';
		return;
	}
	memcpy(above, ret, PATH_MAX);
	while ((slash = strrchr(above, '/')) && above[1]) {
		slash[slash == above] = '\0';
		if (stat(above, &above_st) < 0 || above_st.st_dev != st.st_dev)
			return;
		memcpy(ret, above, PATH_MAX);
	}
}

int place_check(const char *path, bool require_mount, const char *mount, const char *root)
{
	char nearest[PATH_MAX], now[PATH_MAX];
	struct stat st, root_st;
	bool remembered = mount && *mount;
	int above;

	if (!require_mount && !remembered)
		return 0;
	above = place_nearest(path, &st, nearest);
	if (above < 0)
		return above;
	if (stat(root ? root : "/", &root_st) < 0)
		return -errno;
	if (st.st_dev == root_st.st_dev)
		return -ENOMEDIUM;
	find_mount(nearest, now);
	if (remembered && strcmp(now, mount) == 0)
		return 0; /* it is there, whatever became of the archive's folder */
	if (remembered && fs_path_is_below(now, mount))
		return -ENOMEDIUM;
	return above && is_only_memory(nearest, &st) ? -ENOMEDIUM : 0;
}

/*
 * In the sandbox of a service an archive of the home is bound into an empty home, a file system in
 * memory that cannot be written: where its disk is mounted outside is not to be seen.
 */
static bool is_seen_alone(const char *mount)
{
	char parent[PATH_MAX + 4];
	struct statfs fs;

	snprintf(parent, sizeof(parent), "%s/..", mount);
	return statfs(parent, &fs) == 0 && fs.f_type == TMPFS_TYPE && (fs.f_flags & ST_RDONLY);
}

void place_mount(const char *path, const char *root, char ret[static PATH_MAX])
{
	struct stat st, root_st;

	ret[0] = '\0';
	if (stat(path, &st) == 0 && stat(root ? root : "/", &root_st) == 0 &&
		st.st_dev != root_st.st_dev)
		find_mount(path, ret);
	if (*ret && is_seen_alone(ret))
		ret[0] = '\0';
}

bool place_is_away(int error)
{
	switch (-error) {
	case EIO:
	case EROFS:
	case ENOENT:
	case ENODEV:
	case ENXIO:
	case ENOMEDIUM:
	case ESTALE:
	case EACCES:
	case EPERM:
	case ENOTDIR: /* a file, or a symlink, where a folder has to be */
	case ELOOP:
	case EUCLEAN: /* ext4, xfs: the file system is damaged */
	case EREMOTEIO:
	case ENOTCONN: /* FUSE and network file systems, from here on */
	case ECONNABORTED:
	case ECONNREFUSED:
	case ETIMEDOUT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ESHUTDOWN:
		return true;
	default:
		return false;
	}
}
