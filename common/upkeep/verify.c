/* SPDX-License-Identifier: MIT */
/*
 * Goes through the journal, segment by segment, and checks each frame's file; verify_tree.c then
 * goes through the tree and looks up each file's line in the table that was made of its segment.
 */
#include "common/upkeep/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive/archive_private.h"
#include "common/journal/journal_private.h"
#include "common/upkeep/verify_private.h"

static void verify_free(struct verify *verify)
{
	for (size_t i = 0; i < verify->n_tables; i++)
		free(verify->tables[i]);
	free(verify->tables);
	free(verify->links);
	ranges_clear(&verify->pruned);
}

static int report_segment(
	struct verify *verify, enum verify_kind kind, uint64_t number, uint64_t seq, uint64_t count)
{
	struct verify_finding finding = { .kind = kind, .seq = seq, .count = count };

	snprintf(finding.path, sizeof(finding.path), "journal/%08" PRIu64 ".jsonl", number);
	return verify_report(verify, finding);
}

/* Takes in the prune lines that were not looked at yet. */
static int collect_pruned(struct verify *verify)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct journal *journal = verify->journal;
	struct record record;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = 0;

	/* a copy's own lines tell what went here; what the camera pruned may still be here */
	if (verify->options->copy)
		r = archive_local(verify->archive, &journal);
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	if (r == 0)
		r = journal_seek(journal, verify->pruned_until, &cursor);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (memmem(line, len, "\"prune\"", 7) && record_parse(line, len, &record) == 0 &&
			record.type == RECORD_PRUNE)
			r = ranges_add(&verify->pruned, record.first_seq, record.last_seq);
		if (seq >= verify->pruned_until)
			verify->pruned_until = seq + 1;
	}
	return r;
}

/*
 * Whether a prune line tells of a frame: 1, 0 or -errno. A live writer may have pruned it just now.
 */
static int look_up_pruned(struct verify *verify, uint64_t seq)
{
	int r = 0;

	if (!ranges_has(&verify->pruned, seq) && verify->writer_is_live)
		r = collect_pruned(verify);
	return r < 0 ? r : ranges_has(&verify->pruned, seq);
}

/* The content of a file of the right size: 1 it is right, 0 `ret` says what is wrong. */
static int look_inside(int fd, const struct record *frame, struct verify_finding *ret)
{
	uint8_t sha256[SHA256_BYTES];
	int64_t bytes;
	int r = jpeg_check_file(fd, &bytes);

	if (r == -EBADMSG) {
		ret->kind = VERIFY_MARKERS;
		return 0;
	}
	if (r == 0)
		r = digest_fd(fd, sha256, &bytes);
	/* A walk through the archive is no reason to push everything else out of memory. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (r < 0) {
		ret->kind = VERIFY_UNREADABLE;
		ret->error = r;
		return 0;
	}
	ret->kind = VERIFY_HASH;
	return memcmp(sha256, frame->sha256, SHA256_BYTES) == 0;
}

int verify_frame(struct archive *archive, const struct record *frame, bool content,
	struct verify_finding *ret)
{
	struct verify_finding finding = { .seq = frame->seq, .count = 1 };
	struct frame_name name = record_name(frame);
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(archive, frame, &fd);

	if (frame_name_path(&name, finding.path) < 0)
		finding.path[0] = '\0';
	switch (r) {
	case 0:
		r = content ? look_inside(fd, frame, &finding) : 1;
		break;
	case -ENOENT:
		finding.kind = VERIFY_MISSING;
		break;
	case -EBADMSG:
	case -ELOOP:
	case -ENOTDIR:
		finding.kind = VERIFY_SIZE;
		break;
	default:
		finding.kind = VERIFY_UNREADABLE;
		finding.error = r;
		break;
	}
	if (r == 1)
		return 1;
	*ret = finding;
	return 0;
}

/* 1 the file is there, right or wrong; 0 it is not; or -errno. */
static int check_frame(struct verify *verify, const struct record *frame)
{
	const struct verify_options *options = verify->options;
	bool content = !options->skip_content && frame->seq >= options->from;
	struct verify_finding finding;
	int r;

	verify->totals.frames++;
	if (verify_frame(verify->archive, frame, content, &finding)) {
		verify->totals.checked += content;
		verify->totals.bytes += content ? frame->bytes : 0;
		return 1;
	}
	if (finding.kind != VERIFY_MISSING) {
		r = verify_report(verify, finding);
		return r < 0 ? r : 1;
	}
	r = look_up_pruned(verify, frame->seq);
	if (r < 0)
		return r;
	verify->totals.pruned += r > 0;
	verify->totals.deleted += r == 0 && options->copy;
	return r > 0 || options->copy ? 0 : verify_report(verify, finding);
}

/* Enters a line into the table and checks its frame's file. 1: there is a file; 0; or -errno. */
static int check_record(
	struct verify *verify, struct verify_table *table, const struct record *record)
{
	uint32_t *entry = &table->entries[record->seq % SEGMENT_LINES];
	int r = 0;

	if (*entry)
		r = report_segment(verify, VERIFY_DUPLICATE, table->number, record->seq, 1);
	if (*entry == 0 || record->type == RECORD_FRAME)
		*entry = verify_entry(record);
	verify->totals.lines++;
	if (record->seq > verify->last)
		verify->last = record->seq;
	return r == 0 && record->type == RECORD_FRAME ? check_frame(verify, record) : r;
}

static bool show_progress(const struct verify *verify, uint64_t seq)
{
	const struct verify_options *options = verify->options;

	return !options->progress ||
		options->progress(options->data, seq, verify->last, &verify->totals);
}

/* 1: some frame of the segment has a file; 0: none has; or -errno. */
static int check_lines(
	struct verify *verify, struct verify_table *table, const struct segment *segment)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const uint64_t start = table->number * SEGMENT_LINES;
	uint64_t seq, previous = 0;
	bool in_order = true, has_files = false;
	struct record record;
	const char *line;
	size_t len;
	int r = journal_seek_in_segment(verify->journal, start, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (seq <= previous &&
			(segment->sorted || journal_cursor_offset(cursor) <= segment->ordered))
			in_order = false;
		previous = seq;
		if (record_parse(line, len, &record) < 0) {
			r = report_segment(verify, VERIFY_LINE, table->number, seq, 1);
			continue;
		}
		r = verify_note_link(verify, &record, line, len);
		if (r == 0)
			r = check_record(verify, table, &record);
		has_files |= r > 0;
		/* in a segment out of order what comes next may be older */
		if (r >= 0)
			verify->totals.next = segment->sorted ? seq + 1 : start;
		if (r >= 0 && !show_progress(verify, seq))
			r = -ECANCELED;
	}
	if (r == 0 && journal_cursor_bad_lines(cursor) > 0)
		r = report_segment(
			verify, VERIFY_LINE, table->number, 0, journal_cursor_bad_lines(cursor));
	if (r == 0 && !in_order)
		r = report_segment(verify, VERIFY_ORDER, table->number, 0, 1);
	return r < 0 ? r : has_files;
}

/* A last line without its newline is a torn one, but for that of a writer at work. */
static int check_torn(struct verify *verify, const struct segment *segment)
{
	struct stat st;
	char last;
	ssize_t n;

	if (verify->writer_is_live)
		return 0;
	if (fstat(segment->fd, &st) < 0)
		return -errno;
	n = fs_read_at(segment->fd, &last, 1, st.st_size - 1);
	if (n < 0)
		return (int)n;
	return n == 1 && last != '\n' ? report_segment(verify, VERIFY_LINE, segment->number, 0, 1)
				      : 0;
}

/*
 * The camera's numbers are dense, from its first line to its last. The first one of all follows
 * none: where it has the hash of one, those before it were cut off.
 */
static int check_gaps(struct verify *verify, const struct verify_table *table)
{
	for (uint64_t i = 0; i < SEGMENT_LINES; i++) {
		struct verify_finding gap = { .kind = VERIFY_GAP, .seq = verify->expected };
		uint64_t seq = table->number * SEGMENT_LINES + i;
		int r = 0;

		if (!table->entries[i])
			continue;
		if (!verify->expected && verify->links[i].has_prev)
			verify->expected = gap.seq = 1;
		gap.count = seq - verify->expected;
		if (verify->expected && gap.count > 0)
			r = verify_report(verify, gap);
		if (r < 0)
			return r;
		verify->expected = seq + 1;
	}
	return 0;
}

static int keep_table(struct verify *verify, struct verify_table **table)
{
	struct verify_table **grown =
		reallocarray(verify->tables, verify->n_tables + 1, sizeof(struct verify_table *));

	if (!grown)
		return -ENOMEM;
	verify->tables = grown;
	grown[verify->n_tables++] = TAKE_PTR(*table);
	return 0;
}

static int check_segment(struct verify *verify, uint64_t number)
{
	CLEANUP_FREE struct verify_table *table = calloc(1, sizeof(*table));
	CLEANUP(segment_close) struct segment segment = { .fd = -1 };
	int r, has_files = 0;

	if (!table)
		return -ENOMEM;
	table->number = number;
	if (!verify->links)
		verify->links = calloc(SEGMENT_LINES, sizeof(*verify->links));
	if (!verify->links)
		return -ENOMEM;
	/* 10 MB: with few lines in each of many segments to clear all of it would take the time */
	for (uint64_t seq = verify->links_first; seq <= verify->links_last; seq++)
		verify->links[seq % SEGMENT_LINES].there = false;
	verify->links_first = 1;
	verify->links_last = 0;
	if (segment_open(verify->journal, number, &segment) < 0)
		return report_segment(verify, VERIFY_SEGMENT, number, 0, 1);
	r = segment.damaged ? report_segment(verify, VERIFY_SEGMENT, number, 0, 1) : 0;
	if (r == 0)
		r = check_torn(verify, &segment);
	if (r == 0)
		has_files = r = check_lines(verify, table, &segment);
	if (r >= 0)
		r = verify_chain(verify);
	if (r >= 0 && !verify->options->copy)
		r = check_gaps(verify, table);
	return r >= 0 && has_files > 0 ? keep_table(verify, &table) : r;
}

/* A copy's own lines that cannot be read tell nothing of what went, and take no new ones. */
static int check_local(struct verify *verify)
{
	const struct verify_finding finding = {
		.kind = VERIFY_SEGMENT, .path = VERIFY_LOCAL, .count = 1
	};
	struct journal *local;

	return verify->options->copy && archive_local(verify->archive, &local) == -EBADMSG
		? verify_report(verify, finding)
		: 0;
}

static int check_journal(struct verify *verify)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	int r = journal_last(verify->journal, &verify->last);

	if (r == 0)
		r = check_local(verify);
	if (r == 0)
		r = collect_pruned(verify);
	if (r == 0)
		r = journal_segments(verify->journal, &segments);
	for (size_t i = 0; r == 0 && i < segments.n; i++)
		r = check_segment(verify, segments.list[i]);
	return r;
}

static int check_identity(struct verify *verify)
{
	const struct verify_finding finding = { .kind = VERIFY_IDENTITY, .path = "archive.json" };

	return archive_repairs(verify->archive)->identity_restored && verify->archive->writer_fd < 0
		? verify_report(verify, finding)
		: 0;
}

static int check_latest(struct verify *verify)
{
	struct verify_finding finding = { .kind = VERIFY_LATEST, .path = LATEST };
	struct frame_name name;
	struct record newest;
	int r = archive_newest(verify->archive, &newest);

	if (r < 0 || verify->writer_is_live)
		return r == -ENOENT ? 0 : r;
	name = record_name(&newest);
	if (archive_latest_is_right(verify->archive, &name))
		return 0;
	/* a frame that is gone has its own finding */
	if (archive_newest_there(verify->archive, &newest) == 0) {
		name = record_name(&newest);
		if (archive_latest_is_right(verify->archive, &name))
			return 0;
	}
	finding.seq = newest.seq;
	return verify_report(verify, finding);
}

int verify_archive(
	struct archive *archive, const struct verify_options *options, struct verify_totals *ret)
{
	CLEANUP(verify_free)
	struct verify verify = {
		.archive = archive, .journal = archive->journal, .options = options
	};
	pid_t pid;
	int r;

	verify.writer_is_live =
		archive->writer_fd < 0 && archive_writer_pid(archive_path(archive), &pid) == 0;
	r = check_identity(&verify);
	if (r == 0)
		r = check_journal(&verify);
	if (r == 0)
		r = verify_heads(&verify);
	if (r == 0)
		r = verify_tree(&verify);
	if (r == 0)
		r = check_latest(&verify);
	*ret = verify.totals;
	return r;
}
