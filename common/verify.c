/* SPDX-License-Identifier: MIT */
/*
 * Goes through the journal, segment by segment, and looks at each frame's file; then through the
 * tree, and looks up each file's line in a table of its segment.
 */
#include "common/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive_private.h"
#include "common/journal_private.h"
#include "common/verify_private.h"

static const char *const kind_names[VERIFY_KINDS] = {
	[VERIFY_MISSING] = "missing",
	[VERIFY_SIZE] = "size",
	[VERIFY_HASH] = "hash",
	[VERIFY_MARKERS] = "markers",
	[VERIFY_UNREADABLE] = "unreadable",
	[VERIFY_NO_LINE] = "no-line",
	[VERIFY_FOREIGN] = "foreign",
	[VERIFY_TEMP] = "temp",
	[VERIFY_LINE] = "line",
	[VERIFY_SEGMENT] = "segment",
	[VERIFY_DUPLICATE] = "duplicate",
	[VERIFY_ORDER] = "order",
	[VERIFY_GAP] = "gap",
	[VERIFY_LATEST] = "latest",
	[VERIFY_IDENTITY] = "identity",
	[VERIFY_NOT_OURS] = "not-ours",
};

static const char *const kind_texts[VERIFY_KINDS] = {
	[VERIFY_MISSING] = "the file is not there",
	[VERIFY_SIZE] = "the file has another size than the journal says",
	[VERIFY_HASH] = "the file has another SHA-256 than the journal says",
	[VERIFY_MARKERS] = "the file is not a JPEG from start to end",
	[VERIFY_UNREADABLE] = "cannot be read",
	[VERIFY_NO_LINE] = "the journal does not know this file",
	[VERIFY_FOREIGN] = "does not belong there",
	[VERIFY_TEMP] = "left over from a write that was cut short",
	[VERIFY_LINE] = "damaged lines",
	[VERIFY_SEGMENT] = "its first line is not that of a journal segment of this archive",
	[VERIFY_DUPLICATE] = "the number has more than one line",
	[VERIFY_ORDER] = "out of order and not marked so",
	[VERIFY_GAP] = "numbers without a line",
	[VERIFY_LATEST] = "does not lead to the newest frame",
	[VERIFY_IDENTITY] = "damaged or gone; the journal tells what belongs there",
	[VERIFY_NOT_OURS] = "not ours",
};

const char *verify_kind_name(enum verify_kind kind)
{
	return kind_names[kind];
}

const char *verify_describe(const struct verify_finding *finding, char *buf, size_t size)
{
	const char *text = kind_texts[finding->kind], *path = finding->path;
	const char *colon = *path ? ": " : "";

	switch (finding->kind) {
	case VERIFY_UNREADABLE:
		snprintf(buf, size, "%s%s%s: %s", path, colon, text, strerror(-finding->error));
		break;
	case VERIFY_LINE:
		snprintf(buf, size, "%s%s%" PRIu64 " %s", path, colon, finding->count, text);
		break;
	case VERIFY_GAP:
		snprintf(buf, size, "%" PRIu64 " to %" PRIu64 ": %" PRIu64 " %s", finding->seq,
			finding->seq + finding->count - 1, finding->count, text);
		break;
	case VERIFY_DUPLICATE:
		snprintf(buf, size, "%s%s%s: %" PRIu64, path, colon, text, finding->seq);
		break;
	default:
		snprintf(buf, size, "%s%s%s", path, colon, text);
		break;
	}
	return buf;
}

int verify_report(struct verify *verify, struct verify_finding finding)
{
	if (finding.count == 0)
		finding.count = 1;
	verify->totals.found[finding.kind]++;
	verify->totals.findings += finding.kind != VERIFY_NOT_OURS;
	if (verify->options->finding && !verify->options->finding(verify->options->data, &finding))
		return -ECANCELED;
	return 0;
}

static int report_segment(
	struct verify *verify, enum verify_kind kind, uint64_t number, uint64_t seq, uint64_t count)
{
	struct verify_finding finding = { .kind = kind, .seq = seq, .count = count };

	snprintf(finding.path, sizeof(finding.path), "journal/%08" PRIu64 ".jsonl", number);
	return verify_report(verify, finding);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Into order, without overlaps. */
static void sort_pruned(struct verify *verify)
{
	struct range *ranges = verify->pruned;
	size_t n = 0;

	if (verify->n_pruned == 0)
		return;
	qsort(ranges, verify->n_pruned, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < verify->n_pruned; i++) {
		if (ranges[i].first > ranges[n].last + 1)
			ranges[++n] = ranges[i];
		else if (ranges[i].last > ranges[n].last)
			ranges[n].last = ranges[i].last;
	}
	verify->n_pruned = n + 1;
}

static int compare_seq(const void *key, const void *element)
{
	const struct range *seq = key, *range = element;

	if (seq->first < range->first)
		return -1;
	return seq->first > range->last;
}

static bool is_pruned(const struct verify *verify, uint64_t seq)
{
	const struct range key = { seq, seq };

	return verify->n_pruned > 0 &&
		bsearch(&key, verify->pruned, verify->n_pruned, sizeof(key), compare_seq) != NULL;
}

/* Frames go oldest first, so nearly every range continues the one before it. */
static int add_pruned(struct verify *verify, const struct record *prune)
{
	struct range *last = verify->n_pruned ? &verify->pruned[verify->n_pruned - 1] : NULL;
	struct range *grown;

	if (last && prune->first_seq >= last->first && prune->first_seq <= last->last + 1) {
		if (prune->last_seq > last->last)
			last->last = prune->last_seq;
		return 0;
	}
	/* Beyond the limit a range takes in what lies between: fewer findings, never false ones. */
	if (last && verify->n_pruned >= VERIFY_RANGES_MAX) {
		last->first = last->first < prune->first_seq ? last->first : prune->first_seq;
		last->last = last->last > prune->last_seq ? last->last : prune->last_seq;
		return 0;
	}
	grown = reallocarray(verify->pruned, verify->n_pruned + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	verify->pruned = grown;
	grown[verify->n_pruned++] = (struct range){ prune->first_seq, prune->last_seq };
	return 0;
}

/* From the prune lines that were not looked at yet. */
static int collect_pruned(struct verify *verify)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct journal *journal = verify->journal;
	struct record record;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = 0;

	/* a copy's own lines tell what went here; what the camera pruned may be here still */
	if (verify->options->copy)
		r = archive_local(verify->archive, &journal);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = journal_seek(journal, verify->pruned_until, &cursor);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (memmem(line, len, "\"prune\"", 7) && record_parse(line, len, &record) == 0 &&
			record.type == RECORD_PRUNE)
			r = add_pruned(verify, &record);
		if (seq >= verify->pruned_until)
			verify->pruned_until = seq + 1;
	}
	sort_pruned(verify);
	return r;
}

/* Whether a prune line tells of a frame: 1, 0 or -errno. A live writer may have pruned it just now. */
static int look_up_pruned(struct verify *verify, uint64_t seq)
{
	int r = 0;

	if (!is_pruned(verify, seq) && verify->writer_is_live)
		r = collect_pruned(verify);
	return r < 0 ? r : is_pruned(verify, seq);
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
		return 0;
	}
	if (finding.kind != VERIFY_MISSING)
		return verify_report(verify, finding);
	r = look_up_pruned(verify, frame->seq);
	if (r < 0)
		return r;
	verify->totals.pruned += r > 0;
	verify->totals.deleted += r == 0 && options->copy;
	return r > 0 || options->copy ? 0 : verify_report(verify, finding);
}

/* One line into the table of its segment; in the first walk the line and its file are checked. */
static int see_line(struct verify *verify, struct table *table, uint64_t seq, const char *line,
	size_t len, bool check)
{
	uint32_t *entry = &table->entries[seq % SEGMENT_LINES];
	struct record record;
	int r = 0;

	if (record_parse(line, len, &record) < 0)
		return check ? report_segment(verify, VERIFY_LINE, table->number, seq, 1) : 0;
	if (*entry && check)
		r = report_segment(verify, VERIFY_DUPLICATE, table->number, seq, 1);
	if (*entry == 0 || record.type == RECORD_FRAME)
		*entry = table_entry(&record);
	if (table->first == 0 || seq < table->first)
		table->first = seq;
	if (seq > table->last)
		table->last = seq;
	if (!check || r < 0)
		return r;
	verify->totals.lines++;
	if (record.type == RECORD_FRAME)
		r = check_frame(verify, &record);
	if (seq > verify->last)
		verify->last = seq;
	/* in a segment out of order what comes next may be older */
	if (r == 0)
		verify->totals.next = table->sorted ? seq + 1 : table->number * SEGMENT_LINES;
	if (r == 0 && verify->options->progress &&
		!verify->options->progress(
			verify->options->data, seq, verify->last, &verify->totals))
		r = -ECANCELED;
	return r;
}

int verify_scan_segment(struct verify *verify, struct table *table, bool check)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	uint64_t seq, previous = 0, bad;
	bool sorted = true;
	const char *line;
	size_t len;
	int r;

	memset(table->entries, 0, sizeof(table->entries));
	table->first = table->last = 0;
	r = journal_seek_in_segment(verify->journal, table->number * SEGMENT_LINES, &cursor);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (seq <= previous && journal_cursor_offset(cursor) <= table->ordered)
			sorted = false;
		previous = seq;
		r = see_line(verify, table, seq, line, len, check);
	}
	if (r < 0 || !check)
		return r;
	bad = journal_cursor_bad_lines(cursor);
	if (bad > 0)
		r = report_segment(verify, VERIFY_LINE, table->number, 0, bad);
	if (r == 0 && !sorted)
		r = report_segment(verify, VERIFY_ORDER, table->number, 0, 1);
	return r;
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

/* The camera's numbers are dense, from its first line to its last. */
static int check_gaps(struct verify *verify, const struct table *table)
{
	for (uint64_t seq = table->first; seq && seq <= table->last; seq++) {
		struct verify_finding gap = { .kind = VERIFY_GAP, .seq = verify->expected };
		int r = 0;

		if (!table->entries[seq % SEGMENT_LINES])
			continue;
		gap.count = seq - verify->expected;
		if (verify->expected && gap.count > 0)
			r = verify_report(verify, gap);
		if (r < 0)
			return r;
		verify->expected = seq + 1;
	}
	return 0;
}

static int check_segment(struct verify *verify, uint64_t number)
{
	struct segment segment = { .fd = -1 };
	struct table *table = verify_new_table(verify, number);
	int r;

	if (!table)
		return -ENOMEM;
	r = segment_open(verify->journal, number, &segment);
	if (r < 0)
		return report_segment(verify, VERIFY_SEGMENT, number, 0, 1);
	table->sorted = segment.sorted;
	table->ordered = segment.sorted ? INT64_MAX : segment.ordered;
	r = segment.damaged ? report_segment(verify, VERIFY_SEGMENT, number, 0, 1) : 0;
	if (r == 0)
		r = check_torn(verify, &segment);
	segment_close(&segment);
	if (r == 0)
		r = verify_scan_segment(verify, table, true);
	if (r == 0 && !verify->options->copy)
		r = check_gaps(verify, table);
	return r;
}

static int check_journal(struct verify *verify)
{
	uint64_t number = 0;
	int r = journal_last(verify->journal, &verify->last);

	if (r == 0)
		r = collect_pruned(verify);
	for (; r == 0; number++) {
		r = segment_at_or_after(verify->journal, number, &number);
		if (r == -ENOENT)
			return 0;
		if (r == 0)
			r = check_segment(verify, number);
	}
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
	if (archive_latest_is_right(archive_root_fd(verify->archive), &name))
		return 0;
	finding.seq = newest.seq;
	return verify_report(verify, finding);
}

int verify_archive(
	struct archive *archive, const struct verify_options *options, struct verify_totals *ret)
{
	CLEANUP(verify_freep) struct verify *verify = calloc(1, sizeof(*verify));
	pid_t pid;
	int r;

	if (!verify)
		return -ENOMEM;
	verify->archive = archive;
	verify->journal = archive_journal(archive);
	verify->options = options;
	verify->writer_is_live =
		archive->writer_fd < 0 && archive_writer_pid(archive_path(archive), &pid) == 0;
	r = check_identity(verify);
	if (r == 0)
		r = check_journal(verify);
	if (r == 0)
		r = verify_tree(verify);
	if (r == 0)
		r = check_latest(verify);
	*ret = verify->totals;
	return r;
}
