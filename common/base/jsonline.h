/* SPDX-License-Identifier: MIT */
/*
 * One line that is one JSON object, and a table that both its writer and its reader follow. The
 * journal, the wire and the archive's small files are such lines. Nothing here depends on the
 * locale.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"

enum jsonline_type {
	JSONLINE_INT, /* int64_t or uint64_t, from `min` to `max`; 0 is empty */
	JSONLINE_BOOL, /* bool; false is empty */
	/* double; written with six digits; NaN and infinity are empty; `max` 0: without limits */
	JSONLINE_DOUBLE,
	JSONLINE_TIME, /* int64_t in microseconds, as utc_format() writes it; TIME_NONE is empty */
	JSONLINE_WORD, /* int, an index in `words`; never empty */
	JSONLINE_UUID, /* char array */
	JSONLINE_STRING, /* char array; a longer text is refused */
	JSONLINE_TEXT, /* char array; text for people, which is cleaned and cut */
};

enum jsonline_flags {
	JSONLINE_MUST = 1, /* is always written; a line without it is refused */
	JSONLINE_SHOW = 2, /* of INT and BOOL: is written even if it is empty; may be missing */
	JSONLINE_LENIENT = 4, /* a value that makes no sense is passed over */
};

struct jsonline_field {
	const char *key; /* nothing in it needs escaping */
	enum jsonline_type type;
	size_t offset, size; /* JSONLINE_FIELD() */
	unsigned flags;
	int64_t min, max; /* of INT and DOUBLE */
	const char *const *words; /* of WORD, NULL-terminated */
};

#define JSONLINE_FIELD(type, member) offsetof(type, member), sizeof(((type *)NULL)->member)

/*
 * Writes the fields of the struct `from` in the table's order, with a newline and a NUL, and
 * returns the length with the newline. Texts are cleaned as text_clean() does and cut to TEXT_MAX.
 * -ERANGE a value is out of range; -E2BIG.
 */
int jsonline_format(const struct jsonline_field *fields, size_t n, const void *from,
	char ret_line[static LINE_MAX_BYTES + 1]);

struct json_object;

/*
 * Exactly one JSON object, with or without a newline after it: UTF-8, no control characters, no
 * comments, no other bytes before or after. If a key comes twice, the last one counts; json-c also
 * lets keys in single quotes pass. -EINVAL, -E2BIG, -ENOMEM.
 */
int jsonline_parse(const char *line, size_t len, struct json_object **ret);
void jsonline_freep(struct json_object **object);

bool jsonline_has(struct json_object *object, const char *key);

/*
 * Reads the fields into the struct `to`, and leaves those that are missing as they were. -ENOTSUP:
 * a WORD has none of its words; else -EINVAL: a field is missing, of another type or out of range.
 * On failure some fields may have been read.
 */
int jsonline_read(
	struct json_object *object, const struct jsonline_field *fields, size_t n, void *to);

/* Both steps. Errors of both. */
int jsonline_parse_fields(
	const char *line, size_t len, const struct jsonline_field *fields, size_t n, void *to);
