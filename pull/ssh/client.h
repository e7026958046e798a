/* SPDX-License-Identifier: MIT */
/*
 * The client's side of the wire, over any stream: greeting, requests, answers. It trusts nothing:
 * it parses every line and checks every size against the record, and every wait has a deadline.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/util.h"
#include "common/wire/wire.h"
#include "pull/ssh/stream.h"

struct client;

struct client_options {
	/*
	 * The longest wait for a whole answer line, or for PROGRESS_BYTES of a frame: silence, and
	 * a peer that drips.
	 */
	int64_t idle_us;
	int64_t deadline_ns; /* the end of all waits; DEADLINE_NONE of wait.h: none */
};

/*
 * Reads the greeting, and up to PREAMBLE_BYTES_MAX of other text before it, which a login shell
 * may print. The stream stays the caller's and must outlive the client. -EPROTO the peer is not
 * `capturepi serve`, -EPROTONOSUPPORT it is of another version, -ETIMEDOUT, and what the stream
 * returns; `error` gets one sentence for a person.
 */
int client_new(struct stream *stream, const struct client_options *options, struct client **ret,
	char *error, size_t size);
void client_free(struct client *client);
DEFINE_CLEANUP(struct client, client_free)

const struct wire_greeting *client_greeting(const struct client *client);
/* What went wrong in the last call, one sentence for a person. */
const char *client_error(const struct client *client);

/* The first line of the text before the greeting, cleaned; "": there was none. */
const char *client_preamble(const struct client *client);

/* Whether the other side has ended the stream. */
bool client_ended(const struct client *client);

int client_send(struct client *client, const struct wire_request *request);

/*
 * Reads the next answer line; after a frame's record its bytes must be read with client_bytes().
 * Skips comments. -EPROTO also for the end of the stream: every request has an answer.
 */
int client_reply(struct client *client, struct wire_reply *ret);

/*
 * Waits until an answer, or the end of the stream, can be read: 1; 0: nothing came until
 * `deadline_ns`; or what the stream returns.
 */
int client_wait(struct client *client, int64_t deadline_ns);

/*
 * Gives some of the bytes after a frame's record, `most` at most: their number, 1 or more. They
 * stay valid until the next call. -EPROTO the stream ended, -ETIMEDOUT, and what the stream
 * returns.
 */
ssize_t client_bytes(struct client *client, size_t most, const char **ret_data);
