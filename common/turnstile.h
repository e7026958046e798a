/* SPDX-License-Identifier: MIT */
/*
 * Taking turns at a folder, between processes that know nothing of each other.
 *
 * Two flock(2) files, taken in this order and never in another: the gate, then the lock; the gate is
 * let go once the lock is held. Whoever comes back for the next turn finds the gate held by the one
 * who waits, so he who waits is next, where a plain lock would go to the quickest. Between two, nobody
 * begins more than one turn while the other waits; among more, nobody begins more than one more than
 * the others together (tests/unit/test_turnstile_order.c tries all that can happen). The kernel lets go
 * of both at any end of a process, so nothing can stay locked. The files are never removed.
 *
 * Close the descriptor to leave. A child that is not exec'ed would keep the lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TURNSTILE_WHO_MAX 64

/*
 * Waits for the turn until `deadline_ns` (CLOCK_MONOTONIC; INT64_MAX: for ever), without polling.
 * `who` is written into the lock file, for people and for `ret_others`: whether somebody else had the
 * turn since `who` had it. -ETIMEDOUT; -EBADMSG one of the files is no regular file; -errno.
 *
 * Uses SIGALRM in the calling thread while it waits; what was set for it is put back.
 */
int turnstile_enter(int dirfd, const char *gate, const char *lock, const char *who,
	int64_t deadline_ns, int *ret_fd, bool *ret_others);

/* -errno for what flock(2) says; -ENOLCK for all that means: the file system has no such locks. */
int turnstile_error(int error);

/* flock(2) with LOCK_EX and a deadline, as above. -ETIMEDOUT. */
int turnstile_flock(int fd, int64_t deadline_ns);
