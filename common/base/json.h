/* SPDX-License-Identifier: MIT */
/*
 * JSON objects for programs, through json-c: the members that we write, and one object a line on
 * stdout.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

void json_add_text(struct json_object *o, const char *key, const char *text);
void json_add_number(struct json_object *o, const char *key, int64_t number);
void json_add_bool(struct json_object *o, const char *key, bool yes);
/* ISO 8601 in UTC, as utc_format(); no member for TIME_NONE. */
void json_add_time(struct json_object *o, const char *key, int64_t us);

/* Prints the object in a line of its own, and frees it. */
void json_print(struct json_object *o);
