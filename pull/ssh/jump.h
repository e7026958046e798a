/* SPDX-License-Identifier: MIT */
/*
 * The system's `ssh` as a program, run without a shell: its command line, and the way to a camera
 * through another SSH host with `ssh -W`. It reads none of the person's ssh settings and accepts
 * only pinned host keys.
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "pull/ssh/endpoint.h"

/* A command line. It points into itself, so it must not be moved. */
struct ssh_command {
	const char *argv[48];
	size_t n;
	char port[16], known_hosts[2 * PATH_MAX];
};

/*
 * Begins with the options of all our connections. `known_hosts` is the file of host keys; `user`
 * may be NULL or "". -EINVAL: ssh could not read that file's name as one word.
 */
int ssh_command_begin(
	struct ssh_command *command, const char *known_hosts, int port, const char *user);
/* Adds one or two words; `second` may be NULL. The strings must outlive the command. */
void ssh_command_add(struct ssh_command *command, const char *first, const char *second);

struct jump {
	pid_t pid; /* 0: none */
	int error_fd; /* what ssh complains of */
};

/*
 * Starts ssh towards the camera through its proxy_jump; `ret_fd` is a stream socket like that of a
 * TCP connection. Whether it leads anywhere shows in use. -EINVAL that is no host; -ENOENT there is
 * no ssh here.
 */
int jump_open(const struct endpoint *endpoint, struct jump *ret, int *ret_fd);
/*
 * Says why the connection ended: the last line of ssh, if there is one. Returns -EKEYREJECTED,
 * -ENOKEY or -EACCES if that is about the host key or the login there, else `error`.
 */
int jump_error(const struct jump *jump, const struct endpoint *endpoint, int error, char *text,
	size_t size);
void jump_close(struct jump *jump);
