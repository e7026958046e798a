/* SPDX-License-Identifier: MIT */
/*
 * One line of JSON. It is written by hand, because key order, compactness and digits are part of
 * the format and a line must cost no allocation; it is read by json-c, because foreign JSON is not.
 */
#include "common/base/jsonline.h"

#include <errno.h>
#include <inttypes.h>
#include <json.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define DEPTH_MAX 8 /* of values under keys that we do not know */

struct jsonline jsonline_begin(char buf[static LINE_MAX_BYTES + 1])
{
	buf[0] = '{';
	buf[1] = '\0';
	return (struct jsonline){ .buf = buf, .used = 1 };
}

static void PRINTF(2, 3) jsonline_print(struct jsonline *line, const char *fmt, ...)
{
	const size_t room = LINE_MAX_BYTES + 1 - line->used;
	va_list ap;
	int n;

	if (line->error)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line->buf + line->used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		line->error = -E2BIG;
	else
		line->used += (size_t)n;
}

/* Keys are our own literals: nothing in them needs escaping. */
static void jsonline_add_key(struct jsonline *line, const char *key)
{
	jsonline_print(line, "%s\"%s\":", line->used > 1 ? "," : "", key);
}

void jsonline_add_int(struct jsonline *line, const char *key, int64_t value)
{
	jsonline_add_key(line, key);
	jsonline_print(line, "%" PRId64, value);
}

void jsonline_add_bool(struct jsonline *line, const char *key, bool value)
{
	jsonline_add_key(line, key);
	jsonline_print(line, "%s", value ? "true" : "false");
}

void jsonline_add_string(struct jsonline *line, const char *key, const char *value)
{
	char clean[TEXT_MAX], escaped[2 * TEXT_MAX];
	size_t n = 0;

	text_clean(value, strlen(value), clean, sizeof(clean));
	for (const char *p = clean; *p; p++) {
		if (*p == '"' || *p == '\\')
			escaped[n++] = '\\';
		escaped[n++] = *p;
	}
	escaped[n] = '\0';
	jsonline_add_key(line, key);
	jsonline_print(line, "\"%s\"", escaped);
}

void jsonline_add_time(struct jsonline *line, const char *key, int64_t wall_us)
{
	char text[UTC_TEXT_MAX];

	if (!line->error && strcmp(utc_format(wall_us, text), "-") == 0)
		line->error = -ERANGE;
	jsonline_add_string(line, key, text);
}

/* The decimal point of the locale, one byte or several, becomes '.'. */
static void number_use_point(char *number)
{
	const size_t head = strspn(number, "-0123456789");
	const size_t tail = head + strcspn(number + head, "0123456789eE");

	if (tail == head)
		return;
	number[head] = '.';
	memmove(number + head + 1, number + tail, strlen(number + tail) + 1);
}

void jsonline_add_double(struct jsonline *line, const char *key, double value)
{
	char text[32];

	if (!isfinite(value))
		return;
	snprintf(text, sizeof(text), "%.6g", value);
	number_use_point(text);
	jsonline_add_key(line, key);
	jsonline_print(line, "%s", text);
}

int jsonline_end(struct jsonline *line)
{
	jsonline_print(line, "}\n");
	return line->error ? line->error : (int)line->used;
}

void jsonline_freep(struct json_object **object)
{
	json_object_put(*object);
}

static void tokener_freep(struct json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

int jsonline_parse(const char *line, size_t len, struct json_object **ret)
{
	CLEANUP(tokener_freep) struct json_tokener *tokener = NULL;
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	char text[LINE_MAX_BYTES];

	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len >= LINE_MAX_BYTES)
		return -E2BIG;
	/* what json-c would let pass: NUL, control characters, over-long UTF-8, blanks around it */
	if (len < 2 || line[0] != '{' || line[len - 1] != '}' || !text_is_plain(line, len))
		return -EINVAL;

	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* with its NUL, so that a number at the end is known to end */
	memcpy(text, line, len);
	text[len] = '\0';
	object = json_tokener_parse_ex(tokener, text, (int)len + 1);
	if (!object || json_tokener_get_error(tokener) != json_tokener_success ||
		json_tokener_get_parse_end(tokener) < len ||
		!json_object_is_type(object, json_type_object))
		return -EINVAL;
	*ret = TAKE_PTR(object);
	return 0;
}

bool jsonline_has(struct json_object *object, const char *key)
{
	return json_object_object_get_ex(object, key, NULL);
}

/* 1, 0 or -EINVAL as all getters. */
static int jsonline_get(
	struct json_object *object, const char *key, enum json_type type, struct json_object **ret)
{
	if (!json_object_object_get_ex(object, key, ret))
		return 0;
	return json_object_is_type(*ret, type) ? 1 : -EINVAL;
}

int jsonline_get_int(
	struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	struct json_object *value;
	int r = jsonline_get(object, key, json_type_int, &value);
	int64_t number;

	if (r <= 0)
		return r;
	/* json-c keeps what is over INT64_MAX as uint64, and clamps it here */
	number = json_object_get_int64(value);
	if (number < min || number > max ||
		(number > 0 && json_object_get_uint64(value) > (uint64_t)max))
		return -EINVAL;
	*ret = number;
	return 1;
}

int jsonline_get_bool(struct json_object *object, const char *key, bool *ret)
{
	struct json_object *value;
	int r = jsonline_get(object, key, json_type_boolean, &value);

	if (r > 0)
		*ret = json_object_get_boolean(value);
	return r;
}

int jsonline_get_double(struct json_object *object, const char *key, double *ret)
{
	struct json_object *value;
	int r = jsonline_get(object, key, json_type_double, &value);
	double number;

	if (r == 0)
		return 0;
	if (r < 0 && !json_object_is_type(value, json_type_int))
		return -EINVAL;
	number = json_object_get_double(value);
	if (!isfinite(number))
		return -EINVAL;
	*ret = number == 0 ? 0 : number; /* "-0" would be read back as the integer 0 */
	return 1;
}

int jsonline_get_string(
	struct json_object *object, const char *key, const char **ret, size_t *ret_len)
{
	struct json_object *value;
	int r = jsonline_get(object, key, json_type_string, &value);
	const char *text;
	size_t len;

	if (r <= 0)
		return r;
	text = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (strlen(text) != len)
		return -EINVAL;
	*ret = text;
	*ret_len = len;
	return 1;
}

int jsonline_get_time(struct json_object *object, const char *key, int64_t *ret_wall_us)
{
	const char *text;
	size_t len;
	int r = jsonline_get_string(object, key, &text, &len);

	if (r <= 0)
		return r;
	return utc_parse(text, len, ret_wall_us) < 0 ? -EINVAL : 1;
}

int jsonline_get_text(struct json_object *object, const char *key, char *ret, size_t size)
{
	const char *text;
	size_t len;
	int r = jsonline_get_string(object, key, &text, &len);

	if (r > 0)
		text_clean(text, len, ret, size);
	return r;
}
