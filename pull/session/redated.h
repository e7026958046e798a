/* SPDX-License-Identifier: MIT */
/*
 * A clock correction: a frame that was taken before the camera's clock was known is published again
 * under a new number and its true time, with `was`. Once that is held here the old frame is
 * removed, so that nobody sees the same picture twice; a prune line in archive_local() tells of it.
 *
 * The camera's word is not enough to lose a picture: both files must be there and differ only in
 * the EXIF block at their start.
 */
#pragma once

#include <stdbool.h>

#include "pull/session/session_private.h"

/* Removes what `held.redated` tells of, and empties it. While connected. Returns an exit code. */
int redated_drop(struct session *s);

/* Whether two JPEGs of that size are the same but for an APP1 block after the first marker. */
bool redated_same(int fd_a, int fd_b, int64_t bytes);
