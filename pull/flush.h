/* SPDX-License-Identifier: MIT */
/*
 * A thread that sends files to the disk before it is their turn to be made durable, so that the wait for
 * the disk goes on beside the wait for the network. It is never relied on: whoever needs a file on the
 * disk calls fsync(2) himself, which then finds nothing left to do.
 */
#pragma once

#include <stdint.h>

#include "common/util.h"

struct flusher;

int flusher_new(struct flusher **ret);
/* Waits for the file that it is at. */
void flusher_free(struct flusher *flusher);
DEFINE_CLEANUP(struct flusher, flusher_free)

/*
 * Takes `fd` over; it must have been opened for this, or an error of the disk would be told here, where
 * nobody listens, and not to the fsync that counts. The file's number, from 1 on, or 0 if there is no
 * room and it was closed.
 */
uint64_t flusher_add(struct flusher *flusher, int fd);
/* All files up to this number are done with. */
uint64_t flusher_done(struct flusher *flusher);
