/* SPDX-License-Identifier: MIT */
/*
 * The one place that makes frames visible, one or many. All their data is on the disk before the
 * first has its name, their names are on the disk before the journal tells of them; whatever fails
 * on the way is undone, so that the next frame finds the archive as this one did.
 */
#include "common/archive/archive_private.h"

#include <errno.h>
#include <string.h>

/* Frames of one day folder and one segment, which share their syncs. */
struct commit {
	struct archive *archive;
	struct partial *named[BATCH_FRAMES_MAX];
	unsigned n;
};

/* Puts the data of one partial on the disk. */
static int commit_data(struct partial *partial)
{
	int r = partial->error ? partial->error : partial_check(partial);

	if (r < 0 || partial->fd < 0)
		return r; /* a commit before this one did it */
	r = fs_finish(partial->archive->fs, TAKE_FD(partial->fd));
	if (r < 0) {
		partial_discard(partial);
		partial->error = r;
	}
	return r;
}

/*
 * 1: the journal has this very frame, and what its line says counts; 0: it has none of that number;
 * -EEXIST: it has another.
 */
static int commit_find_line(struct archive *archive, struct record *frame)
{
	struct record held;
	int r = journal_holds(archive->journal, frame->seq);

	if (r > 0)
		r = journal_find(archive->journal, frame->seq, &held);
	else if (r == 0)
		return 0;
	if (r < 0)
		return r;
	if (held.type != RECORD_FRAME || held.bytes != frame->bytes ||
		memcmp(held.sha256, frame->sha256, SHA256_BYTES) != 0 ||
		record_name(&held).slot_us != record_name(frame).slot_us)
		return -EEXIST;
	*frame = held;
	return 1;
}

/* The name is taken: 0 where the same picture has it, so that only its line may be missing. */
static int commit_adopt(struct partial *partial)
{
	CLEANUP_FD int fd = -1;
	uint8_t sha256[SHA256_BYTES];
	int64_t bytes;
	int r = archive_open_frame(partial->archive, &partial->record, &fd);

	if (r == 0)
		r = digest_fd(fd, sha256, &bytes);
	if (r == 0 && memcmp(sha256, partial->record.sha256, SHA256_BYTES) != 0)
		r = -EEXIST;
	partial->adopted = r == 0;
	return r == -EBADMSG || r == -ELOOP ? -EEXIST : r;
}

/*
 * What comes before the name: on the camera's side the number, on the puller's a look at the
 * journal.
 */
static int commit_prepare(struct partial *partial, uint64_t seq)
{
	struct archive *archive = partial->archive;
	struct record *record = &partial->record;
	int r = partial_use_folder(partial);

	if (r < 0)
		return r;
	if (archive->copy) {
		r = commit_find_line(archive, record);
		partial->has_line = r > 0;
		return r < 0 ? r : 0;
	}
	if (seq > SEQ_MAX)
		return -EOVERFLOW;
	record->seq = seq;
	return record->was ? archive_announce(archive, record) : 0;
}

/* Gives the frame its name; where that fails nothing is left of it. */
static int commit_name(struct partial *partial, uint64_t seq)
{
	struct archive *archive = partial->archive;
	int r = commit_prepare(partial, seq);
	struct frame_name name = record_name(&partial->record);

	if (r == 0)
		r = frame_name_format(&name, partial->name);
	if (r < 0) {
		partial_discard(partial);
		return r;
	}
	r = fs_rename_noreplace(
		archive->fs, partial->temp_fd, partial->temp, partial->folder_fd, partial->name);
	if (r < 0)
		partial_discard(partial);
	partial->there = false;
	return r == -EEXIST && archive->copy ? commit_adopt(partial) : r;
}

static int commit_by_seq(const void *a, const void *b)
{
	const struct partial *const *x = a, *const *y = b;

	return (*x)->record.seq < (*y)->record.seq ? -1 : (*x)->record.seq > (*y)->record.seq;
}

/* Appends the lines of the named frames that have none, in order of their numbers: all or none. */
static int commit_lines(struct commit *commit)
{
	CLEANUP_FREE char *lines = malloc((size_t)commit->n * LINE_MAX_BYTES + 1);
	uint64_t first = 0, last = 0;
	size_t used = 0;

	if (!lines)
		return -ENOMEM;
	qsort(commit->named, commit->n, sizeof(commit->named[0]), commit_by_seq);
	for (unsigned i = 0; i < commit->n; i++) {
		const struct partial *partial = commit->named[i];
		char line[LINE_MAX_BYTES + 1];
		int length = partial->has_line ? 0 : record_format(&partial->record, line);

		if (length < 0)
			return length;
		if (length == 0)
			continue;
		memcpy(lines + used, line, (size_t)length);
		used += (size_t)length;
		last = partial->record.seq;
		first = first ? first : last;
	}
	return used ? archive_append_lines(commit->archive, first, last, lines, used) : 0;
}

/* Takes the names back that were given in vain; those that may be back are noted. */
static void commit_undo(struct commit *commit)
{
	struct archive *archive = commit->archive;
	int folder_fd = commit->named[0]->folder_fd;
	bool failed = false;

	for (unsigned i = 0; i < commit->n; i++) {
		if (!commit->named[i]->adopted)
			failed |= archive->fs->unlinkat(folder_fd, commit->named[i]->name, 0) < 0;
	}
	failed |= fs_sync_folder(archive->fs, folder_fd) < 0;
	for (unsigned i = 0; failed && i < commit->n; i++) {
		if (!commit->named[i]->adopted)
			archive_undo(archive, record_name(&commit->named[i]->record), false);
	}
}

struct archive_undone archive_undone(const struct archive *archive)
{
	return archive->undone;
}

/* The records as their lines are now: the journal has given each the hash of the one before. */
static void commit_note_chain(struct commit *commit)
{
	const char *line = journal_appended(commit->archive->journal);

	for (unsigned i = 0; i < commit->n; i++) {
		struct record *record = &commit->named[i]->record, written;
		const size_t len = strcspn(line, "\n");

		if (record_parse(line, len, &written) == 0) {
			record->has_prev = written.has_prev;
			memcpy(record->prev, written.prev, sizeof(record->prev));
		}
		line += len + 1;
	}
}

/* Their folder to the disk, then their lines. */
static int commit_named(struct commit *commit)
{
	struct archive *archive = commit->archive;
	int r = fs_sync_folder(archive->fs, commit->named[0]->folder_fd);

	if (r == 0)
		r = commit_lines(commit);
	if (r < 0) {
		commit_undo(commit);
		return r;
	}
	if (!archive->copy)
		commit_note_chain(commit);
	for (unsigned i = 0; i < commit->n; i++) {
		const struct partial *partial = commit->named[i];

		archive_note_newest(archive, &partial->record);
		if (!archive->copy)
			archive->next_seq = partial->record.seq + 1;
	}
	return 0;
}

/*
 * Whether a partial can be committed together with those before it. The line of one that takes
 * another's place stands in journal/redate until it is in the journal, so it goes alone.
 */
static bool commit_fits(const struct commit *commit, const struct partial *partial, uint64_t seq)
{
	const struct partial *first = commit->named[0];

	if (commit->n == 0)
		return true;
	return commit->n < BATCH_FRAMES_MAX && strcmp(partial->folder, first->folder) == 0 &&
		seq / SEGMENT_LINES == first->record.seq / SEGMENT_LINES &&
		(commit->archive->copy || (!partial->record.was && !first->record.was));
}

/*
 * As many as fit together. Returns how many have an outcome now; `ret_errors` is what came of their
 * data.
 */
static unsigned commit_some(
	struct archive *archive, struct partial *const *partials, unsigned n, int *ret_errors)
{
	struct commit commit = { .archive = archive };
	unsigned i;
	int r;

	for (i = 0; i < n; i++) {
		uint64_t seq =
			archive->copy ? partials[i]->record.seq : archive->next_seq + commit.n;

		if (!commit_fits(&commit, partials[i], seq))
			break;
		if (ret_errors[i] == 0)
			ret_errors[i] = commit_name(partials[i], seq);
		if (ret_errors[i] == 0)
			commit.named[commit.n++] = partials[i];
		else if (!archive->copy) {
			i++;
			break;
		}
	}
	r = commit.n ? commit_named(&commit) : 0;
	for (unsigned k = 0; k < i; k++) {
		if (ret_errors[k] == 0)
			ret_errors[k] = r;
		if (ret_errors[k] < 0 && !archive->copy)
			partials[k]->record.seq = 0;
	}
	return i;
}

int archive_announce(struct archive *archive, const struct record *frame)
{
	char line[LINE_MAX_BYTES + 1];
	int length = record_format(frame, line);

	return length < 0 ? length
			  : fs_replace(archive->fs, journal_folder_fd(archive->journal),
				    ARCHIVE_REDATE_FILE, line, (size_t)length, 0644);
}

int archive_announced(struct archive *archive, struct record *ret)
{
	CLEANUP_FREE char *text = NULL;
	struct record record;
	size_t bytes;
	int r = fs_read_file(journal_folder_fd(archive->journal), ARCHIVE_REDATE_FILE,
		LINE_MAX_BYTES, &text, &bytes);

	if (r == 0)
		r = record_parse(text, bytes, &record);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT; /* whatever it is, it is none of ours */
	if (record.type != RECORD_FRAME || record.was == 0)
		return -ENOENT;
	*ret = record;
	return 0;
}

unsigned archive_commit(
	struct archive *archive, struct partial *const *partials, unsigned n, int *ret_errors)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++)
		ret_errors[i] = commit_data(partials[i]);
	while (done < n) {
		done += commit_some(archive, partials + done, n - done, ret_errors + done);
		if (!archive->copy && ret_errors[done - 1] < 0)
			break;
	}
	archive_point_latest(archive);
	return done;
}

int archive_publish(struct archive *archive, struct record *frame, const void *jpeg, size_t bytes)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	int error = partial_stage(archive, frame, jpeg, bytes, &partial);

	if (error == 0)
		archive_commit(archive, &partial, 1, &error);
	if (error == 0)
		*frame = partial->record;
	return error;
}

int archive_note(struct archive *archive, struct record *record)
{
	struct record numbered = *record;
	int r;

	if (record->type == RECORD_FRAME)
		return -EINVAL;
	r = archive_check_next(archive);
	if (r < 0)
		return r;
	numbered.seq = archive->next_seq;
	r = archive_append_record(archive, &numbered);
	if (r < 0)
		return r;
	archive->next_seq++;
	record->seq = numbered.seq;
	archive_point_latest(archive);
	return 0;
}

int archive_store_records(struct archive *archive, const struct record *records, size_t n)
{
	int r = archive->writer_fd < 0 ? -EROFS : 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (records[i].type == RECORD_FRAME || records[i].seq == 0 ||
			records[i].seq > SEQ_MAX)
			return -EINVAL;
		r = journal_holds(archive->journal, records[i].seq);
		if (r == 0)
			r = journal_append_record(archive->journal, &records[i], false);
		else if (r > 0)
			r = 0;
	}
	return r < 0 ? r : journal_flush(archive->journal);
}
