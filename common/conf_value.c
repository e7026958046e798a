/* SPDX-License-Identifier: MIT */
/*
 * Values of settings: text to number, duration, size, word, path and back. What a parser takes its
 * printer writes in one canonical form that the parser takes again. Nothing depends on the locale.
 */
#include "common/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <pwd.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_bounded(const struct conf_item *item)
{
	return item->min != 0 || item->max != 0;
}

static int store_int(const struct conf_item *item, int64_t number, void *dest)
{
	if (is_bounded(item) && (number < item->min || number > item->max))
		return -EINVAL;
	*(int64_t *)dest = number;
	return 0;
}

/* Reads digits; `*text` moves behind them. -EINVAL without a digit or past INT64_MAX. */
static int read_digits(const char **text, int64_t *ret)
{
	const char *p = *text;
	int64_t number = 0;

	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, *p - '0', &number))
			return -EINVAL;
	}
	*text = p;
	*ret = number;
	return 0;
}

int conf_parse_bool(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	(void)item, (void)key;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			*(bool *)dest = i % 2;
			return 0;
		}
	}
	return -EINVAL;
}

int conf_print_bool(const struct conf_item *item, const void *dest, FILE *out)
{
	(void)item;
	fputs(*(const bool *)dest ? "yes" : "no", out);
	return 0;
}

int conf_parse_int(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	bool negative = *value == '-';
	const char *p = value + negative;
	int64_t number;

	(void)key;
	if (read_digits(&p, &number) < 0 || *p)
		return -EINVAL;
	return store_int(item, negative ? -number : number, dest);
}

int conf_print_int(const struct conf_item *item, const void *dest, FILE *out)
{
	(void)item;
	fprintf(out, "%" PRId64, *(const int64_t *)dest);
	return 0;
}

static int parse_c_double(const char *text, double *ret)
{
	locale_t c_locale;
	double number;
	char *end;

	/* strtod() also knows "inf", "nan" and hexadecimal: not for people */
	if (!*text || text[strspn(text, "0123456789.eE+-")])
		return -EINVAL;
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		return -ENOMEM;
	number = strtod_l(text, &end, c_locale);
	freelocale(c_locale);
	if (*end || !isfinite(number))
		return -EINVAL;
	*ret = number;
	return 0;
}

int conf_parse_double(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	double number;
	int r;

	(void)key;
	r = parse_c_double(value, &number);
	if (r < 0)
		return r;
	if (is_bounded(item) && (number < (double)item->min || number > (double)item->max))
		return -EINVAL;
	*(double *)dest = number;
	return 0;
}

/* The shortest text that reads back to the same number; nothing for NaN, which is "not set". */
int conf_print_double(const struct conf_item *item, const void *dest, FILE *out)
{
	const double number = *(const double *)dest;
	double again = 0;
	char text[32];

	(void)item;
	if (isnan(number))
		return 0;
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		for (char *p = text; *p; p++)
			*p = *p == ',' ? '.' : *p;
		if (parse_c_double(text, &again) == 0 && again == number)
			break;
	}
	fputs(text, out);
	return 0;
}

struct unit {
	const char *name;
	int64_t amount;
};

/* the first that fits is taken: "min" and "ms" before "m" */
static const struct unit duration_units[] = {
	{ "us", 1 },
	{ "min", 60 * US_PER_SEC },
	{ "ms", 1000 },
	{ "m", 60 * US_PER_SEC },
	{ "s", US_PER_SEC },
	{ "h", 3600 * US_PER_SEC },
	{ "d", 24 * 3600 * US_PER_SEC },
};

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* Reads one "1.5 min"; -EINVAL also where the fraction is no whole number of microseconds. */
static int read_duration_part(const char **text, int64_t *ret_us)
{
	int64_t whole, us, fraction = 0, scale = 1;
	const struct unit *unit = NULL;
	const char *p = *text;

	if (read_digits(&p, &whole) < 0)
		return -EINVAL;
	if (*p == '.') {
		const char *point = p++;

		if (read_digits(&p, &fraction) < 0 || p - point > 7)
			return -EINVAL;
		for (const char *digit = point + 1; digit < p; digit++)
			scale *= 10;
	}
	p = skip_blanks(p);
	for (size_t i = 0; !unit && i < ARRAY_SIZE(duration_units); i++) {
		if (strncmp(p, duration_units[i].name, strlen(duration_units[i].name)) == 0)
			unit = &duration_units[i];
	}
	if (!unit || fraction * unit->amount % scale ||
		__builtin_mul_overflow(whole, unit->amount, &us) ||
		__builtin_add_overflow(us, fraction * unit->amount / scale, &us))
		return -EINVAL;
	*text = p + strlen(unit->name);
	*ret_us = us;
	return 0;
}

int conf_parse_duration(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	const char *p = skip_blanks(value);
	int64_t sum = 0;

	(void)key;
	if (strcmp(p, "0") == 0)
		return store_int(item, 0, dest);
	if (!*p)
		return -EINVAL;
	for (; *p; p = skip_blanks(p)) {
		int64_t part;

		if (read_duration_part(&p, &part) < 0 || __builtin_add_overflow(sum, part, &sum))
			return -EINVAL;
	}
	return store_int(item, sum, dest);
}

int conf_print_duration(const struct conf_item *item, const void *dest, FILE *out)
{
	static const struct unit units[] = {
		{ "d", 24 * 3600 * US_PER_SEC },
		{ "h", 3600 * US_PER_SEC },
		{ "min", 60 * US_PER_SEC },
		{ "s", US_PER_SEC },
		{ "ms", 1000 },
		{ "us", 1 },
	};
	int64_t rest = *(const int64_t *)dest;
	const char *separator = "";

	(void)item;
	if (rest <= 0)
		fputc('0', out);
	for (size_t i = 0; i < ARRAY_SIZE(units) && rest > 0; i++) {
		if (rest < units[i].amount)
			continue;
		fprintf(out, "%s%" PRId64 "%s", separator, rest / units[i].amount, units[i].name);
		rest %= units[i].amount;
		separator = " ";
	}
	return 0;
}

static const char size_letters[] = "KMGT";

/* What `value` would be with one of three units, or "". */
static const char *unit_hint(const char *value, bool may_be_alone,
	const char *const units[static 3], char buf[static CONF_HINT_MAX])
{
	size_t digits = strspn(skip_blanks(value), "0123456789.");
	const char *number = skip_blanks(value), *unit = skip_blanks(number + digits);
	size_t letters = strspn(unit, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++)
		known |= !may_be_alone && strcmp(unit, duration_units[i].name) == 0;
	*buf = '\0';
	if (digits == 0 || digits > 16 || unit[letters] || known ||
		(may_be_alone && (letters == 0 || (letters == 1 && strchr(size_letters, *unit)))))
		return buf;
	snprintf(buf, CONF_HINT_MAX, "; %s: write %.*s%s, %.*s%s or %.*s%s",
		letters ? "the unit is not known" : "the unit is missing", (int)digits, number,
		units[0], (int)digits, number, units[1], (int)digits, number, units[2]);
	return buf;
}

const char *conf_duration_hint(const char *value, char buf[static CONF_HINT_MAX])
{
	static const char *const units[] = { "s", "min", "h" };

	return unit_hint(value, false, units, buf);
}

const char *conf_size_hint(const char *value, char buf[static CONF_HINT_MAX])
{
	static const char *const units[] = { "K", "M", "G" };

	return unit_hint(value, true, units, buf);
}

int conf_parse_size(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	const char *p = value, *letter;
	int64_t number;

	(void)key;
	if (read_digits(&p, &number) < 0)
		return -EINVAL;
	p = skip_blanks(p);
	if (*p == '%') {
		if (p[1] || item->min >= 0 || number > -item->min)
			return -EINVAL;
		*(int64_t *)dest = -number;
		return 0;
	}
	letter = *p ? strchr(size_letters, *p) : NULL;
	if (*p && (!letter || p[1]))
		return -EINVAL;
	for (ptrdiff_t i = 0; letter && i <= letter - size_letters; i++) {
		if (__builtin_mul_overflow(number, 1024, &number))
			return -EINVAL;
	}
	return store_int(item, number, dest);
}

int conf_print_size(const struct conf_item *item, const void *dest, FILE *out)
{
	int64_t number = *(const int64_t *)dest;
	int unit = -1;

	(void)item;
	if (number < 0) {
		fprintf(out, "%" PRId64 "%%", -number);
		return 0;
	}
	while (number > 0 && number % 1024 == 0 && size_letters[unit + 1]) {
		number /= 1024;
		unit++;
	}
	fprintf(out, "%" PRId64, number);
	if (unit >= 0)
		fputc(size_letters[unit], out);
	return 0;
}

int conf_parse_word(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	(void)key;
	for (int i = 0; item->words[i]; i++) {
		if (strcmp(value, item->words[i]) == 0) {
			*(int *)dest = i;
			return 0;
		}
	}
	return -EINVAL;
}

int conf_print_word(const struct conf_item *item, const void *dest, FILE *out)
{
	fputs(item->words[*(const int *)dest], out);
	return 0;
}

int conf_parse_string(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	size_t length = strlen(value);

	(void)key;
	if (length >= item->size || !text_is_plain(value, length))
		return -EINVAL;
	memcpy(dest, value, length + 1);
	return 0;
}

int conf_print_string(const struct conf_item *item, const void *dest, FILE *out)
{
	(void)item;
	fputs(dest, out);
	return 0;
}

/* $HOME, else the user database: a service that was started in an odd way has no $HOME. */
int conf_home(char ret[static CONF_VALUE_MAX])
{
	const char *home = getenv("HOME");
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (!home || home[0] != '/') {
		if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) != 0 || !found)
			return -ENOENT;
		home = found->pw_dir;
	}
	if (home[0] != '/')
		return -ENOENT;
	return snprintf(ret, CONF_VALUE_MAX, "%s", home) < CONF_VALUE_MAX ? 0 : -ENAMETOOLONG;
}

int conf_state_path(const char *program, const char *file, char ret[static PATH_MAX])
{
	const char *state = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME");
	char home[CONF_VALUE_MAX];
	int r;

	/* the folder that systemd made for the service, else where XDG has a program's state */
	if (state && *state == '/') {
		r = snprintf(ret, PATH_MAX, "%.*s/%s", (int)strcspn(state, ":"), state, file);
	} else if (xdg && *xdg == '/') {
		r = snprintf(ret, PATH_MAX, "%s/%s/%s", xdg, program, file);
	} else {
		r = conf_home(home);
		if (r < 0)
			return r;
		r = snprintf(ret, PATH_MAX, "%s/.local/state/%s/%s", home, program, file);
	}
	return r < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int conf_parse_path(const struct conf_item *item, const char *key, const char *value, void *dest)
{
	char home[CONF_VALUE_MAX] = "", path[CONF_VALUE_MAX];
	int r;

	if (value[0] == '~' && (value[1] == '/' || value[1] == '\0')) {
		r = conf_home(home);
		if (r < 0)
			return r;
		value++;
	} else if (value[0] != '/') {
		return -EINVAL;
	}
	r = snprintf(path, sizeof(path), "%s%s", home, value);
	if (r >= (int)sizeof(path))
		return -EINVAL;
	return conf_parse_string(item, key, path, dest);
}
