/* SPDX-License-Identifier: MIT */
/* What --json writes. */
#include "common/base/json.h"

#include <json-c/json_pointer.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/util.h"

struct json_object *json_new_text(const char *text)
{
	CLEANUP_FREE char *clean = strdup(text);

	if (!clean)
		return NULL;
	text_clean(text, strlen(text), clean, strlen(text) + 1);
	return json_object_new_string(clean);
}

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_new_text(text));
}

void json_add_number(struct json_object *o, const char *key, int64_t number)
{
	json_object_object_add(o, key, json_object_new_int64(number));
}

void json_add_bool(struct json_object *o, const char *key, bool yes)
{
	json_object_object_add(o, key, json_object_new_boolean(yes));
}

void json_add_time(struct json_object *o, const char *key, int64_t us)
{
	char text[UTC_TEXT_MAX];

	if (us != TIME_NONE)
		json_add_text(o, key, utc_format(us, text));
}

struct json_object *json_get(struct json_object *o, const char *pointer)
{
	struct json_object *member;

	return o && json_pointer_get(o, pointer, &member) == 0 ? member : NULL;
}

const char *json_get_text(struct json_object *o, const char *pointer)
{
	struct json_object *member = json_get(o, pointer);

	return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : "";
}

int64_t json_get_number(struct json_object *o, const char *pointer)
{
	return json_object_get_int64(json_get(o, pointer));
}

bool json_get_bool(struct json_object *o, const char *pointer)
{
	return json_object_get_boolean(json_get(o, pointer));
}

int64_t json_get_time(struct json_object *o, const char *pointer)
{
	const char *text = json_get_text(o, pointer);
	int64_t us;

	return utc_parse(text, strlen(text), &us) < 0 ? TIME_NONE : us;
}

const char *json_text(struct json_object *o)
{
	return json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

void json_print(struct json_object *o)
{
	text_print(stdout, "%s\n", json_text(o));
	json_object_put(o);
}
