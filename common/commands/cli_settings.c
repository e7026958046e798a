/* SPDX-License-Identifier: MIT */
/* Settings on the command line: which file, how bad lines are told, `check` and `dump`. */
#include "common/commands/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>

#include "common/base/digest.h"
#include "common/base/fs.h"
#include "common/base/log.h"
#include "common/base/text.h"

static void complain_to_log(void *data, const char *message)
{
	(void)data;
	log_warning("%s", message);
}

static void complain_to_person(void *data, const char *message)
{
	(void)data;
	text_print(stderr, "%s\n", message);
}

int cli_settings_path(const struct cli *cli, char ret[static PATH_MAX])
{
	const char *program = cli->program->name;
	char folder[PATH_MAX];
	int r = cli->file ? 0 : conf_folder("XDG_CONFIG_HOME", ".config", folder);

	if (r == -ENOENT) {
		cli_error(cli, "no home folder is known; give the settings with -c FILE");
		return CLI_SETTINGS;
	}
	if (r == 0 && cli->file)
		r = snprintf(ret, PATH_MAX, "%s", cli->file);
	else if (r == 0)
		r = snprintf(ret, PATH_MAX, "%s/%s/%s.conf", folder, program,
			cli->name ? cli->name : program);
	if (r >= 0 && r < PATH_MAX)
		return CLI_OK;
	cli_error(cli, "the path of the settings is longer than %d bytes", PATH_MAX - 1);
	return CLI_SETTINGS;
}

/*
 * The last good version of the settings file, "good-0123456789abcdef.conf": named by its path's
 * hash.
 */
static int copy_path(const struct cli *cli, const char *path, char ret[static PATH_MAX])
{
	uint8_t sha256[SHA256_BYTES];
	char hex[SHA256_HEX + 1], real[PATH_MAX], file[64];
	int r;

	path = *path != '/' && realpath(path, real) ? real : path;
	r = digest_buffer(path, strlen(path), sha256);
	if (r < 0)
		return r;
	digest_hex(sha256, hex);
	snprintf(file, sizeof file, "good-%.16s.conf", hex);
	return conf_state_path(cli->program->name, file, ret);
}

/* A settings file as it is read: the text, or why there is none. */
struct source {
	char path[PATH_MAX], copy_path[PATH_MAX];
	char *text, *copy; /* NULL: there is none */
	size_t length, copy_length;
	int error; /* of reading `text` */
};

static void source_clear(struct source *source)
{
	free(source->text);
	free(source->copy);
}

static int source_read(struct cli *cli, struct source *ret)
{
	int r = cli_settings_path(cli, ret->path);

	if (r != CLI_OK)
		return r;
	ret->error = conf_read(ret->path, &ret->text, &ret->length);
	if (copy_path(cli, ret->path, ret->copy_path) < 0 ||
		conf_read(ret->copy_path, &ret->copy, &ret->copy_length) < 0)
		ret->copy = NULL;
	return CLI_OK;
}

static bool source_is_copied(const struct source *source)
{
	return source->copy && source->text && source->length == source->copy_length &&
		memcmp(source->text, source->copy, source->length) == 0;
}

/* A file that was being written when the power went is empty, or ends in the middle of a line. */
static bool source_is_cut(const struct source *source)
{
	size_t n = source->length;

	return source->text && source->copy && n < source->copy_length &&
		memcmp(source->text, source->copy, n) == 0 &&
		(n == 0 || (source->text[n - 1] != '\n' && source->copy[n] != '\n'));
}

/* Becomes the last good one. Without it work goes on: the copy is for later. */
static void source_keep(const struct source *source)
{
	char folder[PATH_MAX];
	int r;

	if (!source->text || source_is_copied(source))
		return;
	snprintf(folder, sizeof folder, "%s", source->copy_path);
	r = fs_make_folders(dirname(folder), 0700);
	if (r == 0)
		r = fs_replace_path(
			&fs_real, source->copy_path, source->text, source->length, 0600);
	if (r < 0)
		log_notice("%s: the settings cannot be kept for a start with wrong ones: %s",
			source->copy_path, strerror(-r));
}

/* How many mistakes the file has; they are told, but for one that cannot be read. */
static int load_text(
	struct cli *cli, const struct source *source, void *settings, conf_complain *complain)
{
	if (!source->text)
		return source->error != -ENOENT || cli->file || cli->name;
	if (!source_is_cut(source))
		return conf_load_text(cli->program->table, settings, source->path, source->text,
			source->length, complain, NULL);
	return conf_tell(complain, NULL, "%s: %s, and the last good settings were not",
		source->path, source->length ? "it ends within a line" : "it is empty");
}

/*
 * Tells why there is no text. A named file must be readable; the default one must not stop a
 * camera.
 */
static int tell_unreadable(
	struct cli *cli, enum cli_strictness strictness, const struct source *source)
{
	bool no_camera = cli->name && !cli->file && source->error == -ENOENT;

	if (no_camera)
		cli_error(
			cli, "no camera %s: its settings would be in %s", cli->name, source->path);
	else if (cli->file || strictness == CLI_STRICT)
		cli_error(cli, "%s: %s; give another file with -c", source->path,
			strerror(-source->error));
	else
		log_warning("%s: %s; going on with the defaults", source->path,
			strerror(-source->error));
	return no_camera || cli->file || strictness == CLI_STRICT ? CLI_SETTINGS : CLI_OK;
}

static void set_defaults(struct cli *cli, void *settings)
{
	memset(settings, 0, cli->program->settings_size);
	conf_defaults(cli->program->table, settings);
	if (cli->name)
		cli->program->name_defaults(settings, cli->name);
}

/*
 * After the file: -o, and the checks of more than one value. Returns their complaints; -EINVAL: a
 * bad -o.
 */
static int settings_finish(struct cli *cli, void *settings, conf_complain *complain)
{
	for (size_t i = 0; i < cli->n_overrides; i++) {
		if (conf_override(cli->program->table, settings, cli->overrides[i],
			    complain_to_person, NULL) < 0)
			return -EINVAL;
	}
	return cli->program->check ? cli->program->check(settings, complain, NULL) : 0;
}

/* The copy in the place of a file with mistakes. */
static int use_copy(struct cli *cli, const struct source *source, void *settings)
{
	CLEANUP_FREE void *wrong = malloc(cli->program->settings_size);
	int r;

	if (!wrong)
		return CLI_INTERNAL;
	memcpy(wrong, settings, cli->program->settings_size);
	set_defaults(cli, settings);
	conf_load_text(cli->program->table, settings, source->copy_path, source->copy,
		source->copy_length, complain_to_log, NULL);
	if (!source->text)
		log_warning_errno(source->error, "%s", source->path);
	log_warning("%s is not used: the last good settings hold until it is right; see `%s check`",
		source->path, cli->call);
	cli->last_good = true;
	r = settings_finish(cli, settings, complain_to_log);
	/* of a file that is gone or cut the copy has all that was meant */
	if (r >= 0 && cli->program->fall_back && source->text && !source_is_cut(source))
		cli->program->fall_back(wrong, settings);
	return r < 0 ? CLI_SETTINGS : CLI_OK;
}

static int source_load(struct cli *cli, enum cli_strictness strictness, const struct source *source,
	void *settings)
{
	conf_complain *complain = strictness == CLI_STRICT ? complain_to_person : complain_to_log;
	int bad, more;

	set_defaults(cli, settings);
	bad = load_text(cli, source, settings, complain);
	if (bad < 0)
		return CLI_INTERNAL;
	more = settings_finish(cli, settings, complain);
	if (more < 0)
		return CLI_SETTINGS;
	cli->wrong = bad + more > 0;
	cli->last_good = false;
	if (strictness != CLI_STRICT && cli->wrong && source->copy && !source_is_copied(source))
		return use_copy(cli, source, settings);
	if (bad > 0 && !source->text)
		return tell_unreadable(cli, strictness, source);
	if (cli->wrong)
		return strictness == CLI_STRICT || (strictness == CLI_KEEP && cli->file && bad > 0)
			? CLI_SETTINGS
			: CLI_OK;
	if (strictness == CLI_KEEP)
		source_keep(source);
	return CLI_OK;
}

int cli_settings(struct cli *cli, enum cli_strictness strictness, void **ret_settings)
{
	CLEANUP_FREE void *settings = calloc(1, cli->program->settings_size);
	CLEANUP(source_clear) struct source source = { .error = 0 };
	int r;

	if (!settings) {
		cli_error(cli, "%s", strerror(ENOMEM));
		return CLI_INTERNAL;
	}
	r = source_read(cli, &source);
	if (r == CLI_OK)
		r = source_load(cli, strictness, &source, settings);
	if (r == CLI_OK)
		*ret_settings = TAKE_PTR(settings);
	return r;
}

int cli_check(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	char path[PATH_MAX];
	int r;

	r = cli_settings(cli, CLI_STRICT, &settings);
	if (r != CLI_OK)
		return r;
	r = cli_settings_path(cli, path);
	if (r != CLI_OK)
		return r;
	text_print(stdout, "%s: %s\n", path,
		access(path, F_OK) == 0 ? "all settings are right"
					: "not there; the defaults hold");
	return CLI_OK;
}

const struct cli_option cli_json_option[] = {
	{ "json", 0, NULL, "as JSON, for scripts" },
	{ .name = NULL },
};

int cli_dump(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	int r;

	r = cli_settings(cli, CLI_LENIENT, &settings);
	if (r != CLI_OK)
		return r;
	if (cli_flag(cli, "json"))
		r = conf_dump_json(cli->program->table, settings, stdout); /* ours */
	else
		r = conf_dump(cli->program->table, settings, stdout); /* ours */
	if (r == 0 || r == -EIO) /* cli_main() tells about stdout */
		return CLI_OK;
	cli_error(cli, "%s", strerror(-r));
	return CLI_INTERNAL;
}
