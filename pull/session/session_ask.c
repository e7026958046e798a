/* SPDX-License-Identifier: MIT */
/*
 * What a session asks a camera for. Requests are sent ahead, as far as the credit allows; answers
 * come in the order of the requests, so the list of what was asked tells what each answer is.
 */
#include "pull/session/session_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/commands/cli.h"
#include "pull/ssh/wait.h"

#define ITEMS_LOW (SYNC_ITEMS_MAX / 16) /* fewer known frames than that: list some more */
#define BUSY_US (US_PER_SEC / 5) /* until a frame that somebody else receives is looked at again */
#define STATUS_BEATS 15 /* follow: so many signs of life old may be what is known to be due, */
#define STATUS_LEAST_BEATS 5 /* and so many once the slot that was the next has come */

_Static_assert(SYNC_ITEMS_MAX >= ITEMS_LOW + SYNC_LIST_LINES + SYNC_FIRST_LINES + SYNC_ASKS_MAX,
	"a list that was asked for must find room for its frames, and all that are asked again "
	"too");

/* ---- frames to fetch */

void item_push(struct session *s, const struct item *item)
{
	assert(s->n_items < SYNC_ITEMS_MAX);
	s->items[s->n_items++] = *item;
}

void item_push_front(struct session *s, const struct item *item)
{
	assert(s->n_items < SYNC_ITEMS_MAX);
	memmove(s->items + 1, s->items, s->n_items++ * sizeof *s->items);
	s->items[0] = *item;
}

static struct item item_pop(struct session *s)
{
	struct item item = s->items[0];

	memmove(s->items, s->items + 1, --s->n_items * sizeof *s->items);
	return item;
}

/* It came and was no good: once more, before all others. */
int item_push_again(struct session *s, struct item item)
{
	item.again = true;
	item_push_front(s, &item);
	return CLI_OK;
}

struct record item_record(const struct item *item)
{
	struct record record = record_new(RECORD_FRAME);

	record.seq = item->seq;
	record.slot_us = item->slot_us;
	record.bytes = item->bytes >= 0 ? item->bytes : FRAME_BYTES_MAX;
	return record;
}

/* ---- requests */

static int ask_send(struct session *s, const struct ask *ask, const struct wire_request *request)
{
	struct ask *slot = &s->asks[s->n_asks];
	char line[REQUEST_LINE_MAX];
	int r;

	assert(s->n_asks < SYNC_ASKS_MAX);
	*slot = *ask;
	slot->alone_ns = s->n_asks == 0 && s->client ? clock_mono_ns(&clock_real) : 0;
	s->n_asks++;
	s->asked = true;
	if (s->client) {
		r = client_send(s->client, request);
		/* the answers to what was asked before may say why */
		return r < 0 && s->n_asks == 1 ? session_link_failed(s, r) : CLI_OK;
	}
	/* the first one rides in the request that opens the connection, and costs no round trip */
	r = wire_request_format(request, line);
	if (r < 0)
		return session_archive_failed(s, r);
	snprintf(s->command, sizeof s->command, "capturepi serve %.*s", r - 1, line);
	return CLI_OK;
}

static int ask_lines(struct session *s, struct ask *list)
{
	const uint64_t numbers = list->last - list->first + 1;
	struct wire_request request = { .verb = WIRE_LIST, .seq = list->first };

	list->count = numbers < s->list_lines || list->compare ? numbers : s->list_lines;
	request.count = list->count;
	s->list_under_way = true;
	s->n_lines = s->n_listed = 0;
	return ask_send(s, list, &request);
}

/*
 * The line to compare; a backlog takes those that follow along, as the camera's last is not known
 * yet.
 */
static int ask_compare(struct session *s)
{
	struct ask list = { .kind = ASK_LIST, .compare = true };
	uint64_t newest = ranges_last(&s->held.settled);

	s->compare_due = false;
	s->comparing = true;
	list.first = list.last = s->anchor.seq;
	if (s->plan == PLAN_BACKLOG) {
		/* from the last line that is held, where numbers that need none are not many */
		list.first = s->anchor.seq > 0 ? s->anchor.seq : newest + 1;
		list.last = list.first + SYNC_FIRST_LINES;
		if (newest - list.first < SYNC_LIST_LINES / 2 && newest >= list.first)
			list.last = newest + SYNC_FIRST_LINES;
	}
	return ask_lines(s, &list);
}

/*
 * The next lines that are not known, newest first. A camera's numbers are dense; where they are
 * not, a list goes over more of them, or a peer with few lines far apart could keep us for days.
 */
static int ask_list(struct session *s)
{
	const uint64_t span = s->list_span > s->list_lines ? s->list_span : s->list_lines;
	struct ask list = { .kind = ASK_LIST };
	struct range gap;
	int r;

	if (!ranges_gap(&s->seen, s->first, s->last, &gap)) {
		s->listed_all = true;
		return CLI_OK;
	}
	list.last = gap.last;
	list.first = gap.last - gap.first < span ? gap.first : gap.last - span + 1;
	r = ranges_add(&s->seen, list.first, list.last);
	return r < 0 ? session_archive_failed(s, r) : ask_lines(s, &list);
}

static int ask_frame(struct session *s)
{
	struct ask frame = { .kind = ASK_FRAME, .item = item_pop(s) };
	struct wire_request request = { .verb = WIRE_FRAME, .seq = frame.item.seq };
	struct record record = item_record(&frame.item);

	if (frame.item.probe ? !ranges_has(&s->held.damaged, frame.item.seq) &&
				!ranges_has(&s->held.claimed, frame.item.seq)
			     : ranges_has(&s->held.settled, frame.item.seq))
		return CLI_OK; /* somebody else fetched it, or it was pruned */
	if (s->archive && !frame.item.again)
		frame.offset = partial_kept_bytes(s->archive, &record);
	if (frame.offset == -EBUSY) { /* somebody else receives it */
		s->busy_ns = deadline_in(BUSY_US);
		item_push(s, &frame.item);
		return CLI_OK;
	}
	if (frame.item.probe)
		frame.offset = frame.item.bytes;
	if (frame.item.seq > s->newest_seen)
		s->newest_seen = frame.item.seq;
	request.offset = (uint64_t)frame.offset;
	if (frame.item.bytes > 0) {
		s->under_way += frame.item.bytes - frame.offset;
		pace_requested(&s->pace, frame.item.bytes - frame.offset);
	}
	return ask_send(s, &frame, &request);
}

static int ask_preview(struct session *s)
{
	const struct ask preview = { .kind = ASK_PREVIEW, .item = item_pop(s) };
	const struct wire_request request = { .verb = WIRE_PREVIEW, .seq = preview.item.seq };

	s->under_way += PREVIEW_BYTES_LIKELY;
	pace_requested(&s->pace, PREVIEW_BYTES_LIKELY);
	return ask_send(s, &preview, &request);
}

static int ask_newest(struct session *s)
{
	const struct ask newest = { .kind = ASK_NEWEST };
	const struct wire_request request = {
		.verb = s->plan == PLAN_FOLLOW ? WIRE_WAIT : WIRE_LATEST,
		.seq = s->newest_seen > s->after ? s->newest_seen : s->after,
		.seconds = (uint64_t)(pull_heartbeat_us(s->options->camera) / US_PER_SEC),
	};

	s->newest_asked = true;
	return ask_send(s, &newest, &request);
}

/*
 * What is due changes while the connection stays, so a camera that can say it is asked again. Of
 * another it is known at least that it answers.
 */
static int ask_status(struct session *s)
{
	const struct ask status = { .kind = ASK_STATUS };
	const struct wire_request request = { .verb = WIRE_STATUS };
	struct sighting *sighting = &s->result->sighting;
	int64_t now_ns = clock_mono_ns(&clock_real), passed_ns = now_ns - s->status_ns;

	s->status_ns = now_ns;
	if (sighting->schedule.running != WIRE_RUNNING_UNKNOWN)
		return ask_send(s, &status, &request);
	sighting->seen_us = clock_wall_us(&clock_real);
	sighting->schedule.now_us += passed_ns / NS_PER_US;
	session_tell(s, SESSION_SEEN);
	return CLI_OK;
}

static bool session_status_due(const struct session *s)
{
	const struct session_result *result = s->result;
	const int64_t passed_ns = clock_mono_ns(&clock_real) - s->status_ns;
	const int64_t beat_ns = pull_heartbeat_us(s->options->camera) * NS_PER_US;

	return s->plan == PLAN_FOLLOW && s->client &&
		(passed_ns >= STATUS_BEATS * beat_ns ||
			(passed_ns >= STATUS_LEAST_BEATS * beat_ns &&
				result->frame.slot_us >= result->sighting.schedule.next_us));
}

enum plan_step session_next_step(struct session *s)
{
	const bool newest = s->plan != PLAN_BACKLOG;
	const struct plan_facts facts = {
		.plan = s->plan,
		.time_over = s->budget_over || deadline_left_us(s->options->deadline_ns) == 0,
		.asked = s->asked,
		.n_asks = s->n_asks,
		.compare_due = s->compare_due,
		.comparing = s->comparing,
		.list_wanted = !newest && s->client && !s->listed_all && !s->list_under_way &&
			s->n_items < ITEMS_LOW,
		.newest_due = newest && !s->newest_asked,
		.status_due = session_status_due(s),
		.n_items = s->n_items,
		.under_way = s->under_way,
		.credit = pace_credit(&s->pace),
		.paused = pace_wait_us(&s->pace, clock_mono_ns(&clock_real)) > 0 ||
			deadline_left_us(s->busy_ns) > 0 || session_budget_wait_us(s) > 0,
	};

	return plan_next(&facts);
}

static int ask_step(struct session *s, enum plan_step step)
{
	switch (step) {
	case STEP_COMPARE:
		return ask_compare(s);
	case STEP_LIST:
		return ask_list(s);
	case STEP_FRAME:
		return s->items[0].preview ? ask_preview(s) : ask_frame(s);
	case STEP_NEWEST:
		return ask_newest(s);
	case STEP_STATUS:
		return ask_status(s);
	case STEP_ANSWER:
	case STEP_NAP:
	case STEP_DONE:
	default:
		return CLI_OK;
	}
}

/* Sends what may be sent now. */
int ask_ahead(struct session *s)
{
	enum plan_step step;
	int code = CLI_OK;

	while (code == CLI_OK && (step = session_next_step(s)) < STEP_ANSWER)
		code = ask_step(s, step);
	return code;
}

int session_begin_command(struct session *s)
{
	uint64_t newest = ranges_last(&s->held.settled);
	enum plan_step step;

	s->compare_due = s->anchor.seq > 0 ||
		(s->plan == PLAN_BACKLOG && s->archive && newest > 0 && newest < SEQ_MAX);
	snprintf(s->command, sizeof s->command, "capturepi serve");
	step = session_next_step(s);
	return step < STEP_ANSWER ? ask_step(s, step) : CLI_OK;
}
