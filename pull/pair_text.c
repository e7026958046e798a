/* SPDX-License-Identifier: MIT */
/* The text work of pairing: known_hosts, authorized_keys and the settings file. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/util.h"
#include "pull/pair.h"

#define BLANKS " \t\r\f\v"

/* A line of `text` and where the next one starts; false at the end. The newline is not part of it. */
struct line {
	const char *start;
	size_t len;
};

static bool next_line(const char **text, struct line *ret)
{
	if (!**text)
		return false;
	ret->start = *text;
	ret->len = strcspn(*text, "\n");
	*text += ret->len + ((*text)[ret->len] == '\n');
	return true;
}

static struct line trim(struct line line)
{
	while (line.len > 0 && strchr(BLANKS, line.start[0])) {
		line.start++;
		line.len--;
	}
	while (line.len > 0 && strchr(BLANKS, line.start[line.len - 1]))
		line.len--;
	return line;
}

static bool line_is(struct line line, const char *text)
{
	return line.len == strlen(text) && memcmp(line.start, text, line.len) == 0;
}

/* The first word of a line, which becomes the rest. */
static struct line take_word(struct line *line)
{
	struct line word = *line = trim(*line);

	word.len = 0;
	while (word.len < line->len && !strchr(BLANKS, line->start[word.len]))
		word.len++;
	line->start += word.len;
	line->len -= word.len;
	*line = trim(*line);
	return word;
}

int known_hosts_find(const char *text, const char *alias, char **ret_key)
{
	struct line line;

	while (next_line(&text, &line)) {
		struct line rest = line, type, key;

		if (!line_is(take_word(&rest), alias))
			continue;
		type = take_word(&rest);
		key = take_word(&rest);
		if (asprintf(ret_key, "%.*s %.*s", (int)type.len, type.start, (int)key.len,
			    key.start) < 0) {
			*ret_key = NULL;
			return -ENOMEM;
		}
		return 0;
	}
	return -ENOENT;
}

/* Ends a memory stream: its text is the caller's, or -ENOMEM and there is none. */
static int close_text(FILE *out, char **text, char **ret)
{
	bool failed = ferror(out);

	if (fclose(out) != 0 || failed) {
		free(*text);
		return -ENOMEM;
	}
	*ret = *text;
	return 0;
}

int known_hosts_replace(const char *text, const char *alias, const char *key, char **ret)
{
	char *buffer = NULL;
	size_t size;
	FILE *out = open_memstream(&buffer, &size);
	struct line line;

	if (!out)
		return -ENOMEM;
	while (next_line(&text, &line)) {
		struct line rest = line;

		if (!line_is(take_word(&rest), alias))
			fprintf(out, "%.*s\n", (int)line.len, line.start);
	}
	if (key)
		fprintf(out, "%s %s\n", alias, key);
	return close_text(out, &buffer, ret);
}

/* Whether the line begins a section, and whether that is [camera NAME]. */
static bool is_section(struct line line, const char *name, bool *ret_ours)
{
	struct line word;

	line = trim(line);
	if (line.len == 0 || line.start[0] != '[')
		return false;
	line.start++;
	line.len--;
	line.len = strcspn(line.start, "]\n");
	word = take_word(&line);
	*ret_ours = line_is(word, "camera") && line_is(line, name);
	return true;
}

/* The key of a "key = value" line; empty for any other. `ret_value` is all behind the sign. */
static struct line line_key(struct line line, struct line *ret_value)
{
	struct line key = trim(line);
	size_t sign = 0;

	while (sign < key.len && key.start[sign] != '=' && key.start[sign] != ':')
		sign++;
	if (sign == key.len || key.start[0] == '#' || key.start[0] == ';')
		return (struct line){ line.start, 0 };
	ret_value->start = key.start + sign + 1;
	ret_value->len = key.len - sign - 1;
	key.len = sign;
	return trim(key);
}

/* The comment behind a value, with the blanks before it. */
static struct line value_comment(struct line value)
{
	size_t i = 1;

	while (i < value.len &&
		!(strchr("#;", value.start[i]) && strchr(BLANKS, value.start[i - 1])))
		i++;
	if (i >= value.len)
		return (struct line){ value.start, 0 };
	while (i > 0 && strchr(BLANKS, value.start[i - 1]))
		i--;
	return (struct line){ value.start + i, value.len - i };
}

/* The setting that this line of the section sets; NULL for any other line. */
static const struct setting *setting_of(struct line line, const struct setting *settings,
	size_t n_settings, struct line *ret_comment)
{
	struct line value, key = line_key(line, &value);

	for (size_t i = 0; key.len > 0 && i < n_settings; i++)
		if (line_is(key, settings[i].key)) {
			*ret_comment = value_comment(value);
			return &settings[i];
		}
	return NULL;
}

/* What a first pass over the file tells: which settings have a line, and where new ones go. */
struct survey {
	bool section, present[16];
	const char *end; /* behind the last line of the first such section that is not empty */
};

static void look_over(const char *text, const char *name, const struct setting *settings,
	size_t n_settings, struct survey *ret)
{
	bool ours = false, first = true;
	struct line line, comment;

	*ret = (struct survey){ .end = NULL };
	while (next_line(&text, &line)) {
		if (is_section(line, name, &ours)) {
			first = ours && !ret->section;
			ret->section |= ours;
		}
		for (size_t i = 0; ours && i < n_settings; i++)
			if (setting_of(line, &settings[i], 1, &comment))
				ret->present[i] = true;
		if (ours && first && trim(line).len > 0)
			ret->end = text;
	}
}

static void add_missing(
	FILE *out, const struct survey *survey, const struct setting *settings, size_t n_settings)
{
	for (size_t i = 0; i < n_settings; i++)
		if (!survey->present[i] && !settings[i].only_if_there)
			fprintf(out, "%s = %s\n", settings[i].key, settings[i].value);
}

int settings_set_camera(const char *text, const char *name, const struct setting *settings,
	size_t n_settings, char **ret)
{
	const struct setting *setting;
	bool ours = false, empty = !*text;
	struct line line, comment;
	struct survey survey;
	char *buffer = NULL;
	size_t size;
	FILE *out = open_memstream(&buffer, &size);

	if (!out)
		return -ENOMEM;
	if (n_settings > ARRAY_SIZE(survey.present))
		n_settings = ARRAY_SIZE(survey.present);
	look_over(text, name, settings, n_settings, &survey);
	while (next_line(&text, &line)) {
		is_section(line, name, &ours);
		setting = ours ? setting_of(line, settings, n_settings, &comment) : NULL;
		if (setting)
			fprintf(out, "%s =%s%s%.*s\n", setting->key, *setting->value ? " " : "",
				setting->value, (int)comment.len, comment.start);
		else
			fprintf(out, "%.*s\n", (int)line.len, line.start);
		if (survey.end == text)
			add_missing(out, &survey, settings, n_settings);
	}
	if (!survey.section) {
		fprintf(out, "%s[camera %s]\n", empty ? "" : "\n", name);
		add_missing(out, &survey, settings, n_settings);
	}
	return close_text(out, &buffer, ret);
}

int settings_drop_camera(const char *text, const char *name, char **ret)
{
	struct line line, value;
	bool ours = false;
	char *buffer = NULL;
	size_t size;
	FILE *out = open_memstream(&buffer, &size);
	const char *kept = text; /* of the section: what comes after its last setting */

	if (!out)
		return -ENOMEM;
	while (next_line(&text, &line)) {
		const bool was = ours, header = is_section(line, name, &ours);

		if (was && header && !ours)
			fprintf(out, "%.*s", (int)(line.start - kept), kept);
		if (!ours)
			fprintf(out, "%.*s\n", (int)line.len, line.start);
		else if (header || line_key(line, &value).len > 0)
			kept = text;
	}
	if (ours)
		fputs(kept, out);
	return close_text(out, &buffer, ret);
}

bool serve_command_ok(const char *serve)
{
	size_t len = strlen(serve);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)serve[i] < 0x20 || serve[i] == 0x7f || serve[i] == '"' ||
			serve[i] == '\\')
			return false;
	return len > 0 && len < SERVE_COMMAND_MAX;
}

int authorized_line(const char *serve, const char *public_key, const char *comment, char **ret)
{
	if (asprintf(ret, "restrict,command=\"%s\" %s %s", serve, public_key, comment) >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}
