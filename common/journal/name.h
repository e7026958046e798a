/* SPDX-License-Identifier: MIT */
/*
 * Names of frames: "20261120T160100Z-00000123.jpg", the UTC slot time in whole seconds and the
 * sequence number (8 digits at least, 12 at most, no more leading zeros than that), in the day
 * folder "2026/11/20". A name from outside is parsed to this struct and formatted back; it is never
 * used as a path.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"

struct frame_name {
	int64_t slot_us; /* whole seconds of the slot, in microseconds */
	uint64_t seq; /* 1 to SEQ_MAX */
};

/* The bare name. -ERANGE for a time outside 1970..9999 or a sequence number outside 1..SEQ_MAX. */
int frame_name_format(const struct frame_name *name, char ret[static FRAME_NAME_MAX]);

/* "2026/11/20" of the name's time. -ERANGE as above. */
int frame_name_folder(const struct frame_name *name, char ret[static FRAME_PATH_MAX]);

/* Folder and name. */
int frame_name_path(const struct frame_name *name, char ret[static FRAME_PATH_MAX]);

/*
 * Exactly `len` bytes in the form that frame_name_format() writes and no other spelling of it;
 * -EINVAL for anything else.
 */
int frame_name_parse(const char *text, size_t len, struct frame_name *ret);

/* A path as frame_name_path() writes it; the folder must be the name's own. -EINVAL. */
int frame_path_parse(const char *text, size_t len, struct frame_name *ret);
