/* SPDX-License-Identifier: MIT */
/*
 * `capturepi serve`: the camera's end of the wire (common/wire/wire.h), one process per connection.
 * It only reads. It is made to be the forced command of a puller's key, so it treats
 * $SSH_ORIGINAL_COMMAND as data.
 */
#pragma once

#include <stddef.h>

#include "capture/schedule/schedule.h"
#include "common/archive/archive.h"
#include "common/wire/wire.h"

struct serve_options {
	struct archive *archive; /* open for reading */
	int in_fd, out_fd;
	const char *first_request; /* carried in the exec request; NULL or "": none */
	/* The settings' schedule, for what is told of slots. NULL: nothing is, nor any status. */
	const struct schedule_settings *schedule;
};

/*
 * Serves until end of input, `quit` or a broken stream. 0 at the end; -EPIPE the client went away;
 * -E2BIG a request line was too long (after the error answer); -EBADMSG a frame's file failed under
 * way, so that the stream could not go on in order.
 */
int serve_client(const struct serve_options *options);

/*
 * Counts this process among those that serve `client`, until it ends: at most SERVE_PROCESSES_MAX
 * at a time. Where there are as many, the one that has run longest is ended, because it is most
 * likely of a connection that was lost: so neither those keep a puller out nor a stolen key can
 * fill the machine. -EBUSY it does not end; -errno: there is no place to count in.
 */
int serve_count(const char *client);

/*
 * The request in what a client asked sshd to execute: "capturepi serve latest 12" and
 * "/usr/bin/capturepi serve latest 12" are "latest 12"; anything else is left as it is, so it is
 * answered as the bad request that it is. Points into `command`.
 */
const char *serve_first_request(const char *command);
