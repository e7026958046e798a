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
#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define DEPTH_MAX 8 /* of values under keys that we do not know */
#define VALUE_MAX (2 * TEXT_MAX + 4) /* a text of which each byte is escaped, with quotes */

/* ---- writing: each returns 1, 0 for an empty value, or -ERANGE */

static int value_format_text(const char *text, char ret[static VALUE_MAX])
{
	char clean[TEXT_MAX];
	size_t n = 0;

	text_clean(text, strlen(text), clean, sizeof(clean));
	ret[n++] = '"';
	for (const char *p = clean; *p; p++) {
		if (*p == '"' || *p == '\\')
			ret[n++] = '\\';
		ret[n++] = *p;
	}
	memcpy(ret + n, "\"", 2);
	return *text != '\0';
}

static int value_format_int(
	const struct jsonline_field *field, int64_t number, char ret[static VALUE_MAX])
{
	snprintf(ret, VALUE_MAX, "%" PRId64, number);
	if (number == 0 && !(field->flags & (JSONLINE_MUST | JSONLINE_SHOW)))
		return 0;
	return number < field->min || number > field->max ? -ERANGE : number != 0;
}

static int value_format_time(
	const struct jsonline_field *field, int64_t wall_us, char ret[static VALUE_MAX])
{
	char text[UTC_TEXT_MAX];

	if (wall_us == TIME_NONE && !(field->flags & JSONLINE_MUST))
		return 0;
	return strcmp(utc_format(wall_us, text), "-") == 0 ? -ERANGE : value_format_text(text, ret);
}

static bool value_double_fits(const struct jsonline_field *field, double number)
{
	return field->max == 0 || (number >= (double)field->min && number <= (double)field->max);
}

/* The decimal point of the locale, one byte or several, becomes '.'. */
static int value_format_double(
	const struct jsonline_field *field, double number, char ret[static VALUE_MAX])
{
	size_t head, tail;

	if (!isfinite(number))
		return 0;
	if (!value_double_fits(field, number))
		return -ERANGE;
	snprintf(ret, VALUE_MAX, "%.6g", number);
	head = strspn(ret, "-0123456789");
	tail = head + strcspn(ret + head, "0123456789eE");
	if (tail > head) {
		ret[head] = '.';
		memmove(ret + head + 1, ret + tail, strlen(ret + tail) + 1);
	}
	return 1;
}

static int value_format(
	const struct jsonline_field *field, const void *at, char ret[static VALUE_MAX])
{
	switch (field->type) {
	case JSONLINE_INT:
		return value_format_int(field, *(const int64_t *)at, ret);
	case JSONLINE_BOOL:
		snprintf(ret, VALUE_MAX, "%s", *(const bool *)at ? "true" : "false");
		return *(const bool *)at;
	case JSONLINE_DOUBLE:
		return value_format_double(field, *(const double *)at, ret);
	case JSONLINE_TIME:
		return value_format_time(field, *(const int64_t *)at, ret);
	case JSONLINE_WORD:
		return value_format_text(field->words[*(const int *)at], ret);
	case JSONLINE_UUID:
		if ((*(const char *)at || field->flags & JSONLINE_MUST) &&
			!text_is_uuid(at, strnlen(at, field->size)))
			return -ERANGE;
		return value_format_text(at, ret);
	case JSONLINE_STRING:
	case JSONLINE_TEXT:
		return value_format_text(at, ret);
	}
	return -ERANGE;
}

int jsonline_format(const struct jsonline_field *fields, size_t n, const void *from,
	char ret_line[static LINE_MAX_BYTES + 1])
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct jsonline_field *field = &fields[i];
		const size_t room = LINE_MAX_BYTES - 1 - used; /* for "}\n" as well */
		char value[VALUE_MAX];
		int r = value_format(field, (const char *)from + field->offset, value), length;

		if (r < 0)
			return r;
		if (r == 0 && !(field->flags & (JSONLINE_MUST | JSONLINE_SHOW)))
			continue;
		length = snprintf(
			ret_line + used, room, "%c\"%s\":%s", used ? ',' : '{', field->key, value);
		if ((size_t)length >= room)
			return -E2BIG;
		used += (size_t)length;
	}
	memcpy(ret_line + used, "}\n", 3);
	return (int)used + 2;
}

/* ---- reading */

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

static int value_read_int(
	const struct jsonline_field *field, struct json_object *value, int64_t *ret)
{
	const int64_t number = json_object_get_int64(value);

	/* json-c keeps what is over INT64_MAX as uint64, and clamps it here */
	if (!json_object_is_type(value, json_type_int) || number < field->min ||
		number > field->max ||
		(number > 0 && json_object_get_uint64(value) > (uint64_t)field->max))
		return -EINVAL;
	*ret = number;
	return 0;
}

static int value_read_double(
	const struct jsonline_field *field, struct json_object *value, double *ret)
{
	const double number = json_object_get_double(value);

	if ((!json_object_is_type(value, json_type_double) &&
		    !json_object_is_type(value, json_type_int)) ||
		!isfinite(number) || !value_double_fits(field, number))
		return -EINVAL;
	*ret = number == 0 ? 0 : number; /* "-0" would be read back as the integer 0 */
	return 0;
}

static int value_read_word(const struct jsonline_field *field, const char *text, int *ret)
{
	for (int i = 0; field->words[i]; i++) {
		if (strcmp(field->words[i], text) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -ENOTSUP;
}

/* What JSON has as a string. */
static int value_read_text(const struct jsonline_field *field, struct json_object *value, void *ret)
{
	const char *text = json_object_get_string(value);
	const size_t len = (size_t)json_object_get_string_len(value);

	if (!json_object_is_type(value, json_type_string) || strlen(text) != len)
		return -EINVAL;
	switch (field->type) {
	case JSONLINE_TIME:
		return utc_parse(text, len, ret) < 0 ? -EINVAL : 0;
	case JSONLINE_WORD:
		return value_read_word(field, text, ret);
	case JSONLINE_TEXT:
		text_clean(text, len, ret, field->size);
		return 0;
	default:
		if (len >= field->size ||
			(field->type == JSONLINE_UUID && !text_is_uuid(text, len)))
			return -EINVAL;
		memcpy(ret, text, len + 1);
		return 0;
	}
}

static int value_read(const struct jsonline_field *field, struct json_object *value, void *ret)
{
	switch (field->type) {
	case JSONLINE_INT:
		return value_read_int(field, value, ret);
	case JSONLINE_DOUBLE:
		return value_read_double(field, value, ret);
	case JSONLINE_BOOL:
		if (!json_object_is_type(value, json_type_boolean))
			return -EINVAL;
		*(bool *)ret = json_object_get_boolean(value);
		return 0;
	default:
		return value_read_text(field, value, ret);
	}
}

int jsonline_read(
	struct json_object *object, const struct jsonline_field *fields, size_t n, void *to)
{
	int result = 0;

	for (size_t i = 0; i < n; i++) {
		const struct jsonline_field *field = &fields[i];
		struct json_object *value;
		int r = field->flags & JSONLINE_MUST ? -EINVAL : 0;

		if (json_object_object_get_ex(object, field->key, &value)) {
			r = value_read(field, value, (char *)to + field->offset);
			if (field->flags & JSONLINE_LENIENT)
				r = 0;
		}
		if (r < 0 && result != -ENOTSUP)
			result = r;
	}
	return result;
}

int jsonline_parse_fields(
	const char *line, size_t len, const struct jsonline_field *fields, size_t n, void *to)
{
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	int r = jsonline_parse(line, len, &object);

	return r < 0 ? r : jsonline_read(object, fields, n, to);
}
