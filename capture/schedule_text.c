/* SPDX-License-Identifier: MIT */
/* The schedule's settings as text: every, at, days, hours, daylight. Each printer writes what its parser reads. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "capture/schedule.h"

#define DAYS_ALL 0x7fu
#define ELEVATION_RISEN (-0.833)
#define ELEVATION_CIVIL (-6.0)

static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* Whether the whole text is this word, in any case, with or without blanks around it. */
static bool is_word(const char *text, const char *word)
{
	text = skip_blanks(text);
	return strncasecmp(text, word, strlen(word)) == 0 && !*skip_blanks(text + strlen(word));
}

/* After one element of a list: moves on to the next one. 1: there is one, 0: the end, -EINVAL. */
static int next_in_list(const char **p)
{
	*p = skip_blanks(*p);
	if (!**p)
		return 0;
	if (**p != ',')
		return -EINVAL;
	++*p;
	return 1;
}

static int read_day(const char **p, int *ret_day)
{
	*p = skip_blanks(*p);
	for (int i = 0; i < 7; i++) {
		if (strncasecmp(*p, day_names[i], 3) == 0) {
			*p = skip_blanks(*p + 3);
			*ret_day = i;
			return 0;
		}
	}
	return -EINVAL;
}

int schedule_parse_days(const struct conf_item *item, const char *value, void *dest)
{
	unsigned days = 0;
	int first, last, more;

	(void)item;
	if (is_word(value, "all")) {
		*(unsigned *)dest = DAYS_ALL;
		return 0;
	}
	do {
		if (read_day(&value, &first) < 0)
			return -EINVAL;
		last = first;
		if (*value == '-') {
			value++;
			if (read_day(&value, &last) < 0)
				return -EINVAL;
		}
		for (int day = first; day != last; day = (day + 1) % 7)
			days |= 1u << day;
		days |= 1u << last;
		more = next_in_list(&value);
	} while (more > 0);
	if (more == 0)
		*(unsigned *)dest = days;
	return more;
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

/* "6:00", "06:00", "24:00" as minutes */
static int read_time(const char **p, int *ret_minute)
{
	const char *s = skip_blanks(*p);
	int hour = 0, minute, digits = 0;

	for (; digits < 2 && isdigit((unsigned char)*s); digits++)
		hour = hour * 10 + *s++ - '0';
	if (digits == 0 || *s++ != ':')
		return -EINVAL;
	if (!isdigit((unsigned char)s[0]) || !isdigit((unsigned char)s[1]))
		return -EINVAL;
	minute = (s[0] - '0') * 10 + s[1] - '0';
	if (minute > 59 || hour * 60 + minute > 1440)
		return -EINVAL;
	*p = skip_blanks(s + 2);
	*ret_minute = hour * 60 + minute;
	return 0;
}

static int read_window(const char **p, void *ret)
{
	struct hours_window w;

	if (read_time(p, &w.from_minute) < 0 || *(*p)++ != '-' || read_time(p, &w.to_minute) < 0)
		return -EINVAL;
	/* 06:00-06:00 could be nothing or a whole day: the person is asked */
	if (w.from_minute == 1440 || w.from_minute == w.to_minute)
		return -EINVAL;
	*(struct hours_window *)ret = w;
	return 0;
}

static int compare_at(const void *a, const void *b)
{
	return ((const struct schedule_at *)a)->minute - ((const struct schedule_at *)b)->minute;
}

static int read_at(const char **p, void *ret)
{
	int minute;

	if (read_time(p, &minute) < 0 || minute == 1440)
		return -EINVAL;
	*(struct schedule_at *)ret = (struct schedule_at){ .minute = minute };
	return 0;
}

/* "A, B, ..." of at most `max` items of `size` bytes, each taken by `read`. How many, or -EINVAL. */
static int read_list(
	const char *value, int max, size_t size, int (*read)(const char **p, void *ret), void *list)
{
	int n = 0, more;

	do {
		if (n == max || read(&value, (char *)list + size * (size_t)n) < 0)
			return -EINVAL;
		n++;
		more = next_in_list(&value);
	} while (more > 0);
	return more < 0 ? more : n;
}

int schedule_parse_at(const struct conf_item *item, const char *value, void *dest)
{
	struct schedule_settings *settings = dest;
	struct schedule_at at[SCHEDULE_AT_MAX];
	int n;

	(void)item;
	if (is_word(value, "none")) {
		settings->n_at = 0;
		return 0;
	}
	n = read_list(value, SCHEDULE_AT_MAX, sizeof *at, read_at, at);
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
	int n;

	(void)item;
	if (is_word(value, "all")) {
		settings->n_hours = 0;
		return 0;
	}
	n = read_list(value, SCHEDULE_WINDOWS_MAX, sizeof *hours, read_window, hours);
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
