/* SPDX-License-Identifier: MIT */
/*
 * How a camera is reached: its settings as an endpoint, and a connection to that. Failures are an
 * exit code of common/commands/cli.h and a sentence.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "pull/settings/settings.h"
#include "pull/ssh/ssh.h"
#include "pull/ssh/stream.h"

/* Where a camera is and how to log in there. */
struct endpoint {
	struct ssh_options ssh; /* points into this struct and into the camera's settings */
	char alias[CAMERA_NAME_MAX]; /* its name in known_hosts: lower case, as SSH compares them */
	char known_hosts[PATH_MAX];
	char key[PATH_MAX];
	char jump_known_hosts[PATH_MAX];
};

/*
 * Fills in all but the command, with the usual time-outs and no deadline. `ret` must not be moved
 * afterwards. -ENOENT, -ENAMETOOLONG from the folders.
 */
int endpoint_of(const struct camera_settings *camera, struct endpoint *ret);

/* The command that pairs this camera (again), as text. Returns `buf`. */
const char *endpoint_pair_command(const struct camera_settings *camera, char *buf, size_t size);

/* What came of a try to connect, by whom it concerns. */
enum connect_why {
	CONNECT_DONE,
	CONNECT_HERE, /* it could not be tried, which says nothing about the camera */
	CONNECT_SILENT, /* no answer, no route, no name, nobody listens */
	CONNECT_ANSWERED, /* turned away, dropped in the login, refused, no sshd */
};

/*
 * Connects and runs `command` on the camera. CLI_OK, or an exit code with a sentence for the
 * person in `error`, which ends with the next step if there is one.
 */
int connect_try(const struct camera_settings *camera, const char *command, int64_t deadline_ns,
	struct stream **ret_stream, enum connect_why *ret_why, char *error, size_t size);

/* The exit code of an error that ssh.h or stream.h returns. */
int connect_code(int error);
/* The same for what the archive, and the client on a connection that stands, return. */
int connect_code_of_transfer(int error);
