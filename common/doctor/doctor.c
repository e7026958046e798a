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
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

#define CALL_US (UINT64_C(5) * 1000000)
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

void doctor_tell(struct doctor *doctor, const char *check, struct doctor_finding finding)
{
	const char *verdict = doctor_verdict_name(finding.verdict);
	struct json_object *object;
	char name[96];

	doctor->counts[finding.verdict]++;
	if (!doctor->json) {
		snprintf(name, sizeof name, "%s%s%s", doctor->camera ? doctor->camera : "",
			doctor->camera ? " " : "", check);
		printf("%-4s  %-14s %s%s%s\n", verdict, name, finding.text,
			*finding.fix ? "; " : "", finding.fix);
		fflush(stdout);
		return;
	}
	object = json_object_new_object();
	json_add_text(object, "check", check);
	if (doctor->camera)
		json_add_text(object, "camera", doctor->camera);
	json_add_text(object, "verdict", verdict);
	json_add_text(object, "text", finding.text);
	if (*finding.fix)
		json_add_text(object, "fix", finding.fix);
	json_print(object);
}

static void doctor_read_user(struct doctor *doctor)
{
	const struct passwd *entry = getpwuid(getuid());
	struct doctor_user *user = &doctor->user;
	int r;

	*user = (struct doctor_user){ .uid = getuid() };
	snprintf(user->name, sizeof user->name, "%s", entry ? entry->pw_name : "");
	r = linger_get(user->name);
	user->lingers = r > 0;
	user->linger_error = r < 0 ? r : 0;
	r = userbus_open(&doctor->bus);
	if (r == 0) /* a socket that accepts proves little: the manager may hang */
		r = sd_bus_set_method_call_timeout(doctor->bus, CALL_US);
	if (r >= 0)
		r = sd_bus_call_method(doctor->bus, USERBUS_SYSTEMD, USERBUS_PATH,
			"org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);
	user->manager_error = r < 0 ? r : 0;
	if (r < 0)
		doctor->bus = sd_bus_flush_close_unref(doctor->bus);
	else
		user->manager_pid = userbus_pid(doctor->bus);
}

int doctor_begin(struct doctor *doctor, struct cli *cli, const char *deploy, void **ret_settings)
{
	int r = cli_settings(cli, CLI_STRICT, ret_settings);

	*doctor = (struct doctor){ .cli = cli, .json = cli_flag(cli, "json") };
	if (r == CLI_OK) {
		doctor_tell(doctor, "settings", doctor_find(DOCTOR_OK, "are right"));
	} else {
		r = cli_settings(cli, CLI_LENIENT, ret_settings);
		doctor_tell(doctor, "settings",
			doctor_find(DOCTOR_FAIL, "have mistakes%s\nsee `%s check`",
				cli->last_good ? ": the last good ones hold" : "", cli->call));
	}
	if (r != CLI_OK)
		return r;
	doctor_read_user(doctor);
	doctor_tell(doctor, "linger", doctor_linger(&doctor->user, deploy));
	doctor_tell(doctor, "manager", doctor_manager(&doctor->user));
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
		printf("%u ok, %u to know, %u to look at, %u to mend\n", n[DOCTOR_OK],
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

struct doctor_finding doctor_linger(const struct doctor_user *user, const char *deploy)
{
	if (user->linger_error < 0)
		return doctor_find(DOCTOR_WARN, "not known: %s", strerror(-user->linger_error));
	if (user->lingers)
		return doctor_find(DOCTOR_OK, "%s lingers", user->name);
	return doctor_find(DOCTOR_FAIL,
		"%s does not linger: everything ends with the last log-out\n"
		"run `%s`, or `loginctl enable-linger %s` alone",
		user->name, deploy, user->name);
}

struct doctor_finding doctor_manager(const struct doctor_user *user)
{
	const unsigned uid = (unsigned)user->uid;

	if (user->manager_error == 0)
		return doctor_find(DOCTOR_OK, "the systemd manager of %s answers", user->name);
	if (user->manager_error == -ENOENT)
		return doctor_find(DOCTOR_FAIL,
			"no systemd manager of %s runs\n"
			"enable lingering, or as root `systemctl start user@%u`",
			user->name, uid);
	return doctor_find(DOCTOR_FAIL,
		"the systemd manager of %s does not answer: %s\nlook at `systemctl status user@%u`",
		user->name, strerror(-user->manager_error), uid);
}

void doctor_groups_read(const struct doctor_user *user, bool needed, struct doctor_groups *ret)
{
	const struct group *video = getgrnam("video");
	const gid_t group = video ? video->gr_gid : 0;

	*ret = (struct doctor_groups){
		.user = user->name,
		.uid = (unsigned)user->uid,
		.needed = needed && user->uid != 0,
		.exists = video != NULL,
		.in_database = video && user_has_group(user->name, group),
		.in_manager = user->manager_pid > 0 ? process_has_group(user->manager_pid, group)
						    : -ENOTCONN,
	};
}

struct doctor_finding doctor_groups(const struct doctor_groups *g)
{
	if (!g->needed)
		return doctor_find(DOCTOR_OK, "not needed here");
	if (!g->exists)
		return doctor_find(DOCTOR_WARN,
			"there is no group `video`\n"
			"see that %s may read and write /dev/video* and /dev/media*",
			g->user);
	if (!g->in_database)
		return doctor_find(DOCTOR_FAIL,
			"%s is not in the group `video`\n"
			"run `sudo usermod -aG video %s`, then `sudo systemctl restart user@%u`",
			g->user, g->user, g->uid);
	if (g->in_manager == 0)
		return doctor_find(DOCTOR_FAIL,
			"%s is in the group `video`, but their manager was started before\n"
			"run `sudo systemctl restart user@%u`, or restart the machine",
			g->user, g->uid);
	return doctor_find(DOCTOR_OK, "%s is in the group `video`%s", g->user,
		g->in_manager > 0 ? ", and so is their manager" : "");
}

int doctor_unit_read(sd_bus *bus, const char *name, struct unit_state *ret)
{
	return bus ? unit_state_read(bus, name, ret) : -ENOTCONN;
}

static bool word_is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

bool doctor_unit_used(int error, const struct unit_state *unit)
{
	return error == 0 && word_is(unit->load, "loaded") &&
		(unit_is_enabled(unit) || !word_is(unit->active, "inactive"));
}

/* What sets a unit up: deploypi, where it is one of those that it knows. */
static const char *unit_setup_command(const char *unit, char *buf, size_t size)
{
	const size_t n = strcspn(unit, "@.");
	const bool capture = n == strlen("capturepi") && strncmp(unit, "capturepi", n) == 0;
	const bool pull = strncmp(unit, "pullpi-", strlen("pullpi-")) == 0;
	const bool follow = strncmp(unit, "pullpi-follow", n) == 0;
	char instance[UNIT_NAME_MAX] = "";
	const bool has = unit_instance(unit, "", instance) == 0;

	if (capture || pull)
		snprintf(buf, size, "deploypi %s%s%s",
			capture          ? "capture"
				: follow ? "pull --follow"
					 : "pull",
			!has              ? ""
				: capture ? " --name "
					  : " --camera ",
			instance);
	else
		snprintf(buf, size, "systemctl --user enable --now %s", unit);
	return buf;
}

static struct doctor_finding find_not_running(const char *name, const struct unit_state *unit)
{
	char command[UNIT_NAME_MAX + 64];

	if (unit_is_enabled(unit))
		return doctor_find(DOCTOR_FAIL, "%s does not run\nrun `systemctl --user start %s`",
			name, name);
	return doctor_find(DOCTOR_FAIL, "%s does not run and is not enabled\nrun `%s`", name,
		unit_setup_command(name, command, sizeof command));
}

/* What every unit may have; true: `ret` is the finding. */
static bool find_unit_problem(
	int error, const char *name, const struct unit_state *unit, struct doctor_finding *ret)
{
	struct outcome o;

	outcome_judge(UNIT_START, "done", unit, false, NULL, &o);
	if (error < 0)
		*ret = doctor_find(DOCTOR_FAIL, "%s: not known: %s", name, strerror(-error));
	else if (word_is(unit->load, "loaded") && word_is(unit->active, "inactive"))
		*ret = find_not_running(name, unit);
	else if (o.code == CLI_OK)
		return false;
	else if (o.code == CLI_TEMPFAIL)
		*ret = doctor_find(DOCTOR_WARN, "%s: %s", name, o.text);
	else if (*o.next)
		*ret = doctor_find(DOCTOR_FAIL, "%s: %s\n%s", name, o.text, o.next);
	else
		*ret = doctor_find(DOCTOR_FAIL, "%s: %s\nlook at `journalctl --user -u %s -n 20`",
			name, o.text, name);
	return true;
}

static struct doctor_finding find_not_enabled(const char *name)
{
	return doctor_find(DOCTOR_WARN,
		"%s runs, and will not after a restart\nrun `systemctl --user enable %s`", name,
		name);
}

struct doctor_finding doctor_service(int error, const char *name, const struct unit_state *unit)
{
	struct doctor_finding finding;

	if (find_unit_problem(error, name, unit, &finding))
		return finding;
	if (!unit_is_enabled(unit))
		return find_not_enabled(name);
	if (unit->restarts >= RESTARTS_MANY)
		return doctor_find(DOCTOR_WARN,
			"%s runs, and had to be started again %u times\n"
			"look at `journalctl --user -u %s`",
			name, unit->restarts, name);
	return doctor_find(DOCTOR_OK, "%s is enabled and runs", name);
}

struct doctor_finding doctor_timer(
	int error, const char *name, const struct unit_state *unit, int64_t now_us)
{
	struct doctor_finding finding;
	bool has_next;
	char left[UTC_TEXT_MAX];

	if (find_unit_problem(error, name, unit, &finding))
		return finding;
	has_next = unit->next_us != 0 && unit->next_us != UNIT_TIME_NONE;
	/* while its service runs a timer has no next time */
	if (!word_is(unit->sub, "running") && !has_next)
		return doctor_find(DOCTOR_FAIL,
			"%s is dead: it never fires again\nrun `systemctl --user restart %s`", name,
			name);
	if (!unit_is_enabled(unit))
		return find_not_enabled(name);
	if (!has_next || (int64_t)unit->next_us <= now_us)
		return doctor_find(DOCTOR_OK, "%s is enabled and at work", name);
	return doctor_find(DOCTOR_OK, "%s is enabled, next in %s", name,
		duration_format((int64_t)unit->next_us - now_us, left));
}

/* The file that such a shell reads at each start, and what ends it where nobody types. */
static const char *shell_fix(const struct doctor_shell *shell, char *buf, size_t size)
{
	static const struct {
		const char *shell, *file, *line;
	} files[] = {
		{ "bash", ".bashrc", "case $- in *i*) ;; *) return ;; esac" },
		{ "zsh", ".zshenv", "[[ -o interactive ]] || return" },
		{ "fish", ".config/fish/config.fish", "status is-interactive; or exit" },
		{ "tcsh", ".tcshrc", "if (! $?prompt) exit" },
		{ "csh", ".cshrc", "if (! $?prompt) exit" },
	};
	const char *name = strrchr(shell->shell, '/');

	if (*shell->shell)
		snprintf(buf, size, "find what its start-up files print, and let them");
	else
		snprintf(buf, size,
			"`capturepi doctor` there names the file; for bash put `%s` at the top of "
			"~/%s",
			files[0].line, files[0].file);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (name && word_is(name + 1, files[i].shell))
			snprintf(buf, size, "put `%s` at the top of %s/%s", files[i].line,
				shell->home, files[i].file);
	return buf;
}

struct doctor_finding doctor_shell(const struct doctor_shell *shell)
{
	const char *name = *shell->shell ? shell->shell : "there";
	const char *said = shell->said + strspn(shell->said, "\r\n");
	const int length = (int)strcspn(said, "\r\n");
	char fix[DOCTOR_TEXT_MAX];

	shell_fix(shell, fix, sizeof fix);
	if (shell->error == -EFBIG || shell->error == -ETIMEDOUT)
		return doctor_find(DOCTOR_FAIL, "the login shell %s %s\n%s", name,
			shell->error == -EFBIG ? "prints without an end"
					       : "does not run a command in time",
			fix);
	if (shell->error < 0)
		return doctor_find(DOCTOR_FAIL, "the login shell %s cannot be run: %s", name,
			strerror(-shell->error));
	if (shell->code != 0)
		return doctor_find(DOCTOR_FAIL,
			"the login shell %s does not run commands (exit status %d)\n"
			"sshd needs one that does: chsh -s /bin/bash",
			name, shell->code);
	if (*shell->said)
		return doctor_find(DOCTOR_WARN,
			"the login shell %s prints \"%.*s\" before what it runs\n%s", name,
			length < 60 ? length : 60, said, fix);
	return doctor_find(DOCTOR_OK, "%s prints nothing of its own", name);
}
