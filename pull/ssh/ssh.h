/* SPDX-License-Identifier: MIT */
/*
 * One SSH connection with one exec channel, as a stream. libssh does the protocol; the socket, the
 * deadlines and the polling are ours (libssh 0.10 can wait for ever, 0.11 returns other codes).
 *
 * Public-key login only, with the one key given. Only a host key that is pinned in `known_hosts`
 * under `alias` is accepted. ~/.ssh/config is not read.
 */
#pragma once

#include <stdint.h>

#include "pull/ssh/stream.h"

struct ssh_options {
	const char *host; /* name or address */
	int port;
	const char *user; /* NULL: the same as here */
	const char *alias; /* the name in known_hosts: the camera's, in lower case */
	const char *known_hosts; /* file */
	const char *key; /* private key file, ours and mode 0600 */
	/* [USER@]HOST[:PORT] to go through, with `key` or one of an agent; NULL: none */
	const char *jump;
	const char *jump_known_hosts; /* file with the host key of that, under its own name */
	const char *command; /* exec request: "capturepi serve latest 12" */
	/*
	 * CLOCK_MONOTONIC; DEADLINE_NONE of wait.h: only our own of 10 s to connect and 15 s to log
	 * in
	 */
	int64_t deadline_ns;
};

/*
 * Connects, logs in and runs the command. Errors that a caller tells apart. Unreachable, try
 * later: those of dial_fault() but -ENOMEM, -EMFILE and -ENFILE; -EBUSY sshd turned the
 * connection away before the login. A key: -EKEYREJECTED the host key is not the pinned one;
 * -ENOKEY no host key is pinned; -EACCES login refused; -EPERM the key file is not there, not
 * private or no key that can be used. -EPROTO not an SSH server or a broken one. Of this machine:
 * -ENOMEM, -EMFILE, -ENFILE; -ENOSYS something is missing or cannot be read. `error` gets one
 * sentence for a person.
 */
int ssh_stream_open(
	const struct ssh_options *options, struct stream **ret, char *error, size_t size);

/* What is pinned for the alias: no key, the one that the host shows, or another. */
enum ssh_pin { SSH_PIN_NONE, SSH_PIN_SAME, SSH_PIN_OTHER };

/*
 * For `pair`: connects, takes the host key, disconnects. Returns the key as "TYPE BASE64", as in
 * known_hosts, and as "SHA256:..." fingerprint, both for free(). Errors as above.
 */
int ssh_host_key(const struct ssh_options *options, char **ret_key, char **ret_fingerprint,
	enum ssh_pin *ret_pin, char *error, size_t size);
