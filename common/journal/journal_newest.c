/* SPDX-License-Identifier: MIT */
/*
 * The newest frame of a journal. Lines in order are read from the end, in spans that grow; of those
 * out of order each is looked at.
 */
#include "common/journal/journal_private.h"

#include <errno.h>
#include <string.h>

#define NEWEST_SPAN 64 /* lines; newest_in_sorted() looks through so many at first */

/* Parsing each better line is slow, so at first only the line is kept, by what it looks like. */
struct newest {
	bool strict; /* parse it: a line was not what it looked like */
	uint64_t order, seq; /* 0: none */
	size_t len;
	char line[LINE_MAX_BYTES];
};

/* record_order() of what looks like a frame's line, 0 for another, without parsing it. */
static uint64_t newest_order(const char *line, size_t len, uint64_t seq)
{
	static const char key[] = "\"was\":";
	const char *was = memmem(line, len, key, strlen(key));
	uint64_t order = 0;

	/* the key cannot occur inside a JSON string unescaped */
	if (!memmem(line, len, "\"file\"", 6))
		return 0;
	if (!was)
		return seq;
	for (const char *p = was + strlen(key); *p >= '0' && *p <= '9' && order <= SEQ_MAX; p++)
		order = order * 10 + (uint64_t)(*p - '0');
	return order && order < seq ? order : seq;
}

static void newest_offer(struct newest *newest, const char *line, size_t len, uint64_t seq)
{
	uint64_t order = newest_order(line, len, seq);
	struct record record;

	if (order < newest->order || (order == newest->order && seq <= newest->seq))
		return;
	if (newest->strict && (record_parse(line, len, &record) < 0 || record.type != RECORD_FRAME))
		return;
	newest->order = order;
	newest->seq = seq;
	newest->len = len;
	memcpy(newest->line, line, len);
}

/* Offers the lines from the cursor on, up to the one with number `end`; 0: all. */
static int newest_offer_all(struct newest *newest, struct journal_cursor *cursor, uint64_t end)
{
	const char *line;
	uint64_t seq;
	size_t len;
	int r;

	while ((r = journal_cursor_next(cursor, &line, &len, &seq)) > 0 && (!end || seq < end))
		newest_offer(newest, line, len, seq);
	return r < 0 ? r : 0;
}

/* From the end backward, in spans that grow, until no line before can be newer. */
static int newest_in_sorted(
	struct journal *journal, const struct segment *segment, struct newest *newest)
{
	const uint64_t low = segment->number * SEGMENT_LINES;
	uint64_t from, end;
	int r = segment_tail_seq(segment, &from);

	if (r < 0 || from == 0)
		return r;
	from++;
	for (uint64_t span = NEWEST_SPAN; r == 0 && from > low && newest->order < from; span *= 4) {
		CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;

		end = from;
		from = end - low > span ? end - span : low;
		r = journal_seek_in_segment(journal, from, &cursor);
		if (r == 0)
			r = newest_offer_all(newest, cursor, end);
	}
	return r;
}

static int newest_in_segment(struct journal *journal, uint64_t number, struct newest *newest)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *tail = NULL;
	CLEANUP(segment_close) struct segment segment = { .fd = -1 };
	int r = segment_open(journal, number, &segment);

	if (r == 0 && !segment.sorted) {
		r = segment_seek_tail(journal, number, &tail);
		if (r == 0)
			r = newest_offer_all(newest, tail, 0);
	}
	if (r == 0)
		r = newest_in_sorted(journal, &segment, newest);
	return segment_is_skipped(r) ? 0 : r;
}

int journal_newest_frame(struct journal *journal, struct record *ret)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	CLEANUP_FREE struct newest *newest = calloc(1, sizeof(*newest));
	int r = newest ? journal_segments(journal, &segments) : -ENOMEM;

	if (r < 0)
		return r;
	for (int strict = 0; strict < 2; strict++) {
		struct record record;

		*newest = (struct newest){ .strict = strict };
		for (size_t i = segments.n; i-- > 0;) {
			r = newest_in_segment(journal, segments.list[i], newest);
			if (r < 0)
				return r;
			/* what is older than this segment has lower numbers */
			if (newest->order >= segments.list[i] * SEGMENT_LINES)
				break;
		}
		if (newest->order == 0)
			return -ENOENT;
		if (record_parse(newest->line, newest->len, &record) == 0 &&
			record.type == RECORD_FRAME) {
			*ret = record;
			return 0;
		}
	}
	return -ENOENT;
}
