/* SPDX-License-Identifier: MIT */
/*
 * Lists of the camera's journal lines: what is stored of them, what is planned, and whose history
 * they are.
 */
#include "pull/session/session_private.h"

#include <errno.h>
#include <string.h>

#include "common/commands/cli.h"

#define PROBES_MAX 100 /* damaged frames that are asked about again */

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
	if (line->seq < list->first || ++s->n_listed > list->last - list->first + 1)
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

/* A frame that is to be fetched, or counted. */
static void list_want(struct session *s, const struct record *line)
{
	const bool damaged = ranges_has(&s->held.damaged, line->seq);
	const struct item item = { line->seq, line->slot_us, line->bytes, false, damaged };

	if ((ranges_has(&s->held.settled, line->seq) && !damaged) ||
		ranges_has(&s->skipped, line->seq))
		return;
	if (!s->options->dry_run) {
		item_push(s, &item);
	} else if (!damaged) {
		s->result->found++;
		s->result->found_bytes += line->bytes;
	}
}

/* Plans the frames of the list, newest first. Lists come sorted, copies perhaps not. */
static int list_plan_frames(struct session *s, const struct ask *list)
{
	bool any = false, wanted = false, young = false;
	uint64_t old = 0;
	int r = 0;

	for (size_t i = s->n_lines; r == 0 && i-- > 0;) {
		const struct record *line = &s->lines[i];

		if (line->type != RECORD_FRAME)
			continue;
		any = true;
		/* where the clock was not set its time says nothing about its age */
		if (line->synced && line->slot_us < s->keep_since_us) {
			old = line->seq > old ? line->seq : old;
			r = ranges_add(&s->held.settled, line->seq, line->seq);
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
	return r < 0 || young || s->options->dry_run ? r : session_unwant(s, old);
}

/* Settles the numbers of the list that have no line. */
static int list_settle_holes(struct session *s, const struct ask *list)
{
	uint64_t last = list->last < s->last ? list->last : s->last;
	struct ranges there = { 0 };
	struct range hole;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_lines; i++)
		r = ranges_add(&there, s->lines[i].seq, s->lines[i].seq);
	while (r == 0 && ranges_gap(&there, list->first, last, &hole)) {
		r = ranges_add(&there, hole.first, hole.last);
		if (r == 0)
			r = ranges_add(&s->held.settled, hole.first, hole.last);
		s->held.changed = true;
	}
	ranges_clear(&there);
	return r;
}

/* Stores the first `n` lines, which are no frames, in a turn. */
static int list_store(struct session *s, size_t n)
{
	int code = CLI_OK, r = 0;

	if (n > 0 && !s->options->dry_run)
		code = session_take_turn(s);
	if (code == CLI_OK && n > 0 && !s->options->dry_run)
		r = archive_store_records(s->archive, s->lines, n);
	for (size_t i = 0; code == CLI_OK && r == 0 && i < n; i++)
		r = held_note(&s->held, &s->lines[i]);
	session_release(s);
	s->result->lines += code == CLI_OK ? n : 0;
	return r < 0 ? session_archive_failed(s, r) : code;
}

static int list_take(struct session *s, const struct ask *list)
{
	int r = list_plan_frames(s, list);
	size_t n = 0;

	if (r == 0)
		r = list_settle_holes(s, list);
	if (r < 0)
		return session_archive_failed(s, r);
	s->list_lines = s->list_lines < SYNC_LIST_LINES / 2 ? s->list_lines * 2 : SYNC_LIST_LINES;
	/* the line that was compared is held already */
	for (size_t i = 0; i < s->n_lines; i++) {
		if (s->lines[i].type != RECORD_FRAME &&
			!ranges_has(&s->held.settled, s->lines[i].seq))
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

/* What the backlog need not list. */
int session_begin_seen(struct session *s)
{
	int r;

	ranges_clear(&s->seen);
	r = ranges_copy(&s->held.settled, &s->seen);
	if (r == 0)
		r = session_probe_damaged(s);
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
