/* SPDX-License-Identifier: MIT */
/* A TCP connection with a deadline over all addresses of a name, set up for SSH. */
#pragma once

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What callers get for an errno of socket(2), connect(2), poll(2) or getaddrinfo(3), so that they
 * take it neither for a refused login (-EACCES, which a firewall causes too) nor for a broken
 * protocol (-EPROTO, an ICMP message): -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET and -EADDRNOTAVAIL
 * stay, and so do -ENOMEM, -EMFILE and -ENFILE, which this machine lacks. Every other one becomes
 * -ENETUNREACH.
 */
int dial_fault(int error);
/* The same for what getaddrinfo(3) returns; `error` is errno then. No address: -EADDRNOTAVAIL. */
int dial_fault_of_name(int result, int error);

/*
 * Connects without blocking past the deadline (CLOCK_MONOTONIC ns). It tries the addresses of the
 * name in turn, the next one after 2 s or as soon as one fails, and the silent ones again for
 * longer. The socket is non-blocking, with TCP_NODELAY, keepalive probes (15 s, then 5 s x 3) and
 * TCP_USER_TIMEOUT (30 s). Errors are those of dial_fault(), for the last address; `error` says
 * which, and what it was.
 */
int dial_tcp(
	const char *host, int port, int64_t deadline_ns, int *ret_fd, char *error, size_t size);

#define DIAL_KEEPIDLE 15 /* seconds of silence before a probe */

/*
 * The same for known addresses, with the errno as it is. `ret_failed` is the address of the
 * error; NULL: one is silent (-ETIMEDOUT). A link-local IPv6 address without its interface, as a
 * name server may give it, leads nowhere (-EINVAL): it is the one only if no other failed.
 */
int dial_addresses(const struct addrinfo *list, int64_t deadline_ns, int *ret_fd,
	const struct addrinfo **ret_failed);
