/* SPDX-License-Identifier: MIT */
/* What --json writes. */
#include "common/base/json.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/utc.h"

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
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

void json_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}
