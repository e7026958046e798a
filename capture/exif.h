/* SPDX-License-Identifier: MIT */
/*
 * EXIF 2.32 through libexif. Times are the exposure's, not the write's: DateTimeOriginal is local
 * time, with SubSecTimeOriginal (6 digits) and OffsetTimeOriginal ("+01:00").
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct exif_facts {
	int64_t exposed_us; /* wall time of the start of exposure */
	double exposure_us; /* NaN: left out */
	double gain; /* ISO = 100 x gain; NaN: left out */
	const char *make; /* NULL: left out */
	const char *model;
	const char *software; /* "capturepi 0.1" */
	int width, height;
};

/* The payload of an APP1 segment, for free(). -ENOMEM, -EINVAL. */
int exif_build(const struct exif_facts *facts, uint8_t **ret, size_t *ret_bytes);
