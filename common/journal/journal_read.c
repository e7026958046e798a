/* SPDX-License-Identifier: MIT */
/*
 * Reading the journal forward, from a place found by halves where the segment is in order, and
 * finding in it: first, last, one number. Only whole lines are seen; what a writer may
 * still be writing is left for the next look.
 */
#include "common/journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#define LOOKS_MAX 16 /* of journal_holds(), before it reads a segment as a whole */

struct journal_cursor {
	struct journal *journal;
	uint64_t from;
	bool single; /* stays in its segment */
	bool at_end; /* the last look came to the end of the file */
	bool overlong; /* inside a line that is too long */
	struct segments segments; /* as they were at the last look into the folder */
	struct segment segment; /* fd -1: none open yet, `number` is where to look */
	off_t offset; /* of the file, where `data` ends */
	size_t start, end; /* unread part of `data` */
	uint64_t bad_lines;
	char data[JOURNAL_BLOCK];
};

static int cursor_new(
	struct journal *journal, uint64_t from, bool single, struct journal_cursor **ret)
{
	struct journal_cursor *cursor = malloc(sizeof(*cursor));

	if (!cursor)
		return -ENOMEM;
	/* not the buffer */
	memset(cursor, 0, offsetof(struct journal_cursor, data));
	cursor->journal = journal;
	cursor->from = from;
	cursor->single = single;
	cursor->segment.fd = -1;
	cursor->segment.number = from / SEGMENT_LINES;
	*ret = cursor;
	return 0;
}

int journal_seek(struct journal *journal, uint64_t from, struct journal_cursor **ret)
{
	return cursor_new(journal, from, false, ret);
}

int journal_seek_in_segment(struct journal *journal, uint64_t from, struct journal_cursor **ret)
{
	return cursor_new(journal, from, true, ret);
}

/*
 * The first segment with that number or a higher one. 1, or 0: there is none. The folder is listed
 * only where neither the next number nor the last list has it.
 */
static int cursor_find_segment(struct journal_cursor *cursor, uint64_t *number)
{
	const struct segments *frozen = &cursor->journal->frozen;
	char name[SEGMENT_NAME_MAX];
	size_t i;
	int r;

	if (frozen->n > 0 && !cursor->single) {
		i = segments_at(frozen, *number);
		*number = i < frozen->n ? frozen->list[i] : *number;
		return i < frozen->n;
	}
	segment_name(*number, ".jsonl", name);
	if (cursor->single ||
		faccessat(cursor->journal->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	i = segments_at(&cursor->segments, *number);
	if (i == cursor->segments.n) {
		segments_clear(&cursor->segments);
		r = journal_segments(cursor->journal, &cursor->segments);
		if (r < 0)
			return r;
		i = segments_at(&cursor->segments, *number);
	}
	if (i == cursor->segments.n)
		return 0;
	*number = cursor->segments.list[i];
	return 1;
}

/* Opens the first usable segment at or after the one it stands for. 1, or 0: there is none. */
static int cursor_open(struct journal_cursor *cursor)
{
	uint64_t number = cursor->segment.number;
	int r;

	for (;; number++) {
		if (number > cursor->segment.number && cursor->single)
			return 0;
		r = cursor_find_segment(cursor, &number);
		if (r <= 0)
			return r;
		r = segment_open(cursor->journal, number, &cursor->segment);
		if (r == 0)
			break;
		if (r == -ENOENT)
			continue;
		if (!segment_is_skipped(r))
			return r;
		cursor->bad_lines++; /* another archive's segment, or nothing is left of it */
	}
	cursor->offset = cursor->segment.first;
	cursor->start = cursor->end = 0;
	cursor->overlong = cursor->at_end = false;
	if (number == cursor->from / SEGMENT_LINES && cursor->from % SEGMENT_LINES > 0) {
		r = segment_search(&cursor->segment, cursor->from, &cursor->offset);
		if (r < 0)
			segment_close(&cursor->segment);
	}
	return r < 0 ? r : 1;
}

/*
 * The writer takes a line back that it could not make durable, and writes another in its place. So
 * after an end, the place must still follow a newline; if not, it moves to that line's start.
 */
static int cursor_resume(struct journal_cursor *cursor)
{
	char before[LINE_MAX_BYTES];
	const char *newline;
	struct stat st;
	off_t start;
	ssize_t n;

	if (fstat(cursor->segment.fd, &st) < 0)
		return -errno;
	if (cursor->offset > st.st_size)
		cursor->offset = st.st_size;
	start = cursor->offset - (off_t)sizeof(before);
	if (start < 0)
		start = 0;
	n = fs_read_at(cursor->segment.fd, before, (size_t)(cursor->offset - start), start);
	if (n < 0)
		return (int)n;
	newline = memrchr(before, '\n', (size_t)n);
	cursor->offset = newline ? start + (newline + 1 - before) : start;
	if (cursor->offset < cursor->segment.first)
		cursor->offset = cursor->segment.first;
	return 0;
}

/* Reads more after what is there. 1, or 0: the segment has no other whole line yet. */
static int cursor_fill(struct journal_cursor *cursor)
{
	size_t left = cursor->end - cursor->start, room;
	ssize_t n;

	if (cursor->at_end && !cursor->overlong) {
		int r;

		/* What was a torn line then is read again from its start. */
		cursor->offset -= (off_t)left;
		left = 0;
		r = cursor_resume(cursor);
		if (r < 0)
			return r;
	}
	memmove(cursor->data, cursor->data + cursor->start, left);
	cursor->start = 0;
	cursor->end = left;
	room = sizeof(cursor->data) - left;
	n = fs_read_at(cursor->segment.fd, cursor->data + left, room, cursor->offset);
	if (n < 0)
		return (int)n;
	cursor->at_end = (size_t)n < room;
	cursor->offset += n;
	cursor->end += (size_t)n;
	if (n == 0 || !cursor->at_end || cursor->end >= LINE_MAX_BYTES)
		return n > 0;
	return memchr(cursor->data, '\n', cursor->end) != NULL;
}

/* At the end of a segment: goes on to the next one. 1 read on, 0 nothing more for now. */
static int cursor_advance(struct journal_cursor *cursor)
{
	uint64_t next = cursor->segment.number + 1;
	int r;

	if (cursor->single)
		return 0;
	r = cursor_find_segment(cursor, &next);
	if (r <= 0)
		return r;
	/* Lines may have come between our look at the file and the birth of the next one. */
	r = cursor_fill(cursor);
	if (r != 0)
		return r;
	segment_close(&cursor->segment);
	cursor->segment.number = next;
	return cursor_open(cursor);
}

/* Cuts the next line out of the buffer. 1, or 0: it holds no whole line. */
static int cursor_take_line(struct journal_cursor *cursor, const char **ret_line, size_t *ret_len)
{
	for (;;) {
		char *line = cursor->data + cursor->start;
		size_t left = cursor->end - cursor->start;
		char *newline = memchr(line, '\n', left);
		bool overlong = cursor->overlong;

		if (!newline) {
			if (left >= LINE_MAX_BYTES) {
				cursor->bad_lines += !overlong;
				cursor->overlong = true;
				cursor->start = cursor->end;
			}
			return 0;
		}
		cursor->start += (size_t)(newline + 1 - line);
		cursor->overlong = false;
		if (overlong)
			continue;
		*ret_line = line;
		*ret_len = (size_t)(newline - line);
		return 1;
	}
}

int journal_cursor_next(
	struct journal_cursor *cursor, const char **ret_line, size_t *ret_len, uint64_t *ret_seq)
{
	int r = 1;

	if (cursor->segment.fd < 0)
		r = cursor_open(cursor);
	while (r > 0) {
		const char *line;
		size_t len;

		if (cursor_take_line(cursor, &line, &len)) {
			uint64_t seq = segment_line_seq(cursor->segment.number, line, len);

			if (seq == 0)
				cursor->bad_lines++;
			if (seq == 0 || seq < cursor->from)
				continue;
			*ret_line = line;
			*ret_len = len;
			*ret_seq = seq;
			return 1;
		}
		r = cursor_fill(cursor);
		if (r == 0)
			r = cursor_advance(cursor);
	}
	return r;
}

int journal_read_on(
	struct journal *journal, uint64_t segment, int64_t offset, struct journal_cursor **ret)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	char before;
	int r = journal_seek_in_segment(journal, segment * SEGMENT_LINES, &cursor);

	if (r == 0)
		r = cursor_open(cursor);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (offset > 0) {
		if (offset < cursor->segment.first ||
			fs_read_at(cursor->segment.fd, &before, 1, offset - 1) != 1 ||
			before != '\n')
			return -ESTALE;
		cursor->offset = offset;
	}
	*ret = TAKE_PTR(cursor);
	return 0;
}

int64_t journal_cursor_offset(const struct journal_cursor *cursor)
{
	return cursor->offset - (int64_t)(cursor->end - cursor->start);
}

static void cursor_go_to(struct journal_cursor *cursor, off_t offset)
{
	if (journal_cursor_offset(cursor) >= offset)
		return;
	cursor->offset = offset;
	cursor->start = cursor->end = 0;
	cursor->overlong = cursor->at_end = false;
}

int journal_cursor_pass(struct journal_cursor *cursor)
{
	struct stat st;

	if (cursor->segment.fd < 0)
		return 0;
	if (!cursor->segment.sorted) {
		cursor_go_to(cursor, cursor->segment.ordered);
		return 0;
	}
	/* it may be growing: back from half a line the cursor finds its own way */
	if (fstat(cursor->segment.fd, &st) < 0)
		return -errno;
	if (journal_cursor_offset(cursor) < st.st_size) {
		cursor_go_to(cursor, st.st_size);
		cursor->at_end = true;
	}
	return 0;
}

int segment_seek_tail(struct journal *journal, uint64_t number, struct journal_cursor **ret)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	int r = journal_seek_in_segment(journal, number * SEGMENT_LINES, &cursor);

	if (r == 0)
		r = cursor_open(cursor);
	if (r < 0)
		return r;
	if (r > 0)
		cursor_go_to(cursor, cursor->segment.ordered);
	*ret = TAKE_PTR(cursor);
	return 0;
}

bool journal_cursor_is_stale(const struct journal_cursor *cursor)
{
	struct stat st;

	return cursor->segment.fd >= 0 && (fstat(cursor->segment.fd, &st) < 0 || st.st_nlink == 0);
}

uint64_t journal_cursor_bad_lines(const struct journal_cursor *cursor)
{
	return cursor->bad_lines;
}

void journal_cursor_free(struct journal_cursor *cursor)
{
	if (!cursor)
		return;
	segment_close(&cursor->segment);
	segments_clear(&cursor->segments);
	free(cursor);
}

/* ---- finding */

/* The lowest and the highest sequence number in a segment; 0 if it has none. */
static int segment_range(
	struct journal *journal, uint64_t number, uint64_t *ret_first, uint64_t *ret_last)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *start = NULL, *tail = NULL;
	CLEANUP(segment_close) struct segment segment = { .fd = -1 };
	uint64_t first = 0, last = 0, seq;
	const char *line;
	size_t len;
	int r = segment_open(journal, number, &segment);

	if (r == 0)
		r = segment_tail_seq(&segment, &last);
	if (r == 0)
		r = journal_seek_in_segment(journal, number * SEGMENT_LINES, &start);
	if (r == 0)
		r = journal_cursor_next(start, &line, &len, &first);
	if (r >= 0 && !segment.sorted)
		r = segment_seek_tail(journal, number, &tail);
	while (r >= 0 && tail && (r = journal_cursor_next(tail, &line, &len, &seq)) > 0) {
		first = first == 0 || seq < first ? seq : first;
		last = seq > last ? seq : last;
	}
	if (r < 0 && !segment_is_skipped(r))
		return r;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

int journal_last(struct journal *journal, uint64_t *ret_seq)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	uint64_t first, last = 0;
	int r = journal_segments(journal, &segments);

	for (size_t i = segments.n; r == 0 && last == 0 && i-- > 0;)
		r = segment_range(journal, segments.list[i], &first, &last);
	if (r == 0)
		*ret_seq = last;
	return r;
}

int journal_first(struct journal *journal, uint64_t *ret_seq)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	uint64_t first = 0, last;
	int r = journal_segments(journal, &segments);

	for (size_t i = 0; r == 0 && first == 0 && i < segments.n; i++)
		r = segment_range(journal, segments.list[i], &first, &last);
	if (r == 0)
		*ret_seq = first;
	return r;
}

/*
 * Looks for the line of `seq`, with `ret` for one that is valid; `ret_line` gets its bytes. 1, 0 or
 * -errno.
 */
static int journal_look_for(
	struct journal *journal, uint64_t seq, struct record *ret, char *ret_line, size_t *ret_len)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t found;
	size_t len;
	int r = journal_seek_in_segment(journal, seq, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &found)) > 0) {
		if (found == seq && (!ret || record_parse(line, len, ret) == 0)) {
			if (ret_line) {
				memcpy(ret_line, line, len);
				*ret_len = len;
			}
			return 1;
		}
		if (found > seq)
			r = journal_cursor_pass(cursor);
	}
	return r;
}

static int journal_get(
	struct journal *journal, uint64_t seq, struct record *ret, char *ret_line, size_t *ret_len)
{
	CLEANUP(segment_close) struct segment segment = { .fd = -1 };
	int r;

	if (seq == 0 || seq > SEQ_MAX)
		return -ENOENT;
	r = segment_open(journal, seq / SEGMENT_LINES, &segment);
	if (r < 0)
		return r == -ENODATA ? -ENOENT : r;
	r = journal_look_for(journal, seq, ret, ret_line, ret_len);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

int journal_find(struct journal *journal, uint64_t seq, struct record *ret)
{
	return journal_get(journal, seq, ret, NULL, NULL);
}

int journal_read_line(struct journal *journal, uint64_t seq, char ret_line[static LINE_MAX_BYTES],
	size_t *ret_len)
{
	return journal_get(journal, seq, NULL, ret_line, ret_len);
}

/* Makes `have` those of that segment, none yet, unless it is about it already. */
static int journal_note_segment(struct journal *journal, uint64_t number)
{
	struct journal_cursor *cursor;
	int r;

	if (journal->have_cursor && !journal_cursor_is_stale(journal->have_cursor) &&
		journal->have_segment == number)
		return 0;
	if (!journal->have)
		journal->have = malloc(SEGMENT_LINES / 8);
	if (!journal->have)
		return -ENOMEM;
	r = journal_seek_in_segment(journal, number * SEGMENT_LINES, &cursor);
	if (r < 0)
		return r;
	journal_cursor_free(journal->have_cursor);
	journal->have_cursor = cursor;
	journal->have_segment = number;
	memset(journal->have, 0, SEGMENT_LINES / 8);
	return 0;
}

int journal_holds(struct journal *journal, uint64_t seq)
{
	const char *line;
	uint64_t found;
	size_t len;
	int r;

	if (seq == 0 || seq > SEQ_MAX)
		return 0;
	if (journal->looks < LOOKS_MAX) {
		journal->looks++;
		return journal_look_for(journal, seq, NULL, NULL, NULL);
	}
	r = journal_note_segment(journal, seq / SEGMENT_LINES);
	/* only what was appended since the last call */
	while (r >= 0 && (r = journal_cursor_next(journal->have_cursor, &line, &len, &found)) > 0)
		journal->have[found % SEGMENT_LINES / 8] |= (uint8_t)(1 << found % 8);
	return r < 0 ? r : journal->have[seq % SEGMENT_LINES / 8] >> seq % 8 & 1;
}
