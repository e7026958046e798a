/* SPDX-License-Identifier: MIT */
/* Connections against deadlines, on loopback only, and the stream over descriptors. */
#include "pull/ssh/dial.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "pull/ssh/stream.h"
#include "pull/ssh/wait.h"
#include "tests/test.h"
#include "tests/unit/stream_kit.h"

#define SOON_US (100 * 1000)

static char error[320];

/* A socket bound to a free port of 127.0.0.1. */
static int bound(int *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
		perror("bind");
		exit(1);
	}
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	getsockopt(fd, level, name, &value, &size);
	return value;
}

TEST(connects)
{
	static const char *const names[] = { "127.0.0.1", "localhost" };
	int port, server = bound(&port);

	listen(server, 5);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = -1;

		/* localhost may be ::1 first, where nobody listens: the next address is tried. */
		CHECK_INT(dial_tcp(names[i], port, deadline_in(10 * US_PER_SEC), &fd, error,
				  sizeof error),
			0);
		CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
		CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		CHECK_INT(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
		CHECK_INT(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		CHECK_INT(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
		CHECK_INT(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
		close(fd);
	}
	close(server);
}

TEST(refused)
{
	int port, fd = -1, server = bound(&port);

	/* bound, but nobody listens */
	CHECK_INT(
		dial_tcp("127.0.0.1", port, deadline_in(10 * US_PER_SEC), &fd, error, sizeof error),
		-ECONNREFUSED);
	CHECK_INT(fd, -1);
	CHECK(strstr(error, "127.0.0.1") != NULL);
	close(server);
}

/* A list of loopback addresses with these ports, as getaddrinfo() would give it. */
static struct addrinfo *make_list(
	const int *ports, size_t n, struct addrinfo *list, struct sockaddr_in *addresses)
{
	for (size_t i = 0; i < n; i++) {
		addresses[i] = (struct sockaddr_in){ .sin_family = AF_INET,
			.sin_addr = { htonl(INADDR_LOOPBACK) },
			.sin_port = htons((uint16_t)ports[i]) };
		list[i] = (struct addrinfo){ .ai_family = AF_INET,
			.ai_socktype = SOCK_STREAM,
			.ai_addr = (struct sockaddr *)&addresses[i],
			.ai_addrlen = sizeof addresses[i],
			.ai_next = i + 1 < n ? &list[i + 1] : NULL };
	}
	return list;
}

TEST(the_next_address_at_once)
{
	struct sockaddr_in addresses[3];
	const struct addrinfo *failed = NULL;
	struct addrinfo list[3];
	int ports[3], fd = -1, closed1 = bound(&ports[0]), closed2 = bound(&ports[1]);
	int server = bound(&ports[2]);

	listen(server, 5);
	/* less patience than the stagger: a refusal must not be waited out */
	CHECK_INT(dial_addresses(make_list(ports, 3, list, addresses), deadline_in(US_PER_SEC), &fd,
			  &failed),
		0);
	CHECK(fd >= 0);
	fd_closep(&fd);
	fd = -1;
	CHECK_INT(dial_addresses(make_list(ports, 2, list, addresses), deadline_in(US_PER_SEC), &fd,
			  &failed),
		-ECONNREFUSED);
	CHECK(failed == &list[1]);
	CHECK_INT(fd, -1);
	close(closed1);
	close(closed2);
	close(server);
}

/* What a .local name may give: an address of a link, without the link. No packet leaves for it. */
TEST(link_local_without_its_interface)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_addr = { { { 0xfe, 0x80, [15] = 1 } } } };
	struct addrinfo list[3],
		lost = { .ai_family = AF_INET6,
			.ai_socktype = SOCK_STREAM,
			.ai_addr = (struct sockaddr *)&in6,
			.ai_addrlen = sizeof in6 };
	struct sockaddr_in addresses[3];
	const struct addrinfo *failed = NULL;
	int port, closed_port, fd = -1, server = bound(&port), closed = bound(&closed_port);

	listen(server, 5);
	lost.ai_next = make_list(&port, 1, list, addresses);
	CHECK_INT(dial_addresses(&lost, deadline_in(US_PER_SEC), &fd, &failed), 0);
	fd_closep(&fd);
	fd = -1;
	make_list(&closed_port, 1, list, addresses);
	CHECK_INT(dial_addresses(&lost, deadline_in(US_PER_SEC), &fd, &failed), -ECONNREFUSED);
	list[0].ai_next = &lost;
	lost.ai_next = NULL;
	CHECK_INT(dial_addresses(list, deadline_in(US_PER_SEC), &fd, &failed), -ECONNREFUSED);
	CHECK(failed == &list[0]);
	CHECK_INT(dial_tcp("fe80::1", port, deadline_in(US_PER_SEC), &fd, error, sizeof error),
		-ENETUNREACH);
	CHECK(strstr(error, "fe80::1%INTERFACE") != NULL);
	CHECK_INT(fd, -1);
	close(closed);
	close(server);
}

TEST(no_answer)
{
	int port, fd = -1, server = bound(&port), fillers[4];

	/* A listener whose queue is full drops what comes, as a firewall does. */
	listen(server, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
		if (dial_tcp("127.0.0.1", port, deadline_in(SOON_US), &fillers[i], error,
			    sizeof error) < 0)
			fillers[i] = -1;
	CHECK_INT(dial_tcp("127.0.0.1", port, deadline_in(SOON_US), &fd, error, sizeof error),
		-ETIMEDOUT);
	CHECK(strstr(error, "does not answer") != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
		fd_closep(&fillers[i]);
	close(server);
}

TEST(no_such_name)
{
	static char long_name[2000];
	int fd = -1;

	memset(long_name, 'a', sizeof long_name - 1);
	/* neither can be a name, so no name server is asked */
	CHECK_INT(dial_tcp("no..name", 22, deadline_in(10 * US_PER_SEC), &fd, error, sizeof error),
		-EADDRNOTAVAIL);
	CHECK(strstr(error, "no..name") != NULL);
	CHECK_INT(dial_tcp(long_name, 22, deadline_in(10 * US_PER_SEC), &fd, error, sizeof error),
		-ENETUNREACH);
	CHECK_INT(fd, -1);
}

TEST(deadline_is_over)
{
	int port, fd = -1, server = bound(&port);

	listen(server, 5);
	CHECK_INT(dial_tcp("127.0.0.1", port, 1, &fd, error, sizeof error), -ETIMEDOUT);
	close(server);
}

TEST(deadlines)
{
	CHECK(deadline_in(INT64_MAX) == DEADLINE_NONE);
	CHECK(deadline_in(INT64_MAX / 1000) == DEADLINE_NONE);
	CHECK(deadline_in(0) < deadline_in(US_PER_SEC));
	CHECK_INT(deadline_left_us(1), 0);
	CHECK(deadline_left_us(deadline_in(3600 * US_PER_SEC)) > 3000 * US_PER_SEC);
	CHECK(deadline_left_us(DEADLINE_NONE) > INT64_C(1) << 50);
}

static struct stream *socket_stream(int *ret_other)
{
	struct stream *stream = NULL;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		exit(1);
	CHECK_INT(stream_fd_new(pair[0], pair[0], &stream), 0);
	*ret_other = pair[1];
	return stream;
}

TEST(stream_over_a_socket)
{
	struct stream *stream;
	char data[16] = "";
	int other;

	stream = socket_stream(&other);
	CHECK_INT(stream->ops->read(stream, data, sizeof data, deadline_in(1000)), -ETIMEDOUT);
	CHECK_INT(write(other, "abc", 3), 3);
	CHECK_INT(stream->ops->read(stream, data, sizeof data, deadline_in(US_PER_SEC)), 3);
	CHECK_STR(data, "abc");
	CHECK_INT(stream->ops->write(stream, "xyz\n", 4, deadline_in(US_PER_SEC)), 0);
	CHECK_INT(stream->ops->shutdown_write(stream), 0);
	CHECK_INT(read(other, data, sizeof data), 4);
	CHECK_INT(read(other, data, sizeof data), 0);
	CHECK_INT(stream->ops->write(stream, "x", 1, deadline_in(US_PER_SEC)), -EPIPE);
	/* the other direction still works */
	CHECK_INT(write(other, "d", 1), 1);
	CHECK_INT(stream->ops->read(stream, data, sizeof data, deadline_in(US_PER_SEC)), 1);
	close(other);
	CHECK_INT(stream->ops->read(stream, data, sizeof data, deadline_in(US_PER_SEC)), 0);
	CHECK_STR(stream->ops->error(stream), "");
	stream_free(stream);
}

TEST(stream_nobody_reads)
{
	static char much[4 * 1024 * 1024];
	struct stream *stream;
	int other;

	signal(SIGPIPE, SIG_DFL); /* which would end the test */
	stream = socket_stream(&other);
	CHECK_INT(stream->ops->write(stream, much, sizeof much, deadline_in(SOON_US)), -ETIMEDOUT);
	close(other);
	CHECK_INT(stream->ops->write(stream, much, sizeof much, deadline_in(SOON_US)), -EPIPE);
	stream_free(stream);
}

TEST(stream_over_pipes)
{
	struct stream *stream = NULL;
	int down[2], up[2];
	char data[16] = "";

	if (pipe(down) < 0 || pipe(up) < 0)
		exit(1);
	CHECK_INT(stream_fd_new(down[0], up[1], &stream), 0);
	CHECK_INT(stream->ops->write(stream, "ask\n", 4, deadline_in(US_PER_SEC)), 0);
	CHECK_INT(stream->ops->shutdown_write(stream), 0);
	CHECK_INT(read(up[0], data, sizeof data), 4);
	CHECK_INT(read(up[0], data, sizeof data), 0);
	CHECK_INT(write(down[1], "tell", 4), 4);
	CHECK_INT(stream->ops->read(stream, data, sizeof data, deadline_in(US_PER_SEC)), 4);
	stream_free(stream);
	close(down[1]);
	close(up[0]);
}
