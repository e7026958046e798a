/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the journal share: journal_segment.c, journal_read.c above it, and above both
 * journal.c (opening, appending) and journal_rebuild.c.
 */
#pragma once

#include "common/journal.h"

#define SEGMENT_NAME_MAX 32 /* "00000000.unsorted" and room */
#define SEGMENT_HEADER_MAX 256
#define ORDERED_MAX 32 /* bytes of a .unsorted file */
#define JOURNAL_BLOCK (64 * 1024) /* read at once; must exceed LINE_MAX_BYTES */

struct journal {
	const struct fs_ops *fs;
	int dirfd;
	bool writable;
	bool was_cut; /* a torn last line was cut off at opening */
	bool lost; /* the last segment was there at opening, and not one line of it was left */
	char id[UUID_CHARS + 1];

	/* The segment that is open for appending; fd -1: none. */
	int fd;
	uint64_t segment;
	off_t size; /* of its whole lines */
	uint64_t last; /* the last line's sequence number, 0 for none */
	bool unsorted;
	bool uncut; /* a failed line is still behind `size` */
	bool unsynced; /* lines were appended without fdatasync */

	/* Which sequence numbers of one segment have a line, for journal_holds(); after some quick looks. */
	unsigned looks;
	uint8_t *have;
	struct journal_cursor *have_cursor;
	uint64_t have_segment;
};

/* A segment open for reading. */
struct segment {
	int fd;
	uint64_t number;
	bool damaged; /* its header is not whole */
	off_t first; /* where its lines begin, after the header */
	bool sorted;
	off_t ordered; /* up to there its lines are in order; the end of it where `sorted` */
};

static inline void segment_close(struct segment *segment)
{
	closep(&segment->fd);
	segment->fd = -1;
}

/*
 * Checks the header line and returns its length with the newline. A damaged one costs no line after
 * it: `ret_damaged` tells, and the length is that of what stands in its place, 0 if that is a line
 * already. Errors as segment_open().
 */
int segment_read_header(const struct journal *journal, uint64_t number, int fd, bool *ret_damaged);

/*
 * -ENOENT; -ENODATA it is empty or cut within its header; -EBADMSG it is another archive's, or no file.
 */
int segment_open(const struct journal *journal, uint64_t number, struct segment *ret);

/* "00000012.jsonl"; and a segment's first line, its length returned. */
void segment_name(uint64_t number, const char *suffix, char ret[static SEGMENT_NAME_MAX]);
int segment_header(
	const struct journal *journal, uint64_t number, char ret[static SEGMENT_HEADER_MAX]);

/*
 * Writes a segment anew, in order, once through all its numbers, and replaces it by rename. The old file
 * stays as the same name in `aside_fd`, -1: it goes, or -EBADMSG where a line would be lost by that. `line` gets each number with the line that there is,
 * NULL for none, and returns 0: that stays as it is; or the length of the one it wrote into `ret`, with
 * its newline; -ENODATA: there shall be none; other -errno to give up. The journal must not be used for
 * writing afterwards, for it may have the old file open: close and open it.
 */
typedef int journal_line(void *data, uint64_t seq, const char *line, size_t len,
	char ret[static LINE_MAX_BYTES + 1]);
int segment_rebuild(
	struct journal *journal, uint64_t number, journal_line *line, void *data, int aside_fd);

/* The last segment with that number or a lower one. -ENOENT. */
int journal_segment_before(const struct journal *journal, uint64_t to, uint64_t *ret);

/* The sequence number of a line that belongs in the segment and looks whole; 0 for any other. */
uint64_t segment_line_seq(uint64_t number, const char *line, size_t len);

/* A place among the lines in order, at or before the first line of `from` or more, not far before it. */
int segment_search(const struct segment *segment, uint64_t from, off_t *ret);

/* The last whole line's sequence number in the file's order, 0 for none. */
int segment_tail_seq(const struct segment *segment, uint64_t *ret_seq);

/* The lines of a segment that are out of order. */
int segment_seek_tail(struct journal *journal, uint64_t number, struct journal_cursor **ret);
/* Whether the file that a cursor reads has been replaced. */
bool journal_cursor_is_stale(const struct journal_cursor *cursor);

/* As journal_seek(), but not beyond the segment of `from`. */
int journal_seek_in_segment(struct journal *journal, uint64_t from, struct journal_cursor **ret);
