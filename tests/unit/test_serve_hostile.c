/* SPDX-License-Identifier: MIT */
/*
 * Clients that mean harm, to the server in a process of its own: it answers or ends, its memory
 * does not grow, and the archive is as it was.
 */
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "capture/commands/serve.h"
#include "common/wire/wire.h"
#include "tests/unit/pull_kit.h"

#define FRAMES 20
#define MEMORY_MAX_KB KIT_MEMORY_KB(8 * 1024) /* that serving may cost */
#define PATIENCE_MS 60000 /* against a test that hangs */

struct attack {
	char folder[64];
	pid_t server;
	int fd; /* the client's end */
};

static long memory_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Ends with 0, 1 where serve() fails, 2 where it took too much memory. */
static void serve_process(const char *folder, int fd)
{
	struct serve_options options = { .in_fd = fd, .out_fd = fd };
	long kb;
	int r;

	signal(SIGPIPE, SIG_IGN);
	if (archive_open(folder, &(struct archive_options){ .mode = ARCHIVE_READ },
		    &options.archive) < 0)
		_exit(3);
	kb = memory_kb();
	r = serve_client(&options);
	_exit(memory_kb() - kb > MEMORY_MAX_KB ? 2 : r < 0);
}

static void begin(struct attack *attack)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden" };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int fds[2];

	kit_make_folder(attack->folder);
	CHECK_INT(archive_open(attack->folder, &options, &archive), 0);
	for (int i = 1; i <= FRAMES; i++)
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * KIT_MINUTE, (uint64_t)i, NULL), 0);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	attack->server = fork();
	if (attack->server == 0) {
		close(fds[0]);
		serve_process(attack->folder, fds[1]);
	}
	close(fds[1]);
	attack->fd = fds[0];
	fcntl(attack->fd, F_SETFL, O_NONBLOCK);
}

/* What is read until the server says nothing for a moment, or ends; into `buf` what fits. */
static size_t hear(struct attack *attack, char *buf, size_t size, int silence_ms)
{
	struct pollfd pfd = { .fd = attack->fd, .events = POLLIN };
	size_t n = 0;
	char piece[4096];

	while (poll(&pfd, 1, silence_ms) > 0) {
		ssize_t got = read(attack->fd, piece, sizeof piece);
		size_t fits = got > 0 && n < size - 1 ? size - 1 - n : 0;

		if (got <= 0)
			break;
		fits = fits < (size_t)got ? fits : (size_t)got;
		memcpy(buf + n, piece, fits);
		n += fits;
	}
	buf[n] = 0;
	return n;
}

/* Says it as often as the server takes it, `times` at most; how often that was. */
static int say(struct attack *attack, const char *text, size_t len, int times)
{
	for (int i = 0; i < times; i++) {
		struct pollfd pfd = { .fd = attack->fd, .events = POLLOUT };
		size_t said = 0;

		while (said < len) {
			ssize_t n = send(attack->fd, text + said, len - said, MSG_NOSIGNAL);

			if (n < 0 && (errno != EAGAIN || poll(&pfd, 1, 300) <= 0))
				return i;
			said += n > 0 ? (size_t)n : 0;
		}
	}
	return times;
}

/* The client goes; the server has to, too. */
static int end(struct attack *attack)
{
	int status = -1;

	close(attack->fd);
	for (int ms = 0; waitpid(attack->server, &status, WNOHANG) == 0; ms += 10) {
		if (ms > PATIENCE_MS) {
			kill(attack->server, SIGKILL);
			waitpid(attack->server, &status, 0);
			break;
		}
		usleep(10000);
	}
	CHECK_INT(count_frames(attack->folder), FRAMES);
	test_remove_folder(attack->folder);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Nobody reads the answers: the requests stay where they are, which is not in the server. */
TEST(a_million_requests_unread)
{
	static const char *const requests[] = { "latest\n", "list 1\n", "x\n", "frame 7\n" };

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct attack attack;

		begin(&attack);
		CHECK(say(&attack, requests[i], strlen(requests[i]), 1000000) < 1000000);
		CHECK_INT(end(&attack), 1);
	}
}

TEST(lines_without_end)
{
	static const char zeros[4096];
	struct attack attack;
	char buf[65536], letters[4096];

	memset(letters, 'a', sizeof letters);
	for (int i = 0; i < 2; i++) {
		begin(&attack);
		CHECK(say(&attack, i ? zeros : letters, 4096, 100000) < 100000);
		hear(&attack, buf, sizeof buf, PATIENCE_MS);
		CHECK(strstr(buf,
			"{\"error\":\"bad-request\",\"text\":\"the request line is too "
			"long\"}\n"));
		CHECK_INT(end(&attack), 1);
	}
}

TEST(noise)
{
	uint64_t state = test_seed();
	struct attack attack;
	char buf[65536], noise[200];

	begin(&attack);
	for (int i = 0; i < 500; i++) {
		for (size_t k = 0; k < sizeof noise; k++)
			noise[k] = (char)test_random(&state);
		noise[sizeof noise - 1] = '\n';
		if (say(&attack, noise, sizeof noise, 1) == 0)
			break;
		hear(&attack, buf, sizeof buf, 0);
	}
	say(&attack, "quit\n", 5, 1);
	hear(&attack, buf, sizeof buf, PATIENCE_MS);
	CHECK_INT(end(&attack), 0);
}

/* Half a line and then nothing; and the end in the middle of a line. */
TEST(half_a_line)
{
	struct attack attack;
	char buf[65536], *answer;

	begin(&attack);
	say(&attack, "lat", 3, 1);
	for (int ms = 0; ms < PATIENCE_MS && hear(&attack, buf, sizeof buf, 200) == 0; ms += 200)
		continue;
	answer = strchr(buf, '\n');
	CHECK(answer && answer[1] == 0); /* the greeting and no more */
	shutdown(attack.fd, SHUT_WR);
	hear(&attack, buf, sizeof buf, PATIENCE_MS);
	CHECK(strstr(buf, "bad-request"));
	CHECK_INT(end(&attack), 0);
}
