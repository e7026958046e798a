/* SPDX-License-Identifier: MIT */
/* For tests with the real server at the other end: `capturepi serve` as a process of its own. */
#pragma once

#include <sys/socket.h>
#include <sys/wait.h>

#include "capture/commands/serve.h"
#include "common/commands/cli.h"
#include "common/contact/peer_state.h"
#include "pull/session/gaps.h"
#include "pull/session/session.h"
#include "tests/unit/pull_kit.h"
#include "tests/unit/stream_kit.h"

/* Serves the archive at `path` over `fd`; `other_fd` is the client's. The caller waits for it. */
static pid_t serve_start(const char *path, int fd, int other_fd, const char *command)
{
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct serve_options serve_options = {
		.in_fd = fd, .out_fd = fd, .first_request = serve_first_request(command)
	};
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(other_fd);
	signal(SIGPIPE, SIG_IGN);
	if (archive_open(path, &options, &serve_options.archive) < 0)
		_exit(1);
	_exit(serve_client(&serve_options) < 0);
}

/*
 * A camera's archive and the copy of it, with a link between them whenever the copy's side asks for
 * one.
 */
static struct pair {
	char folder[64], camera[128];
	struct camera_settings settings;
	struct session_options options;
	struct session_result result;
	int connections;
} pair;

__attribute__((unused)) static struct stream *pair_link(const char *command)
{
	struct stream *stream = NULL;
	int fds[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	CHECK(serve_start(pair.camera, fds[1], fds[0], command) > 0);
	close(fds[1]);
	pair.connections++;
	CHECK_INT(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	CHECK_INT(stream_fd_new(fds[0], fds[0], &stream), 0);
	return stream;
}

__attribute__((unused)) static int pair_connect(const struct camera_settings *camera,
	const char *command, int64_t deadline_ns, struct stream **ret_stream,
	enum connect_why *ret_why, char *error, size_t size)
{
	(void)camera, (void)deadline_ns, (void)error, (void)size;
	*ret_why = CONNECT_DONE;
	*ret_stream = pair_link(command);
	return CLI_OK;
}

__attribute__((unused)) static void pair_begin(void)
{
	memset(&pair, 0, sizeof pair);
	kit_make_folder(pair.folder);
	snprintf(pair.camera, sizeof pair.camera, "%s/camera", pair.folder);
	snprintf(pair.settings.name, sizeof pair.settings.name, "garden");
	snprintf(pair.settings.archive, sizeof pair.settings.archive, "%s/here", pair.folder);
	pair.options = (struct session_options){ .plan = PLAN_BACKLOG,
		.camera = &pair.settings,
		.since_us = TIME_NONE,
		.deadline_ns = DEADLINE_NONE,
		.connect = pair_connect };
}

__attribute__((unused)) static void pair_end(void)
{
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	test_remove_folder(pair.folder);
}

__attribute__((unused)) static int pair_sync(void)
{
	int code = session_pull(&pair.options, &pair.result);

	CHECK((code == CLI_OK) == (*pair.result.error == 0));
	return code;
}

/* What is missing of the copy, as "damaged 3-3, camera 5-5". */
static int pair_note_gap(void *data, const struct gap *gap)
{
	char *text = data;
	size_t n = strlen(text);

	snprintf(text + n, 256 - n, "%s%s%s%s %llu-%llu", n ? ", " : "", gap_cause_name(gap->cause),
		*gap->why ? ":" : "", gap->why, (unsigned long long)gap->first_seq,
		(unsigned long long)gap->last_seq);
	return 0;
}

__attribute__((unused)) static const char *pair_gaps(void)
{
	static char text[256];
	const struct peer_state peer = { .first = 1, .last = pair.result.sighting.last };
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct gaps_options options = {
		.peer = &peer, .since_us = TIME_NONE, .gap = pair_note_gap, .data = text
	};

	*text = 0;
	if (!CHECK(archive_open(pair.settings.archive, &read, &archive) == 0))
		return "";
	CHECK_INT(gaps_walk(archive, &options, NULL), 0);
	return text;
}
