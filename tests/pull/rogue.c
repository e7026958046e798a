/* SPDX-License-Identifier: MIT */
/*
 * rogue HOSTKEY flood|stall STAGE [FILE]: an SSH server on a free port of 127.0.0.1 that lets
 * everybody in, up to a stage of the connection. There it sends as fast as it can, whatever the
 * window says, or says nothing any more and stays; then nobody else is let in. Prints the port.
 *
 *   STAGE   auth      when a key is offered
 *           channel   when a channel is wanted
 *           exec      before it answers whether the command runs
 *           stdout    as the command's output, after what is in FILE
 *           stderr    as its complaints
 *           answers   (flood) wants to know something, and reads no answer
 */
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static ssh_channel channel;
static bool asked;
static const char *stage; /* at which it stops to be a server */
static bool floods;
static int listen_fd;
static bool deaf;

/* Stands before libc's own. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	const struct timespec wait = { .tv_sec = timeout / 1000,
		.tv_nsec = timeout % 1000 * 1000000L };

	for (nfds_t i = 0; deaf && i < n; i++)
		fds[i].events &= ~POLLIN;
	return ppoll(fds, n, timeout < 0 ? NULL : &wait, NULL);
}

/* The parent has the same socket. */
static void let_nobody_in(void)
{
	shutdown(listen_fd, SHUT_RDWR);
}

static void stay_silent(void)
{
	let_nobody_in();
	for (;;)
		pause();
}

static bool is_stage(const char *name)
{
	return strcmp(stage, name) == 0;
}

static int let_in(
	ssh_session session, const char *user, struct ssh_key_struct *key, char state, void *data)
{
	(void)session, (void)user, (void)key, (void)state, (void)data;
	if (is_stage("auth"))
		stay_silent();
	return SSH_AUTH_SUCCESS;
}

static ssh_channel open_channel(ssh_session session, void *data)
{
	(void)data;
	if (is_stage("channel"))
		stay_silent();
	return channel = ssh_channel_new(session);
}

static int take_command(ssh_session session, ssh_channel on, const char *command, void *data)
{
	(void)session, (void)on, (void)command, (void)data;
	asked = true;
	return 0;
}

/* It is neither granted nor refused. */
static int pass_over(ssh_session session, ssh_message message, void *data)
{
	(void)session, (void)message, (void)data;
	return 0;
}

/* The client's window is a number in a struct that nobody may know; so it is looked for. */
static bool open_window(void)
{
	const uint32_t window = ssh_channel_window_size(channel);
	uint32_t *words = (uint32_t *)(void *)channel;

	for (int i = 0; window > 4096 && i < 24; i++) {
		if (words[i] != window)
			continue;
		words[i] = UINT32_MAX;
		if (ssh_channel_window_size(channel) == UINT32_MAX)
			return true;
		words[i] = window;
	}
	return false;
}

static int listen_on(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 8) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static bool log_in(ssh_session session)
{
	static struct ssh_server_callbacks_struct server = {
		.auth_pubkey_function = let_in,
		.channel_open_request_session_function = open_channel,
	};
	static struct ssh_channel_callbacks_struct on_channel = {
		.channel_exec_request_function = take_command,
	};
	const bool mute = is_stage("exec");
	ssh_event event = ssh_event_new();
	bool listening = false;

	ssh_callbacks_init(&server);
	ssh_callbacks_init(&on_channel);
	ssh_set_server_callbacks(session, &server);
	ssh_set_auth_methods(session, SSH_AUTH_METHOD_PUBLICKEY);
	if (ssh_handle_key_exchange(session) != SSH_OK)
		return false;
	ssh_event_add_session(event, session);
	while (!asked && !(mute && channel && listening)) {
		if (channel && !listening && mute)
			ssh_set_message_callback(session, pass_over, NULL);
		else if (channel && !listening)
			ssh_set_channel_callbacks(channel, &on_channel);
		listening = channel != NULL;
		if (ssh_event_dopoll(event, 10000) != SSH_OK)
			return false;
	}
	return true;
}

static void send_flood(void)
{
	static char zeros[32768];
	int n = 1;

	let_nobody_in();
	while (n > 0 && open_window()) {
		n = is_stage("stderr") ? ssh_channel_write_stderr(channel, zeros, sizeof zeros)
				       : ssh_channel_write(channel, zeros, sizeof zeros);
	}
}

/* Each channel that it wants to open is refused to it. */
static void ask_without_end(ssh_session session)
{
	int r = SSH_AGAIN;

	let_nobody_in();
	deaf = true;
	ssh_set_blocking(session, 0);
	while (r == SSH_AGAIN) {
		ssh_channel wanted = ssh_channel_new(session);

		r = ssh_channel_open_x11(wanted, "localhost", 1);
		if (r == SSH_AGAIN && ssh_blocking_flush(session, 10000) == SSH_ERROR)
			r = SSH_ERROR;
	}
}

static void say_file(const char *path)
{
	char data[32768];
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, data, sizeof data)) > 0)
		ssh_channel_write(channel, data, (uint32_t)n);
	ssh_blocking_flush(ssh_channel_get_session(channel), 1000);
}

static int serve_connection(ssh_bind bind, int fd, const char *path)
{
	ssh_session session = ssh_new();

	if (ssh_bind_accept_fd(bind, session, fd) != SSH_OK || !log_in(session))
		return 1;
	say_file(path);
	if (floods && is_stage("answers"))
		ask_without_end(session);
	else if (floods)
		send_flood();
	else
		stay_silent();
	return 0;
}

int main(int argc, char **argv)
{
	ssh_bind bind = ssh_bind_new();
	uint16_t port;
	int fd;

	if (argc < 4 || (listen_fd = listen_on(&port)) < 0 ||
		ssh_bind_options_set(bind, SSH_BIND_OPTIONS_HOSTKEY, argv[1]) != SSH_OK)
		return 2;
	floods = strcmp(argv[2], "flood") == 0;
	stage = argv[3];
	printf("%d\n", port);
	fflush(stdout);
	signal(SIGCHLD, SIG_IGN);
	while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(serve_connection(bind, fd, argv[4]));
		}
		close(fd);
	}
	wait(NULL); /* until all have ended, as nobody wants to know how */
	return 0;
}
