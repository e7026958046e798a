/* SPDX-License-Identifier: MIT */
/* `capturepi shot`: one frame now. */
#pragma once

#include <sys/types.h>

#include "common/archive/archive.h"

/*
 * Asks the running service (SIGUSR1 to `pid`) for a frame and waits until its line is in the
 * journal of `archive`, open for reading. -ESRCH the service has ended; -ETIMEDOUT no frame in 30
 * s; -EIO none in 17 s because its camera fails.
 */
int shot_from_service(struct archive *archive, pid_t pid, struct record *ret_frame);
