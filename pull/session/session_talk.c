/* SPDX-License-Identifier: MIT */
/* One connection of a session: the greeting, the answers, and what is asked in between. */
#include "pull/session/session_private.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/utc.h"
#include "common/commands/cli.h"
#include "pull/session/gaps.h"
#include "pull/session/redated.h"
#include "pull/ssh/wait.h"

#define IDLE_US (15 * US_PER_SEC)
#define FOLLOW_IDLE_US (10 * US_PER_SEC)
#define FOLLOW_SLICE_US (10 * US_PER_SEC) /* signs of life may be rarer; we tell of us so often */
#define BUDGET_NAP_US (20 * US_PER_SEC) /* what is due later is for another session */
#define NAP_US (US_PER_SEC / 5)
#define USEFUL_NS (10 * NS_PER_SEC) /* a connection that lasted so long was of use */

int session_link_failed(struct session *s, int r)
{
	int code = connect_code(r);

	/*
	 * once it has answered, an end is a lost link or a camera that restarts: worth another try
	 */
	if (r == -EPROTO && s->plan != PLAN_NEWEST && client_ended(s->client) &&
		(s->answered || s->plan == PLAN_FOLLOW))
		code = CLI_TEMPFAIL;
	return session_fail(s, CONNECT_ANSWERED, code, "%s", client_error(s->client));
}

/* ---- frames that cannot be had */

int session_skip(struct session *s, uint64_t seq)
{
	int r = ranges_add(&s->skipped, seq, seq);

	return r < 0 ? session_archive_failed(s, r) : CLI_OK;
}

int session_pass_over(struct session *s, uint64_t seq)
{
	if (seq > s->after)
		s->after = seq;
	s->result->pause_us = 0;
	session_tell(s, SESSION_FAILED);
	return CLI_OK;
}

int session_note_damaged(struct session *s, uint64_t seq, const char *what)
{
	struct session_result *result = s->result;
	int r;

	if (!ranges_has(&s->held.damaged, seq) && result->damaged_new++ == 0)
		snprintf(result->damage, sizeof result->damage,
			"frame %llu is damaged on the camera: %s; " DAMAGED_NEXT_STEP,
			(unsigned long long)seq, what);
	r = held_note_damaged(&s->held, seq);
	return r < 0 ? session_archive_failed(s, r) : session_skip(s, seq);
}

/*
 * The stream ended with `code` before a byte of the frame came. The second time nothing older would
 * ever come.
 */
static int session_note_stuck(struct session *s, uint64_t seq, int code)
{
	if (s->plan != PLAN_BACKLOG || !client_ended(s->client))
		return code;
	if (s->stuck_seq != seq) {
		s->stuck_seq = seq;
		return code;
	}
	return session_note_damaged(s, seq, "it cannot be read there") == CLI_OK ? CLI_TEMPFAIL
										 : CLI_INTERNAL;
}

/* ---- frames */

bool frame_is_of_the_future(const struct session *s, const struct record *frame)
{
	const struct sighting *sighting = &s->result->sighting;
	const int64_t ahead_us = sighting->schedule.now_us - sighting->seen_us;
	const int64_t taken_us = record_taken_us(frame);
	int64_t late_us = clock_wall_us(s->clock) + FUTURE_MAX_US;

	if (sighting->schedule.now_us != TIME_NONE && ahead_us > 0)
		late_us += ahead_us;
	return frame->type == RECORD_FRAME && frame->synced && clock_synced(s->clock) &&
		(taken_us > late_us || frame->slot_us > late_us);
}

int frame_check(struct session *s, const struct ask *frame, const struct record *record)
{
	const struct item *item = &frame->item;
	bool same = record->type == RECORD_FRAME && record->seq == item->seq;

	if (same && item->bytes < 0) /* of a partial only the name is known */
		same = record_name(record).slot_us == item->slot_us &&
			record->bytes >= frame->offset;
	else if (same)
		same = record->slot_us == item->slot_us && record->bytes == item->bytes;
	if (same && !frame_is_of_the_future(s, record))
		return CLI_OK;
	return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
		"the camera answered with line %llu, or with other contents, when asked for frame "
		"%llu",
		(unsigned long long)record->seq, (unsigned long long)item->seq);
}

/* The highest number that is believed by now. */
static uint64_t frame_reach(const struct session *s)
{
	const int64_t us = (clock_mono_ns(&clock_real) - s->connected_ns) / NS_PER_US;

	return s->reach < SEQ_MAX ? s->reach + (uint64_t)(us / EVERY_MIN_US) : SEQ_MAX;
}

/* The newest is newer than what is known. */
static int frame_check_newest(struct session *s, struct ask *frame, const struct record *record)
{
	char time[UTC_TEXT_MAX];

	if (record->type != RECORD_FRAME || record->seq <= s->after ||
		record->seq <= s->newest_seen || record->seq > frame_reach(s) ||
		record->bytes < FRAME_BYTES_MIN || record->bytes > FRAME_BYTES_MAX)
		return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
			"the camera answered with line %llu, not with a frame newer than %llu",
			(unsigned long long)record->seq, (unsigned long long)s->after);
	if (frame_is_of_the_future(s, record))
		return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
			"frame %llu is dated %s, later than the clocks of the camera and of this "
			"machine say",
			(unsigned long long)record->seq, utc_format(record_taken_us(record), time));
	s->newest_seen = record->seq;
	frame->item = (struct item){ record->seq, record->slot_us, record->bytes, false, false };
	s->under_way += record->bytes;
	return CLI_OK;
}

static int frame_receive(
	struct session *s, const struct ask *frame, struct partial *partial, int64_t left)
{
	const int64_t all = left;
	int code = ask_ahead(s);

	while (code == CLI_OK && left > 0) {
		const char *data;
		ssize_t n;
		int r;

		code = batch_commit_due(s);
		if (code != CLI_OK)
			return code;
		n = client_bytes(s->client, (size_t)left, &data);
		if (n < 0) {
			code = session_link_failed(s, (int)n);
			return left == all ? session_note_stuck(s, frame->item.seq, code) : code;
		}
		r = partial ? partial_write(partial, data, (size_t)n) : 0;
		if (r < 0)
			return session_archive_failed(s, r);
		left -= n;
		s->under_way -= n;
		s->paced += s->plan == PLAN_BACKLOG && frame->item.seq != s->newest_listed ? n : 0;
		s->result->bytes += n;
		pace_received(&s->pace, n, clock_mono_ns(&clock_real));
		code = session_tick(s) ? ask_ahead(s) : CLI_TEMPFAIL;
	}
	return code;
}

/* What came is not the picture that the record tells of. */
static int frame_damaged(struct session *s, const struct ask *frame)
{
	/* a partial may have been damaged here */
	if (!frame->item.again && s->damaged_seq != frame->item.seq &&
		(s->plan == PLAN_BACKLOG || frame->offset > 0)) {
		s->damaged_seq = frame->item.seq;
		return item_push_again(s, frame->item);
	}
	if (s->plan == PLAN_BACKLOG)
		return session_note_damaged(s, frame->item.seq,
			"its file is not the picture that the journal there tells of");
	session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
		"frame %llu arrived damaged (size, sha256 or end marker); where that stays so look "
		"there with `capturepi verify`",
		(unsigned long long)frame->item.seq);
	return s->plan == PLAN_FOLLOW ? session_pass_over(s, frame->item.seq) : CLI_PROTOCOL;
}

/* The partial is the batch's from here on. */
static int frame_finish(struct session *s, const struct ask *frame, const struct record *record,
	struct partial *partial)
{
	int r = batch_add(s, frame, record, partial);

	if (r == 0)
		return CLI_OK;
	partial_free(partial);
	return r == -EBADMSG ? frame_damaged(s, frame) : session_archive_failed(s, r);
}

/* What was claimed with it is to be listed again, but for the frame itself and those asked for. */
static int frame_want(struct session *s, uint64_t seq)
{
	struct range run;
	int r = held_want(&s->held, seq, &run);

	if (r == 0)
		r = ranges_remove(&s->seen, run.first, run.last);
	if (r == 0)
		r = ranges_add(&s->seen, seq, seq);
	for (size_t i = 0; r == 0 && i < s->n_asks; i++) {
		if (s->asks[i].kind == ASK_FRAME)
			r = ranges_add(&s->seen, s->asks[i].item.seq, s->asks[i].item.seq);
	}
	s->listed_all = false;
	return r;
}

static int frame_take(struct session *s, struct ask *frame, const struct record *record)
{
	struct partial *partial = NULL;
	int code = frame->kind == ASK_NEWEST ? frame_check_newest(s, frame, record)
					     : frame_check(s, frame, record);
	int r;

	if (code == CLI_OK && frame->item.probe) {
		frame->item.probe = false; /* it is there, and wanted like any other */
		r = frame_want(s, frame->item.seq);
		return r < 0 ? session_archive_failed(s, r) : item_push_again(s, frame->item);
	}
	if (code == CLI_OK && frame->item.bytes < 0) {
		frame->item.bytes = record->bytes;
		s->under_way += record->bytes - frame->offset;
	}
	if (code == CLI_OK)
		code = session_begin_frame(s, frame, record, &partial);
	if (code == CLI_OK && !s->over)
		code = frame_receive(s, frame, partial, record->bytes - frame->offset);
	if (code == CLI_OK && partial)
		return frame_finish(s, frame, record, partial);
	if (partial)
		partial_keep(partial);
	if (code == CLI_OK && s->plan == PLAN_FOLLOW && record->seq <= s->after)
		session_tell(s, SESSION_FRAME); /* somebody else has brought it */
	return code;
}

static int frame_refused(struct session *s, const struct ask *frame, const struct wire_reply *reply)
{
	struct record record = item_record(&frame->item);
	int r = 0;

	if (frame->item.bytes > 0)
		s->under_way -= frame->item.bytes - frame->offset;
	if (s->archive && frame->offset > 0)
		partial_remove_kept(s->archive, &record);
	if (reply->error == WIRE_ERROR_BUSY)
		return session_fail(
			s, CONNECT_ANSWERED, CLI_TEMPFAIL, "capturepi there says: %s", reply->text);
	if (reply->error == WIRE_ERROR_PRUNED || s->plan != PLAN_BACKLOG) {
		/* what was left of it is of no use; of a claim that is made again nobody is told */
		s->result->gone += !ranges_has(&s->held.claimed, record.seq);
		if (s->plan == PLAN_BACKLOG)
			r = held_claim(&s->held, record.seq, record.seq);
		return r < 0 ? session_archive_failed(s, r) : CLI_OK;
	}
	if (frame->offset > 0 && !frame->item.again && !frame->item.probe)
		return item_push_again(s, frame->item);
	if (reply->error == WIRE_ERROR_FAILED)
		return session_note_damaged(s, frame->item.seq, reply->text);
	session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL, "frame %llu: capturepi there says: %s",
		(unsigned long long)frame->item.seq, reply->text);
	s->result->bad++;
	return session_skip(s, frame->item.seq);
}

/* ---- answers */

static int answer_status(struct session *s, const struct wire_reply *reply)
{
	if (reply->type == WIRE_REPLY_ERROR)
		return CLI_OK; /* it cannot say what is due; the silence that follows tells */
	s->result->sighting.seen_us = clock_wall_us(&clock_real);
	s->result->sighting.schedule = reply->schedule;
	session_tell(s, SESSION_SEEN);
	return CLI_OK;
}

/* An answer that ends a request. */
static int answer_take(struct session *s, struct ask *ask, const struct wire_reply *reply)
{
	const bool frame = ask->kind == ASK_FRAME || ask->kind == ASK_NEWEST;

	if (ask->kind == ASK_NEWEST && s->plan == PLAN_FOLLOW)
		s->newest_asked = false;
	if (frame && reply->type == WIRE_REPLY_RECORD)
		return frame_take(s, ask, &reply->record);
	if (ask->kind == ASK_PREVIEW)
		return preview_take(s, ask, reply);
	if (ask->kind == ASK_FRAME && reply->type == WIRE_REPLY_ERROR)
		return frame_refused(s, ask, reply);
	if (ask->kind == ASK_STATUS &&
		(reply->type == WIRE_REPLY_STATUS || reply->type == WIRE_REPLY_ERROR))
		return answer_status(s, reply);
	if (reply->type == WIRE_REPLY_ERROR)
		return session_fail(s, CONNECT_ANSWERED,
			reply->error == WIRE_ERROR_BUSY ? CLI_TEMPFAIL : CLI_PROTOCOL,
			"capturepi there says: %s", reply->text);
	if (reply->type == WIRE_REPLY_END && ask->kind == ASK_LIST)
		return list_end(s, ask);
	if (reply->type == WIRE_REPLY_END && ask->kind == ASK_NEWEST)
		return CLI_OK; /* nothing is newer */
	return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL, "an answer to something else");
}

/* The next line: of the list that is being read, or the answer to the oldest request. */
static int answer_read(struct session *s)
{
	struct ask ask = s->asks[0];
	struct wire_reply reply;
	int r = client_reply(s->client, &reply);

	if (r < 0)
		return session_link_failed(s, r);
	if (ask.alone_ns && ask.kind != ASK_NEWEST) /* a wait is no round trip */
		pace_answer(&s->pace, (clock_mono_ns(&clock_real) - ask.alone_ns) / NS_PER_US);
	s->asks[0].alone_ns = 0;
	if (ask.kind == ASK_LIST && reply.type == WIRE_REPLY_RECORD)
		return list_take_line(s, &ask, &reply.record);
	memmove(s->asks, s->asks + 1, --s->n_asks * sizeof *s->asks);
	s->answered = s->answered || reply.type == WIRE_REPLY_RECORD;
	r = answer_take(s, &ask, &reply);
	if (r == CLI_OK)
		s->answered = true;
	return r;
}

/* Nothing more may come now. */
static void session_end_budget(struct session *s, int64_t wait_us)
{
	const int64_t now_us = clock_wall_us(s->clock), month_us = s->month.to_us - now_us;

	s->budget_over = true;
	/* what does not fit into this month is for the next one */
	s->result->budget_us = now_us + (wait_us < month_us ? wait_us : month_us);
}

/* Takes the next answer, which in a follow may be a while. */
static int answer_wait(struct session *s)
{
	int64_t until_ns = deadline_in(FOLLOW_SLICE_US);

	while (s->plan == PLAN_FOLLOW && client_wait(s->client, until_ns) == 0 &&
		deadline_left_us(until_ns) == 0) {
		if (!session_tick(s))
			return CLI_OK;
		until_ns = deadline_in(FOLLOW_SLICE_US);
	}
	return answer_read(s);
}

/* Asks and takes answers until nothing is wanted any more, or the time is over. */
static int session_work(struct session *s)
{
	for (;;) {
		int code = ask_ahead(s);
		int64_t nap_us;

		if (code == CLI_OK)
			code = batch_commit_due(s);
		if (code != CLI_OK || s->over)
			return code;
		switch (session_next_step(s)) {
		case STEP_ANSWER:
			code = answer_wait(s);
			break;
		case STEP_NAP:
			nap_us = session_budget_wait_us(s);
			if (nap_us > BUDGET_NAP_US) {
				session_end_budget(s, nap_us);
				break;
			}
			nap_us = pace_wait_us(&s->pace, clock_mono_ns(&clock_real));
			session_pause(s, nap_us > 0 && nap_us < NAP_US ? nap_us : NAP_US);
			break;
		case STEP_DONE:
			if (!session_end_previews(s))
				return CLI_OK;
			break;
		default: /* a commit has made another request possible */
			break;
		}
		if (code != CLI_OK)
			return code;
		if (!session_tick(s))
			return CLI_OK;
	}
}

/* How many frames a camera makes in a day, by its own word; 0: it does not say. */
static double schedule_frames_per_day(const struct wire_schedule *schedule)
{
	const int64_t last_us =
		schedule->pending_us != TIME_NONE ? schedule->pending_us : schedule->due_us;
	int64_t every_us;

	if (schedule->next_us == TIME_NONE || last_us == TIME_NONE || schedule->next_us <= last_us)
		return 0;
	every_us = schedule->next_us - last_us;
	return (double)EVERY_MAX_US / (double)(every_us > EVERY_MIN_US ? every_us : EVERY_MIN_US);
}

static int session_begin_talk(struct session *s)
{
	const struct wire_greeting *greeting = client_greeting(s->client);
	struct session_result *result = s->result;
	struct history_here here = { .path = result->archive,
		.id = s->archive ? archive_id(s->archive) : "",
		.last = s->anchor.seq };
	struct peer_state peer;
	int64_t away_us = 0;
	int code;

	peer_state_load(s->options->camera->name, &peer);
	if (peer.last_ok_us != TIME_NONE)
		away_us = clock_wall_us(s->clock) - peer.last_ok_us;
	here.reach = s->reach = room_reach(&s->room, s->archive, here.last, away_us);
	code = history_check(greeting, &here, result->error, sizeof result->error);

	if (code != CLI_OK) {
		result->why = CONNECT_ANSWERED;
		return result->code = code;
	}
	s->first = greeting->first > 0 ? greeting->first : 1;
	s->last = greeting->last;
	result->sighting = sighting_of(greeting, s->clock);
	s->room.claimed_per_day = schedule_frames_per_day(&result->sighting.schedule);
	s->room.sharers = 0; /* it may have another schedule now */
	s->status_ns = s->connected_ns;
	code = session_begin_seen(s);
	if (code == CLI_OK && !s->compare_due && !s->comparing)
		session_greet(s);
	return code;
}

/* Everything that a camera may bring, of a connection or of the session so far. */
static uint64_t session_sum(const struct session_result *result)
{
	return (uint64_t)result->bytes + result->frames + result->previews + result->lines +
		result->gone + result->bad + result->damaged_new;
}

/* A connection that was of use, and was lost, is made again at once. */
static void session_judge(struct session *s, int code, const struct session_result *before)
{
	const int64_t now_ns = clock_mono_ns(&clock_real), took_ns = now_ns - s->connected_ns;
	struct session_result *result = s->result;
	const bool brought = session_sum(result) > session_sum(before);

	if (brought)
		s->brought_ns = clock_mono_ns(s->clock);
	if (brought || took_ns > USEFUL_NS) {
		backoff_reset(&s->backoff);
		if (code == CLI_TEMPFAIL && result->why == CONNECT_ANSWERED)
			result->why = CONNECT_SILENT;
	}
	if (s->pace.rate > 0)
		result->rate = s->pace.rate;
	else if (result->bytes > before->bytes)
		result->rate = pace_rate(result->bytes - before->bytes, took_ns);
}

/* Without a sign of life the link is dead; a slow one has time for a piece of a frame. */
static int64_t follow_idle_us(const struct session *s)
{
	const int64_t idle_us = pull_heartbeat_us(s->options->camera) * 5 / 2;

	return idle_us > FOLLOW_IDLE_US ? idle_us : FOLLOW_IDLE_US;
}

static int session_converse(struct session *s, struct stream *stream)
{
	const struct client_options options = {
		.idle_us = s->plan == PLAN_FOLLOW ? follow_idle_us(s) : IDLE_US,
		.deadline_ns = s->options->deadline_ns,
	};
	CLEANUP(client_freep) struct client *client = NULL;
	struct session_result *result = s->result, before = *result;
	int r, code, committed;

	result->why = CONNECT_ANSWERED;
	s->connected_ns = clock_mono_ns(&clock_real);
	r = client_new(stream, &options, &client, result->error, sizeof result->error);
	if (r < 0)
		return result->code = connect_code(r);
	s->client = client;
	s->list_lines = SYNC_FIRST_LINES;
	s->list_span = 0;
	pace_restart(&s->pace, clock_mono_ns(&clock_real));
	code = session_begin_talk(s);
	if (code == CLI_OK)
		code = session_work(s);
	committed = batch_commit_all(s);
	if (code == CLI_OK)
		code = committed;
	if (code == CLI_OK && s->plan == PLAN_BACKLOG)
		code = redated_drop(s);
	session_judge(s, code, &before);
	while (s->n_ready > 0) /* of another history perhaps; the next session finds them */
		partial_keep(s->ready[--s->n_ready].partial);
	s->client = NULL;
	return code;
}

int session_talk(struct session *s, struct stream *stream)
{
	int code;

	s->stream = stream;
	s->spent = s->paced = s->paced_spent = 0;
	session_spend(s, true);
	code = session_converse(s, stream);
	session_spend(s, true);
	s->stream = NULL;
	return code;
}
