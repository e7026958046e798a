/* SPDX-License-Identifier: MIT */
/*
 * Frames first, one by one: each is moved, then the journal tells of it, so that the next repair
 * can continue one that was cut short. Then the segments, as nothing may be appended to them
 * afterwards.
 */
#include "common/upkeep/repair.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive/archive_private.h"
#include "common/journal/journal_private.h"
#include "common/journal/ranges.h"

#define FINDINGS_MAX 100000 /* 11 MB; a second repair does the rest */
#define GAP_SEGMENTS_MAX 100 /* that one gap may cover */

struct repair {
	struct verify_finding *list;
	size_t n, room;

	struct archive *archive;
	struct repair_result result;
	int aside_fd; /* damaged/TIME; -1: not made yet */
	char stamp[FRAME_PATH_MAX];
	struct ranges drop; /* copy: numbers whose lines go */
	struct ranges segments; /* to be written again */
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
	fd_closep(&repair->aside_fd);
	free(repair->list);
	ranges_clear(&repair->drop);
	ranges_clear(&repair->segments);
	free(repair);
}

/* One finding stays as it is. */
static void leave_finding(struct repair *repair, int error)
{
	repair->result.left++;
	if (repair->result.error == 0)
		repair->result.error = error;
}

void repair_note(struct repair *repair, const struct verify_finding *finding)
{
	size_t room = repair->room ? repair->room * 2 : 64;
	struct verify_finding *grown;

	if (verify_is_note(finding->kind))
		return;
	if (repair->n == repair->room) {
		grown = repair->n < FINDINGS_MAX ? reallocarray(repair->list, room, sizeof(*grown))
						 : NULL;
		if (!grown) {
			leave_finding(repair, -E2BIG);
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

/* The file of the path that a finding has. */
static int move_aside(struct repair *repair, const char *path)
{
	const struct fs_ops *fs = repair->archive->fs;
	const char *slash = strrchr(path, '/');
	char folder[FRAME_PATH_MAX];
	CLEANUP_FD int from = -1, to = -1;
	int r;

	if (!slash || slash == path)
		return -EINVAL;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	r = fs_open_folder(&fs_real, repair->archive->root_fd, folder, false, &from);
	if (r == 0)
		r = open_aside(repair, folder, &to);
	if (r < 0)
		return r;
	/* where it moves to is new, so there is nothing that this could replace */
	if (fs->renameat2(from, slash + 1, to, slash + 1, 0) < 0)
		return -errno;
	r = fs_sync_folder(fs, to);
	if (r == 0)
		r = fs_sync_folder(fs, from);
	if (r == 0)
		repair->result.moved++;
	return r;
}

/* ---- findings */

/*
 * The journal tells of a frame that is gone; from a copy's its line goes, so it is fetched again.
 */
static int note_gone(struct repair *repair, const struct record *frame, const char *why)
{
	const struct archive_pruned one = { .count = 1, .bytes = frame->bytes };
	const uint64_t seq = frame->seq;
	int r = archive_note_pruned(repair->archive, seq, seq, why, &one);

	if (r == 0 && repair->archive->copy)
		r = ranges_add(&repair->drop, seq, seq);
	if (r == 0 && repair->archive->copy)
		r = ranges_add(&repair->segments, seq / SEGMENT_LINES, seq / SEGMENT_LINES);
	repair->result.told += r == 0;
	return r;
}

/* Looks at it once more: beside a sync or a fetch it may have become right, or gone. */
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
		return repair->archive->copy ? 0 : note_gone(repair, &frame, PRUNE_LOST);
	r = move_aside(repair, now.path);
	return r < 0 ? r : note_gone(repair, &frame, PRUNE_DAMAGED);
}

/* The segments of a finding that names one, or else of its numbers. */
static int mark_segments(struct repair *repair, const struct verify_finding *finding)
{
	uint64_t first = finding->seq / SEGMENT_LINES;
	uint64_t last = (finding->seq + finding->count - 1) / SEGMENT_LINES;

	if (sscanf(finding->path, "journal/%8" SCNu64, &first) == 1)
		last = first;
	return last - first > GAP_SEGMENTS_MAX ? -E2BIG
					       : ranges_add(&repair->segments, first, last);
}

static int repair_finding(struct repair *repair, const struct verify_finding *finding)
{
	switch (finding->kind) {
	case VERIFY_MISSING:
	case VERIFY_SIZE:
	case VERIFY_HASH:
	case VERIFY_MARKERS:
	case VERIFY_UNREADABLE:
		return finding->seq ? repair_frame(repair, finding) : finding->error;
	case VERIFY_TEMP:
		return move_aside(repair, finding->path);
	case VERIFY_SEGMENT:
		return strcmp(finding->path, VERIFY_LOCAL) == 0 ? move_aside(repair, finding->path)
								: mark_segments(repair, finding);
	case VERIFY_NO_LINE:
	case VERIFY_LINE:
	case VERIFY_DUPLICATE:
	case VERIFY_ORDER:
	case VERIFY_GAP:
		return mark_segments(repair, finding);
	case VERIFY_LATEST: /* opening for writing has seen to these two */
	case VERIFY_IDENTITY:
	case VERIFY_FOREIGN:
	case VERIFY_CHANGED:
	case VERIFY_CUT:
	case VERIFY_FORKED:
	case VERIFY_BRANCH:
	case VERIFY_UNCHAINED:
	case VERIFY_NOT_OURS:
	case VERIFY_KINDS:
		break;
	}
	return 0;
}

/* ---- segments */

/* Files without a line come first, by number. */
static int compare_findings(const void *left, const void *right)
{
	const struct verify_finding *a = left, *b = right;

	if ((a->kind == VERIFY_NO_LINE) != (b->kind == VERIFY_NO_LINE))
		return a->kind == VERIFY_NO_LINE ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static struct verify_finding *find_file(struct repair *repair, uint64_t seq)
{
	const struct verify_finding key = { .kind = VERIFY_NO_LINE, .seq = seq };

	return bsearch(&key, repair->list, repair->n, sizeof(key), compare_findings);
}

/* Writes the line of a file that has none: its length, 0 the file is no whole JPEG or not there. */
static int restore_line(
	struct repair *repair, struct verify_finding *finding, char ret[static LINE_MAX_BYTES + 1])
{
	struct frame_name name;
	struct record record;
	int r = frame_path_parse(finding->path, strlen(finding->path), &name);

	if (r == 0)
		r = archive_describe_file(repair->archive, &name, &record);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	record.unchained = true;
	r = record_format(&record, ret);
	if (r > 0) {
		finding->count = 0; /* done */
		repair->result.restored++;
	}
	return r;
}

static int choose_line(
	void *data, uint64_t seq, const char *line, size_t len, char ret[static LINE_MAX_BYTES + 1])
{
	struct repair *repair = data;
	struct verify_finding *file;
	struct record record;
	int r;

	if (line && record_parse(line, len, &record) == 0 && !ranges_has(&repair->drop, seq))
		return 0;
	file = seq <= repair->last ? find_file(repair, seq) : NULL;
	r = file ? restore_line(repair, file, ret) : 0;
	if (r != 0)
		return r;
	/* the camera's numbers are dense: a line that says nothing stands for one that is lost */
	if (repair->archive->copy || seq < repair->first || seq > repair->last)
		return -ENODATA;
	record = record_new(RECORD_OTHER);
	record.seq = seq;
	record.unchained = true;
	return record_format(&record, ret);
}

static int rebuild_segments(struct repair *repair)
{
	struct journal *journal = repair->archive->journal;
	CLEANUP_FD int fd = -1;
	int r = journal_first(journal, &repair->first);

	if (r == 0)
		r = journal_last(journal, &repair->last);
	if (r == 0)
		r = open_aside(repair, "journal", &fd);
	/* the camera's first lines were cut off */
	for (size_t i = 0; i < repair->n; i++) {
		if (repair->list[i].kind == VERIFY_GAP && repair->list[i].seq < repair->first)
			repair->first = repair->list[i].seq;
	}
	/* the files without a line are sorted */
	if (r == 0 && repair->list[0].kind == VERIFY_NO_LINE && repair->list[0].seq < repair->first)
		repair->first = repair->list[0].seq;
	for (size_t i = 0; i < repair->segments.n; i++) {
		const struct range *range = &repair->segments.list[i];

		for (uint64_t number = range->first; r == 0 && number <= range->last; number++) {
			r = segment_rebuild(journal, number, choose_line, repair, fd);
			repair->result.segments += r == 0;
		}
	}
	return r;
}

/* Files without a line that got none. */
static void move_unknown(struct repair *repair)
{
	for (size_t i = 0; i < repair->n && repair->list[i].kind == VERIFY_NO_LINE; i++) {
		int r = repair->list[i].count ? move_aside(repair, repair->list[i].path) : 0;

		if (r < 0)
			leave_finding(repair, r);
	}
}

static void repair_journal(struct repair *repair)
{
	int r;

	if (repair->segments.n == 0)
		return;
	qsort(repair->list, repair->n, sizeof(*repair->list), compare_findings);
	r = rebuild_segments(repair);
	if (r < 0)
		leave_finding(repair, r);
	else
		move_unknown(repair);
	if (repair->archive->copy && repair->result.segments > 0)
		archive_forget(repair->archive);
}

/* What only a person can put right. */
static bool finding_stays(enum verify_kind kind)
{
	return kind == VERIFY_FOREIGN || kind == VERIFY_CHANGED || kind == VERIFY_CUT ||
		kind == VERIFY_FORKED;
}

int repair_carry_out(struct repair *repair, struct archive *archive, const struct clock *clock,
	struct repair_result *ret)
{
	const struct frame_name now = { .slot_us = clock_wall_us(clock), .seq = 1 };
	char name[FRAME_NAME_MAX] = "";
	int r = frame_name_format(&now, name);

	/* "20261120T160100Z", as names of frames begin */
	snprintf(repair->stamp, sizeof(repair->stamp), "damaged/%.*s", (int)strcspn(name, "-"),
		name);
	repair->archive = archive;
	for (size_t i = 0; r == 0 && i < repair->n; i++) {
		r = repair_finding(repair, &repair->list[i]);
		/* gone by itself in the meantime, as temps do when the archive is opened */
		if (r == -ENOENT)
			r = 0;
		if ((r < 0 && r != -ENOMEM) || finding_stays(repair->list[i].kind)) {
			leave_finding(repair, r);
			r = 0;
		}
	}
	if (r < 0)
		return r;
	repair_journal(repair);
	if ((repair->result.moved || repair->result.segments) && archive_refresh(archive) == 0)
		archive_point_latest(archive);
	*ret = repair->result;
	return 0;
}
