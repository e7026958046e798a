/* SPDX-License-Identifier: MIT */
/*
 * Frames that are made durable together. Until then each is a hidden file that the next opening
 * sweeps, so a power cut shows none of them half; after all files are on the disk they get their
 * names, after the names are on the disk their lines.
 *
 * Numbers are given at the end, so that a frame that fails leaves no hole. The name of a hidden file
 * only has to be its own.
 */
#include "common/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct entry {
	struct record record;
	struct temp temp;
	int fd; /* -1: closed */
	int error;
};

struct archive_batch {
	struct entry entries[BATCH_FRAMES_MAX];
	unsigned n;
	int folder_fd; /* of all of them */
	char folder[FRAME_PATH_MAX];
	uint64_t next; /* for names of hidden files */
};

static int batch_new(struct archive *archive)
{
	struct archive_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	batch->folder_fd = fcntl(archive->folder_fd, F_DUPFD_CLOEXEC, 0);
	if (batch->folder_fd < 0) {
		free(batch);
		return -errno;
	}
	memcpy(batch->folder, archive->folder, sizeof(batch->folder));
	archive->batch = batch;
	return 0;
}

static void batch_free(struct archive *archive)
{
	closep(&archive->batch->folder_fd);
	free(archive->batch);
	archive->batch = NULL;
}

void archive_batch_drop(struct archive *archive)
{
	struct archive_batch *batch = archive->batch;

	if (!batch)
		return;
	for (unsigned i = 0; i < batch->n; i++) {
		if (batch->entries[i].fd >= 0)
			archive->fs->close(batch->entries[i].fd);
		archive->fs->unlinkat(batch->folder_fd, batch->entries[i].temp.temp, 0);
	}
	batch_free(archive);
}

unsigned archive_batch_count(const struct archive *archive)
{
	return archive->batch ? archive->batch->n : 0;
}

/* Whether the frame fits into the batch that is there; starts one where there is none. */
static int make_place(struct archive *archive, const struct frame_name *name)
{
	char folder[FRAME_PATH_MAX];
	int r = frame_name_folder(name, folder);

	if (r < 0)
		return r;
	if (archive->batch)
		return archive->batch->n == BATCH_FRAMES_MAX ||
				strcmp(folder, archive->batch->folder) != 0
			? -EBUSY
			: 0;
	r = archive_use_folder(archive, name);
	return r < 0 ? r : batch_new(archive);
}

int archive_batch_add(
	struct archive *archive, const struct record *frame, const void *jpeg, size_t bytes)
{
	struct entry entry = { .record = *frame };
	struct archive_batch *batch;
	struct frame_name name;
	int r;

	if (bytes > FRAME_BYTES_MAX)
		return -EFBIG;
	if (frame->type != RECORD_FRAME || frame->was || !jpeg_is_whole(jpeg, bytes))
		return -EINVAL;
	r = archive_check_next(archive);
	if (r < 0)
		return r;
	entry.record.bytes = (int64_t)bytes;
	entry.record.seq = archive->next_seq;
	if (archive->batch && archive->batch->next > entry.record.seq)
		entry.record.seq = archive->batch->next;
	name = record_name(&entry.record);
	r = make_place(archive, &name);
	if (r < 0)
		return r;
	batch = archive->batch;
	r = temp_init(archive, &name, &entry.temp);
	entry.temp.folder_fd = batch->folder_fd;
	if (r == 0)
		r = archive_write_temp(archive, &entry.temp, jpeg, &entry.record, &entry.fd);
	if (r == 0) {
		batch->next = entry.record.seq + 1;
		entry.record.seq = frame->seq;
		batch->entries[batch->n++] = entry;
	} else if (batch->n == 0) {
		batch_free(archive);
	}
	return r;
}

static void fail(struct archive *archive, struct entry *entry, int error)
{
	entry->error = error;
	temp_remove(archive, &entry->temp);
}

/* The data of all of them onto the disk. */
static void finish_files(struct archive *archive, struct archive_batch *batch)
{
	for (unsigned i = 0; i < batch->n; i++) {
		struct entry *entry = &batch->entries[i];
		int fd = TAKE_FD(entry->fd), r;

		if (fd < 0)
			continue; /* a commit before this one did it */
		r = fs_finish(archive->fs, fd);
		if (r < 0)
			fail(archive, entry, r);
	}
}

/* Gives the entry the number and its name. */
static int name_entry(struct archive *archive, struct entry *entry, uint64_t seq)
{
	struct record record = entry->record;
	struct frame_name name;
	int r;

	record.seq = seq;
	name = record_name(&record);
	r = seq > SEQ_MAX ? -EOVERFLOW : frame_name_format(&name, entry->temp.name);
	if (r == 0)
		r = fs_rename_noreplace(
			archive->fs, entry->temp.folder_fd, entry->temp.temp, entry->temp.name);
	if (r < 0)
		fail(archive, entry, r);
	else
		entry->record = record;
	return r;
}

/* The lines of the entries that are named, one after the other. */
static int format_lines(struct entry **named, unsigned n, char **ret_lines, size_t *ret_bytes)
{
	CLEANUP_FREE char *lines = malloc((size_t)n * LINE_MAX_BYTES + 1);
	size_t used = 0;

	if (!lines)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		char line[LINE_MAX_BYTES + 1];
		int length = record_format(&named[i]->record, line);

		if (length < 0)
			return length;
		memcpy(lines + used, line, (size_t)length);
		used += (size_t)length;
	}
	*ret_lines = TAKE_PTR(lines);
	*ret_bytes = used;
	return 0;
}

/* Entries with names whose folder is to be synced and whose lines are to be appended: all or none. */
static int place(struct archive *archive, struct entry **named, unsigned n)
{
	CLEANUP_FREE char *lines = NULL;
	size_t bytes = 0;
	int folder_fd = named[0]->temp.folder_fd;
	int r = fs_sync_folder(archive->fs, folder_fd);

	if (r == 0)
		r = format_lines(named, n, &lines, &bytes);
	if (r == 0)
		r = archive_append_lines(
			archive, named[0]->record.seq, named[n - 1]->record.seq, lines, bytes);
	for (unsigned i = 0; i < n; i++) {
		if (r == 0)
			archive_note_newest(archive, &named[i]->record);
		else
			archive_unname(archive, &named[i]->temp);
		if (r < 0)
			named[i]->record.seq = 0;
		named[i]->error = r;
	}
	if (r < 0)
		fs_sync_folder(archive->fs, folder_fd);
	else
		archive->next_seq = named[n - 1]->record.seq + 1;
	return r;
}

/*
 * From entry `i` on as many as go into one segment of the journal, up to one that fails. Returns where
 * to go on; `ret_ok` false: not now.
 */
static unsigned commit_some(
	struct archive *archive, struct archive_batch *batch, unsigned i, bool *ret_ok)
{
	struct entry *named[BATCH_FRAMES_MAX];
	uint64_t seq = archive->next_seq;
	bool ok = true;
	unsigned n = 0;

	while (ok && i < batch->n && (n == 0 || seq % SEGMENT_LINES != 0)) {
		struct entry *entry = &batch->entries[i];

		if (entry->error == 0 && name_entry(archive, entry, seq) == 0) {
			named[n++] = entry;
			seq++;
		}
		ok = entry->error == 0;
		i++;
	}
	if (n > 0 && place(archive, named, n) < 0)
		ok = false;
	*ret_ok = ok;
	return i;
}

/* The first `n` entries are done with. */
static void let_go(struct archive *archive, unsigned n)
{
	struct archive_batch *batch = archive->batch;

	batch->n -= n;
	memmove(&batch->entries[0], &batch->entries[n], batch->n * sizeof(batch->entries[0]));
	if (batch->n == 0)
		batch_free(archive);
}

unsigned archive_batch_commit(
	struct archive *archive, struct archive_batched ret[static BATCH_FRAMES_MAX])
{
	struct archive_batch *batch = archive->batch;
	bool ok = true;
	unsigned n = 0;

	if (!batch)
		return 0;
	finish_files(archive, batch);
	while (ok && n < batch->n)
		n = commit_some(archive, batch, n, &ok);
	archive_point_latest(archive);
	for (unsigned i = 0; i < n; i++)
		ret[i] = (struct archive_batched){
			.record = batch->entries[i].record,
			.error = batch->entries[i].error,
		};
	let_go(archive, n);
	return n;
}
