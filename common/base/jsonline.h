/* SPDX-License-Identifier: MIT */
/*
 * One line that is one JSON object: written into a buffer, read through json-c. Shared by the
 * journal and the wire; LINE_MAX_BYTES is the limit of both. Nothing here depends on the locale.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"

/* Writing: begin, add fields in order, end. The first error stays and is what end returns. */
struct jsonline {
	char *buf;
	size_t used;
	int error;
};

struct jsonline jsonline_begin(char buf[static LINE_MAX_BYTES + 1]);
void jsonline_add_int(struct jsonline *line, const char *key, int64_t value);
void jsonline_add_bool(struct jsonline *line, const char *key, bool value);
/* Up to TEXT_MAX - 1 bytes, cleaned as text_clean() does. */
void jsonline_add_string(struct jsonline *line, const char *key, const char *value);
/* ISO 8601 as utc_format(); -ERANGE outside 1970..9999. */
void jsonline_add_time(struct jsonline *line, const char *key, int64_t wall_us);
/* Six digits; NaN and infinity are left out. */
void jsonline_add_double(struct jsonline *line, const char *key, double value);
/* Length with newline, or -ERANGE, -E2BIG. */
int jsonline_end(struct jsonline *line);

/* Reading. */
struct json_object;

void jsonline_freep(struct json_object **object);

/*
 * Exactly one JSON object, with or without a newline after it: UTF-8, no control characters, no
 * comments, no other bytes before or after. Of a key that comes twice the last one counts; json-c
 * also lets keys in single quotes pass.
 * -EINVAL, -E2BIG, -ENOMEM.
 */
int jsonline_parse(const char *line, size_t len, struct json_object **ret);

bool jsonline_has(struct json_object *object, const char *key);

/* Each: 1 and the value, 0 where there is no such key, -EINVAL for another type or out of range. */
int jsonline_get_int(
	struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *ret);
int jsonline_get_bool(struct json_object *object, const char *key, bool *ret);
int jsonline_get_time(struct json_object *object, const char *key, int64_t *ret_wall_us);
/* Integers too; finite. */
int jsonline_get_double(struct json_object *object, const char *key, double *ret);
/* The object's own text; -EINVAL where there is a NUL in it. */
int jsonline_get_string(
	struct json_object *object, const char *key, const char **ret, size_t *ret_len);
/* Text for people, cleaned and cut to `size`. */
int jsonline_get_text(struct json_object *object, const char *key, char *ret, size_t size);
