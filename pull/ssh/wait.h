/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a descriptor, against a deadline in absolute CLOCK_MONOTONIC nanoseconds, and leaving
 * to a thread what cannot be waited for like that.
 */
#pragma once

#include <stdint.h>

#define DEADLINE_NONE INT64_MAX

/* `us` from now; DEADLINE_NONE if that is past the end of time. */
int64_t deadline_in(int64_t us);

/* Microseconds left, 0 if it has passed. */
int64_t deadline_left_us(int64_t deadline_ns);

static inline int64_t deadline_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Polls one descriptor: the events that are there, or -ETIMEDOUT. Signals do not end it. */
int wait_fd(int fd, short events, int64_t deadline_ns);

/* Runs `run` on a detached thread that gets no signals. -EAGAIN there is no room for one. */
int thread_detach(void *(*run)(void *data), void *data);
