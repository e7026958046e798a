/* SPDX-License-Identifier: MIT */
/* A connection to a camera, with what failed told as an exit code of common/cli.h and a sentence. */
#pragma once

#include <stdbool.h>

#include "pull/settings.h"
#include "pull/stream.h"

/* What became of a try to connect, told by whom it concerns. */
enum connect_why {
	CONNECT_DONE,
	CONNECT_HERE, /* it could not even be tried: says nothing about the camera */
	CONNECT_SILENT, /* nobody answers, no route, no name, nobody listens */
	CONNECT_ANSWERED, /* turned away, dropped in the login, refused, no sshd */
};

/*
 * Runs `command` over there. CLI_OK, or an exit code with a sentence for the person in `error`, which
 * ends with the next step where there is one.
 */
int connect_try(const struct camera_settings *camera, const char *command, int64_t deadline_ns,
	struct stream **ret_stream, enum connect_why *ret_why, char *error, size_t size);
/* The same; `ours`: it says nothing about the camera. */
int connect_camera(const struct camera_settings *camera, const char *command, int64_t deadline_ns,
	struct stream **ret_stream, bool *ours, char *error, size_t size);

/* The exit code of an error that ssh.h or stream.h returns. */
int connect_code(int error);
/* The same for what the archive and the client over a standing connection return. */
int connect_code_of_transfer(int error);
