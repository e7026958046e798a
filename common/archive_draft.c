/* SPDX-License-Identifier: MIT */
/*
 * Frames that arrive in pieces. Nothing of what came over the wire is believed: a draft becomes a
 * frame when its size, its hash and its JPEG markers are those that the camera's record promised.
 */
#include "common/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/limits.h"

struct archive_draft {
	struct archive *archive;
	struct archive_draft *next;
	struct record record;
	struct temp temp; /* its folder_fd is the draft's own */
	char folder[FRAME_PATH_MAX];
	int fd; /* -1: the temp is gone */
	struct digest *digest;
	int64_t bytes;
	uint8_t ends[4]; /* the first two and the last two bytes so far */
	bool rest; /* its temp outlives the process */
	bool finished; /* archive_draft_finish() found it right */
};

static struct archive_draft *find_draft(struct archive *archive, uint64_t seq)
{
	struct archive_draft *draft = archive->drafts;

	while (draft && draft->record.seq != seq)
		draft = draft->next;
	return draft;
}

static int check_record(struct archive *archive, const struct record *frame)
{
	if (archive->writer_fd < 0)
		return -EROFS;
	if (frame->type != RECORD_FRAME || frame->bytes < FRAME_BYTES_MIN || frame->seq == 0 ||
		frame->seq > SEQ_MAX)
		return -EINVAL;
	if (frame->bytes > FRAME_BYTES_MAX)
		return -EFBIG;
	return find_draft(archive, frame->seq) ? -EBUSY : 0;
}

/* The hidden name of a frame that is brought in more than one go. */
static int rest_name(const struct frame_name *name, char ret[static ARCHIVE_TEMP_MAX])
{
	char file[FRAME_NAME_MAX];
	int r = frame_name_format(name, file);

	if (r == 0)
		snprintf(ret, ARCHIVE_TEMP_MAX, ".%s.rest", file);
	return r;
}

static int open_rest(struct archive *archive, int folder_fd, const char *name, int64_t offset)
{
	CLEANUP_FD int fd = -1;
	struct stat st;

	if (offset == 0)
		return fs_open_new(archive->fs, folder_fd, name, 0666);
	fd = openat(folder_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
		st.st_size < offset)
		return -ESTALE;
	if (archive->fs->ftruncate(fd, offset) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_temp(struct archive *archive, struct archive_draft *draft, int64_t offset)
{
	struct frame_name name = record_name(&draft->record);
	int fd, r;

	r = archive_use_folder(archive, &name);
	if (r == 0)
		r = temp_init(archive, &name, &draft->temp);
	if (r < 0)
		return r;
	memcpy(draft->folder, archive->folder, sizeof(draft->folder));
	fd = fcntl(archive->folder_fd, F_DUPFD_CLOEXEC, 0);
	draft->temp.folder_fd = fd;
	if (fd < 0)
		return -errno;
	if (draft->rest)
		r = rest_name(&name, draft->temp.temp);
	if (r < 0)
		return r;
	draft->fd = draft->rest ? open_rest(archive, fd, draft->temp.temp, offset)
				: fs_open_new(archive->fs, fd, draft->temp.temp, 0666);
	return draft->fd < 0 ? draft->fd : 0;
}

static int draft_open(struct archive *archive, const struct record *frame, bool rest,
	int64_t offset, struct archive_draft **ret)
{
	CLEANUP(archive_draft_freep) struct archive_draft *draft = NULL;
	int r = check_record(archive, frame);

	if (r < 0)
		return r;
	draft = calloc(1, sizeof(*draft));
	if (!draft)
		return -ENOMEM;
	draft->archive = archive;
	draft->next = archive->drafts;
	archive->drafts = draft;
	draft->record = *frame;
	draft->rest = rest;
	draft->fd = draft->temp.folder_fd = -1;
	r = digest_new(&draft->digest);
	if (r == 0)
		r = open_temp(archive, draft, offset);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(draft);
	return 0;
}

int archive_draft_new(
	struct archive *archive, const struct record *frame, struct archive_draft **ret)
{
	return draft_open(archive, frame, false, 0, ret);
}

static void note_ends(struct archive_draft *draft, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes && draft->bytes + (int64_t)i < 2; i++)
		draft->ends[draft->bytes + (int64_t)i] = data[i];
	if (bytes > 1)
		draft->ends[2] = data[bytes - 2];
	else if (bytes == 1)
		draft->ends[2] = draft->ends[3];
	if (bytes > 0)
		draft->ends[3] = data[bytes - 1];
}

int archive_draft_write(struct archive_draft *draft, const void *data, size_t bytes)
{
	int r;

	if (draft->fd < 0)
		return -EBADF;
	if (bytes > (uint64_t)(draft->record.bytes - draft->bytes))
		return -EFBIG;
	r = fs_write_all(draft->archive->fs, draft->fd, data, bytes);
	if (r == 0)
		r = digest_update(draft->digest, data, bytes);
	if (r < 0)
		return r;
	note_ends(draft, data, bytes);
	draft->bytes += (int64_t)bytes;
	return 0;
}

/* What is there already counts as if it had just been written. */
static int take_in(struct archive_draft *draft, int64_t offset)
{
	CLEANUP_FREE char *piece = malloc(WIRE_PIECE_BYTES);

	if (!piece)
		return -ENOMEM;
	while (draft->bytes < offset) {
		ssize_t n = fs_read_at(draft->fd, piece, WIRE_PIECE_BYTES, draft->bytes);
		int r = n > 0 ? digest_update(draft->digest, piece, (size_t)n) : -ESTALE;

		if (r < 0)
			return n < 0 ? (int)n : r;
		note_ends(draft, (const uint8_t *)piece, (size_t)n);
		draft->bytes += n;
	}
	return lseek(draft->fd, offset, SEEK_SET) < 0 ? -errno : 0;
}

int archive_draft_resume(struct archive *archive, const struct record *frame, int64_t offset,
	struct archive_draft **ret)
{
	CLEANUP(archive_draft_freep) struct archive_draft *draft = NULL;
	int r;

	if (offset < 0 || offset > frame->bytes)
		return -EINVAL;
	r = draft_open(archive, frame, true, offset, &draft);
	if (r == 0)
		r = take_in(draft, offset);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(draft);
	return 0;
}

void archive_draft_keep(struct archive_draft *draft)
{
	if (draft->fd >= 0)
		draft->archive->fs->close(draft->fd);
	draft->fd = -1;
	archive_draft_free(draft);
}

/* The frame's day folder, and its hidden name there. */
static int find_rest(struct archive *archive, const struct record *frame, int *ret_fd,
	char ret_name[static ARCHIVE_TEMP_MAX])
{
	struct frame_name name = record_name(frame);
	char folder[FRAME_PATH_MAX];
	int r = frame_name_folder(&name, folder);

	if (r == 0)
		r = rest_name(&name, ret_name);
	return r < 0 ? r : fs_open_folder(&fs_real, archive->root_fd, folder, false, ret_fd);
}

int64_t archive_rest_bytes(struct archive *archive, const struct record *frame)
{
	CLEANUP_FD int fd = -1;
	char name[ARCHIVE_TEMP_MAX];
	struct stat st;

	if (find_rest(archive, frame, &fd, name) < 0 ||
		fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return st.st_size <= frame->bytes ? st.st_size : 0;
}

void archive_rest_remove(struct archive *archive, const struct record *frame)
{
	CLEANUP_FD int fd = -1;
	char name[ARCHIVE_TEMP_MAX];

	if (find_rest(archive, frame, &fd, name) == 0)
		unlinkat(fd, name, 0);
}

static void discard(struct archive_draft *draft)
{
	if (draft->fd < 0)
		return;
	draft->archive->fs->close(draft->fd);
	draft->fd = -1;
	temp_remove(draft->archive, &draft->temp);
}

static int check_content(struct archive_draft *draft)
{
	uint8_t sha256[SHA256_BYTES];
	int r;

	if (draft->bytes != draft->record.bytes || !jpeg_is_whole(draft->ends, sizeof(draft->ends)))
		return -EBADMSG;
	r = digest_final(draft->digest, sha256);
	if (r < 0)
		return r;
	return memcmp(sha256, draft->record.sha256, SHA256_BYTES) ? -EBADMSG : 0;
}

/* 1: the journal has this very frame; 0: it has none of that number; -EEXIST: it has another. */
static int journal_has(struct archive *archive, const struct record *frame)
{
	struct record held;
	int r = journal_holds(archive->journal, frame->seq);

	if (r == 0)
		return 0;
	if (r > 0)
		r = journal_find(archive->journal, frame->seq, &held);
	if (r < 0)
		return r;
	return held.type == RECORD_FRAME && held.bytes == frame->bytes &&
			memcmp(held.sha256, frame->sha256, SHA256_BYTES) == 0 &&
			record_name(&held).slot_us == record_name(frame).slot_us
		? 1
		: -EEXIST;
}

/* The name is taken. By the same picture: then only its line may be missing. */
static int adopt(struct archive_draft *draft, const char *line, size_t line_bytes)
{
	struct archive *archive = draft->archive;
	struct frame_name name = record_name(&draft->record);
	CLEANUP_FD int fd = -1;
	uint8_t sha256[SHA256_BYTES];
	int64_t bytes;
	int r;

	r = archive_open_frame(archive, &draft->record, &fd);
	if (r == 0)
		r = digest_fd(fd, sha256, &bytes);
	if (r == 0 && memcmp(sha256, draft->record.sha256, SHA256_BYTES) != 0)
		r = -EBADMSG;
	if (r < 0)
		return r == -EBADMSG || r == -ELOOP ? -EEXIST : r;
	r = fs_sync_folder(archive->fs, draft->temp.folder_fd);
	if (r == 0 && line_bytes > 0)
		r = journal_append(archive->journal, name.seq, line, line_bytes, true);
	if (r < 0)
		return r;
	archive_saw_frame(archive, &draft->record);
	return 0;
}

static int commit(struct archive_draft *draft)
{
	struct archive *archive = draft->archive;
	char line[LINE_MAX_BYTES + 1];
	int length, held, r, fd;

	r = draft->finished ? 0 : check_content(draft);
	held = r < 0 ? r : journal_has(archive, &draft->record);
	length = held < 0 ? held : record_format(&draft->record, line);
	if (length < 0) {
		discard(draft);
		return length;
	}
	fd = TAKE_FD(draft->fd);
	r = fs_finish(archive->fs, fd);
	if (r == 0)
		r = archive_record_folder(archive, draft->folder);
	if (r < 0) {
		temp_remove(archive, &draft->temp);
		return r;
	}
	if (held)
		length = 0;
	r = archive_place(archive, &draft->temp, &draft->record, line, (size_t)length);
	if (r == -EEXIST)
		r = adopt(draft, line, (size_t)length);
	if (r == 0 && !draft->rest)
		archive_rest_remove(archive, &draft->record);
	return r;
}

int archive_draft_commit(struct archive_draft *draft)
{
	return draft->fd < 0 ? -EBADF : commit(draft);
}

int archive_draft_finish(struct archive_draft *draft)
{
	int r = draft->fd < 0 ? -EBADF : check_content(draft);

	if (r < 0) {
		discard(draft);
		return r;
	}
	draft->finished = true;
	/* only a hint: the fsync is what counts */
	(void)sync_file_range(draft->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

int archive_draft_open(const struct archive_draft *draft, int *ret_fd)
{
	int fd;

	if (draft->fd < 0)
		return -EBADF;
	fd = openat(draft->temp.folder_fd, draft->temp.temp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Durable and with its name: 1. 0: it needed no line or got its own. */
static int name_draft(struct archive_draft *draft)
{
	struct archive *archive = draft->archive;
	int r = draft->fd < 0 || !draft->finished ? -EBADF : journal_has(archive, &draft->record);
	char line[LINE_MAX_BYTES + 1];

	if (r < 0)
		discard(draft);
	if (r != 0)
		return r < 0 ? r : commit(draft);
	r = fs_finish(archive->fs, TAKE_FD(draft->fd));
	if (r == 0)
		r = fs_rename_noreplace(
			archive->fs, draft->temp.folder_fd, draft->temp.temp, draft->temp.name);
	if (r == 0)
		return 1;
	temp_remove(archive, &draft->temp);
	if (r == -EEXIST)
		r = record_format(&draft->record, line);
	return r < 0 ? r : adopt(draft, line, (size_t)r);
}

static int by_number(const void *a, const void *b)
{
	const struct archive_draft *const *x = a, *const *y = b;

	return (*x)->record.seq < (*y)->record.seq ? -1 : (*x)->record.seq > (*y)->record.seq;
}

/* The lines of drafts that are named, in order of their numbers. */
static int append_drafts(struct archive *archive, struct archive_draft **drafts, unsigned n)
{
	CLEANUP_FREE char *lines = malloc((size_t)n * LINE_MAX_BYTES + 1);
	size_t used = 0;

	if (!lines)
		return -ENOMEM;
	qsort(drafts, n, sizeof *drafts, by_number);
	for (unsigned i = 0; i < n; i++) {
		char line[LINE_MAX_BYTES + 1];
		int length = record_format(&drafts[i]->record, line);

		if (length < 0)
			return length;
		memcpy(lines + used, line, (size_t)length);
		used += (size_t)length;
	}
	return archive_append_lines(
		archive, drafts[0]->record.seq, drafts[n - 1]->record.seq, lines, used);
}

/* Drafts of one folder and one segment. */
static void commit_some(struct archive_draft **drafts, unsigned n, int *ret_errors)
{
	struct archive *archive = drafts[0]->archive;
	struct archive_draft *named[BATCH_FRAMES_MAX];
	int folder_fd = drafts[0]->temp.folder_fd;
	int r = archive_record_folder(archive, drafts[0]->folder);
	unsigned n_named = 0;

	for (unsigned i = 0; i < n; i++) {
		ret_errors[i] = r < 0 ? r : name_draft(drafts[i]);
		if (ret_errors[i] == 1)
			named[n_named++] = drafts[i];
	}
	if (n_named == 0)
		return;
	r = fs_sync_folder(archive->fs, folder_fd);
	if (r == 0)
		r = append_drafts(archive, named, n_named);
	for (unsigned i = 0; i < n_named; i++) {
		if (r == 0)
			archive_note_newest(archive, &named[i]->record);
		else
			archive_unname(archive, &named[i]->temp);
	}
	if (r == 0)
		archive_point_latest(archive);
	else
		fs_sync_folder(archive->fs, folder_fd);
	for (unsigned i = 0; i < n; i++)
		ret_errors[i] = ret_errors[i] == 1 ? r : ret_errors[i];
}

void archive_drafts_commit(struct archive_draft **drafts, unsigned n, int *ret_errors)
{
	unsigned i = 0;

	while (i < n) {
		uint64_t segment = drafts[i]->record.seq / SEGMENT_LINES;
		unsigned some = 1;

		while (i + some < n && some < BATCH_FRAMES_MAX &&
			drafts[i + some]->record.seq / SEGMENT_LINES == segment &&
			strcmp(drafts[i + some]->folder, drafts[i]->folder) == 0)
			some++;
		commit_some(drafts + i, some, ret_errors + i);
		i += some;
	}
}

void archive_draft_free(struct archive_draft *draft)
{
	if (!draft)
		return;
	for (struct archive_draft **p = &draft->archive->drafts; *p; p = &(*p)->next) {
		if (*p == draft) {
			*p = draft->next;
			break;
		}
	}
	discard(draft);
	closep(&draft->temp.folder_fd);
	digest_free(draft->digest);
	free(draft);
}

static int store(struct archive *archive, const struct record *record, bool sync)
{
	char line[LINE_MAX_BYTES + 1];
	int length, held;

	if (archive->writer_fd < 0)
		return -EROFS;
	if (record->type == RECORD_FRAME || record->seq == 0 || record->seq > SEQ_MAX)
		return -EINVAL;
	held = journal_holds(archive->journal, record->seq);
	if (held != 0)
		return held < 0 ? held : 0;
	length = record_format(record, line);
	if (length < 0)
		return length;
	return journal_append(archive->journal, record->seq, line, (size_t)length, sync);
}

int archive_store_record(struct archive *archive, const struct record *record)
{
	return store(archive, record, true);
}

int archive_store_records(struct archive *archive, const struct record *records, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = store(archive, &records[i], false);
	return r < 0 ? r : journal_flush(archive->journal);
}
