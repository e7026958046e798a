/* SPDX-License-Identifier: MIT */
/* Opening a camera's archive here, on the disk that it belongs to. */
#include "pull/session/copy.h"

#include <errno.h>
#include <string.h>

#include "common/archive/place.h"
#include "common/commands/cli.h"
#include "common/contact/peer_state.h"

int copy_check(const struct camera_settings *camera, const char *path)
{
	char mount[PATH_MAX];

	peer_state_mount(camera->name, path, mount);
	return place_check(path, camera->require_mount, mount, NULL);
}

int copy_open(const struct camera_settings *camera, const char *path,
	const struct archive_options *options, struct archive **ret)
{
	char mount[PATH_MAX];
	int r = copy_check(camera, path);

	if (r == 0)
		r = archive_open(path, options, ret);
	if (r < 0 || options->mode == ARCHIVE_READ)
		return r;
	place_mount(path, NULL, mount);
	if (*mount)
		peer_state_mounted(camera->name, path, mount); /* a memory aid */
	return 0;
}

int copy_open_failed(int r, const char *path, const char *camera, char *error, size_t size)
{
	pid_t pid = 0;

	switch (-r) {
	case ETIMEDOUT:
		archive_writer_pid(path, &pid);
		snprintf(error, size, "%s is being written by process %d", path, (int)pid);
		return CLI_TEMPFAIL;
	case EMEDIUMTYPE:
		snprintf(error, size, "%s belongs to another camera's archive", path);
		return CLI_PROTOCOL;
	case EBADMSG:
	case ELOOP:
	case EINVAL:
		snprintf(error, size, "%s is damaged: %s; `pullpi verify %s` tells more", path,
			strerror(-r), camera);
		return CLI_PROTOCOL;
	case ENOMEDIUM:
		snprintf(error, size,
			"%s: the disk of the archive is not mounted; mount it, or set archive of "
			"[camera %s] to another folder",
			path, camera);
		return CLI_TEMPFAIL;
	default:
		snprintf(error, size, "%s cannot be written: %s", path, strerror(-r));
		return place_is_away(r) ? CLI_TEMPFAIL : CLI_INTERNAL;
	}
}

void copy_frame_path(
	const struct archive *archive, const struct record *frame, char ret[static PATH_MAX])
{
	const struct frame_name name = record_name(frame);
	char file[FRAME_PATH_MAX];

	if (frame_name_path(&name, file) < 0 ||
		snprintf(ret, PATH_MAX, "%s/%s", archive_path(archive), file) >= PATH_MAX)
		*ret = '\0';
}
