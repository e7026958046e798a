/* SPDX-License-Identifier: MIT */
/*
 * The wire between pullpi and `capturepi serve`: request lines up, answers down in order, over any
 * byte stream (an SSH channel, a pipe, a person's terminal). Specified in FORMAT.md.
 *
 *   greeting               {"capturepi":1,"id":"<uuid>","camera":"garden","first":1,"last":9,
 *                          "now":"...Z","due":"...Z","pending":"...Z","next":"...Z","running":true}
 *   latest [SEQ]           the newest frame: its journal line, then exactly `bytes` bytes;
 *                          "." if it is not newer than SEQ or there is none
 *   frame SEQ [OFFSET]     the same for one frame, the bytes from OFFSET on; with its size as
 *                          OFFSET the line alone if its file is whole, else an error
 *   preview SEQ            the frame's journal line with the key "preview" added, then exactly so
 *                          many bytes: the thumbnail in its EXIF; 0 where it has none
 *   list FROM [COUNT]      journal lines from FROM on, then "."
 *   wait SEQ SECONDS       as "latest SEQ", but where it would be "." it waits for a frame; "." at
 *                          the time-out. A client that comes back, or whose link is too slow for
 *                          all frames, is live again at once; what it skipped is for "frame".
 *   status                 one JSON object, with now to running as in the greeting
 *   help                   lines for a person that start with '#', then "."
 *   quit                   ends the session, as end of input does
 *   ack SEQ                of clients before 0.2.0; answered by "." and changes nothing
 *   (error)                {"error":"pruned|unknown|busy|bad-request|failed","text":"..."}
 *
 * due to running are of 0.2.0; each may be missing, and one that makes no sense counts as that.
 * The greeting comes first, unasked. Requests are ASCII words between single or more blanks, one a
 * line, REQUEST_LINE_MAX bytes at most; case matters. An error answer ends no session, except for a
 * line that is too long. A frame whose file fails under way cannot be answered in order any more:
 * the server ends the stream.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"
#include "common/journal/record.h"

#define WIRE_VERSION 1

enum wire_verb {
	WIRE_LATEST,
	WIRE_FRAME,
	WIRE_LIST,
	WIRE_WAIT,
	WIRE_ACK,
	WIRE_STATUS,
	WIRE_HELP,
	WIRE_PREVIEW,
	WIRE_QUIT,
};

struct wire_request {
	enum wire_verb verb;
	uint64_t seq; /* latest (0: none), frame, list FROM, wait, ack, preview */
	uint64_t offset; /* frame */
	uint64_t count; /* list; LIST_COUNT_MAX where not given */
	uint64_t seconds; /* wait, 0 to WAIT_SECONDS_MAX */
};

/*
 * One request line without its newline. -EINVAL, with one sentence for the person in ret_text (a
 * literal): unknown word, missing or extra argument, not a decimal number, out of range, not ASCII.
 */
int wire_request_parse(
	const char *line, size_t len, struct wire_request *ret, const char **ret_text);

/* The line with its newline and NUL; returns its length. */
int wire_request_format(const struct wire_request *request, char ret[static REQUEST_LINE_MAX]);

/* What a camera says of its schedule; TIME_NONE where it does not say it. */
struct wire_schedule {
	int64_t now_us; /* its clock */
	int64_t due_us; /* its last slot at least DUE_SECONDS ago: has a picture, or gets none */
	int64_t pending_us; /* its last slot, where that is not due yet */
	int64_t next_us; /* its next slot */
	enum { WIRE_RUNNING_UNKNOWN, WIRE_STOPPED, WIRE_RUNNING } running; /* its service */
};

extern const struct wire_schedule wire_schedule_none;

struct wire_greeting {
	char id[UUID_CHARS + 1];
	char camera[CAMERA_NAME_MAX];
	uint64_t first, last; /* sequence numbers of the journal, 0 where it is empty */
	struct wire_schedule schedule; /* now_us is always there */
};

int wire_greeting_format(const struct wire_greeting *greeting, char ret[static LINE_MAX_BYTES + 1]);
/* -EPROTO where it is not a greeting, -EPROTONOSUPPORT for another version. */
int wire_greeting_parse(const char *line, size_t len, struct wire_greeting *ret);

enum wire_error {
	WIRE_ERROR_PRUNED,
	WIRE_ERROR_UNKNOWN,
	WIRE_ERROR_BUSY,
	WIRE_ERROR_BAD_REQUEST,
	WIRE_ERROR_FAILED,
};

int wire_error_format(enum wire_error error, const char *text, char ret[static LINE_MAX_BYTES + 1]);

/* The answer to `preview`, without the bytes of it. -E2BIG. */
int wire_preview_format(
	const struct record *frame, size_t bytes, char ret[static LINE_MAX_BYTES + 1]);

/* One answer line, as the client sees it. */
enum wire_reply_type {
	WIRE_REPLY_RECORD,
	WIRE_REPLY_STATUS,
	WIRE_REPLY_END,
	WIRE_REPLY_ERROR,
	WIRE_REPLY_COMMENT,
	WIRE_REPLY_PREVIEW,
};

struct wire_reply {
	enum wire_reply_type type;
	struct record record; /* WIRE_REPLY_RECORD, WIRE_REPLY_PREVIEW */
	int64_t preview_bytes; /* WIRE_REPLY_PREVIEW: that follow, PREVIEW_BYTES_MAX at most */
	struct wire_schedule schedule; /* WIRE_REPLY_STATUS */
	enum wire_error error; /* WIRE_REPLY_ERROR; an unknown word counts as failed */
	char text[TEXT_MAX]; /* WIRE_REPLY_ERROR; control characters replaced */
};

/* -EPROTO for a line that is none of these. */
int wire_reply_parse(const char *line, size_t len, struct wire_reply *ret);
