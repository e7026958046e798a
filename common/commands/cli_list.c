/* SPDX-License-Identifier: MIT */
/*
 * `list`. A puller's journal holds lines in the order of their arrival, so `list` goes through the
 * sequence numbers in windows, each small enough to be sorted in memory.
 */
#include "common/commands/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/text.h"

#define WINDOW_LINES 10000
#define SHOWN_DEFAULT 20
#define SHOWN_MAX 10000 /* from the end; these are read twice */

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

struct list {
	struct journal *journal;
	bool json, gaps;
	int64_t since_us, until_us; /* the times asked for; TIME_NONE: any */
	uint64_t skip; /* lines that are counted and not printed */
	uint64_t end; /* stops after so many lines, 0: at the journal's end */

	uint64_t count; /* of lines so far */
	uint64_t previous; /* the sequence number before, for holes; 0: none yet */
	bool within; /* the last line that has a time is of those asked for */

	/* The lines of WINDOW_LINES numbers, sorted. */
	struct entry window[WINDOW_LINES];
	size_t n;
};

static void window_clear(struct list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->window[i].line);
	list->n = 0;
}

static void list_freep(struct list **list)
{
	if (*list)
		window_clear(*list);
	free(*list);
}

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

/* The time of a line, or a span: false where it has none of its own. Most are frames: quick. */
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
static bool line_is_wanted(struct list *list, const char *line, size_t length)
{
	int64_t first_us, last_us;

	if (list->since_us == TIME_NONE && list->until_us == TIME_NONE)
		return true;
	if (line_times(line, length, &first_us, &last_us))
		list->within = last_us >= list->since_us &&
			(list->until_us == TIME_NONE || first_us <= list->until_us);
	return list->within;
}

static int window_add(void *data, uint64_t seq, const char *line, size_t length)
{
	struct list *list = data;
	struct entry *entry = &list->window[list->n];

	if (list->n == ARRAY_SIZE(list->window))
		return 0; /* the same number again and again: not a journal of ours */
	*entry = (struct entry){ .seq = seq };
	if (line_is_wanted(list, line, length)) {
		entry->line = strndup(line, length);
		if (!entry->line)
			return -ENOMEM;
	}
	list->n++;
	return 0;
}

static void list_put(struct list *list, const char *text)
{
	if (list->count++ < list->skip)
		return;
	text_print(stdout, "%s\n", text);
}

/* Sequence numbers without a line: a puller has not got them yet. */
static void list_hole(struct list *list, uint64_t first, uint64_t last)
{
	const uint64_t count = last - first + 1;
	char text[128];

	if (list->json)
		snprintf(text, sizeof(text),
			"{\"absent_first\":%" PRIu64 ",\"absent_last\":%" PRIu64
			",\"count\":%" PRIu64 "}",
			first, last, count);
	else
		snprintf(text, sizeof(text),
			"%" PRIu64 " to %" PRIu64 " are not here (%" PRIu64 ")", first, last,
			count);
	list_put(list, text);
}

static void list_entry(struct list *list, const struct entry *entry)
{
	const uint64_t previous = list->previous;
	struct record record;
	char text[512];

	list->previous = entry->seq;
	if (!entry->line)
		return;
	if (list->gaps && previous && entry->seq > previous + 1)
		list_hole(list, previous + 1, entry->seq - 1);
	if (list->json && !list->gaps) {
		list_put(list, entry->line);
	} else if (record_parse(entry->line, strlen(entry->line), &record) < 0) {
		snprintf(text, sizeof(text), "%" PRIu64 "  a line that cannot be read; see verify",
			entry->seq);
		list_put(list, text);
	} else if (!list->gaps || record.type == RECORD_MISS) {
		record_describe(&record, text, sizeof(text));
		list_put(list, list->json ? entry->line : text);
	}
}

static bool list_is_full(const struct list *list)
{
	return ferror(stdout) || (list->end && list->count >= list->end);
}

static int list_from(struct list *list, uint64_t from)
{
	list->count = list->previous = 0;
	list->within = false;
	while (from && !list_is_full(list)) {
		uint64_t next;
		int r;

		window_clear(list);
		r = journal_visit(
			list->journal, from, from + WINDOW_LINES - 1, window_add, list, &next);
		if (r < 0)
			return r;
		qsort(list->window, list->n, sizeof(list->window[0]), compare_entries);
		for (size_t i = 0; i < list->n && !list_is_full(list); i++)
			list_entry(list, &list->window[i]);
		from = next;
	}
	return 0;
}

/*
 * The newest lines: numbers are dense where a camera writes, less so where a puller does. So it
 * counts from farther and farther back until there are enough, and prints the last of these.
 */
static int list_newest(struct list *list, uint64_t limit)
{
	uint64_t first, last, start, reach = limit;
	int r = journal_first(list->journal, &first);

	if (r >= 0)
		r = journal_last(list->journal, &last);
	if (r < 0 || last == 0)
		return r;
	/* which lines are gaps is not known before they are read */
	if (list->gaps)
		reach = last;
	list->skip = UINT64_MAX;
	do {
		start = reach < last && last - reach >= first ? last - reach + 1 : first;
		r = list_from(list, start);
		reach *= 16;
	} while (r >= 0 && start > first && list->count < limit);
	if (r < 0 || list->count == 0)
		return r;
	list->end = list->count;
	list->skip = list->count > limit ? list->count - limit : 0;
	return list_from(list, start);
}

int cli_list(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(list_freep) struct list *list = calloc(1, sizeof(*list));
	int64_t from = 0, limit = 0;
	bool newest;
	int r;

	if (!list)
		return CLI_INTERNAL;
	list->json = cli_flag(cli, "json");
	list->gaps = cli_flag(cli, "gaps");
	r = cli_number(cli, "from", 1, (int64_t)SEQ_MAX, 0, &from);
	if (r == CLI_OK)
		r = cli_span(cli, &list->since_us, &list->until_us);
	newest = from == 0 && (r != CLI_OK || list->since_us == TIME_NONE);
	if (r == CLI_OK)
		r = cli_number(cli, "count", 1, newest ? SHOWN_MAX : INT64_MAX,
			newest ? SHOWN_DEFAULT : 0, &limit);
	if (r == CLI_OK)
		r = cli_open_archive(cli, &archive);
	if (r != CLI_OK)
		return r;
	list->end = newest ? 0 : (uint64_t)limit;
	list->journal = archive_journal(archive);
	r = journal_freeze(list->journal);
	if (r == 0)
		r = newest ? list_newest(list, (uint64_t)limit)
			   : list_from(list, from > 0 ? (uint64_t)from : 1);
	if (r >= 0)
		return CLI_OK;
	cli_error(cli, "%s: the journal cannot be read: %s", archive_path(archive), strerror(-r));
	return CLI_INTERNAL;
}
