/* SPDX-License-Identifier: MIT */
/* A TCP connection with a deadline over all addresses of a name, set up for SSH. */
#pragma once

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What an errno of socket(2), connect(2), poll(2) or getaddrinfo(3) is to the callers, so that it can be
 * mistaken neither for a refused login (-EACCES, which a firewall causes too) nor for a broken protocol
 * (-EPROTO, an ICMP message): -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET and -EADDRNOTAVAIL stay, -ENOMEM,
 * -EMFILE and -ENFILE too, which are a lack of this machine's, and every other one is -ENETUNREACH.
 */
int dial_fault(int error);
/* The same for what getaddrinfo(3) returns; `error` is errno then. No address: -EADDRNOTAVAIL. */
int dial_fault_of_name(int result, int error);

/*
 * Connects without blocking past the deadline (CLOCK_MONOTONIC ns), trying every address that
 * getaddrinfo gives in turn: the next one after 2 s, or as soon as one fails; silent ones then again, for longer. The socket is non-blocking, with TCP_NODELAY, keepalive probes (15 s, then 5 s x 3) and TCP_USER_TIMEOUT (30 s).
 * The errors of dial_fault(), for the last address; `error` says which, and what it was.
 */
int dial_tcp(
	const char *host, int port, int64_t deadline_ns, int *ret_fd, char *error, size_t size);

/*
 * The same for addresses that are known, with the errno as it is. `ret_failed` is the one that the error is
 * about, NULL where none has failed yet (-ETIMEDOUT). A link-local IPv6 address without its interface, as a
 * name server may give it, can lead nowhere (-EINVAL): it is the one only where no other failed.
 */
int dial_addresses(const struct addrinfo *list, int64_t deadline_ns, int *ret_fd,
	const struct addrinfo **ret_failed);
