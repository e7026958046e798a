/* SPDX-License-Identifier: MIT */
/*
 * Frames first, each by itself: moved, then told of, so that a repair which is cut short is gone on
 * with by the next. Then the segments, as nothing may be appended to them after that.
 */
#include "common/repair.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive_private.h"
#include "common/journal_private.h"
#include "common/utc.h"

#define FINDINGS_MAX 100000 /* 11 MB; a second repair does the rest */

struct repair {
	struct verify_finding *list;
	size_t n, room;

	struct archive *archive;
	struct repair_result result;
	int aside_fd; /* damaged/TIME; -1: not made yet */
	char stamp[FRAME_PATH_MAX];

	/* Sorted. Lines that go (copy), files that get one back, segments to be written anew. */
	uint64_t *drop, *segments;
	struct frame_name *found;
	size_t n_drop, n_segments, n_found;
	uint64_t first, last; /* of the journal */
};

int repair_new(struct repair **ret)
{
	struct repair *repair = calloc(1, sizeof(*repair));

	if (!repair)
		return -ENOMEM;
	repair->aside_fd = -1;
	*ret = repair;
	return 0;
}

void repair_free(struct repair *repair)
{
	if (!repair)
		return;
	closep(&repair->aside_fd);
	free(repair->list);
	free(repair->drop);
	free(repair->segments);
	free(repair->found);
	free(repair);
}

static void leave(struct repair *repair, int error)
{
	repair->result.left++;
	if (repair->result.error == 0)
		repair->result.error = error;
}

void repair_note(struct repair *repair, const struct verify_finding *finding)
{
	size_t room = repair->room ? repair->room * 2 : 64;
	struct verify_finding *grown;

	if (finding->kind == VERIFY_NOT_OURS)
		return;
	if (repair->n == repair->room) {
		grown = repair->n < FINDINGS_MAX ? reallocarray(repair->list, room, sizeof(*grown))
						 : NULL;
		if (!grown) {
			leave(repair, -E2BIG);
			return;
		}
		repair->list = grown;
		repair->room = room;
	}
	repair->list[repair->n++] = *finding;
}

/* ---- moving */

/* damaged/TIME, or a folder below it. */
static int open_aside(struct repair *repair, const char *folder, int *ret_fd)
{
	struct archive *archive = repair->archive;
	char path[FRAME_PATH_MAX * 2];
	int r = 0;

	if (repair->aside_fd < 0)
		r = fs_open_folder(
			archive->fs, archive->root_fd, repair->stamp, true, &repair->aside_fd);
	if (r < 0)
		return r;
	memcpy(repair->result.folder, repair->stamp, sizeof(repair->stamp));
	snprintf(path, sizeof(path), "%s/%s", repair->stamp, folder);
	return fs_open_folder(archive->fs, archive->root_fd, path, true, ret_fd);
}

static int split(const char *path, char folder[static FRAME_PATH_MAX], const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return -EINVAL;
	snprintf(folder, FRAME_PATH_MAX, "%.*s", (int)(slash - path), path);
	*ret_name = slash + 1;
	return 0;
}

/* 0: it is there now, durably. */
static int move(struct repair *repair, const char *path)
{
	const struct fs_ops *fs = repair->archive->fs;
	CLEANUP_FD int from = -1, to = -1;
	char folder[FRAME_PATH_MAX];
	const char *name;
	int r = split(path, folder, &name);

	if (r == 0)
		r = fs_open_folder(&fs_real, repair->archive->root_fd, folder, false, &from);
	if (r == 0)
		r = open_aside(repair, folder, &to);
	if (r < 0)
		return r;
	/* where it moves to is new, so there is nothing that this could replace */
	if (fs->renameat2(from, name, to, name, 0) < 0)
		return -errno;
	r = fs_sync_folder(fs, to);
	if (r == 0)
		r = fs_sync_folder(fs, from);
	if (r < 0)
		return r;
	repair->result.moved++;
	return 0;
}

/* ---- frames */

static int add_number(uint64_t **list, size_t *n, uint64_t number)
{
	uint64_t *grown;

	if (*n > 0 && (*list)[*n - 1] == number)
		return 0;
	grown = reallocarray(*list, *n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[(*n)++] = number;
	return 0;
}

static int mark_segment(struct repair *repair, uint64_t number)
{
	return add_number(&repair->segments, &repair->n_segments, number);
}

static int tell(struct repair *repair, const struct record *frame, const char *why)
{
	const struct archive_pruned one = { .count = 1, .bytes = frame->bytes };
	int r = archive_note_pruned(repair->archive, frame->seq, frame->seq, why, &one);

	if (r == 0 && repair->archive->copy)
		r = add_number(&repair->drop, &repair->n_drop, frame->seq);
	if (r == 0 && repair->archive->copy)
		r = mark_segment(repair, frame->seq / SEGMENT_LINES);
	if (r == 0)
		repair->result.told++;
	return r;
}

/* It is looked at once more: beside a sync or a fetch it may have become right, or gone. */
static int repair_frame(struct repair *repair, const struct verify_finding *finding)
{
	struct verify_finding now;
	struct record frame;
	int r = journal_find(repair->archive->journal, finding->seq, &frame);

	if (r < 0 || frame.type != RECORD_FRAME)
		return r;
	if (verify_frame(repair->archive, &frame, true, &now))
		return 0;
	if (now.kind == VERIFY_UNREADABLE && now.error != -EIO)
		return now.error;
	if (now.kind == VERIFY_MISSING)
		return repair->archive->copy ? 0 : tell(repair, &frame, PRUNE_LOST);
	r = move(repair, now.path);
	return r < 0 ? r : tell(repair, &frame, PRUNE_DAMAGED);
}

static int note_found(struct repair *repair, const struct verify_finding *finding)
{
	struct frame_name *grown, name;
	int r = frame_path_parse(finding->path, strlen(finding->path), &name);

	if (r < 0)
		return r;
	grown = reallocarray(repair->found, repair->n_found + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	repair->found = grown;
	grown[repair->n_found++] = name;
	return mark_segment(repair, name.seq / SEGMENT_LINES);
}

static int mark_segments(struct repair *repair, const struct verify_finding *finding)
{
	uint64_t number = 0, last;
	int r = 0;

	if (finding->kind == VERIFY_GAP) {
		number = finding->seq / SEGMENT_LINES;
		last = (finding->seq + finding->count - 1) / SEGMENT_LINES;
		if (last - number > FINDINGS_MAX / 1000)
			return -E2BIG;
	} else {
		if (sscanf(finding->path, "journal/%8" SCNu64, &number) != 1)
			return -EINVAL;
		last = number;
	}
	for (; r == 0 && number <= last; number++)
		r = mark_segment(repair, number);
	return r;
}

static int repair_one(struct repair *repair, const struct verify_finding *finding)
{
	switch (finding->kind) {
	case VERIFY_MISSING:
	case VERIFY_SIZE:
	case VERIFY_HASH:
	case VERIFY_MARKERS:
	case VERIFY_UNREADABLE:
		return finding->seq ? repair_frame(repair, finding) : finding->error;
	case VERIFY_NO_LINE:
		return note_found(repair, finding);
	case VERIFY_TEMP:
		return move(repair, finding->path);
	case VERIFY_LINE:
	case VERIFY_SEGMENT:
	case VERIFY_DUPLICATE:
	case VERIFY_ORDER:
	case VERIFY_GAP:
		return mark_segments(repair, finding);
	case VERIFY_LATEST: /* opening for writing has seen to these two */
	case VERIFY_IDENTITY:
	case VERIFY_FOREIGN:
	case VERIFY_NOT_OURS:
	case VERIFY_KINDS:
		break;
	}
	return 0;
}

/* ---- segments */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct frame_name *)a)->seq, y = ((const struct frame_name *)b)->seq;

	return (x > y) - (x < y);
}

/* The line of a file that has none, from the file. 0: it is no whole JPEG, or not there. */
static int restore(
	struct repair *repair, const struct frame_name *name, char ret[static LINE_MAX_BYTES + 1])
{
	char folder[FRAME_PATH_MAX];
	CLEANUP_FD int fd = -1;
	struct record record;
	int r = frame_name_folder(name, folder);

	if (r == 0)
		r = fs_open_folder(&fs_real, repair->archive->root_fd, folder, false, &fd);
	if (r == 0)
		r = archive_describe_file(fd, name, &record);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return record_format(&record, ret);
}

/* The file that has no line: it gets one (its length), or moves. */
static int take_in(
	struct repair *repair, struct frame_name *name, char ret[static LINE_MAX_BYTES + 1])
{
	int r = restore(repair, name, ret);

	if (r > 0) {
		name->seq = 0; /* done */
		repair->result.restored++;
	}
	return r;
}

static int see_number(
	void *data, uint64_t seq, const char *line, size_t len, char ret[static LINE_MAX_BYTES + 1])
{
	struct repair *repair = data;
	struct record record = record_new(RECORD_OTHER);
	struct frame_name key = { .seq = seq }, *name;
	int r;

	if (line && record_parse(line, len, &record) == 0 &&
		!(repair->n_drop &&
			bsearch(&seq, repair->drop, repair->n_drop, sizeof(seq), by_number)))
		return 0;
	name = repair->n_found && seq <= repair->last
		? bsearch(&key, repair->found, repair->n_found, sizeof(key), by_seq)
		: NULL;
	r = name ? take_in(repair, name, ret) : 0;
	if (r != 0)
		return r;
	if (repair->archive->copy || seq < repair->first || seq > repair->last)
		return -ENODATA;
	record = record_new(RECORD_OTHER);
	record.seq = seq;
	return record_format(&record, ret);
}

static size_t sort_numbers(uint64_t *list, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(list, n, sizeof(*list), by_number);
	for (size_t i = 1; i < n; i++) {
		if (list[i] != list[kept])
			list[++kept] = list[i];
	}
	return kept + 1;
}

static void rebuild(struct repair *repair)
{
	struct journal *journal = repair->archive->journal;
	int fd = -1, r;

	repair->n_segments = sort_numbers(repair->segments, repair->n_segments);
	repair->n_drop = sort_numbers(repair->drop, repair->n_drop);
	if (repair->n_found)
		qsort(repair->found, repair->n_found, sizeof(*repair->found), by_seq);
	if (repair->n_segments == 0)
		return;
	r = journal_first(journal, &repair->first);
	if (r == 0)
		r = journal_last(journal, &repair->last);
	if (r == 0 && repair->n_found && repair->found[0].seq < repair->first)
		repair->first = repair->found[0].seq;
	if (r == 0)
		r = open_aside(repair, "journal", &fd);
	for (size_t i = 0; r == 0 && i < repair->n_segments; i++) {
		r = segment_rebuild(journal, repair->segments[i], see_number, repair, fd);
		repair->result.segments += r == 0;
	}
	closep(&fd);
	if (r < 0)
		leave(repair, r);
	for (size_t i = 0; r == 0 && i < repair->n_found; i++) {
		char path[FRAME_PATH_MAX];

		/* what was taken in has no number any more */
		if (repair->found[i].seq == 0 || frame_name_path(&repair->found[i], path) < 0)
			continue;
		r = move(repair, path);
		if (r < 0)
			leave(repair, r);
	}
}

int repair_carry_out(struct repair *repair, struct archive *archive, const struct clock *clock,
	struct repair_result *ret)
{
	char now[UTC_TEXT_MAX], *out = now;

	repair->archive = archive;
	utc_format(clock_wall_us(clock), now);
	/* 2026-11-20T16:01:00.123Z as files have it */
	for (const char *in = now; *in && *in != '.'; in++) {
		if (*in != '-' && *in != ':' && *in != 'Z')
			*out++ = *in;
	}
	*out = '\0';
	snprintf(repair->stamp, sizeof(repair->stamp), "damaged/%sZ", now);
	for (size_t i = 0; i < repair->n; i++) {
		int r = repair_one(repair, &repair->list[i]);

		if (r == -ENOMEM)
			return r;
		/* gone by itself in the meantime, as temps do when the archive is opened */
		if (r == -ENOENT)
			r = 0;
		if (r < 0 || repair->list[i].kind == VERIFY_FOREIGN)
			leave(repair, r);
	}
	rebuild(repair);
	if (archive->copy && repair->result.segments > 0)
		archive_forget(archive);
	*ret = repair->result;
	return 0;
}
