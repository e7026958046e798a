/* SPDX-License-Identifier: MIT */
/*
 * hostile PORT PID [CONNECTIONS]: bytes that no browser sends, and the status that they get; then
 * clients that take places, or time, while an honest one asks. PID is the server's; CONNECTIONS are
 * opened at once, 1500 if not said, and with 10000 the slow ones are waited for. What it may not
 * read has the word in SECRET. Last line `N passed, N failed`.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECRET "outside-of-every-archive"
#define ANSWER_MAX (256 * 1024)
#define HONEST_MS 5000 /* the most that an honest client waits beside all others */
#define MEMORY_MAX_KB (40 * 1024)

static int passed, failed;
static uint16_t port;

static void check(bool right, const char *name, const char *what)
{
	passed += right;
	failed += !right;
	if (!right)
		printf("FAILED %s: %s\n", name, what);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct sockaddr_in address_of(uint8_t last, uint16_t of_port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(of_port),
		.sin_addr.s_addr = htonl(0x7f000000U | last) };
}

/* A connection from 127.0.0.`from`; -1. */
static int connect_from(uint8_t from, int flags)
{
	const struct sockaddr_in here = address_of(from, 0), there = address_of(1, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0 ||
		(connect(fd, (const struct sockaddr *)&there, sizeof(there)) < 0 &&
			errno != EINPROGRESS)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* What comes until the other side ends or, if not `whole`, the head is there. Milliseconds. */
static size_t answer_read(int fd, char *ret, int ms, bool whole)
{
	const int64_t end = now_ms() + ms;
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		const int64_t left = end - now_ms();
		ssize_t r;

		ret[n] = '\0';
		if (left <= 0 || n == ANSWER_MAX || (!whole && strstr(ret, "\r\n\r\n")) ||
			poll(&p, 1, (int)left) <= 0)
			return n;
		r = recv(fd, ret + n, ANSWER_MAX - n, 0);
		if (r <= 0)
			return n;
		n += (size_t)r;
	}
}

/* 0: the connection ended without one. */
static int status_of(const char *answer)
{
	return strncmp(answer, "HTTP/1.", 7) == 0 ? atoi(answer + 9) : 0;
}

static int ask_bytes(const char *bytes, size_t n, char *answer)
{
	int fd = connect_from(1, 0);

	*answer = '\0';
	if (fd < 0)
		return -1;
	send(fd, bytes, n, MSG_NOSIGNAL);
	answer_read(fd, answer, 5000, false);
	close(fd);
	return status_of(answer);
}

/* ---- one request each */

struct row {
	const char *bytes;
	int status;
};

#define H "Host: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"
#define WITH(header) "GET /garden/latest.jpg HTTP/1.1\r\n" H header "\r\n\r\n"

static const struct row rows[] = {
	{ GET("/"), 200 },
	{ "HEAD / HTTP/1.1\r\n" H "\r\n", 200 },
	{ "GET / HTTP/1.0\r\n\r\n", 200 },
	{ "GET /garden/latest.jpg HTTP/1.0\r\n\r\n", 200 },
	/* ways out */
	{ GET("/../secret"), 400 },
	{ GET("/../../etc/passwd"), 400 },
	{ GET("/%2e%2e/secret"), 400 },
	{ GET("/%2e%2e%2fsecret"), 400 },
	{ GET("/..%2fsecret"), 400 },
	{ GET("/..%5csecret"), 301 },
	{ GET("/%252e%252e%252fsecret"), 301 },
	{ GET("/%252e%252e/secret"), 404 },
	{ GET("/garden/%2e%2e/%2e%2e/secret"), 400 },
	{ GET("/garden/..%2f..%2fsecret"), 400 },
	{ GET("/garden/%c0%ae%c0%ae%c0%afsecret"), 400 },
	{ GET("/garden/%e0%80%ae%e0%80%ae/"), 400 },
	{ GET("/garden/%00latest.jpg"), 400 },
	{ GET("/garden/latest.jpg%00"), 400 },
	{ GET("/garden/%0d%0aSet-Cookie:x"), 400 },
	{ GET("/garden/%"), 400 },
	{ GET("/garden/%f"), 400 },
	{ GET("/garden/%ff%fe/"), 400 },
	{ GET("//secret"), 400 },
	{ GET("/garden//etc/passwd"), 404 },
	{ GET("/garden/journal/00000000.jsonl"), 404 },
	{ GET("/garden/archive.json"), 404 },
	{ GET("/garden/.writer"), 404 },
	{ GET("/garden/link/secret"), 404 },
	{ GET("/garden/2026/11/29/"), 400 },
	{ GET("file:///etc/passwd"), 400 },
	{ GET("http://localhost/garden/"), 400 },
	{ GET("*"), 400 },
	{ GET("secret"), 400 },
	{ GET("/outside/latest.jpg"), 404 },
	{ GET("/linked/"), 200 },
	{ GET("/linked/latest.jpg"), 500 },
	{ GET("/linked/1.jpg"), 500 },
	/* numbers */
	{ GET("/garden/0.jpg"), 404 },
	{ GET("/garden/-1.jpg"), 404 },
	{ GET("/garden/00000001.jpg"), 404 },
	{ GET("/garden/999999999999.jpg"), 404 },
	{ GET("/garden/18446744073709551617.jpg"), 404 },
	{ GET("/garden/9999-99-99/"), 404 },
	{ GET("/garden/0000-00-00/"), 404 },
	{ GET("/garden/2026-11-29/999999999999.jpg"), 404 },
	{ GET("/garden/?after=99999999999999999999999"), 200 },
	{ GET("/garden/?after=-1"), 200 },
	{ WITH("Range: bytes=0-0"), 206 },
	{ WITH("Range: bytes=0-99999999999999999999999999"), 206 },
	{ WITH("Range: bytes=-99999999999999999999999999"), 206 },
	{ WITH("Range: bytes=99999999999999999999999999-"), 416 },
	{ WITH("Range: bytes=9223372036854775807-"), 416 },
	{ WITH("Range: bytes=-0"), 416 },
	{ WITH("Range: bytes=--1"), 200 },
	{ WITH("Range: bytes=5-4"), 200 },
	{ WITH("Range: bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7"), 200 },
	{ WITH("Range: bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-"), 200 },
	{ WITH("Range: apples=1-2"), 200 },
	{ WITH("Range:"), 200 },
	{ WITH("If-None-Match: *"), 304 },
	{ WITH("If-None-Match: \""), 200 },
	{ WITH("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"), 200 },
	{ WITH("If-Modified-Since: Fri Dec 31 23:59:59 2038"), 304 },
	{ WITH("If-Modified-Since: 99999999999999999999"), 200 },
	{ WITH("If-Match: \"x\""), 412 },
	/* methods and bodies */
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nx=1", 405 },
	{ "PUT /garden/latest.jpg HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 405 },
	{ "DELETE /garden/1.jpg HTTP/1.1\r\n" H "\r\n", 405 },
	{ "TRACE / HTTP/1.1\r\n" H "\r\n", 405 },
	{ "CONNECT example.org:80 HTTP/1.1\r\n" H "\r\n", 405 },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", 405 },
	{ "PROPFIND / HTTP/1.1\r\n" H "\r\n", 405 },
	{ "get / HTTP/1.1\r\n" H "\r\n", 405 },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nx=1", 413 },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 99999999999\r\n\r\n", 413 },
	{ "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nx=1\r\n0\r\n\r\n", 413 },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999999\r\n\r\n", 413 },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 200 },
	{ "GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", 413 },
	{ "GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200 },
	/* for whom it is */
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421 },
	{ "GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 421 },
	{ "GET / HTTP/1.1\r\nHost: [::1]:8484\r\n\r\n", 200 },
	/* no HTTP */
	{ "GET / HTTP/9.9\r\n" H "\r\n", 505 },
	{ "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 200 },
	{ "GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", 400 },
	{ "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n", 0 },
};

static void check_row(const char *bytes, size_t n, int status)
{
	static char answer[ANSWER_MAX + 1];
	char name[64], what[64];
	const int got = ask_bytes(bytes, n, answer);

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(bytes, "\r"), bytes);
	snprintf(what, sizeof(what), "status %d, not %d", got, status);
	check(got == status, name, what);
	check(!strstr(answer, SECRET) && !strstr(answer, "root:"), name, "read from elsewhere");
	check(!strstr(answer, "\r\nSet-Cookie"), name, "a header of the client's");
}

static void check_long(void)
{
	static char bytes[256 * 1024];
	size_t n;

	n = (size_t)snprintf(bytes, sizeof(bytes), "GET /%0600d HTTP/1.1\r\n" H "\r\n", 0);
	check_row(bytes, n, 414);
	n = (size_t)snprintf(bytes, sizeof(bytes), "GET /%0100000d HTTP/1.1\r\n" H "\r\n", 0);
	check_row(bytes, n, 414);
	n = (size_t)snprintf(
		bytes, sizeof(bytes), "GET / HTTP/1.1\r\n" H "X: %0100000d\r\n\r\n", 0);
	check_row(bytes, n, 431);
	n = (size_t)snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\n" H);
	for (int i = 0; i < 5000; i++)
		n += (size_t)snprintf(bytes + n, sizeof(bytes) - n, "X%d: y\r\n", i);
	check_row(bytes, n, 431);
}

/* Several requests at once, and the end of one of them in the next piece. */
static void check_pipeline(void)
{
	static const char first[] = GET("/style.css") GET("/garden/latest.jpg") "GET /../ HT",
			  second[] = "TP/1.1\r\n" H "\r\n"
				     "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n";
	static char answer[ANSWER_MAX + 1];
	int fd = connect_from(1, 0), answers = 0;
	size_t n;

	send(fd, first, sizeof(first) - 1, MSG_NOSIGNAL);
	usleep(50000);
	send(fd, second, sizeof(second) - 1, MSG_NOSIGNAL);
	n = answer_read(fd, answer, 5000, true);
	close(fd);
	for (char *at = answer; (at = memmem(at, n - (size_t)(at - answer), "HTTP/1.1 ", 9));
		at += 9)
		answers += status_of(at) == (answers == 2 ? 400 : 200);
	check(answers == 4, "pipelining", "not four answers in their order");
}

/* ---- many at once */

static long process_number(int pid, const char *field)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, strlen(field)) == 0)
			value = atol(line + strlen(field) + 1);
	}
	if (file)
		fclose(file);
	return value;
}

/* An honest client's request: how long it took, or HONEST_MS and more. */
static int64_t honest_ms(void)
{
	static char answer[ANSWER_MAX + 1];
	static const char bytes[] =
		"GET /garden/latest.jpg HTTP/1.1\r\n" H "Connection: close\r\n\r\n";
	const int64_t start = now_ms();
	int fd = connect_from(1, 0);
	size_t n;

	send(fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL);
	n = answer_read(fd, answer, HONEST_MS, true);
	close(fd);
	return status_of(answer) == 200 && n > 1000 ? now_ms() - start : 2 * HONEST_MS;
}

/* What the connections of one kind send, once; then they only stay. */
static void check_crowd(const char *name, uint8_t from, size_t n, const char *bytes, bool again)
{
	int *fds = malloc(n * sizeof(*fds));
	int64_t worst = 0, took;
	char what[64];

	for (size_t i = 0; i < n; i++) {
		fds[i] = connect_from(from, SOCK_NONBLOCK);
		if (fds[i] >= 0 && i % 100 == 99) {
			for (size_t k = again ? 0 : i - 99; k <= i; k++)
				send(fds[k], bytes, strlen(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
			took = honest_ms();
			worst = took > worst ? took : worst;
		}
	}
	for (int i = 0; i < 5; i++) {
		took = honest_ms();
		worst = took > worst ? took : worst;
	}
	printf("measured: %s, %zu connections: an honest request took %lld ms at most\n", name, n,
		(long long)worst);
	snprintf(what, sizeof(what), "an honest client waited %lld ms", (long long)worst);
	check(worst < HONEST_MS, name, what);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
}

/* A byte a second is ended after CONNECTION_ASK_SECONDS. */
static void check_trickle(void)
{
	const int64_t start = now_ms();
	int fd = connect_from(2, 0);
	char byte;
	ssize_t r = -1;

	send(fd, "GET / HTTP/1.1\r\nX: ", 19, MSG_NOSIGNAL);
	while (now_ms() - start < 30000) {
		send(fd, "y", 1, MSG_NOSIGNAL);
		sleep(1);
		r = recv(fd, &byte, 1, MSG_DONTWAIT);
		if (r == 0 || (r < 0 && errno != EAGAIN))
			break;
	}
	check(now_ms() - start > 15000 && now_ms() - start < 25000, "a byte a second",
		"not ended after 20 s");
	close(fd);
}

int main(int argc, char **argv)
{
	const struct rlimit files = { 20000, 20000 };
	size_t n = argc > 3 ? (size_t)atol(argv[3]) : 1500;
	int pid;

	if (argc < 3)
		return 2;
	port = (uint16_t)atoi(argv[1]);
	pid = atoi(argv[2]);
	setrlimit(RLIMIT_NOFILE, &files);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(rows[i].bytes, strlen(rows[i].bytes), rows[i].status);
	check_long();
	check_pipeline();
	check_crowd("idle", 2, n, "", false);
	check_crowd("half a head, a byte now and then", 3, n / 5, "G", true);
	check_crowd("long requests", 4, n / 5, GET("/garden/?after=1010"), false);
	check_crowd("pages that nobody reads", 5, n / 5,
		GET("/garden/2026-10-25/") GET("/garden/2026-10-25/") GET("/garden/2026-10-25/"),
		true);
	if (n >= 10000)
		check_trickle();
	printf("measured: memory %ld KB at most, %ld threads at the end\n",
		process_number(pid, "VmHWM:"), process_number(pid, "Threads:"));
	check(process_number(pid, "VmHWM:") > 0 && process_number(pid, "VmHWM:") < MEMORY_MAX_KB,
		"memory", "more than its bound");
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
