/* SPDX-License-Identifier: MIT */
/*
 * Who is connected. There is a place for each of CONNECTIONS_MAX connections, so memory has a
 * bound; whoever takes too many of them, or too long, makes room for others. Safe between threads.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 100
#define CONNECTION_ASK_SECONDS 20 /* a request must be whole by then, whatever trickles in */

/*
 * Where a client is: its address as IPv6 has it, of that the network alone (64 bits), because a
 * machine has as many addresses there as it likes.
 */
struct origin {
	uint8_t bytes[16];
};

/*
 * `forwarded` is X-Forwarded-For, or NULL: a proxy on this machine says there, at the end, for whom
 * it asks. It is believed from this machine alone.
 */
void origin_read(const struct sockaddr *address, const char *forwarded, struct origin *ret);

/* In the order in which they make room. */
enum connection_state {
	CONNECTION_ASKS, /* its next request is not whole yet */
	CONNECTION_TAKES, /* its answer is on the way to it */
	CONNECTION_WAITS, /* its answer is being made */
};

struct connection {
	int fd;
	struct origin origin;
	enum connection_state state;
	int64_t since_ns; /* CLOCK_MONOTONIC: when the state began */
	bool ends; /* its socket was shut */
};

struct connections {
	pthread_mutex_t lock;
	size_t n;
	struct connection list[CONNECTIONS_MAX];
};

/* Only where connections_settle() said that there is room. */
void connections_add(
	struct connections *connections, int fd, const struct origin *origin, int64_t now_ns);
/* Before `fd` is closed. */
void connections_remove(struct connections *connections, int fd);
void connections_note(
	struct connections *connections, int fd, enum connection_state state, int64_t now_ns);
/* Whether it was told to end. */
bool connections_end(struct connections *connections, int fd);
size_t connections_count(struct connections *connections);

/*
 * Ends those whose requests are overdue and, where no place is free, some that
 * connections_choose() names. Returns whether there is room for one more.
 */
bool connections_settle(struct connections *connections, int64_t now_ns);

/*
 * Who makes room: of the origin with most connections the one in the first state of the enum, and
 * of these the one that is longest in it. Those that end do not count; NULL where all do.
 */
struct connection *connections_choose(struct connection *list, size_t n);
