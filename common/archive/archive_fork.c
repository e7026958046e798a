/* SPDX-License-Identifier: MIT */
/*
 * Two histories of one archive. The lines and files of the old branch move into an archive of their
 * own in branches/N; what both have in common stays. journal/fork has "N AFTER copy" from before
 * the first copy until all is done, and whoever opens the copy for writing after a crash does all
 * of it again: what has been copied or moved is passed over, and no line goes here before
 * everything is there.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "common/journal/journal_private.h"

#define PLAN_FILE "fork" /* in journal/ */
#define PLAN_MAX 64

struct fork {
	struct archive *archive, *branch;
	unsigned number;
	uint64_t after;
	int from_fd, to_fd; /* the day folder at hand, here and there; -1: none */
	char folder[FRAME_PATH_MAX];
	struct frame_name name; /* of a frame in it */
};

static void fork_clear(struct fork *fork)
{
	archive_free(fork->branch);
	fd_closep(&fork->from_fd);
	fd_closep(&fork->to_fd);
}

/* ---- the plan */

static int fork_write_plan(const struct fork *fork)
{
	char text[PLAN_MAX];
	int n = snprintf(text, sizeof(text), "%u %" PRIu64 " copy\n", fork->number, fork->after);

	return fs_replace(fork->archive->fs, journal_folder_fd(fork->archive->journal), PLAN_FILE,
		text, (size_t)n, 0644);
}

/*
 * -ENOENT: nothing was begun. The word after the numbers, which 0.1 changed on the way, does not
 * matter.
 */
static int fork_read_plan(struct fork *fork)
{
	CLEANUP_FREE char *text = NULL;
	int r = fs_read_file(
		journal_folder_fd(fork->archive->journal), PLAN_FILE, PLAN_MAX, &text, NULL);

	if (r < 0)
		return r;
	if (sscanf(text, "%u %" SCNu64, &fork->number, &fork->after) != 2 || fork->number == 0 ||
		fork->number > BRANCHES_MAX || fork->after > SEQ_MAX)
		return -ENOENT; /* it is none of ours */
	return 0;
}

static int fork_open_branch(struct fork *fork)
{
	struct stat st;
	const mode_t access = fstat(fork->archive->root_fd, &st) < 0 ? 0 : st.st_mode & 0777;
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.camera = fork->archive->camera,
		.id = fork->archive->id,
		.copy = true,
		.access = access,
		.fs = fork->archive->fs };
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" BRANCHES "/%u", fork->archive->path, fork->number) >=
		(int)sizeof(path))
		return -ENAMETOOLONG;
	return archive_open(path, &options, &fork->branch);
}

/* ---- lines and files of the branch */

static int fork_copy_line(struct journal *to, uint64_t seq, const char *line, size_t len)
{
	char copy[LINE_MAX_BYTES + 1];
	int r = journal_holds(to, seq);

	if (r != 0 || len >= LINE_MAX_BYTES)
		return r < 0 ? r : 0;
	memcpy(copy, line, len);
	copy[len] = '\n';
	return journal_append(to, seq, copy, len + 1, false);
}

/* Lines of local/ that tell of the branch's frames explain there what is gone. */
static bool fork_is_local_wanted(const struct fork *fork, const char *line, size_t len)
{
	struct record record;

	return record_parse(line, len, &record) == 0 && record.type == RECORD_PRUNE &&
		record.last_seq > fork->after;
}

static int fork_copy_lines(struct fork *fork, struct journal *from, struct journal *to, bool local)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_seek(from, local ? 1 : fork->after + 1, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (local ? fork_is_local_wanted(fork, line, len) : seq > fork->after)
			r = fork_copy_line(to, seq, line, len);
	}
	return r < 0 ? r : journal_flush(to);
}

static int fork_copy_local(struct fork *fork)
{
	struct journal *from, *to;
	uint64_t last;
	int r = archive_local(fork->archive, &from);

	if (r == 0)
		r = journal_last(from, &last);
	if (r < 0 || last == 0)
		return r; /* nothing happened here */
	r = archive_local(fork->branch, &to);
	return r < 0 ? r : fork_copy_lines(fork, from, to, true);
}

/*
 * Makes that day folder the one at hand; NULL: none. What was moved into the one before is durable.
 */
static int fork_enter_folder(struct fork *fork, const struct frame_name *name)
{
	const struct fs_ops *fs = fork->archive->fs;
	char folder[FRAME_PATH_MAX] = "";
	int r = name ? frame_name_folder(name, folder) : 0;

	if (r < 0 || strcmp(folder, fork->folder) == 0)
		return r;
	if (fork->to_fd >= 0) {
		r = fs_sync_folder(fs, fork->to_fd);
		if (r == 0)
			r = fs_sync_folder(fs, fork->from_fd);
		if (r == 0)
			archive_remove_empty(fork->archive, &fork->name);
	}
	fd_closep(&fork->from_fd);
	fd_closep(&fork->to_fd);
	fork->from_fd = fork->to_fd = -1;
	fork->folder[0] = '\0';
	if (r < 0 || !name)
		return r;
	r = fs_open_folder(&fs_real, fork->archive->root_fd, folder, false, &fork->from_fd);
	if (r == 0)
		r = fs_open_folder(fs, fork->branch->root_fd, folder, true, &fork->to_fd);
	if (r == 0) {
		memcpy(fork->folder, folder, sizeof(folder));
		fork->name = *name;
	}
	return r;
}

static int fork_move_file(struct fork *fork, const struct record *frame)
{
	struct frame_name name = record_name(frame);
	char file[FRAME_NAME_MAX];
	int r = fork_enter_folder(fork, &name);

	if (r == 0)
		r = frame_name_format(&name, file);
	/* the branch is ours alone: what is there has moved already */
	if (r == 0 && fork->archive->fs->renameat2(fork->from_fd, file, fork->to_fd, file, 0) < 0)
		r = -errno;
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
}

static int fork_move_files(struct fork *fork)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct record record;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_seek(fork->branch->journal, 1, &cursor), left;

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (record_parse(line, len, &record) == 0 && record.type == RECORD_FRAME)
			r = fork_move_file(fork, &record);
	}
	left = fork_enter_folder(fork, NULL);
	if (r == 0)
		r = left;
	if (r == 0)
		r = archive_refresh(fork->branch);
	if (r == 0)
		archive_point_latest(fork->branch);
	return r;
}

/* ---- what stays here */

static int fork_keep_common(
	void *data, uint64_t seq, const char *line, size_t len, char ret[static LINE_MAX_BYTES + 1])
{
	const struct fork *fork = data;

	(void)line, (void)len, (void)ret;
	return seq > fork->after ? -ENODATA : 0;
}

/* A line of local/ about frames of both tells of the common ones from here on. */
static int fork_cut_removal(
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

static int fork_rebuild(struct fork *fork, struct journal *journal, const char *name,
	uint64_t number, journal_line *line)
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

/* The highest segment first: a journal that is cut short in the middle of this is one still. */
static int fork_drop_lines(struct fork *fork)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	struct journal *journal = fork->archive->journal;
	int r = journal_segments(journal, &segments);
	const size_t first = segments_at(&segments, fork->after / SEGMENT_LINES);

	for (size_t i = segments.n; r == 0 && i-- > first;)
		r = fork_rebuild(fork, journal, "journal", segments.list[i], fork_keep_common);
	return r;
}

static int fork_cut_local(struct fork *fork)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	struct journal *local;
	int r = archive_local(fork->archive, &local);

	if (r == 0)
		r = journal_segments(local, &segments);
	for (size_t i = 0; r == 0 && i < segments.n; i++)
		r = fork_rebuild(fork, local, "local", segments.list[i], fork_cut_removal);
	journal_free(TAKE_PTR(fork->archive->local));
	return r == -ENOENT ? 0 : r;
}

static int fork_remove(struct fork *fork, const char *path)
{
	return fork->archive->fs->unlinkat(fork->archive->root_fd, path, 0) < 0 && errno != ENOENT
		? -errno
		: 0;
}

static int fork_carry_out(struct fork *fork)
{
	struct archive *archive = fork->archive;
	int r = fork_open_branch(fork);

	if (r == 0)
		r = fork_copy_lines(fork, archive->journal, fork->branch->journal, false);
	if (r == 0)
		r = fork_copy_local(fork);
	if (r == 0)
		r = fork_move_files(fork);
	/* what was known of the journal is known no more; readers go by what is in it */
	if (r == 0)
		r = fork_remove(fork, LATEST);
	if (r == 0)
		r = archive_forget(archive);
	if (r == 0)
		r = fork_drop_lines(fork);
	if (r == 0)
		r = fork_cut_local(fork);
	if (r == 0)
		r = fork_remove(fork, "journal/" PLAN_FILE);
	if (r == 0)
		r = fs_sync_folder(archive->fs, archive->journal->dirfd);
	if (r == 0)
		r = archive_refresh(archive);
	if (r == 0)
		archive_point_latest(archive);
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
	int r = fork_read_plan(&fork);

	if (r == 0)
		r = fork_carry_out(&fork);
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
	r = fork_write_plan(&fork);
	if (r == 0)
		r = fork_carry_out(&fork);
	if (r == 0)
		*ret_branch = fork.number;
	return r;
}
