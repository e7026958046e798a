/* SPDX-License-Identifier: MIT */
/*
 * One SSH connection with one exec channel, as a stream. libssh speaks the protocol; the socket,
 * the deadlines and the polling are ours (libssh 0.10 can wait for ever, 0.11 returns other codes).
 *
 * It logs in with the one key of the endpoint and accepts only the host key that known_hosts pins.
 * It does not read ~/.ssh/config.
 */
#pragma once

#include <stdint.h>

#include "pull/ssh/endpoint.h"
#include "pull/ssh/stream.h"

/*
 * Connects within 10 s, logs in within 15 s, both by `deadline_ns` (CLOCK_MONOTONIC, or
 * DEADLINE_NONE), and runs `command`: "capturepi serve latest 12". `error` gets one sentence for a
 * person. A caller tells these errors apart:
 *   unreachable, try later: those of dial_fault() except -ENOMEM, -EMFILE and -ENFILE; -EBUSY sshd
 *   turned the connection away before the login
 *   a key: -EKEYREJECTED the host key is not the pinned one; -ENOKEY no host key is pinned; -EACCES
 *   login refused; -EPERM the key file is not there, not private or not usable
 *   -EPROTO no SSH server, or a broken one
 *   this machine: -ENOMEM, -EMFILE, -ENFILE; -ENOSYS something is missing or cannot be read
 */
int ssh_stream_open(const struct endpoint *endpoint, const char *command, int64_t deadline_ns,
	struct stream **ret, char *error, size_t size);

/*
 * For `pair`: connects, takes the host key, disconnects. Returns the key as "TYPE BASE64", as in
 * known_hosts, and as "SHA256:..." fingerprint, both for free(). Errors as above.
 */
int ssh_host_key(const struct endpoint *endpoint, char **ret_key, char **ret_fingerprint,
	char *error, size_t size);
