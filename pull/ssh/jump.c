/* SPDX-License-Identifier: MIT */
/* `ssh -W` on a socketpair: libssh's own way would run a shell (0.10) or threads (0.11). */
#include "pull/ssh/jump.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/child.h"
#include "common/base/text.h"
#include "common/base/util.h"

void ssh_command_add(struct ssh_command *command, const char *first, const char *second)
{
	assert(command->n + 2 < ARRAY_SIZE(command->argv));
	command->argv[command->n++] = first;
	if (second)
		command->argv[command->n++] = second;
	command->argv[command->n] = NULL;
}

/* ssh reads the value of an option as words, with quotes and %-tokens. */
static int quote_path(const char *path, char ret[static 2 * PATH_MAX])
{
	char *p = stpcpy(ret, "UserKnownHostsFile=\"");

	if (strlen(path) >= PATH_MAX - 64 || strpbrk(path, "\"\\$\n"))
		return -EINVAL;
	for (; *path; path++) {
		*p++ = *path;
		if (*path == '%')
			*p++ = '%';
	}
	strcpy(p, "\"");
	return 0;
}

int ssh_command_begin(
	struct ssh_command *command, const char *known_hosts, int port, const char *user)
{
	static const char *const options[] = { "GlobalKnownHostsFile=/dev/null",
		"StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ConnectTimeout=15",
		"ServerAliveInterval=5", "ServerAliveCountMax=3" };

	command->n = 0;
	if (quote_path(known_hosts, command->known_hosts) < 0)
		return -EINVAL;
	snprintf(command->port, sizeof command->port, "%d", port);
	ssh_command_add(command, "ssh", NULL);
	ssh_command_add(command, "-F", "none");
	ssh_command_add(command, "-o", command->known_hosts);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		ssh_command_add(command, "-o", options[i]);
	ssh_command_add(command, "-p", command->port);
	if (user && *user)
		ssh_command_add(command, "-l", user);
	return 0;
}

static int jump_start(const struct endpoint *endpoint, int socket_fd, int error_fd, pid_t *ret_pid)
{
	const struct camera_settings *camera = endpoint->camera;
	const bool v6 = strchr(camera->host, ':') != NULL;
	struct ssh_command command;
	struct destination to;
	char forward[300];

	if (destination_parse(camera->proxy_jump, &to) < 0 ||
		ssh_command_begin(&command, endpoint->jump_known_hosts, to.port, to.user) < 0)
		return -EINVAL;
	snprintf(forward, sizeof forward, "%s%s%s:%d", v6 ? "[" : "", camera->host, v6 ? "]" : "",
		(int)camera->port);
	ssh_command_add(&command, "-o", "BatchMode=yes");
	ssh_command_add(&command, "-i", endpoint->key);
	ssh_command_add(&command, "-W", forward);
	ssh_command_add(&command, "--", to.host);
	return child_start("ssh", command.argv, socket_fd, socket_fd, error_fd, ret_pid);
}

int jump_open(const struct endpoint *endpoint, struct jump *ret, int *ret_fd)
{
	CLEANUP_FD int ours = -1, theirs = -1, error_read = -1, error_write = -1;
	int sockets[2], pipes[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	ours = sockets[0];
	theirs = sockets[1];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	error_read = pipes[0];
	error_write = pipes[1];
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0 || fcntl(error_read, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = jump_start(endpoint, theirs, error_write, &ret->pid);
	if (r < 0)
		return r;
	ret->error_fd = TAKE_FD(error_read);
	*ret_fd = TAKE_FD(ours);
	return 0;
}

int jump_error(const struct jump *jump, const struct endpoint *endpoint, int error, char *text,
	size_t size)
{
	char said[4096];
	ssize_t n = read(jump->error_fd, said, sizeof said - 1);
	bool changed, refused;

	if (n <= 0)
		return error;
	said[n] = '\0';
	changed = strstr(said, "IDENTIFICATION HAS CHANGED") != NULL;
	/* "USER@HOST: Permission denied (publickey)."; without the list it is connect(2)'s */
	refused = strstr(said, "Permission denied (") ||
		strstr(said, "Too many authentication failures");
	if (!changed && strstr(said, "Host key verification failed")) {
		snprintf(text, size,
			"no host key of %s is known; put it into %s, as ssh-keyscan prints it",
			endpoint->camera->proxy_jump, endpoint->jump_known_hosts);
		return -ENOKEY;
	}
	text_format(text, size, "through %s: %.200s", endpoint->camera->proxy_jump,
		text_last_line(said));
	return changed ? -EKEYREJECTED : refused ? -EACCES : error;
}

void jump_close(struct jump *jump)
{
	if (jump->pid > 0) {
		kill(jump->pid, SIGKILL);
		child_wait(jump->pid);
		close(jump->error_fd);
	}
	*jump = (struct jump){ 0 };
}
