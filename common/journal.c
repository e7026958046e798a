/* SPDX-License-Identifier: MIT */
/*
 * The folder of segments, and appending to one of them. A segment appears whole, with its header,
 * by rename; after that it only grows by lines, and a line that could not be made durable is cut
 * off again.
 *
 * An out-of-order line, which only a puller appends, is announced first by a file NNNNNNNN.unsorted. A segment without one is in order, so readers may search it by halves.
 */
#include "common/journal_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#define SEGMENT_DIGITS 8
#define ORDERED_MAX 32 /* bytes of a .unsorted file */
#define SEGMENT_NONE UINT64_MAX

void segment_name(uint64_t number, const char *suffix, char ret[static SEGMENT_NAME_MAX])
{
	snprintf(ret, SEGMENT_NAME_MAX, "%08" PRIu64 "%s", number, suffix);
}

/* The number of a segment's file name, SEGMENT_NONE for other files. */
static uint64_t parse_segment_name(const char *name)
{
	uint64_t number = 0;

	for (int i = 0; i < SEGMENT_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return SEGMENT_NONE;
		number = number * 10 + (uint64_t)(name[i] - '0');
	}
	return strcmp(name + SEGMENT_DIGITS, ".jsonl") == 0 ? number : SEGMENT_NONE;
}

static int find_segment(
	const struct journal *journal, uint64_t lowest, uint64_t highest, bool up, uint64_t *ret)
{
	uint64_t best = SEGMENT_NONE;
	struct dirent *entry;
	DIR *dir;
	int fd = openat(journal->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		uint64_t n = parse_segment_name(entry->d_name);

		if (n == SEGMENT_NONE || n < lowest || n > highest)
			continue;
		if (best == SEGMENT_NONE || (up ? n < best : n > best))
			best = n;
	}
	closedir(dir);
	if (best == SEGMENT_NONE)
		return -ENOENT;
	*ret = best;
	return 0;
}

int segment_at_or_after(const struct journal *journal, uint64_t number, uint64_t *ret)
{
	char name[SEGMENT_NAME_MAX];

	/* The usual case without a look through the folder. */
	if (number <= SEQ_MAX / SEGMENT_LINES) {
		segment_name(number, ".jsonl", name);
		if (faccessat(journal->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			*ret = number;
			return 0;
		}
	}
	return find_segment(journal, number, SEGMENT_NONE - 1, true, ret);
}

int segment_at_or_before(const struct journal *journal, uint64_t number, uint64_t *ret)
{
	return find_segment(journal, 0, number, false, ret);
}

/* What a segment's first line says. */
struct header {
	int format;
	char id[UUID_CHARS + 1];
	uint64_t segment;
};

/* False: it is no segment's. A value of another kind than it should be is 0 or "". */
static bool parse_header(const char *line, struct header *ret)
{
	struct json_object *object = json_tokener_parse(line), *format, *id, *segment;
	bool ok = json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, "format", &format) &&
		json_object_object_get_ex(object, "id", &id) &&
		json_object_object_get_ex(object, "segment", &segment);

	*ret = (struct header){ .segment = SEGMENT_NONE };
	if (ok && json_object_is_type(format, json_type_int))
		ret->format = json_object_get_int(format);
	if (ok && json_object_is_type(id, json_type_string) &&
		json_object_get_string_len(id) == UUID_CHARS)
		memcpy(ret->id, json_object_get_string(id), sizeof(ret->id));
	if (ok && json_object_is_type(segment, json_type_int))
		ret->segment = json_object_get_uint64(segment);
	json_object_put(object);
	return ok;
}

/* 1 it is this segment's header, 0 no segment's, -EBADMSG that of another archive or segment. */
static int check_header(const struct journal *journal, uint64_t number, const char *line)
{
	struct header header;

	if (!parse_header(line, &header))
		return 0;
	return header.format == 1 && strcmp(header.id, journal->id) == 0 && header.segment == number
		? 1
		: -EBADMSG;
}

/*
 * Checks the header line and returns its length with the newline. A damaged one costs no line after it:
 * `ret_damaged` says so, and the length is that of what stands in its place, 0 if that is a line already.
 */
static int read_header(const struct journal *journal, uint64_t number, int fd, bool *ret_damaged)
{
	char line[SEGMENT_HEADER_MAX + 1], *end;
	struct stat st;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	n = fs_read_at(fd, line, SEGMENT_HEADER_MAX, 0);
	if (n < 0)
		return (int)n;
	end = memchr(line, '\n', (size_t)n);
	if (!end && n < SEGMENT_HEADER_MAX)
		return -ENODATA;
	*ret_damaged = true;
	if (!end || segment_line_seq(number, line, (size_t)(end - line)) > 0)
		return 0;
	*end = '\0';
	r = check_header(journal, number, line);
	if (r < 0)
		return r;
	*ret_damaged = r == 0;
	return (int)(end + 1 - line);
}

/* Up to where a segment is in order, from its .unsorted file; what that says must be a line's end. */
static off_t read_ordered(const struct journal *journal, const char *name, int fd, off_t first)
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
	header = read_header(journal, number, fd, &ret->damaged);
	if (header < 0)
		return header;
	segment_name(number, ".unsorted", name);
	ret->sorted = faccessat(journal->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	ret->ordered = ret->sorted ? st.st_size : read_ordered(journal, name, fd, header);
	ret->number = number;
	ret->first = header;
	ret->fd = TAKE_FD(fd);
	return 0;
}

/* Where the last whole line ends, 0 if there is none. */
static int find_end_of_lines(int fd, off_t size, off_t *ret_end)
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
static int cut_torn_line(struct journal *journal, int fd, off_t *ret_size)
{
	struct stat st;
	off_t end;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = find_end_of_lines(fd, st.st_size, &end);
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

int segment_header(
	const struct journal *journal, uint64_t number, char ret[static SEGMENT_HEADER_MAX])
{
	return snprintf(ret, SEGMENT_HEADER_MAX,
		"{\"format\":1,\"id\":\"%s\",\"segment\":%" PRIu64 "}\n", journal->id, number);
}

static int write_header(const struct journal *journal, uint64_t number)
{
	char name[SEGMENT_NAME_MAX], line[SEGMENT_HEADER_MAX];
	int n = segment_header(journal, number, line);

	segment_name(number, ".jsonl", name);
	return fs_replace(journal->fs, journal->dirfd, name, line, (size_t)n, 0644);
}

/* `ret_size`: up to the end of its last whole line. */
static int open_for_append(struct journal *journal, uint64_t number, off_t *ret_size)
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
		r = fd < 0 ? -ENODATA : read_header(journal, number, fd, &damaged);
		if (r >= 0)
			r = cut_torn_line(journal, fd, ret_size);
		if (r == 0 && *ret_size > 0)
			return TAKE_FD(fd);
		if (r < 0 && r != -ENODATA)
			return r;
		r = write_header(journal, number);
		if (r < 0)
			return r;
	}
	return -EBADMSG;
}

/* Takes back a line that could not be written whole. Where that fails too it is done again later. */
static int cut_back(struct journal *journal)
{
	journal->uncut = journal->fs->ftruncate(journal->fd, journal->size) < 0;
	if (journal->uncut)
		return -errno;
	journal->fs->fdatasync(journal->fd);
	return 0;
}

/* Lets go of the segment; what was appended without a sync is synced. */
static int finish_segment(struct journal *journal)
{
	int r = 0;

	if (journal->fd >= 0 && journal->uncut)
		r = cut_back(journal);
	if (r == 0 && journal->fd >= 0 && journal->unsynced &&
		journal->fs->fdatasync(journal->fd) < 0)
		r = -errno;
	if (r < 0)
		return r;
	closep(&journal->fd);
	journal->fd = -1;
	journal->unsynced = false;
	return 0;
}

/* Makes `number` the segment that lines are appended to. */
static int use_segment(struct journal *journal, uint64_t number)
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
	r = finish_segment(journal);
	if (r < 0)
		return r;
	fd = open_for_append(journal, number, &size);
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
	journal->fd = TAKE_FD(fd);
	return 0;
}

static int mark_unsorted(struct journal *journal)
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

static int append(struct journal *journal, uint64_t first, uint64_t last, const char *lines,
	size_t bytes, bool sync)
{
	int r;

	if (!journal->writable)
		return -EROFS;
	if (first == 0 || last > SEQ_MAX || first > last)
		return -EINVAL;
	r = use_segment(journal, first / SEGMENT_LINES);
	if (r == 0 && first <= journal->last && !journal->unsorted)
		r = mark_unsorted(journal);
	if (r < 0)
		return r;
	r = fs_write_all(journal->fs, journal->fd, lines, bytes);
	if (r == 0 && sync && journal->fs->fdatasync(journal->fd) < 0)
		r = -errno;
	if (r < 0) {
		cut_back(journal);
		return r;
	}
	journal->size += (off_t)bytes;
	journal->last = last;
	journal->unsynced = !sync;
	return 0;
}

int journal_append(struct journal *journal, uint64_t seq, const char *line, size_t bytes, bool sync)
{
	if (bytes < 2 || bytes > LINE_MAX_BYTES || memchr(line, '\n', bytes) != line + bytes - 1)
		return -EINVAL;
	return append(journal, seq, seq, line, bytes, sync);
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
	return append(journal, first, last, lines, bytes, true);
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

bool journal_was_cut(const struct journal *journal)
{
	return journal->was_cut;
}

/*
 * Looks at the last segment: a stranger's is refused, a torn line in our own is cut off. One of which nothing
 * is left gets a header again.
 */
static int check_last_segment(struct journal *journal)
{
	struct segment segment = { .fd = -1 };
	uint64_t number;
	int r;

	r = segment_at_or_before(journal, SEQ_MAX / SEGMENT_LINES, &number);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = segment_open(journal, number, &segment);
	segment_close(&segment);
	if (r < 0 && r != -ENODATA)
		return r;
	if (!journal->writable)
		return 0;
	journal->lost = r == -ENODATA || segment.damaged;
	r = use_segment(journal, number);
	journal->lost = journal->lost && journal->last == 0;
	return r;
}

int journal_next(struct journal *journal, uint64_t last, uint64_t *ret_seq)
{
	uint64_t number;
	int r;

	if (journal->lost) {
		r = use_segment(journal, journal->segment + 1);
		if (r < 0)
			return r;
		journal->lost = false;
	}
	r = segment_at_or_before(journal, SEQ_MAX / SEGMENT_LINES, &number);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_seq = r == 0 && number * SEGMENT_LINES > last ? number * SEGMENT_LINES : last + 1;
	return 0;
}

/* The id in a segment's header; 0: there is none that is whole. */
static int read_id(int dirfd, const char *name, char ret[static UUID_CHARS + 1])
{
	CLEANUP_FD int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	char line[SEGMENT_HEADER_MAX + 1] = "", *newline;
	struct header header;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fs_read_at(fd, line, SEGMENT_HEADER_MAX, 0);
	if (n < 0)
		return n == -EISDIR ? 0 : (int)n;
	newline = memchr(line, '\n', (size_t)n);
	if (!newline)
		return 0;
	*newline = '\0';
	if (!parse_header(line, &header) || !*header.id)
		return 0;
	memcpy(ret, header.id, sizeof(header.id));
	return 1;
}

int journal_id(int rootfd, const char *folder, char ret[static UUID_CHARS + 1])
{
	char id[UUID_CHARS + 1] = "", other[UUID_CHARS + 1];
	struct dirent *entry;
	DIR *dir;
	int fd, r = fs_open_folder(&fs_real, rootfd, folder, false, &fd);
	bool any = false;

	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r >= 0 && (entry = readdir(dir))) {
		if (parse_segment_name(entry->d_name) == SEGMENT_NONE)
			continue;
		any = true;
		r = read_id(dirfd(dir), entry->d_name, other);
		if (r > 0 && *id && strcmp(id, other) != 0)
			r = -EBADMSG;
		if (r > 0)
			memcpy(id, other, sizeof(id));
	}
	closedir(dir);
	if (r < 0 || !any)
		return r < 0 ? r : -ENOENT;
	if (!*id)
		return -EBADMSG;
	memcpy(ret, id, sizeof(id));
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
		r = check_last_segment(journal);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(journal);
	return 0;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	finish_segment(journal);
	closep(&journal->fd);
	journal_cursor_free(journal->held_cursor);
	free(journal->held);
	closep(&journal->dirfd);
	free(journal);
}
