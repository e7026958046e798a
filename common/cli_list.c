/* SPDX-License-Identifier: MIT */
/*
 * `list`. A puller's journal holds lines in the order of their arrival, so `list` goes through the
 * sequence numbers in windows, each small enough to be sorted in memory.
 */
#include "common/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/archive.h"
#include "common/text.h"

#define WINDOW_LINES 10000 /* divides SEGMENT_LINES: a window lies within one segment */
#define SHOWN_DEFAULT 20
#define SHOWN_MAX 10000 /* the last so many are kept in memory */

_Static_assert(SEGMENT_LINES % WINDOW_LINES == 0, "a window must not cross segments");

const struct cli_option cli_list_options[] = {
	{ "json", 0, NULL, "the journal's own lines" },
	{ "count", 'n', "COUNT", "the newest COUNT lines (20), or from SEQ on" },
	{ "from", 0, "SEQ", "from that sequence number on" },
	{ "since", 0, "TIME", "from then on: 2026-11-24, '2026-11-24 12:00', 12:00, 3d ago" },
	{ "until", 0, "TIME", "up to then; a day counts whole" },
	{ "gaps", 0, NULL, "only what is missing: slots without a frame" },
	{ .name = NULL },
};

struct entry {
	uint64_t seq;
	char *line; /* NULL: of another time than was asked for */
};

/* One window of the journal, sorted by sequence number. */
struct window {
	struct entry entries[WINDOW_LINES];
	size_t n;
	uint64_t next; /* where the next window starts, 0: the end */
	int64_t since_us, until_us; /* the times asked for; TIME_NONE: any */
	bool within; /* the last line that has a time is of them */
};

struct list {
	const struct cli *cli;
	struct journal *journal;
	bool json, gaps;
	int64_t since_us, until_us;
	uint64_t limit; /* lines to put out, 0: all */
	uint64_t count; /* lines that were put out so far */
	uint64_t previous; /* the sequence number before, for holes; 0: none yet */
	char **ring; /* the last `limit` texts, for when the end is known; NULL: printed at once */
};

static void window_clear(struct window *window)
{
	for (size_t i = 0; i < window->n; i++)
		free(window->entries[i].line);
	window->n = 0;
}

static void window_freep(struct window **window)
{
	if (*window)
		window_clear(*window);
	free(*window);
}

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

/*
 * The time of a line, or a span: false where it has none of its own. Most are frames, which are
 * quick.
 */
static bool line_times(const char *line, size_t length, int64_t *ret_first_us, int64_t *ret_last_us)
{
	struct record record;

	if (record_peek_slot(line, length, ret_first_us)) {
		*ret_last_us = *ret_first_us;
		return true;
	}
	if (record_parse(line, length, &record) < 0)
		return false;
	*ret_first_us = record.type == RECORD_CLOCK ? record.after_us : record.slot_us;
	*ret_last_us = record.type == RECORD_MISS ? record.last_us : *ret_first_us;
	return *ret_first_us != TIME_NONE;
}

/* What has no time of its own, as what was pruned, goes with the line before it. */
static bool window_wants(struct window *window, const char *line, size_t length)
{
	int64_t first_us, last_us;

	if (window->since_us == TIME_NONE && window->until_us == TIME_NONE)
		return true;
	if (line_times(line, length, &first_us, &last_us))
		window->within = last_us >= window->since_us &&
			(window->until_us == TIME_NONE || first_us <= window->until_us);
	return window->within;
}

static int window_add(struct window *window, uint64_t seq, const char *line, size_t length)
{
	struct entry *entry = &window->entries[window->n];

	if (window->n == ARRAY_SIZE(window->entries))
		return 0; /* the same number again and again: not a journal of ours */
	entry->seq = seq;
	entry->line = NULL;
	if (window_wants(window, line, length)) {
		entry->line = strndup(line, length);
		if (!entry->line)
			return -ENOMEM;
	}
	window->n++;
	return 0;
}

/* Reads the window that `from` lies in, its lines from `from` on, sorted. */
static int window_read(struct window *window, struct journal *journal, uint64_t from)
{
	const uint64_t end = from - from % WINDOW_LINES + WINDOW_LINES;
	const uint64_t segment_end = from - from % SEGMENT_LINES + SEGMENT_LINES;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	uint64_t seq = 0;
	const char *line;
	size_t length;
	int r;

	window_clear(window);
	window->next = 0;
	r = journal_seek(journal, from, &cursor);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while (seq < segment_end && (r = journal_cursor_next(cursor, &line, &length, &seq)) > 0) {
		if (seq < from)
			continue;
		if (seq < end)
			r = window_add(window, seq, line, length);
		else if (window->next == 0 || seq < window->next)
			window->next = seq;
		if (r >= 0 && seq >= end && seq < segment_end)
			r = journal_cursor_pass(cursor);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	/* the first line of the next segment need not be its lowest */
	if (window->next >= segment_end)
		window->next = segment_end;
	qsort(window->entries, window->n, sizeof(*window->entries), compare_entries);
	return 0;
}

/*
 * Takes `text`, which may be NULL for want of memory. A line of the journal may be a peer's: it is
 * cleaned.
 */
static int list_put(struct list *list, char *text)
{
	uint64_t slot = list->ring ? list->count % list->limit : 0;

	if (!text)
		return -ENOMEM;
	text_clean(text, strlen(text), text, strlen(text) + 1);
	list->count++;
	if (list->ring) {
		free(list->ring[slot]);
		list->ring[slot] = text;
		return 0;
	}
	puts(text);
	free(text);
	return 0;
}

static int PRINTF(2, 3) list_printf(struct list *list, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return list_put(list, n < 0 ? NULL : text);
}

/* Sequence numbers without a line: a puller has not got them yet. */
static int list_hole(struct list *list, uint64_t first, uint64_t last)
{
	const uint64_t count = last - first + 1;

	if (list->json)
		return list_printf(list,
			"{\"absent_first\":%" PRIu64 ",\"absent_last\":%" PRIu64
			",\"count\":%" PRIu64 "}",
			first, last, count);
	return list_printf(
		list, "%" PRIu64 " to %" PRIu64 " are not here (%" PRIu64 ")", first, last, count);
}

static int list_entry(struct list *list, const struct entry *entry)
{
	const uint64_t previous = list->previous;
	char text[512];
	struct record record;
	int r = 0;

	list->previous = entry->seq;
	if (!entry->line)
		return 0;
	if (list->gaps && previous && entry->seq > previous + 1)
		r = list_hole(list, previous + 1, entry->seq - 1);
	if (r < 0 || (list->json && !list->gaps))
		return r < 0 ? r : list_printf(list, "%s", entry->line);
	r = record_parse(entry->line, strlen(entry->line), &record);
	if (r < 0)
		return list_printf(
			list, "%" PRIu64 "  a line that cannot be read; see verify", entry->seq);
	if (list->gaps && record.type != RECORD_MISS)
		return 0;
	return list_printf(list, "%s",
		list->json ? entry->line : record_describe(&record, text, sizeof(text)));
}

static bool list_is_full(const struct list *list)
{
	return ferror(stdout) || (!list->ring && list->limit && list->count >= list->limit);
}

static int list_from(struct list *list, uint64_t from)
{
	CLEANUP(window_freep) struct window *window = calloc(1, sizeof(*window));
	int r = 0;

	if (!window)
		return -ENOMEM;
	list->count = list->previous = 0;
	window->since_us = list->since_us;
	window->until_us = list->until_us;
	while (from && !list_is_full(list)) {
		r = window_read(window, list->journal, from);
		for (size_t i = 0; r >= 0 && i < window->n && !list_is_full(list); i++)
			r = list_entry(list, &window->entries[i]);
		if (r < 0)
			return r;
		from = window->next;
	}
	return 0;
}

static void ring_free(struct list *list)
{
	for (uint64_t i = 0; list->ring && i < list->limit; i++)
		free(list->ring[i]);
	free(list->ring);
}

/* The newest lines: numbers are dense where a camera writes, less so where a puller does. */
static int list_newest(struct list *list)
{
	uint64_t first, last, reach = list->limit;
	int r;

	list->ring = calloc(list->limit, sizeof(*list->ring));
	if (!list->ring)
		return -ENOMEM;
	r = journal_first(list->journal, &first);
	if (r >= 0)
		r = journal_last(list->journal, &last);
	if (r < 0 || last == 0)
		return r;
	/* which lines are gaps is not known before they are read */
	if (list->gaps)
		reach = last;
	for (bool all = false; r >= 0 && !all && list->count < list->limit; reach *= 16) {
		all = reach >= last || last - reach < first;
		r = list_from(list, all ? first : last - reach + 1);
	}
	for (uint64_t i = 0; r >= 0 && i < list->limit && i < list->count; i++) {
		uint64_t oldest = list->count > list->limit ? list->count % list->limit : 0;

		puts(list->ring[(oldest + i) % list->limit]);
	}
	return r;
}

int cli_list(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct list list CLEANUP(ring_free) = { .cli = cli };
	int64_t from = 0, limit = 0;
	bool tail;
	int r;

	list.json = cli_flag(cli, "json");
	list.gaps = cli_flag(cli, "gaps");
	r = cli_number(cli, "from", 1, (int64_t)SEQ_MAX, 0, &from);
	if (r == CLI_OK)
		r = cli_span(cli, &list.since_us, &list.until_us);
	tail = from == 0 && (r != CLI_OK || list.since_us == TIME_NONE);
	if (r == CLI_OK)
		r = cli_number(cli, "count", 1, tail ? SHOWN_MAX : INT64_MAX,
			tail ? SHOWN_DEFAULT : 0, &limit);
	if (r == CLI_OK)
		r = cli_open_archive(cli, &archive);
	if (r != CLI_OK)
		return r;
	list.limit = (uint64_t)limit;
	list.journal = archive_journal(archive);
	r = tail ? list_newest(&list) : list_from(&list, from > 0 ? (uint64_t)from : 1);
	if (r >= 0)
		return CLI_OK;
	cli_error(cli, "%s: the journal cannot be read: %s", archive_path(archive), strerror(-r));
	return CLI_INTERNAL;
}
