/* SPDX-License-Identifier: MIT */
/*
 * The text work of pairing: known_hosts and the settings file. Both belong to other people too,
 * so they are edited line by line and every other line stays, and under a lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/fs.h"
#include "common/base/text.h"
#include "common/base/util.h"
#include "pull/pair/pair.h"

#define BLANKS " \t\r\f\v"

/* An edit: the lines of the old text one by one, and the memory stream for the new text. */
struct edit {
	char *copy, *rest;
	FILE *out;
	char *text;
	size_t size;
};

static int edit_begin(struct edit *edit, const char *text)
{
	*edit = (struct edit){ .copy = strdup(text) };
	edit->rest = edit->copy;
	edit->out = open_memstream(&edit->text, &edit->size);
	return edit->copy && edit->out ? 0 : -ENOMEM;
}

static void edit_clear(struct edit *edit)
{
	file_closep(&edit->out);
	free(edit->copy);
	free(edit->text);
}

/* The next line without its newline; NULL at the end. */
static char *edit_line(struct edit *edit)
{
	char *line = strsep(&edit->rest, "\n");

	return line && (*line || edit->rest) ? line : NULL;
}

static int edit_end(struct edit *edit, char **ret)
{
	bool failed = ferror(edit->out);

	failed |= fclose(TAKE_PTR(edit->out)) != 0;
	if (failed)
		return -ENOMEM;
	*ret = TAKE_PTR(edit->text);
	return 0;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, BLANKS);
}

/* What comes after `word` in a line that begins with it; NULL: it does not. */
static const char *after_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	line = skip_blanks(line);
	return strncmp(line, word, len) == 0 && (!line[len] || strchr(BLANKS, line[len]))
		? skip_blanks(line + len)
		: NULL;
}

int known_hosts_find(const char *text, const char *alias, char **ret_key)
{
	CLEANUP(edit_clear) struct edit edit;
	const char *line, *key = NULL;
	size_t type, n;

	if (edit_begin(&edit, text) < 0)
		return -ENOMEM;
	while (!key && (line = edit_line(&edit)))
		key = after_word(line, alias);
	if (!key)
		return -ENOENT;
	type = strcspn(key, BLANKS);
	n = strcspn(skip_blanks(key + type), BLANKS);
	fprintf(edit.out, "%.*s %.*s", (int)type, key, (int)n, skip_blanks(key + type));
	return edit_end(&edit, ret_key);
}

int known_hosts_replace(const char *text, const char *alias, const char *key, char **ret)
{
	CLEANUP(edit_clear) struct edit edit;
	const char *line;

	if (edit_begin(&edit, text) < 0)
		return -ENOMEM;
	while ((line = edit_line(&edit)))
		if (!after_word(line, alias))
			fprintf(edit.out, "%s\n", line);
	if (key)
		fprintf(edit.out, "%s %s\n", alias, key);
	return edit_end(&edit, ret);
}

/* Whether the line begins a section, and whether that is [camera NAME]. */
static bool section_begins(const char *line, const char *name, bool *ret_ours)
{
	size_t len = strlen(name);

	line = skip_blanks(line);
	if (*line != '[')
		return false;
	line = after_word(line + 1, "camera");
	*ret_ours = line && strncmp(line, name, len) == 0 && *skip_blanks(line + len) == ']';
	return true;
}

/* The value of a "key = value" line; `key` NULL: of any. NULL where it is none. */
static const char *line_value(const char *line, const char *key)
{
	size_t len;

	line = skip_blanks(line);
	len = key ? strlen(key) : strcspn(line, "=:");
	if (strchr("#;", *line) || (key && strncmp(line, key, len) != 0))
		return NULL;
	line = skip_blanks(line + len);
	return *line == '=' || *line == ':' ? line + 1 : NULL;
}

/* The comment after a value, with the blanks before it; "" where there is none. */
static const char *value_comment(const char *value)
{
	const char *comment = value + 1;

	if (!*value)
		return value;
	while (*comment && !(strchr("#;", *comment) && strchr(BLANKS, comment[-1])))
		comment++;
	while (*comment && comment > value && strchr(BLANKS, comment[-1]))
		comment--;
	return comment;
}

/* Writes the line; one of these settings gets its new value, and is noted as `present`. */
static void edit_setting(struct edit *edit, const char *line, const struct setting *settings,
	size_t n_settings, bool *present)
{
	for (size_t i = 0; i < n_settings; i++) {
		const char *old = line_value(line, settings[i].key), *value = settings[i].value;

		if (!old)
			continue;
		fprintf(edit->out, "%s =%s%s%s\n", settings[i].key, *value ? " " : "", value,
			value_comment(old));
		present[i] = true;
		return;
	}
	fprintf(edit->out, "%s\n", line);
}

/* Inserts the settings that have no line yet at offset `end`. */
static int add_missing(const char *text, long end, const struct setting *settings,
	size_t n_settings, const bool *present, char **ret)
{
	CLEANUP(edit_clear) struct edit edit;

	if (edit_begin(&edit, "") < 0)
		return -ENOMEM;
	fprintf(edit.out, "%.*s", (int)end, text);
	for (size_t i = 0; i < n_settings; i++)
		if (!present[i] && !settings[i].only_if_there)
			fprintf(edit.out, "%s = %s\n", settings[i].key, settings[i].value);
	fputs(text + end, edit.out);
	return edit_end(&edit, ret);
}

int settings_set_camera(const char *text, const char *name, const struct setting *settings,
	size_t n_settings, char **ret)
{
	CLEANUP(edit_clear) struct edit edit;
	CLEANUP_FREE char *edited = NULL;
	bool ours = false, first = true, present[SETTINGS_MAX] = { false };
	long end = 0; /* of the first such section, without the empty lines after it */
	const char *line;

	if (edit_begin(&edit, text) < 0)
		return -ENOMEM;
	while ((line = edit_line(&edit))) {
		if (section_begins(line, name, &ours))
			first = ours && end == 0;
		if (ours)
			edit_setting(&edit, line, settings, n_settings, present);
		else
			fprintf(edit.out, "%s\n", line);
		if (ours && first && *skip_blanks(line))
			end = ftell(edit.out);
	}
	if (end == 0) {
		fprintf(edit.out, "%s[camera %s]\n", *text ? "\n" : "", name);
		end = ftell(edit.out);
	}
	if (edit_end(&edit, &edited) < 0)
		return -ENOMEM;
	return add_missing(edited, end, settings, n_settings, present, ret);
}

int settings_drop_camera(const char *text, const char *name, char **ret)
{
	CLEANUP(edit_clear) struct edit edit;
	const char *line, *kept = text; /* of the section: what comes after its last setting */
	bool ours = false;

	if (edit_begin(&edit, text) < 0)
		return -ENOMEM;
	while ((line = edit_line(&edit))) {
		const bool was = ours, header = section_begins(line, name, &ours);
		const char *start = text + (line - edit.copy);

		if (was && header && !ours)
			fprintf(edit.out, "%.*s", (int)(start - kept), kept);
		if (!ours)
			fprintf(edit.out, "%s\n", line);
		else if (header || line_value(line, NULL))
			kept = edit.rest ? text + (edit.rest - edit.copy) : text + strlen(text);
	}
	if (ours)
		fputs(kept, edit.out);
	return edit_end(&edit, ret);
}

bool serve_command_ok(const char *serve)
{
	size_t len = strlen(serve);

	return len > 0 && len < SERVE_COMMAND_MAX && text_is_plain(serve, len) &&
		!strpbrk(serve, "\"\\");
}

/* ---- the files */

/* An edit of a text of ours; `data` is the caller's. `ret` is for free(). */
typedef int (*text_edit_fn)(const char *old, void *data, char **ret);

/*
 * Edits a file that need not be there, and replaces it as a whole. Other pairings edit the same
 * files, so one waits for the other on the folder's lock. `path` may be a symlink to the real one.
 */
static int text_edit(const char *path, size_t max, mode_t mode, text_edit_fn edit, void *data)
{
	CLEANUP_FREE char *old = NULL, *text = NULL;
	char real[PATH_MAX], folder[PATH_MAX];
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r;

	if (!realpath(path, real) && snprintf(real, sizeof real, "%s", path) >= (int)sizeof real)
		return -ENAMETOOLONG;
	if (stat(real, &st) == 0)
		mode = st.st_mode & 07777;
	snprintf(folder, sizeof folder, "%s", real);
	dirname(folder);
	fd = fs_open_made(folder, mode & 077 ? 0777 : 0700);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX) < 0)
		return -errno;
	r = fs_read_file(fd, basename(real), max, &old, NULL);
	if (r < 0 && r != -ENOENT)
		return r;
	r = edit(old ? old : "", data, &text);
	if (r < 0 || strcmp(old ? old : "", text) == 0)
		return r;
	return fs_replace(&fs_real, fd, basename(real), text, strlen(text), mode);
}

struct pin {
	const char *alias, *key;
};

static int pin_edit(const char *old, void *data, char **ret)
{
	const struct pin *pin = data;

	return known_hosts_replace(old, pin->alias, pin->key, ret);
}

int pair_pin(const struct cli *cli, const struct endpoint *endpoint, const char *key)
{
	struct pin pin = { endpoint->alias, key };
	int r = text_edit(endpoint->known_hosts, KNOWN_HOSTS_MAX, 0600, pin_edit, &pin);

	if (r < 0)
		cli_error(cli, "%s: %s", endpoint->known_hosts, strerror(-r));
	return r < 0 ? CLI_INTERNAL : CLI_OK;
}

struct section {
	const char *camera;
	const struct setting *settings; /* NULL: the section goes */
	size_t n;
};

static int section_edit(const char *old, void *data, char **ret)
{
	const struct section *section = data;
	int r;

	if (section->settings)
		return settings_set_camera(
			old, section->camera, section->settings, section->n, ret);
	r = settings_drop_camera(old, section->camera, ret);
	/* an empty file counts as one that a power cut left, and the last good one would hold */
	if (r == 0 && !**ret && *old) {
		free(*ret);
		*ret = strdup("# No camera is paired.\n");
	}
	return r == 0 && !*ret ? -ENOMEM : r;
}

int pair_edit_settings(const struct cli *cli, const char *camera, const struct setting *settings,
	size_t n_settings)
{
	struct section section = { camera, settings, n_settings };
	char path[PATH_MAX];
	int r = cli_settings_path(cli, path);

	if (r != CLI_OK)
		return r;
	r = text_edit(path, CONF_FILE_MAX, 0644, section_edit, &section);
	if (r < 0) {
		cli_error(cli, "%s: %s", path, strerror(-r));
		return CLI_SETTINGS;
	}
	if (settings)
		text_print(stderr, "Settings: [camera %s] in %s\n", camera, path);
	return CLI_OK;
}
