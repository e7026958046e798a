/* SPDX-License-Identifier: MIT */
/*
 * Hidden files that are to become frames. Nothing of what came over the wire is believed: a partial
 * is committed only when its size, its hash and its JPEG markers are those of the camera's record.
 */
#include "common/archive/partial.h"
#include "common/archive/archive_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/limits.h"

#define KEPT_SUFFIX ".rest"

static int partial_name_file(
	const struct frame_name *name, const char *suffix, char ret[static ARCHIVE_TEMP_MAX])
{
	char file[FRAME_NAME_MAX];
	int r = frame_name_format(name, file);

	if (r == 0)
		snprintf(ret, ARCHIVE_TEMP_MAX, ".%s%s", file, suffix);
	return r;
}

/* A partial in its day folder, without a file yet. */
static int partial_make(struct archive *archive, const struct record *frame, const char *suffix,
	struct partial **ret)
{
	CLEANUP(partial_freep) struct partial *partial = calloc(1, sizeof(*partial));
	struct frame_name name = record_name(frame);
	int r;

	if (!partial)
		return -ENOMEM;
	partial->archive = archive;
	partial->next = archive->partials;
	archive->partials = partial;
	partial->record = *frame;
	partial->fd = partial->folder_fd = -1;
	r = partial_name_file(&name, suffix, partial->temp);
	if (r == 0)
		r = archive_use_folder(archive, &name);
	if (r < 0)
		return r;
	memcpy(partial->folder, archive->folder, sizeof(partial->folder));
	partial->folder_fd = fcntl(archive->folder_fd, F_DUPFD_CLOEXEC, 0);
	if (partial->folder_fd < 0)
		return -errno;
	*ret = TAKE_PTR(partial);
	return 0;
}

static int partial_create_file(struct partial *partial)
{
	const struct fs_ops *fs = partial->archive->fs;
	int fd = fs_open_new(fs, partial->folder_fd, partial->temp, 0666);

	if (fd < 0)
		return fd;
	partial->fd = fd;
	partial->there = true;
	return 0;
}

/* Only a hint: the fsync is what counts. */
static void partial_start_flush(struct partial *partial)
{
	(void)sync_file_range(partial->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* ---- the camera's */

int partial_stage(struct archive *archive, const struct record *frame, const void *jpeg,
	size_t bytes, struct partial **ret)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	struct record record = *frame;
	int r;

	if (bytes > FRAME_BYTES_MAX)
		return -EFBIG;
	if (frame->type != RECORD_FRAME || !jpeg_is_whole(jpeg, bytes))
		return -EINVAL;
	r = archive_check_next(archive);
	if (r < 0)
		return r;
	/* a number that no other hidden file has; the frame's own comes with the commit */
	if (!archive->partials)
		archive->next_temp = archive->next_seq;
	record.seq = archive->next_temp;
	record.bytes = (int64_t)bytes;
	r = partial_make(archive, &record, ARCHIVE_TEMP_SUFFIX, &partial);
	if (r == 0)
		r = partial_create_file(partial);
	if (r == 0)
		r = fs_write_all(archive->fs, partial->fd, jpeg, bytes);
	if (r < 0)
		return r;
	/* the disk is at work while the hash is made */
	partial_start_flush(partial);
	r = digest_buffer(jpeg, bytes, partial->record.sha256);
	if (r < 0)
		return r;
	archive->next_temp++;
	partial->record.seq = 0;
	partial->checked = true;
	*ret = TAKE_PTR(partial);
	return 0;
}

/* ---- the puller's */

static bool partial_is_open(const struct archive *archive, uint64_t seq)
{
	for (const struct partial *p = archive->partials; p; p = p->next) {
		if (p->record.seq == seq)
			return true;
	}
	return false;
}

static int partial_check_record(const struct archive *archive, const struct record *frame)
{
	if (archive->writer_fd < 0)
		return -EROFS;
	if (frame->type != RECORD_FRAME || frame->bytes < FRAME_BYTES_MIN || frame->seq == 0 ||
		frame->seq > SEQ_MAX)
		return -EINVAL;
	if (frame->bytes > FRAME_BYTES_MAX)
		return -EFBIG;
	return partial_is_open(archive, frame->seq) ? -EBUSY : 0;
}

static void partial_note_ends(struct partial *partial, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes && partial->bytes + (int64_t)i < 2; i++)
		partial->ends[partial->bytes + (int64_t)i] = data[i];
	if (bytes > 1)
		partial->ends[2] = data[bytes - 2];
	else if (bytes == 1)
		partial->ends[2] = partial->ends[3];
	if (bytes > 0)
		partial->ends[3] = data[bytes - 1];
}

/* Counts bytes that the file has. */
static int partial_take(struct partial *partial, const void *data, size_t bytes)
{
	int r = digest_update(partial->digest, data, bytes);

	if (r < 0)
		return r;
	partial_note_ends(partial, data, bytes);
	partial->bytes += (int64_t)bytes;
	return 0;
}

int partial_write(struct partial *partial, const void *data, size_t bytes)
{
	int r;

	if (partial->fd < 0)
		return -EBADF;
	if (bytes > (uint64_t)(partial->record.bytes - partial->bytes))
		return -EFBIG;
	r = fs_write_all(partial->archive->fs, partial->fd, data, bytes);
	return r < 0 ? r : partial_take(partial, data, bytes);
}

/* -EBUSY: another process receives it. Where the file system has no locks none seems to. */
static int partial_lock(int fd, int how)
{
	return flock(fd, how | LOCK_NB) < 0 && errno == EWOULDBLOCK ? -EBUSY : 0;
}

/* 1 and its size: it is there; 0: it is not; -EBUSY and its size: another process receives it. */
static int partial_look_kept(int folder_fd, const char *name, int64_t *ret_bytes)
{
	CLEANUP_FD int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	*ret_bytes = st.st_size;
	return partial_lock(fd, LOCK_SH) < 0 ? -EBUSY : 1;
}

/* Opens the file that an earlier process kept, cut to `offset`. */
static int partial_open_kept(struct partial *partial, int64_t offset)
{
	CLEANUP_FD int fd = openat(
		partial->folder_fd, partial->temp, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
		st.st_size < offset)
		return -ESTALE;
	if (partial_lock(fd, LOCK_EX) < 0)
		return -EBUSY;
	if (partial->archive->fs->ftruncate(fd, offset) < 0)
		return -errno;
	partial->fd = TAKE_FD(fd);
	partial->there = true;
	return 0;
}

/* What is there already counts as if it had just been written. */
static int partial_read_kept(struct partial *partial, int64_t offset)
{
	CLEANUP_FREE char *piece = malloc(WIRE_PIECE_BYTES);

	if (!piece)
		return -ENOMEM;
	while (partial->bytes < offset) {
		ssize_t n = fs_read_at(partial->fd, piece, WIRE_PIECE_BYTES, partial->bytes);
		int r = n > 0 ? partial_take(partial, piece, (size_t)n) : -ESTALE;

		if (r < 0)
			return n < 0 ? (int)n : r;
	}
	return lseek(partial->fd, offset, SEEK_SET) < 0 ? -errno : 0;
}

int partial_resume(
	struct archive *archive, const struct record *frame, int64_t offset, struct partial **ret)
{
	CLEANUP(partial_freep) struct partial *partial = NULL;
	int64_t bytes;
	int r = partial_check_record(archive, frame);

	if (r < 0)
		return r;
	if (offset < 0 || offset > frame->bytes)
		return -EINVAL;
	r = partial_make(archive, frame, KEPT_SUFFIX, &partial);
	if (r == 0)
		r = digest_new(&partial->digest);
	if (r < 0)
		return r;
	if (partial_look_kept(partial->folder_fd, partial->temp, &bytes) == -EBUSY)
		return -EBUSY;
	r = offset ? partial_open_kept(partial, offset) : partial_create_file(partial);
	if (r == 0 && offset == 0)
		r = partial_lock(partial->fd, LOCK_EX);
	if (r == 0)
		r = partial_read_kept(partial, offset);
	if (r == 0)
		*ret = TAKE_PTR(partial);
	return r;
}

static int partial_compare(struct partial *partial)
{
	uint8_t sha256[SHA256_BYTES];
	int r;

	if (partial->bytes != partial->record.bytes ||
		!jpeg_is_whole(partial->ends, sizeof(partial->ends)))
		return -EBADMSG;
	r = digest_final(partial->digest, sha256);
	if (r < 0)
		return r;
	return memcmp(sha256, partial->record.sha256, SHA256_BYTES) ? -EBADMSG : 0;
}

int partial_check(struct partial *partial)
{
	int r;

	if (!partial->there)
		return -EBADF;
	if (partial->checked)
		return 0;
	r = partial_compare(partial);
	if (r < 0) {
		partial_discard(partial);
		return r;
	}
	partial->checked = true;
	partial_start_flush(partial);
	return 0;
}

int partial_open(const struct partial *partial, int *ret_fd)
{
	int fd;

	if (!partial->there)
		return -EBADF;
	fd = openat(partial->folder_fd, partial->temp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* ---- its end */

const struct record *partial_record(const struct partial *partial)
{
	return &partial->record;
}

static void partial_close(struct partial *partial)
{
	if (partial->fd >= 0)
		partial->archive->fs->close(TAKE_FD(partial->fd));
}

void partial_discard(struct partial *partial)
{
	const char *temp = partial->temp;
	struct frame_name name;

	partial_close(partial);
	/* a puller's is found again when the frame is fetched again */
	if (partial->there && partial->archive->fs->unlinkat(partial->folder_fd, temp, 0) < 0 &&
		frame_name_parse(
			temp + 1, archive_hidden_inner(temp, ARCHIVE_TEMP_SUFFIX), &name) == 0)
		archive_undo(partial->archive, name, true);
	partial->there = false;
}

void partial_keep(struct partial *partial)
{
	partial_close(partial);
	partial->there = false;
	partial_free(partial);
}

void partial_free(struct partial *partial)
{
	if (!partial)
		return;
	for (struct partial **p = &partial->archive->partials; *p; p = &(*p)->next) {
		if (*p == partial) {
			*p = partial->next;
			break;
		}
	}
	partial_discard(partial);
	fd_closep(&partial->folder_fd);
	digest_free(partial->digest);
	free(partial);
}

/* ---- kept files */

/* The frame's day folder, and the name of its kept file there. */
static int partial_find_kept_of(struct archive *archive, const struct record *frame, int *ret_fd,
	char ret_name[static ARCHIVE_TEMP_MAX])
{
	const struct frame_name name = record_name(frame);
	char file[FRAME_NAME_MAX];
	int r = partial_name_file(&name, KEPT_SUFFIX, ret_name);

	return r < 0 ? r : archive_open_day(archive, &name, file, ret_fd);
}

int64_t partial_kept_bytes(struct archive *archive, const struct record *frame)
{
	CLEANUP_FD int fd = -1;
	char name[ARCHIVE_TEMP_MAX];
	int64_t bytes = 0;
	int r = partial_find_kept_of(archive, frame, &fd, name);

	r = r == 0 ? partial_look_kept(fd, name, &bytes) : 0;
	if (r < 0)
		return r;
	return r > 0 && bytes <= frame->bytes ? bytes : 0;
}

void partial_remove_kept(struct archive *archive, const struct record *frame)
{
	CLEANUP_FD int fd = -1;
	char name[ARCHIVE_TEMP_MAX];

	if (partial_find_kept_of(archive, frame, &fd, name) == 0)
		unlinkat(fd, name, 0);
}

int partial_find_kept(
	struct archive *archive, uint64_t after, struct frame_name *ret_name, int64_t *ret_bytes)
{
	CLEANUP_FREE char *folder = NULL;
	CLEANUP_DIR DIR *dir = NULL;
	CLEANUP_FD int fd = -1;
	struct frame_name newest = { .seq = after };
	char file[ARCHIVE_TEMP_MAX];
	struct dirent *entry;
	int r = fs_read_file(journal_folder_fd(archive->journal), ARCHIVE_FOLDER_FILE,
		FRAME_PATH_MAX, &folder, NULL);

	if (r < 0)
		return 0;
	folder[strcspn(folder, "\n")] = '\0';
	if (fs_open_folder(&fs_real, archive->root_fd, folder, false, &fd) < 0 ||
		fs_list_folder(fd, ".", &dir) < 0)
		return 0;
	while ((entry = readdir(dir))) {
		size_t inner = archive_hidden_inner(entry->d_name, KEPT_SUFFIX);
		struct frame_name name;

		if (inner > 0 && frame_name_parse(entry->d_name + 1, inner, &name) == 0 &&
			name.seq > newest.seq)
			newest = name;
	}
	if (newest.seq == after || partial_name_file(&newest, KEPT_SUFFIX, file) < 0)
		return 0;
	r = partial_look_kept(fd, file, ret_bytes);
	if (r != 0)
		*ret_name = newest;
	return r;
}
