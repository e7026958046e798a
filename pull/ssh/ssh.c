/* SPDX-License-Identifier: MIT */
/*
 * The SSH transport: libssh 0.10 to 0.12 in non-blocking mode over a socket of our own.
 *
 * The reason: libssh's time-outs return different things in 0.10 (0, like an end of file) and 0.11
 * (SSH_AGAIN), and some of its waits have none at all. Its defaults cost round trips too: probing
 * logins, Nagle's algorithm, delayed ACKs. And it would read ~/.ssh/config, where a "StrictHostKey-
 * Checking no" meant for something else overrides what this program asked for.
 */
#include "pull/ssh/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/util.h"
#include "pull/ssh/carried.h"
#include "pull/ssh/dial.h"
#include "pull/ssh/jump.h"
#include "pull/ssh/keys.h"
#include "pull/ssh/offer.h"
#include "pull/ssh/wait.h"

#define CONNECT_US (10 * US_PER_SEC)
#define LOGIN_US (15 * US_PER_SEC) /* from the TCP connection to the running command */

/*
 * libssh 0.10 opens the window as far as a read asks for, each time it asks: 2 MiB at each read
 * would be a message to sshd for each piece of 32 KB. So it is opened again when this much has
 * come.
 */
#define WINDOW_STEP (512 * 1024)
#define READ_STEP (64 * 1024)

/*
 * libssh keeps what comes and nobody reads, past the window too, and its answers to whatever a peer
 * wants to know and does not take. One that keeps to the windows leaves far less than this.
 */
#define UNREAD_MAX (4 * 1024 * 1024)
#define UNSENT_MAX (1024 * 1024)
#define STDERR_PIECES 64 /* of 1 KB, read in a row */
#define PACKET_BYTES 64 /* around what a packet carries, more or less */

struct ssh_stream {
	struct stream stream;
	/* of the caller, while the connection is set up */
	const struct endpoint *endpoint;
	const struct camera_settings *camera;
	int64_t limit_ns, deadline_ns; /* of all, of the step under way */
	ssh_session session;
	ssh_channel channel;
	int fd; /* the socket */
	struct jump jump;
	int session_fd; /* libssh's copy of it, see close_session_fd() */
	bool setting_up; /* acknowledge at once, see ssh_wait() */
	char head[32]; /* the first bytes from the peer, to tell what it is */
	size_t head_len;
	size_t since_window; /* bytes that came since the window was opened */
	struct ssh_counter_struct wire, packets; /* bytes of the socket, of what packets carry */
	uint64_t read_at; /* of the socket's: so much had come when nothing was left unread */
	uint64_t sent_at; /* so much had been made when nothing was left unsent */
	char remote[160]; /* the last that the remote command wrote to stderr */
	char error[320];
};

/*
 * libssh closes the descriptor that it was given after some errors and leaves it to the caller
 * after others. So it gets a copy, which is closed here only while it is still the same socket.
 */
static void close_session_fd(const struct ssh_stream *s)
{
	struct stat ours, theirs;

	if (s->session_fd >= 0 && fstat(s->fd, &ours) == 0 && fstat(s->session_fd, &theirs) == 0 &&
		ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
		close(s->session_fd);
}

static void ssh_stream_free(struct stream *stream)
{
	struct ssh_stream *s = (struct ssh_stream *)stream;

	if (!s)
		return;
	if (s->channel)
		ssh_channel_free(s->channel);
	if (s->session) {
		ssh_disconnect(s->session);
		ssh_free(s->session);
	}
	close_session_fd(s);
	if (s->fd >= 0)
		close(s->fd);
	jump_close(&s->jump);
	free(s);
}

static void ssh_stream_freep(struct ssh_stream **s)
{
	if (*s)
		ssh_stream_free(&(*s)->stream);
}

/*
 * Remembers how the peer begins. An sshd that turns callers away says so, or says nothing, before
 * its version line, and libssh reports all of that alike.
 */
static void look_at_head(struct ssh_stream *s)
{
	ssize_t n;

	if (s->head_len >= sizeof s->head - 1 || ssh_get_serverbanner(s->session))
		return;
	n = recv(s->fd, s->head, sizeof s->head - 1, MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0)
		return;
	s->head_len = (size_t)n;
	s->head[n] = 0;
	text_clean(s->head, strcspn(s->head, "\r\n"), s->head, sizeof s->head);
}

static int ssh_fail(struct ssh_stream *s, int r, const char *fmt, ...) PRINTF(3, 4);
static int ssh_fail(struct ssh_stream *s, int r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text_vformat(s->error, sizeof s->error, fmt, args);
	va_end(args);
	return r;
}

/* Fails where the peer makes libssh keep more than one that works does. */
static int check_memory(struct ssh_stream *s, bool pending)
{
	const uint64_t made = s->packets.out_bytes + s->packets.out_packets * PACKET_BYTES;

	if (!pending)
		s->sent_at = made;
	if (made - s->sent_at <= UNSENT_MAX && s->wire.in_bytes - s->read_at <= UNREAD_MAX)
		return 0;
	return ssh_fail(s, -EPROTO, "the other side sends without end, and does not listen");
}

/*
 * Sleeps until the socket is ready for what libssh wants. While the connection is set up, sshd
 * writes in small pieces and its Nagle algorithm holds the second until the first is acknowledged:
 * a delayed ACK of ours would cost 40 ms. The kernel forgets TCP_QUICKACK, so it is set each time.
 */
static int ssh_wait(struct ssh_stream *s, int64_t deadline_ns)
{
	int flags = ssh_get_poll_flags(s->session), one = 1, r;

	r = check_memory(s, flags & SSH_WRITE_PENDING);
	if (r == 0 && deadline_left_us(deadline_ns) == 0)
		r = -ETIMEDOUT; /* even if the peer keeps on sending */
	if (r < 0)
		return r;
	r = wait_fd(s->fd, flags & SSH_WRITE_PENDING ? POLLIN | POLLOUT : POLLIN, deadline_ns);
	if (s->setting_up && r > 0) {
		setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
		look_at_head(s);
	}
	return r < 0 ? r : 0;
}

static bool peer_is_gone(const struct ssh_stream *s)
{
	char c;

	return !ssh_is_connected(s->session) || recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Fails if what the peer said is not SSH. */
static int fail_if_not_ssh(struct ssh_stream *s)
{
	if (strncmp(s->head, "SSH-", s->head_len < 4 ? s->head_len : 4) == 0)
		return 0;
	return ssh_fail(s, -EPROTO, "%s port %d is not an SSH server: it says \"%s\"",
		s->camera->host, (int)s->camera->port, s->head);
}

/* Tells what went wrong before the login. */
static int connect_failed(struct ssh_stream *s)
{
	const struct camera_settings *o = s->camera;
	const char *quote = s->head_len ? "\"" : "";
	int r;

	/* the TCP connection stood, so it is sshd that does not want us now */
	if ((s->head_len == 0 && !ssh_get_serverbanner(s->session)) ||
		strncmp(s->head, "Exceeded MaxStartups", 20) == 0 ||
		strncmp(s->head, "Not allowed at this time", 24) == 0)
		return ssh_fail(s, -EBUSY,
			"%s port %d turns the connection away before the login (%s%s%s): too many "
			"connections, or a penalty for failed logins (PerSourcePenalties)",
			o->host, (int)o->port, quote, s->head_len ? s->head : "no word", quote);
	r = fail_if_not_ssh(s);
	if (r < 0)
		return r;
	ssh_fail(s, r, "SSH with %s port %d failed: %s", o->host, (int)o->port,
		ssh_get_error(s->session));
	/* no cipher, key exchange, ... that both have: sshd hangs up then, and will each time */
	if (strstr(s->error, "no match for method"))
		return -EPROTO;
	return peer_is_gone(s) ? -ECONNRESET : -EPROTO;
}

/* Waits in a step of the set-up; `what` says what did not happen. */
static int set_up_wait(struct ssh_stream *s, const char *what)
{
	int r = ssh_wait(s, s->deadline_ns);

	if (r != -ETIMEDOUT)
		return r;
	r = fail_if_not_ssh(s);
	return r < 0 ? r
		     : ssh_fail(s, -ETIMEDOUT, "%s port %d accepts connections but %s",
			       s->camera->host, (int)s->camera->port, what);
}

static int set_up_session(struct ssh_stream *s)
{
	int r;

	s->session_fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	if (s->session_fd < 0)
		return -errno;
	s->session = ssh_new();
	if (!s->session)
		return -ENOMEM;
	r = ssh_offer_set(s->session, s->endpoint, s->session_fd);
	if (r < 0)
		return ssh_fail(s, r, "libssh refuses an option: %s", ssh_get_error(s->session));
	ssh_set_blocking(s->session, 0);
	ssh_set_counters(s->session, &s->wire, &s->packets);
	return 0;
}

/* Opens a TCP connection, or the way through another host. */
static int open_link(struct ssh_stream *s)
{
	const struct camera_settings *o = s->camera;
	/* where signs of life are rare, so that they cost little, probes are no more frequent */
	const int idle_s = (int)(2 * pull_heartbeat_us(o) / US_PER_SEC);
	int r;

	if (!*o->proxy_jump) {
		r = dial_tcp(
			o->host, (int)o->port, s->deadline_ns, &s->fd, s->error, sizeof s->error);
		if (r == 0 && idle_s > DIAL_KEEPIDLE)
			setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
		return r;
	}
	r = jump_open(s->endpoint, &s->jump, &s->fd);
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		return ssh_fail(s, -ENOSYS,
			"there is no ssh here to go through %s with; install openssh-client",
			o->proxy_jump);
	return ssh_fail(s, r == -EINVAL ? -ENOSYS : dial_fault(-r), "through %s: %s", o->proxy_jump,
		strerror(-r));
}

/* Exchanges version lines and keys. */
static int shake_hands(struct ssh_stream *s)
{
	int r = set_up_session(s);

	if (r < 0)
		return r;
	s->setting_up = true;
	look_at_head(s);
	while ((r = ssh_connect(s->session)) == SSH_AGAIN) {
		r = set_up_wait(s, "does not speak SSH in time");
		if (r < 0)
			return r;
	}
	return r == SSH_OK ? 0 : connect_failed(s);
}

static int connect_session(struct ssh_stream *s)
{
	int r;

	s->deadline_ns = deadline_min(deadline_in(CONNECT_US), s->limit_ns);
	r = open_link(s);
	if (r < 0)
		return r;
	s->deadline_ns = deadline_min(deadline_in(LOGIN_US), s->limit_ns);
	r = shake_hands(s);
	if (r < 0 && s->jump.pid > 0)
		r = jump_error(&s->jump, s->endpoint, r, s->error, sizeof s->error);
	return r;
}

/* Whoever answers may have made that key: its fingerprint is nothing to copy from here. */
static int other_host_key(struct ssh_stream *s)
{
	return ssh_fail(s, -EKEYREJECTED,
		"%s shows another host key than the one that was paired: it was installed again, "
		"or another machine answers in its place; have the camera itself show its "
		"fingerprint: " HOST_KEY_SHOW,
		s->camera->host);
}

static int check_host_key(struct ssh_stream *s)
{
	const struct endpoint *to = s->endpoint;

	switch (ssh_session_is_known_server(s->session)) {
	case SSH_KNOWN_HOSTS_OK:
		return 0;
	case SSH_KNOWN_HOSTS_CHANGED:
	case SSH_KNOWN_HOSTS_OTHER:
		return other_host_key(s);
	case SSH_KNOWN_HOSTS_UNKNOWN:
	case SSH_KNOWN_HOSTS_NOT_FOUND:
		/* libssh takes a file that it cannot read for one that is not there */
		if (access(to->known_hosts, R_OK) < 0 && errno != ENOENT)
			return ssh_fail(s, -ENOSYS, "%s cannot be read: %s", to->known_hosts,
				strerror(errno));
		return ssh_fail(s, -ENOKEY, "no host key of %s is known for %s", s->camera->host,
			to->alias);
	case SSH_KNOWN_HOSTS_ERROR:
	default:
		return ssh_fail(s, -EPROTO, "the host key cannot be checked: %s",
			ssh_get_error(s->session));
	}
}

/* Tells of a failure in the middle: the connection was lost, else `r`. */
static int session_failed(struct ssh_stream *s, int r, const char *what)
{
	return ssh_fail(
		s, peer_is_gone(s) ? -ECONNRESET : r, "%s: %s", what, ssh_get_error(s->session));
}

static int log_in(struct ssh_stream *s, ssh_key key)
{
	const struct camera_settings *o = s->camera;
	int r;

	while ((r = ssh_userauth_publickey(s->session, NULL, key)) == SSH_AUTH_AGAIN) {
		r = set_up_wait(s, "does not finish the login");
		if (r < 0)
			return r;
	}
	switch (r) {
	case SSH_AUTH_SUCCESS:
		return 0;
	case SSH_AUTH_DENIED:
	case SSH_AUTH_PARTIAL:
		return ssh_fail(s, -EACCES, "%s refuses the login of %s with key %s", o->host,
			*o->user ? o->user : "this user", s->endpoint->key);
	default:
		return session_failed(s, -EPROTO, "the login failed");
	}
}

static int start_command(struct ssh_stream *s, const char *command)
{
	int r;

	s->channel = ssh_channel_new(s->session);
	if (!s->channel)
		return -ENOMEM;
	while ((r = ssh_channel_open_session(s->channel)) == SSH_AGAIN) {
		r = set_up_wait(s, "opens no channel");
		if (r < 0)
			return r;
	}
	if (r != SSH_OK)
		return session_failed(s, -EACCES, "no channel");
	s->setting_up = false;
	while ((r = ssh_channel_request_exec(s->channel, command)) == SSH_AGAIN) {
		r = set_up_wait(s, "starts no command");
		if (r < 0)
			return r;
	}
	return r == SSH_OK ? 0 : session_failed(s, -EACCES, "the command was refused");
}

/*
 * Reads stderr, which opens the window again, and keeps the last line. False: there is more, and
 * perhaps no end of it.
 */
static bool drain_stderr(struct ssh_stream *s)
{
	for (int i = 0; i < STDERR_PIECES; i++) {
		char text[1024], *line;
		int n = ssh_channel_read_nonblocking(s->channel, text, sizeof text - 1, 1);

		if (n <= 0)
			return true;
		text[n] = '\0';
		line = text_last_line(text);
		if (*line)
			text_clean(line, strlen(line), s->remote, sizeof s->remote);
	}
	return false;
}

static ssize_t ssh_stream_read(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns)
{
	struct ssh_stream *s = (struct ssh_stream *)stream;

	for (;;) {
		size_t most = s->since_window < WINDOW_STEP ? READ_STEP : INT32_MAX;
		uint32_t count = (uint32_t)(bytes < most ? bytes : most);
		bool dry;
		int n, r;

		/*
		 * First: it takes packets off the socket, and what it then finds for stdout would
		 * wait in libssh, unseen by poll().
		 */
		dry = drain_stderr(s);
		n = ssh_channel_read(s->channel, data, count, 0);
		if (count > READ_STEP)
			s->since_window = 0;
		s->read_at = n == (int)count ? s->read_at + (size_t)n : s->wire.in_bytes;
		if (n > 0) {
			s->since_window += (size_t)n;
			return n;
		}
		if (n < 0 && n != SSH_AGAIN && n != SSH_EOF)
			return session_failed(s, -EPROTO, "the connection broke");
		/* The end, or nothing there yet: 0 in libssh 0.10, SSH_AGAIN in 0.11. */
		if (ssh_channel_is_eof(s->channel) || ssh_channel_is_closed(s->channel)) {
			drain_stderr(s);
			return 0;
		}
		if (!ssh_is_connected(s->session))
			return session_failed(s, -EPROTO, "the connection broke");
		if (!dry && deadline_left_us(deadline_ns) == 0)
			return -ETIMEDOUT;
		r = dry ? ssh_wait(s, deadline_ns) : 0;
		if (r < 0)
			return r;
	}
}

static int ssh_stream_write(
	struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns)
{
	struct ssh_stream *s = (struct ssh_stream *)stream;
	const char *p = data;

	while (bytes > 0) {
		uint32_t piece = bytes > 32 * 1024 ? 32 * 1024 : (uint32_t)bytes;
		int n = ssh_channel_write(s->channel, p, piece), r;

		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
			continue;
		}
		if (n < 0 && n != SSH_AGAIN)
			return session_failed(s, -EPROTO, "the connection broke");
		if (ssh_channel_is_closed(s->channel))
			return -EPIPE;
		r = ssh_wait(s, deadline_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

static int ssh_stream_shutdown_write(struct stream *stream)
{
	struct ssh_stream *s = (struct ssh_stream *)stream;
	int r = ssh_channel_send_eof(s->channel);

	/* what cannot be sent at once goes out while this side waits for the answer */
	return r == SSH_ERROR ? session_failed(s, -EPROTO, "the connection broke") : 0;
}

/* What broke, else the last line of the remote command: "sh: 1: capturepi: not found". */
static const char *ssh_stream_error(const struct stream *stream)
{
	const struct ssh_stream *s = (const struct ssh_stream *)stream;

	return s->error[0] ? s->error : s->remote;
}

/* Through a jump host there is no TCP connection of ours, whose headers are a part of the bytes. */
static int64_t ssh_stream_carried(const struct stream *stream)
{
	const struct ssh_stream *s = (const struct ssh_stream *)stream;
	const int64_t bytes = carried_bytes(s->fd);
	const int64_t ours = (int64_t)(s->wire.in_bytes + s->wire.out_bytes);

	return bytes >= 0 ? bytes : ours + ours / 16;
}

static const struct stream_ops ssh_stream_ops = {
	.read = ssh_stream_read,
	.write = ssh_stream_write,
	.shutdown_write = ssh_stream_shutdown_write,
	.error = ssh_stream_error,
	.carried = ssh_stream_carried,
	.free = ssh_stream_free,
};

static struct ssh_stream *ssh_stream_new(const struct endpoint *endpoint, int64_t deadline_ns)
{
	struct ssh_stream *s = calloc(1, sizeof *s);

	if (s)
		*s = (struct ssh_stream){ .stream.ops = &ssh_stream_ops,
			.endpoint = endpoint,
			.camera = endpoint->camera,
			.limit_ns = deadline_ns,
			.since_window = WINDOW_STEP,
			.fd = -1,
			.session_fd = -1 };
	return s;
}

static int give_error(int r, const struct ssh_stream *s, char *error, size_t size)
{
	if (r < 0)
		text_format(error, size, "%s", s && s->error[0] ? s->error : strerror(-r));
	return r;
}

/* All faults of the key file are one to the callers; what the machine lacks is not its fault. */
static int key_fault(int r)
{
	return r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : -EPERM;
}

int ssh_stream_open(const struct endpoint *endpoint, const char *command, int64_t deadline_ns,
	struct stream **ret, char *error, size_t size)
{
	CLEANUP(ssh_stream_freep) struct ssh_stream *s = ssh_stream_new(endpoint, deadline_ns);
	ssh_key key = NULL;
	int r;

	if (!s)
		return give_error(-ENOMEM, s, error, size);
	r = key_fault(key_load(endpoint->key, &key, s->error, sizeof s->error));
	if (r == 0)
		r = connect_session(s);
	if (r == 0)
		r = check_host_key(s);
	if (r == 0)
		r = log_in(s, key);
	ssh_key_free(key);
	if (r == 0)
		r = start_command(s, command);
	if (r < 0)
		return give_error(r, s, error, size);
	s->error[0] = 0;
	s->endpoint = NULL;
	s->camera = NULL;
	*ret = &TAKE_PTR(s)->stream;
	return 0;
}

int ssh_host_key(const struct endpoint *endpoint, char **ret_key, char **ret_fingerprint,
	char *error, size_t size)
{
	CLEANUP(ssh_stream_freep) struct ssh_stream *s = ssh_stream_new(endpoint, DEADLINE_NONE);
	CLEANUP_FREE char *text = NULL, *fingerprint = NULL;
	ssh_key key = NULL;
	int r;

	if (!s)
		return give_error(-ENOMEM, s, error, size);
	r = connect_session(s);
	if (r == 0 && ssh_get_server_publickey(s->session, &key) != SSH_OK)
		r = session_failed(s, -EPROTO, "no host key");
	if (r == 0)
		r = key_text(key, &text);
	if (r == 0)
		r = key_fingerprint(key, &fingerprint);
	ssh_key_free(key);
	if (r < 0)
		return give_error(r, s, error, size);
	*ret_key = TAKE_PTR(text);
	*ret_fingerprint = TAKE_PTR(fingerprint);
	return 0;
}
