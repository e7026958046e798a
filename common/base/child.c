/* SPDX-License-Identifier: MIT */
/* Child processes whose output is read through pipes, with a deadline. */
#include "common/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/util.h"

extern char **environ;

struct stream {
	int fd; /* -1: at its end */
	char *text;
	size_t used;
};

/* Installed programs are neighbours: so nobody's $PATH decides which one is asked. */
static const char *find_program(const char *name, char buf[static 2 * PATH_MAX])
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);

	if (n < 0)
		return name;
	own[n] = '\0';
	snprintf(buf, 2 * PATH_MAX, "%s/%s", dirname(own), name);
	return access(buf, X_OK) == 0 ? buf : name;
}

/* Reads what is there; closes the stream at its end. -EFBIG. */
static int stream_read(struct stream *stream)
{
	ssize_t n = read(stream->fd, stream->text + stream->used, CHILD_OUTPUT_MAX - stream->used);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	stream->used += (size_t)n;
	if (n > 0)
		return stream->used == CHILD_OUTPUT_MAX ? -EFBIG : 0;
	close(TAKE_FD(stream->fd));
	return 0;
}

static int streams_read(struct stream streams[static 2], int64_t deadline_ns)
{
	int r = 0;

	while (r == 0 && (streams[0].fd >= 0 || streams[1].fd >= 0)) {
		struct pollfd fds[2] = { { streams[0].fd, POLLIN, 0 },
			{ streams[1].fd, POLLIN, 0 } };
		int64_t left_ns = deadline_ns - clock_mono_ns(&clock_real);

		if (left_ns <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)(left_ns / 1000000) + 1) < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < 2 && r == 0; i++)
			r = fds[i].revents ? stream_read(&streams[i]) : 0;
	}
	return r;
}

/* Signals that this process blocks or ignores for its own loop are not the child's business. */
static void set_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, ignored;

	sigemptyset(&none);
	sigemptyset(&ignored);
	sigaddset(&ignored, SIGPIPE);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &ignored);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

int child_start(const char *program, const char *const argv[], int in, int out, int err, pid_t *ret)
{
	const int fds[] = { in, out, err };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = 0;

	if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attributes) != 0)
		return -ENOMEM;
	set_signals(&attributes);
	for (int i = 0; i < 3 && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	if (r == 0)
		r = posix_spawnp(ret, program, &actions, &attributes, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int child_run(const char *const argv[], int64_t timeout_us, struct child_result *ret)
{
	int64_t deadline_ns = clock_mono_ns(&clock_real) + timeout_us * 1000;
	CLEANUP_FREE char *out_text = calloc(1, CHILD_OUTPUT_MAX + 1);
	CLEANUP_FREE char *err_text = calloc(1, CHILD_OUTPUT_MAX + 1);
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, r, code = 0;
	struct stream streams[2];
	char program[2 * PATH_MAX];
	pid_t pid;

	if (!out_text || !err_text)
		return -ENOMEM;
	r = null < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 ? -errno : 0;
	if (r == 0)
		r = child_start(find_program(argv[0], program), argv, null, out[1], err[1], &pid);
	fd_closep(&out[1]);
	fd_closep(&err[1]);
	streams[0] = (struct stream){ out[0], out_text, 0 };
	streams[1] = (struct stream){ err[0], err_text, 0 };
	if (r == 0) {
		r = streams_read(streams, deadline_ns);
		if (r < 0)
			kill(pid, SIGKILL);
		code = child_wait(pid);
	}
	fd_closep(&streams[0].fd);
	fd_closep(&streams[1].fd);
	if (r < 0 || code < 0)
		return r < 0 ? r : code;
	*ret = (struct child_result){ code, TAKE_PTR(out_text), TAKE_PTR(err_text) };
	return 0;
}

void child_result_clear(struct child_result *result)
{
	free(result->out);
	free(result->err);
	*result = (struct child_result){ 0 };
}
