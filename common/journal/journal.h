/* SPDX-License-Identifier: MIT */
/*
 * The journal: segments journal/00000000.jsonl, .../00000001.jsonl, each with the lines whose
 * sequence number divided by SEGMENT_LINES is the file's number. A segment's first line is its
 * header {"format":1,"id":"<archive id>","segment":N}, so a segment of another archive is
 * recognised.
 *
 * The camera's journal is dense and in order. A puller's journal holds the lines of the same
 * archive in the order they arrived. A segment out of order has a file journal/NNNNNNNN.unsorted
 * beside it, with the offset up to which its lines are in order: that part is searched by halves
 * like the other segments, the rest is read, until journal_sort() puts its lines in their places.
 *
 * Readers may read while one writer appends: they see whole lines only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/fs.h"
#include "common/base/util.h"
#include "common/journal/record.h"

struct journal;

/*
 * Opens the folder `folder` below `rootfd` (made if `writable` and missing). A writable journal
 * cuts a torn last line off its last segment. `fs` may be NULL for the system's calls. The journal
 * keeps its own copy of what it needs of `rootfd`. -ENOENT no journal; -EBADMSG the last segment
 * belongs to another archive than `id`.
 */
int journal_open(int rootfd, const char *folder, const char *id, bool writable,
	const struct fs_ops *fs, struct journal **ret);
void journal_free(struct journal *journal);
DEFINE_CLEANUP(struct journal, journal_free)

/*
 * From now on each line that is appended gets `prev`, the SHA-256 of the line before it, whatever
 * `prev` it came with. The journal that the lines are made for is chained; a copy's keeps them as
 * they came.
 */
void journal_chain(struct journal *journal);
/* The lines of the last append to a chained journal, as they are in the file; NULL: none yet. */
const char *journal_appended(const struct journal *journal);

/* The journal's folder, where the archive keeps small files too; it stays the journal's. */
int journal_folder_fd(const struct journal *journal);

/* The highest sequence number of the last segment, 0 if there is none. Reads the file each time. */
int journal_last(struct journal *journal, uint64_t *ret_seq);
/* The lowest sequence number of the first segment, 0 if there is none. */
int journal_first(struct journal *journal, uint64_t *ret_seq);

/*
 * Appends one formatted line to the segment of `seq` and makes it durable (fdatasync) unless `sync`
 * is false. On failure the segment is cut back to what it was: -errno, and nothing was appended.
 */
int journal_append(
	struct journal *journal, uint64_t seq, const char *line, size_t bytes, bool sync);
int journal_append_record(struct journal *journal, const struct record *record, bool sync);

/*
 * The same for the lines of the numbers `first` to `last`, all of one segment: they are written at
 * once and made durable once, and all of them are appended or none.
 */
int journal_append_lines(
	struct journal *journal, uint64_t first, uint64_t last, const char *lines, size_t bytes);

/*
 * Sorts a segment with so many lines out of order that reading is slow, one a call. 1, 0 if there
 * is none. Other processes that have the journal open read the old file to its end; nobody else may
 * write meanwhile.
 */
int journal_sort(struct journal *journal);

/* Makes durable what was appended without `sync`. */
int journal_flush(struct journal *journal);

/*
 * The number for the line after `last`, the highest known one. Where the last segment was lost with
 * all its lines, none of their numbers is used again: it is the first of a new segment then, which
 * this makes.
 */
int journal_next(struct journal *journal, uint64_t last, uint64_t *ret_seq);

/*
 * The archive's id, from the headers of the segments in `folder`. -ENOENT there is no segment;
 * -EBADMSG no header is whole, or the ids differ.
 */
int journal_id(int rootfd, const char *folder, char ret[static UUID_CHARS + 1]);

/* Whether opening or appending found a torn line and cut it off. */
bool journal_was_cut(const struct journal *journal);

/* Whether there is a line of that number: 1, 0 or -errno. Quick for numbers near each other. */
int journal_holds(struct journal *journal, uint64_t seq);

/* The line of one sequence number, as it is in the file, without its newline. -ENOENT. */
int journal_read_line(struct journal *journal, uint64_t seq, char ret_line[static LINE_MAX_BYTES],
	size_t *ret_len);
/* The same as a record. -ENOENT. */
int journal_find(struct journal *journal, uint64_t seq, struct record *ret);

/*
 * The line of the frame that was taken last (record_order()), reading from the end: the one with
 * the highest sequence number, except for clock corrections of older frames. -ENOENT.
 */
int journal_newest_frame(struct journal *journal, struct record *ret);

/* Reads lines forward. One cursor at a time per struct; several per journal are fine. */
struct journal_cursor;

/* From the first line with a sequence number of `from` or more, without reading what is older. */
int journal_seek(struct journal *journal, uint64_t from, struct journal_cursor **ret);
/*
 * The next whole line, without its newline, valid until the next call: 1, or 0 at the end (call
 * again later for what was appended since), or -errno. Segment headers are not lines. Lines that
 * are torn, foreign or too long are passed over and counted.
 */
int journal_cursor_next(
	struct journal_cursor *cursor, const char **ret_line, size_t *ret_len, uint64_t *ret_seq);
/*
 * Resumes reading one segment at a saved offset, which journal_cursor_offset() gave when a cursor
 * like this came to its end; 0: from the start. -ENOENT; -ESTALE no line starts there (any more).
 */
int journal_read_on(
	struct journal *journal, uint64_t segment, int64_t offset, struct journal_cursor **ret);
int64_t journal_cursor_offset(const struct journal_cursor *cursor);

/*
 * The numbers of the segments that are there, in order. A peer chooses how many there are: who
 * walks them lists the folder once. Free with segments_clear().
 */
struct segments {
	uint64_t *list;
	size_t n;
};
int journal_segments(const struct journal *journal, struct segments *ret);
void segments_clear(struct segments *segments);
/* The place of the first one with that number or a higher one; `n`: there is none. */
size_t segments_at(const struct segments *segments, uint64_t number);
/*
 * The segments that are there now are those of all later looks: for whoever looks often and then
 * goes, and need not see one that begins meanwhile.
 */
int journal_freeze(struct journal *journal);
/*
 * Skips the rest of the segment's part in order: to the end of the segment, or to where it is out
 * of order.
 */
int journal_cursor_pass(struct journal_cursor *cursor);
/*
 * Shows the lines of the numbers `first` to `last` to `visit`, in the order of the file, and skips
 * the other ones as quickly as it can. `ret_next`: the next number from which on there may be
 * lines, 0: there are no more. A negative errno of `visit` ends it.
 */
typedef int journal_visitor(void *data, uint64_t seq, const char *line, size_t len);
int journal_visit(struct journal *journal, uint64_t first, uint64_t last, journal_visitor *visit,
	void *data, uint64_t *ret_next);
uint64_t journal_cursor_bad_lines(const struct journal_cursor *cursor);
void journal_cursor_free(struct journal_cursor *cursor);
DEFINE_CLEANUP(struct journal_cursor, journal_cursor_free)
