/* SPDX-License-Identifier: MIT */
/*
 * EXIF 2.32 through libexif. Times are the exposure's, not the write's: DateTimeOriginal is local
 * time, with SubSecTimeOriginal (6 digits) and OffsetTimeOriginal ("+01:00").
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "capture/camera/camera.h"

/*
 * What is not known, or makes no sense, is left out: NaN, NULL, a negative distance. The lens is
 * told as SubjectDistance, in metres (0 dioptres: infinity). What EXIF has no tag for is in
 * UserComment, as words of the form NAME=VALUE: ColourTemperature, ColourGains, LensPosition and
 * Focus.
 */
struct exif_facts {
	int64_t time_us; /* exif_time_us() */
	double exposure_us;
	double gain; /* ISO = 100 x gain */
	enum white_balance white_balance;
	double colour_temperature; /* kelvin */
	double red, blue; /* gains of the white balance */
	double lens_position; /* dioptres */
	const char *focus; /* one word */
	double latitude, longitude; /* degrees north and east, both or none, for the GPS tags */
	const char *make;
	const char *model;
	const char *software; /* "capturepi 0.1" */
	int width, height;
	const uint8_t *thumb; /* a JPEG of THUMB_BYTES_MAX (jpeg.h) at most */
	size_t thumb_bytes; /* 0: none */
};

/*
 * The time that the EXIF of a frame tells: the wall time at which its exposure started, but within
 * the second of its slot, which is the second in its name. A start less than half a second outside
 * of that counts as the first or the last microsecond in it: 12:00:00 is the nearest second to
 * 11:59:59.985, and whoever sorts by EXIF and by name sees the same. A start further from the slot
 * stays as it was. The journal has the exact start of each.
 */
int64_t exif_time_us(int64_t slot_us, int64_t exposed_us);

/* The payload of an APP1 segment, for free(). -ENOMEM, -EINVAL. */
int exif_build(const struct exif_facts *facts, uint8_t **ret, size_t *ret_bytes);

/*
 * Writes another time (exif_time_us()) into a whole JPEG of ours, in place: DateTime,
 * DateTimeOriginal, DateTimeDigitized, their fractions and their offsets. Returns how many of these
 * nine it has, 0 where it has no EXIF; no byte outside of the block changes, nor its length.
 * -EBADMSG the EXIF is broken or not as exif_build() makes it, -EINVAL a time that EXIF cannot
 * tell, -ENOMEM: then the file is as it was.
 */
int exif_set_time(uint8_t *jpeg, size_t bytes, int64_t time_us);
