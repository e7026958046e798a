/* SPDX-License-Identifier: MIT */
/* The schedule's settings as text. Each printer writes what its parser reads. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "capture/schedule/schedule.h"
#include "capture/schedule/sun.h"
#include "common/base/clock.h"
#include "common/base/text.h"

#define DAYS_ALL 0x7fu
#define US_PER_MIN (60 * US_PER_SEC)
#define ELEVATION_CIVIL (-6.0)

static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* Whether the whole text is this word, in upper or lower case, with or without blanks. */
static bool is_word(const char *text, const char *word)
{
	text = text_skip_blanks(text);
	return strncasecmp(text, word, strlen(word)) == 0 &&
		!*text_skip_blanks(text + strlen(word));
}

/*
 * Reads "A, B, ...", at most `max` items: `read` takes each off the text, as item i of `list`.
 * Returns how many, or -EINVAL.
 */
static int read_list(
	const char *p, int max, bool (*read)(const char **p, int i, void *list), void *list)
{
	for (int n = 0; n < max; p++) {
		if (!read(&p, n++, list))
			return -EINVAL;
		p = text_skip_blanks(p);
		if (!*p)
			return n;
		if (*p != ',')
			return -EINVAL;
	}
	return -EINVAL;
}

static bool read_day(const char **p, int *ret_day)
{
	*p = text_skip_blanks(*p);
	for (int i = 0; i < 7; i++) {
		if (strncasecmp(*p, day_names[i], 3) == 0) {
			*p = text_skip_blanks(*p + 3);
			*ret_day = i;
			return true;
		}
	}
	return false;
}

/* Adds the bits of "mon" or "sat-mon". */
static bool read_days(const char **p, int i, void *list)
{
	unsigned *days = list;
	int first, last;

	(void)i;
	if (!read_day(p, &first))
		return false;
	last = first;
	if (**p == '-' && (++*p, !read_day(p, &last)))
		return false;
	for (int day = first; day != last; day = (day + 1) % 7)
		*days |= 1u << day;
	*days |= 1u << last;
	return true;
}

int schedule_parse_days(const struct conf_item *item, const char *value, void *dest)
{
	unsigned days = 0;

	(void)item;
	if (is_word(value, "all"))
		days = DAYS_ALL;
	else if (read_list(value, INT_MAX, read_days, &days) < 0)
		return -EINVAL;
	*(unsigned *)dest = days;
	return 0;
}

int schedule_print_days(const struct conf_item *item, const void *dest, FILE *out)
{
	unsigned days = *(const unsigned *)dest & DAYS_ALL;
	const char *comma = "";

	(void)item;
	if (days == DAYS_ALL) {
		fputs("all", out);
		return 0;
	}
	for (int day = 0; day < 7; day++) {
		int last = day;

		if (!(days >> day & 1))
			continue;
		while (days >> (last + 1) & 1)
			last++;
		fprintf(out, last > day ? "%s%s-%s" : "%s%s", comma, day_names[day],
			day_names[last]);
		comma = ",";
		day = last;
	}
	return 0;
}

/* Reads "6:00", "06:00" or "24:00" as minutes. */
static bool read_time(const char **p, int *ret_minute)
{
	const char *s = text_skip_blanks(*p);
	int hour = 0, minute, digits = 0;

	for (; digits < 2 && isdigit((unsigned char)*s); digits++)
		hour = hour * 10 + *s++ - '0';
	if (digits == 0 || *s++ != ':' || !isdigit((unsigned char)s[0]) ||
		!isdigit((unsigned char)s[1]))
		return false;
	minute = (s[0] - '0') * 10 + s[1] - '0';
	*p = text_skip_blanks(s + 2);
	*ret_minute = hour * 60 + minute;
	return minute <= 59 && *ret_minute <= 1440;
}

static bool read_window(const char **p, int i, void *list)
{
	struct hours_window *w = (struct hours_window *)list + i;

	/* 06:00-06:00 could mean nothing or a whole day, so it is a mistake */
	return read_time(p, &w->from_minute) && *(*p)++ == '-' && read_time(p, &w->to_minute) &&
		w->from_minute != 1440 && w->from_minute != w->to_minute;
}

static const char *const sun_names[] = {
	[SUN_NOON] = "noon", [SUN_RISE] = "sunrise", [SUN_SET] = "sunset"
};

/* "+30min", "-1h 30min": whole minutes, as a duration up to the comma; nothing is 0. */
static bool read_sun_offset(const char **p, int *ret_minute)
{
	struct conf_item item = { .type = &conf_duration, .max = SCHEDULE_SUN_MAX * US_PER_MIN };
	const char *s = text_skip_blanks(*p);
	size_t length = strcspn(s, ",");
	char text[64];
	int64_t us;

	*ret_minute = 0;
	if (*s == '+' || *s == '-') {
		snprintf(text, sizeof text, "%.*s", (int)length - 1, s + 1);
		if (length > sizeof text || conf_parse(&item, text, &us) < 0 || us % US_PER_MIN)
			return false;
		*ret_minute = (int)(us / US_PER_MIN) * (*s == '-' ? -1 : 1);
		s += length;
	}
	*p = s;
	return true;
}

static bool read_at(const char **p, int i, void *list)
{
	struct schedule_at *at = (struct schedule_at *)list + i;
	const char *s = text_skip_blanks(*p);

	at->sun = SUN_NONE;
	for (int sun = SUN_NOON; sun <= SUN_SET; sun++) {
		size_t length = strlen(sun_names[sun]);

		if (strncasecmp(s, sun_names[sun], length) == 0) {
			at->sun = (enum schedule_sun)sun;
			*p = s + length;
			return read_sun_offset(p, &at->minute);
		}
	}
	return read_time(p, &at->minute) && at->minute != 1440;
}

static int at_compare(const void *a, const void *b)
{
	const struct schedule_at *left = a, *right = b;

	if (left->sun != right->sun)
		return (int)left->sun - (int)right->sun;
	return left->minute - right->minute;
}

int schedule_parse_at(const struct conf_item *item, const char *value, void *dest)
{
	struct schedule_settings *settings = dest;
	struct schedule_at at[SCHEDULE_AT_MAX];
	int n = is_word(value, "none") ? 0 : read_list(value, SCHEDULE_AT_MAX, read_at, at);

	(void)item;
	if (n < 0)
		return n;
	qsort(at, (size_t)n, sizeof *at, at_compare);
	memcpy(settings->at, at, sizeof *at * (size_t)n);
	settings->n_at = n;
	return 0;
}

const char *schedule_at_text(const struct schedule_at *at, char ret[static SCHEDULE_AT_TEXT_MAX])
{
	unsigned minutes = (unsigned)abs(at->minute) % (24 * 60);
	const char *name = sun_names[at->sun];
	char sign = at->minute < 0 ? '-' : '+';

	if (at->sun == SUN_NONE)
		snprintf(ret, SCHEDULE_AT_TEXT_MAX, "%02u:%02u", minutes / 60, minutes % 60);
	else if (minutes == 0)
		snprintf(ret, SCHEDULE_AT_TEXT_MAX, "%s", name);
	else if (minutes % 60 == 0)
		snprintf(ret, SCHEDULE_AT_TEXT_MAX, "%s%c%uh", name, sign, minutes / 60);
	else if (minutes < 60)
		snprintf(ret, SCHEDULE_AT_TEXT_MAX, "%s%c%umin", name, sign, minutes);
	else
		snprintf(ret, SCHEDULE_AT_TEXT_MAX, "%s%c%uh %umin", name, sign, minutes / 60,
			minutes % 60);
	return ret;
}

int schedule_print_at(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct schedule_settings *settings = dest;
	char text[SCHEDULE_AT_TEXT_MAX];

	(void)item;
	if (settings->n_at == 0)
		fputs("none", out);
	for (int i = 0; i < settings->n_at; i++)
		fprintf(out, "%s%s", i ? ", " : "", schedule_at_text(&settings->at[i], text));
	return 0;
}

int schedule_parse_hours(const struct conf_item *item, const char *value, void *dest)
{
	struct schedule_settings *settings = dest;
	struct hours_window hours[SCHEDULE_WINDOWS_MAX];
	int n = is_word(value, "all") ? 0
				      : read_list(value, SCHEDULE_WINDOWS_MAX, read_window, hours);

	(void)item;
	if (n < 0)
		return n;
	memcpy(settings->hours, hours, sizeof *hours * (size_t)n);
	settings->n_hours = n;
	return 0;
}

int schedule_print_hours(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct schedule_settings *settings = dest;

	(void)item;
	if (settings->n_hours == 0)
		fputs("all", out);
	for (int i = 0; i < settings->n_hours; i++) {
		const struct hours_window *w = &settings->hours[i];

		fprintf(out, "%s%02d:%02d-%02d:%02d", i ? ", " : "", w->from_minute / 60,
			w->from_minute % 60, w->to_minute / 60, w->to_minute % 60);
	}
	return 0;
}

int schedule_parse_daylight(const struct conf_item *item, const char *value, void *dest)
{
	struct schedule_settings *settings = dest;
	struct conf_item degrees = { .type = &conf_double, .min = -90, .max = 90 };
	double elevation;

	(void)item;
	if (is_word(value, "no")) {
		settings->daylight = false;
		return 0;
	}
	if (is_word(value, "yes"))
		elevation = SUN_HORIZON;
	else if (is_word(value, "civil"))
		elevation = ELEVATION_CIVIL;
	else if (conf_parse(&degrees, value, &elevation) < 0)
		return -EINVAL;
	settings->daylight = true;
	settings->daylight_elevation = elevation;
	return 0;
}

int schedule_print_daylight(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct schedule_settings *settings = dest;

	if (!settings->daylight)
		fputs("no", out);
	else if (settings->daylight_elevation == SUN_HORIZON)
		fputs("yes", out);
	else if (settings->daylight_elevation == ELEVATION_CIVIL)
		fputs("civil", out);
	else
		return conf_double.print(item, &settings->daylight_elevation, out);
	return 0;
}
