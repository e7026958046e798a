/* SPDX-License-Identifier: MIT */
/*
 * Whether an archive's disk is there. A folder below whose path nothing is mounted looks like any
 * other: whoever made a new archive in it would fill the system's card, and hide that when the disk
 * is back.
 *
 * The memory is the folder where the disk was mounted when the archive was opened. Where the
 * archive's path now lies on `root`'s file system, or on one that is mounted above that folder, the
 * disk is not there.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/* What to do about a file system where flock(2) says ENOLCK. */
#define PLACE_NO_LOCKS_FIX                                                                         \
	"NFS: start rpc.statd, or mount with local_lock=flock; SMB: without nobrl"

/*
 * The file or folder of the path, else the nearest folder above that is there: 1, and 0 if itself.
 * -errno.
 */
int place_nearest(const char *path, struct stat *ret_st, char ret_path[static PATH_MAX]);

/*
 * Whether an archive of that path may be opened or made: 0; -ENOMEDIUM its disk is not mounted, by
 * the memory `mount` ("" or NULL: there is none) or because of `require_mount`, with which an
 * archive on the file system of `root` (NULL: "/") is on no disk. Only looks. -errno of stat(2).
 */
int place_check(const char *path, bool require_mount, const char *mount, const char *root);

/*
 * The memory of an archive that is there: where its file system is mounted; "" where that is
 * `root`'s.
 */
void place_mount(const char *path, const char *root, char ret[static PATH_MAX]);

/*
 * Whether an error says that the disk is not there, failing, or read-only: that may pass by itself.
 */
bool place_is_away(int error);
