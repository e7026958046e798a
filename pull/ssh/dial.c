/* SPDX-License-Identifier: MIT */
/*
 * A TCP connection with a deadline. A thread of its own looks the name up, because getaddrinfo(3)
 * has no deadline and waits half a minute and more for a dead name server. The addresses are
 * tried in turn, so a dead IPv6 route costs 2 s.
 */
#include "pull/ssh/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/base/util.h"
#include "pull/ssh/wait.h"

/*
 * Time for each address in the first round; it doubles with each round. A silent address gets a
 * new connection in each, because the kernel repeats a lost SYN after 1, 3, 7 s, too late for a
 * link that just came back.
 */
#define FIRST_SLICE_US (2 * US_PER_SEC)

int dial_fault(int error)
{
	switch (error) {
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EADDRNOTAVAIL:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return -error;
	default:
		return -ENETUNREACH;
	}
}

int dial_fault_of_name(int result, int error)
{
	switch (result) {
	case EAI_SYSTEM:
		return dial_fault(error);
	case EAI_MEMORY:
		return -ENOMEM;
	default:
		return -EADDRNOTAVAIL;
	}
}

/* ---- the name */

struct lookup {
	char host[NI_MAXHOST], port[8];
	atomic_int holders; /* the caller and, while it runs, the thread; the last one frees it */
	int done_fd; /* an eventfd; -1: no thread */
	int result; /* EAI_* */
	int error; /* errno for EAI_SYSTEM */
	struct addrinfo *list;
};

static void lookup_free(struct lookup *lookup)
{
	if (!lookup || atomic_fetch_sub(&lookup->holders, 1) > 1)
		return;
	if (lookup->list)
		freeaddrinfo(lookup->list);
	fd_closep(&lookup->done_fd);
	free(lookup);
}
DEFINE_CLEANUP(struct lookup, lookup_free)

static int lookup_now(struct lookup *lookup, int flags)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | flags };

	lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->list);
	lookup->error = errno;
	return lookup->result;
}

static void *lookup_thread(void *data)
{
	struct lookup *lookup = data;

	lookup_now(lookup, 0);
	(void)eventfd_write(lookup->done_fd, 1);
	lookup_free(lookup);
	return NULL;
}

/* Looks the name up on a thread. -ETIMEDOUT: that goes on, with `lookup`. */
static int lookup_until(struct lookup *lookup, int64_t deadline_ns)
{
	eventfd_t done;
	int r;

	lookup->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->done_fd < 0)
		return -errno;
	atomic_fetch_add(&lookup->holders, 1);
	r = thread_detach(lookup_thread, lookup);
	if (r < 0)
		atomic_fetch_sub(&lookup->holders, 1);
	else
		r = wait_fd(lookup->done_fd, POLLIN, deadline_ns);
	if (r >= 0)
		(void)eventfd_read(lookup->done_fd, &done);
	return r < 0 ? r : 0;
}

/* Finds the addresses of `host`; else an error of dial_fault() and a sentence. */
static int resolve_name(const char *host, int port, int64_t deadline_ns, struct lookup **ret,
	char *error, size_t size)
{
	CLEANUP(lookup_freep) struct lookup *lookup = calloc(1, sizeof *lookup);
	int r = 0;

	if (!lookup)
		return -ENOMEM;
	lookup->holders = 1;
	lookup->done_fd = -1;
	if (snprintf(lookup->host, sizeof lookup->host, "%s", host) >= (int)sizeof lookup->host)
		r = -ENAMETOOLONG;
	snprintf(lookup->port, sizeof lookup->port, "%u", (unsigned)port & 0xffff);
	if (r == 0 && lookup_now(lookup, AI_NUMERICHOST) != 0)
		r = lookup_until(lookup, deadline_ns);
	if (r == -ETIMEDOUT)
		snprintf(error, size, "the name %s could not be looked up in time", host);
	else if (r < 0)
		snprintf(error, size, "%s: %s", host, strerror(-r));
	if (r < 0)
		return dial_fault(-r);
	if (lookup->result != 0) {
		snprintf(error, size, "%s: %s", host,
			lookup->result == EAI_SYSTEM ? strerror(lookup->error)
						     : gai_strerror(lookup->result));
		return dial_fault_of_name(lookup->result, lookup->error);
	}
	*ret = TAKE_PTR(lookup);
	return 0;
}

/* ---- the addresses */

/* Sets what SSH over a flaky link needs; none of it is worth failing for. */
static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, DIAL_KEEPIDLE },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 5 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 30000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			sizeof options[i].value);
}

/* A link-local address without its link (RFC 4007), as getaddrinfo() may give for a .local name. */
static bool lacks_interface(const struct addrinfo *address)
{
	struct sockaddr_in6 in6;

	if (address->ai_family != AF_INET6 || address->ai_addrlen < sizeof in6)
		return false;
	memcpy(&in6, address->ai_addr, sizeof in6);
	return IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) && in6.sin6_scope_id == 0;
}

/* Tries one address once. */
static int connect_address(const struct addrinfo *a, int64_t deadline_ns, int *ret_fd)
{
	CLEANUP_FD int fd = -1;
	socklen_t size = sizeof(int);
	int error = 0, r;

	if (lacks_interface(a))
		return -EINVAL;
	fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	if (fd < 0)
		return -errno;
	set_options(fd);
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		return -errno;
	r = wait_fd(fd, POLLOUT, deadline_ns);
	if (r >= 0)
		r = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int dial_addresses(const struct addrinfo *list, int64_t deadline_ns, int *ret_fd,
	const struct addrinfo **ret_failed)
{
	const struct addrinfo *failed = NULL;
	int64_t slice_us = FIRST_SLICE_US;
	int r, error = -EADDRNOTAVAIL;
	bool silent = true;

	while (silent && deadline_left_us(deadline_ns) > 0) {
		silent = false;
		for (const struct addrinfo *a = list; a; a = a->ai_next) {
			r = connect_address(
				a, deadline_min(deadline_in(slice_us), deadline_ns), ret_fd);
			if (r == 0)
				return 0;
			silent |= r == -ETIMEDOUT;
			if (r != -ETIMEDOUT && (!failed || !lacks_interface(a))) {
				failed = a;
				error = r;
			}
		}
		slice_us *= 2;
	}
	*ret_failed = silent ? NULL : failed;
	return silent ? -ETIMEDOUT : error;
}

static void describe_failure(
	int r, const struct addrinfo *failed, const char *host, int port, char *error, size_t size)
{
	char address[NI_MAXHOST] = "";

	if (r == -ETIMEDOUT && !failed) {
		snprintf(error, size, "%s port %d does not answer", host, port);
		return;
	}
	if (failed)
		getnameinfo(failed->ai_addr, failed->ai_addrlen, address, sizeof address, NULL, 0,
			NI_NUMERICHOST);
	if (failed && lacks_interface(failed))
		snprintf(error, size,
			"%s: %s is an address of one link and does not say of which; use "
			"%s%%INTERFACE (%%wlan0, %%eth0), another address or another name",
			host, address, address);
	else if (address[0] && strcmp(address, host) != 0)
		snprintf(error, size, "%s (%s) port %d: %s", host, address, port, strerror(-r));
	else
		snprintf(error, size, "%s port %d: %s", host, port, strerror(-r));
}

int dial_tcp(const char *host, int port, int64_t deadline_ns, int *ret_fd, char *error, size_t size)
{
	CLEANUP(lookup_freep) struct lookup *lookup = NULL;
	const struct addrinfo *failed = NULL;
	int r = resolve_name(host, port, deadline_ns, &lookup, error, size);

	if (r < 0)
		return r;
	r = dial_addresses(lookup->list, deadline_ns, ret_fd, &failed);
	if (r == 0)
		return 0;
	describe_failure(r, failed, host, port, error, size);
	return dial_fault(-r);
}
