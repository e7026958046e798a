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
	if (place_is_away(r)) {
		ret->ours = true;
		return copy_open_failed(
			r, ret->archive, options->camera->name, ret->error, sizeof ret->error);
	}
	if (r < 0)
		return fail_here(ret, r == -EBADMSG ? CLI_PROTOCOL : CLI_INTERNAL,
			"%s cannot be read: %s; `pullpi verify %s` tells more", ret->archive,
			strerror(-r), options->camera->name);
	note_newest(archive, ret);
	snprintf(held->id, sizeof held->id, "%s", archive_id(archive));
	held->newest = ret->has_frame ? ret->frame.seq : 0;
	journal_last(archive_journal(archive), &held->last);
	return CLI_OK;
}

static int check_history(const struct fetch_held *held, const struct wire_greeting *greeting,
	struct fetch_result *ret)
{
	return history_check(
		greeting, held->id, held->last, ret->archive, ret->error, sizeof ret->error);
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

	if (r == 0)
		return CLI_OK;
	ret->ours = true;
	return copy_open_failed(
		r, ret->archive, options->camera->name, ret->error, sizeof ret->error);
}

/* Takes the frame that was announced, if it is what was asked for. */
static int take_frame(const struct fetch_options *options, const struct fetch_held *held,
	struct client *client, const struct record *frame, int64_t start_ns,
	struct fetch_result *ret)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	int r;

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
	r = client_read_frame(client, frame, archive);
	if (r < 0) {
		int code = connect_code_of_transfer(r);

		ret->ours = code == CLI_INTERNAL || r == -EEXIST || r == -ELOOP;
		return fail(ret, code, "%s: %s", ret->archive, client_error(client));
	}
	ret->rate = pace_rate(frame->bytes, clock_mono_ns(&clock_real) - start_ns);
	note_newest(archive, ret);
	ret->stored = true;
	return CLI_OK;
}

static int answer_to_code(const struct wire_reply *reply, struct fetch_result *ret)
{
	return fail(ret, reply->error == WIRE_ERROR_BUSY ? CLI_TEMPFAIL : CLI_PROTOCOL,
		"capturepi there says: %s", reply->text);
}

int fetch_receive(const struct fetch_options *options, const struct fetch_held *held,
	struct stream *stream, struct fetch_result *ret)
{
	const struct client_options client_options = { .idle_us = IDLE_US,
		.deadline_ns = options->deadline_ns };
	CLEANUP(client_freep) struct client *client = NULL;
	int64_t start_ns = clock_mono_ns(&clock_real);
	struct wire_reply reply;
	int r;

	r = client_new(stream, &client_options, &client, ret->error, sizeof ret->error);
	if (r < 0)
		return connect_code_of_transfer(r);
	ret->sighting = sighting_of(client_greeting(client), &clock_real);
	r = check_history(held, client_greeting(client), ret);
	if (r != CLI_OK)
		return r;
	r = client_reply(client, &reply);
	if (r < 0)
		return fail(ret, connect_code_of_transfer(r), "%s", client_error(client));
	switch (reply.type) {
	case WIRE_REPLY_RECORD:
		return take_frame(options, held, client, &reply.record, start_ns, ret);
	case WIRE_REPLY_END:
		return CLI_OK;
	default:
		return answer_to_code(&reply, ret);
	}
}

int fetch_latest(const struct fetch_options *options, struct fetch_result *ret)
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
	if (stream->ops->shutdown_write(stream) < 0)
		return fail(ret, CLI_TEMPFAIL, "%s", stream->ops->error(stream));
	return fetch_receive(options, &held, stream, ret);
}
