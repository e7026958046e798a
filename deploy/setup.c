/* SPDX-License-Identifier: MIT */
/* The user, the settings, the folders, the groups, lingering and the manager. */
#include "deploy/setup.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/text.h"
#include "common/doctor/doctor.h"
#include "common/settings/conf.h"
#include "common/systemd/userbus.h"
#include "deploy/system.h"

#define CHILD_US (20 * US_PER_SEC)
#define WORDS_MAX 5
#define MANAGER_COMES_NS (60 * NS_PER_SEC) /* a Pi with a slow card, at its first boot */
#define MANAGER_RUNS_NS (5 * NS_PER_SEC) /* it may be executing itself again */

const char *setup_user(char ret[static 64])
{
	const struct passwd *user = getpwuid(getuid());

	if (user && strlen(user->pw_name) < 64)
		strcpy(ret, user->pw_name);
	else
		snprintf(ret, 64, "%u", (unsigned)getuid());
	return ret;
}

int setup_name(struct cli *cli, const char **ret)
{
	*ret = cli_value(cli, "name");
	if (*ret && !cli_name_ok("capturepi", *ret))
		return cli_usage(cli, "--name %s: not a name: " CLI_NAME_RULE, *ret);
	return CLI_OK;
}

int setup_begin(struct cli *cli, bool jobs, const char *program, struct deploy *ret)
{
	const bool system = program && cli_flag(cli, "system");
	int r = CLI_OK, n;

	*ret = (struct deploy){ .report = { .cli = cli, .json = cli_flag(cli, "json") } };
	if (jobs)
		r = cli_quantity(cli, "timeout", &conf_duration, US_PER_SEC, SETUP_WAIT_MAX_US,
			&ret->timeout_us);
	if (r != CLI_OK)
		return r;
	/* `sudo deploypi capture` would set up root's services, where nobody looks for them */
	if (getuid() == 0 && !system && !cli_flag(cli, "root"))
		return report_failed(&ret->report, CLI_REFUSED, "user", NULL,
			"run it without sudo, as the user who owns the pictures; or say --system "
			"for a "
			"service with a user of its own, or --root if root's own services are "
			"meant",
			"these are user services, and this is root");
	n = snprintf(ret->again, sizeof ret->again, "%s %s%s", cli->program->name,
		cli->command->name, system ? " --system" : "");
	for (int i = 0; i < cli->argc && n < (int)sizeof ret->again; i++)
		n += snprintf(ret->again + n, sizeof ret->again - (size_t)n, " %s", cli->argv[i]);
	r = manager_init(&ret->manager);
	if (r < 0)
		return units_tell_error(ret, "user", NULL, r, NULL);
	return system ? system_enter(ret, program) : CLI_OK;
}

void setup_end(struct deploy *deploy)
{
	manager_clear(&deploy->manager);
	sd_bus_flush_close_unref(deploy->system);
}

char *setup_last_line(char *text)
{
	size_t n = strlen(text);
	char *line;

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

static int setup_run(struct deploy *deploy, const char *program, const char *const words[],
	struct child_result *ret)
{
	const char *argv[WORDS_MAX + 4] = { program };
	size_t n = 1;

	if (deploy->name) {
		argv[n++] = "--name";
		argv[n++] = deploy->name;
	}
	for (size_t i = 0; words[i] && i < WORDS_MAX; i++)
		argv[n++] = words[i];
	return child_run(argv, CHILD_US, ret);
}

int setup_ask(struct deploy *deploy, const char *program, const char *const words[],
	struct json_object **ret)
{
	CLEANUP(child_result_clear) struct child_result child = { 0 };
	int r = setup_run(deploy, program, words, &child);
	struct json_object *answer = r < 0 ? NULL : json_tokener_parse(child.out);

	if (r < 0 || !answer)
		return r < 0 ? r : -EBADMSG;
	*ret = answer;
	return 0;
}

static int setup_tell_child(struct deploy *deploy, const char *program, int error)
{
	const bool missing = error == -ENOENT;
	const int code = error == -ETIMEDOUT ? CLI_TEMPFAIL
		: error == -EBADMSG          ? CLI_PROTOCOL
					     : CLI_INTERNAL;

	return report_failed(&deploy->report, code, "settings", NULL, missing ? "install it" : NULL,
		"%s: %s", program, missing ? "it is not installed" : strerror(-error));
}

static int setup_check_settings(struct deploy *deploy, const char *program)
{
	CLEANUP(child_result_clear) struct child_result child = { 0 };
	const char *const words[] = { "check", NULL };
	char next[REPORT_TEXT_MAX];
	int r = setup_run(deploy, program, words, &child);

	if (r < 0)
		return setup_tell_child(deploy, program, r);
	if (child.code == CLI_OK) {
		report_ok(&deploy->report, "settings", NULL, "%s", setup_last_line(child.out));
		return CLI_OK;
	}
	if (!deploy->report.json)
		for (char *rest = child.err, *line; (line = strsep(&rest, "\n"));)
			if (*line)
				text_print(stderr, "%s\n", line);
	snprintf(next, sizeof next, "mend that (man %s.conf), then again: `%s`", program,
		deploy->again);
	return report_failed(&deploy->report,
		child.code == CLI_SETTINGS ? CLI_SETTINGS : CLI_INTERNAL, "settings", NULL, next,
		"%s",
		deploy->report.json ? setup_last_line(child.err)
				    : "the settings are not right, and nothing was changed");
}

int setup_settings(struct deploy *deploy, const char *program, struct json_object **ret)
{
	const char *const words[] = { "dump", "--json", NULL };
	int r = setup_check_settings(deploy, program);

	if (r != CLI_OK)
		return r;
	r = setup_ask(deploy, program, words, ret);
	return r < 0 ? setup_tell_child(deploy, program, r) : CLI_OK;
}

int setup_settings_path(const char *program, const char *name, char ret[static PATH_MAX])
{
	const struct cli_program of = { .name = program };

	return cli_settings_path(&(struct cli){ .program = &of, .name = name }, ret);
}

int setup_folders(struct deploy *deploy, const char *program)
{
	char state[PATH_MAX] = "", settings[PATH_MAX];
	int r = setup_settings_path(program, NULL, settings);

	if (r != CLI_OK)
		return r;
	*strrchr(settings, '/') = '\0';
	r = conf_state_path(program, "", state);
	if (r == 0)
		r = fs_make_folders(state, 0777);
	if (r == 0)
		r = fs_make_folders(settings, 0777);
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "folders", NULL, deploy->again,
			"%s or %s: %s", state, settings, strerror(-r));
	report_ok(&deploy->report, "folders", NULL, "%s and %s are there", state, settings);
	return CLI_OK;
}

void setup_warn_of_groups(struct deploy *deploy)
{
	char user[64], next[DOCTOR_TEXT_MAX + sizeof deploy->again + 32];
	const struct doctor_finding finding =
		doctor_groups(setup_user(user), userbus_pid(deploy->manager.bus));
	struct step step = { "groups", NULL, STEP_WARN, next, NULL };

	snprintf(next, sizeof next, "%s, then again: `%s`", finding.fix, deploy->again);
	if (finding.verdict == DOCTOR_OK)
		report_ok(&deploy->report, "groups", NULL, "%s", finding.text);
	else
		report_step(&deploy->report, &step, "%s", finding.text);
}

/* Also where lingering is on and no manager is there: logind starts it then. */
static int setup_linger(struct deploy *deploy)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	char user[64], runtime[PATH_MAX], next[REPORT_TEXT_MAX];
	const bool was_on = linger_get(setup_user(user)) == 1 && userbus_runtime(runtime) == 0;
	int r = was_on ? 0 : linger_enable(NULL, getuid(), &error);

	if (r == 0) {
		report_ok(&deploy->report, "linger", NULL,
			"%s for %s: services run without a login", was_on ? "is on" : "switched on",
			user);
		return CLI_OK;
	}
	if (r == -ENOENT)
		snprintf(next, sizeof next,
			"sudo apt-get install dbus libpam-systemd, then again: `%s`",
			deploy->again);
	else
		snprintf(next, sizeof next, "sudo loginctl enable-linger %s, then again: `%s`",
			user, deploy->again);
	return report_failed(&deploy->report, r == -EACCES ? CLI_REFUSED : CLI_INTERNAL, "linger",
		NULL, next, "%s%s",
		r == -EACCES ? "a user may not switch it on here: polkitd does not run, or its "
			       "rules forbid it: "
			     : "",
		error.message ? error.message : strerror(-r));
}

static int setup_connect_until(struct deploy *deploy, int64_t wait_ns, const char *next)
{
	const unsigned uid = (unsigned)getuid();
	int r = manager_connect(&deploy->manager, clock_mono_ns(&clock_real) + wait_ns);

	if (r == -ETIMEDOUT)
		return report_failed(&deploy->report, CLI_TEMPFAIL, "manager", NULL, next,
			"no manager of this user answers (/run/user/%u/systemd/private)", uid);
	if (r == -EPERM)
		return report_failed(&deploy->report, CLI_REFUSED, "manager", NULL, NULL,
			"/run/user/%u is not this user's alone", uid);
	return r < 0 ? units_tell_error(deploy, "manager", NULL, r, NULL) : CLI_OK;
}

int setup_manager(struct deploy *deploy)
{
	CLEANUP_FREE char *version = NULL;
	char next[REPORT_TEXT_MAX];
	int r = user_is_system() ? CLI_OK : setup_linger(deploy);

	if (r != CLI_OK)
		return r;
	snprintf(next, sizeof next, "systemctl status user@%u", (unsigned)getuid());
	r = setup_connect_until(deploy, MANAGER_COMES_NS, next);
	if (r != CLI_OK)
		return r;
	sd_bus_get_property_string(deploy->manager.bus, USERBUS_SYSTEMD, USERBUS_PATH,
		USERBUS_MANAGER, "Version", NULL, &version);
	report_ok(&deploy->report, "manager", NULL, "the %s systemd %s answers",
		user_is_system() ? "system's" : "user's", version ? version : "");
	return CLI_OK;
}

int setup_connect(struct deploy *deploy)
{
	return setup_connect_until(deploy, MANAGER_RUNS_NS,
		"deploypi capture, or deploypi pull: they switch lingering on");
}
