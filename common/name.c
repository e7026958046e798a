/* SPDX-License-Identifier: MIT */
/*
 * Names of frames. There is one spelling of each name: what is parsed is formatted again and must
 * come out the same, so nothing a remote sends can be another file than the one it stands for.
 */
#include "common/name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/utc.h"

#define SEQ_DIGITS_MIN 8
#define SEQ_DIGITS_MAX 12

static int split_name(const struct frame_name *name, struct utc_fields *ret)
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
	int r = split_name(name, &f);

	if (r < 0)
		return r;
	snprintf(ret, FRAME_NAME_MAX, "%04d%02d%02dT%02d%02d%02dZ-%0*" PRIu64 ".jpg", f.year,
		f.month, f.day, f.hour, f.minute, f.second, SEQ_DIGITS_MIN, name->seq);
	return 0;
}

int frame_name_folder(const struct frame_name *name, char ret[static FRAME_PATH_MAX])
{
	struct utc_fields f;
	int r = split_name(name, &f);

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

/* Exactly `len` decimal digits, 18 at most; *text moves behind them. */
static bool read_digits(const char **text, size_t len, uint64_t *ret)
{
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++) {
		const char c = (*text)[i];

		if (c < '0' || c > '9')
			return false;
		number = number * 10 + (uint64_t)(c - '0');
	}
	*text += len;
	*ret = number;
	return true;
}

int frame_name_parse(const char *text, size_t len, struct frame_name *ret)
{
	const size_t rest = strlen("20261120T160100Z-.jpg");
	const char *p = text;
	uint64_t date, time;
	struct frame_name name;
	struct utc_fields f;
	char again[FRAME_NAME_MAX];

	if (len < rest + SEQ_DIGITS_MIN || len > rest + SEQ_DIGITS_MAX)
		return -EINVAL;
	if (!read_digits(&p, 8, &date) || *p++ != 'T' || !read_digits(&p, 6, &time) ||
		*p++ != 'Z' || *p++ != '-' || !read_digits(&p, len - rest, &name.seq))
		return -EINVAL;

	f = (struct utc_fields){
		.year = (int)(date / 10000),
		.month = (int)(date / 100 % 100),
		.day = (int)(date % 100),
		.hour = (int)(time / 10000),
		.minute = (int)(time / 100 % 100),
		.second = (int)(time % 100),
	};
	if (utc_join(&f, &name.slot_us) < 0 || frame_name_format(&name, again) < 0 ||
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
