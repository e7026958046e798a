/* SPDX-License-Identifier: MIT */
/* The table of connections. A socket is only shut here; who serves it sees that, and closes it. */
#include "view/web/connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/util.h"

#define ROOM_AT_ONCE 8 /* connections that end where no place is free */

/* ---- origins */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static void origin_set_v4(const struct in_addr *address, struct origin *ret)
{
	memcpy(ret->bytes, mapped, sizeof(mapped));
	memcpy(ret->bytes + sizeof(mapped), address, sizeof(*address));
}

static void origin_set_v6(const struct in6_addr *address, struct origin *ret)
{
	memcpy(ret->bytes, address, sizeof(ret->bytes));
	if (!IN6_IS_ADDR_V4MAPPED(address) && !IN6_IS_ADDR_LOOPBACK(address))
		memset(ret->bytes + 8, 0, 8);
}

static bool origin_is_here(const struct origin *origin)
{
	return memcmp(origin->bytes, &in6addr_loopback, sizeof(origin->bytes)) == 0 ||
		(memcmp(origin->bytes, mapped, sizeof(mapped)) == 0 && origin->bytes[12] == 127);
}

/* The last one of a list of addresses; nothing happens where it is none. */
static void origin_read_list(const char *list, struct origin *ret)
{
	const char *comma = strrchr(list, ','), *text = comma ? comma + 1 : list;
	struct in6_addr v6;
	struct in_addr v4;

	text += strspn(text, " \t");
	if (inet_pton(AF_INET, text, &v4) == 1)
		origin_set_v4(&v4, ret);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		origin_set_v6(&v6, ret);
}

void origin_read(const struct sockaddr *address, const char *forwarded, struct origin *ret)
{
	*ret = (struct origin){ 0 };
	if (address->sa_family == AF_INET)
		origin_set_v4(&((const struct sockaddr_in *)address)->sin_addr, ret);
	else if (address->sa_family == AF_INET6)
		origin_set_v6(&((const struct sockaddr_in6 *)address)->sin6_addr, ret);
	if (forwarded && origin_is_here(ret))
		origin_read_list(forwarded, ret);
}

/* ---- who makes room */

static size_t connections_of(const struct connection *list, size_t n, const struct origin *origin)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !list[i].ends && memcmp(&list[i].origin, origin, sizeof(*origin)) == 0;
	return count;
}

struct connection *connections_choose(struct connection *list, size_t n)
{
	struct connection *chosen = NULL;
	size_t most = 0;

	for (size_t i = 0; i < n; i++) {
		struct connection *c = &list[i];
		const size_t count = c->ends ? 0 : connections_of(list, n, &c->origin);

		if (count == 0 || count < most)
			continue;
		if (count > most || c->state < chosen->state ||
			(c->state == chosen->state && c->since_ns < chosen->since_ns))
			chosen = c;
		most = count;
	}
	return chosen;
}

/* ---- the table */

static struct connection *connections_find(struct connections *connections, int fd)
{
	for (size_t i = 0; i < connections->n; i++) {
		if (connections->list[i].fd == fd)
			return &connections->list[i];
	}
	return NULL;
}

void connections_add(
	struct connections *connections, int fd, const struct origin *origin, int64_t now_ns)
{
	struct connection *c;

	pthread_mutex_lock(&connections->lock);
	c = connections_find(connections, fd); /* the library may have dropped that one unsaid */
	if (!c && connections->n < CONNECTIONS_MAX)
		c = &connections->list[connections->n++];
	if (c)
		*c = (struct connection){ fd, *origin, CONNECTION_ASKS, now_ns, false };
	pthread_mutex_unlock(&connections->lock);
}

void connections_remove(struct connections *connections, int fd)
{
	struct connection *c;

	pthread_mutex_lock(&connections->lock);
	c = connections_find(connections, fd);
	if (c)
		*c = connections->list[--connections->n];
	pthread_mutex_unlock(&connections->lock);
}

void connections_note(
	struct connections *connections, int fd, enum connection_state state, int64_t now_ns)
{
	struct connection *c;

	pthread_mutex_lock(&connections->lock);
	c = connections_find(connections, fd);
	if (c) {
		c->state = state;
		c->since_ns = now_ns;
	}
	pthread_mutex_unlock(&connections->lock);
}

bool connections_end(struct connections *connections, int fd)
{
	const struct connection *c;
	bool ends;

	pthread_mutex_lock(&connections->lock);
	c = connections_find(connections, fd);
	ends = c && c->ends;
	pthread_mutex_unlock(&connections->lock);
	return ends;
}

size_t connections_count(struct connections *connections)
{
	size_t n;

	pthread_mutex_lock(&connections->lock);
	n = connections->n;
	pthread_mutex_unlock(&connections->lock);
	return n;
}

static void connection_shut(struct connection *c)
{
	c->ends = true;
	shutdown(c->fd, SHUT_RDWR);
}

bool connections_settle(struct connections *connections, int64_t now_ns)
{
	const int64_t overdue_ns = now_ns - CONNECTION_ASK_SECONDS * NS_PER_SEC;
	size_t ending = 0;
	bool room;

	pthread_mutex_lock(&connections->lock);
	for (size_t i = 0; i < connections->n; i++) {
		struct connection *c = &connections->list[i];

		if (!c->ends && c->state == CONNECTION_ASKS && c->since_ns < overdue_ns)
			connection_shut(c);
		ending += c->ends;
	}
	room = connections->n < CONNECTIONS_MAX;
	for (; !room && ending < ROOM_AT_ONCE; ending++) {
		struct connection *c = connections_choose(connections->list, connections->n);

		if (!c)
			break;
		connection_shut(c);
	}
	pthread_mutex_unlock(&connections->lock);
	return room;
}
