/* SPDX-License-Identifier: MIT */
/* Connecting to a camera. Failures are an exit code of common/commands/cli.h and a sentence. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pull/settings/settings.h"
#include "pull/ssh/stream.h"

/* How a try to connect ended, by whom it concerns. */
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

/* The exit code of an error that ssh.h, stream.h or client.h returns. */
int connect_code(int error);
