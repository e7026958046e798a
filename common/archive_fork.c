/* SPDX-License-Identifier: MIT */
/*
 * Two histories of one archive. The lines and files of the old branch move into an archive of their own in
 * branches/N; what both have in common stays. journal/fork tells how far that has come, so whoever opens
 * the copy for writing after a crash carries it to its end first:
 *
 *   N AFTER copy    lines are copied to the branch, then files move; nothing of ours is gone yet
 *   N AFTER drop    all of them are there, durably: the lines go here
 */
#include "common/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "common/journal_private.h"

#define PLAN_FILE "fork" /* in journal/ */
#define PLAN_MAX 64

struct fork {
	struct archive *archive, *branch;
	unsigned number;
	uint64_t after;
	bool copied;
	int from_fd, to_fd; /* the day folder at hand, here and there; -1: none */
	char folder[FRAME_PATH_MAX];
};

static void fork_clear(struct fork *fork)
{
	archive_free(fork->branch);
	closep(&fork->from_fd);
	closep(&fork->to_fd);
}

/* ---- the plan */

static int write_plan(const struct fork *fork)
{
	CLEANUP_FD int fd = -1;
	char text[PLAN_MAX];
	int n = snprintf(text, sizeof(text), "%u %" PRIu64 " %s\n", fork->number, fork->after,
		fork->copied ? "drop" : "copy");
	int r = fs_open_folder(fork->archive->fs, fork->archive->root_fd, "journal", false, &fd);

	return r < 0 ? r : fs_replace(fork->archive->fs, fd, PLAN_FILE, text, (size_t)n, 0644);
}

/* -ENOENT: nothing was begun. */
static int read_plan(struct fork *fork)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FD int fd = -1;
	char word[8] = "";
	int r = fs_open_folder(&fs_real, fork->archive->root_fd, "journal", false, &fd);

	if (r == 0)
		r = fs_read_file(fd, PLAN_FILE, PLAN_MAX, &text, NULL);
	if (r < 0)
		return r;
	if (sscanf(text, "%u %" SCNu64 " %7s", &fork->number, &fork->after, word) != 3 ||
		fork->number == 0 || fork->number > BRANCHES_MAX || fork->after > SEQ_MAX)
		return -ENOENT; /* it is none of ours */
	fork->copied = strcmp(word, "drop") == 0;
	return 0;
}

static int open_branch(struct fork *fork)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.camera = fork->archive->camera,
		.id = fork->archive->id,
		.copy = true,
		.fs = fork->archive->fs };
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" BRANCHES "/%u", fork->archive->path, fork->number) >=
		(int)sizeof(path))
		return -ENAMETOOLONG;
	return archive_open(path, &options, &fork->branch);
}

/* ---- lines and files of the branch */

static int copy_line(struct journal *to, uint64_t seq, const char *line, size_t len)
{
	char copy[LINE_MAX_BYTES + 1];
	int r = journal_holds(to, seq);

	if (r != 0 || len >= LINE_MAX_BYTES)
		return r < 0 ? r : 0;
	memcpy(copy, line, len);
	copy[len] = '\n';
	return journal_append(to, seq, copy, len + 1, false);
}

static int copy_lines(struct fork *fork)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_seek(fork->archive->journal, fork->after + 1, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (seq > fork->after)
			r = copy_line(fork->branch->journal, seq, line, len);
	}
	return r < 0 ? r : journal_flush(fork->branch->journal);
}

/* Lines of local/ that tell of the branch's frames explain there what is gone. */
static int copy_local(struct fork *fork)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct journal *from, *to;
	struct record record;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = archive_local(fork->archive, &from);

	if (r == 0)
		r = journal_last(from, &seq);
	if (r < 0 || seq == 0)
		return r; /* nothing happened here */
	r = archive_local(fork->branch, &to);
	if (r == 0)
		r = journal_seek(from, 1, &cursor);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (record_parse(line, len, &record) == 0 && record.type == RECORD_PRUNE &&
			record.last_seq > fork->after)
			r = copy_line(to, seq, line, len);
	}
	return r < 0 ? r : journal_flush(to);
}

static int leave_folder(struct fork *fork)
{
	const struct fs_ops *fs = fork->archive->fs;
	int r = fork->to_fd >= 0 ? fs_sync_folder(fs, fork->to_fd) : 0;

	if (r == 0 && fork->to_fd >= 0)
		r = fs_sync_folder(fs, fork->from_fd);
	if (r == 0 && fork->to_fd >= 0)
		archive_remove_empty(fork->archive, fork->folder);
	closep(&fork->from_fd);
	closep(&fork->to_fd);
	fork->from_fd = fork->to_fd = -1;
	fork->folder[0] = '\0';
	return r;
}

static int enter_folder(struct fork *fork, const struct frame_name *name)
{
	char folder[FRAME_PATH_MAX];
	int r = frame_name_folder(name, folder);

	if (r < 0 || strcmp(folder, fork->folder) == 0)
		return r;
	r = leave_folder(fork);
	if (r == 0)
		r = fs_open_folder(&fs_real, fork->archive->root_fd, folder, false, &fork->from_fd);
	if (r == 0)
		r = fs_open_folder(
			fork->archive->fs, fork->branch->root_fd, folder, true, &fork->to_fd);
	if (r == 0)
		memcpy(fork->folder, folder, sizeof(folder));
	return r;
}

static int move_file(struct fork *fork, const struct record *frame)
{
	struct frame_name name = record_name(frame);
	char file[FRAME_NAME_MAX];
	int r = enter_folder(fork, &name);

	if (r == 0)
		r = frame_name_format(&name, file);
	/* the branch is ours alone: what is there has moved already */
	if (r == 0 && fork->archive->fs->renameat2(fork->from_fd, file, fork->to_fd, file, 0) < 0)
		r = -errno;
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
}

static int move_files(struct fork *fork)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct record record;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_seek(fork->branch->journal, 1, &cursor), left;

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (record_parse(line, len, &record) == 0 && record.type == RECORD_FRAME)
			r = move_file(fork, &record);
	}
	left = leave_folder(fork);
	if (r == 0)
		r = left;
	if (r == 0)
		r = archive_refresh(fork->branch);
	if (r == 0)
		archive_point_latest(fork->branch);
	return r;
}

/* ---- what stays here */

static int keep_common(
	void *data, uint64_t seq, const char *line, size_t len, char ret[static LINE_MAX_BYTES + 1])
{
	const struct fork *fork = data;

	(void)line, (void)len, (void)ret;
	return seq > fork->after ? -ENODATA : 0;
}

/* A line of local/ about frames of both tells of the common ones from here on. */
static int cut_removal(
	void *data, uint64_t seq, const char *line, size_t len, char ret[static LINE_MAX_BYTES + 1])
{
	const struct fork *fork = data;
	struct record record;

	if (!line || record_parse(line, len, &record) < 0 || record.type != RECORD_PRUNE ||
		record.last_seq <= fork->after)
		return 0;
	if (record.first_seq > fork->after)
		record = record_new(RECORD_OTHER);
	record.seq = seq;
	record.last_seq = fork->after;
	return record_format(&record, ret);
}

static int rebuild(struct fork *fork, struct journal *journal, const char *name, uint64_t number,
	journal_line *line)
{
	CLEANUP_FD int aside_fd = -1;
	char path[FRAME_PATH_MAX];
	int r = segment_rebuild(journal, number, line, fork, -1);

	if (r != -EBADMSG)
		return r;
	/* it has lines that nobody can read: the file as it was stays, with the branch */
	snprintf(path, sizeof(path), "damaged/%s", name);
	r = fs_open_folder(fork->archive->fs, fork->branch->root_fd, path, true, &aside_fd);
	return r < 0 ? r : segment_rebuild(journal, number, line, fork, aside_fd);
}

static int remove_segment(struct journal *journal, uint64_t number)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(number, ".jsonl", name);
	if (journal->fs->unlinkat(journal->dirfd, name, 0) < 0)
		return -errno;
	segment_name(number, ".unsorted", name);
	if (journal->fs->unlinkat(journal->dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return fs_sync_folder(journal->fs, journal->dirfd);
}

/* The highest first: a journal that is cut short in the middle of this is one still. */
static int drop_lines(struct fork *fork)
{
	struct journal *journal = fork->archive->journal;
	uint64_t number = UINT64_MAX / SEGMENT_LINES;
	int r;

	while ((r = journal_segment_before(journal, number, &number)) == 0 &&
		number >= fork->after / SEGMENT_LINES) {
		r = number * SEGMENT_LINES > fork->after
			? remove_segment(journal, number)
			: rebuild(fork, journal, "journal", number, keep_common);
		if (r < 0 || number == 0)
			return r;
		number--;
	}
	return r == -ENOENT ? 0 : r;
}

static int cut_local(struct fork *fork)
{
	struct journal *local;
	uint64_t number = 0;
	int r = archive_local(fork->archive, &local);

	for (; r == 0 && (r = journal_segment(local, number, &number)) == 0; number++)
		r = rebuild(fork, local, "local", number, cut_removal);
	journal_free(TAKE_PTR(fork->archive->local));
	return r == -ENOENT ? 0 : r;
}

/* What was known of the journal is known no more. */
static int forget(struct fork *fork)
{
	const struct fs_ops *fs = fork->archive->fs;

	if (fs->unlinkat(fork->archive->root_fd, LATEST, 0) < 0 && errno != ENOENT)
		return -errno;
	return archive_forget(fork->archive);
}

static int copy_branch(struct fork *fork)
{
	int r = copy_lines(fork);

	if (r == 0)
		r = copy_local(fork);
	if (r == 0)
		r = move_files(fork);
	fork->copied = true;
	return r == 0 ? write_plan(fork) : r;
}

static int carry_out(struct fork *fork)
{
	const struct fs_ops *fs = fork->archive->fs;
	int r = open_branch(fork);

	if (r == 0 && !fork->copied)
		r = copy_branch(fork);
	/* before a line goes: readers go by what is in the journal */
	if (r == 0)
		r = forget(fork);
	if (r == 0)
		r = drop_lines(fork);
	if (r == 0)
		r = cut_local(fork);
	if (r == 0 && fs->unlinkat(fork->archive->root_fd, "journal/" PLAN_FILE, 0) < 0)
		r = -errno;
	if (r == 0)
		r = fs_sync_folder(fs, fork->archive->journal->dirfd);
	if (r == 0)
		r = archive_refresh(fork->archive);
	if (r == 0)
		archive_point_latest(fork->archive);
	return r;
}

bool archive_branch(const struct archive *archive, unsigned *number)
{
	char path[FRAME_PATH_MAX];

	while (*number < BRANCHES_MAX) {
		snprintf(path, sizeof(path), BRANCHES "/%u", ++*number);
		if (faccessat(archive->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

int archive_finish_fork(struct archive *archive)
{
	CLEANUP(fork_clear) struct fork fork = { .archive = archive, .from_fd = -1, .to_fd = -1 };
	int r = read_plan(&fork);

	if (r == 0)
		r = carry_out(&fork);
	return r < 0 ? (r == -ENOENT ? 0 : r) : 1;
}

int archive_fork(struct archive *archive, uint64_t after, unsigned *ret_branch)
{
	CLEANUP(fork_clear)
	struct fork fork = { .archive = archive, .after = after, .from_fd = -1, .to_fd = -1 };
	unsigned last = 0;
	int r;

	if (archive->writer_fd < 0)
		return -EROFS;
	if (!archive->copy || after > SEQ_MAX)
		return -EINVAL;
	while (archive_branch(archive, &fork.number))
		last = fork.number;
	fork.number = last + 1;
	if (fork.number > BRANCHES_MAX)
		return -EMLINK;
	r = write_plan(&fork);
	if (r == 0)
		r = carry_out(&fork);
	if (r == 0)
		*ret_branch = fork.number;
	return r;
}
