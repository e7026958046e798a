/* SPDX-License-Identifier: MIT */
/*
 * The small picture of a frame: the thumbnail in its EXIF, which is in the file's first bytes;
 * where there is none, the frame decoded at an eighth of its size or so. Several threads may ask;
 * one frame at a time is decoded as a whole, so memory has a bound.
 */
#pragma once

#include "common/archive/archive.h"
#include "common/thumbnail/pixels.h"

#define THUMB_WIDTH 240 /* at least so wide is one that is made here, unless the frame is not */

/*
 * As pixels, at least `width` of them wide if the thumbnail is. -ENOENT there is no such frame, or
 * its file is gone; -EBADMSG it is no JPEG; other errors of reading.
 */
int thumb_decode(struct archive *archive, uint64_t seq, unsigned width, struct pixels *ret);

/* As a JPEG, for free(). Errors as above. What took time to make is kept (cache.h). */
int thumb_jpeg(
	struct archive *archive, const struct record *frame, uint8_t **ret_jpeg, size_t *ret_bytes);
