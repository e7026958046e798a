/* SPDX-License-Identifier: MIT */
/*
 * Frames that arrive in pieces. Nothing of what came over the wire is believed: a draft becomes a
 * frame when its size, its hash and its JPEG markers are those that the camera's record promised.
 */
#include "common/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

static int open_temp(struct archive *archive, struct archive_draft *draft)
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
	draft->fd = fs_open_new(archive->fs, fd, draft->temp.temp, 0666);
	return draft->fd < 0 ? draft->fd : 0;
}

int archive_draft_new(
	struct archive *archive, const struct record *frame, struct archive_draft **ret)
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
	draft->fd = draft->temp.folder_fd = -1;
	r = digest_new(&draft->digest);
	if (r == 0)
		r = open_temp(archive, draft);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(draft);
	return 0;
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
	if (archive->fs->fsync(draft->temp.folder_fd) < 0)
		return -errno;
	if (line_bytes > 0)
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

	r = check_content(draft);
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
	return r == -EEXIST ? adopt(draft, line, (size_t)length) : r;
}

int archive_draft_commit(struct archive_draft *draft)
{
	return draft->fd < 0 ? -EBADF : commit(draft);
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

int archive_store_record(struct archive *archive, const struct record *record)
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
	return journal_append(archive->journal, record->seq, line, (size_t)length, true);
}
