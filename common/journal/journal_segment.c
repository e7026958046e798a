/* SPDX-License-Identifier: MIT */
/*
 * Segments: their names, their headers, and the way to a place in one. A segment is searched by
 * halves as far as its lines are in order.
 */
#include "common/journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/jsonline.h"

#define SEGMENT_DIGITS 8
#define SEGMENT_NONE UINT64_MAX
/* Below this many bytes reading on is as quick as halving. */
#define SEARCH_SPAN (16 * 1024)

void segment_name(uint64_t number, const char *suffix, char ret[static SEGMENT_NAME_MAX])
{
	snprintf(ret, SEGMENT_NAME_MAX, "%08" PRIu64 "%s", number, suffix);
}

/* The number of a segment's file name, SEGMENT_NONE for other files. */
static uint64_t segment_parse_name(const char *name)
{
	uint64_t number = 0;

	for (int i = 0; i < SEGMENT_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return SEGMENT_NONE;
		number = number * 10 + (uint64_t)(name[i] - '0');
	}
	return strcmp(name + SEGMENT_DIGITS, ".jsonl") == 0 ? number : SEGMENT_NONE;
}

void segments_clear(struct segments *segments)
{
	free(segments->list);
	*segments = (struct segments){ 0 };
}

static int segments_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int segments_copy(const struct segments *segments, struct segments *ret)
{
	uint64_t *list = reallocarray(NULL, segments->n, sizeof(*list));

	if (!list)
		return -ENOMEM;
	memcpy(list, segments->list, segments->n * sizeof(*list));
	*ret = (struct segments){ .list = list, .n = segments->n };
	return 0;
}

int journal_freeze(struct journal *journal)
{
	segments_clear(&journal->frozen);
	return journal_segments(journal, &journal->frozen);
}

int journal_segments(const struct journal *journal, struct segments *ret)
{
	CLEANUP(segments_clear) struct segments found = { 0 };
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	size_t room = 0;
	int r;

	if (journal->frozen.n > 0)
		return segments_copy(&journal->frozen, ret);
	r = fs_list_folder(journal->dirfd, ".", &dir);
	while (r == 0 && (entry = readdir(dir))) {
		uint64_t number = segment_parse_name(entry->d_name);

		if (number == SEGMENT_NONE)
			continue;
		if (!list_make_room(&found.list, found.n, &room, sizeof(*found.list)))
			return -ENOMEM;
		found.list[found.n++] = number;
	}
	if (r < 0)
		return r;
	if (found.n > 0)
		qsort(found.list, found.n, sizeof(*found.list), segments_compare);
	*ret = found;
	found = (struct segments){ 0 };
	return 0;
}

size_t segments_at(const struct segments *segments, uint64_t number)
{
	size_t low = 0, high = segments->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (segments->list[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- headers */

int segment_header(
	const struct journal *journal, uint64_t number, char ret[static SEGMENT_HEADER_MAX])
{
	return snprintf(ret, SEGMENT_HEADER_MAX,
		"{\"format\":1,\"id\":\"%s\",\"segment\":%" PRIu64 "}\n", journal->id, number);
}

/* What a segment's first line says; -1 or "" where it makes no sense. */
struct segment_head {
	int64_t format, number;
	char id[UUID_CHARS + 1];
};

/* 0, or -EINVAL: it is no segment's. */
static int segment_parse_head(const char *line, size_t len, struct segment_head *ret)
{
	static const struct jsonline_field fields[] = {
		{ "format", JSONLINE_INT, JSONLINE_FIELD(struct segment_head, format),
			JSONLINE_MUST | JSONLINE_LENIENT, 0, INT64_MAX },
		{ "id", JSONLINE_UUID, JSONLINE_FIELD(struct segment_head, id),
			JSONLINE_MUST | JSONLINE_LENIENT },
		{ "segment", JSONLINE_INT, JSONLINE_FIELD(struct segment_head, number),
			JSONLINE_MUST | JSONLINE_LENIENT, 0, INT64_MAX },
	};

	*ret = (struct segment_head){ .format = -1, .number = -1 };
	return jsonline_parse_fields(line, len, fields, ARRAY_SIZE(fields), ret) < 0 ? -EINVAL : 0;
}

/*
 * Reads the first line, `ret_len` its length without the newline. -ENODATA there is no whole one;
 * -EBADMSG it is no file; -EMSGSIZE the line is longer than a header.
 */
static int segment_read_first(int fd, char ret_line[static SEGMENT_HEADER_MAX], size_t *ret_len)
{
	const char *end;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	n = fs_read_at(fd, ret_line, SEGMENT_HEADER_MAX, 0);
	if (n < 0)
		return (int)n;
	end = memchr(ret_line, '\n', (size_t)n);
	if (!end)
		return n < SEGMENT_HEADER_MAX ? -ENODATA : -EMSGSIZE;
	*ret_len = (size_t)(end - ret_line);
	return 0;
}

int segment_read_header(const struct journal *journal, uint64_t number, int fd, bool *ret_damaged)
{
	char line[SEGMENT_HEADER_MAX];
	struct segment_head head;
	size_t len;
	int r = segment_read_first(fd, line, &len);

	if (r < 0 && r != -EMSGSIZE)
		return r;
	*ret_damaged = true;
	if (r < 0 || segment_line_seq(number, line, len) > 0)
		return 0;
	if (segment_parse_head(line, len, &head) == 0) {
		if (head.format != 1 || strcmp(head.id, journal->id) != 0 ||
			(uint64_t)head.number != number)
			return -EBADMSG;
		*ret_damaged = false;
	}
	return (int)len + 1;
}

/* The id in a segment's header; -ENODATA where there is none that is whole. */
static int segment_read_id(
	const struct journal *journal, uint64_t number, char ret[static UUID_CHARS + 1])
{
	char name[SEGMENT_NAME_MAX], line[SEGMENT_HEADER_MAX];
	struct segment_head head;
	CLEANUP_FD int fd = -1;
	size_t len;
	int r;

	segment_name(number, ".jsonl", name);
	fd = openat(journal->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = segment_read_first(fd, line, &len);
	if (r == -EBADMSG || r == -EMSGSIZE)
		return -ENODATA;
	if (r < 0)
		return r;
	if (segment_parse_head(line, len, &head) < 0 || !*head.id)
		return -ENODATA;
	memcpy(ret, head.id, sizeof(head.id));
	return 0;
}

int journal_id(int rootfd, const char *folder, char ret[static UUID_CHARS + 1])
{
	CLEANUP_FD int fd = -1;
	CLEANUP(segments_clear) struct segments segments = { 0 };
	char id[UUID_CHARS + 1] = "", other[UUID_CHARS + 1];
	struct journal journal = { 0 };
	int r = fs_open_folder(&fs_real, rootfd, folder, false, &fd);

	journal.dirfd = fd;
	if (r == 0)
		r = journal_segments(&journal, &segments);
	if (r < 0)
		return r;
	for (size_t i = 0; i < segments.n; i++) {
		r = segment_read_id(&journal, segments.list[i], other);
		if (r == 0 && *id && strcmp(id, other) != 0)
			return -EBADMSG;
		if (r < 0 && r != -ENODATA)
			return r;
		if (r == 0)
			memcpy(id, other, sizeof(id));
	}
	if (segments.n == 0)
		return -ENOENT;
	if (!*id)
		return -EBADMSG;
	memcpy(ret, id, sizeof(id));
	return 0;
}

/* ---- opening, and finding a place */

/*
 * Up to where a segment is in order, from its .unsorted file; what that says must be a line's end.
 */
static off_t segment_read_ordered(
	const struct journal *journal, const char *name, int fd, off_t first)
{
	CLEANUP_FREE char *text = NULL;
	long long ordered;
	char before;

	if (fs_read_file(journal->dirfd, name, ORDERED_MAX, &text, NULL) < 0)
		return first;
	ordered = strtoll(text, NULL, 10);
	if (ordered <= first || fs_read_at(fd, &before, 1, (off_t)ordered - 1) != 1 ||
		before != '\n')
		return first;
	return (off_t)ordered;
}

int segment_open(const struct journal *journal, uint64_t number, struct segment *ret)
{
	struct stat st;
	CLEANUP_FD int fd = -1;
	char name[SEGMENT_NAME_MAX];
	int header;

	segment_name(number, ".jsonl", name);
	fd = openat(journal->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	header = segment_read_header(journal, number, fd, &ret->damaged);
	if (header < 0)
		return header;
	segment_name(number, ".unsorted", name);
	ret->sorted = faccessat(journal->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	ret->ordered = ret->sorted ? st.st_size : segment_read_ordered(journal, name, fd, header);
	ret->number = number;
	ret->first = header;
	ret->fd = TAKE_FD(fd);
	return 0;
}

uint64_t segment_line_seq(uint64_t number, const char *line, size_t len)
{
	uint64_t seq;

	/* A hole that a power cut left reads as NULs. */
	if (len < 2 || len >= LINE_MAX_BYTES || line[len - 1] != '}' || memchr(line, '\0', len))
		return 0;
	seq = record_peek_seq(line, len);
	return seq / SEGMENT_LINES == number ? seq : 0;
}

/* The first line that begins after a newline in the block; 0: it has no good one. */
static uint64_t segment_first_seq(
	const struct segment *segment, const char *block, size_t n, size_t *ret_at)
{
	const char *end = block + n, *newline = memchr(block, '\n', n);

	while (newline) {
		const char *line = newline + 1;
		uint64_t seq;

		newline = memchr(line, '\n', (size_t)(end - line));
		seq = newline ? segment_line_seq(segment->number, line, (size_t)(newline - line))
			      : 0;
		if (seq) {
			*ret_at = (size_t)(line - block);
			return seq;
		}
	}
	return 0;
}

/* Where its lines in order end. */
static int segment_end(const struct segment *segment, off_t *ret)
{
	struct stat st;

	if (fstat(segment->fd, &st) < 0)
		return -errno;
	*ret = segment->sorted || segment->ordered > st.st_size ? st.st_size : segment->ordered;
	return 0;
}

int segment_search(const struct segment *segment, uint64_t from, off_t *ret)
{
	char block[2 * LINE_MAX_BYTES];
	off_t low = segment->first, high = low;
	int r = segment_end(segment, &high);

	while (r == 0 && high - low > SEARCH_SPAN) {
		off_t middle = low + (high - low) / 2;
		ssize_t n = fs_read_at(segment->fd, block, sizeof(block), middle);
		size_t at = 0;
		uint64_t seq;

		if (n < 0)
			return (int)n;
		seq = segment_first_seq(segment, block, (size_t)n, &at);
		if (seq && seq < from)
			low = middle + (off_t)at;
		else
			high = middle;
	}
	if (r == 0)
		*ret = low;
	return r;
}

/* The sequence number of the last good line that begins in the block; 0: there is none. */
static uint64_t segment_last_seq(
	const struct segment *segment, const char *block, size_t n, bool from_start)
{
	const char *newline = memrchr(block, '\n', n);
	uint64_t seq = 0;

	while (newline && !seq) {
		const char *end = newline;

		newline = memrchr(block, '\n', (size_t)(end - block));
		if (newline)
			seq = segment_line_seq(
				segment->number, newline + 1, (size_t)(end - newline - 1));
		else if (from_start)
			seq = segment_line_seq(segment->number, block, (size_t)(end - block));
	}
	return seq;
}

int segment_tail_seq(const struct segment *segment, uint64_t *ret_seq)
{
	CLEANUP_FREE char *block = malloc(JOURNAL_BLOCK);
	uint64_t seq = 0;
	off_t start, end = 0;
	int r = block ? segment_end(segment, &end) : -ENOMEM;

	/* the next block reaches into this one by a line, which may begin before it */
	for (; r == 0 && !seq && end > segment->first; end = start + LINE_MAX_BYTES) {
		ssize_t n;

		start = end - segment->first > JOURNAL_BLOCK ? end - JOURNAL_BLOCK : segment->first;
		n = fs_read_at(segment->fd, block, (size_t)(end - start), start);
		if (n < 0)
			return (int)n;
		seq = segment_last_seq(segment, block, (size_t)n, start == segment->first);
		if (start == segment->first)
			break;
	}
	if (r == 0)
		*ret_seq = seq;
	return r;
}
