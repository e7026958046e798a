/* SPDX-License-Identifier: MIT */
/* Reads thumbnails, and makes those that are missing. */
#include "view/thumb/thumb.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "common/archive/preview.h"
#include "common/thumbnail/thumbnail.h"
#include "view/thumb/cache.h"

#define QUALITY 75

static int thumb_decode_whole(
	struct archive *archive, const struct record *frame, unsigned width, struct pixels *ret)
{
	static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
	CLEANUP_FREE uint8_t *jpeg = NULL;
	bool damaged;
	int r;

	pthread_mutex_lock(&turn);
	r = archive_read_frame(archive, frame, &jpeg);
	if (r == 0)
		r = pixels_decode(jpeg, (size_t)frame->bytes, width, 1, ret, &damaged);
	pthread_mutex_unlock(&turn);
	return r;
}

/* The picture itself is to come. */
static int thumb_decode_preview(
	struct archive *archive, uint64_t seq, unsigned width, struct pixels *ret)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	size_t bytes = 0;
	bool damaged;
	int r = preview_read(archive, seq, &jpeg, &bytes);

	return r < 0 ? r : pixels_decode(jpeg, bytes, width, 1, ret, &damaged);
}

int thumb_decode(struct archive *archive, uint64_t seq, unsigned width, struct pixels *ret)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	CLEANUP_FD int fd = -1;
	struct record frame;
	size_t bytes = 0;
	bool damaged;
	int r = archive_find(archive, seq, &frame);

	if (r == -ENOENT)
		return thumb_decode_preview(archive, seq, width, ret);
	if (r == 0)
		r = frame.type == RECORD_FRAME ? archive_open_frame(archive, &frame, &fd) : -ENOENT;
	if (r < 0)
		return r;
	if (thumbnail_read(fd, &jpeg, &bytes) == 0 &&
		pixels_decode(jpeg, bytes, width, 1, ret, &damaged) == 0)
		return 0;
	return thumb_decode_whole(archive, &frame, width, ret);
}

/* Reads the kept one. */
static int thumb_read_kept(const char *key, uint8_t **ret_jpeg, size_t *ret_bytes)
{
	CLEANUP_FREE uint8_t *jpeg = NULL;
	CLEANUP_FD int fd = -1;
	int64_t bytes;
	int r = cache_open(key, &fd, &bytes);

	if (r < 0)
		return r;
	jpeg = malloc((size_t)bytes);
	if (!jpeg || fs_read_at(fd, jpeg, (size_t)bytes, 0) != bytes)
		return jpeg ? -EIO : -ENOMEM;
	*ret_jpeg = TAKE_PTR(jpeg);
	*ret_bytes = (size_t)bytes;
	return 0;
}

int thumb_jpeg(
	struct archive *archive, const struct record *frame, uint8_t **ret_jpeg, size_t *ret_bytes)
{
	CLEANUP(pixels_clear) struct pixels pixels = { 0 };
	char key[CACHE_KEY_MAX];
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(archive, frame, &fd);

	if (r < 0)
		return r;
	if (thumbnail_read(fd, ret_jpeg, ret_bytes) == 0)
		return 0;
	cache_key(archive, "thumb", &frame->seq, 1, key);
	if (thumb_read_kept(key, ret_jpeg, ret_bytes) == 0)
		return 0;
	r = thumb_decode_whole(archive, frame, THUMB_WIDTH, &pixels);
	if (r == 0)
		r = pixels_encode(&pixels, QUALITY, ret_jpeg, ret_bytes);
	if (r == 0)
		cache_store(key, *ret_jpeg, *ret_bytes);
	return r;
}
