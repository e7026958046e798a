/* SPDX-License-Identifier: MIT */
/* What exif.c (building) and exif_redate.c (dating anew) share. */
#pragma once

#include <stdint.h>

struct exif_times {
	char local[20]; /* "2026:11:20 17:01:00" */
	char fraction[7]; /* "000412" */
	char offset[7]; /* "+01:00" */
};

/* Local time of an instant. -EINVAL outside the years that EXIF can tell. */
int exif_times_of(int64_t wall_us, struct exif_times *ret);
