/* SPDX-License-Identifier: MIT */
/* libexif finds it. */
#include "common/thumbnail/thumbnail.h"

#include <errno.h>
#include <libexif/exif-data.h>
#include <stdlib.h>

#include "common/base/fs.h"
#include "common/base/util.h"

#define HEAD_BYTES (THUMBNAIL_BYTES_MAX + 256) /* of a file: where its EXIF is */

static void exif_data_unrefp(ExifData **p)
{
	if (*p)
		exif_data_unref(*p);
}

int thumbnail_read(int fd, uint8_t **ret_jpeg, size_t *ret_bytes)
{
	CLEANUP(exif_data_unrefp) ExifData *exif = NULL;
	CLEANUP_FREE uint8_t *head = malloc(HEAD_BYTES);
	const ssize_t n = head ? fs_read_at(fd, head, HEAD_BYTES, 0) : 0;

	if (n > 0)
		exif = exif_data_new_from_data(head, (unsigned)n);
	if (!exif || !exif->data || exif->size == 0 || exif->size > THUMBNAIL_BYTES_MAX)
		return -ENOENT;
	/* libexif's default allocator is malloc() */
	*ret_bytes = exif->size;
	*ret_jpeg = TAKE_PTR(exif->data);
	exif->size = 0;
	return 0;
}
