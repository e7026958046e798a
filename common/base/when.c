/* SPDX-License-Identifier: MIT */
/* Reads an instant word by word: a day, a time of it, an offset from UTC; or how long ago. */
#include "common/base/when.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define SEC_PER_DAY INT64_C(86400)
#define DAY_US (SEC_PER_DAY * US_PER_SEC)
#define AGO_MAX_US (INT64_C(36500) * DAY_US)
#define END_US INT64_C(253402300800000000) /* the year 10000 */

static bool skip_word(const char **p, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(*p, word, len) != 0 || isalpha((unsigned char)(*p)[len]))
		return false;
	*p += len;
	*p += strspn(*p, " ");
	return true;
}

/* So many digits, no more and no fewer. */
static bool read_digits(const char **p, int n, int *ret)
{
	int number = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*p)[i]))
			return false;
		number = number * 10 + ((*p)[i] - '0');
	}
	if (isdigit((unsigned char)(*p)[n]))
		return false;
	*p += n;
	*ret = number;
	return true;
}

static bool read_date(const char **p, struct utc_fields *ret)
{
	const char *s = *p;

	if (!read_digits(&s, 4, &ret->year) || *s++ != '-' || !read_digits(&s, 2, &ret->month) ||
		*s++ != '-' || !read_digits(&s, 2, &ret->day))
		return false;
	*p = s;
	return true;
}

/* "6:00", "06:00", "06:00:30", "06:00:30.5" */
static bool read_time(const char **p, struct utc_fields *ret)
{
	const char *s = *p;

	if (!read_digits(&s, 2, &ret->hour) && !read_digits(&s, 1, &ret->hour))
		return false;
	if (*s++ != ':' || !read_digits(&s, 2, &ret->minute))
		return false;
	if (*s == ':') {
		s++;
		if (!read_digits(&s, 2, &ret->second))
			return false;
		if (*s == '.' && !isdigit((unsigned char)*++s))
			return false;
		for (int scale = 100000; scale > 0 && isdigit((unsigned char)*s); scale /= 10)
			ret->us += (*s++ - '0') * scale;
	}
	*p = s;
	return true;
}

/* "Z", "+01:00"; seconds ahead of UTC. */
static bool read_offset(const char **p, int *ret_s)
{
	const char *s = *p;
	int sign = *s == '-' ? -1 : 1, hours, minutes;

	if (*s == 'Z' || *s == 'z') {
		*p = s + 1;
		*ret_s = 0;
		return true;
	}
	if ((*s != '+' && *s != '-') || (s++, !read_digits(&s, 2, &hours)) || *s++ != ':' ||
		!read_digits(&s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*p = s;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* When the clock on the wall shows `local_us`. */
static int64_t wall_to_utc(int64_t local_us, enum when_edge edge)
{
	int before_s = utc_local_offset_s(local_us - DAY_US);
	int after_s = utc_local_offset_s(local_us + DAY_US);
	int64_t first_us = local_us - before_s * US_PER_SEC;
	int64_t second_us = local_us - after_s * US_PER_SEC;
	bool is_first = utc_local_offset_s(first_us) == before_s;
	bool is_second = utc_local_offset_s(second_us) == after_s;

	if (is_second && (!is_first || edge == WHEN_TO))
		return second_us;
	return first_us;
}

static int64_t utc_to_wall(int64_t us)
{
	return us + utc_local_offset_s(us) * US_PER_SEC;
}

/* The name of a day, or a date; -ENOENT: the text does not begin with one. */
static int read_day(const char **p, int64_t now_us, struct utc_fields *ret)
{
	int64_t local_us = utc_to_wall(now_us);

	if (skip_word(p, "yesterday"))
		local_us -= DAY_US;
	else if (!skip_word(p, "today"))
		return read_date(p, ret) ? 0 : -ENOENT;
	utc_split(local_us, ret);
	ret->hour = ret->minute = ret->second = ret->us = 0;
	return 0;
}

static int parse_day(const char *text, enum when_edge edge, int64_t now_us, int64_t *ret_us)
{
	struct utc_fields fields = { 0 };
	bool has_time, has_day = read_day(&text, now_us, &fields) == 0;
	int64_t local_us;
	int offset_s;

	if (!has_day) {
		utc_split(utc_to_wall(now_us), &fields);
		fields.hour = fields.minute = fields.second = fields.us = 0;
	} else if (*text == 'T' || *text == 't') {
		text++;
	}
	text += strspn(text, " ");
	has_time = *text && read_time(&text, &fields);
	if ((!has_time && !has_day) || utc_join(&fields, &local_us) < 0)
		return -EINVAL;
	text += strspn(text, " ");
	if (!has_time && !*text) {
		*ret_us = edge == WHEN_FROM ? wall_to_utc(local_us, WHEN_FROM)
					    : wall_to_utc(local_us + DAY_US, WHEN_FROM) - 1;
		return 0;
	}
	if (has_time && !*text) {
		*ret_us = wall_to_utc(local_us, edge);
		return 0;
	}
	if (!has_time || !has_day || !read_offset(&text, &offset_s) || *text)
		return -EINVAL;
	*ret_us = local_us - offset_s * US_PER_SEC;
	return 0;
}

static bool read_unit(const char **p, int64_t *ret_us)
{
	static const struct {
		const char *name, *word; /* the word may have an s */
		int64_t us;
	} units[] = {
		{ "ms", "millisecond", US_PER_SEC / 1000 },
		{ "s", "second", US_PER_SEC },
		{ "min", "minute", 60 * US_PER_SEC },
		{ "h", "hour", 3600 * US_PER_SEC },
		{ "d", "day", DAY_US },
		{ "w", "week", 7 * DAY_US },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		char words[32];

		snprintf(words, sizeof(words), "%ss", units[i].word);
		if (skip_word(p, units[i].name) || skip_word(p, units[i].word) ||
			skip_word(p, words)) {
			*ret_us = units[i].us;
			return true;
		}
	}
	return false;
}

/* "3d", "1h 30min ago" */
static int parse_ago(const char *text, int64_t now_us, int64_t *ret_us)
{
	int64_t ago_us = 0, unit_us;

	text += *text == '-';
	do {
		int64_t number = 0;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		for (; isdigit((unsigned char)*text) && number < 100000000; text++)
			number = number * 10 + (*text - '0');
		text += strspn(text, " ");
		if (!read_unit(&text, &unit_us) || number > AGO_MAX_US / unit_us)
			return -EINVAL;
		ago_us += number * unit_us;
	} while (isdigit((unsigned char)*text) && ago_us <= AGO_MAX_US);
	skip_word(&text, "ago");
	if (*text || ago_us > AGO_MAX_US)
		return -EINVAL;
	*ret_us = now_us - ago_us;
	return 0;
}

int when_parse(const char *text, enum when_edge edge, int64_t now_us, int64_t *ret_us)
{
	int64_t us = now_us;
	int r = 0;

	if (strcasecmp(text, "now") != 0) {
		r = parse_day(text, edge, now_us, &us);
		if (r < 0)
			r = parse_ago(text, now_us, &us);
	}
	if (r == 0 && (us < 0 || us >= END_US))
		r = -EINVAL;
	if (r == 0)
		*ret_us = us;
	return r;
}

static int parse_month(int year, int month, int64_t *ret_us)
{
	char day[32];

	snprintf(day, sizeof(day), "%04d-%02d-01", year, month);
	return when_parse(day, WHEN_FROM, 0, ret_us);
}

int when_month(int64_t wall_us, int64_t *ret_from_us, int64_t *ret_to_us)
{
	struct utc_fields local;
	int64_t from_us;
	int r;

	utc_split(wall_us + utc_local_offset_s(wall_us) * US_PER_SEC, &local);
	r = parse_month(local.year, local.month, &from_us);
	if (r == 0)
		r = parse_month(local.year + local.month / 12, local.month % 12 + 1, ret_to_us);
	if (r == 0)
		*ret_from_us = from_us;
	return r;
}
