/* SPDX-License-Identifier: MIT */
/* The archive here against the camera's. */
#include "pull/session/history.h"

#include <errno.h>
#include <string.h>

#include "common/commands/cli.h"
#include "common/upkeep/retention.h"
#include "pull/session/redated.h"

#define WINDOW 16 /* lines that are asked for at once */
#define ROUNDS_MAX 64
#define BLOCK_BYTES 4096
#define SEGMENT_COST (2 * BLOCK_BYTES) /* a file that is begun, here and there */
#define DAY_COST (3 * BLOCK_BYTES) /* folders of a day */
#define FORK_COST (8 * BLOCK_BYTES) /* those of an archive, and its small files */

int history_check(const struct wire_greeting *greeting, const struct history_here *here,
	char *error, size_t size)
{
	if (*here->id && strcmp(here->id, greeting->id) != 0) {
		snprintf(error, size,
			"the camera has another archive now (%.8s, here %.8s): a new card, or "
			"another camera; to begin a new history here: mv %s %s.%.8s",
			greeting->id, here->id, here->path, here->path, here->id);
		return CLI_PROTOCOL;
	}
	if (greeting->first > 0 && greeting->last > greeting->first &&
		greeting->last - greeting->first >= SEQ_SPAN_MAX) {
		snprintf(error, size,
			"the camera says that its journal goes from number %llu to %llu: no camera "
			"takes so many; look at its archive with `capturepi verify`",
			(unsigned long long)greeting->first, (unsigned long long)greeting->last);
		return CLI_PROTOCOL;
	}
	if (greeting->last > here->reach) {
		snprintf(error, size,
			"the camera says that its last number is %llu, and the last one here is "
			"%llu: it cannot have taken so many since; look at its archive with "
			"`capturepi verify`",
			(unsigned long long)greeting->last, (unsigned long long)here->last);
		return CLI_PROTOCOL;
	}
	return CLI_OK;
}

int history_last(struct archive *archive, struct record *ret)
{
	struct record last = record_new(RECORD_OTHER);
	uint64_t seq;
	int r = journal_last(archive_journal(archive), &seq);

	if (r == 0 && seq > 0)
		r = journal_find(archive_journal(archive), seq, &last);
	if (r == 0 || r == -ENOENT) /* the line is damaged */
		*ret = last;
	return r == -ENOENT ? 0 : r;
}

/* A repair over there writes lines again from files, or such that say nothing. */
int history_compare(const struct record *ours, const struct record *theirs)
{
	if (ours->type == RECORD_OTHER || theirs->type == RECORD_OTHER)
		return -1;
	if (ours->type != theirs->type || ours->slot_us != theirs->slot_us ||
		ours->last_us != theirs->last_us || ours->cause != theirs->cause ||
		ours->before_us != theirs->before_us || ours->after_us != theirs->after_us ||
		ours->at_us != theirs->at_us || ours->to_s != theirs->to_s ||
		ours->first_seq != theirs->first_seq || ours->last_seq != theirs->last_seq)
		return 0;
	/* the same line after other lines; one that a repair wrote again has none */
	if (ours->has_prev && theirs->has_prev &&
		memcmp(ours->prev, theirs->prev, SHA256_BYTES) != 0)
		return 0;
	if (ours->bytes == theirs->bytes && memcmp(ours->sha256, theirs->sha256, SHA256_BYTES) == 0)
		return 1;
	return theirs->recovered ? -1 : 0;
}

/* ---- the fork */

struct search {
	struct journal *journal;
	struct segments segments; /* of it: between far numbers are none */
	uint64_t same, other; /* the highest number known to be the same, the lowest that is not */
	bool any; /* a line told so */
};

static void search_clear(struct search *s)
{
	segments_clear(&s->segments);
}

static int search_see_line(struct search *s, const struct record *line)
{
	struct record ours;
	int r;

	if (line->seq <= s->same || line->seq >= s->other)
		return 0;
	r = journal_find(s->journal, line->seq, &ours);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = history_compare(&ours, line);
	if (r == 1)
		s->same = line->seq;
	else if (r == 0)
		s->other = line->seq;
	s->any = s->any || r >= 0;
	return 0;
}

/* Compares the camera's lines from `seq` on; an error answer is a list without a line. */
static int search_ask(struct search *s, struct client *client, uint64_t seq)
{
	const struct wire_request request = { .verb = WIRE_LIST, .seq = seq, .count = WINDOW };
	struct wire_reply reply;
	int r = client_send(client, &request);

	s->any = false;
	for (unsigned i = 0; r == 0 && i <= WINDOW; i++) {
		r = client_reply(client, &reply);
		if (r < 0 || reply.type != WIRE_REPLY_RECORD)
			return r;
		r = search_see_line(s, &reply.record);
	}
	return r < 0 ? r : -EPROTO;
}

/* The highest number up to `seq` that has a line here; 0: none is above `same`. */
static uint64_t search_down(struct search *s, uint64_t seq)
{
	while (seq > s->same) {
		const uint64_t number = seq / SEGMENT_LINES;
		const size_t i = segments_at(&s->segments, number);

		if (i < s->segments.n && s->segments.list[i] == number) {
			if (journal_holds(s->journal, seq) != 0)
				return seq;
			seq--;
		} else if (i > 0) {
			seq = s->segments.list[i - 1] * SEGMENT_LINES + SEGMENT_LINES - 1;
		} else {
			break;
		}
	}
	return 0;
}

/* The lowest number from `seq` on; 0: none is below `other`. */
static uint64_t search_up(struct search *s, uint64_t seq)
{
	while (seq < s->other) {
		const uint64_t number = seq / SEGMENT_LINES;
		const size_t i = segments_at(&s->segments, number);

		if (i == s->segments.n)
			break;
		if (s->segments.list[i] != number)
			seq = s->segments.list[i] * SEGMENT_LINES;
		else if (journal_holds(s->journal, seq) != 0)
			return seq;
		else
			seq++;
	}
	return 0;
}

/* The number nearest to `near`, between same and other, that has a line here; 0: there is none. */
static uint64_t search_near(struct search *s, uint64_t near)
{
	const uint64_t seq = search_down(s, near);

	return seq > 0 ? seq : search_up(s, near + 1);
}

/*
 * What cannot be compared counts as other: the branch keeps it, and it is fetched if the camera has
 * it.
 */
static int search_run(struct search *s, struct client *client)
{
	uint64_t near = s->other - s->same > WINDOW ? s->other - WINDOW : s->same + 1, seq;
	int r;

	for (int i = 0; i < ROUNDS_MAX && s->other - s->same > 1; i++) {
		seq = search_near(s, near);
		if (seq == 0)
			return 0;
		r = search_ask(s, client, seq);
		if (r < 0)
			return r;
		if (!s->any)
			s->other = seq;
		near = s->same + (s->other - s->same) / 2;
	}
	return s->other - s->same > 1 && search_near(s, near) ? -EPROTO : 0;
}

int history_look(struct client *client, struct archive *archive, const struct record *held,
	const struct record *theirs, uint64_t *ret_after)
{
	const struct wire_greeting *greeting = client_greeting(client);
	CLEANUP(search_clear)
	struct search s = { .journal = archive_journal(archive),
		.same = greeting->first > 0 ? greeting->first - 1 : 0,
		.other = held->seq };
	int r;

	/* nothing is there to compare, or to be mixed with */
	if (greeting->last == 0 || held->seq == 0 || held->seq < greeting->first)
		return 0;
	if (held->seq <= greeting->last && history_compare(held, theirs) != 0)
		return 0;
	if (held->seq > greeting->last)
		s.other = greeting->last + 1;
	r = journal_segments(s.journal, &s.segments);
	if (r == 0)
		r = search_run(&s, client);
	if (r < 0)
		return r;
	*ret_after = s.other - 1;
	return 1;
}

/* ---- what a fork costs */

/* Adds the lines of the numbers from `from` on, and the folders of those after `after`. */
static int cost_add(struct journal *journal, uint64_t from, uint64_t after, int64_t *cost)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	uint64_t segment = UINT64_MAX, seq;
	int64_t day = INT64_MIN, slot_us;
	const char *line;
	size_t len;
	int r = journal_seek(journal, from, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		*cost += (int64_t)len + 1;
		if (seq / SEGMENT_LINES != segment)
			*cost += SEGMENT_COST;
		segment = seq / SEGMENT_LINES;
		if (seq <= after || !record_peek_slot(line, len, &slot_us) ||
			retention_day(slot_us) == day)
			continue;
		day = retention_day(slot_us);
		*cost += DAY_COST;
	}
	return r;
}

/* The border's segment is written again, and local/ here and there. */
int history_cost(struct archive *archive, uint64_t after, int64_t *ret)
{
	const uint64_t border = after - after % SEGMENT_LINES;
	int64_t cost = FORK_COST, local_cost = 0;
	struct journal *local;
	int r = cost_add(archive_journal(archive), border > 0 ? border : 1, after, &cost);

	if (r == 0)
		r = archive_local(archive, &local);
	if (r == 0)
		r = cost_add(local, 1, SEQ_MAX, &local_cost);
	if (r == 0)
		*ret = cost + 2 * local_cost;
	return r;
}

static void history_describe(const char *path, struct history_fork *fork)
{
	char branch[PATH_MAX];
	struct archive *archive = NULL;
	uint64_t first = 0, last = 0;

	snprintf(branch, sizeof branch, "%s/" BRANCHES "/%u", path, fork->branch);
	if (archive_open(branch, &(struct archive_options){ .mode = ARCHIVE_READ }, &archive) ==
		0) {
		journal_first(archive_journal(archive), &first);
		journal_last(archive_journal(archive), &last);
	}
	archive_free(archive);
	snprintf(fork->text, sizeof fork->text,
		"the camera has another history after number %llu: its card was restored from an "
		"older copy, or lost its last pictures; what is here of the old one, numbers %llu "
		"to %llu, is kept in %.400s",
		(unsigned long long)fork->after, (unsigned long long)first,
		(unsigned long long)last, branch);
}

int history_cut(struct archive *archive, uint64_t after, unsigned *ret_branch)
{
	unsigned branch;
	int r = archive_fork(archive, after, &branch);

	if (r == 0)
		r = redated_restore(archive, after);
	if (r == 0)
		*ret_branch = branch;
	return r;
}

int history_fork(struct archive *archive, const struct record *held, uint64_t after,
	struct history_fork *ret)
{
	struct history_fork fork = { .after = after };
	unsigned number = 0;
	struct record now;
	int r = journal_find(archive_journal(archive), held->seq, &now);

	if (r == 0 && history_compare(held, &now) != 0)
		r = history_cut(archive, after, &fork.branch);
	else if (r == 0 || r == -ENOENT) /* another process did it, and perhaps died over it */
		for (r = 0; archive_branch(archive, &number);)
			fork.branch = number;
	if (r < 0)
		return r;
	history_describe(archive_path(archive), &fork);
	*ret = fork;
	return 0;
}
