/* SPDX-License-Identifier: MIT */
/*
 * A session with one camera: `pullpi fetch --latest`, `sync` and `follow` are the three plans
 * (plan.h) of one receiver. A frame arrives in one way: its pieces go to a partial file, which is
 * verified and committed through the archive; a session that is cut short goes on at the byte the
 * next time, and it does not matter which plan.
 *
 * The writer's lock of the archive is held while a partial is begun and while frames are committed,
 * never while bytes travel. A partial is locked by whoever receives it; others leave it to him.
 *
 * A session can be ended at any moment in any way: each frame is durable when it is visible.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/contact/peer_state.h"
#include "pull/session/history.h"
#include "pull/session/plan.h"
#include "pull/ssh/connect.h"

enum session_event {
	SESSION_CONNECTED, /* the camera answers and is the right one; `sighting` */
	SESSION_FRAME, /* newest, follow: `frame` is here, by us or by somebody else */
	SESSION_ALIVE, /* some seconds or some bytes after the last event */
	SESSION_LOST, /* the connection, which was of use; the next try is after `pause_us` */
	SESSION_FAILED, /* `code`, `error`; the next try is after `pause_us`, if there is one */
	SESSION_SEEN, /* the camera said what it is at: `sighting` */
	SESSION_FORKED, /* `fork`: the camera has another history than was here */
};

struct session_result {
	char archive[PATH_MAX];
	bool connected; /* now */
	unsigned connections;
	uint64_t frames, resumed; /* stored; of them resumed */
	int64_t bytes; /* that came for frames */
	struct record frame; /* newest, follow: the newest that is held, if has_frame */
	bool has_frame;
	char path[PATH_MAX]; /* of that frame */
	struct sighting sighting; /* what the camera said of itself */
	int64_t rate; /* bytes a second that came, 0: not known */
	uint64_t removed; /* old frames, to make room */
	int room_error; /* why that did not work; 0: it did */
	int head_error; /* why the archive's head could not be kept (heads.h); 0: it could */
	struct history_fork fork; /* the last one; dry run: nothing was done about it */

	/* backlog */
	uint64_t previews; /* stored */
	uint64_t lines; /* stored that are no frames */
	uint64_t redated; /* removed here, because they are here under their true time */
	uint64_t gone; /* the camera has the line but no file any more */
	uint64_t damaged; /* their files are damaged there, or cannot be read; */
	uint64_t damaged_new; /* found so by this session: */
	char damage[PULL_ERROR_MAX]; /* what is wrong with the first of these; "": there is none */
	uint64_t bad; /* their name is taken here */
	uint64_t left; /* sequence numbers that are not settled */
	uint64_t found; /* dry run: frames that would be fetched, */
	int64_t found_bytes; /* and their size */
	bool out_of_time; /* ended by the deadline */
	int64_t budget_us; /* ended by the budget, which has more for it then; 0: it was not */

	/* the last failure */
	int code; /* an exit code of common/commands/cli.h */
	enum connect_why why; /* CONNECT_HERE: it says nothing about the camera */
	char error[PULL_ERROR_MAX]; /* a sentence for the person */
	int64_t pause_us;
};

struct session_options {
	enum session_plan plan;
	const struct camera_settings *camera;
	int64_t deadline_ns; /* CLOCK_MONOTONIC; DEADLINE_NONE of wait.h: none */
	/*
	 * backlog: give up after so long without anything from the camera; 0: only at the deadline
	 */
	int64_t silent_max_us;
	int64_t since_us; /* backlog: only frames of slots from then on; TIME_NONE: all */
	int64_t limit_rate; /* bytes a second, 0: no limit */
	bool dry_run; /* backlog: look, and fetch nothing */
	bool previews; /* backlog: previews (preview.h) of what is to come, before any picture */
	/* Whatever happens, at least every half a minute. False: end. NULL: not wanted. */
	bool (*tell)(void *data, enum session_event event, const struct session_result *result);
	void *data;
	const struct clock *clock; /* NULL: the system's */
	/* As connect_try(), which is used where it is NULL. */
	int (*connect)(const struct camera_settings *camera, const char *command,
		int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why,
		char *error, size_t size);
};

/*
 * Runs the plan to its end; follow has none unless tell() wants it. An exit code of
 * common/commands/cli.h; if it is not CLI_OK `ret->error` has a sentence for the person, which ends
 * with the next step where there is one. Logs nothing. The backlog ends at its deadline with CLI_OK
 * and `out_of_time`.
 */
int session_pull(const struct session_options *options, struct session_result *ret);
