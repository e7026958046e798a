/* SPDX-License-Identifier: MIT */
/*
 * The way to a camera through another SSH host: the system's `ssh -W`, run by us without a shell, with
 * its ends on a socketpair. The person's ssh settings are not read; the other host's key must be
 * pinned in a file of ours.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct jump_options {
	const char *jump; /* [USER@]HOST[:PORT] */
	const char *known_hosts; /* file with its host key, under its own name */
	const char *key; /* private key to log in there; an agent's keys are tried too */
};

struct jump {
	pid_t pid; /* 0: none */
	int error_fd; /* what ssh complains of */
};

/*
 * Begins the way to `host`; `ret_fd` is a stream socket like that of a TCP connection. Whether it leads
 * anywhere shows when it is used. -EINVAL `jump` is no host; -ENOENT there is no ssh here.
 */
int jump_open(const struct jump_options *options, const char *host, int port, struct jump *ret,
	int *ret_fd);
/*
 * Why the way ended: the last that ssh said, if anything. Returns -EKEYREJECTED, -ENOKEY or -EACCES
 * where that tells of the host key or the login there, else `error`.
 */
int jump_error(const struct jump *jump, const struct jump_options *options, int error, char *text,
	size_t size);
void jump_close(struct jump *jump);
