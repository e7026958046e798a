/* SPDX-License-Identifier: MIT */
/* One small file for each. */
#include "common/archive/preview.h"
#include "common/archive/archive_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BLOCK_BYTES 4096

/* ---- what came */

static bool marker_is_frame(uint8_t marker)
{
	/* SOF0 to SOF15, but DHT, JPG and DAC, which have numbers among them */
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
		marker != 0xcc;
}

static bool side_is_small(const uint8_t *at)
{
	const int side = at[0] << 8 | at[1];

	return side >= 1 && side <= PREVIEW_SIDE_MAX;
}

/* ITU-T T.81, B.1: segments from SOI to the scan, one of which is the frame header. */
bool preview_is_good(const uint8_t *jpeg, size_t bytes)
{
	bool has_frame = false;

	if (bytes > PREVIEW_BYTES_MAX || !jpeg_is_whole(jpeg, bytes))
		return false;
	for (size_t at = 2; at + 4 <= bytes;) {
		const uint8_t *segment = jpeg + at;
		const size_t length = (size_t)(segment[2] << 8 | segment[3]);

		if (segment[0] != 0xff || length < 2 || length > bytes - at - 2)
			return false;
		if (segment[1] == 0xda)
			return has_frame;
		if (marker_is_frame(segment[1])) {
			/* length, precision, height, width */
			if (has_frame || length < 8 || !side_is_small(segment + 5) ||
				!side_is_small(segment + 7))
				return false;
			has_frame = true;
		}
		at += 2 + length;
	}
	return false;
}

static int previews_open(const struct archive *archive, bool create, int *ret_fd)
{
	return fs_open_folder(archive->fs, archive->root_fd, PREVIEWS_FOLDER, create, ret_fd);
}

int preview_store(
	struct archive *archive, const struct frame_name *name, const uint8_t *jpeg, size_t bytes)
{
	char file[FRAME_NAME_MAX], temp[FRAME_NAME_MAX + 8];
	CLEANUP_FD int folder = -1, fd = -1;
	int r = preview_is_good(jpeg, bytes) ? frame_name_format(name, file) : -EBADMSG;

	if (r == 0)
		r = previews_open(archive, true, &folder);
	if (r < 0)
		return r;
	snprintf(temp, sizeof(temp), ".%s.part", file);
	fd = fs_open_new(archive->fs, folder, temp, 0666);
	if (fd < 0)
		return fd;
	r = fs_write_all(archive->fs, fd, jpeg, bytes);
	if (r == 0 && renameat(folder, temp, folder, file) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, temp, 0);
	return r;
}

void preview_remove(const struct archive *archive, const struct frame_name *name)
{
	char file[FRAME_NAME_MAX];
	CLEANUP_FD int folder = -1;

	if (frame_name_format(name, file) == 0 && previews_open(archive, false, &folder) == 0)
		unlinkat(folder, file, 0);
}

/* ---- what is kept */

void previews_clear(struct previews *previews)
{
	free(previews->list);
	*previews = (struct previews){ 0 };
}

static int previews_compare(const void *left, const void *right)
{
	const struct frame_name *a = left, *b = right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

/* Temps that a crash left are removed where `temps` is set. */
static int previews_collect(const struct archive *archive, bool temps, struct previews *previews)
{
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int r = fs_list_folder(archive->root_fd, PREVIEWS_FOLDER, &dir);

	while (r == 0 && (entry = readdir(dir)) && previews->n < 2 * PREVIEWS_MAX) {
		const char *name = entry->d_name;
		struct frame_name frame;
		struct stat st;

		if (temps && archive_hidden_inner(name, ".part"))
			unlinkat(dirfd(dir), name, 0);
		if (frame_name_parse(name, strlen(name), &frame) < 0 ||
			fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!list_make_room(&previews->list, previews->n, &previews->room, sizeof(frame)))
			return -ENOMEM;
		previews->list[previews->n++] = frame;
		previews->bytes += st.st_size / BLOCK_BYTES * BLOCK_BYTES + BLOCK_BYTES;
	}
	return r == -ENOENT ? 0 : r;
}

static int previews_load(const struct archive *archive, bool temps, struct previews *ret)
{
	struct previews previews = { 0 };
	int r = previews_collect(archive, temps, &previews);

	if (r < 0) {
		previews_clear(&previews);
		return r;
	}
	if (previews.n > 0)
		qsort(previews.list, previews.n, sizeof(*previews.list), previews_compare);
	*ret = previews;
	return 0;
}

int previews_list(const struct archive *archive, struct previews *ret)
{
	return previews_load(archive, false, ret);
}

int previews_tidy(struct archive *archive, size_t most, struct previews *ret)
{
	struct previews previews;
	int r = previews_load(archive, true, &previews);
	struct record record;

	for (size_t i = 0; r == 0 && i < previews.n; i++) {
		if (previews.n - i > most ||
			archive_find(archive, previews.list[i].seq, &record) == 0)
			preview_remove(archive, &previews.list[i]);
	}
	if (r < 0)
		return r;
	previews_clear(&previews);
	return previews_load(archive, false, ret);
}

int preview_read(const struct archive *archive, uint64_t seq, uint8_t **ret_jpeg, size_t *ret_bytes)
{
	CLEANUP(previews_clear) struct previews previews = { 0 };
	const struct frame_name key = { .seq = seq }, *found = NULL;
	char file[FRAME_NAME_MAX], *data = NULL;
	CLEANUP_FD int folder = -1;
	size_t bytes = 0;
	int r = previews_list(archive, &previews);

	if (r == 0 && previews.n > 0)
		found = bsearch(&key, previews.list, previews.n, sizeof(key), previews_compare);
	if (r == 0)
		r = found ? frame_name_format(found, file) : -ENOENT;
	if (r == 0)
		r = previews_open(archive, false, &folder);
	if (r == 0)
		r = fs_read_file(folder, file, PREVIEW_BYTES_MAX, &data, &bytes);
	if (r < 0)
		return r;
	if (!preview_is_good((const uint8_t *)data, bytes)) {
		free(data);
		return -EBADMSG;
	}
	*ret_jpeg = (uint8_t *)data;
	*ret_bytes = bytes;
	return 0;
}
