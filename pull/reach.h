/* SPDX-License-Identifier: MIT */
/* How one camera is reached: its settings as options of an SSH connection, and the way to pair it. */
#pragma once

#include <limits.h>
#include <stddef.h>

#include "pull/settings.h"
#include "pull/ssh.h"

struct reach {
	struct ssh_options ssh; /* points into this struct and into the camera's settings */
	char alias[CAMERA_NAME_MAX];
	char known_hosts[PATH_MAX];
	char key[PATH_MAX];
	struct jump_options jump;
	char jump_known_hosts[PATH_MAX];
};

/*
 * Fills in all but the command, with the usual time-outs and no deadline. `ret` must not be moved
 * afterwards. -ENOENT, -ENAMETOOLONG from the folders.
 */
int reach_camera(const struct camera_settings *camera, struct reach *ret);

/* The name of the camera's host key in known_hosts: lower case, as SSH compares host names. */
const char *reach_alias(const char *camera, char ret[static CAMERA_NAME_MAX]);

/* The command that pairs this camera (anew), as text. Returns `buf`. */
const char *reach_pair_command(const struct camera_settings *camera, char *buf, size_t size);
