/* SPDX-License-Identifier: MIT */
/*
 * Previews of a backlog: a pass of its own over the lists, before that of the pictures. They are a
 * convenience: what is wrong with one, or with a camera that knows no previews, ends nothing.
 */
#include "pull/session/session_private.h"

#include <errno.h>
#include <string.h>

#include "common/archive/preview.h"
#include "common/base/clock.h"
#include "common/commands/cli.h"

#define COST_BYTES (16 * 1024) /* of one on the disk, more or less */

static void session_note_previews(struct session *s, const struct previews *previews)
{
	ranges_clear(&s->previews);
	s->preview_bytes = previews->bytes;
	for (size_t i = 0; i < previews->n; i++)
		(void)ranges_add(&s->previews, previews->list[i].seq, previews->list[i].seq);
}

void session_look_previews(struct session *s)
{
	CLEANUP(previews_clear) struct previews previews = { 0 };

	if (s->archive)
		(void)previews_list(s->archive, &previews);
	session_note_previews(s, &previews);
}

void preview_drop(struct session *s, const struct record *frame)
{
	const struct frame_name name = record_name(frame);

	if (!ranges_has(&s->previews, frame->seq))
		return;
	preview_remove(s->archive, &name);
	(void)ranges_remove(&s->previews, frame->seq, frame->seq);
	s->preview_bytes -= s->preview_bytes < COST_BYTES ? s->preview_bytes : COST_BYTES;
}

/* No more are asked for; the answers that are under way still come. */
static void session_stop_previews(struct session *s)
{
	s->n_items = 0;
	s->listed_all = true;
}

/* They count for max_bytes, of which they leave nearly all to the frames. */
static bool preview_has_room(const struct session *s)
{
	const int64_t most = s->options->camera->max_bytes;

	return most == 0 ||
		(s->preview_bytes + COST_BYTES <= most / 16 &&
			s->room.ledger.stored_bytes + s->preview_bytes + COST_BYTES <= most);
}

static int preview_keep(
	struct session *s, const struct record *frame, const uint8_t *jpeg, size_t bytes)
{
	const struct frame_name name = record_name(frame);
	int code = session_take_turn(s), r = -EEXIST;

	if (code == CLI_OK && !ranges_has(&s->held.settled, frame->seq)) {
		code = session_admit(s, NULL, COST_BYTES);
		if (code == CLI_OK && !preview_has_room(s)) {
			session_stop_previews(s);
		} else if (code == CLI_OK) {
			room_charge(&s->room, s->archive, COST_BYTES, 0, 0);
			r = preview_store(s->archive, &name, jpeg, bytes);
		}
	}
	session_release(s);
	if (code != CLI_OK || r == -EEXIST || r == -EBADMSG)
		return code;
	if (r == 0)
		r = ranges_add(&s->previews, frame->seq, frame->seq);
	if (r < 0)
		return session_archive_failed(s, r);
	s->preview_bytes += COST_BYTES;
	s->result->previews++;
	return CLI_OK;
}

static int preview_receive(struct session *s, const struct wire_reply *reply)
{
	const size_t bytes = (size_t)reply->preview_bytes;
	uint8_t jpeg[PREVIEW_BYTES_MAX];

	for (size_t have = 0; have < bytes;) {
		const char *data;
		const ssize_t n = client_bytes(s->client, bytes - have, &data);

		if (n < 0)
			return session_link_failed(s, (int)n);
		memcpy(jpeg + have, data, (size_t)n);
		have += (size_t)n;
		pace_received(&s->pace, n, clock_mono_ns(&clock_real));
	}
	return bytes > 0 ? preview_keep(s, &reply->record, jpeg, bytes) : CLI_OK;
}

int preview_take(struct session *s, const struct ask *ask, const struct wire_reply *reply)
{
	int code;

	s->under_way -= PREVIEW_BYTES_LIKELY;
	if (reply->type == WIRE_REPLY_ERROR) {
		if (reply->error == WIRE_ERROR_BUSY)
			return session_fail(s, CONNECT_ANSWERED, CLI_TEMPFAIL,
				"capturepi there says: %s", reply->text);
		/* it is older than previews; of one frame the pictures' pass finds out more */
		if (reply->error == WIRE_ERROR_BAD_REQUEST)
			session_stop_previews(s);
		return CLI_OK;
	}
	if (reply->type != WIRE_REPLY_PREVIEW)
		return session_fail(
			s, CONNECT_ANSWERED, CLI_PROTOCOL, "an answer to something else");
	code = frame_check(s, ask, &reply->record);
	return code == CLI_OK ? preview_receive(s, reply) : code;
}

bool session_end_previews(struct session *s)
{
	if (!s->previewing)
		return false;
	s->previewing = false;
	s->listed_all = false;
	s->list_lines = SYNC_FIRST_LINES;
	return session_begin_seen(s) == CLI_OK;
}

void session_tidy_previews(struct session *s)
{
	CLEANUP(previews_clear) struct previews previews = { 0 };
	char error[PULL_ERROR_MAX];

	if (!s->writing || s->previews.n == 0)
		return;
	memcpy(error, s->result->error, sizeof error);
	if (session_take_turn(s) == CLI_OK)
		(void)previews_tidy(s->archive, PREVIEWS_MAX, &previews);
	session_release(s);
	memcpy(s->result->error, error, sizeof error); /* the session's own counts */
}
