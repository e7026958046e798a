/* SPDX-License-Identifier: MIT */
/* `ssh -W` on a socketpair: libssh's own way would run a shell (0.10) or threads (0.11). */
#include "pull/jump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"
#include "common/util.h"
#include "pull/settings.h"

struct command {
	struct destination to;
	char known_hosts[PATH_MAX + 32], port[16], forward[300];
	const char *argv[40];
	size_t n;
};

static void add(struct command *command, const char *word)
{
	if (command->n < ARRAY_SIZE(command->argv) - 1)
		command->argv[command->n++] = word;
}

static int make_command(
	const struct jump_options *o, const char *host, int port, struct command *ret)
{
	static const char *const options[] = { "GlobalKnownHostsFile=/dev/null",
		"StrictHostKeyChecking=yes", "UpdateHostKeys=no", "BatchMode=yes",
		"ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3" };
	const bool v6 = strchr(host, ':') != NULL;

	if (destination_parse(o->jump, &ret->to) < 0)
		return -EINVAL;
	snprintf(ret->known_hosts, sizeof ret->known_hosts, "UserKnownHostsFile=\"%s\"",
		o->known_hosts);
	snprintf(ret->port, sizeof ret->port, "%d", ret->to.port);
	snprintf(ret->forward, sizeof ret->forward, "%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "",
		port);
	add(ret, "ssh");
	add(ret, "-F");
	add(ret, "none");
	add(ret, "-o");
	add(ret, ret->known_hosts);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		add(ret, "-o");
		add(ret, options[i]);
	}
	add(ret, "-i");
	add(ret, o->key);
	add(ret, "-p");
	add(ret, ret->port);
	if (*ret->to.user) {
		add(ret, "-l");
		add(ret, ret->to.user);
	}
	add(ret, "-W");
	add(ret, ret->forward);
	add(ret, "--");
	add(ret, ret->to.host);
	return 0;
}

/* SIGPIPE is ignored in this program, and must not be in that one. */
static int spawn(const struct command *command, int socket_fd, int error_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, socket_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, socket_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &set);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	r = -posix_spawnp(ret_pid, command->argv[0], &actions, &attributes,
		(char *const *)command->argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

int jump_open(const struct jump_options *options, const char *host, int port, struct jump *ret,
	int *ret_fd)
{
	CLEANUP_FD int ours = -1, theirs = -1, error_read = -1, error_write = -1;
	struct command command = { 0 };
	int sockets[2], pipes[2];
	pid_t pid;
	int r = make_command(options, host, port, &command);

	if (r < 0)
		return r;
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
	r = spawn(&command, theirs, error_write, &pid);
	if (r < 0)
		return r;
	ret->pid = pid;
	ret->error_fd = TAKE_FD(error_read);
	*ret_fd = TAKE_FD(ours);
	return 0;
}

/* The last line of what is there. */
static const char *last_line(char *text, size_t n)
{
	const char *line;

	while (n > 0 && (unsigned char)text[n - 1] <= 0x20)
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

int jump_error(const struct jump *jump, const struct jump_options *options, int error, char *text,
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
			options->jump, options->known_hosts);
		return -ENOKEY;
	}
	text_format(text, size, "through %s: %.200s", options->jump, last_line(said, (size_t)n));
	return changed ? -EKEYREJECTED : refused ? -EACCES : error;
}

void jump_close(struct jump *jump)
{
	if (jump->pid > 0) {
		kill(jump->pid, SIGKILL);
		while (waitpid(jump->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		close(jump->error_fd);
	}
	*jump = (struct jump){ 0 };
}
