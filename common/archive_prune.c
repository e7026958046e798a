/* SPDX-License-Identifier: MIT */
/*
 * Taking frames away, and frames that take the place of others. The journal tells of it before it is
 * done, so at no moment is a file missing without a reason; what a crash leaves half done is done by
 * the next opening.
 *
 * A frame that was dated anew is published beside its old self, then that is pruned. journal/redate
 * holds the new line from before the new file is visible until the next such frame: with it the
 * opening after a crash gives the file its own line back, and knows which old one is too many.
 */
#include "common/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Frames of a range, folder by folder. */
struct walk {
	struct archive *archive;
	int folder_fd; /* -1: none, or it is not there */
	char folder[FRAME_PATH_MAX]; /* "": none */
	bool removed; /* a name in it, not synced yet */
	struct archive_pruned pruned;
	int error; /* the first one */
};

void archive_remove_empty(struct archive *archive, const char *folder)
{
	char path[FRAME_PATH_MAX], *slash;

	snprintf(path, sizeof(path), "%s", folder);
	while ((slash = strrchr(path, '/'))) {
		CLEANUP_FD int fd = -1;

		*slash = '\0';
		if (fs_open_folder(&fs_real, archive->root_fd, path, false, &fd) < 0 ||
			archive->fs->unlinkat(fd, slash + 1, AT_REMOVEDIR) < 0)
			return;
	}
	archive->fs->unlinkat(archive->root_fd, path, AT_REMOVEDIR);
}

static void note_error(struct walk *walk, int r)
{
	if (r < 0 && walk->error == 0)
		walk->error = r;
}

static void leave_folder(struct walk *walk)
{
	struct archive *archive = walk->archive;

	/* or a name may be back after a power cut, long after the line that tells why it is gone */
	if (walk->removed) {
		note_error(walk, fs_sync_folder(archive->fs, walk->folder_fd));
		archive_remove_empty(archive, walk->folder);
	}
	closep(&walk->folder_fd);
	walk->folder_fd = -1;
	walk->removed = false;
}

static int enter_folder(struct walk *walk, const struct frame_name *name)
{
	char folder[FRAME_PATH_MAX];
	int r = frame_name_folder(name, folder);

	if (r < 0 || strcmp(folder, walk->folder) == 0)
		return r;
	leave_folder(walk);
	memcpy(walk->folder, folder, sizeof(folder));
	r = fs_open_folder(&fs_real, walk->archive->root_fd, folder, false, &walk->folder_fd);
	return r == -ENOENT || r == -ELOOP || r == -ENOTDIR ? 0 : r;
}

static void count_file(struct walk *walk, const char *file)
{
	struct stat st;

	if (fstatat(walk->folder_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		note_error(walk, errno == ENOENT ? 0 : -errno);
		return;
	}
	walk->pruned.count++;
	walk->pruned.bytes += st.st_size;
}

static void remove_file(struct walk *walk, const char *file)
{
	if (walk->archive->fs->unlinkat(walk->folder_fd, file, 0) == 0)
		walk->removed = true;
	else if (errno != ENOENT)
		walk->pruned.left++;
}

/* Shows the files of the frames in the range to `visit`. */
static int walk_frames(struct walk *walk, uint64_t first, uint64_t last,
	void (*visit)(struct walk *walk, const char *file))
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	char file[FRAME_NAME_MAX];
	struct record record;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_seek(walk->archive->journal, first, &cursor);

	walk->folder_fd = -1;
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0 && seq <= last) {
		struct frame_name name;

		if (record_parse(line, len, &record) < 0 || record.type != RECORD_FRAME)
			continue;
		name = record_name(&record);
		r = enter_folder(walk, &name);
		if (r == 0)
			r = frame_name_format(&name, file);
		if (r == 0 && walk->folder_fd >= 0)
			visit(walk, file);
	}
	leave_folder(walk);
	return r < 0 ? r : walk->error;
}

static int remove_files(struct archive *archive, uint64_t first, uint64_t last, uint64_t *ret_left)
{
	struct walk walk = { .archive = archive };
	int r = walk_frames(&walk, first, last, remove_file);

	*ret_left = walk.pruned.left;
	return r;
}

int archive_prune(struct archive *archive, uint64_t first, uint64_t last, const char *why,
	struct archive_pruned *ret)
{
	struct record prune = record_new(RECORD_PRUNE);
	struct walk walk = { .archive = archive };
	int r;

	if (archive->writer_fd < 0)
		return -EROFS;
	if (archive->copy || first == 0 || first > last || last - first >= PRUNE_LINES_MAX)
		return -EINVAL;
	if (archive->has_newest && archive->newest.seq >= first && archive->newest.seq <= last)
		return -EBUSY;
	r = walk_frames(&walk, first, last, count_file);
	if (r == 0 && walk.pruned.count == 0)
		r = -ENOENT;
	if (r < 0)
		return r;
	prune.first_seq = first;
	prune.last_seq = last;
	prune.count = walk.pruned.count;
	prune.bytes = walk.pruned.bytes;
	snprintf(prune.text, sizeof(prune.text), "%s", why);
	r = archive_note(archive, &prune);
	if (r < 0)
		return r;
	/* It is told now. A folder that could not be read to its end is a matter of the next opening. */
	if (remove_files(archive, first, last, &walk.pruned.left) < 0 && walk.pruned.left == 0)
		walk.pruned.left = 1;
	*ret = walk.pruned;
	return 0;
}

/* Shows the files of those frames to `visit`, but for the newest frame. */
static int walk_names(struct walk *walk, const struct frame_name *names, size_t n,
	void (*visit)(struct walk *walk, const char *file))
{
	const struct archive *archive = walk->archive;
	char file[FRAME_NAME_MAX];
	int r = 0;

	walk->folder_fd = -1;
	walk->folder[0] = '\0';
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (archive->has_newest && names[i].seq == archive->newest.seq)
			continue;
		r = enter_folder(walk, &names[i]);
		if (r == 0)
			r = frame_name_format(&names[i], file);
		if (r == 0 && walk->folder_fd >= 0)
			visit(walk, file);
	}
	leave_folder(walk);
	return r < 0 ? r : walk->error;
}

int archive_local(struct archive *archive, struct journal **ret)
{
	bool write = archive->writer_fd >= 0;
	int r = 0;

	if (!archive->local)
		r = journal_open(archive->root_fd, "local", archive->id, write, archive->fs,
			&archive->local);
	if (r == 0)
		*ret = archive->local;
	return r;
}

int archive_last_removal(struct archive *archive, struct record *ret)
{
	struct journal *local;
	struct record record;
	uint64_t seq;
	int r = archive_local(archive, &local);

	if (r == 0)
		r = journal_last(local, &seq);
	for (; r == 0 && seq > 0; seq--) {
		r = journal_find(local, seq, &record);
		if (r == 0 && record.type == RECORD_PRUNE &&
			strcmp(record.text, PRUNE_DAMAGED) != 0 &&
			strcmp(record.text, PRUNE_REDATED) != 0) {
			*ret = record;
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

int archive_note_here(struct archive *archive, uint64_t first, uint64_t last, const char *why,
	const struct archive_pruned *pruned)
{
	struct record prune = record_new(RECORD_PRUNE);
	struct journal *local;
	int r = archive_local(archive, &local);

	if (r == 0)
		r = journal_last(local, &prune.seq);
	if (r < 0)
		return r;
	prune.seq++;
	prune.first_seq = first;
	prune.last_seq = last;
	prune.count = pruned->count;
	prune.bytes = pruned->bytes;
	snprintf(prune.text, sizeof(prune.text), "%s", why);
	return journal_append_record(local, &prune, true);
}

int archive_remove(struct archive *archive, const struct frame_name *names, size_t n,
	const char *why, struct archive_pruned *ret)
{
	struct walk walk = { .archive = archive };
	uint64_t first, last;
	bool late;
	int r;

	if (archive->writer_fd < 0)
		return -EROFS;
	if (!archive->copy || n == 0)
		return -EINVAL;
	first = names[0].seq;
	last = names[n - 1].seq;
	r = walk_names(&walk, names, n, count_file);
	if (r < 0 || walk.pruned.count == 0) {
		*ret = walk.pruned;
		return r;
	}
	r = archive_note_here(archive, first, last, why, &walk.pruned);
	/* Without a byte for the line the files go first: here pictures may be gone without a reason. */
	late = r == -ENOSPC || r == -EDQUOT;
	if (r == 0 || late)
		r = walk_names(&walk, names, n, remove_file);
	if (r == 0 && late)
		r = archive_note_here(archive, first, last, why, &walk.pruned);
	if (r == 0)
		*ret = walk.pruned;
	return r;
}

/* Whether a prune line behind `from` tells of that frame: 1, 0 or -errno. */
static int is_told(struct archive *archive, uint64_t from, uint64_t gone)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct record record;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_seek(archive->journal, from, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (memmem(line, len, "\"prune\"", 7) && record_parse(line, len, &record) == 0 &&
			record.type == RECORD_PRUNE && record.first_seq <= gone &&
			record.last_seq >= gone)
			return 1;
	}
	return r;
}

int archive_finish_redate(struct archive *archive)
{
	struct record announced, stored, old;
	struct archive_pruned pruned;
	CLEANUP_FD int fd = -1;
	uint64_t left;
	int r = archive_announced(archive, &announced);

	if (r == 0)
		r = journal_find(archive->journal, announced.seq, &stored);
	if (r < 0 || stored.was != announced.was)
		return r == -ENOENT ? 0 : r; /* it did not come to that */
	r = journal_find(archive->journal, announced.was, &old);
	if (r == 0)
		r = archive_open_frame(archive, &old, &fd);
	/* a damaged one goes as well */
	if (r == 0 || r == -EBADMSG || r == -ELOOP)
		r = is_told(archive, announced.seq, old.seq);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return r > 0 ? remove_files(archive, old.seq, old.seq, &left)
		     : archive_prune(archive, old.seq, old.seq, PRUNE_REDATED, &pruned);
}

/* Files go right behind their line, so only the journal's last one may not have been carried out. */
static int finish_prune(struct archive *archive)
{
	struct record last;
	uint64_t seq, left;
	int r = journal_last(archive->journal, &seq);

	if (r == 0)
		r = journal_find(archive->journal, seq, &last);
	if (r < 0 || last.type != RECORD_PRUNE || last.last_seq - last.first_seq >= PRUNE_LINES_MAX)
		return r;
	/* a repair has moved them before it told so; whoever puts a good copy back keeps it */
	if (strcmp(last.text, PRUNE_DAMAGED) == 0 || strcmp(last.text, PRUNE_LOST) == 0)
		return 0;
	return remove_files(archive, last.first_seq, last.last_seq, &left);
}

int archive_finish_pruning(struct archive *archive)
{
	int r = finish_prune(archive);

	if (r == 0 || r == -ENOENT)
		r = archive_finish_redate(archive);
	/* what cannot be removed is no reason not to take pictures */
	return r == -ENOMEM ? r : 0;
}
