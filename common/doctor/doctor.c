/* SPDX-License-Identifier: MIT */
/*
 * Findings of `doctor`, for people and for scripts; the user's manager, its units, the login shell.
 */
#include "common/doctor/doctor.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"

#define RESTARTS_MANY 5

struct doctor_finding doctor_find(enum doctor_verdict verdict, const char *fmt, ...)
{
	struct doctor_finding finding = { .verdict = verdict };
	char text[2 * DOCTOR_TEXT_MAX], *end;
	va_list values;

	va_start(values, fmt);
	vsnprintf(text, sizeof text, fmt, values);
	va_end(values);
	end = strchrnul(text, '\n');
	if (*end)
		text_clean(end + 1, strlen(end + 1), finding.fix, sizeof finding.fix);
	text_clean(text, (size_t)(end - text), finding.text, sizeof finding.text);
	return finding;
}

const char *doctor_verdict_name(enum doctor_verdict verdict)
{
	static const char *const names[DOCTOR_VERDICTS] = { "ok", "info", "warn", "fail" };

	return names[verdict];
}

/* Fixes are written for the first camera: each command of the program gets the other one's name. */
static void fix_name_camera(const struct cli *cli, char fix[static DOCTOR_TEXT_MAX])
{
	char command[CLI_NAME_MAX], named[DOCTOR_TEXT_MAX], *at = fix;

	if (!cli->name)
		return;
	snprintf(command, sizeof command, "`%s", cli->program->name);
	while ((at = strstr(at, command))) {
		at += strlen(command);
		snprintf(named, sizeof named, " --name %s%s", cli->name, at);
		snprintf(at, (size_t)(fix + DOCTOR_TEXT_MAX - at), "%s", named);
	}
}

static void doctor_print(
	const struct doctor *doctor, const char *check, const struct doctor_finding *finding)
{
	char name[96];

	snprintf(name, sizeof name, "%s%s%s", doctor->camera ? doctor->camera : "",
		doctor->camera ? " " : "", check);
	text_print(stdout, "%-4s  %-14s %s%s%s\n", doctor_verdict_name(finding->verdict), name,
		finding->text, *finding->fix ? "; " : "", finding->fix);
	fflush(stdout);
}

void doctor_tell(struct doctor *doctor, const char *check, struct doctor_finding finding)
{
	struct json_object *object;
	char hint[DOCTOR_TEXT_MAX];

	if (!*finding.text)
		return;
	doctor->counts[finding.verdict]++;
	fix_name_camera(doctor->cli, finding.fix);
	if (user_hint(finding.fix, hint, sizeof hint) == hint)
		strcpy(finding.fix, hint);
	if (!doctor->json) {
		doctor_print(doctor, check, &finding);
		return;
	}
	object = json_object_new_object();
	json_add_text(object, "check", check);
	if (doctor->camera)
		json_add_text(object, "camera", doctor->camera);
	json_add_text(object, "verdict", doctor_verdict_name(finding.verdict));
	json_add_text(object, "text", finding.text);
	if (*finding.fix)
		json_add_text(object, "fix", finding.fix);
	json_print(object);
}

/* A socket that accepts proves little, since the manager may hang: it must answer. */
static int doctor_connect(struct doctor *doctor)
{
	int r = userbus_open(&doctor->bus);

	if (r == 0)
		r = sd_bus_call_method(doctor->bus, USERBUS_SYSTEMD, USERBUS_PATH,
			"org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);
	if (r < 0)
		doctor->bus = sd_bus_flush_close_unref(doctor->bus);
	return r < 0 ? r : 0;
}

int doctor_begin(struct doctor *doctor, struct cli *cli, const char *deploy, void **ret_settings)
{
	const struct passwd *entry = getpwuid(getuid());
	const char *user = entry ? entry->pw_name : "";
	int r = cli_settings(cli, CLI_STRICT, ret_settings);
	struct doctor_finding finding = doctor_find(DOCTOR_OK, "are right");

	*doctor = (struct doctor){ .cli = cli, .json = cli_flag(cli, "json") };
	snprintf(doctor->user, sizeof doctor->user, "%s", user);
	if (r != CLI_OK) {
		r = cli_settings(cli, CLI_LENIENT, ret_settings);
		finding = doctor_find(DOCTOR_FAIL, "have mistakes%s\nsee `%s check`",
			cli->last_good ? ": the last good ones hold" : "", cli->program->name);
	}
	doctor_tell(doctor, "settings", finding);
	if (r != CLI_OK)
		return r;
	if (!user_is_system())
		doctor_tell(doctor, "linger", doctor_linger(user, linger_get(user), deploy));
	doctor_tell(doctor, "manager", doctor_manager(user, getuid(), doctor_connect(doctor)));
	return CLI_OK;
}

int doctor_end(struct doctor *doctor)
{
	const unsigned *n = doctor->counts;
	struct json_object *object;

	doctor->bus = sd_bus_flush_close_unref(doctor->bus);
	if (doctor->json) {
		object = json_object_new_object();
		for (enum doctor_verdict v = 0; v < DOCTOR_VERDICTS; v++)
			json_add_number(object, doctor_verdict_name(v), n[v]);
		json_print(object);
	} else {
		text_print(stdout, "%u ok, %u to know, %u to look at, %u to mend\n", n[DOCTOR_OK],
			n[DOCTOR_INFO], n[DOCTOR_WARN], n[DOCTOR_FAIL]);
	}
	return n[DOCTOR_FAIL] ? CLI_INTERNAL : CLI_OK;
}

int doctor_read_file(const char *path, char **ret)
{
	CLEANUP_FILE FILE *file = fopen(path, "re");
	CLEANUP_FREE char *text = NULL;
	size_t size = 0;

	if (!file)
		return -errno;
	if (getdelim(&text, &size, '\0', file) < 0) {
		if (ferror(file))
			return -EIO;
		text = calloc(1, 1);
	}
	*ret = TAKE_PTR(text);
	return *ret ? 0 : -ENOMEM;
}

struct doctor_finding doctor_linger(const char *user, int lingers, const char *deploy)
{
	if (lingers < 0)
		return doctor_find(DOCTOR_WARN, "not known: %s", strerror(-lingers));
	if (lingers)
		return doctor_find(DOCTOR_OK, "%s lingers", user);
	return doctor_find(DOCTOR_FAIL,
		"%s does not linger: everything ends with the last log-out\n"
		"run `%s`, or `loginctl enable-linger %s` alone",
		user, deploy, user);
}

struct doctor_finding doctor_manager(const char *user, uid_t uid, int error)
{
	if (error == 0)
		return doctor_find(DOCTOR_OK, "the systemd manager of %s answers",
			user_is_system() ? "the system" : user);
	if (error == -ENOENT)
		return doctor_find(DOCTOR_FAIL,
			"no systemd manager of %s runs\n"
			"enable lingering, or as root `systemctl start user@%u`",
			user, uid);
	return doctor_find(DOCTOR_FAIL,
		"the systemd manager of %s does not answer: %s\nlook at `systemctl status user@%u`",
		user, strerror(-error), uid);
}

struct doctor_finding doctor_groups_judge(
	const char *user, uid_t uid, int user_has, int manager_has)
{
	if (user_has < 0)
		return doctor_find(DOCTOR_WARN,
			"there is no group `video`\n"
			"see that %s may read and write /dev/video* and /dev/media*",
			user);
	if (user_has == 0)
		return doctor_find(DOCTOR_FAIL,
			"%s is not in the group `video`\n"
			"run `sudo usermod -aG video %s`, then `sudo systemctl restart user@%u`",
			user, user, uid);
	if (manager_has == 0)
		return doctor_find(DOCTOR_FAIL,
			"%s is in the group `video`, but their manager started before that\n"
			"run `sudo systemctl restart user@%u`, or restart the machine",
			user, uid);
	return doctor_find(DOCTOR_OK, "%s is in the group `video`%s", user,
		manager_has > 0 ? ", and so is their manager" : "");
}

struct doctor_finding doctor_groups(const char *user, pid_t manager)
{
	const struct group *video = getgrnam("video");
	const gid_t gid = video ? video->gr_gid : 0;

	if (getuid() == 0)
		return doctor_find(DOCTOR_OK, "not needed here");
	return doctor_groups_judge(user, getuid(), video ? user_has_group(user, gid) : -ENOENT,
		manager > 0 && !user_is_system() ? process_has_group(manager, gid) : -ENOTCONN);
}

static bool word_is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

void doctor_unit_read(sd_bus *bus, const char *name, struct unit_state *ret)
{
	int r = unit_state_read(bus, name, ret);

	if (r == 0)
		return;
	*ret = (struct unit_state){ .load = "not known" };
	snprintf(ret->name, sizeof ret->name, "%s", name);
	snprintf(ret->load_error, sizeof ret->load_error, "%s", strerror(-r));
}

bool doctor_unit_is_used(const struct unit_state *unit)
{
	return word_is(unit->load, "loaded") &&
		(unit_is_enabled(unit) || !word_is(unit->active, "inactive"));
}

/* What sets a unit up: deploypi, where it is one of those that it knows. */
static const char *unit_setup_command(const char *unit, char *buf, size_t size)
{
	static const struct {
		const char *start, *command;
	} setups[] = {
		{ "capturepi.", "deploypi capture" },
		{ "capturepi@", "deploypi capture --name " },
		{ "pullpi-follow@", "deploypi pull --follow --camera " },
		{ "pullpi-watch.", "deploypi pull" },
		{ "pullpi-", "deploypi pull --camera " },
	};
	char instance[UNIT_NAME_MAX] = "";

	(void)unit_instance(unit, "", instance);
	snprintf(buf, size, "systemctl --user enable --now %s", unit);
	for (size_t i = ARRAY_SIZE(setups); i-- > 0;)
		if (strncmp(unit, setups[i].start, strlen(setups[i].start)) == 0)
			snprintf(buf, size, "%s%s", setups[i].command, instance);
	return buf;
}

/* What every unit may have; without text: none of it. */
static struct doctor_finding unit_find_problem(const struct unit_state *unit)
{
	const char *name = unit->name;
	char fix[OUTCOME_TEXT_MAX];
	struct outcome o;

	outcome_judge(UNIT_START, "done", unit, false, NULL, &o);
	if (word_is(unit->load, "loaded") && word_is(unit->active, "inactive"))
		return unit_is_enabled(unit)
			? doctor_find(DOCTOR_FAIL,
				  "%s does not run\nrun `systemctl --user start %s`", name, name)
			: doctor_find(DOCTOR_FAIL, "%s does not run and is not enabled\nrun `%s`",
				  name, unit_setup_command(name, fix, sizeof fix));
	if (o.code == CLI_OK)
		return (struct doctor_finding){ .text = "" };
	if (o.code == CLI_TEMPFAIL)
		return doctor_find(DOCTOR_WARN, "%s: %s", name, o.text);
	snprintf(fix, sizeof fix, "look at `journalctl --user -u %s -n 20`", name);
	return doctor_find(DOCTOR_FAIL, "%s: %s\n%s", name, o.text, *o.next ? o.next : fix);
}

struct doctor_finding doctor_unit(const struct unit_state *unit, int64_t now_us)
{
	const struct doctor_finding problem = unit_find_problem(unit);
	const bool timer = word_is(strrchr(unit->name, '.'), ".timer");
	const bool has_next = unit->next_us != 0 && unit->next_us != UNIT_TIME_NONE;
	const char *name = unit->name;
	char left[UTC_TEXT_MAX];

	if (*problem.text)
		return problem;
	/* while its service runs a timer has no next time */
	if (timer && !has_next && !word_is(unit->sub, "running"))
		return doctor_find(DOCTOR_FAIL,
			"%s is dead: it never fires again\nrun `systemctl --user restart %s`", name,
			name);
	if (!unit_is_enabled(unit))
		return doctor_find(DOCTOR_WARN,
			"%s runs, and will not after a restart\nrun `systemctl --user enable %s`",
			name, name);
	if (timer && has_next && (int64_t)unit->next_us > now_us)
		return doctor_find(DOCTOR_OK, "%s is enabled, next in %s", name,
			duration_format((int64_t)unit->next_us - now_us, left));
	if (unit->restarts >= RESTARTS_MANY)
		return doctor_find(DOCTOR_WARN,
			"%s runs, and was started again %u times\nlook at `journalctl --user -u "
			"%s`",
			name, unit->restarts, name);
	return doctor_find(DOCTOR_OK, "%s is enabled and %s", name, timer ? "at work" : "runs");
}

/* The file that such a shell reads at each start, and the line that ends it where nobody types. */
static const char *shell_fix(const char *shell, const char *home, char *buf, size_t size)
{
	static const struct {
		const char *shell, *file, *line;
	} files[] = {
		{ "/bash", ".bashrc", "case $- in *i*) ;; *) return ;; esac" },
		{ "/zsh", ".zshenv", "[[ -o interactive ]] || return" },
		{ "/fish", ".config/fish/config.fish", "status is-interactive; or exit" },
		{ "/tcsh", ".tcshrc", "if (! $?prompt) exit" },
		{ "/csh", ".cshrc", "if (! $?prompt) exit" },
	};
	const char *name = strrchr(shell, '/');

	if (!*shell)
		snprintf(buf, size,
			"`capturepi doctor` there names the file; for bash put `%s` at the top of "
			"~/%s",
			files[0].line, files[0].file);
	else
		snprintf(buf, size, "find what its start-up files print, and remove that");
	for (size_t i = 0; name && i < ARRAY_SIZE(files); i++)
		if (word_is(name, files[i].shell))
			snprintf(buf, size, "put `%s` at the top of %s/%s", files[i].line, home,
				files[i].file);
	return buf;
}

struct doctor_finding doctor_shell(
	const char *shell, const char *home, int error, int code, const char *said)
{
	const char *name = *shell ? shell : "there", *line = said + strspn(said, "\r\n");
	const int length = (int)strcspn(line, "\r\n");
	char fix[DOCTOR_TEXT_MAX];

	shell_fix(shell, home, fix, sizeof fix);
	if (error == -EFBIG || error == -ETIMEDOUT)
		return doctor_find(DOCTOR_FAIL, "the login shell %s %s\n%s", name,
			error == -EFBIG ? "prints without an end"
					: "does not run a command in time",
			fix);
	if (error < 0)
		return doctor_find(DOCTOR_FAIL, "the login shell %s cannot be run: %s", name,
			strerror(-error));
	if (code != 0)
		return doctor_find(DOCTOR_FAIL,
			"the login shell %s does not run commands (exit status %d)\n"
			"sshd needs one that does: chsh -s /bin/bash",
			name, code);
	if (*said)
		return doctor_find(DOCTOR_WARN,
			"the login shell %s prints \"%.*s\" before what it runs\n%s", name,
			length < 60 ? length : 60, line, fix);
	return doctor_find(DOCTOR_OK, "%s prints nothing of its own", name);
}
