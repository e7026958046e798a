/* SPDX-License-Identifier: MIT */
/*
 * Finding in the journal: first, last, newest, one sequence number. Segments in order are read from
 * their end or searched by halves; a segment that a puller wrote out of order is read as a whole.
 */
#include "common/journal_private.h"

#include <errno.h>
#include <string.h>

#define LOOKS_MAX 16 /* of journal_holds(), before it reads a segment as a whole */

/* Lines of a segment from its end to its start. */
struct back_reader {
	int fd;
	off_t first;
	off_t base; /* of the file, where `data` begins */
	size_t end; /* unread part of `data`; behind a newline */
	char data[JOURNAL_BLOCK];
};

static int back_open(const struct segment *segment, struct back_reader **ret)
{
	struct back_reader *back;
	struct stat st;

	if (fstat(segment->fd, &st) < 0)
		return -errno;
	back = malloc(sizeof(*back));
	if (!back)
		return -ENOMEM;
	back->fd = segment->fd;
	back->first = segment->first;
	back->base =
		segment->ordered < st.st_size && !segment->sorted ? segment->ordered : st.st_size;
	back->end = 0;
	*ret = back;
	return 0;
}

/* Loads the block before `base` up to its last newline. */
static int back_load(struct back_reader *back)
{
	off_t span = back->base - back->first, n = span < JOURNAL_BLOCK ? span : JOURNAL_BLOCK;
	ssize_t got = fs_read_at(back->fd, back->data, (size_t)n, back->base - n);
	const char *newline;

	if (got < 0)
		return (int)got;
	back->base -= n;
	newline = memrchr(back->data, '\n', (size_t)got);
	back->end = newline ? (size_t)(newline + 1 - back->data) : 0;
	return 0;
}

/* 1 and the line before the one returned last, 0 at the start of the segment. */
static int back_next(struct back_reader *back, const char **ret_line, size_t *ret_len)
{
	for (;;) {
		const char *newline;
		size_t start;

		while (back->end == 0) {
			int r;

			if (back->base <= back->first)
				return 0;
			r = back_load(back);
			if (r < 0)
				return r;
		}
		newline = memrchr(back->data, '\n', back->end - 1);
		if (!newline && back->base > back->first) {
			/* It begins before the block: load it whole, or drop it as too long. */
			if (back->end <= LINE_MAX_BYTES)
				back->base += (off_t)back->end;
			back->end = 0;
			continue;
		}
		start = newline ? (size_t)(newline + 1 - back->data) : 0;
		*ret_line = back->data + start;
		*ret_len = back->end - 1 - start;
		back->end = start;
		return 1;
	}
}

int segment_tail_seq(const struct segment *segment, uint64_t *ret_seq)
{
	CLEANUP_FREE struct back_reader *back = NULL;
	const char *line;
	size_t len;
	int r = back_open(segment, &back);

	if (r < 0)
		return r;
	while ((r = back_next(back, &line, &len)) > 0) {
		uint64_t seq = segment_line_seq(segment->number, line, len);

		if (seq) {
			*ret_seq = seq;
			return 0;
		}
	}
	if (r == 0)
		*ret_seq = 0;
	return r;
}

/* The lowest and highest sequence numbers of what is out of order in a segment; 0 if nothing is. */
static int tail_range(
	struct journal *journal, uint64_t number, uint64_t *ret_first, uint64_t *ret_last)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	uint64_t seq, first = 0, last = 0;
	const char *line;
	size_t len;
	int r = segment_seek_tail(journal, number, &cursor);

	if (r < 0)
		return r;
	while ((r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (first == 0 || seq < first)
			first = seq;
		if (seq > last)
			last = seq;
	}
	if (r < 0)
		return r;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

/* A segment without a header, or of a stranger: passed over, as a cursor does. */
static bool is_skipped(int r)
{
	return r == -ENODATA || r == -EBADMSG || r == -ELOOP;
}

int journal_last(struct journal *journal, uint64_t *ret_seq)
{
	uint64_t number = SEQ_MAX / SEGMENT_LINES, last = 0;

	while (segment_at_or_before(journal, number, &number) == 0) {
		struct segment segment = { .fd = -1 };
		int r = segment_open(journal, number, &segment);

		uint64_t first, tail = 0;

		if (r == 0)
			r = segment_tail_seq(&segment, &last);
		if (r == 0 && !segment.sorted)
			r = tail_range(journal, number, &first, &tail);
		last = tail > last ? tail : last;
		segment_close(&segment);
		if (r < 0 && !is_skipped(r))
			return r;
		if (last > 0 || number-- == 0)
			break;
	}
	*ret_seq = last;
	return 0;
}

int journal_first(struct journal *journal, uint64_t *ret_seq)
{
	uint64_t number = 0, first = 0;

	for (; first == 0; number++) {
		struct segment segment = { .fd = -1, .sorted = true };
		uint64_t tail = 0, last;
		int r = segment_at_or_after(journal, number, &number);

		if (r == -ENOENT)
			break;
		if (r == 0)
			r = segment_open(journal, number, &segment);
		segment_close(&segment);
		if (r == 0) {
			CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
			const char *line;
			size_t len;

			r = journal_seek_in_segment(journal, number * SEGMENT_LINES, &cursor);
			if (r == 0)
				r = journal_cursor_next(cursor, &line, &len, &first);
		}
		if (r >= 0 && !segment.sorted)
			r = tail_range(journal, number, &tail, &last);
		first = tail && tail < first ? tail : first;
		if (r < 0 && !is_skipped(r))
			return r;
	}
	*ret_seq = first;
	return 0;
}

/* Reads `cursor` until a whole, valid line of `seq`. -ENOENT; ret_higher: a later line was met. */
static int find_with(struct journal_cursor *cursor, uint64_t seq, bool sorted, struct record *ret,
	bool *ret_higher)
{
	const char *line;
	uint64_t found;
	size_t len;
	int r;

	while ((r = journal_cursor_next(cursor, &line, &len, &found)) > 0) {
		if (found == seq && record_parse(line, len, ret) == 0)
			return 0;
		*ret_higher = found > seq;
		if (sorted && *ret_higher)
			break;
		if (*ret_higher && (r = journal_cursor_pass(cursor)) < 0)
			break;
	}
	return r < 0 ? r : -ENOENT;
}

int journal_find(struct journal *journal, uint64_t seq, struct record *ret)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL, *whole = NULL;
	struct segment segment = { .fd = -1 };
	bool higher = false;
	int r;

	if (seq == 0 || seq > SEQ_MAX)
		return -ENOENT;
	r = segment_open(journal, seq / SEGMENT_LINES, &segment);
	segment_close(&segment);
	if (r < 0)
		return r == -ENODATA ? -ENOENT : r;
	r = journal_seek_in_segment(journal, seq, &cursor);
	if (r == 0)
		r = find_with(cursor, seq, segment.sorted, ret, &higher);
	if (r != -ENOENT || !segment.sorted || !higher)
		return r;
	/* A hole where a camera's journal has none: somebody edited it, so read it all. */
	r = journal_seek_in_segment(journal, seq - seq % SEGMENT_LINES, &whole);
	return r < 0 ? r : find_with(whole, seq, false, ret, &higher);
}

/* For a few numbers: whether there is a whole line. */
static int look_for(struct journal *journal, uint64_t seq)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t found;
	size_t len;
	int r = journal_seek_in_segment(journal, seq, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &found)) > 0) {
		if (found == seq)
			return 1;
		r = journal_cursor_pass(cursor);
	}
	return r;
}

static void forget_held(struct journal *journal)
{
	journal_cursor_free(journal->held_cursor);
	journal->held_cursor = NULL;
}

int journal_holds(struct journal *journal, uint64_t seq)
{
	uint64_t number = seq / SEGMENT_LINES, found;
	const char *line;
	size_t len;
	int r;

	if (seq == 0 || seq > SEQ_MAX)
		return 0;
	if (journal->looks < LOOKS_MAX) {
		journal->looks++;
		return look_for(journal, seq);
	}
	if (journal->held_cursor && journal_cursor_is_stale(journal->held_cursor))
		forget_held(journal);
	if (!journal->held_cursor || journal->held_segment != number) {
		struct journal_cursor *cursor;

		if (!journal->held)
			journal->held = malloc(SEGMENT_LINES / 8);
		if (!journal->held)
			return -ENOMEM;
		r = journal_seek_in_segment(journal, number * SEGMENT_LINES, &cursor);
		if (r < 0)
			return r;
		journal_cursor_free(journal->held_cursor);
		journal->held_cursor = cursor;
		journal->held_segment = number;
		memset(journal->held, 0, SEGMENT_LINES / 8);
	}
	/* only what was appended since the last call */
	while ((r = journal_cursor_next(journal->held_cursor, &line, &len, &found)) > 0)
		journal->held[found % SEGMENT_LINES / 8] |= (uint8_t)(1 << found % 8);
	return r < 0 ? r : journal->held[seq % SEGMENT_LINES / 8] >> seq % 8 & 1;
}

/* The newest frame so far. A line that was not parsed yet is kept as it is. */
struct newest {
	uint64_t order, seq; /* 0: none */
	struct record record;
	size_t len; /* of the line; 0: `record` is what it says */
	char line[LINE_MAX_BYTES];
};

/* A line that may be a frame's: the key cannot occur inside a JSON string unescaped. */
static bool looks_like_frame(const char *line, size_t len)
{
	return memmem(line, len, "\"file\"", 6) != NULL;
}

/* record_order() of what looks like a frame's line, without parsing it. */
static uint64_t peek_order(const char *line, size_t len, uint64_t seq)
{
	static const char key[] = "\"was\":";
	const char *was = memmem(line, len, key, strlen(key));
	uint64_t order = 0;

	if (!was)
		return seq;
	for (const char *p = was + strlen(key); *p >= '0' && *p <= '9' && order <= SEQ_MAX; p++)
		order = order * 10 + (uint64_t)(*p - '0');
	return order && order < seq ? order : seq;
}

static bool is_newer(const struct newest *newest, uint64_t order, uint64_t seq)
{
	return order > newest->order || (order == newest->order && seq > newest->seq);
}

/* The newest one's line is parsed; false: it is no frame after all. */
static bool parse_newest(struct newest *newest)
{
	struct record record;

	if (newest->len == 0)
		return newest->order > 0;
	if (record_parse(newest->line, newest->len, &record) < 0 || record.type != RECORD_FRAME)
		return false;
	newest->record = record;
	newest->len = 0;
	return true;
}

/* Whether the line was as good as it looked, parsed if `parse`. */
static void offer(struct newest *newest, const char *line, size_t len, uint64_t seq, bool parse)
{
	uint64_t order;

	if (!looks_like_frame(line, len))
		return;
	order = peek_order(line, len, seq);
	if (!is_newer(newest, order, seq))
		return;
	if (parse) {
		struct record record;

		if (record_parse(line, len, &record) < 0 || record.type != RECORD_FRAME ||
			!is_newer(newest, record_order(&record), seq))
			return;
		order = record_order(&record);
		newest->record = record;
		newest->len = 0;
	} else {
		memcpy(newest->line, line, len);
		newest->len = len;
	}
	newest->order = order;
	newest->seq = seq;
}

/* No line before one with this number can be newer. */
static int newest_in_sorted(const struct segment *segment, struct newest *newest)
{
	CLEANUP_FREE struct back_reader *back = NULL;
	const char *line;
	size_t len;
	int r = back_open(segment, &back);

	if (r < 0)
		return r;
	while ((r = back_next(back, &line, &len)) > 0) {
		uint64_t seq = segment_line_seq(segment->number, line, len);

		if (seq > 0 && seq <= newest->order)
			return 0;
		if (seq > 0)
			offer(newest, line, len, seq, true);
	}
	return r;
}

static int offer_unsorted(
	struct journal *journal, uint64_t number, bool parse, struct newest *newest)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = segment_seek_tail(journal, number, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0)
		offer(newest, line, len, seq, parse);
	return r;
}

/* Parsing each better line is slow, so the first pass only keeps it. */
static int newest_in_unsorted(struct journal *journal, uint64_t number, struct newest *newest)
{
	CLEANUP_FREE struct newest *quick = malloc(sizeof(*quick));
	int r;

	if (!quick)
		return -ENOMEM;
	*quick = *newest;
	r = offer_unsorted(journal, number, false, quick);
	if (r < 0 || quick->order == 0)
		return r;
	if (!parse_newest(quick))
		return offer_unsorted(journal, number, true, newest);
	*newest = *quick;
	return 0;
}

int journal_newest_frame(struct journal *journal, struct record *ret)
{
	CLEANUP_FREE struct newest *newest = calloc(1, sizeof(*newest));
	uint64_t number = SEQ_MAX / SEGMENT_LINES;

	if (!newest)
		return -ENOMEM;
	while (segment_at_or_before(journal, number, &number) == 0) {
		struct segment segment = { .fd = -1 };
		int r = segment_open(journal, number, &segment);

		if (r == 0 && !segment.sorted)
			r = newest_in_unsorted(journal, number, newest);
		if (r == 0)
			r = newest_in_sorted(&segment, newest);
		segment_close(&segment);
		if (r < 0 && !is_skipped(r))
			return r;
		/* what is older than this segment has lower numbers */
		if (newest->order >= number * SEGMENT_LINES || number-- == 0)
			break;
	}
	if (newest->order == 0)
		return -ENOENT;
	*ret = newest->record;
	return 0;
}
