/* SPDX-License-Identifier: MIT */
/* A TCP connection with a deadline over all addresses of a name, set up for SSH. */
#pragma once

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Connects without blocking past the deadline (CLOCK_MONOTONIC ns), trying every address that
 * getaddrinfo gives, a new one each 2 s or as soon as one fails, and then those that are silent once
 * more. The socket is non-blocking, with TCP_NODELAY, keepalive probes (15 s, then 5 s x 3) and TCP_USER_TIMEOUT (30 s).
 * -EADDRNOTAVAIL the name has no address, else the errno of the last address; `error` says which.
 */
int dial_tcp(
	const char *host, int port, int64_t deadline_ns, int *ret_fd, char *error, size_t size);

/*
 * The same for addresses that are known. `ret_failed` is the one that the error is about, NULL where
 * none has failed yet (-ETIMEDOUT).
 */
int dial_addresses(const struct addrinfo *list, int64_t deadline_ns, int *ret_fd,
	const struct addrinfo **ret_failed);
