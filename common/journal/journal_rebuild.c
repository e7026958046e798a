/* SPDX-License-Identifier: MIT */
/* Writes a journal segment again: its whole lines in order, each number once. */
#include "common/journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Some 1,000 lines: reading them takes less time than opening the archive. */
#define SORT_BYTES (400 * 1024)

/* Where each number's line begins in the old file, counted from 1; 0: there is none. */
struct lines {
	int fd;
	uint32_t at[SEGMENT_LINES];
	bool frame[SEGMENT_LINES];
	uint64_t doubles, bad; /* lines that are left out */
};

struct output {
	const struct fs_ops *fs;
	int fd;
	size_t n;
	char data[JOURNAL_BLOCK];
};

static void lines_free(struct lines *lines)
{
	if (lines && lines->fd >= 0)
		close(lines->fd);
	free(lines);
}
DEFINE_CLEANUP(struct lines, lines_free)

/* Of two lines with one number a frame's stays: its file may be there. */
static int find_lines(struct journal *journal, uint64_t number, struct lines *lines)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct segment segment = { .fd = -1 };
	const char *line;
	uint64_t seq;
	size_t len;
	int r = segment_open(journal, number, &segment);

	if (r == -ENOENT || r == -ENODATA || r == -EBADMSG || r == -ELOOP)
		return 0; /* no lines of ours */
	if (r < 0)
		return r;
	lines->fd = TAKE_FD(segment.fd);
	r = journal_seek_in_segment(journal, number * SEGMENT_LINES, &cursor);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		bool frame = memmem(line, len, "\"file\":", 7) != NULL;
		int64_t at = journal_cursor_offset(cursor) - (int64_t)len;

		if (at > UINT32_MAX)
			return -EFBIG;
		lines->doubles += lines->at[seq % SEGMENT_LINES] > 0;
		if (lines->at[seq % SEGMENT_LINES] && (!frame || lines->frame[seq % SEGMENT_LINES]))
			continue;
		lines->at[seq % SEGMENT_LINES] = (uint32_t)at;
		lines->frame[seq % SEGMENT_LINES] = frame;
	}
	lines->bad = cursor ? journal_cursor_bad_lines(cursor) : 0;
	return r;
}

static int output_flush(struct output *out)
{
	int r = fs_write_all(out->fs, out->fd, out->data, out->n);

	out->n = 0;
	return r;
}

static int output_add(struct output *out, const char *line, size_t bytes)
{
	int r = out->n + bytes > sizeof(out->data) ? output_flush(out) : 0;

	if (r < 0)
		return r;
	memcpy(out->data + out->n, line, bytes);
	out->n += bytes;
	return 0;
}

static int output_number(
	struct output *out, const struct lines *lines, uint64_t seq, journal_line *line, void *data)
{
	char have[LINE_MAX_BYTES], other[LINE_MAX_BYTES + 1];
	uint32_t at = lines->at[seq % SEGMENT_LINES];
	ssize_t n = at ? fs_read_at(lines->fd, have, sizeof(have), (off_t)at - 1) : 0;
	const char *newline;
	size_t len = 0;
	int r;

	if (n < 0)
		return (int)n;
	newline = memchr(have, '\n', (size_t)n);
	if (newline)
		len = (size_t)(newline - have);
	r = line(data, seq, len ? have : NULL, len, other);
	if (r == -ENODATA)
		return 0;
	if (r < 0)
		return r;
	if (r > 0)
		return output_add(out, other, (size_t)r);
	return len ? output_add(out, have, len + 1) : 0;
}

static int output_segment(struct journal *journal, uint64_t number, const struct lines *lines,
	struct output *out, journal_line *line, void *data)
{
	char header[SEGMENT_HEADER_MAX];
	int r = output_add(out, header, (size_t)segment_header(journal, number, header));

	for (uint64_t i = number ? 0 : 1; r == 0 && i < SEGMENT_LINES; i++)
		r = output_number(out, lines, number * SEGMENT_LINES + i, line, data);
	return r < 0 ? r : output_flush(out);
}

/* The old one under a second name, or as a copy where the file system has no second names. */
static int segment_keep(struct journal *journal, const char *name, int aside_fd)
{
	CLEANUP_FD int fd = -1;

	if (linkat(journal->dirfd, name, aside_fd, name, 0) == 0 || errno == ENOENT ||
		errno == EEXIST)
		return fs_sync_folder(journal->fs, aside_fd);
	if (!fs_is_unsupported(-errno) && errno != EMLINK)
		return -errno;
	fd = openat(journal->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fs_replace_copy(journal->fs, fd, aside_fd, name, 0644);
}

/* The old one is kept first, so at no moment is it gone. */
static int segment_replace(struct journal *journal, uint64_t number, const char *temp, int aside_fd)
{
	const struct fs_ops *fs = journal->fs;
	char name[SEGMENT_NAME_MAX];
	int r;

	segment_name(number, ".jsonl", name);
	r = aside_fd >= 0 ? segment_keep(journal, name, aside_fd) : 0;
	if (r == 0 && fs->renameat2(journal->dirfd, temp, journal->dirfd, name, 0) < 0)
		r = -errno;
	if (r < 0)
		return r;
	segment_name(number, ".unsorted", name);
	if (fs->unlinkat(journal->dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return fs_sync_folder(fs, journal->dirfd);
}

int segment_rebuild(
	struct journal *journal, uint64_t number, journal_line *line, void *data, int aside_fd)
{
	CLEANUP(lines_freep) struct lines *lines = calloc(1, sizeof(*lines));
	CLEANUP_FREE struct output *out = malloc(sizeof(*out));
	char temp[SEGMENT_NAME_MAX];
	int r;

	if (!lines || !out)
		return -ENOMEM;
	lines->fd = -1;
	r = find_lines(journal, number, lines);
	if (r == 0 && aside_fd < 0 && lines->doubles + lines->bad > 0)
		r = -EBADMSG;
	if (r < 0)
		return r;
	snprintf(temp, sizeof(temp), ".%08llu.jsonl.part", (unsigned long long)number);
	out->fs = journal->fs;
	out->n = 0;
	out->fd = fs_open_new(journal->fs, journal->dirfd, temp, 0644);
	if (out->fd < 0)
		return out->fd;
	r = output_segment(journal, number, lines, out, line, data);
	if (r < 0)
		journal->fs->close(out->fd);
	else
		r = fs_finish(journal->fs, out->fd);
	if (r == 0)
		r = segment_replace(journal, number, temp, aside_fd);
	if (r < 0)
		journal->fs->unlinkat(journal->dirfd, temp, 0);
	return r;
}

static int keep_line(
	void *data, uint64_t seq, const char *line, size_t len, char ret[static LINE_MAX_BYTES + 1])
{
	(void)data, (void)seq, (void)line, (void)len, (void)ret;
	return 0;
}

int journal_sort(struct journal *journal)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	int r;

	if (!journal->writable)
		return -EROFS;
	r = journal_flush(journal);
	if (r == 0)
		r = journal_segments(journal, &segments);
	for (size_t i = 0; r == 0 && i < segments.n; i++) {
		struct segment segment = { .fd = -1 };
		const uint64_t number = segments.list[i];
		struct stat st;

		if (segment_open(journal, number, &segment) < 0)
			continue;
		r = fstat(segment.fd, &st) < 0 ? -errno : 0;
		segment_close(&segment);
		if (r < 0)
			return r;
		if (segment.sorted || st.st_size - segment.ordered < SORT_BYTES)
			continue;
		r = segment_rebuild(journal, number, keep_line, NULL, -1);
		if (r != -EBADMSG) /* that is for a repair */
			return r < 0 ? r : 1;
		r = 0;
	}
	return r;
}
