/* SPDX-License-Identifier: MIT */
/*
 * `pullpi follow`: the newest frame of one camera, here as soon as it is stored there. One connection
 * on which the next frame is always asked for already (`wait`), a new one at once when it is lost.
 * Live comes first: what a slow link or an outage made it skip is brought by sync.
 *
 * It goes on until it is told to end. Whatever ends the process otherwise, a signal or a power cut,
 * breaks nothing: there is no signal handler, because none would leave anything in a better state.
 *
 * A frame is received into memory and stored in one go, so the archive's fair lock is held for the
 * time of a write and never for that of a transfer.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/record.h"
#include "pull/connect.h"
#include "pull/contact.h"
#include "pull/history.h"

enum follow_event {
	FOLLOW_CONNECTED, /* the camera answers and is the right one; `sighting` */
	FOLLOW_FRAME, /* `frame` was stored, or somebody else had stored it already */
	FOLLOW_ALIVE, /* nothing new; some seconds or some bytes after the last event */
	FOLLOW_LOST, /* the connection, which had worked; the next one is tried after `pause_us` */
	FOLLOW_FAILED, /* `code`, `error`; a new try after `pause_us`, 0 where the connection stays */
	FOLLOW_SEEN, /* the camera said what it is at: `sighting` */
	FOLLOW_FORKED, /* `fork`: the camera has another history than was here */
};

struct follow_state {
	bool connected;
	struct record frame;
	char path[PATH_MAX]; /* of that frame */
	char archive[PATH_MAX];
	uint64_t frames; /* stored so far */
	unsigned connections;
	struct sighting sighting; /* what the camera said of itself */
	struct history_fork fork; /* the last one */
	/* of the last failure */
	int code; /* exit code of common/cli.h */
	enum connect_why why; /* CONNECT_HERE: it says nothing about the camera */
	char error[PULL_ERROR_MAX];
	int64_t pause_us;
};

struct follow_options {
	const struct camera_settings *camera;
	/* Whatever happens, at least every half a minute. False: end. */
	bool (*tell)(void *data, enum follow_event event, const struct follow_state *state);
	void *data;
	/* As connect_try(), which is taken where it is NULL. */
	int (*connect)(const struct camera_settings *camera, const char *command,
		int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why,
		char *error, size_t size);
};

/* 0 when it was told to end; -ENOMEM. It logs nothing. */
int follow_camera(const struct follow_options *options);
