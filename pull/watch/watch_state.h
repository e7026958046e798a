/* SPDX-License-Identifier: MIT */
/*
 * What `pullpi watch` remembers from one run to the next, in watch.json in the state folder: the
 * alarms of each camera, the messages that have to leave, and how the channels do. The file is
 * replaced as a whole and durably, an alarm together with its message: so whatever ends the
 * process, no message is lost, and at worst one is sent twice. A damaged file is begun again.
 */
#pragma once

#include <json-c/json.h>

#include "pull/watch/channel.h"
#include "pull/watch/watch_judge.h"

#define WATCH_MESSAGES_MAX 64 /* the oldest goes for one more */
#define WATCH_STATE_MAX (2 * 1024 * 1024)

struct channel_state {
	unsigned tries; /* that failed, in a row */
	int64_t next_us; /* not before */
	char error[PULL_ERROR_MAX];
	int64_t dropped; /* messages that had not left by it, since one did: there were too many */
};

struct watch_state {
	int64_t looked_us, summary_us; /* TIME_NONE: never */
	struct watch_camera *cameras;
	size_t n, room;
	struct channel_state channels[CHANNELS];
	/*
	 * An array, the oldest first: "kind", "time", "title", "cameras" (how many), "events",
	 * "picture", and "to", the names of the channels that it has not left by.
	 */
	struct json_object *messages;

	/* private */
	int lock;
	char *text; /* as it is in the file */
};

/*
 * Takes the lock, which another run may hold for some seconds, and reads the file.
 * -EWOULDBLOCK another run is under way; -ENOMEM; -errno.
 */
int watch_state_open(struct watch_state *ret);
/* The same without the lock and without a folder, for whoever writes nothing. -ENOMEM. */
int watch_state_look(struct watch_state *ret);
void watch_state_close(struct watch_state *state);
/* Writes the file if anything changed. -errno. */
int watch_state_save(struct watch_state *state);

/* The camera's alarms, none if it is new. NULL: no memory. Valid until the next call. */
struct watch_camera *watch_state_camera(struct watch_state *state, const char *name);
/* Forgets a camera that is in the settings no more. */
void watch_state_forget(struct watch_state *state, size_t i);
/* Takes the message over. True: the oldest one was dropped for it. */
bool watch_state_queue(struct watch_state *state, struct json_object *message);
/* How many messages have to leave by the channel. */
size_t watch_state_waiting(const struct watch_state *state, enum channel channel);
/* The place of the channel in the list of those that the message has to leave by; -1: none. */
int watch_message_goes_to(struct json_object *message, enum channel channel);
