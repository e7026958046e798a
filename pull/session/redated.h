/* SPDX-License-Identifier: MIT */
/*
 * A clock correction: a frame that the camera took before it knew the time is published again under
 * a new number and its true time, with `was`. Once that is here the old frame is removed, so that
 * nobody sees the same picture twice; a prune line in archive_local() records it.
 *
 * The camera's word is not enough to lose a picture: both files must be here and may differ only in
 * the EXIF block at their start.
 */
#pragma once

#include <stdbool.h>

#include "pull/session/session_private.h"

/*
 * Removes the old frame of each one in `held.redated`, and empties that. Needs the connection, as
 * session_take_turn() does. Returns an exit code.
 */
int redated_drop(struct session *s);

/* Whether two JPEGs of that size are the same except for an APP1 block after the first marker. */
bool redated_same(int fd_a, int fd_b, int64_t bytes);
