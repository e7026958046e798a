/* SPDX-License-Identifier: MIT */
/*
 * `pullpi fetch --latest`: the newest frame of one camera into its archive here, in one bounded
 * visit. DESIGN section 6.
 *
 * These functions are near the edge of the program: they return an exit code of common/cli.h
 * (CLI_OK, CLI_INTERNAL, CLI_TEMPFAIL, CLI_PROTOCOL, CLI_REFUSED, CLI_SETTINGS) and, if that is not
 * CLI_OK, leave a sentence for the person in `ret->error` that ends with the next step where there
 * is one. They log nothing.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/record.h"
#include "pull/contact.h"
#include "pull/history.h"
#include "pull/settings.h"
#include "pull/stream.h"

struct fetch_options {
	const struct camera_settings *camera;
	int64_t deadline_ns; /* CLOCK_MONOTONIC, the end of the whole visit */
	void (*connected)(void *data, bool yes); /* there is a connection; NULL: not wanted */
	void *data;
};

struct fetch_result {
	bool stored; /* false: the newest was here already, or the camera has none yet */
	struct record frame; /* the newest that is held now, if has_frame */
	bool has_frame;
	char path[PATH_MAX]; /* of that frame */
	char archive[PATH_MAX];
	struct sighting sighting; /* what the camera said of itself */
	int64_t rate; /* bytes a second of the frame, 0: none came */
	bool ours; /* what failed is on this side and says nothing about the camera */
	struct history_fork fork; /* the camera has another history: it was begun here */
	char error[PULL_ERROR_MAX];
};

/* Connects and fetches. */
int fetch_latest(const struct fetch_options *options, struct fetch_result *ret);

/* What is held: the first half of fetch_latest(). All is 0 and "" where nothing is. */
struct fetch_held {
	uint64_t newest; /* frame */
	struct record
		last; /* of all lines that with the highest number; its seq is 0 where there is none */
	char id[UUID_CHARS + 1];
};
int fetch_look(
	const struct fetch_options *options, struct fetch_held *held, struct fetch_result *ret);

/*
 * The second half, over a stream on which "latest SEQ" has been asked with the held number. CLI_OK and
 * nothing stored where ret->fork.branch tells of a fork: look again.
 */
int fetch_receive(const struct fetch_options *options, const struct fetch_held *held,
	struct stream *stream, struct fetch_result *ret);
