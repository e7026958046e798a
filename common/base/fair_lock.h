/* SPDX-License-Identifier: MIT */
/*
 * A lock on a folder that processes which know nothing of each other take in turn.
 *
 * It is two flock(2) files, always taken in this order: the gate, then the lock. Whoever holds the
 * lock lets go of the gate. A process that comes back for its next turn then finds the gate held by
 * the one that waits, so the waiting one is next; a plain lock would go to the quickest. Between
 * two processes, neither begins more than one turn while the other waits; among more, nobody begins
 * more than one turn beyond the others' turns together (tests/unit/test_fair_lock_order.c tries all
 * that can happen). The kernel releases both files however a process ends, so nothing stays locked.
 * The files are never removed.
 *
 * Close the descriptor to release the lock. A child that does not exec would keep it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FAIR_LOCK_WHO_MAX 64

/*
 * Waits for the lock until `deadline_ns` (CLOCK_MONOTONIC; INT64_MAX: for ever), without polling.
 * Writes `who` into the lock file, for people and for `ret_others`: whether somebody else held the
 * lock since `who` held it. -ETIMEDOUT; -EBADMSG one of the files is no regular file; -errno.
 *
 * Uses SIGALRM in the calling thread while it waits, and restores what was set for it.
 */
int fair_lock_take(int dirfd, const char *gate, const char *lock, const char *who,
	int64_t deadline_ns, int *ret_fd, bool *ret_others);

/* Opens or makes a file to lock, for its owner alone. -EBADMSG it is no regular file; -errno. */
int fair_lock_open(int dirfd, const char *name, int *ret_fd);

/* -errno for an error of flock(2); -ENOLCK for all that mean: the file system has no such locks. */
int fair_lock_error(int error);

/* flock(2) with LOCK_EX and a deadline, as above. -ETIMEDOUT. */
int fair_lock_flock(int fd, int64_t deadline_ns);
