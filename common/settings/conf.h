/* SPDX-License-Identifier: MIT */
/*
 * Settings: one table per program serves the file, `-o section.key=value`, `check`, `dump` and the
 * test of the man page. The file is INI, read through inih: "[section]", "key = value", comments
 * that begin with '#' or ';' at the start of a line or value or after a blank; no continued lines,
 * no quotes. Of a key that stands twice the last one counts.
 *
 * A table may have named sections ("[camera garden]": section "camera", name "garden") and sections
 * with free keys (a row with key "*").
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"
#include "common/base/util.h"

struct conf_item;

/*
 * Reads `value` into *dest. 0; -EINVAL, and conf_refusal() then tells what would be right; -errno.
 */
typedef int conf_parser(const struct conf_item *item, const char *value, void *dest);
/*
 * Writes the value as its parser reads it. A row with key "*" writes whole lines, "key = value". 0
 * or -errno.
 */
typedef int conf_printer(const struct conf_item *item, const void *dest, FILE *out);

/* A kind of value: how it is read, written and described. */
struct conf_type {
	conf_parser *parse;
	conf_printer *print;
	/*
	 * What is allowed, from the item's limits: "a number from 1 to 9". NULL: the item says it.
	 */
	void (*describe)(const struct conf_item *item, FILE *out);
	/* Three units for the person who left the unit out; NULL: values have none. */
	const char *const *units;
};

/* The types that exist ready-made; the type of the field in brackets. */
extern const struct conf_type conf_bool, /* [bool] yes/no, true/false, on/off, 1/0 */
	conf_int, /* [int64_t] decimal, min..max */
	conf_double, /* [double] C locale, finite; min..max */
	conf_duration, /* [int64_t us] "100ms", "60s", "1min 30s", "2h", "1d"; a bare 0 */
	conf_size, /* [int64_t bytes] "500K", "2G" (times 1024); "10%" is stored as -10 */
	conf_word, /* [int] index in `words` */
	conf_string, /* [char array] UTF-8 without control characters */
	conf_path; /* [char array] absolute, or "~/...", which is expanded */

/* One setting. */
struct conf_item {
	const char *section; /* "schedule"; "camera" is "[camera NAME]" where the table has names */
	/* "every"; "*": any key that the type's parser takes, which finds it here */
	const char *key;
	const struct conf_type *type;
	size_t offset, size; /* CONF_FIELD(): in the settings' struct, or in the named section's */
	const char *def; /* default as text, parsed at start; NULL: none */
	const char *help; /* one line for `dump` and the man page */
	int64_t min, max; /* of numbers, durations, sizes; both 0: no bound but the type's */
	/* of sizes: a negative `min` allows percentages up to -min */
	const char *const *words; /* of conf_word: NULL-terminated */
	const char *unset; /* a word for 0, NaN or "": "auto"; NULL: there is none */
	bool (*accepts)(const char *value); /* what the type alone would not refuse; NULL: all */
	const char *allowed; /* "a host name"; NULL: as the type describes it */
	/* of key "*": for each line of the section that is refused the parser is given NULL */
	bool is_strict;
};

#define CONF_FIELD(type, member) offsetof(type, member), sizeof(((type *)NULL)->member)

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

/*
 * One complaint, ready for a person: "/home/pi/x.conf:12: schedule.every = 1x: not a duration..."
 */
typedef void conf_complain(void *data, const char *message);
/* Makes one complaint of it; `complain` may be NULL. Returns 1, for the count. */
int conf_tell(conf_complain *complain, void *data, const char *fmt, ...) PRINTF(3, 4);

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

/*
 * Whether the sections of that NULL-terminated list have the same values in `a` and `b`. False also
 * where memory is short.
 */
bool conf_sections_equal(
	const struct conf_table *table, void *a, void *b, const char *const *sections);

/* Parses `value` for the item into *dest. 0, -EINVAL, -errno. */
int conf_parse(const struct conf_item *item, const char *value, void *dest);

/*
 * Why conf_parse() returned `error` for `value`: "not a duration from 1s to 24h; the unit is
 * missing: write 60s, 60min or 60h". Returns `buf`.
 */
#define CONF_REFUSAL_MAX 400
const char *conf_refusal(const struct conf_item *item, const char *value, int error,
	char buf[static CONF_REFUSAL_MAX]);

/* Writes what is allowed for the item: "auto, or a duration from 100ms to 24h". */
void conf_describe(const struct conf_item *item, FILE *out);

/* Whether `word` is `typed` but for a slip or two: letters missing, added, changed or swapped. */
bool conf_is_near(const char *typed, const char *word);
/* The home folder: $HOME, else the user database. -ENOENT, -ENAMETOOLONG. */
int conf_home(char ret[static CONF_VALUE_MAX]);
/* The folder $VARIABLE, else `in_home` below the home folder. -ENOENT, -ENAMETOOLONG. */
int conf_folder(const char *variable, const char *in_home, char ret[static PATH_MAX]);
/*
 * `file` where a program has its memory: in $STATE_DIRECTORY, else $XDG_STATE_HOME/PROGRAM, else
 * ~/.local/state/PROGRAM. -ENOENT, -ENAMETOOLONG.
 */
int conf_state_path(const char *program, const char *file, char ret[static PATH_MAX]);
