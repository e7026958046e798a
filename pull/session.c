/* SPDX-License-Identifier: MIT */
/*
 * One connection of a sync. Requests are sent ahead, lists and frames, newest first, as far as the
 * credit allows; answers come in the order of the requests, so a ring of what was asked tells what
 * each answer is.
 */
#include "pull/sync_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/cli.h"
#include "common/clock.h"
#include "pull/connect.h"
#include "pull/history.h"
#include "pull/redated.h"
#include "pull/wait.h"

#define IDLE_US (15 * US_PER_SEC)
#define ITEMS_LOW (SYNC_ITEMS_MAX / 16) /* fewer known frames than that: list some more */
#define NAP_US (US_PER_SEC / 5)

_Static_assert(SYNC_ITEMS_MAX >= ITEMS_LOW + SYNC_LIST_LINES + SYNC_FIRST_LINES + SYNC_ASKS_MAX,
	"a list that was asked for must find room for its frames, and all that are asked again "
	"too");

static int session_failed(struct sync *sync, int r)
{
	int code = connect_code_of_transfer(r);

	/* Where answers came before, an end is a lost link or a camera that restarts. */
	if (r == -EPROTO && sync->answered && client_ended(sync->client))
		code = CLI_TEMPFAIL;
	return sync_fail(sync, code, "%s", client_error(sync->client));
}

int sync_archive_failed(struct sync *sync, int r)
{
	return sync_fail_here(sync, CLI_INTERNAL, "%s: %s", sync->result->archive, strerror(-r));
}

/* ---- requests */

static int ask(struct sync *sync, const struct ask *ask, const struct wire_request *request)
{
	struct ask *slot = &sync->asks[(sync->asks_start + sync->n_asks) % SYNC_ASKS_MAX];
	int r;

	assert(sync->n_asks < SYNC_ASKS_MAX);
	*slot = *ask;
	slot->alone_ns = sync->n_asks == 0 ? clock_mono_ns(&clock_real) : 0;
	sync->n_asks++;
	r = client_send(sync->client, request);
	return r < 0 ? session_failed(sync, r) : CLI_OK;
}

/* The next lines that are not known, newest first. */
static int ask_list(struct sync *sync)
{
	struct range gap;
	struct ask list = { .kind = ASK_LIST };
	struct wire_request request = { .verb = WIRE_LIST };
	int r;

	if (!ranges_gap(&sync->seen, sync->first, sync->last, &gap)) {
		sync->listed_all = true;
		return CLI_OK;
	}
	list.last = gap.last;
	list.first = gap.last - gap.first < sync->list_lines ? gap.first
							     : gap.last - sync->list_lines + 1;
	r = ranges_add(&sync->seen, list.first, list.last);
	if (r < 0)
		return sync_archive_failed(sync, r);
	sync->list_under_way = true;
	sync->n_lines = sync->n_listed = 0;
	request.seq = list.first;
	request.count = list.last - list.first + 1;
	return ask(sync, &list, &request);
}

static int ask_frame(struct sync *sync)
{
	struct ask frame = { .kind = ASK_FRAME, .item = sync_pop_item(sync) };
	struct wire_request request = { .verb = WIRE_FRAME, .seq = frame.item.seq };
	struct record record = record_new(RECORD_FRAME);

	if (frame.item.probe ? !ranges_has(&sync->held.damaged, frame.item.seq)
			     : ranges_has(&sync->held.settled, frame.item.seq))
		return CLI_OK; /* somebody else fetched it, or it was pruned */
	record.seq = frame.item.seq;
	record.slot_us = frame.item.slot_us;
	record.bytes = frame.item.bytes;
	if (sync->archive && !frame.item.again)
		frame.offset = partial_kept_bytes(sync->archive, &record);
	if (frame.item.probe)
		frame.offset = frame.item.bytes;
	request.offset = (uint64_t)frame.offset;
	sync->under_way += frame.item.bytes - frame.offset;
	pace_requested(&sync->pace, frame.item.bytes - frame.offset);
	return ask(sync, &frame, &request);
}

static bool may_ask_frame(const struct sync *sync)
{
	return sync->n_items > 0 && sync->under_way < pace_credit(&sync->pace) &&
		pace_wait_us(&sync->pace, clock_mono_ns(&clock_real)) == 0;
}

/* Sends what may be sent now. */
static int ask_ahead(struct sync *sync)
{
	int r = CLI_OK;

	if (deadline_left_us(sync->options->deadline_ns) == 0)
		return CLI_OK;
	while (r == CLI_OK && sync->n_asks < SYNC_ASKS_MAX) {
		bool list = !sync->listed_all && !sync->list_under_way && sync->n_items < ITEMS_LOW;

		/* a frame first, if none is under way: nobody waits for a list */
		if (list && !(sync->under_way == 0 && may_ask_frame(sync)))
			r = ask_list(sync);
		else if (may_ask_frame(sync))
			r = ask_frame(sync);
		else
			break;
	}
	return r;
}

static int begin(struct sync *sync)
{
	const struct wire_greeting *greeting = client_greeting(sync->client);
	struct sync_result *result = sync->result;
	int r = history_check(greeting, sync->archive ? archive_id(sync->archive) : "",
		result->archive, result->error, sizeof result->error);

	if (r != CLI_OK)
		return r;
	sync->first = greeting->first > 0 ? greeting->first : 1;
	sync->last = greeting->last;
	result->sighting = sighting_of(greeting, sync->clock);
	ranges_clear(&sync->seen);
	r = ranges_copy(&sync->held.settled, &sync->seen);
	if (r == 0)
		r = sync_ask_of_damaged(sync);
	for (size_t i = 0; r == 0 && i < sync->skipped.n; i++)
		r = ranges_add(
			&sync->seen, sync->skipped.list[i].first, sync->skipped.list[i].last);
	for (size_t i = 0; r == 0 && i < sync->n_asks; i++)
		r = ranges_add(&sync->seen, sync->asks[i].first, sync->asks[i].last);
	return r < 0 ? sync_archive_failed(sync, r) : CLI_OK;
}

/* ---- lists */

static bool is_listed(const struct sync *sync, uint64_t seq)
{
	for (size_t i = 0; i < sync->n_lines; i++) {
		if (sync->lines[i].seq == seq)
			return true;
	}
	return false;
}

static int take_line(struct sync *sync, const struct ask *list, const struct record *line)
{
	if (line->seq < list->first || ++sync->n_listed > list->last - list->first + 1)
		return sync_fail(sync, CLI_PROTOCOL, "the camera lists line %llu, not %llu to %llu",
			(unsigned long long)line->seq, (unsigned long long)list->first,
			(unsigned long long)list->last);
	/* past a hole in the camera's journal: it is in another list too */
	if (line->seq > list->last)
		return CLI_OK;
	if (is_listed(sync, line->seq))
		return sync_fail(sync, CLI_PROTOCOL, "the camera lists line %llu twice",
			(unsigned long long)line->seq);
	sync->lines[sync->n_lines++] = *line;
	return CLI_OK;
}

/* The line that is compared is held already. */
static bool is_to_store(const struct sync *sync, const struct record *line)
{
	return line->type != RECORD_FRAME && !ranges_has(&sync->held.settled, line->seq);
}

/* Stores the lines that are no frames; the numbers that no line has are settled as well. */
static int settle_list(struct sync *sync, const struct ask *list)
{
	struct ranges there = { 0 };
	struct range hole;
	uint64_t last = list->last < sync->last ? list->last : sync->last;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sync->n_lines; i++) {
		r = ranges_add(&there, sync->lines[i].seq, sync->lines[i].seq);
		if (is_to_store(sync, &sync->lines[i]))
			sync->lines[n++] = sync->lines[i];
	}
	while (r == 0 && ranges_gap(&there, list->first, last, &hole)) {
		r = ranges_add(&there, hole.first, hole.last);
		if (r == 0)
			r = ranges_add(&sync->held.settled, hole.first, hole.last);
		sync->held.changed = true;
	}
	ranges_clear(&there);
	if (r == 0 && n > 0 && !sync->options->dry_run)
		r = archive_store_records(sync->archive, sync->lines, n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = held_note(&sync->held, &sync->lines[i]);
	sync->result->lines += n;
	return r < 0 ? sync_archive_failed(sync, r) : CLI_OK;
}

/* The frames of the list that are wanted, newest first. Lists come sorted, copies perhaps not. */
static int plan_frames(struct sync *sync, const struct ask *list)
{
	bool any = false, wanted = false, young = false;
	uint64_t old = 0;
	int r;

	for (size_t i = sync->n_lines; i-- > 0;) {
		const struct record *line = &sync->lines[i];
		const bool damaged = ranges_has(&sync->held.damaged, line->seq);
		const struct item item = { line->seq, line->slot_us, line->bytes, false, damaged };

		if (line->type != RECORD_FRAME)
			continue;
		any = true;
		/* where the clock was not set its time says nothing about its age */
		if (line->synced && line->slot_us < sync->keep_since_us) {
			old = line->seq > old ? line->seq : old;
			r = ranges_add(&sync->held.settled, line->seq, line->seq);
			if (r < 0)
				return r;
			continue;
		}
		young = true;
		if (line->slot_us < sync->options->since_us)
			continue;
		wanted = true;
		if ((ranges_has(&sync->held.settled, line->seq) && !damaged) ||
			ranges_has(&sync->skipped, line->seq) ||
			(damaged && sync->options->dry_run))
			continue;
		if (sync->options->dry_run) {
			sync->result->found++;
			sync->result->found_bytes += line->bytes;
		} else {
			sync_push_item(sync, &item);
		}
	}
	/* what is before it is older still */
	if (any && !wanted && !list->first_look)
		sync->listed_all = true;
	return young || sync->options->dry_run ? 0 : sync_unwanted(sync, old);
}

static bool any_to_store(const struct sync *sync)
{
	for (size_t i = 0; i < sync->n_lines; i++) {
		if (is_to_store(sync, &sync->lines[i]))
			return !sync->options->dry_run;
	}
	return false;
}

static int take_list(struct sync *sync, const struct ask *list)
{
	bool store = any_to_store(sync), forked = false;
	int code = CLI_OK, r;

	if (list->first_look)
		code = sync_compare(sync, &forked);
	if (code != CLI_OK || forked) {
		sync->list_under_way = false;
		sync->n_lines = sync->n_listed = 0;
		return code != CLI_OK ? code : begin(sync);
	}
	r = plan_frames(sync, list);
	if (r < 0)
		return sync_archive_failed(sync, r);
	sync->list_under_way = false;
	sync->list_lines =
		sync->list_lines < SYNC_LIST_LINES / 2 ? sync->list_lines * 2 : SYNC_LIST_LINES;
	if (store)
		code = sync_take(sync);
	if (code == CLI_OK)
		code = settle_list(sync, list);
	if (store)
		sync_release(sync);
	return code;
}

/* ---- frames */

/* The frame as announced is what was asked for. */
static int check_frame(struct sync *sync, const struct ask *frame, const struct record *record)
{
	if (record->type == RECORD_FRAME && record->seq == frame->item.seq &&
		record->bytes == frame->item.bytes && record->slot_us == frame->item.slot_us)
		return CLI_OK;
	return sync_fail(sync, CLI_PROTOCOL,
		"the camera answered with line %llu, or with other contents, when asked for frame "
		"%llu",
		(unsigned long long)record->seq, (unsigned long long)frame->item.seq);
}

/* Opens the partial, none where the frame is not wanted (any more) or cannot be gone on with. */
static int begin_frame(struct sync *sync, const struct ask *frame, const struct record *record,
	struct partial **ret)
{
	int code = sync_take(sync), r = 0;

	if (code == CLI_OK)
		r = sync_unwanted(sync, room_make(&sync->room, record->bytes));
	if (code == CLI_OK && r == 0 && !ranges_has(&sync->held.settled, record->seq))
		r = partial_resume(sync->archive, record, frame->offset, ret);
	sync_release(sync);
	if (r == -ESTALE) {
		sync_push_again(sync, frame->item);
		return code;
	}
	if (r == -EFBIG || r == -EINVAL)
		return sync_fail(sync, CLI_PROTOCOL, "a frame of an impossible size");
	return r < 0 ? sync_archive_failed(sync, r) : code;
}

/* The partial is the batch's from here on. */
static int finish_frame(struct sync *sync, const struct ask *frame, const struct record *record,
	struct partial *partial)
{
	int r = batch_add(sync, frame, record, partial);

	if (r == 0)
		return CLI_OK;
	partial_free(partial);
	if (r != -EBADMSG)
		return sync_archive_failed(sync, r);
	if (!frame->item.again) {
		sync_push_again(sync, frame->item);
		return CLI_OK;
	}
	return sync_damaged(
		sync, record->seq, "its file is not the picture that the journal there tells of");
}

static int receive(
	struct sync *sync, const struct ask *frame, struct partial *partial, int64_t left)
{
	const int64_t all = left;

	while (left > 0) {
		int r = batch_due(sync);
		const char *data;
		ssize_t n;

		if (r != CLI_OK)
			return r;
		n = client_bytes(sync->client, (size_t)left, &data);
		r = n > 0 && partial ? partial_write(partial, data, (size_t)n) : 0;

		if (n < 0) {
			r = session_failed(sync, (int)n);
			return client_ended(sync->client) && left == all
				? sync_stuck(sync, frame->item.seq, r)
				: r;
		}
		if (r < 0)
			return sync_archive_failed(sync, r);
		left -= n;
		sync->under_way -= n;
		sync->result->bytes += n;
		pace_received(&sync->pace, n, clock_mono_ns(&clock_real));
		r = ask_ahead(sync);
		if (r != CLI_OK)
			return r;
		sync_tell(sync);
	}
	return CLI_OK;
}

static int take_frame(struct sync *sync, const struct ask *frame, const struct record *record)
{
	struct partial *partial = NULL;
	int code = check_frame(sync, frame, record);

	if (code == CLI_OK && frame->item.probe)
		return sync_want_again(sync, frame->item);
	if (code == CLI_OK)
		code = begin_frame(sync, frame, record, &partial);
	if (code == CLI_OK)
		code = receive(sync, frame, partial, record->bytes - frame->offset);
	if (code == CLI_OK && partial)
		return finish_frame(sync, frame, record, partial);
	if (partial)
		partial_keep(partial);
	return code;
}

static int refused_frame(struct sync *sync, const struct ask *frame, const struct wire_reply *reply)
{
	struct record record = record_new(RECORD_FRAME);
	int r;

	sync->under_way -= frame->item.bytes - frame->offset;
	record.seq = frame->item.seq;
	record.slot_us = frame->item.slot_us;
	if (sync->archive && frame->offset > 0)
		partial_remove_kept(sync->archive, &record);
	switch (reply->error) {
	case WIRE_ERROR_PRUNED:
		sync->result->gone++;
		r = held_note(&sync->held, &record);
		return r < 0 ? sync_archive_failed(sync, r) : CLI_OK;
	case WIRE_ERROR_BUSY:
		return sync_fail(sync, CLI_TEMPFAIL, "capturepi there says: %s", reply->text);
	case WIRE_ERROR_UNKNOWN:
	case WIRE_ERROR_BAD_REQUEST:
	case WIRE_ERROR_FAILED:
	default:
		if (frame->offset > 0 && !frame->item.again && !frame->item.probe) {
			sync_push_again(sync, frame->item);
			return CLI_OK;
		}
		if (reply->error == WIRE_ERROR_FAILED)
			return sync_damaged(sync, frame->item.seq, reply->text);
		sync_fail(sync, CLI_PROTOCOL, "frame %llu: capturepi there says: %s",
			(unsigned long long)frame->item.seq, reply->text);
		return sync_skip(sync, frame->item.seq);
	}
}

/* ---- answers */

static int refused(struct sync *sync, const struct wire_reply *reply)
{
	return sync_fail(sync, reply->error == WIRE_ERROR_BUSY ? CLI_TEMPFAIL : CLI_PROTOCOL,
		"capturepi there says: %s", reply->text);
}

static int answer(struct sync *sync, const struct ask *ask, const struct wire_reply *reply)
{
	if (ask->kind == ASK_FRAME && reply->type == WIRE_REPLY_RECORD)
		return take_frame(sync, ask, &reply->record);
	if (ask->kind == ASK_FRAME && reply->type == WIRE_REPLY_ERROR)
		return refused_frame(sync, ask, reply);
	if (reply->type == WIRE_REPLY_ERROR)
		return refused(sync, reply);
	if (reply->type != WIRE_REPLY_END || ask->kind == ASK_FRAME)
		return sync_fail(sync, CLI_PROTOCOL, "an answer to something else");
	return take_list(sync, ask);
}

/* The next line: of the list that is being read, or the answer to the oldest request. */
static int take_answer(struct sync *sync)
{
	struct ask ask = sync->asks[sync->asks_start];
	struct wire_reply reply;
	int r = client_reply(sync->client, &reply);

	if (r < 0)
		return session_failed(sync, r);
	if (ask.alone_ns)
		pace_answer(&sync->pace, (clock_mono_ns(&clock_real) - ask.alone_ns) / NS_PER_US);
	sync->asks[sync->asks_start].alone_ns = 0;
	if (ask.kind == ASK_LIST && reply.type == WIRE_REPLY_RECORD)
		return take_line(sync, &ask, &reply.record);
	sync->asks_start = (sync->asks_start + 1) % SYNC_ASKS_MAX;
	sync->n_asks--;
	r = answer(sync, &ask, &reply);
	if (r == CLI_OK)
		sync->answered = true;
	return r;
}

static void nap(struct sync *sync)
{
	int64_t us = pace_wait_us(&sync->pace, clock_mono_ns(&clock_real));
	struct timespec t = { .tv_nsec = (us < NAP_US ? us : NAP_US) * NS_PER_US };

	nanosleep(&t, NULL);
	sync_tell(sync);
}

/* Asks and takes answers until nothing is wanted any more, or the time is over. */
static int work(struct sync *sync)
{
	int r;

	for (;;) {
		r = ask_ahead(sync);
		if (r == CLI_OK)
			r = batch_due(sync);
		if (r == CLI_OK && sync->n_asks > 0)
			r = take_answer(sync);
		else if (r == CLI_OK && sync->n_items > 0 &&
			deadline_left_us(sync->options->deadline_ns) > 0)
			nap(sync);
		else
			return r;
		if (r != CLI_OK)
			return r;
		sync_tell(sync);
	}
}

void session_command(struct sync *sync, char *buf, size_t size)
{
	uint64_t newest = ranges_last(&sync->held.settled), from = newest + 1;
	struct ask list = { .kind = ASK_LIST, .first_look = true };

	sync->asks_start = sync->n_asks = sync->items_start = sync->n_items = 0;
	sync->n_lines = sync->n_listed = 0;
	sync->under_way = 0;
	sync->listed_all = sync->list_under_way = false;
	sync->anchor = record_new(RECORD_OTHER);
	if (newest == 0 || newest >= SEQ_MAX || !sync->archive ||
		history_last(sync->archive, &sync->anchor) < 0) {
		snprintf(buf, size, "capturepi serve");
		return;
	}
	/* from the last line that is held, where numbers that need none are not many */
	if (sync->anchor.seq > 0)
		from = sync->anchor.seq;
	list.first = from;
	list.last = from + SYNC_FIRST_LINES;
	if (newest - from < SYNC_LIST_LINES / 2 && newest >= from)
		list.last = newest + SYNC_FIRST_LINES;
	sync->asks[sync->n_asks++] = list;
	sync->list_under_way = true;
	snprintf(buf, size, "capturepi serve list %llu %llu", (unsigned long long)list.first,
		(unsigned long long)(list.last - list.first + 1));
}

int session_run(struct sync *sync, struct stream *stream)
{
	const struct client_options options = { .idle_us = IDLE_US,
		.deadline_ns = sync->options->deadline_ns };
	CLEANUP(client_freep) struct client *client = NULL;
	struct sync_result *result = sync->result;
	int64_t start_ns = clock_mono_ns(&clock_real), before = result->bytes;
	int r, stored;

	r = client_new(stream, &options, &client, result->error, sizeof result->error);
	if (r < 0)
		return connect_code_of_transfer(r);
	sync->client = client;
	sync->answered = false;
	sync->list_lines = SYNC_FIRST_LINES;
	pace_restart(&sync->pace, clock_mono_ns(&clock_real));
	r = begin(sync);
	if (r == CLI_OK)
		r = work(sync);
	stored = batch_commit(sync);
	if (r == CLI_OK)
		r = stored;
	if (r == CLI_OK)
		r = redated_drop(sync);
	sync->client = NULL;
	if (sync->pace.rate > 0)
		result->rate = sync->pace.rate;
	else if (result->bytes > before)
		result->rate =
			pace_rate(result->bytes - before, clock_mono_ns(&clock_real) - start_ns);
	return r;
}
