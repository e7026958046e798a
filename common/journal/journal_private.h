/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the journal share: journal_segment.c, journal_read.c above it, and above both
 * journal_newest.c, journal.c (opening, appending) and journal_rebuild.c.
 */
#pragma once

#include <errno.h>

#include "common/journal/journal.h"

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
	bool uncut; /* a failed line still follows `size` */
	bool unsynced; /* lines were appended without fdatasync */
	bool chained;
	enum { TAIL_UNKNOWN, TAIL_NONE, TAIL_KNOWN } tail; /* the SHA-256 of the last line */
	uint8_t tail_sha256[SHA256_BYTES];
	char *appended; /* see journal_appended() */
	struct segments frozen; /* see journal_freeze(); none: the folder is listed at each look */

	/*
	 * The sequence numbers of one segment that have a line: of journal_holds(), after some
	 * looks.
	 */
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

/* Whether readers pass over the segment by that error of opening it: no header, or a stranger's. */
static inline bool segment_is_skipped(int r)
{
	return r == -ENODATA || r == -EBADMSG || r == -ELOOP;
}

static inline void segment_close(struct segment *segment)
{
	fd_closep(&segment->fd);
	segment->fd = -1;
}

/*
 * Checks the header line and returns its length with the newline. A damaged one costs no line after
 * it: `ret_damaged` tells, and the length is that of what stands in its place, 0 if that is a line
 * already. Errors as segment_open().
 */
int segment_read_header(const struct journal *journal, uint64_t number, int fd, bool *ret_damaged);

/*
 * -ENOENT; -ENODATA it is empty or cut within its header; -EBADMSG it is another archive's, or no
 * file.
 */
int segment_open(const struct journal *journal, uint64_t number, struct segment *ret);

/* "00000012.jsonl"; and a segment's first line, its length returned. */
void segment_name(uint64_t number, const char *suffix, char ret[static SEGMENT_NAME_MAX]);
int segment_header(
	const struct journal *journal, uint64_t number, char ret[static SEGMENT_HEADER_MAX]);

/*
 * Writes a segment again in order, once through all its numbers, and replaces it by rename. The old
 * file keeps its name in `aside_fd`; with -1 it goes, or -EBADMSG if a line would be lost by that.
 * `line` gets each number with its line, NULL for none, and returns 0 to keep that, the length of
 * the line it wrote into `ret` with its newline, -ENODATA for no line, or another -errno to give
 * up. Close the journal afterwards before writing, because it may have the old file open.
 */
typedef int journal_line(void *data, uint64_t seq, const char *line, size_t len,
	char ret[static LINE_MAX_BYTES + 1]);
int segment_rebuild(
	struct journal *journal, uint64_t number, journal_line *line, void *data, int aside_fd);

/* The sequence number of a line that belongs in the segment and looks whole; 0 for any other. */
uint64_t segment_line_seq(uint64_t number, const char *line, size_t len);

/* A place among the lines in order, at or shortly before the first line of `from` or more. */
int segment_search(const struct segment *segment, uint64_t from, off_t *ret);

/* The last whole line's sequence number in the file's order, 0 for none. */
int segment_tail_seq(const struct segment *segment, uint64_t *ret_seq);

/* The lines of a segment that are out of order. */
int segment_seek_tail(struct journal *journal, uint64_t number, struct journal_cursor **ret);
/* Whether the file that a cursor reads has been replaced. */
bool journal_cursor_is_stale(const struct journal_cursor *cursor);

/* As journal_seek(), but not beyond the segment of `from`. */
int journal_seek_in_segment(struct journal *journal, uint64_t from, struct journal_cursor **ret);
