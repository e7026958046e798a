/* SPDX-License-Identifier: MIT */
/*
 * `pullpi sync`: every frame of a camera that is not settled here (held.h), newest first, and the
 * lines that tell of misses, clock steps and pruning. It can be ended at any moment in any way: each
 * frame is durable when it is visible, and the bytes of one that was cut short are gone on with.
 *
 * A lost link is made up for by a new connection, as long as each brings something.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "pull/contact.h"
#include "pull/history.h"
#include "pull/settings.h"
#include "pull/stream.h"

struct sync_result {
	uint64_t frames, resumed; /* stored; of them gone on with */
	int64_t bytes; /* that came for frames */
	uint64_t lines; /* stored that are no frames */
	uint64_t redated; /* taken away here, for they are here under their true time */
	uint64_t gone; /* the camera has the line but no file any more */
	uint64_t
		damaged; /* their files are damaged there, or cannot be read; found so by this sync: */
	uint64_t damaged_new;
	char damage[PULL_ERROR_MAX]; /* what the first of these had; "": there is none */
	uint64_t bad; /* their name is taken here */
	uint64_t left; /* sequence numbers that are not settled */
	uint64_t found; /* dry run: frames that would be fetched, */
	int64_t found_bytes; /* and their size */
	uint64_t removed; /* old frames, to make room */
	int room_error; /* why that did not work; 0: it did */
	unsigned connections;
	struct sighting sighting; /* what the camera said of itself */
	int64_t rate; /* bytes a second that came, 0: not known */
	struct history_fork
		fork; /* the camera has another history; dry run: nothing was done about it */
	bool out_of_time; /* ended by the deadline */
	bool ours; /* what failed is on this side and says nothing about the camera */
	char archive[PATH_MAX];
	char error[PULL_ERROR_MAX];
};

struct sync_options {
	const struct camera_settings *camera;
	int64_t since_us; /* only frames of slots from then on; TIME_NONE: all */
	int64_t deadline_ns; /* CLOCK_MONOTONIC */
	int64_t limit_rate; /* bytes a second, 0: none */
	bool dry_run; /* look, and fetch nothing */
	/* Now and then, with what is done so far. NULL: not wanted. */
	void (*progress)(void *data, const struct sync_result *result);
	/* Whether there is a connection now. NULL: not wanted. */
	void (*connected)(void *data, bool yes);
	void *data; /* for both */
	const struct clock *clock; /* what retention goes by; NULL: the system's */
	/* Connects and runs the command, as connect_camera() does, which is taken where it is NULL. */
	int (*connect)(const struct camera_settings *camera, const char *command,
		int64_t deadline_ns, struct stream **ret_stream, bool *ours, char *error,
		size_t size);
};

/*
 * An exit code of common/cli.h; if it is not CLI_OK `ret->error` has a sentence for the person. It logs
 * nothing. At its deadline it ends with CLI_OK and `out_of_time`.
 */
int sync_camera(const struct sync_options *options, struct sync_result *ret);
