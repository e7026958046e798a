/* SPDX-License-Identifier: MIT */
/*
 * A clock correction: a frame that the camera took before it knew the time is published again under
 * a new number and its true time, with `was`. Once that is here the old frame is removed, so that
 * nobody sees the same picture twice; a prune line in archive_local() records it.
 *
 * The camera's word is not enough to lose a picture: both files must be here, may differ only in
 * the EXIF block at their start, and were taken at one moment since the camera was started. Even
 * then the old file goes aside for REDATED_DAYS, into the folder `.redated` of the archive. If the
 * new one turns out to be of another history, the old one comes back.
 */
#pragma once

#include <stdbool.h>

#include "pull/session/session_private.h"

/*
 * Removes the old frame of each one in `held.redated`, and empties that. Needs the connection, as
 * session_take_turn() does. Returns an exit code.
 */
int redated_drop(struct session *s);

/*
 * Puts the frames back whose place a frame with a number above `after` took, which is not of this
 * history any more. By the archive's writer. -errno.
 */
int redated_restore(struct archive *archive, uint64_t after);

/* Whether two JPEGs of that size are the same except for an APP1 block after the first marker. */
bool redated_same(int fd_a, int fd_b, int64_t bytes);
