/* SPDX-License-Identifier: MIT */
/* The small picture that a JPEG has in its EXIF, as `serve` sends it and viewpi shows it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Reads it from the first bytes of the file: some bytes that claim to be a JPEG, for free().
 * -ENOENT there is none, or it is over THUMBNAIL_BYTES_MAX.
 */
#define THUMBNAIL_BYTES_MAX (64 * 1024) /* an APP1 segment */
int thumbnail_read(int fd, uint8_t **ret_jpeg, size_t *ret_bytes);
