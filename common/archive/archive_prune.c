/* SPDX-License-Identifier: MIT */
/*
 * Removing frames, and replacing them. The journal's line comes first, so at no moment is a file
 * missing without a reason; the next opening finishes what a crash left half done.
 *
 * A frame whose time was corrected is published beside its old self, then that one is pruned.
 * journal/redate holds the new line from before the new file is visible until the next such frame:
 * from it the opening after a crash gives the file its own line back, and knows which old one is
 * too many.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Frames that go together. */
struct frames {
	struct frame_name names[PRUNE_LINES_MAX];
	size_t n;
	uint64_t newest; /* stays; 0: none */
};

void archive_remove_empty(struct archive *archive, const struct frame_name *name)
{
	char path[FRAME_PATH_MAX], *slash;

	if (frame_name_folder(name, path) < 0)
		return;
	while ((slash = strrchr(path, '/'))) {
		CLEANUP_FD int fd = -1;

		*slash = '\0';
		if (fs_open_folder(&fs_real, archive->root_fd, path, false, &fd) < 0 ||
			archive->fs->unlinkat(fd, slash + 1, AT_REMOVEDIR) < 0)
			return;
	}
	archive->fs->unlinkat(archive->root_fd, path, AT_REMOVEDIR);
}

/* Whether nothing is there: no file, no folder, or something else in its place. */
static bool is_no_folder(int r)
{
	return r == -ENOENT || r == -ELOOP || r == -ENOTDIR;
}

static int count_files(
	struct archive *archive, const struct frames *frames, struct archive_pruned *ret)
{
	struct archive_pruned pruned = { 0 };

	for (size_t i = 0; i < frames->n; i++) {
		char file[FRAME_NAME_MAX];
		CLEANUP_FD int fd = -1;
		struct stat st;
		int r = archive_open_day(archive, &frames->names[i], file, &fd);

		if (r == 0 && fstatat(fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		if (r < 0 && !is_no_folder(r))
			return r;
		pruned.count += r == 0;
		pruned.bytes += r == 0 ? st.st_size : 0;
	}
	*ret = pruned;
	return 0;
}

static bool is_last_of_day(const struct frames *frames, size_t i)
{
	const int64_t day_us = INT64_C(24) * 3600 * US_PER_SEC;

	return i + 1 == frames->n ||
		frames->names[i].slot_us / day_us != frames->names[i + 1].slot_us / day_us;
}

/* Removes the files, durably, and folders that are empty afterwards. Returns how many are left. */
static uint64_t remove_files(struct archive *archive, const struct frames *frames)
{
	uint64_t left = 0;

	for (size_t i = 0; i < frames->n; i++) {
		char file[FRAME_NAME_MAX];
		CLEANUP_FD int fd = -1;
		int r = archive_open_day(archive, &frames->names[i], file, &fd);

		if (r == 0 && archive->fs->unlinkat(fd, file, 0) < 0)
			r = -errno;
		left += r < 0 && !is_no_folder(r);
		if (fd < 0 || !is_last_of_day(frames, i))
			continue;
		/*
		 * or a name may be back after a power cut, long after the line that tells why it is
		 * gone
		 */
		if (fs_sync_folder(archive->fs, fd) < 0 && left == 0)
			left = 1;
		archive_remove_empty(archive, &frames->names[i]);
	}
	return left;
}

static int note_frame(void *data, uint64_t seq, const char *line, size_t len)
{
	struct frames *frames = data;
	struct record record;

	if (frames->n < ARRAY_SIZE(frames->names) && seq != frames->newest &&
		record_parse(line, len, &record) == 0 && record.type == RECORD_FRAME)
		frames->names[frames->n++] = record_name(&record);
	return 0;
}

/* The frames of a range, but for the newest one of all. */
static int list_frames(struct archive *archive, uint64_t first, uint64_t last, struct frames *ret)
{
	uint64_t next;

	ret->n = 0;
	ret->newest = archive->has_newest ? archive->newest.seq : 0;
	return journal_visit(archive->journal, first, last, note_frame, ret, &next);
}

static int remove_range(struct archive *archive, uint64_t first, uint64_t last)
{
	struct frames frames;
	int r = list_frames(archive, first, last, &frames);

	if (r == 0)
		remove_files(archive, &frames);
	return r;
}

int archive_prune(struct archive *archive, uint64_t first, uint64_t last, const char *why,
	struct archive_pruned *ret)
{
	struct archive_pruned pruned;
	struct frames frames;
	bool late;
	int r;

	if (archive->writer_fd < 0)
		return -EROFS;
	if (first == 0 || first > last || last - first >= PRUNE_LINES_MAX)
		return -EINVAL;
	if (!archive->copy && archive->has_newest && archive->newest.seq >= first &&
		archive->newest.seq <= last)
		return -EBUSY;
	r = list_frames(archive, first, last, &frames);
	if (r == 0)
		r = count_files(archive, &frames, &pruned);
	if (r == 0 && pruned.count == 0)
		r = -ENOENT;
	if (r < 0)
		return r;
	r = archive_note_pruned(archive, first, last, why, &pruned);
	/* a copy without space for the line removes first: it may lose pictures without a reason */
	late = archive->copy && (r == -ENOSPC || r == -EDQUOT);
	if (r < 0 && !late)
		return r;
	/* it is told now: the next opening looks for what is left */
	pruned.left = remove_files(archive, &frames);
	r = late ? archive_note_pruned(archive, first, last, why, &pruned) : 0;
	if (r == 0)
		*ret = pruned;
	return r;
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

/* Appends a line to the copy's own journal. */
static int note_here(struct archive *archive, struct record *record)
{
	struct journal *local;
	int r = archive_local(archive, &local);

	if (r == 0)
		r = journal_last(local, &record->seq);
	if (r < 0)
		return r;
	record->seq++;
	return journal_append_record(local, record, true);
}

int archive_note_pruned(struct archive *archive, uint64_t first, uint64_t last, const char *why,
	const struct archive_pruned *pruned)
{
	struct record prune = record_new(RECORD_PRUNE);

	prune.first_seq = first;
	prune.last_seq = last;
	prune.count = pruned->count;
	prune.bytes = pruned->bytes;
	snprintf(prune.text, sizeof(prune.text), "%s", why);
	return archive->copy ? note_here(archive, &prune) : archive_note(archive, &prune);
}

/* Whether a prune line after `from` tells of that frame: 1, 0 or -errno. */
static int is_noted(struct archive *archive, uint64_t from, uint64_t gone)
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
		r = is_noted(archive, announced.seq, old.seq);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return r > 0 ? remove_range(archive, old.seq, old.seq)
		     : archive_prune(archive, old.seq, old.seq, PRUNE_REDATED, &pruned);
}

/*
 * Files go right after their line, so only the journal's last line may not have been carried out.
 */
static int finish_prune(struct archive *archive)
{
	struct record last;
	uint64_t seq;
	int r = journal_last(archive->journal, &seq);

	if (r == 0)
		r = journal_find(archive->journal, seq, &last);
	if (r < 0 || last.type != RECORD_PRUNE || last.last_seq - last.first_seq >= PRUNE_LINES_MAX)
		return r;
	/*
	 * a repair moves files before it writes the line; a good copy that somebody puts back stays
	 */
	if (strcmp(last.text, PRUNE_DAMAGED) == 0 || strcmp(last.text, PRUNE_LOST) == 0)
		return 0;
	return remove_range(archive, last.first_seq, last.last_seq);
}

int archive_finish_pruning(struct archive *archive)
{
	int r = finish_prune(archive);

	if (r == 0 || r == -ENOENT)
		r = archive_finish_redate(archive);
	/* what cannot be removed must not keep the camera from taking pictures */
	return r == -ENOMEM ? r : 0;
}
