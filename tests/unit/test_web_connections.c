/* SPDX-License-Identifier: MIT */
/* Who makes room for whom, and where a client is. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/test.h"
#include "view/web/connections.h"

static struct connections table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct origin origin_of(const char *address, const char *forwarded)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct origin origin = { { 0 } };

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		origin_read((struct sockaddr *)&v4, forwarded, &origin);
	else if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
		origin_read((struct sockaddr *)&v6, forwarded, &origin);
	else
		CHECK(!address);
	return origin;
}

static bool same(struct origin a, struct origin b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

TEST(origins)
{
	const struct origin near = origin_of("127.0.0.1", NULL), far = origin_of("10.0.0.9", NULL);

	CHECK(!same(near, far));
	CHECK(same(far, origin_of("::ffff:10.0.0.9", NULL)));
	/* a machine has a network of addresses */
	CHECK(same(origin_of("2001:db8::1", NULL), origin_of("2001:db8::2:3", NULL)));
	CHECK(!same(origin_of("2001:db8:0:1::1", NULL), origin_of("2001:db8::1", NULL)));
	/* a proxy here says for whom it asks; others are not believed */
	CHECK(same(far, origin_of("127.0.0.1", "1.2.3.4, 10.0.0.9")));
	CHECK(same(far, origin_of("::1", "10.0.0.9")));
	CHECK(same(far, origin_of("::ffff:127.0.0.1", "10.0.0.9")));
	CHECK(same(far, origin_of("10.0.0.9", "1.2.3.4")));
	CHECK(same(near, origin_of("127.0.0.1", "")));
	CHECK(same(near, origin_of("127.0.0.1", "<script>,")));
}

TEST(choice)
{
	const struct origin a = { { 1 } }, b = { { 2 } };
	struct connection list[] = {
		{ 10, a, CONNECTION_WAITS, 1, false },
		{ 11, b, CONNECTION_ASKS, 1, false },
		{ 12, a, CONNECTION_TAKES, 9, false },
		{ 13, a, CONNECTION_TAKES, 8, false },
		{ 14, a, CONNECTION_ASKS, 20, true },
	};

	/* of whom has most: whose answer is under way, the longest */
	CHECK_INT(connections_choose(list, 5)->fd, 13);
	list[3].ends = true;
	CHECK_INT(connections_choose(list, 5)->fd, 12);
	list[2].ends = true;
	/* as many of each: who asks nothing */
	CHECK_INT(connections_choose(list, 5)->fd, 11);
	list[1].ends = true;
	CHECK_INT(connections_choose(list, 5)->fd, 10);
	list[0].ends = true;
	CHECK(!connections_choose(list, 5));
	CHECK(!connections_choose(list, 0));
}

TEST(full_table)
{
	const struct origin many = { { 1 } }, one = { { 2 } };
	int ends = 0;

	/* numbers that are no sockets: to shut them changes nothing */
	connections_add(&table, 5000, &one, 0);
	for (int i = 1; i < CONNECTIONS_MAX; i++) {
		CHECK(connections_settle(&table, i));
		connections_add(&table, 5000 + i, &many, i);
	}
	CHECK_INT(connections_count(&table), CONNECTIONS_MAX);
	/* some make room, again and again no more than these */
	for (int round = 0; round < 3; round++)
		CHECK(!connections_settle(&table, CONNECTIONS_MAX));
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		ends += connections_end(&table, 5000 + i);
	CHECK(ends > 0 && ends < 20);
	CHECK(!connections_end(&table, 5000) && connections_end(&table, 5001));
	connections_remove(&table, 5001);
	CHECK(connections_settle(&table, CONNECTIONS_MAX));
	/* a number that comes again is one connection */
	connections_add(&table, 5002, &one, 0);
	CHECK_INT(connections_count(&table), CONNECTIONS_MAX - 1);
	CHECK(!connections_end(&table, 5002));
}

TEST(overdue)
{
	const struct origin origin = { { 1 } };
	const int64_t due_ns = CONNECTION_ASK_SECONDS * NS_PER_SEC;

	table.n = 0;
	connections_add(&table, 5000, &origin, 0);
	connections_add(&table, 5001, &origin, 0);
	connections_note(&table, 5001, CONNECTION_TAKES, 0);
	connections_settle(&table, due_ns);
	CHECK(!connections_end(&table, 5000));
	connections_settle(&table, due_ns + 1);
	CHECK(connections_end(&table, 5000));
	CHECK(!connections_end(&table, 5001));
	/* the next request has its own time */
	connections_note(&table, 5001, CONNECTION_ASKS, due_ns);
	connections_settle(&table, due_ns + 2);
	CHECK(!connections_end(&table, 5001));
}
