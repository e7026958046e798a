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

static int partial_name_file(
	const struct frame_name *name, const char *suffix, char ret[static ARCHIVE_TEMP_MAX])
{
	char file[FRAME_NAME_MAX];
	int r = frame_name_format(name, file);

	if (r == 0)
		snprintf(ret, ARCHIVE_TEMP_MAX, ".%s%s", file, suffix);
	return r;
}

int partial_use_folder(struct partial *partial)
{
	struct archive *archive = partial->archive;
	const struct frame_name name = record_name(&partial->record);
	int r;

	if (partial->folder_fd >= 0)
		return archive_record_folder(archive, partial->folder);
	r = archive_use_folder(archive, &name);
	if (r < 0)
		return r;
	partial->folder_fd = fcntl(archive->folder_fd, F_DUPFD_CLOEXEC, 0);
	return partial->folder_fd < 0 ? -errno : 0;
}

/* The folder of a puller's partials. */
static int partial_open_folder(const struct archive *archive, bool create, int *ret_fd)
{
	return fs_open_folder(archive->fs, archive->root_fd, ARCHIVE_PARTIALS, create, ret_fd);
}

/* A camera's hidden file is in its day folder, where recovery sweeps. */
static int partial_use_temp_folder(struct partial *partial)
{
	int r;

	if (partial->archive->copy)
		return partial_open_folder(partial->archive, true, &partial->temp_fd);
	r = partial_use_folder(partial);
	if (r < 0)
		return r;
	partial->temp_fd = fcntl(partial->folder_fd, F_DUPFD_CLOEXEC, 0);
	return partial->temp_fd < 0 ? -errno : 0;
}

/* A partial without a file yet. */
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
	partial->fd = partial->folder_fd = partial->temp_fd = -1;
	r = partial_name_file(&name, suffix, partial->temp);
	if (r == 0)
		r = frame_name_folder(&name, partial->folder);
	if (r == 0)
		r = partial_use_temp_folder(partial);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(partial);
	return 0;
}

static int partial_create_file(struct partial *partial)
{
	const struct fs_ops *fs = partial->archive->fs;
	int fd = fs_open_new(fs, partial->temp_fd, partial->temp, 0666);

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
		partial->temp_fd, partial->temp, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
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
	if (!archive->partials)
		partial_tidy(archive, frame->seq);
	r = partial_make(archive, frame, ARCHIVE_KEPT_SUFFIX, &partial);
	if (r == 0)
		r = digest_new(&partial->digest);
	if (r < 0)
		return r;
	if (partial_look_kept(partial->temp_fd, partial->temp, &bytes) == -EBUSY)
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

/* The camera's own encoder needs no look; what comes from elsewhere may be anything. */
static bool partial_has_size(const struct partial *partial)
{
	CLEANUP_FD int fd = -1;

	return !partial->archive->copy || (partial_open(partial, &fd) == 0 && jpeg_has_size(fd));
}

static int partial_compare(struct partial *partial)
{
	uint8_t sha256[SHA256_BYTES];
	int r;

	if (partial->bytes != partial->record.bytes ||
		!jpeg_is_whole(partial->ends, sizeof(partial->ends)) || !partial_has_size(partial))
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
	fd = openat(partial->temp_fd, partial->temp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
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
	if (partial->there && partial->archive->fs->unlinkat(partial->temp_fd, temp, 0) < 0 &&
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
	fd_closep(&partial->temp_fd);
	digest_free(partial->digest);
	free(partial);
}

/* ---- kept files */

/* Their folder, and the name of the frame's kept file there. */
static int partial_find_kept_of(struct archive *archive, const struct record *frame, int *ret_fd,
	char ret_name[static ARCHIVE_TEMP_MAX])
{
	const struct frame_name name = record_name(frame);
	int r = partial_name_file(&name, ARCHIVE_KEPT_SUFFIX, ret_name);

	return r < 0 ? r : partial_open_folder(archive, false, ret_fd);
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

/* The next kept file of an open folder, if there is one. */
static bool partial_list_next(DIR *dir, struct frame_name *ret)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		size_t inner = archive_hidden_inner(entry->d_name, ARCHIVE_KEPT_SUFFIX);

		if (inner > 0 && frame_name_parse(entry->d_name + 1, inner, ret) == 0)
			return true;
	}
	return false;
}

int partial_find_kept(
	struct archive *archive, uint64_t after, struct frame_name *ret_name, int64_t *ret_bytes)
{
	CLEANUP_DIR DIR *dir = NULL;
	struct frame_name newest = { .seq = after }, name;
	char file[ARCHIVE_TEMP_MAX];
	int r;

	if (fs_list_folder(archive->root_fd, ARCHIVE_PARTIALS, &dir) < 0)
		return 0;
	while (partial_list_next(dir, &name)) {
		if (name.seq > newest.seq)
			newest = name;
	}
	if (newest.seq == after || partial_name_file(&newest, ARCHIVE_KEPT_SUFFIX, file) < 0)
		return 0;
	r = partial_look_kept(dirfd(dir), file, ret_bytes);
	if (r != 0)
		*ret_name = newest;
	return r;
}

/* When a kept file that nobody receives grew last; TIME_NONE: it is not there, or in use. */
static int64_t partial_left_us(int folder_fd, const char *file)
{
	struct stat st;
	int64_t bytes;

	if (partial_look_kept(folder_fd, file, &bytes) <= 0 ||
		fstatat(folder_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TIME_NONE;
	return st.st_mtim.tv_sec * US_PER_SEC + st.st_mtim.tv_nsec / NS_PER_US;
}

void partial_tidy(struct archive *archive, uint64_t seq)
{
	const int64_t old_us =
		clock_wall_us(&clock_real) - PARTIAL_DAYS * INT64_C(24) * 3600 * US_PER_SEC;
	CLEANUP_DIR DIR *dir = NULL;
	char file[ARCHIVE_TEMP_MAX], last[ARCHIVE_TEMP_MAX] = "";
	int64_t last_us = TIME_NONE;
	struct frame_name name;

	if (fs_list_folder(archive->root_fd, ARCHIVE_PARTIALS, &dir) < 0)
		return;
	while (partial_list_next(dir, &name)) {
		int64_t left_us;

		if (name.seq == seq || partial_name_file(&name, ARCHIVE_KEPT_SUFFIX, file) < 0)
			continue;
		left_us = partial_left_us(dirfd(dir), file);
		if (left_us == TIME_NONE)
			continue;
		if (left_us < old_us || (*last && left_us < last_us)) {
			archive->fs->unlinkat(dirfd(dir), file, 0);
			continue;
		}
		if (*last)
			archive->fs->unlinkat(dirfd(dir), last, 0);
		memcpy(last, file, sizeof(last));
		last_us = left_us;
	}
}
