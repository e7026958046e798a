/* SPDX-License-Identifier: MIT */
/*
 * JSON objects for programs, through json-c: members by their names, one object a line on stdout.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* A string, cleaned as text_clean() does; NULL without memory. */
struct json_object *json_new_text(const char *text);

void json_add_text(struct json_object *o, const char *key, const char *text);
void json_add_number(struct json_object *o, const char *key, int64_t number);
void json_add_bool(struct json_object *o, const char *key, bool yes);
/* ISO 8601 in UTC, as utc_format(); no member for TIME_NONE. */
void json_add_time(struct json_object *o, const char *key, int64_t us);

/*
 * The member at a pointer (RFC 6901) such as "/camera/error", of an object that may be NULL. What
 * is not there, or is of another type, is NULL, "", 0, false, TIME_NONE.
 */
struct json_object *json_get(struct json_object *o, const char *pointer);
const char *json_get_text(struct json_object *o, const char *pointer);
int64_t json_get_number(struct json_object *o, const char *pointer);
bool json_get_bool(struct json_object *o, const char *pointer);
int64_t json_get_time(struct json_object *o, const char *pointer);

/* In one line without blanks. The text is the object's. */
const char *json_text(struct json_object *o);
/* Prints the object in a line of its own, and frees it. */
void json_print(struct json_object *o);
