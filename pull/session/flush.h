/* SPDX-License-Identifier: MIT */
/*
 * A thread that flushes files to the disk before they are committed, so that the wait for the disk
 * runs beside the wait for the network. Nobody relies on it: whoever needs a file on the disk calls
 * fsync(2), which then finds nothing left to do.
 */
#pragma once

#include <stdint.h>

#include "common/base/util.h"

struct flusher;

int flusher_new(struct flusher **ret);
/* Waits for the file that is being flushed. */
void flusher_free(struct flusher *flusher);
DEFINE_CLEANUP(struct flusher, flusher_free)

/*
 * Takes over `fd`, which must have been opened for this: the kernel reports an error of the disk
 * once for each open file, and the fsync that counts needs its own. Returns the file's number, from
 * 1 on, or 0 if the queue is full and `fd` was closed.
 */
uint64_t flusher_add(struct flusher *flusher, int fd);
/* All files up to this number are flushed. */
uint64_t flusher_done(struct flusher *flusher);
