/* SPDX-License-Identifier: MIT */
/*
 * Values of settings: text to number, duration, size, word, path and back. What a parser takes its
 * printer writes in one canonical form that the parser takes again. Nothing depends on the locale.
 */
#include "common/settings/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pwd.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

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

/* Reads digits and moves `*text` past them. -EINVAL without a digit or past INT64_MAX. */
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

static int parse_bool(const struct conf_item *item, const char *value, void *dest)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	(void)item;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			*(bool *)dest = i % 2;
			return 0;
		}
	}
	return -EINVAL;
}

static int print_bool(const struct conf_item *item, const void *dest, FILE *out)
{
	(void)item;
	fputs(*(const bool *)dest ? "yes" : "no", out);
	return 0;
}

static int parse_int(const struct conf_item *item, const char *value, void *dest)
{
	bool negative = *value == '-';
	const char *p = value + negative;
	int64_t number;

	if (read_digits(&p, &number) < 0 || *p)
		return -EINVAL;
	return store_int(item, negative ? -number : number, dest);
}

static int print_int(const struct conf_item *item, const void *dest, FILE *out)
{
	(void)item;
	fprintf(out, "%" PRId64, *(const int64_t *)dest);
	return 0;
}

/*
 * No program of ours calls setlocale(3), so that numbers are read and written as in the C locale.
 */
static int parse_double(const struct conf_item *item, const char *value, void *dest)
{
	double number;
	char *end;

	/* strtod() also knows "inf", "nan" and hexadecimal: not for people */
	if (!*value || value[strspn(value, "0123456789.eE+-")])
		return -EINVAL;
	number = strtod(value, &end);
	if (*end || !isfinite(number) ||
		(is_bounded(item) && (number < (double)item->min || number > (double)item->max)))
		return -EINVAL;
	*(double *)dest = number;
	return 0;
}

/* The shortest text that reads back to the same number; nothing for NaN, which is "not set". */
static int print_double(const struct conf_item *item, const void *dest, FILE *out)
{
	const double number = *(const double *)dest;
	char text[32] = "";

	if (isnan(number) && item->unset)
		snprintf(text, sizeof text, "%s", item->unset);
	for (int digits = 6; digits <= 17 && !isnan(number); digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	fputs(text, out);
	return 0;
}

struct unit {
	const char *name;
	int64_t amount;
};

static const struct unit duration_units[] = {
	{ "d", 24 * 3600 * US_PER_SEC },
	{ "h", 3600 * US_PER_SEC },
	{ "min", 60 * US_PER_SEC },
	{ "m", 60 * US_PER_SEC }, /* read, never written */
	{ "s", US_PER_SEC },
	{ "ms", 1000 },
	{ "us", 1 },
};

static const char size_letters[] = "KMGT";

/* The unit of `length` letters, NULL where there is none. */
static const struct unit *duration_unit(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		const struct unit *unit = &duration_units[i];

		if (strlen(unit->name) == length && memcmp(unit->name, name, length) == 0)
			return unit;
	}
	return NULL;
}

/* Reads one "1.5 min"; -EINVAL also where the fraction is no whole number of microseconds. */
static int read_duration_part(const char **text, int64_t *ret_us)
{
	int64_t whole, us, fraction = 0, scale = 1;
	const struct unit *unit;
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
	p = text_skip_blanks(p);
	unit = duration_unit(p, strspn(p, LETTERS));
	if (!unit || fraction * unit->amount % scale ||
		__builtin_mul_overflow(whole, unit->amount, &us) ||
		__builtin_add_overflow(us, fraction * unit->amount / scale, &us))
		return -EINVAL;
	*text = p + strlen(unit->name);
	*ret_us = us;
	return 0;
}

static int parse_duration(const struct conf_item *item, const char *value, void *dest)
{
	const char *p = text_skip_blanks(value);
	int64_t sum = 0;

	if (strcmp(p, "0") == 0)
		return store_int(item, 0, dest);
	if (!*p)
		return -EINVAL;
	for (; *p; p = text_skip_blanks(p)) {
		int64_t part;

		if (read_duration_part(&p, &part) < 0 || __builtin_add_overflow(sum, part, &sum))
			return -EINVAL;
	}
	return store_int(item, sum, dest);
}

static int print_duration(const struct conf_item *item, const void *dest, FILE *out)
{
	int64_t rest = *(const int64_t *)dest;
	const char *separator = "";

	if (rest <= 0)
		fputs(item->unset ? item->unset : "0", out);
	for (size_t i = 0; i < ARRAY_SIZE(duration_units) && rest > 0; i++) {
		const struct unit *unit = &duration_units[i];

		if (rest < unit->amount)
			continue;
		fprintf(out, "%s%" PRId64 "%s", separator, rest / unit->amount, unit->name);
		rest %= unit->amount;
		separator = " ";
	}
	return 0;
}

static int parse_size(const struct conf_item *item, const char *value, void *dest)
{
	const char *p = value, *letter;
	int64_t number;

	if (read_digits(&p, &number) < 0)
		return -EINVAL;
	p = text_skip_blanks(p);
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

static int print_size(const struct conf_item *item, const void *dest, FILE *out)
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

static int parse_word(const struct conf_item *item, const char *value, void *dest)
{
	for (int i = 0; item->words[i]; i++) {
		if (strcmp(value, item->words[i]) == 0) {
			*(int *)dest = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int print_word(const struct conf_item *item, const void *dest, FILE *out)
{
	fputs(item->words[*(const int *)dest], out);
	return 0;
}

static int parse_string(const struct conf_item *item, const char *value, void *dest)
{
	size_t length = strlen(value);

	if (length >= item->size || !text_is_plain(value, length))
		return -EINVAL;
	memcpy(dest, value, length + 1);
	return 0;
}

static int print_string(const struct conf_item *item, const void *dest, FILE *out)
{
	(void)item;
	fputs(dest, out);
	return 0;
}

static int parse_path(const struct conf_item *item, const char *value, void *dest)
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
	return parse_string(item, path, dest);
}

static void describe_bool(const struct conf_item *item, FILE *out)
{
	(void)item;
	fputs("yes or no", out);
}

static void describe_number(const struct conf_item *item, FILE *out)
{
	fputs("a number", out);
	if (is_bounded(item) && item->max == INT64_MAX)
		fprintf(out, " of %" PRId64 " or more", item->min);
	else if (is_bounded(item))
		fprintf(out, " from %" PRId64 " to %" PRId64, item->min, item->max);
}

static void describe_duration(const struct conf_item *item, FILE *out)
{
	fputs("a duration", out);
	if (!is_bounded(item) || item->max == INT64_MAX)
		return;
	if (item->min > 0) {
		fputs(" from ", out);
		print_duration(item, &item->min, out);
	}
	fputs(item->min > 0 ? " to " : " up to ", out);
	print_duration(item, &item->max, out);
}

static void describe_size(const struct conf_item *item, FILE *out)
{
	fputs("a size such as 500K or 2G", out);
	if (item->min < 0)
		fprintf(out, ", or 0%% to %" PRId64 "%%", -item->min);
}

static void describe_word(const struct conf_item *item, FILE *out)
{
	for (size_t i = 0; item->words[i]; i++)
		fprintf(out, "%s%s",
			i == 0                       ? ""
				: item->words[i + 1] ? ", "
						     : " or ",
			item->words[i]);
}

static void describe_string(const struct conf_item *item, FILE *out)
{
	fprintf(out, "a text of at most %zu bytes", item->size - 1);
}

static void describe_path(const struct conf_item *item, FILE *out)
{
	const size_t size = item->size < CONF_VALUE_MAX ? item->size : CONF_VALUE_MAX;

	fprintf(out, "an absolute path or ~/..., at most %zu bytes", size - 1);
}

static const char *const duration_hints[] = { "s", "min", "h" };
static const char *const size_hints[] = { "K", "M", "G" };

const struct conf_type conf_bool = { parse_bool, print_bool, describe_bool, NULL };
const struct conf_type conf_int = { parse_int, print_int, describe_number, NULL };
const struct conf_type conf_double = { parse_double, print_double, describe_number, NULL };
const struct conf_type conf_duration = { parse_duration, print_duration, describe_duration,
	duration_hints };
const struct conf_type conf_size = { parse_size, print_size, describe_size, size_hints };
const struct conf_type conf_word = { parse_word, print_word, describe_word, NULL };
const struct conf_type conf_string = { parse_string, print_string, describe_string, NULL };
const struct conf_type conf_path = { parse_path, print_string, describe_path, NULL };

int conf_parse(const struct conf_item *item, const char *value, void *dest)
{
	if (!item->unset || strcasecmp(value, item->unset) != 0)
		return item->accepts && !item->accepts(value)
			? -EINVAL
			: item->type->parse(item, value, dest);
	if (item->type == &conf_double)
		*(double *)dest = NAN;
	else
		memset(dest, 0, item->size);
	return 0;
}

void conf_describe(const struct conf_item *item, FILE *out)
{
	if (item->allowed) {
		fputs(item->allowed, out);
		return;
	}
	if (item->unset && *item->unset)
		fprintf(out, "%s, or ", item->unset);
	item->type->describe(item, out);
}

static bool unit_is_known(const struct conf_type *type, const char *unit, size_t letters)
{
	if (type == &conf_size)
		return letters == 0 || (letters == 1 && strchr(size_letters, *unit));
	return duration_unit(unit, letters) != NULL;
}

/* What `value` would be with one of three units, where its own is missing or unknown. */
static void hint_write(const struct conf_type *type, const char *value, FILE *out)
{
	const char *number = text_skip_blanks(value);
	const size_t digits = strspn(number, "0123456789.");
	const char *unit = text_skip_blanks(number + digits);
	const size_t letters = strspn(unit, LETTERS);

	if (digits == 0 || digits > 16 || unit[letters] || unit_is_known(type, unit, letters))
		return;
	fprintf(out, "; the unit is %s: write", letters ? "not known" : "missing");
	for (int i = 0; i < 3; i++)
		fprintf(out, "%s %.*s%s",
			i == 0           ? ""
				: i == 1 ? ","
					 : " or",
			(int)digits, number, type->units[i]);
}

const char *conf_refusal(const struct conf_item *item, const char *value, int error,
	char buf[static CONF_REFUSAL_MAX])
{
	CLEANUP_FILE FILE *out = error == -EINVAL ? fmemopen(buf, CONF_REFUSAL_MAX, "w") : NULL;

	if (!out) {
		snprintf(buf, CONF_REFUSAL_MAX, "%s", strerror(-error));
		return buf;
	}
	fputs("not ", out);
	conf_describe(item, out);
	if (item->type->units)
		hint_write(item->type, value, out);
	fputc('\0', out);
	return buf;
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

int conf_folder(const char *variable, const char *in_home, char ret[static PATH_MAX])
{
	const char *folder = getenv(variable);
	char home[CONF_VALUE_MAX] = "";
	const bool is_set = folder && *folder == '/';
	int r = is_set ? 0 : conf_home(home);

	if (r < 0)
		return r;
	r = snprintf(ret, PATH_MAX, "%s%s%s", home, is_set ? "" : "/", is_set ? folder : in_home);
	return r < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int conf_state_path(const char *program, const char *file, char ret[static PATH_MAX])
{
	const char *state = getenv("STATE_DIRECTORY");
	char folder[PATH_MAX];
	int r;

	/* the folder that systemd made for the service, else where XDG has a program's state */
	if (state && *state == '/') {
		r = snprintf(ret, PATH_MAX, "%.*s/%s", (int)strcspn(state, ":"), state, file);
	} else {
		r = conf_folder("XDG_STATE_HOME", ".local/state", folder);
		if (r < 0)
			return r;
		r = snprintf(ret, PATH_MAX, "%s/%s/%s", folder, program, file);
	}
	return r < PATH_MAX ? 0 : -ENAMETOOLONG;
}
