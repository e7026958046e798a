/* SPDX-License-Identifier: MIT */
/* Where a camera is and how to log in there, from its settings and the state folder. */
#pragma once

#include <limits.h>

#include "pull/settings/settings.h"

/* For messages: what tells the fingerprint of a host key on the machine itself. */
#define HOST_KEY_SHOW "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"

struct endpoint {
	const struct camera_settings *camera; /* host, port, user, proxy_jump */
	char alias[CAMERA_NAME_MAX]; /* its name in known_hosts: lower case, as SSH compares them */
	char known_hosts[PATH_MAX];
	char key[PATH_MAX]; /* our private key, ours alone and mode 0600 */
	char jump_known_hosts[PATH_MAX]; /* has the host key of proxy_jump, under its own name */
};

/* The camera's settings must outlive `ret`. -ENOENT, -ENAMETOOLONG from the folders. */
int endpoint_of(const struct camera_settings *camera, struct endpoint *ret);

/* The command that pairs this camera (again), as text. Returns `buf`. */
const char *endpoint_pair_command(const struct camera_settings *camera, char *buf, size_t size);
