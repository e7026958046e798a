/* SPDX-License-Identifier: MIT */
/*
 * Names of frames. There is one spelling of each name: what is parsed is formatted again and must
 * come out the same, so nothing a remote sends can be another file than the one it stands for.
 */
#include "common/journal/name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utc.h"

#define SEQ_DIGITS_MIN 8

static int frame_name_split(const struct frame_name *name, struct utc_fields *ret)
{
	struct utc_fields f;

	if (name->seq < 1 || name->seq > SEQ_MAX)
		return -ERANGE;
	utc_split(name->slot_us, &f);
	if (f.year < 1970 || f.year > 9999)
		return -ERANGE;
	*ret = f;
	return 0;
}

int frame_name_format(const struct frame_name *name, char ret[static FRAME_NAME_MAX])
{
	struct utc_fields f;
	int r = frame_name_split(name, &f);

	if (r < 0)
		return r;
	snprintf(ret, FRAME_NAME_MAX, "%04d%02d%02dT%02d%02d%02dZ-%0*" PRIu64 ".jpg", f.year,
		f.month, f.day, f.hour, f.minute, f.second, SEQ_DIGITS_MIN, name->seq);
	return 0;
}

int frame_name_folder(const struct frame_name *name, char ret[static FRAME_PATH_MAX])
{
	struct utc_fields f;
	int r = frame_name_split(name, &f);

	if (r < 0)
		return r;
	snprintf(ret, FRAME_PATH_MAX, "%04d/%02d/%02d", f.year, f.month, f.day);
	return 0;
}

int frame_name_path(const struct frame_name *name, char ret[static FRAME_PATH_MAX])
{
	char file[FRAME_NAME_MAX];
	size_t n;
	int r = frame_name_folder(name, ret);

	if (r >= 0)
		r = frame_name_format(name, file);
	if (r < 0)
		return r;
	n = strlen(ret);
	snprintf(ret + n, FRAME_PATH_MAX - n, "/%s", file);
	return 0;
}

/* Whatever scanf(3) lets pass beside the one spelling is not what comes out again. */
int frame_name_parse(const char *text, size_t len, struct frame_name *ret)
{
	char copy[FRAME_NAME_MAX], again[FRAME_NAME_MAX];
	struct frame_name name;
	struct utc_fields f = { 0 };

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (sscanf(copy, "%4d%2d%2dT%2d%2d%2dZ-%12" SCNu64, &f.year, &f.month, &f.day, &f.hour,
		    &f.minute, &f.second, &name.seq) != 7 ||
		utc_join(&f, &name.slot_us) < 0 || frame_name_format(&name, again) < 0 ||
		strlen(again) != len || memcmp(again, text, len) != 0)
		return -EINVAL;
	*ret = name;
	return 0;
}

int frame_path_parse(const char *text, size_t len, struct frame_name *ret)
{
	const size_t folder = strlen("2026/11/20/");
	struct frame_name name;
	char again[FRAME_PATH_MAX];

	if (len <= folder || frame_name_parse(text + folder, len - folder, &name) < 0 ||
		frame_name_path(&name, again) < 0 || strlen(again) != len ||
		memcmp(again, text, len) != 0)
		return -EINVAL;
	*ret = name;
	return 0;
}
