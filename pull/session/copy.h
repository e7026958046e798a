/* SPDX-License-Identifier: MIT */
/*
 * A camera's archive here. If the peer state says that it was once on a mounted disk, it is neither
 * opened nor made without that disk (common/archive/place.h).
 */
#pragma once

#include <limits.h>

#include "common/archive/archive.h"
#include "pull/settings/settings.h"

/* Whether the disk of the archive at `path` is there: 0, -ENOMEDIUM, -errno. */
int copy_check(const struct camera_settings *camera, const char *path);
/* The same, and then archive_open(). */
int copy_open(const struct camera_settings *camera, const char *path,
	const struct archive_options *options, struct archive **ret);

/*
 * Turns an error of copy_open() or archive_retake() of the archive at `path` into an exit code of
 * common/commands/cli.h and a sentence for the person in `error`.
 */
int copy_open_failed(int r, const char *path, const char *camera, char *error, size_t size);

/* The frame's file in an archive here; "" if its name is too long. */
void copy_frame_path(
	const struct archive *archive, const struct record *frame, char ret[static PATH_MAX]);
