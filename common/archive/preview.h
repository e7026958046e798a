/* SPDX-License-Identifier: MIT */
/*
 * Previews: the thumbnails of frames that are not here yet, in the folder `.previews` of a copy,
 * under the frames' own names. They came over the wire, so only a small whole JPEG is taken, and
 * its name is made here from a time and a number. They may be deleted at any time. None is synced:
 * after a power cut one may be holes, and whoever opens it finds out.
 */
#pragma once

#include "common/archive/archive.h"
#include "common/journal/name.h"

#define PREVIEWS_FOLDER ".previews"
#define PREVIEWS_MAX 4096 /* that are kept; the newest stay */
#define PREVIEW_SIDE_MAX 640 /* pixels */

/*
 * Whether these bytes are a JPEG from SOI to EOI of PREVIEW_BYTES_MAX at most, with one frame
 * header, whose sides are 1 to PREVIEW_SIDE_MAX pixels. Pure.
 */
bool preview_is_good(const uint8_t *jpeg, size_t bytes);

/* Keeps it, complete or not at all. -EBADMSG it is not good; -errno. By the archive's writer. */
int preview_store(
	struct archive *archive, const struct frame_name *name, const uint8_t *jpeg, size_t bytes);
/* The frame is here. Nothing happens where there is no preview of it. */
void preview_remove(const struct archive *archive, const struct frame_name *name);
/*
 * Reads the preview of the frame `seq`, for free(). -ENOENT there is none, -EBADMSG it is not good.
 */
int preview_read(
	const struct archive *archive, uint64_t seq, uint8_t **ret_jpeg, size_t *ret_bytes);

/* By number. Zeroed is empty. */
struct previews {
	struct frame_name *list;
	size_t n, room;
	int64_t bytes; /* that their files take of the disk */
};
void previews_clear(struct previews *previews);
/* What is kept; an archive without the folder has none. -errno. */
int previews_list(const struct archive *archive, struct previews *ret);

/*
 * Removes those whose frames have a line here, and the oldest until `most` are left: at the start
 * and the end of a sync, for what a crash left. By the archive's writer. -errno.
 */
int previews_tidy(struct archive *archive, size_t most, struct previews *ret);
