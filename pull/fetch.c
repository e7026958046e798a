/* SPDX-License-Identifier: MIT */
/*
 * One visit for the newest frame. The order matters: what is held is looked up before the
 * connection, so that the question rides in the exec request and costs no round trip of its own; the
 * writer's lock of the archive is taken only when there is a frame to store, so a camera that does
 * not answer keeps nobody else from it.
 */
#include "pull/fetch.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "common/archive.h"
#include "common/cli.h"
#include "common/clock.h"
#include "common/place.h"
#include "pull/client.h"
#include "pull/connect.h"
#include "pull/copy.h"
#include "pull/history.h"
#include "pull/pace.h"
#include "pull/wait.h"

#define IDLE_US (15 * US_PER_SEC)

static int fail(struct fetch_result *ret, int code, const char *fmt, ...) PRINTF(3, 4);
static int fail(struct fetch_result *ret, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ret->error, sizeof ret->error, fmt, args);
	va_end(args);
	return code;
}

static int fail_here(struct fetch_result *ret, int code, const char *fmt, ...) PRINTF(3, 4);
static int fail_here(struct fetch_result *ret, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ret->error, sizeof ret->error, fmt, args);
	va_end(args);
	ret->ours = true;
	return code;
}

/* Fills in what the archive holds now. */
static void note_newest(struct archive *archive, struct fetch_result *ret)
{
	char name[FRAME_PATH_MAX];
	struct frame_name frame;

	ret->has_frame = archive_newest(archive, &ret->frame) == 0;
	if (!ret->has_frame)
		return;
	frame = record_name(&ret->frame);
	if (frame_name_path(&frame, name) < 0 ||
		snprintf(ret->path, sizeof ret->path, "%s/%s", ret->archive, name) >=
			(int)sizeof ret->path)
		ret->path[0] = 0;
}

static int open_failed(const struct fetch_options *options, int r, struct fetch_result *ret)
{
	ret->ours = true;
	return copy_open_failed(
		r, ret->archive, options->camera->name, ret->error, sizeof ret->error);
}

int fetch_look(
	const struct fetch_options *options, struct fetch_held *held, struct fetch_result *ret)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int r;

	*held = (struct fetch_held){ 0 };
	*ret = (struct fetch_result){ .sighting = sighting_none };
	r = pull_archive_path(options->camera, ret->archive);
	if (r < 0)
		return fail_here(ret, CLI_SETTINGS, "no folder for the archive: %s", strerror(-r));
	r = copy_open(options->camera, ret->archive,
		&(struct archive_options){ .mode = ARCHIVE_READ }, &archive);
	if (r == -ENOENT)
		return CLI_OK;
	if (place_is_away(r))
		return open_failed(options, r, ret);
	if (r < 0)
		return fail_here(ret, r == -EBADMSG ? CLI_PROTOCOL : CLI_INTERNAL,
			"%s cannot be read: %s; `pullpi verify %s` tells more", ret->archive,
			strerror(-r), options->camera->name);
	note_newest(archive, ret);
	snprintf(held->id, sizeof held->id, "%s", archive_id(archive));
	held->newest = ret->has_frame ? ret->frame.seq : 0;
	r = history_last(archive, &held->last);
	return r < 0 ? fail_here(ret, CLI_INTERNAL, "%s: %s", ret->archive, strerror(-r)) : CLI_OK;
}

/* Opens the archive as its writer, once it is our turn. */
static int open_writer(const struct fetch_options *options, const struct wire_greeting *greeting,
	struct fetch_result *ret, struct archive **ret_archive)
{
	const struct archive_options archive_options = {
		.mode = ARCHIVE_WRITE,
		.camera = greeting->camera,
		.id = greeting->id,
		.copy = true,
		.wait_until_ns = options->deadline_ns,
		.who = "fetch",
	};
	int r = copy_open(options->camera, ret->archive, &archive_options, ret_archive);

	return r < 0 ? open_failed(options, r, ret) : CLI_OK;
}

/*
 * The answer to the question for the last line that is held. `ret_after`: behind that number the camera has
 * another history; SEQ_MAX: it has not.
 */
static int compare(const struct fetch_held *held, struct client *client, struct archive *archive,
	struct fetch_result *ret, uint64_t *ret_after)
{
	struct record theirs;
	int r = 0;

	*ret_after = SEQ_MAX;
	if (held->last.seq == 0)
		return CLI_OK;
	r = history_answer(client, held->last.seq, &theirs);
	if (r == 0)
		r = history_look(client, archive, &held->last, &theirs, ret_after);
	return r < 0 ? fail(ret, connect_code_of_transfer(r), "%s", client_error(client)) : CLI_OK;
}

/* Takes the frame that was announced, if it is what was asked for and of our history. */
static int take_frame(const struct fetch_options *options, const struct fetch_held *held,
	struct client *client, const struct record *frame, int64_t start_ns,
	struct fetch_result *ret, uint64_t *ret_after)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct partial *partial = NULL; /* the archive's */
	int r, code;

	if (frame->type != RECORD_FRAME || frame->seq <= held->newest)
		return fail(ret, CLI_PROTOCOL,
			"the camera answered with line %llu, not with a frame newer than %llu",
			(unsigned long long)frame->seq, (unsigned long long)held->newest);
	r = open_writer(options, client_greeting(client), ret, &archive);
	if (r != CLI_OK)
		return r;
	note_newest(archive, ret);
	if (ret->has_frame && ret->frame.seq >= frame->seq)
		return CLI_OK; /* somebody else fetched it in the meantime */
	r = client_read_frame(client, frame, archive, &partial);
	code = r < 0 ? CLI_OK : compare(held, client, archive, ret, ret_after);
	if (code != CLI_OK || (r == 0 && *ret_after != SEQ_MAX))
		return code;
	if (r == 0)
		r = client_store_frame(client, archive, partial);
	if (r < 0) {
		code = connect_code_of_transfer(r);
		ret->ours = code == CLI_INTERNAL || r == -EEXIST || r == -ELOOP;
		return fail(ret, code, "%s: %s", ret->archive, client_error(client));
	}
	ret->rate = pace_rate(frame->bytes, clock_mono_ns(&clock_real) - start_ns);
	note_newest(archive, ret);
	ret->stored = true;
	return CLI_OK;
}

/* There is nothing newer, which may be so because the camera's history is another one. */
static int take_nothing(const struct fetch_options *options, const struct fetch_held *held,
	struct client *client, struct fetch_result *ret, uint64_t *ret_after)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int r;

	if (held->last.seq == 0)
		return CLI_OK;
	r = copy_open(options->camera, ret->archive,
		&(struct archive_options){ .mode = ARCHIVE_READ }, &archive);
	if (r < 0)
		return open_failed(options, r, ret);
	return compare(held, client, archive, ret, ret_after);
}

static int answer_to_code(const struct wire_reply *reply, struct fetch_result *ret)
{
	return fail(ret, reply->error == WIRE_ERROR_BUSY ? CLI_TEMPFAIL : CLI_PROTOCOL,
		"capturepi there says: %s", reply->text);
}

/* Asks for the line to compare while the frame is on its way; where that fails its answer does not come. */
static int begin(const struct fetch_held *held, struct client *client, struct fetch_result *ret)
{
	int r;

	ret->sighting = sighting_of(client_greeting(client), &clock_real);
	r = history_check(
		client_greeting(client), held->id, ret->archive, ret->error, sizeof ret->error);
	if (r == CLI_OK && held->last.seq > 0)
		history_ask(client, held->last.seq);
	return r;
}

int fetch_receive(const struct fetch_options *options, const struct fetch_held *held,
	struct stream *stream, struct fetch_result *ret)
{
	const struct client_options client_options = { .idle_us = IDLE_US,
		.deadline_ns = options->deadline_ns };
	CLEANUP(client_freep) struct client *client = NULL;
	int64_t start_ns = clock_mono_ns(&clock_real);
	uint64_t after = SEQ_MAX;
	struct wire_reply reply;
	int r, code;

	r = client_new(stream, &client_options, &client, ret->error, sizeof ret->error);
	if (r < 0)
		return connect_code_of_transfer(r);
	code = begin(held, client, ret);
	if (code != CLI_OK)
		return code;
	r = client_reply(client, &reply);
	if (r < 0)
		return fail(ret, connect_code_of_transfer(r), "%s", client_error(client));
	if (reply.type == WIRE_REPLY_RECORD)
		code = take_frame(options, held, client, &reply.record, start_ns, ret, &after);
	else if (reply.type == WIRE_REPLY_END)
		code = take_nothing(options, held, client, ret, &after);
	else
		code = answer_to_code(&reply, ret);
	if (code != CLI_OK || after == SEQ_MAX)
		return code;
	return history_fork(options->camera, ret->archive, &held->last, after, false, &ret->fork,
		ret->error, sizeof ret->error);
}

/* One connection. */
static int visit(const struct fetch_options *options, struct fetch_result *ret)
{
	CLEANUP(stream_freep) struct stream *stream = NULL;
	struct fetch_held held;
	char command[64];
	int code = fetch_look(options, &held, ret);

	if (code != CLI_OK)
		return code;
	snprintf(command, sizeof command, "capturepi serve latest %llu",
		(unsigned long long)held.newest);
	code = connect_camera(options->camera, command, options->deadline_ns, &stream, &ret->ours,
		ret->error, sizeof ret->error);
	if (code != CLI_OK)
		return code;
	if (options->connected)
		options->connected(options->data, true);
	return fetch_receive(options, &held, stream, ret);
}

int fetch_latest(const struct fetch_options *options, struct fetch_result *ret)
{
	struct history_fork fork;
	int code = visit(options, ret);

	fork = ret->fork;
	if (code != CLI_OK || fork.branch == 0)
		return code;
	code = visit(options, ret);
	ret->fork = fork;
	return code;
}
