/* SPDX-License-Identifier: MIT */
/*
 * Settings: from a file or an option into a struct, through a table, and back out again.
 *
 * inih splits the lines. As distributions build it, it silently cuts lines at 199 bytes and section
 * names at 49, joins an indented line to the one above, and knows no '#' after a value. So it reads
 * through load_line(), which hands it one clean line at a time (checked, without comment or indent)
 * and keeps track of the section and the line number.
 */
#include "common/settings/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/fs.h"
#include "common/base/text.h"

#define SHOWN_MAX 80 /* bytes of a foreign text in a complaint */
#define PREFIX_MAX 4200 /* "PATH:LINE: " */
#define MESSAGE_MAX (2 * PREFIX_MAX)

/* Debian's inih has its limits as variables, others have them compiled in: NULL there. */
extern int ini_max_line __attribute__((weak));

/* Where complaints go, how many there were, and what stands before each. */
struct complaints {
	conf_complain *complain;
	void *data;
	int count;
	char prefix[PREFIX_MAX];
};

/* A section that was found: its items are those of the table with that section. */
struct section {
	const char *section; /* the table's own text; NULL: none, its lines are skipped */
	char name[CONF_VALUE_MAX]; /* "" for an unnamed one */
	void *base; /* what the items' offsets count from */
};

struct loader {
	const struct conf_table *table;
	void *settings;
	struct complaints complaints;
	const char *path;
	int line;
	const char *rest, *end; /* of the file */
	struct section section;
	bool any_section, expected, seen; /* seen: inih found a pair in the line it was given */
	int noted; /* complaints at the last look back */
};

/* A foreign text for a complaint: cut, nothing unprintable. */
static const char *show_text(const char *text, char buf[static SHOWN_MAX])
{
	const size_t room = SHOWN_MAX - strlen("...");
	size_t length = strlen(text);

	text_clean(text, length, buf, length < SHOWN_MAX ? SHOWN_MAX : room);
	if (length >= SHOWN_MAX)
		strcat(buf, "...");
	return buf;
}

/* Whether one more is only counted; what was meant need not be found out then. */
static bool complaints_full(const struct complaints *complaints)
{
	return !complaints->complain || complaints->count >= CONF_COMPLAINTS_MAX;
}

int conf_tell(conf_complain *complain, void *data, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (complain)
		complain(data, message);
	return 1;
}

/* Returns -EINVAL, for `return complaint_add(...)`. */
static int PRINTF(2, 3) complaint_add(struct complaints *complaints, const char *fmt, ...)
{
	const bool counted_only = complaints_full(complaints);
	char text[MESSAGE_MAX - PREFIX_MAX];
	va_list ap;

	complaints->count++;
	if (counted_only)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_tell(complaints->complain, complaints->data, "%s%s%s", complaints->prefix, text,
		complaints->count == CONF_COMPLAINTS_MAX ? " (and no more are told)" : "");
	return -EINVAL;
}

static bool is_free(const struct conf_item *item)
{
	return strcmp(item->key, "*") == 0;
}

static bool is_named(const struct conf_table *table, const char *section)
{
	return table->instance && strcmp(table->named_section, section) == 0;
}

static const struct conf_item *find_item(
	const struct conf_table *table, const char *section, const char *key)
{
	const struct conf_item *wild = NULL;

	for (size_t i = 0; i < table->n_items; i++) {
		const struct conf_item *item = &table->items[i];

		if (strcmp(item->section, section) != 0)
			continue;
		if (strcmp(item->key, key) == 0 && !is_free(item))
			return item;
		if (is_free(item))
			wild = item;
	}
	return wild;
}

static const char *find_section(const struct conf_table *table, const char *section)
{
	for (size_t i = 0; i < table->n_items; i++) {
		if (strcmp(table->items[i].section, section) == 0)
			return table->items[i].section;
	}
	return NULL;
}

/* Whether `edits` letters missing, added, changed or swapped with the next make `b` of `a`. */
static bool is_within(const char *a, const char *b, int edits)
{
	while (*a && *a == *b)
		a++, b++;
	if (!*a && !*b)
		return true;
	if (edits == 0)
		return false;
	return (*a && is_within(a + 1, b, edits - 1)) || (*b && is_within(a, b + 1, edits - 1)) ||
		(*a && *b && is_within(a + 1, b + 1, edits - 1)) ||
		(*a && *b && a[0] == b[1] && a[1] == b[0] && is_within(a + 2, b + 2, edits - 1));
}

bool conf_is_near(const char *typed, const char *word)
{
	const size_t n = strlen(typed);

	return n >= 2 && is_within(typed, word, n < 5 ? 1 : 2);
}

static int tell_unknown_section(
	struct complaints *complaints, const struct conf_table *table, const char *section)
{
	char buf[SHOWN_MAX];

	show_text(section, buf);
	for (size_t i = 0; !complaints_full(complaints) && i < table->n_items; i++) {
		if (conf_is_near(section, table->items[i].section))
			return complaint_add(complaints,
				"[%s]: unknown section; did you mean [%s]?", buf,
				table->items[i].section);
	}
	return complaint_add(complaints, "[%s]: unknown section", buf);
}

static int tell_unknown_key(struct complaints *complaints, const struct conf_table *table,
	const char *section, const char *key)
{
	const struct conf_item *end = &table->items[table->n_items], *item = table->items;
	char buf[SHOWN_MAX];

	show_text(key, buf);
	for (; !complaints_full(complaints) && item < end; item++) {
		if (strcmp(item->section, section) == 0 && !is_free(item) &&
			conf_is_near(key, item->key))
			return complaint_add(complaints, "%s.%s: unknown key; did you mean `%s`?",
				section, buf, item->key);
	}
	for (item = table->items; !complaints_full(complaints) && item < end; item++) {
		if (strcmp(item->key, key) == 0)
			return complaint_add(complaints,
				"%s.%s: unknown key; `%s` belongs to section [%s]", section, buf,
				key, item->section);
	}
	return complaint_add(complaints, "%s.%s: unknown key", section, buf);
}

/* Fills in `ret`; where there is no such section, tells why and leaves ret->section NULL. */
static int open_section(struct complaints *complaints, const struct conf_table *table,
	void *settings, const char *word, const char *name, struct section *ret)
{
	const char *section = find_section(table, word);
	char buf[SHOWN_MAX];

	*ret = (struct section){ .base = settings };
	if (!section)
		return tell_unknown_section(complaints, table, word);
	show_text(name, buf);
	if (!is_named(table, section) && *name)
		return complaint_add(
			complaints, "[%s %s]: section [%s] has no name", section, buf, section);
	if (is_named(table, section) && !*name)
		return complaint_add(
			complaints, "[%s]: a name is missing: [%s NAME]", section, section);
	if (is_named(table, section))
		ret->base = table->instance(settings, name);
	if (!ret->base && errno == EINVAL)
		return complaint_add(complaints, "[%s %s]: not a name of %s", section, buf,
			table->named_allowed);
	if (!ret->base)
		return complaint_add(complaints, "[%s %s]: %s", section, buf, strerror(errno));
	ret->section = section;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

static int set_value(struct complaints *complaints, const struct conf_table *table,
	const struct section *section, const char *key, const char *value)
{
	const struct conf_item *item = find_item(table, section->section, key);
	char key_buf[SHOWN_MAX], value_buf[SHOWN_MAX], refusal[CONF_REFUSAL_MAX];
	struct conf_item own;
	int r;

	if (!item)
		return tell_unknown_key(complaints, table, section->section, key);
	own = *item;
	own.key = key;
	r = conf_parse(&own, value, (char *)section->base + own.offset);
	if (r == 0)
		return 0;
	return complaint_add(complaints, "%s%s%s.%s = %s: %s", section->section,
		*section->name ? "." : "", section->name, show_text(key, key_buf),
		show_text(value, value_buf), conf_refusal(&own, value, r, refusal));
}

/* Cuts blanks off both ends, in place. */
static char *trim_blanks(char *text)
{
	size_t length;

	text += strspn(text, " \t\r");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r", text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* Where a comment starts: '#' or ';' at the start or after a blank. NULL: there is none. */
static char *find_comment(char *text)
{
	for (char *p = strpbrk(text, "#;"); p; p = strpbrk(p + 1, "#;")) {
		if (p == text || p[-1] == ' ' || p[-1] == '\t')
			return p;
	}
	return NULL;
}

/* A line was refused, of that section or of one that was perhaps meant. */
static void load_note_refusal(struct loader *l, const char *section)
{
	for (size_t i = 0; i < l->table->n_items; i++) {
		const struct conf_item *item = &l->table->items[i];

		if (item->is_strict &&
			(strcmp(section, item->section) == 0 ||
				conf_is_near(section, item->section)))
			(void)item->type->parse(item, NULL, (char *)l->settings + item->offset);
	}
}

/* The same of the section in hand, if there was a complaint since the last look. */
static void load_look_back(struct loader *l)
{
	if (l->complaints.count > l->noted && l->section.section)
		load_note_refusal(l, l->section.section);
	l->noted = l->complaints.count;
}

static void load_section(struct loader *l, char *line)
{
	char *end = strchr(line, ']'), *word = line + 1, *name;

	l->any_section = true;
	l->section.section = NULL;
	if (!end || end[1]) {
		complaint_add(&l->complaints, "a section is one `[name]` on a line of its own");
		word[strcspn(word, " \t]")] = '\0';
		load_note_refusal(l, word);
		return;
	}
	*end = '\0';
	word = trim_blanks(word);
	name = word + strcspn(word, " \t");
	if (*name)
		*name++ = '\0';
	if (open_section(&l->complaints, l->table, l->settings, word, name + strspn(name, " \t"),
		    &l->section) < 0)
		load_note_refusal(l, word);
}

static void strip_comment(char *line)
{
	char *comment = find_comment(line);

	if (comment)
		*comment = '\0';
	/* `key =#x` as well: dumped as `key = #x`, it would read as another value */
	comment = line + strcspn(line, "=:");
	if (*comment && (comment[1] == '#' || comment[1] == ';'))
		comment[1] = '\0';
}

/* Copies the next line to `line`, in UTF-8 and without comment. 0, or 1 at the end of the file. */
static int next_line(struct loader *l, char line[static CONF_LINE_MAX + 1])
{
	const char *start = l->rest, *newline;
	size_t length;

	line[0] = '\0';
	if (start >= l->end)
		return 1;
	newline = memchr(start, '\n', (size_t)(l->end - start));
	length = (size_t)((newline ? newline : l->end) - start);
	l->rest = start + length + 1;
	l->line++;
	snprintf(l->complaints.prefix, sizeof(l->complaints.prefix), "%s:%d: ", l->path, l->line);
	if (l->line == 1 && length >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0)
		start += 3, length -= 3;
	if (length > CONF_LINE_MAX) {
		complaint_add(&l->complaints, "a line of %zu bytes; at most %d are read", length,
			CONF_LINE_MAX);
		return 0;
	}
	memcpy(line, start, length);
	line[length] = '\0';
	for (char *tab = strchr(line, '\t'); tab; tab = strchr(tab, '\t'))
		*tab = ' ';
	if (length > 0 && line[length - 1] == '\r')
		line[length - 1] = ' ';
	if (text_is_plain(line, length)) {
		strip_comment(line);
		return 0;
	}
	complaint_add(&l->complaints, "not text in UTF-8; the line is skipped");
	line[0] = '\0';
	return 0;
}

/* ini_reader: the next line that has a key and a value, for inih to split. */
static char *load_line(char *buf, int size, void *data)
{
	char line[CONF_LINE_MAX + 1], *text;
	struct loader *l = data;

	if (l->expected && !l->seen)
		complaint_add(&l->complaints, "not a line of the form `key = value`");
	l->expected = l->seen = false;
	load_look_back(l);
	while (next_line(l, line) == 0) {
		load_look_back(l);
		text = trim_blanks(line);
		if (!*text)
			continue;
		if (*text == '[') {
			load_section(l, text);
		} else if (!l->any_section) {
			complaint_add(&l->complaints, "a key before the first [section]");
		} else if (strlen(text) + 3 > (size_t)size) {
			complaint_add(&l->complaints,
				"a line of %zu bytes; this machine's inih reads %d", strlen(text),
				size - 3);
		} else if (l->section.section) {
			snprintf(buf, (size_t)size, "%s\n", text);
			l->expected = true;
			return buf;
		}
	}
	load_look_back(l);
	return NULL;
}

/* ini_handler */
static int load_pair(void *data, const char *section, const char *key, const char *value)
{
	struct loader *l = data;

	(void)section;
	if (!value || !*key)
		return 1;
	l->seen = true;
	(void)set_value(&l->complaints, l->table, &l->section, key, value);
	return 1;
}

int conf_read(const char *path, char **ret_text, size_t *ret_length)
{
	char real[PATH_MAX];
	int r;

	/* a link to the settings is welcome, unlike those in an archive */
	if (!realpath(path, real))
		return -errno;
	r = fs_read_file(AT_FDCWD, real, CONF_FILE_MAX, ret_text, ret_length);
	return r == -EBADMSG ? -ENOTSUP : r;
}

int conf_load(const struct conf_table *table, void *settings, const char *path,
	conf_complain *complain, void *data)
{
	CLEANUP_FREE char *text = NULL;
	size_t length = 0;
	int r;

	r = conf_read(path, &text, &length);
	return r < 0 ? r : conf_load_text(table, settings, path, text, length, complain, data);
}

int conf_load_text(const struct conf_table *table, void *settings, const char *name,
	const char *text, size_t length, conf_complain *complain, void *data)
{
	struct loader loader = {
		.table = table,
		.settings = settings,
		.complaints = { .complain = complain, .data = data },
		.path = name,
		.rest = text,
		.end = text + length,
	};
	int r;

	if (&ini_max_line)
		ini_max_line = CONF_LINE_MAX + 3;
	r = ini_parse_stream(load_line, &loader, load_pair, &loader);
	return r == -2 ? -ENOMEM : loader.complaints.count;
}

int conf_override(const struct conf_table *table, void *settings, const char *text,
	conf_complain *complain, void *data)
{
	struct complaints complaints = { .complain = complain, .data = data, .prefix = "-o " };
	char copy[CONF_LINE_MAX + 1], buf[SHOWN_MAX], *value, *key, *name;
	struct section section;

	if (strlen(text) > CONF_LINE_MAX)
		return complaint_add(&complaints, "a text of %zu bytes; at most %d are read",
			strlen(text), CONF_LINE_MAX);
	memcpy(copy, text, strlen(text) + 1);
	value = strchr(copy, '=');
	if (value)
		*value++ = '\0';
	key = value ? strrchr(copy, '.') : NULL;
	if (!key || key == copy)
		return complaint_add(
			&complaints, "%s: not of the form section.key=value", show_text(text, buf));
	*key++ = '\0';
	name = strchr(copy, '.');
	if (name)
		*name++ = '\0';
	/* in a file it would end there: what `dump` writes must be what is meant */
	if (find_comment(value) || !text_is_plain(text, strlen(text)))
		return complaint_add(&complaints,
			"%s: not a value a file could hold (control characters, ' #', ' ;')",
			show_text(text, buf));
	if (open_section(&complaints, table, settings, trim_blanks(copy), name ? name : "",
		    &section) < 0)
		return -EINVAL;
	return set_value(&complaints, table, &section, trim_blanks(key), trim_blanks(value));
}

static void set_default(const struct conf_item *item, void *base)
{
	int r;

	if (!item->def)
		return;
	r = conf_parse(item, item->def, (char *)base + item->offset);
	assert(r == 0 || (r == -ENOENT && item->def[0] == '~'));
	(void)r;
}

static void set_defaults(const struct conf_table *table, bool named, void *base)
{
	for (size_t i = 0; i < table->n_items; i++) {
		if (is_named(table, table->items[i].section) == named)
			set_default(&table->items[i], base);
	}
}

void conf_defaults(const struct conf_table *table, void *settings)
{
	set_defaults(table, false, settings);
}

void conf_instance_defaults(const struct conf_table *table, void *instance)
{
	set_defaults(table, true, instance);
}
