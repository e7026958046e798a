/* SPDX-License-Identifier: MIT */
/*
 * Streams of tests: one over file descriptors, a socketpair or pipes, and parts of others. The
 * product speaks over SSH alone.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "pull/ssh/stream.h"
#include "pull/ssh/wait.h"

/* What a stream of a test has to do no more of. */
static inline int stream_shut_nothing(struct stream *stream)
{
	(void)stream;
	return 0;
}

static inline const char *stream_no_error(const struct stream *stream)
{
	(void)stream;
	return "";
}

static inline void stream_free_nothing(struct stream *stream)
{
	(void)stream;
}

struct stream_fd {
	struct stream stream;
	int read_fd, write_fd;
};

static ssize_t stream_fd_read(struct stream *stream, void *data, size_t bytes, int64_t deadline_ns)
{
	struct stream_fd *s = (struct stream_fd *)stream;

	for (;;) {
		ssize_t n = read(s->read_fd, data, bytes);
		int r;

		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_fd(s->read_fd, POLLIN, deadline_ns);
		if (r < 0)
			return r;
	}
}

/* MSG_NOSIGNAL where it can be had; for a pipe the program must ignore SIGPIPE. */
static ssize_t write_some(int fd, const void *data, size_t bytes)
{
	ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, data, bytes);
	return n;
}

static int stream_fd_write(
	struct stream *stream, const void *data, size_t bytes, int64_t deadline_ns)
{
	struct stream_fd *s = (struct stream_fd *)stream;
	const char *p = data;

	if (s->write_fd < 0)
		return -EPIPE;
	while (bytes > 0) {
		ssize_t n = write_some(s->write_fd, p, bytes);
		int r;

		if (n >= 0) {
			p += n;
			bytes -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_fd(s->write_fd, POLLOUT, deadline_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

static int stream_fd_shutdown_write(struct stream *stream)
{
	struct stream_fd *s = (struct stream_fd *)stream;

	if (s->write_fd < 0)
		return 0;
	if (shutdown(s->write_fd, SHUT_WR) < 0 && errno != ENOTSOCK)
		return -errno;
	if (s->write_fd != s->read_fd)
		close(s->write_fd);
	s->write_fd = -1;
	return 0;
}

static void stream_fd_free(struct stream *stream)
{
	struct stream_fd *s = (struct stream_fd *)stream;

	if (s->write_fd >= 0 && s->write_fd != s->read_fd)
		close(s->write_fd);
	close(s->read_fd);
	free(s);
}

static const struct stream_ops stream_fd_ops = {
	.read = stream_fd_read,
	.write = stream_fd_write,
	.shutdown_write = stream_fd_shutdown_write,
	.error = stream_no_error,
	.free = stream_fd_free,
};

static void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Takes both descriptors over, also on failure; they may be the same. -ENOMEM. */
__attribute__((unused)) static int stream_fd_new(int read_fd, int write_fd, struct stream **ret)
{
	struct stream_fd *s = calloc(1, sizeof *s);

	if (!s) {
		close(read_fd);
		if (write_fd != read_fd)
			close(write_fd);
		return -ENOMEM;
	}
	set_nonblocking(read_fd);
	set_nonblocking(write_fd);
	s->stream.ops = &stream_fd_ops;
	s->read_fd = read_fd;
	s->write_fd = write_fd;
	*ret = &s->stream;
	return 0;
}
