/* SPDX-License-Identifier: MIT */
/*
 * Opening the journal, appending to it, showing a range of its numbers. A segment appears whole,
 * with its header, by rename; after that it only grows by lines, and a line that could not be made
 * durable is cut off again.
 *
 * Only a puller appends out of order. It announces that first by a file NNNNNNNN.unsorted, so
 * readers may search a segment without one by halves.
 */
#include "common/journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Where the last whole line ends, 0 if there is none. */
static int journal_find_end(int fd, off_t size, off_t *ret_end)
{
	CLEANUP_FREE char *block = malloc(JOURNAL_BLOCK);

	if (!block)
		return -ENOMEM;
	while (size > 0) {
		off_t start = size > JOURNAL_BLOCK ? size - JOURNAL_BLOCK : 0;
		ssize_t n = fs_read_at(fd, block, (size_t)(size - start), start);
		char *newline;

		if (n < 0)
			return (int)n;
		newline = memrchr(block, '\n', (size_t)n);
		if (newline) {
			*ret_end = start + (newline + 1 - block);
			return 0;
		}
		size = start;
	}
	*ret_end = 0;
	return 0;
}

/* Cuts a torn last line off the segment that was just opened for appending. */
static int journal_cut_torn_line(struct journal *journal, int fd, off_t *ret_size)
{
	struct stat st;
	off_t end;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = journal_find_end(fd, st.st_size, &end);
	if (r < 0)
		return r;
	if (end < st.st_size) {
		if (journal->fs->ftruncate(fd, end) < 0 || journal->fs->fdatasync(fd) < 0)
			return -errno;
		journal->was_cut = true;
	}
	*ret_size = end;
	return 0;
}

static int journal_write_header(const struct journal *journal, uint64_t number)
{
	char name[SEGMENT_NAME_MAX], line[SEGMENT_HEADER_MAX];
	int n = segment_header(journal, number, line);

	segment_name(number, ".jsonl", name);
	return fs_replace(journal->fs, journal->dirfd, name, line, (size_t)n, 0644);
}

/* `ret_size`: up to the end of its last whole line. */
static int journal_open_segment(struct journal *journal, uint64_t number, off_t *ret_size)
{
	char name[SEGMENT_NAME_MAX];
	bool damaged;
	int r = 0;

	segment_name(number, ".jsonl", name);
	for (int tries = 0; tries < 2; tries++) {
		CLEANUP_FD int fd = journal->fs->openat(journal->dirfd, name,
			O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);

		if (fd < 0 && errno != ENOENT)
			return -errno;
		r = fd < 0 ? -ENODATA : segment_read_header(journal, number, fd, &damaged);
		if (r >= 0)
			r = journal_cut_torn_line(journal, fd, ret_size);
		if (r == 0 && *ret_size > 0)
			return TAKE_FD(fd);
		if (r < 0 && r != -ENODATA)
			return r;
		r = journal_write_header(journal, number);
		if (r < 0)
			return r;
	}
	return -EBADMSG;
}

/*
 * Takes back a line that could not be written whole. Where that fails too it is done again later.
 */
static int journal_cut_back(struct journal *journal)
{
	journal->uncut = journal->fs->ftruncate(journal->fd, journal->size) < 0;
	if (journal->uncut)
		return -errno;
	journal->fs->fdatasync(journal->fd);
	return 0;
}

/* Lets go of the segment; what was appended without a sync is synced. */
static int journal_finish_segment(struct journal *journal)
{
	int r = 0;

	if (journal->fd >= 0 && journal->uncut)
		r = journal_cut_back(journal);
	if (r == 0 && journal->fd >= 0 && journal->unsynced &&
		journal->fs->fdatasync(journal->fd) < 0)
		r = -errno;
	if (r < 0)
		return r;
	fd_closep(&journal->fd);
	journal->fd = -1;
	journal->unsynced = false;
	return 0;
}

/* Makes `number` the segment that lines are appended to. */
static int journal_use_segment(struct journal *journal, uint64_t number)
{
	struct segment segment = { .fd = -1 };
	CLEANUP_FD int fd = -1;
	off_t size = 0;
	uint64_t last = 0;
	struct stat st;
	int r;

	/* The size differs where somebody else wrote. */
	if (!journal->uncut && journal->fd >= 0 && journal->segment == number &&
		fstat(journal->fd, &st) == 0 && st.st_nlink > 0 && st.st_size == journal->size)
		return 0;
	r = journal_finish_segment(journal);
	if (r < 0)
		return r;
	fd = journal_open_segment(journal, number, &size);
	if (fd < 0)
		return fd;
	r = segment_open(journal, number, &segment);
	if (r < 0)
		return r;
	r = segment_tail_seq(&segment, &last);
	segment_close(&segment);
	if (r < 0)
		return r;
	journal->segment = number;
	journal->size = size;
	journal->last = last;
	journal->unsorted = !segment.sorted;
	journal->tail = TAIL_UNKNOWN;
	journal->fd = TAKE_FD(fd);
	return 0;
}

/* ---- the chain */

#define PREV_HEAD ",\"prev\":\""
#define PREV_BYTES (sizeof(PREV_HEAD) - 1 + SHA256_HEX + 1) /* `,"prev":"HASH"` */

void journal_chain(struct journal *journal)
{
	journal->chained = true;
}

const char *journal_appended(const struct journal *journal)
{
	return journal->appended;
}

/* Finds the line that the next one follows; the segment may have none yet. */
static int journal_find_tail(struct journal *journal)
{
	char line[LINE_MAX_BYTES];
	uint64_t seq = journal->last;
	size_t len;
	int r = 0;

	if (journal->tail != TAIL_UNKNOWN)
		return 0;
	if (seq == 0)
		r = journal_last(journal, &seq);
	if (r == 0 && seq > 0)
		r = journal_read_line(journal, seq, line, &len);
	if (r == 0 && seq > 0)
		r = digest_buffer(line, len, journal->tail_sha256);
	if (r == 0)
		journal->tail = seq > 0 ? TAIL_KNOWN : TAIL_NONE;
	return r;
}

/* The length of a line, without its newline, up to where `prev` or its last brace is. */
static size_t chain_body(const char *line, size_t len)
{
	const size_t end = PREV_BYTES + 1;

	return len > end && memcmp(line + len - end, PREV_HEAD, sizeof(PREV_HEAD) - 1) == 0
		? len - end
		: len - 1;
}

/*
 * Copies lines, each with the hash of the one before it, which `sha256` is of the first one; it
 * becomes that of the last one. The copy's length, or -errno.
 */
static ssize_t chain_lines(
	const char *lines, size_t bytes, bool first, uint8_t sha256[static SHA256_BYTES], char *ret)
{
	const char *end = lines + bytes;
	size_t used = 0;

	while (lines < end) {
		const char *newline = memchr(lines, '\n', (size_t)(end - lines));
		const size_t body = chain_body(lines, (size_t)(newline - lines));
		char hex[SHA256_HEX + 1], *line = ret + used;
		size_t len = body;
		int r;

		if (body + PREV_BYTES + 2 > LINE_MAX_BYTES)
			return -E2BIG;
		memcpy(line, lines, body);
		digest_hex(sha256, hex);
		if (!first)
			len += (size_t)snprintf(line + len, PREV_BYTES + 1, PREV_HEAD "%s\"", hex);
		line[len] = '}';
		line[len + 1] = '\n';
		r = digest_buffer(line, len + 1, sha256);
		if (r < 0)
			return r;
		used += len + 2;
		lines = newline + 1;
		first = false;
	}
	return (ssize_t)used;
}

static int journal_mark_unsorted(struct journal *journal)
{
	char name[SEGMENT_NAME_MAX], text[ORDERED_MAX];
	int r = journal_flush(journal), n; /* what is told of must not go with a power cut */

	if (r < 0)
		return r;
	segment_name(journal->segment, ".unsorted", name);
	n = snprintf(text, sizeof(text), "%lld\n", (long long)journal->size);
	r = fs_replace(journal->fs, journal->dirfd, name, text, (size_t)n, 0644);
	if (r < 0)
		return r;
	journal->unsorted = true;
	return 0;
}

/* Appends lines of which `last` is the last number, to the segment in use. */
static int journal_append_bytes(
	struct journal *journal, uint64_t last, const char *lines, size_t bytes, bool sync)
{
	int r = fs_write_all(journal->fs, journal->fd, lines, bytes);

	if (r == 0 && sync && journal->fs->fdatasync(journal->fd) < 0)
		r = -errno;
	if (r < 0) {
		journal_cut_back(journal);
		return r;
	}
	journal->size += (off_t)bytes;
	journal->last = last;
	journal->unsynced = !sync;
	return 0;
}

static int journal_append_chained(
	struct journal *journal, uint64_t last, const char *lines, size_t bytes, bool sync)
{
	CLEANUP_FREE char *chained = NULL;
	uint8_t sha256[SHA256_BYTES];
	size_t n = 0;
	ssize_t length;
	int r = journal_find_tail(journal);

	if (r < 0)
		return r;
	for (size_t i = 0; i < bytes; i++)
		n += lines[i] == '\n';
	chained = calloc(1, bytes + n * PREV_BYTES + 1);
	if (!chained)
		return -ENOMEM;
	memcpy(sha256, journal->tail_sha256, sizeof(sha256));
	length = chain_lines(lines, bytes, journal->tail == TAIL_NONE, sha256, chained);
	r = length < 0 ? (int)length
		       : journal_append_bytes(journal, last, chained, (size_t)length, sync);
	if (r == 0) {
		memcpy(journal->tail_sha256, sha256, sizeof(sha256));
		journal->tail = TAIL_KNOWN;
		free(journal->appended);
		journal->appended = TAKE_PTR(chained);
	}
	return r;
}

static int journal_append_checked(struct journal *journal, uint64_t first, uint64_t last,
	const char *lines, size_t bytes, bool sync)
{
	int r;

	if (!journal->writable)
		return -EROFS;
	if (first == 0 || last > SEQ_MAX || first > last)
		return -EINVAL;
	r = journal_use_segment(journal, first / SEGMENT_LINES);
	if (r == 0 && first <= journal->last && !journal->unsorted)
		r = journal_mark_unsorted(journal);
	if (r < 0)
		return r;
	return journal->chained ? journal_append_chained(journal, last, lines, bytes, sync)
				: journal_append_bytes(journal, last, lines, bytes, sync);
}

int journal_append(struct journal *journal, uint64_t seq, const char *line, size_t bytes, bool sync)
{
	if (bytes < 2 || bytes > LINE_MAX_BYTES || memchr(line, '\n', bytes) != line + bytes - 1)
		return -EINVAL;
	return journal_append_checked(journal, seq, seq, line, bytes, sync);
}

int journal_append_record(struct journal *journal, const struct record *record, bool sync)
{
	char line[LINE_MAX_BYTES + 1];
	int length = record_format(record, line);

	return length < 0 ? length
			  : journal_append(journal, record->seq, line, (size_t)length, sync);
}

int journal_append_lines(
	struct journal *journal, uint64_t first, uint64_t last, const char *lines, size_t bytes)
{
	if (bytes < 2 || lines[bytes - 1] != '\n' || first / SEGMENT_LINES != last / SEGMENT_LINES)
		return -EINVAL;
	return journal_append_checked(journal, first, last, lines, bytes, true);
}

int journal_flush(struct journal *journal)
{
	if (journal->fd < 0 || !journal->unsynced)
		return 0;
	if (journal->fs->fdatasync(journal->fd) < 0)
		return -errno;
	journal->unsynced = false;
	return 0;
}

int journal_folder_fd(const struct journal *journal)
{
	return journal->dirfd;
}

bool journal_was_cut(const struct journal *journal)
{
	return journal->was_cut;
}

/*
 * Looks at the last segment: a stranger's is refused, a torn line in our own is cut off. One of
 * which nothing is left gets a header again.
 */
static int journal_check_last(struct journal *journal)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	struct segment segment = { .fd = -1 };
	uint64_t number;
	int r = journal_segments(journal, &segments);

	if (r < 0 || segments.n == 0)
		return r;
	number = segments.list[segments.n - 1];
	r = segment_open(journal, number, &segment);
	segment_close(&segment);
	if (r < 0 && r != -ENODATA)
		return r;
	if (!journal->writable)
		return 0;
	journal->lost = r == -ENODATA || segment.damaged;
	r = journal_use_segment(journal, number);
	journal->lost = journal->lost && journal->last == 0;
	return r;
}

int journal_next(struct journal *journal, uint64_t last, uint64_t *ret_seq)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	uint64_t first = 0;
	int r;

	if (journal->lost) {
		r = journal_use_segment(journal, journal->segment + 1);
		if (r < 0)
			return r;
		journal->lost = false;
	}
	r = journal_segments(journal, &segments);
	if (r < 0)
		return r;
	if (segments.n > 0)
		first = segments.list[segments.n - 1] * SEGMENT_LINES;
	*ret_seq = first > last ? first : last + 1;
	return 0;
}

int journal_open(int rootfd, const char *folder, const char *id, bool writable,
	const struct fs_ops *fs, struct journal **ret)
{
	CLEANUP(journal_freep) struct journal *journal = calloc(1, sizeof(*journal));
	int r;

	if (!journal)
		return -ENOMEM;
	journal->fs = fs ? fs : &fs_real;
	journal->dirfd = journal->fd = -1;
	journal->writable = writable;
	if (strlen(id) != UUID_CHARS)
		return -EINVAL;
	memcpy(journal->id, id, sizeof(journal->id));
	r = fs_open_folder(journal->fs, rootfd, folder, writable, &journal->dirfd);
	if (r == 0)
		r = journal_check_last(journal);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(journal);
	return 0;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	journal_finish_segment(journal);
	fd_closep(&journal->fd);
	journal_cursor_free(journal->have_cursor);
	free(journal->have);
	free(journal->appended);
	segments_clear(&journal->frozen);
	fd_closep(&journal->dirfd);
	free(journal);
}

int journal_visit(struct journal *journal, uint64_t first, uint64_t last, journal_visitor *visit,
	void *data, uint64_t *ret_next)
{
	const uint64_t end = last - last % SEGMENT_LINES + SEGMENT_LINES;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	uint64_t seq = 0, next = 0;
	const char *line;
	size_t len;
	int r = journal_seek(journal, first, &cursor);

	while (r >= 0 && seq < end && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (seq >= first && seq <= last)
			r = visit(data, seq, line, len);
		else if (seq > last && (next == 0 || seq < next))
			next = seq;
		if (r >= 0 && seq > last && seq < end)
			r = journal_cursor_pass(cursor);
	}
	if (r < 0)
		return r;
	/* the first line of the next segment need not be its lowest */
	*ret_next = next < end ? next : next - next % SEGMENT_LINES;
	return 0;
}
