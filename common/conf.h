/* SPDX-License-Identifier: MIT */
/*
 * Settings: one table per program serves the file, `-o section.key=value`, `check`, `dump` and the
 * test of the man page. The file is INI, read through inih: "[section]", "key = value", comments
 * with '#' or ';' at the start of a line or value or after a blank, no line continuation, no quotes.
 * A key that comes twice counts as it comes last.
 *
 * A table may have named sections ("[camera garden]": section "camera", name "garden") and sections
 * with free keys (a row with key "*").
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/util.h"

struct conf_item;

/*
 * Parses `value` into *dest. Returns 0, or -EINVAL with the item's `allowed` text telling the person
 * what would have been right. `key` is the key as written (for rows with key "*").
 */
typedef int conf_parser(
	const struct conf_item *item, const char *key, const char *value, void *dest);
/*
 * The value back as text, for `dump`. A row with key "*" writes whole lines, "key = value". Returns
 * 0, or 1 to leave the row out (an empty free section).
 */
typedef int conf_printer(const struct conf_item *item, const void *dest, FILE *out);

struct conf_item {
	const char *
		section; /* "schedule"; "camera" also serves "[camera NAME]" if the table is named */
	const char *key; /* "every"; "*": any key that passes its parser */
	conf_parser *parse;
	conf_printer *print;
	size_t offset; /* in the settings struct, or in the named section's struct */
	const char *def; /* default as text, parsed at start; NULL: none */
	const char *allowed; /* "a duration from 100ms to 24h" */
	const char *help; /* one line for `dump` and the man page */
	int64_t min, max; /* for numbers, durations, sizes; both 0: no bound but the type's */
	/* for sizes: a negative `min` allows percentages up to -min */
	const char *const *words; /* for conf_parse_word: NULL-terminated, index is stored as int */
	size_t size; /* for conf_parse_string: bytes of the char array */
};

struct conf_table {
	const struct conf_item *items;
	size_t n_items;
	/*
	 * For named sections: the struct of `name` within the settings, made with defaults if new.
	 * NULL and errno when there are too many or the name is not allowed. NULL function: the
	 * table has no named sections.
	 */
	const char *named_section;
	const char *named_allowed; /* "letters, digits, ..." for the complaint about a name */
	void *(*instance)(void *settings, const char *name);
	/* The i-th instance and its name for `dump`; NULL at the end. */
	void *(*nth_instance)(void *settings, size_t i, const char **ret_name);
};

/* One complaint, ready for a person: "/home/pi/x.conf:12: schedule.every = 1x: not a duration..." */
typedef void conf_complain(void *data, const char *message);

/*
 * Sets every item of the unnamed sections to its default; `settings` comes zeroed. Asserts that the
 * defaults parse; only a "~/..." stays empty where no home folder is known.
 */
void conf_defaults(const struct conf_table *table, void *settings);
/* The same for one instance of the named section. */
void conf_instance_defaults(const struct conf_table *table, void *instance);

/*
 * Reads the file into `settings`. A bad line is told to `complain`, keeps what was there, and is
 * counted in the result. Returns the number of complaints, or -errno (-ENOENT: no such file, -EFBIG
 * over CONF_FILE_MAX, -EISDIR, -ENOTSUP no regular file, ...). After CONF_COMPLAINTS_MAX complaints
 * the rest is counted only.
 */
int conf_load(const struct conf_table *table, void *settings, const char *path,
	conf_complain *complain, void *data);

/* The file's text, for free(); it does not end in NUL. -errno as above. */
int conf_read(const char *path, char **ret_text, size_t *ret_length);

/*
 * The same of a text in memory, which need not end in NUL; `name` is what complaints call it.
 */
int conf_load_text(const struct conf_table *table, void *settings, const char *name,
	const char *text, size_t length, conf_complain *complain, void *data);

/*
 * One "section.key=value" ("camera.garden.host=pi" for a named section). -EINVAL after `complain`.
 */
int conf_override(const struct conf_table *table, void *settings, const char *text,
	conf_complain *complain, void *data);

/* All settings as a file that conf_load() reads back to the same, each key with its help line. */
int conf_dump(const struct conf_table *table, void *settings, FILE *out);

/* The same as one JSON object, {"section":{"key":"value"}}. */
int conf_dump_json(const struct conf_table *table, void *settings, FILE *out);

/* ready parsers and printers; `dest` type in brackets */
conf_parser conf_parse_bool; /* [bool] yes/no, true/false, on/off, 1/0 */
conf_parser conf_parse_int; /* [int64_t] decimal, min..max */
conf_parser conf_parse_double; /* [double] C locale, finite; min..max */
conf_parser conf_parse_duration; /* [int64_t us] "100ms", "60s", "1min 30s", "2h", "1d"; a bare 0 */
conf_parser conf_parse_size; /* [int64_t bytes] "500K", "2G" (1024), "10%" is stored as -10 */
conf_parser conf_parse_word; /* [int] index in `words` */
conf_parser conf_parse_string; /* [char array of `size`] UTF-8 without control characters */
conf_parser conf_parse_path; /* [char array of `size`] absolute, or "~/..." which is expanded */
conf_printer conf_print_bool, conf_print_int, conf_print_double, conf_print_duration,
	conf_print_size, conf_print_word, conf_print_string;

/* For complaints: the known key nearest to a mistyped one, NULL if none is near. */
const char *conf_nearest_key(const struct conf_table *table, const char *section, const char *key);
/*
 * For complaints about a duration or a size that was refused: "; the unit is missing: write 60s, 60min or 60h" where it
 * is a number alone, the same of one that is no unit, "" else. Returns `buf`.
 */
#define CONF_HINT_MAX 160
const char *conf_duration_hint(const char *value, char buf[static CONF_HINT_MAX]);
const char *conf_size_hint(const char *value, char buf[static CONF_HINT_MAX]);
/* Whether `word` is `typed` but for a slip or two: letters missing, added, changed or swapped. */
bool conf_is_near(const char *typed, const char *word);
/* The home folder: $HOME, else the user database. -ENOENT, -ENAMETOOLONG. */
int conf_home(char ret[static CONF_VALUE_MAX]);
/*
 * `file` where a program has its memory: in $STATE_DIRECTORY, else $XDG_STATE_HOME/PROGRAM, else
 * ~/.local/state/PROGRAM. -ENOENT, -ENAMETOOLONG.
 */
int conf_state_path(const char *program, const char *file, char ret[static PATH_MAX]);
