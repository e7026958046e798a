/* SPDX-License-Identifier: MIT */
/* Settings on the command line: which file, how bad lines are told, `check` and `dump`. */
#include "common/cli.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"

static void complain_to_log(void *data, const char *message)
{
	(void)data;
	log_warning("%s", message);
}

static void complain_to_person(void *data, const char *message)
{
	(void)data;
	fprintf(stderr, "%s\n", message);
}

int cli_settings_path(const struct cli *cli, char ret[static PATH_MAX])
{
	const char *program = cli->program->name, *xdg = getenv("XDG_CONFIG_HOME");
	const char *name = cli->name ? cli->name : program;
	char home[CONF_VALUE_MAX];
	int n;

	if (cli->file) {
		n = snprintf(ret, PATH_MAX, "%s", cli->file);
	} else if (xdg && *xdg == '/') {
		n = snprintf(ret, PATH_MAX, "%s/%s/%s.conf", xdg, program, name);
	} else if (conf_home(home) == 0) {
		n = snprintf(ret, PATH_MAX, "%s/.config/%s/%s.conf", home, program, name);
	} else {
		cli_error(cli, "no home folder is known; give the settings with -c FILE");
		return CLI_SETTINGS;
	}
	if (n < PATH_MAX)
		return CLI_OK;
	cli_error(cli, "the path of the settings is longer than %d bytes", PATH_MAX - 1);
	return CLI_SETTINGS;
}

static int load_file(
	const struct cli *cli, enum cli_strictness strictness, void *settings, bool *ret_clean)
{
	conf_complain *complain = strictness == CLI_STRICT ? complain_to_person : complain_to_log;
	char path[PATH_MAX];
	int r;

	r = cli_settings_path(cli, path);
	if (r != CLI_OK)
		return r;
	r = conf_load(cli->program->table, settings, path, complain, NULL);
	if (r == -ENOENT && !cli->file && !cli->name)
		return CLI_OK;
	if (r == -ENOENT && !cli->file) {
		cli_error(cli, "no camera %s: its settings would be in %s", cli->name, path);
		return CLI_SETTINGS;
	}
	if (r >= 0) {
		*ret_clean = r == 0;
		return CLI_OK;
	}
	/* a file that was named must be readable; the default one must not stop a camera */
	if (cli->file || strictness == CLI_STRICT) {
		cli_error(cli, "%s: %s; give another file with -c", path, strerror(-r));
		return CLI_SETTINGS;
	}
	log_warning("%s: %s; going on with the defaults", path, strerror(-r));
	return CLI_OK;
}

int cli_settings(const struct cli *cli, enum cli_strictness strictness, void **ret_settings)
{
	conf_complain *complain = strictness == CLI_STRICT ? complain_to_person : complain_to_log;
	const struct cli_program *program = cli->program;
	CLEANUP_FREE void *settings = calloc(1, program->settings_size);
	bool clean = true;
	int r;

	if (!settings) {
		cli_error(cli, "%s", strerror(ENOMEM));
		return CLI_INTERNAL;
	}
	conf_defaults(program->table, settings);
	if (cli->name)
		program->name_defaults(settings, cli->name);
	r = load_file(cli, strictness, settings, &clean);
	if (r != CLI_OK)
		return r;
	for (size_t i = 0; i < cli->n_overrides; i++) {
		if (conf_override(program->table, settings, cli->overrides[i], complain_to_person,
			    NULL) < 0)
			return CLI_SETTINGS;
	}
	if (program->check && program->check(settings, complain, NULL) > 0)
		clean = false;
	if (strictness == CLI_STRICT && !clean)
		return CLI_SETTINGS;
	*ret_settings = TAKE_PTR(settings);
	return CLI_OK;
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
	printf("%s: %s\n", path,
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
		r = conf_dump_json(cli->program->table, settings, stdout);
	else
		r = conf_dump(cli->program->table, settings, stdout);
	if (r == 0 || r == -EIO) /* cli_main() tells about stdout */
		return CLI_OK;
	cli_error(cli, "%s", strerror(-r));
	return CLI_INTERNAL;
}
