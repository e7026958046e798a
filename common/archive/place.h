/* SPDX-License-Identifier: MIT */
/*
 * Whether an archive's disk is there. An empty mount point looks like any other folder: a new
 * archive made in it would fill the system's card, and be hidden once the disk is back.
 *
 * So the folder where the disk was mounted is remembered when an archive is opened. The disk is
 * missing where the archive's path now lies on the file system of `root`, or on one mounted above
 * that folder.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/* The way out where flock(2) says ENOLCK. */
#define PLACE_NO_LOCKS_FIX                                                                         \
	"NFS: start rpc.statd, or mount with local_lock=flock; SMB: without nobrl"

/*
 * Finds the path, or else the nearest folder above it that exists. 0: it is the path itself; 1: a
 * folder above it; -errno.
 */
int place_nearest(const char *path, struct stat *ret_st, char ret_path[static PATH_MAX]);

/*
 * Whether an archive of that path may be opened or made: 0, or -ENOMEDIUM where its disk is not
 * mounted. That is known from the remembered folder `mount` ("" or NULL: none), or from
 * `require_mount`: then an archive on the file system of `root` (NULL: "/") is on no disk. Only
 * looks. -errno of stat(2).
 */
int place_check(const char *path, bool require_mount, const char *mount, const char *root);

/*
 * Where the file system of an archive that is there is mounted; "" where that is `root`'s, or not
 * to be seen from a service's sandbox.
 */
void place_mount(const char *path, const char *root, char ret[static PATH_MAX]);

/* Whether an error means that the disk is missing, failing or read-only: it may pass by itself. */
bool place_is_away(int error);
