/* SPDX-License-Identifier: MIT */
/* For tests of whole syncs: a camera is what the test scripts for each connection. */
#pragma once

#include "common/commands/cli.h"
#include "pull/session/session.h"
#include "tests/unit/pull_kit.h"

#define CONNECTIONS_MAX 4

/*
 * The connections of one sync, in order; the code of vtables gives no room for a pointer to this.
 */
static struct {
	char folder[64];
	struct camera_settings camera;
	struct session_options options;
	struct session_result result;
	struct peer peers[CONNECTIONS_MAX];
	char commands[CONNECTIONS_MAX][128];
	int n_peers, n_used;
} run;

static int connect_peer(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	(void)camera, (void)deadline_ns;
	*ret_why = CONNECT_ANSWERED;
	if (run.n_used == run.n_peers) {
		snprintf(error, size, "nobody there");
		return CLI_REFUSED; /* nothing to try again */
	}
	*ret_why = CONNECT_DONE;
	snprintf(run.commands[run.n_used], sizeof run.commands[0], "%s", command);
	*ret_stream = peer_start(&run.peers[run.n_used++]);
	return CLI_OK;
}

__attribute__((unused)) static void run_init(void)
{
	memset(&run, 0, sizeof run);
	kit_make_folder(run.folder);
	snprintf(run.camera.name, sizeof run.camera.name, "garden");
	snprintf(run.camera.archive, sizeof run.camera.archive, "%s/archive", run.folder);
	run.options = (struct session_options){ .plan = PLAN_BACKLOG,
		.camera = &run.camera,
		.since_us = TIME_NONE,
		.deadline_ns = DEADLINE_NONE,
		.connect = connect_peer };
}

__attribute__((unused)) static void run_end(void)
{
	test_remove_folder(run.folder);
}

/* The next connection: a camera whose last number is `last`. */
__attribute__((unused)) static struct peer *camera(const char *id, uint64_t last)
{
	struct peer *peer = &run.peers[run.n_peers++];

	peer_init(peer);
	say_greeting(peer, id, last);
	return peer;
}

__attribute__((unused)) static void say(struct peer *peer, const char *text)
{
	fputs(text, peer->out);
}

/* The lines of frames first..last, as a list has them. */
__attribute__((unused)) static void say_list(struct peer *peer, uint64_t first, uint64_t last)
{
	uint8_t jpeg[KIT_JPEG_BYTES];

	for (uint64_t seq = first; seq <= last; seq++) {
		struct record frame = wire_frame(seq, jpeg);

		say_record(peer, &frame);
	}
	say(peer, ".\n");
}

__attribute__((unused)) static int sync_run(void)
{
	int code = session_pull(&run.options, &run.result);

	CHECK(code == CLI_OK || *run.result.error);
	CHECK_INT(run.n_used, run.n_peers);
	for (int i = 0; i < run.n_used; i++)
		peer_end(&run.peers[i]);
	run.n_peers = run.n_used = 0;
	return code;
}
