/* SPDX-License-Identifier: MIT */
/* The user, the settings and the folders. */
#include "deploy/setup.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "common/child.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/fs.h"

#define CHECK_TIMEOUT_US (20 * INT64_C(1000000))
#define SETTLE_US (2 * INT64_C(1000000))

const char *setup_user(char ret[static 64])
{
	const struct passwd *user = getpwuid(getuid());

	if (user && strlen(user->pw_name) < 64)
		strcpy(ret, user->pw_name);
	else
		snprintf(ret, 64, "%u", (unsigned)getuid());
	return ret;
}

/* `sudo deploypi capture` would set up root's services, where nobody looks for them. */
static int refuse_root(struct cli *cli, const struct report *report)
{
	const char *sudo = getenv("SUDO_USER");

	if (getuid() != 0 || cli_flag(cli, "root"))
		return CLI_OK;
	if (sudo && *sudo && strcmp(sudo, "root") != 0)
		return report_failed(report, CLI_REFUSED, "user", NULL, "the same without sudo",
			"this is for the services of %s, not of root", sudo);
	return report_failed(report, CLI_REFUSED, "user", NULL,
		"log in as the user who owns the pictures, or say --root if root's own services "
		"are meant",
		"these are user services, and this is root");
}

int setup_begin(struct cli *cli, bool jobs, struct deploy *ret)
{
	struct deploy deploy = {
		.report = { .cli = cli, .json = cli_flag(cli, "json") },
		.settle_us = SETTLE_US,
	};
	int r = jobs ? cli_quantity(cli, "timeout", &conf_duration, US_PER_SEC,
			       24 * 3600 * US_PER_SEC, &deploy.timeout_us)
		     : CLI_OK;

	if (r == CLI_OK)
		r = refuse_root(cli, &deploy.report);
	if (r != CLI_OK)
		return r;
	snprintf(
		deploy.again, sizeof deploy.again, "%s %s", cli->program->name, cli->command->name);
	for (int i = 0; i < cli->argc; i++)
		snprintf(deploy.again + strlen(deploy.again),
			sizeof deploy.again - strlen(deploy.again), " %s", cli->argv[i]);
	r = session_new(NULL, &deploy.session);
	if (r < 0)
		return report_failed(
			&deploy.report, CLI_INTERNAL, "user", NULL, NULL, "%s", strerror(-r));
	*ret = deploy;
	return CLI_OK;
}

int setup_begin_named(struct cli *cli, struct deploy *ret)
{
	const char *name = cli_value(cli, "name");
	int r;

	if (name && !cli_name_ok("capturepi", name))
		return cli_usage(cli, "--name %s: not a name: " CLI_NAME_RULE, name);
	r = setup_begin(cli, true, ret);
	if (r == CLI_OK && name) {
		ret->name = name;
		snprintf(ret->again, sizeof ret->again, "%s %s --name %s", cli->program->name,
			cli->command->name, name);
	}
	return r;
}

void setup_end(struct deploy *deploy)
{
	session_free(deploy->session);
	deploy->session = NULL;
}

static int tell_child_error(struct deploy *deploy, const char *program, int r)
{
	if (r == -ENOENT)
		return report_failed(&deploy->report, CLI_INTERNAL, "settings", NULL, "install it",
			"%s is not installed", program);
	return report_failed(&deploy->report, r == -ETIMEDOUT ? CLI_TEMPFAIL : CLI_INTERNAL,
		"settings", NULL, NULL, "%s: %s", program, strerror(-r));
}

/* The last line without the newline: both programs end with what counts. */
static const char *last_line(char *text)
{
	size_t n = strlen(text);
	char *line;

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

int setup_ask(struct deploy *deploy, const char *program, const char *const words[],
	struct child_result *ret)
{
	const char *argv[SETUP_WORDS_MAX + 4] = { program };
	size_t n = 1;

	if (deploy->name) {
		argv[n++] = "--name";
		argv[n++] = deploy->name;
	}
	for (size_t i = 0; words[i] && i < SETUP_WORDS_MAX; i++)
		argv[n++] = words[i];
	return child_run(argv, CHECK_TIMEOUT_US, ret);
}

int setup_check_settings(struct deploy *deploy, const char *program)
{
	struct child_result child = { 0 };
	char next[REPORT_TEXT_MAX];
	int r = setup_ask(deploy, program, (const char *const[]){ "check", NULL }, &child);

	if (r < 0)
		return tell_child_error(deploy, program, r);
	if (child.code == CLI_OK) {
		report_ok(&deploy->report, "settings", NULL, "%s", last_line(child.out));
	} else {
		if (!deploy->report.json)
			fputs(child.err, stderr);
		snprintf(next, sizeof next, "mend that (man %s.conf), then again: `%s`", program,
			deploy->again);
		report_failed(&deploy->report, child.code, "settings", NULL, next, "%s",
			deploy->report.json
				? last_line(child.err)
				: "the settings are not right, and nothing was changed");
		r = child.code == CLI_SETTINGS ? CLI_SETTINGS : CLI_INTERNAL;
	}
	child_result_clear(&child);
	return r;
}

int setup_dump(struct deploy *deploy, const char *program, struct json_object **ret)
{
	struct child_result child = { 0 };
	int r = setup_ask(deploy, program, (const char *const[]){ "dump", "--json", NULL }, &child);

	if (r < 0)
		return tell_child_error(deploy, program, r);
	*ret = json_tokener_parse(child.out);
	child_result_clear(&child);
	if (json_object_is_type(*ret, json_type_object))
		return CLI_OK;
	json_object_put(*ret);
	*ret = NULL;
	return report_failed(&deploy->report, CLI_PROTOCOL, "settings", NULL, NULL,
		"`%s dump --json` does not print its settings", program);
}

const char *setup_setting(struct json_object *dump, const char *section, const char *key)
{
	struct json_object *o = NULL, *value = NULL;

	if (json_object_object_get_ex(dump, section, &o) &&
		json_object_is_type(o, json_type_object) &&
		json_object_object_get_ex(o, key, &value) &&
		json_object_is_type(value, json_type_string))
		return json_object_get_string(value);
	return "";
}

static int xdg_path(
	const char *variable, const char *def, const char *program, char ret[static PATH_MAX])
{
	const char *xdg = getenv(variable);
	char home[CONF_VALUE_MAX];
	int n, r;

	if (xdg && *xdg == '/') {
		n = snprintf(ret, PATH_MAX, "%s/%s", xdg, program);
	} else {
		r = conf_home(home);
		if (r < 0)
			return r;
		n = snprintf(ret, PATH_MAX, "%s/%s/%s", home, def, program);
	}
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int setup_settings_path(const char *program, const char *name, char ret[static PATH_MAX])
{
	size_t n;
	int r = xdg_path("XDG_CONFIG_HOME", ".config", program, ret);

	if (r < 0)
		return r;
	n = strlen(ret);
	return snprintf(ret + n, PATH_MAX - n, "/%s.conf", name ? name : program) <
			(int)(PATH_MAX - n)
		? 0
		: -ENAMETOOLONG;
}

int setup_folders(struct deploy *deploy, const char *program)
{
	static const struct {
		const char *variable, *def;
	} folders[] = { { "XDG_STATE_HOME", ".local/state" }, { "XDG_CONFIG_HOME", ".config" } };
	char path[PATH_MAX] = "", state[PATH_MAX] = "";
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++) {
		r = xdg_path(folders[i].variable, folders[i].def, program, path);
		if (r == 0)
			r = fs_make_folders(path, 0777);
		if (r == 0 && i == 0)
			strcpy(state, path);
	}
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "folders", NULL, deploy->again,
			"%s: %s", path, strerror(-r));
	if (lstat(state, &st) == 0 && S_ISLNK(st.st_mode))
		report_step(&deploy->report,
			&(struct step){ .name = "folders", .result = STEP_WARN },
			"%s is a link, made by systemd when it took the settings for old state; it "
			"works",
			state);
	else
		report_ok(&deploy->report, "folders", NULL, "%s is there", state);
	return CLI_OK;
}
