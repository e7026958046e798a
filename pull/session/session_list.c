/* SPDX-License-Identifier: MIT */
/*
 * Lists of the camera's journal lines: what is stored of them, what is planned, and whose history
 * they are.
 */
#include "pull/session/session_private.h"

#include <errno.h>
#include <string.h>

#include "common/archive/preview.h"
#include "common/commands/cli.h"

#define PROBES_MAX 100 /* damaged frames that are asked about again */
#define CLAIMS_MAX 16 /* numbers of which the camera claimed to have nothing, the same */

static bool list_has(const struct session *s, uint64_t seq)
{
	for (size_t i = 0; i < s->n_lines; i++) {
		if (s->lines[i].seq == seq)
			return true;
	}
	return false;
}

int list_take_line(struct session *s, const struct ask *list, const struct record *line)
{
	if (line->seq < list->first || ++s->n_listed > list->count)
		return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
			"the camera lists line %llu, not %llu to %llu",
			(unsigned long long)line->seq, (unsigned long long)list->first,
			(unsigned long long)list->last);
	/* after a hole in the camera's journal: it is in another list too */
	if (line->seq > list->last)
		return CLI_OK;
	if (list_has(s, line->seq))
		return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
			"the camera lists line %llu twice", (unsigned long long)line->seq);
	s->lines[s->n_lines++] = *line;
	return CLI_OK;
}

/* The newest frames have one; the others need not be listed for that. */
static void list_want_preview(struct session *s, const struct record *line, bool probe)
{
	const struct item item = {
		.seq = line->seq, .slot_us = line->slot_us, .bytes = line->bytes, .preview = true
	};

	if (probe)
		return;
	if (++s->n_previewed > PREVIEWS_MAX)
		s->listed_all = true;
	else if (!ranges_has(&s->previews, line->seq))
		item_push(s, &item);
}

/* A frame that is to be fetched, or counted. */
static void list_want(struct session *s, const struct record *line)
{
	const bool probe =
		ranges_has(&s->held.damaged, line->seq) || ranges_has(&s->held.claimed, line->seq);
	const struct item item = {
		.seq = line->seq, .slot_us = line->slot_us, .bytes = line->bytes, .probe = probe
	};

	if ((ranges_has(&s->held.settled, line->seq) && !probe) ||
		ranges_has(&s->skipped, line->seq))
		return;
	if (s->previewing) {
		list_want_preview(s, line, probe);
	} else if (!s->options->dry_run) {
		item_push(s, &item);
	} else if (!probe) {
		s->result->found++;
		s->result->found_bytes += line->bytes;
	}
}

/* Plans the frames of the list, newest first. Lists come sorted, copies perhaps not. */
static int list_plan_frames(struct session *s, const struct ask *list)
{
	bool any = false, wanted = false, young = false, last = list->last >= s->last;
	uint64_t old = 0;
	int r = 0;

	for (size_t i = s->n_lines; r == 0 && i-- > 0;) {
		const struct record *line = &s->lines[i];

		if (line->type != RECORD_FRAME)
			continue;
		any = true;
		s->newest_listed = last ? line->seq : s->newest_listed;
		last = false;
		if (frame_is_of_the_future(s, line) && !ranges_has(&s->held.settled, line->seq)) {
			if (!s->options->dry_run &&
				session_note_damaged(s, line->seq,
					"its time is later than both clocks say") != CLI_OK)
				return -ENOMEM;
			continue;
		}
		/* where the clock was not set its time says nothing about its age */
		if (line->synced && line->slot_us < s->keep_since_us) {
			old = line->seq > old ? line->seq : old;
			r = held_claim(&s->held, line->seq, line->seq);
			continue;
		}
		young = true;
		if (line->slot_us < s->options->since_us)
			continue;
		wanted = true;
		list_want(s, line);
	}
	/* what is before it is older still */
	if (any && !wanted && !list->compare)
		s->listed_all = true;
	if (r < 0 || young || s->options->dry_run || old == 0)
		return r;
	/* the camera dates them: that is its word */
	s->held.unwanted = old > s->held.unwanted ? old : s->held.unwanted;
	r = held_claim(&s->held, 1, old);
	return r < 0 ? r : ranges_add(&s->seen, 1, old);
}

/* Settles the numbers of the list that have no line, up to a line that came. */
static int list_settle_holes(struct session *s, const struct ask *list)
{
	struct ranges there = { 0 };
	struct range hole;
	uint64_t last;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_lines; i++)
		r = ranges_add(&there, s->lines[i].seq, s->lines[i].seq);
	if (ranges_last(&there) > s->proven)
		s->proven = ranges_last(&there);
	last = list->last < s->proven ? list->last : s->proven;
	while (r == 0 && ranges_gap(&there, list->first, last, &hole)) {
		r = ranges_add(&there, hole.first, hole.last);
		if (r == 0)
			r = held_claim(&s->held, hole.first, hole.last);
	}
	ranges_clear(&there);
	return r;
}

/* Stores the first `n` lines, which are no frames, in a turn. */
static int list_store(struct session *s, size_t n)
{
	const int64_t cost = room_cost_lines(&s->room, s->lines, n);
	int code = CLI_OK, r = 0;

	if (n > 0 && !s->options->dry_run)
		code = session_take_turn(s);
	if (code == CLI_OK && n > 0 && !s->options->dry_run)
		code = session_admit(s, NULL, cost);
	if (code == CLI_OK && n > 0 && !s->options->dry_run) {
		room_charge(&s->room, s->archive, cost, 0, 0);
		r = archive_store_records(s->archive, s->lines, n);
	}
	for (size_t i = 0; code == CLI_OK && r == 0 && i < n; i++)
		r = held_note(&s->held, &s->lines[i]);
	session_release(s);
	s->result->lines += code == CLI_OK ? n : 0;
	return r < 0 ? session_archive_failed(s, r) : code;
}

/* The camera's last number is that of a line; one that is only said would be settled for ever. */
static bool list_lacks_last(const struct session *s, const struct ask *list)
{
	return s->last > s->proven && s->last >= list->first && s->last <= list->last &&
		!list_has(s, s->last);
}

/*
 * How many lines the next list has at most, and how far it goes. 1: this one went too far, its
 * numbers may have more lines than were asked for; they are listed again, from the highest on. 0,
 * -ENOMEM.
 */
static int list_measure(struct session *s, const struct ask *list)
{
	const uint64_t span = list->last - list->first + 1;
	const bool full = s->n_lines == list->count, far = span > list->count;

	if (full)
		s->list_lines =
			s->list_lines < SYNC_LIST_LINES / 2 ? s->list_lines * 2 : SYNC_LIST_LINES;
	else if (s->n_lines < list->count / 4 && s->list_lines > SYNC_FIRST_LINES)
		s->list_lines /= 2;
	if (full || (!far && s->n_lines >= list->count / 2))
		s->list_span = 0;
	else if (s->n_lines < list->count / 2 && span < SEQ_SPAN_MAX)
		s->list_span = 2 * span;
	return full && far ? (ranges_remove(&s->seen, list->first, list->last) < 0 ? -ENOMEM : 1)
			   : 0;
}

static int list_take(struct session *s, const struct ask *list)
{
	size_t n = 0;
	int r = list_measure(s, list);

	if (r != 0)
		return r < 0 ? session_archive_failed(s, r) : CLI_OK;
	if (list_lacks_last(s, list))
		return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
			"the camera says that its last line is number %llu, and does not list it",
			(unsigned long long)s->last);
	r = list_plan_frames(s, list);
	if (r == 0)
		r = list_settle_holes(s, list);
	if (r < 0)
		return session_archive_failed(s, r);
	/* the line that was compared is held already */
	for (size_t i = 0; i < s->n_lines; i++) {
		if (s->lines[i].type != RECORD_FRAME &&
			(!ranges_has(&s->held.settled, s->lines[i].seq) ||
				ranges_has(&s->held.claimed, s->lines[i].seq)))
			s->lines[n++] = s->lines[i];
	}
	return list_store(s, n);
}

/* ---- the histories */

/* What is damaged over there is to be listed once more, the newest of it. */
static int session_probe_damaged(struct session *s)
{
	const struct ranges *damaged = &s->held.damaged;
	uint64_t left = PROBES_MAX;
	int r = 0;

	for (size_t i = damaged->n; r == 0 && i-- > 0 && left > 0;) {
		const struct range *range = &damaged->list[i];
		uint64_t n = range->last - range->first + 1;

		n = n < left ? n : left;
		r = ranges_remove(&s->seen, range->last - n + 1, range->last);
		left -= n;
	}
	return r;
}

/*
 * Some of what the camera claimed to have nothing of is to be listed once more, from a place that
 * is another one each time, so that in time all of it is.
 */
static int session_probe_claimed(struct session *s)
{
	const struct ranges *claimed = &s->held.claimed;
	size_t i = claimed->n > 0 ? backoff_random() % claimed->n : 0;
	uint64_t left = CLAIMS_MAX;
	int r = 0;

	for (size_t k = 0; r == 0 && k < claimed->n && left > 0; k++) {
		const struct range *range = &claimed->list[(i + k) % claimed->n];
		const uint64_t room = range->last - range->first + 1;
		const uint64_t n = room < left ? room : left;
		const uint64_t first = range->first + backoff_random() % (room - n + 1);

		r = ranges_remove(&s->seen, first, first + n - 1);
		left -= n;
	}
	return r;
}

/* What the backlog need not list. */
int session_begin_seen(struct session *s)
{
	int r;

	ranges_clear(&s->seen);
	r = ranges_copy(&s->held.settled, &s->seen);
	if (r == 0)
		r = session_probe_damaged(s);
	if (r == 0)
		r = session_probe_claimed(s);
	for (size_t i = 0; r == 0 && i < s->skipped.n; i++)
		r = ranges_add(&s->seen, s->skipped.list[i].first, s->skipped.list[i].last);
	for (size_t i = 0; r == 0 && i < s->n_asks; i++)
		r = ranges_add(&s->seen, s->asks[i].first, s->asks[i].last);
	return r < 0 ? session_archive_failed(s, r) : CLI_OK;
}

void session_greet(struct session *s)
{
	s->result->connected = true;
	session_tell(s, SESSION_CONNECTED);
}

/* What a fork would do: what is here after that number is of the old history. */
static int session_describe_fork(struct session *s, uint64_t after)
{
	struct history_fork *fork = &s->result->fork;
	int r;

	fork->after = after;
	snprintf(fork->text, sizeof fork->text,
		"the camera has another history after number %llu; a sync would keep what is here "
		"of the old one apart, in %.400s/" BRANCHES,
		(unsigned long long)after, s->result->archive);
	r = ranges_remove(&s->held.damaged, after + 1, SEQ_MAX);
	if (r == 0)
		r = ranges_remove(&s->held.settled, after + 1, SEQ_MAX);
	return r < 0 ? session_archive_failed(s, r) : CLI_OK;
}

/* In a turn: room for what is written once more. Pictures move, and cost nothing. */
static int session_admit_fork(struct session *s, uint64_t after)
{
	int64_t cost;
	int r = history_cost(s->archive, after, &cost), code;

	if (r < 0)
		return session_archive_failed(s, r);
	code = session_admit(s, NULL, cost);
	if (code == CLI_OK)
		room_charge(&s->room, s->archive, cost, 0, 0);
	return code;
}

/*
 * The camera has another history after the number `after`: what is here of the old one is kept
 * apart.
 */
static int session_fork(struct session *s, uint64_t after)
{
	struct session_result *result = s->result;
	int code, r;

	if (s->options->dry_run)
		return session_describe_fork(s, after);
	while (s->n_ready > 0)
		partial_free(s->ready[--s->n_ready].partial);
	code = session_take_turn(s);
	if (code == CLI_OK)
		code = session_admit_fork(s, after);
	if (code == CLI_OK)
		code = session_lock_copy(s);
	r = code == CLI_OK ? history_fork(s->archive, &s->anchor, after, &result->fork) : 0;
	session_close(s);
	s->after = s->newest_seen = 0;
	if (s->plan != PLAN_BACKLOG && s->lock_fd >= 0)
		close(TAKE_FD(s->lock_fd));
	if (r == -EMLINK)
		return session_fail(s, CONNECT_HERE, CLI_PROTOCOL,
			"the camera's history is another one again, and %d old ones are kept in "
			"%.200s/" BRANCHES ": do two machines with copies of one card answer by "
			"turns? Nothing was taken; give one of them a new archive, or move that "
			"folder away",
			BRANCHES_MAX, result->archive);
	if (r < 0)
		return session_open_failed(s, r);
	if (code != CLI_OK)
		return code;
	session_tell(s, SESSION_FORKED);
	return session_look(s);
}

/* The camera's line of the number that was held last; `*ret_forked`: look again at what is held. */
static int session_compare(struct session *s, bool *ret_forked)
{
	struct record theirs = record_new(RECORD_OTHER);
	uint64_t after;
	int r;

	s->comparing = false;
	for (size_t i = 0; i < s->n_lines; i++) {
		if (s->lines[i].seq == s->anchor.seq)
			theirs = s->lines[i];
	}
	r = history_look(s->client, s->archive, &s->anchor, &theirs, &after);
	if (r == -ENOMEM || r == -EIO)
		return session_archive_failed(s, r);
	if (r == -EPROTO && !*client_error(s->client))
		return session_fail(s, CONNECT_ANSWERED, CLI_PROTOCOL,
			"the camera has another history than is here, and its lines do not tell "
			"from which number on; look at its archive with `capturepi verify`");
	if (r < 0)
		return session_link_failed(s, r);
	*ret_forked = r > 0;
	return r > 0 ? session_fork(s, after) : CLI_OK;
}

int list_end(struct session *s, const struct ask *list)
{
	bool forked = false;
	int code = CLI_OK;

	s->list_under_way = false;
	if (list->compare)
		code = session_compare(s, &forked);
	if (code == CLI_OK && forked) {
		s->newest_asked = false;
		code = session_begin_seen(s);
	} else if (code == CLI_OK && s->plan == PLAN_BACKLOG) {
		code = list_take(s, list);
	}
	if (code == CLI_OK && list->compare)
		session_greet(s);
	return code;
}
