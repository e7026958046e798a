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
#include "common/base/text.h"

#define DAYS_ALL 0x7fu
#define ELEVATION_RISEN (-0.833)
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

static bool read_at(const char **p, int i, void *list)
{
	struct schedule_at *at = (struct schedule_at *)list + i;

	return read_time(p, &at->minute) && at->minute != 1440;
}

static int compare_at(const void *a, const void *b)
{
	return ((const struct schedule_at *)a)->minute - ((const struct schedule_at *)b)->minute;
}

int schedule_parse_at(const struct conf_item *item, const char *value, void *dest)
{
	struct schedule_settings *settings = dest;
	struct schedule_at at[SCHEDULE_AT_MAX];
	int n = is_word(value, "none") ? 0 : read_list(value, SCHEDULE_AT_MAX, read_at, at);

	(void)item;
	if (n < 0)
		return n;
	qsort(at, (size_t)n, sizeof *at, compare_at);
	settings->n_at = 0;
	for (int i = 0; i < n; i++)
		if (i == 0 || compare_at(&at[i - 1], &at[i]) != 0)
			settings->at[settings->n_at++] = at[i];
	return 0;
}

int schedule_print_at(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct schedule_settings *settings = dest;

	(void)item;
	if (settings->n_at == 0)
		fputs("none", out);
	for (int i = 0; i < settings->n_at; i++)
		fprintf(out, "%s%02d:%02d", i ? ", " : "", settings->at[i].minute / 60,
			settings->at[i].minute % 60);
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
		elevation = ELEVATION_RISEN;
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
	else if (settings->daylight_elevation == ELEVATION_RISEN)
		fputs("yes", out);
	else if (settings->daylight_elevation == ELEVATION_CIVIL)
		fputs("civil", out);
	else
		return conf_double.print(item, &settings->daylight_elevation, out);
	return 0;
}
