/* SPDX-License-Identifier: MIT */
/*
 * Following one camera. The next frame is asked for before the bytes of this one have come, so a frame
 * costs half a round trip and its transfer. A silent camera answers "nothing new" every few seconds;
 * when that fails to come the link is dead, whatever TCP still hopes for.
 */
#include "pull/follow.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/archive.h"
#include "common/cli.h"
#include "pull/backoff.h"
#include "pull/client.h"
#include "pull/copy.h"
#include "pull/fetch.h"
#include "pull/history.h"
#include "pull/wait.h"

#define WAIT_SECONDS 4 /* between two signs of life */
#define IDLE_US (10 * US_PER_SEC) /* without any the link is dead */
#define STATUS_NS (60 * NS_PER_SEC) /* so old may be what is known to be due */
#define STATUS_LEAST_NS (20 * NS_PER_SEC) /* and so old where the slot that was the next has come */
#define WORKED_NS (10 * NS_PER_SEC) /* a connection that lasted so long was of use */
#define SLICE_US (5 * US_PER_SEC) /* a pause is told of so often */
#define TURN_US (20 * US_PER_SEC) /* and so is the wait for our turn at the archive */

struct follow {
	const struct follow_options *options;
	struct follow_state state;
	struct backoff backoff;
	bool over; /* tell() said so */
	bool again; /* the next visit is due at once */

	struct archive *archive; /* the writer's, released between two frames; NULL: not open */
	char id[UUID_CHARS + 1]; /* of the archive here, "": there is none */
	uint64_t after; /* its frames up to this one are done with */

	/* this connection */
	struct client *client;
	int64_t since_ns;
	int64_t asked_ns; /* when it told what is due, or was asked for that again */
	bool asking;
	bool worked;

	/* the frame that is being received; what came of it outlives the connection */
	struct record frame;
	uint8_t *data;
	size_t size; /* of the buffer */
	int64_t have; /* bytes that are there */
};

static bool tell(struct follow *f, enum follow_event event)
{
	f->over = f->over || !f->options->tell(f->options->data, event, &f->state);
	return !f->over;
}

static int fail(struct follow *f, enum connect_why why, int code, const char *fmt, ...)
	PRINTF(4, 5);
static int fail(struct follow *f, enum connect_why why, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->state.error, sizeof f->state.error, fmt, args);
	va_end(args);
	f->state.why = why;
	f->state.code = code;
	return code;
}

/* What is there of a frame is of no use. */
static void drop_frame(struct follow *f)
{
	f->have = 0;
}

/* ---- the archive */

/* Somebody may have moved it away to begin a new one, or another disk was mounted there. */
static bool archive_moved(const struct follow *f)
{
	struct stat ours, there;

	return fstat(archive_root_fd(f->archive), &ours) < 0 ||
		stat(f->state.archive, &there) < 0 || ours.st_dev != there.st_dev ||
		ours.st_ino != there.st_ino;
}

static void close_archive(struct follow *f)
{
	archive_free(f->archive);
	f->archive = NULL;
}

static int try_turn(struct follow *f)
{
	const struct wire_greeting *greeting = client_greeting(f->client);
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE,
		.camera = greeting->camera,
		.id = greeting->id,
		.copy = true,
		.wait_until_ns = deadline_in(TURN_US),
		.who = "follow",
	};
	bool others;
	int r;

	if (f->archive && archive_moved(f))
		close_archive(f);
	if (!f->archive)
		return copy_open(f->options->camera, f->state.archive, &options, &f->archive);
	r = archive_retake(f->archive, options.wait_until_ns, &others);
	if (r < 0 && r != -ETIMEDOUT)
		close_archive(f);
	return r;
}

/* Waits for as long as it takes: a fetch over a slow link may hold the archive for minutes. */
static int take_turn(struct follow *f)
{
	int r;

	do
		r = try_turn(f);
	while (r == -ETIMEDOUT && tell(f, FOLLOW_ALIVE));
	return r;
}

/* Stores what was received, unless it is here already: 1, 0 it is here, -errno. */
static int store(struct follow *f)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	struct record held;
	int r = archive_find(f->archive, f->frame.seq, &held);

	if (r != -ENOENT)
		return r;
	r = partial_new(f->archive, &f->frame, &partial);
	if (r == 0)
		r = partial_write(partial, f->data, (size_t)f->frame.bytes);
	if (r == 0)
		archive_commit(f->archive, &partial, 1, &r);
	return r < 0 ? r : 1;
}

static void note_path(struct follow *f)
{
	struct frame_name name = record_name(&f->frame);
	char path[FRAME_PATH_MAX];

	if (frame_name_path(&name, path) < 0 ||
		snprintf(f->state.path, sizeof f->state.path, "%s/%s", f->state.archive, path) >=
			(int)sizeof f->state.path)
		f->state.path[0] = 0;
}

/* Why a whole frame could not be stored. The connection is as good as before. */
static void store_failed(struct follow *f, int r)
{
	unsigned long long seq = f->frame.seq;

	f->state.pause_us = 0;
	if (r == -EBADMSG)
		fail(f, CONNECT_ANSWERED, CLI_PROTOCOL,
			"frame %llu arrived damaged (size, sha256 or end marker)", seq);
	else if (r == -EEXIST)
		fail(f, CONNECT_HERE, CLI_PROTOCOL,
			"frame %llu: another file of that name is here already", seq);
	else
		fail(f, CONNECT_HERE, CLI_INTERNAL, "%s: %s", f->state.archive, strerror(-r));
	tell(f, FOLLOW_FAILED);
}

/* CLI_OK also where the frame could not be stored: sync brings it later, the next one is due. */
static int take_in(struct follow *f)
{
	int r = take_turn(f);

	if (r < 0 && !f->over) {
		f->state.why = CONNECT_HERE;
		f->state.code = copy_open_failed(r, f->state.archive, f->options->camera->name,
			f->state.error, sizeof f->state.error);
		return f->state.code;
	}
	if (r < 0)
		return CLI_OK;
	r = store(f);
	archive_release(f->archive);
	drop_frame(f);
	if (f->frame.seq > f->after)
		f->after = f->frame.seq;
	f->worked = true;
	if (r < 0) {
		close_archive(f);
		store_failed(f, r);
		return CLI_OK;
	}
	f->state.frames += (uint64_t)r;
	f->state.frame = f->frame;
	note_path(f);
	tell(f, FOLLOW_FRAME);
	return CLI_OK;
}

/* ---- one connection */

static int connection_failed(struct follow *f, int r)
{
	int code = connect_code_of_transfer(r);

	/* after the greeting an end is a lost link, or a camera that restarts */
	if (r == -EPROTO && client_ended(f->client))
		code = CLI_TEMPFAIL;
	f->worked = f->worked || clock_mono_ns(&clock_real) - f->since_ns > WORKED_NS;
	return fail(f, f->worked && code == CLI_TEMPFAIL ? CONNECT_SILENT : CONNECT_ANSWERED, code,
		"%s", client_error(f->client));
}

/*
 * What is due changes while the connection stays, so a camera that can say it is asked again. Of another it
 * is known at least that it answers.
 */
static int ask_status(struct follow *f)
{
	const struct wire_request request = { .verb = WIRE_STATUS };
	struct sighting *sighting = &f->state.sighting;
	int64_t now_ns = clock_mono_ns(&clock_real), passed_ns = now_ns - f->asked_ns;
	int r;

	if (passed_ns < STATUS_NS &&
		(passed_ns < STATUS_LEAST_NS ||
			f->state.frame.slot_us < sighting->schedule.next_us))
		return CLI_OK;
	f->asked_ns = now_ns;
	if (sighting->schedule.running == WIRE_RUNNING_UNKNOWN) {
		sighting->seen_us = clock_wall_us(&clock_real);
		sighting->schedule.now_us += passed_ns / NS_PER_US;
		tell(f, FOLLOW_SEEN);
		return CLI_OK;
	}
	f->asking = true;
	r = client_send(f->client, &request);
	return r < 0 ? connection_failed(f, r) : CLI_OK;
}

static int ask_next(struct follow *f, uint64_t after)
{
	const struct wire_request request = {
		.verb = WIRE_WAIT, .seq = after, .seconds = WAIT_SECONDS
	};
	int code = ask_status(f), r = code == CLI_OK ? client_send(f->client, &request) : 0;

	return r < 0 ? connection_failed(f, r) : code;
}

/* Makes the record the frame that is being received. */
static int begin_frame(struct follow *f, const struct record *record)
{
	bool goes_on = f->have > 0;

	if (record->type != RECORD_FRAME || record->bytes < FRAME_BYTES_MIN ||
		record->bytes > FRAME_BYTES_MAX || record->seq > SEQ_MAX ||
		(!goes_on && record->seq <= f->after))
		return fail(f, CONNECT_ANSWERED, CLI_PROTOCOL,
			"the camera answered with line %llu, not with a frame newer than %llu",
			(unsigned long long)record->seq, (unsigned long long)f->after);
	if (goes_on &&
		(record->seq != f->frame.seq || record->bytes != f->frame.bytes ||
			memcmp(record->sha256, f->frame.sha256, SHA256_BYTES) != 0)) {
		drop_frame(f);
		return fail(f, CONNECT_ANSWERED, CLI_PROTOCOL,
			"frame %llu is another one than it was", (unsigned long long)f->frame.seq);
	}
	if ((uint64_t)record->bytes > f->size) {
		uint8_t *data = realloc(f->data, (size_t)record->bytes);

		if (!data)
			return fail(f, CONNECT_HERE, CLI_INTERNAL, "out of memory");
		f->data = data;
		f->size = (size_t)record->bytes;
	}
	f->frame = *record;
	return CLI_OK;
}

static int take_frame(struct follow *f, const struct record *record)
{
	int code = begin_frame(f, record);

	if (code == CLI_OK)
		code = ask_next(f, record->seq > f->after ? record->seq : f->after);
	while (code == CLI_OK && f->have < f->frame.bytes) {
		const char *bytes;
		ssize_t n = client_bytes(f->client, (size_t)(f->frame.bytes - f->have), &bytes);

		if (n < 0)
			return connection_failed(f, (int)n);
		memcpy(f->data + f->have, bytes, (size_t)n);
		f->have += n;
		if (!tell(f, FOLLOW_ALIVE))
			return CLI_OK;
	}
	return code == CLI_OK ? take_in(f) : code;
}

static int take_answer(struct follow *f)
{
	struct wire_reply reply;
	int r = client_reply(f->client, &reply);

	if (r < 0)
		return connection_failed(f, r);
	switch (reply.type) {
	case WIRE_REPLY_RECORD:
		return take_frame(f, &reply.record);
	case WIRE_REPLY_STATUS:
		if (!f->asking)
			return fail(f, CONNECT_ANSWERED, CLI_PROTOCOL, "a status nobody asked for");
		f->asking = false;
		f->state.sighting.seen_us = clock_wall_us(&clock_real);
		f->state.sighting.schedule = reply.schedule;
		tell(f, FOLLOW_SEEN);
		return CLI_OK;
	case WIRE_REPLY_END:
		tell(f, FOLLOW_ALIVE);
		return ask_next(f, f->after);
	case WIRE_REPLY_ERROR:
		if (f->asking) { /* it cannot say what is due; else the silence that follows tells */
			f->asking = false;
			return CLI_OK;
		}
		if (f->have > 0) { /* the rest of it is not to be had */
			drop_frame(f);
			return ask_next(f, f->after);
		}
		return fail(
			f, CONNECT_ANSWERED, CLI_PROTOCOL, "capturepi there says: %s", reply.text);
	case WIRE_REPLY_COMMENT:
	default:
		return fail(f, CONNECT_ANSWERED, CLI_PROTOCOL, "an answer to something else");
	}
}

static int begin_request(struct follow *f)
{
	struct wire_request rest = { .verb = WIRE_FRAME, .seq = f->frame.seq };
	int r;

	if (f->have == 0)
		return ask_next(f, f->after);
	rest.offset = (uint64_t)f->have;
	r = client_send(f->client, &rest);
	return r < 0 ? connection_failed(f, r) : CLI_OK;
}

/* The camera may have another history: then what is here is kept apart, and the next visit begins anew. */
static int compare(struct follow *f, const struct fetch_held *held)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record theirs;
	uint64_t after;
	int r = history_answer(f->client, held->last.seq, &theirs), code;

	if (r == 0 && archive_open(f->state.archive, &read, &archive) == 0)
		r = history_look(f->client, archive, &held->last, &theirs, &after);
	if (r <= 0)
		return r < 0 ? connection_failed(f, r) : begin_request(f);
	archive_free(TAKE_PTR(archive));
	drop_frame(f);
	f->after = 0;
	code = history_fork(f->options->camera, f->state.archive, &held->last, after, false,
		&f->state.fork, f->state.error, sizeof f->state.error);
	f->state.why = code == CLI_OK ? CONNECT_ANSWERED : CONNECT_HERE;
	f->again = code == CLI_OK;
	if (f->again)
		tell(f, FOLLOW_FORKED);
	return f->state.code = code;
}

static int talk(struct follow *f, struct stream *stream, const struct fetch_held *held)
{
	const struct client_options options = { .idle_us = IDLE_US, .deadline_ns = DEADLINE_NONE };
	CLEANUP(client_freep) struct client *client = NULL;
	int r = client_new(stream, &options, &client, f->state.error, sizeof f->state.error), code;

	f->state.why = CONNECT_ANSWERED;
	if (r < 0)
		return f->state.code = connect_code_of_transfer(r);
	f->client = client;
	f->since_ns = clock_mono_ns(&clock_real);
	f->worked = false;
	f->state.sighting = sighting_of(client_greeting(client), &clock_real);
	f->asked_ns = f->since_ns;
	f->asking = false;
	code = f->state.code = history_check(client_greeting(client), held->id, f->state.archive,
		f->state.error, sizeof f->state.error);
	if (code == CLI_OK && held->last.seq > 0)
		code = compare(f, held);
	if (code != CLI_OK || f->again)
		return code;
	f->state.connected = true;
	f->state.connections++;
	tell(f, FOLLOW_CONNECTED);
	while (code == CLI_OK && !f->over)
		code = take_answer(f);
	return code;
}

/* The archive here may be another one than at the last visit, or none. */
static void note_held(struct follow *f, const struct fetch_held *held)
{
	if (strcmp(f->id, held->id) != 0) {
		snprintf(f->id, sizeof f->id, "%s", held->id);
		drop_frame(f);
		f->after = 0;
	}
	if (held->newest > f->after)
		f->after = held->newest;
}

/* What is held, one connection, and all that comes over it. An exit code. */
static int visit(struct follow *f)
{
	const struct fetch_options look = { .camera = f->options->camera };
	CLEANUP(stream_freep) struct stream *stream = NULL;
	struct fetch_result result;
	struct fetch_held held;
	char command[96];
	int code = fetch_look(&look, &held, &result);

	snprintf(f->state.archive, sizeof f->state.archive, "%s", result.archive);
	if (code != CLI_OK)
		return fail(f, CONNECT_HERE, code, "%s", result.error);
	note_held(f, &held);
	if (held.last.seq > 0)
		snprintf(command, sizeof command, "capturepi serve list %llu 1",
			(unsigned long long)held.last.seq);
	else if (f->have > 0)
		snprintf(command, sizeof command, "capturepi serve frame %llu %lld",
			(unsigned long long)f->frame.seq, (long long)f->have);
	else
		snprintf(command, sizeof command, "capturepi serve wait %llu %d",
			(unsigned long long)f->after, WAIT_SECONDS);
	code = f->state.code = (f->options->connect ? f->options->connect : connect_try)(
		f->options->camera, command, DEADLINE_NONE, &stream, &f->state.why, f->state.error,
		sizeof f->state.error);
	if (code == CLI_OK)
		code = talk(f, stream, &held);
	close_archive(f);
	return code;
}

static void pause_us(struct follow *f, int64_t us)
{
	while (us > 0 && !f->over) {
		int64_t slice = us < SLICE_US ? us : SLICE_US;
		const struct timespec t = { .tv_sec = slice / US_PER_SEC,
			.tv_nsec = slice % US_PER_SEC * NS_PER_US };

		nanosleep(&t, NULL);
		us -= slice;
		f->state.pause_us = us;
		tell(f, FOLLOW_ALIVE);
	}
}

static void visit_ended(struct follow *f)
{
	enum backoff_why why = f->state.why == CONNECT_SILENT ? BACKOFF_SILENT : BACKOFF_ANSWERED;
	bool lost = f->state.connected && why == BACKOFF_SILENT;

	if (f->state.connected && f->worked)
		backoff_reset(&f->backoff);
	f->state.connected = false;
	f->client = NULL;
	f->state.pause_us = backoff_next(&f->backoff, why, backoff_random());
	if (tell(f, lost ? FOLLOW_LOST : FOLLOW_FAILED))
		pause_us(f, f->state.pause_us);
}

int follow_camera(const struct follow_options *options)
{
	struct follow *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->options = options;
	f->frame = f->state.frame = record_new(RECORD_FRAME);
	while (!f->over) {
		f->again = false;
		visit(f);
		if (!f->over && !f->again)
			visit_ended(f);
	}
	free(f->data);
	free(f);
	return 0;
}
