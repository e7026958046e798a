/* SPDX-License-Identifier: MIT */
/*
 * The picture to aim by, from the service that runs on an archive of this machine. Whoever opens
 * the file ask-HASH in its runtime folder asks for it; for some seconds from then on it puts one
 * into aim-HASH three times a second, for all who ask (capture/service/status.h).
 */
#pragma once

#include <stdint.h>

/*
 * Asks, and opens the newest if it is not the one whose "n" is `after`. The file is a line of JSON
 * of 256 bytes, then two JPEGs. -EAGAIN it is not there yet, or too old; -ENOENT no service makes
 * them.
 */
int aim_open(const char *archive, uint64_t after, int *ret_fd, int64_t *ret_bytes);
