/* SPDX-License-Identifier: MIT */
/* The user's manager and its units, as `doctor` sees them. */
#include "common/doctor_host.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "common/clock.h"
#include "common/utc.h"

#define CALL_US (UINT64_C(5) * 1000000)
#define RESTARTS_MANY 5

int doctor_read_file(const char *path, char **ret)
{
	CLEANUP_FILE FILE *file = fopen(path, "re");
	CLEANUP_FILE FILE *out = NULL;
	CLEANUP_FREE char *text = NULL;
	size_t length = 0, n;
	char block[8192];

	if (!file)
		return -errno;
	out = open_memstream(&text, &length);
	if (!out)
		return -errno;
	while ((n = fread(block, 1, sizeof block, file)) > 0) {
		if (fwrite(block, 1, n, out) != n || fflush(out) != 0)
			return -ENOMEM;
		if (length > DOCTOR_FILE_MAX)
			return -EFBIG;
	}
	if (ferror(file))
		return -EIO;
	if (fclose(TAKE_PTR(out)) != 0)
		return -ENOMEM;
	*ret = TAKE_PTR(text);
	return 0;
}

/* A socket that accepts proves little: the manager may hang. */
static int ask_manager(sd_bus *bus)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(
		bus, &call, USERBUS_SYSTEMD, USERBUS_PATH, "org.freedesktop.DBus.Peer", "Ping");

	return r < 0 ? r : sd_bus_call(bus, call, CALL_US, NULL, NULL);
}

void doctor_user_read(struct doctor_user *ret, sd_bus **ret_bus)
{
	CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	struct passwd entry, *found = NULL;
	char buffer[4096];
	int r;

	*ret = (struct doctor_user){ .uid = getuid() };
	if (getpwuid_r(ret->uid, &entry, buffer, sizeof buffer, &found) == 0 && found)
		snprintf(ret->name, sizeof ret->name, "%s", entry.pw_name);
	ret->linger_error = linger_get(ret->name, &ret->lingers);
	r = userbus_open(&bus);
	if (r == 0)
		r = ask_manager(bus);
	ret->manager_error = r < 0 ? r : 0;
	if (r >= 0) {
		ret->manager_pid = userbus_pid(bus);
		*ret_bus = TAKE_PTR(bus);
	} else {
		*ret_bus = NULL;
	}
}

struct doctor_finding doctor_linger(const struct doctor_user *user, const char *deploy)
{
	if (user->linger_error < 0)
		return doctor_find(DOCTOR_WARN, "not known: %s", strerror(-user->linger_error));
	if (user->lingers)
		return doctor_find(DOCTOR_OK, "%s lingers", user->name);
	return doctor_fix(
		doctor_find(DOCTOR_FAIL,
			"%s does not linger: everything ends with the last log-out", user->name),
		"run `%s`, or `loginctl enable-linger %s` alone", deploy, user->name);
}

struct doctor_finding doctor_manager(const struct doctor_user *user)
{
	const unsigned uid = (unsigned)user->uid;

	if (user->manager_error == 0)
		return doctor_find(DOCTOR_OK, "the systemd manager of %s answers", user->name);
	if (user->manager_error == -ENOENT)
		return doctor_fix(
			doctor_find(DOCTOR_FAIL, "no systemd manager of %s runs", user->name),
			"enable lingering, or as root `systemctl start user@%u`", uid);
	return doctor_fix(doctor_find(DOCTOR_FAIL, "the systemd manager of %s does not answer: %s",
				  user->name, strerror(-user->manager_error)),
		"look at `systemctl status user@%u`", uid);
}

int doctor_unit_read(sd_bus *bus, const char *name, struct unit_state *ret)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

	return bus ? unit_state_read(bus, name, CALL_US, &error, ret) : -ENOTCONN;
}

static bool is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

static bool is_enabled(const struct unit_state *unit)
{
	return strncmp(unit->file_state, "enabled", strlen("enabled")) == 0;
}

/* What every unit may have; true: `ret` is the finding. */
static bool find_unloaded(
	int error, const char *name, const struct unit_state *unit, struct doctor_finding *ret)
{
	if (error < 0)
		*ret = doctor_find(DOCTOR_FAIL, "%s: not known: %s", name, strerror(-error));
	else if (is(unit->load, "not-found"))
		*ret = doctor_fix(doctor_find(DOCTOR_FAIL, "%s is not installed", name),
			"install the package, then `systemctl --user daemon-reload`");
	else if (is(unit->load, "masked"))
		*ret = doctor_fix(doctor_find(DOCTOR_FAIL, "%s is masked", name),
			"run `systemctl --user unmask %s`", name);
	else if (!is(unit->load, "loaded"))
		*ret = doctor_fix(doctor_find(DOCTOR_FAIL, "%s is not loaded: %s", name,
					  *unit->load_error ? unit->load_error : unit->load),
			"look at `systemctl --user status %s`", name);
	else
		return false;
	return true;
}

/* What sets a unit up: deploypi, where it is one of those that it knows. */
static const char *deploy_command(const char *unit, char *buf, size_t size)
{
	static const struct {
		const char *unit, *command, *option; /* its option says which instance */
	} units[] = {
		{ "pullpi-latest", "deploypi pull", "--camera" },
		{ "pullpi-sync", "deploypi pull", "--camera" },
		{ "pullpi-follow", "deploypi pull --follow", "--camera" },
		{ "capturepi", "deploypi capture", "--name" },
	};
	size_t len = strcspn(unit, "@.");
	const char *instance = unit[len] == '@' ? unit + len + 1 : "", *type = strrchr(unit, '.');

	snprintf(buf, size, "systemctl --user enable --now %s", unit);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strlen(units[i].unit) != len || strncmp(units[i].unit, unit, len) != 0)
			continue;
		snprintf(buf, size, "%s%s%s%s%.*s", units[i].command, *instance ? " " : "",
			*instance ? units[i].option : "", *instance ? " " : "",
			type > instance ? (int)(type - instance) : 0, instance);
	}
	return buf;
}

static struct doctor_finding not_running(const char *name, const struct unit_state *unit)
{
	char command[UNIT_NAME_MAX + 64];

	if (is(unit->active, "failed") || is(unit->sub, "auto-restart"))
		return doctor_fix(
			doctor_find(DOCTOR_FAIL, "%s failed (%s)%s", name, unit->result,
				is(unit->sub, "auto-restart") ? " and is started again" : ""),
			"look at `journalctl --user -u %s -n 20`", name);
	if (!is(unit->active, "inactive"))
		return doctor_find(DOCTOR_WARN, "%s is %s (%s)", name, unit->active, unit->sub);
	if (is_enabled(unit))
		return doctor_fix(doctor_find(DOCTOR_FAIL, "%s does not run", name),
			"run `systemctl --user start %s`", name);
	return doctor_fix(doctor_find(DOCTOR_FAIL, "%s does not run and is not enabled", name),
		"run `%s`", deploy_command(name, command, sizeof command));
}

struct doctor_finding doctor_service(int error, const char *name, const struct unit_state *unit)
{
	struct doctor_finding finding;

	if (find_unloaded(error, name, unit, &finding))
		return finding;
	if (!is(unit->active, "active"))
		return not_running(name, unit);
	if (!is_enabled(unit))
		return doctor_fix(
			doctor_find(DOCTOR_WARN, "%s runs, and will not after a restart", name),
			"run `systemctl --user enable %s`", name);
	if (unit->restarts >= RESTARTS_MANY)
		return doctor_fix(
			doctor_find(DOCTOR_WARN, "%s runs, and had to be started again %u times",
				name, unit->restarts),
			"look at `journalctl --user -u %s`", name);
	return doctor_find(DOCTOR_OK, "%s is enabled and runs", name);
}

struct doctor_finding doctor_timer(
	int error, const char *name, const struct unit_state *unit, int64_t now_us)
{
	struct doctor_finding finding;
	bool has_next = false;
	char left[UTC_TEXT_MAX];

	if (find_unloaded(error, name, unit, &finding))
		return finding;
	if (!is(unit->active, "active"))
		return not_running(name, unit);
	has_next = unit->next_us != 0 && unit->next_us != UNIT_TIME_NONE;
	/* while its service runs a timer has no next time */
	if (!is(unit->sub, "running") && !has_next)
		return doctor_fix(
			doctor_find(DOCTOR_FAIL, "%s is dead: it never fires again", name),
			"run `systemctl --user restart %s`", name);
	if (!is_enabled(unit))
		return doctor_fix(
			doctor_find(DOCTOR_WARN, "%s runs, and will not after a restart", name),
			"run `systemctl --user enable %s`", name);
	if (!has_next || (int64_t)unit->next_us <= now_us)
		return doctor_find(DOCTOR_OK, "%s is enabled and at work", name);
	return doctor_find(DOCTOR_OK, "%s is enabled, next in %s", name,
		duration_format((int64_t)unit->next_us - now_us, left));
}

/* The file that such a shell reads at each start, and what ends it where nobody types. */
static struct doctor_finding shell_fix(
	struct doctor_finding finding, const struct doctor_shell *shell)
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

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (name && strcmp(name + 1, files[i].shell) == 0)
			return doctor_fix(finding, "put `%s` at the top of %s/%s", files[i].line,
				shell->home, files[i].file);
	}
	if (*shell->shell)
		return doctor_fix(finding, "find what its start-up files print, and let them");
	return doctor_fix(finding,
		"`capturepi doctor` there names the file; for bash put `%s` at the top of ~/%s",
		files[0].line, files[0].file);
}

struct doctor_finding doctor_shell(const struct doctor_shell *shell)
{
	const char *name = *shell->shell ? shell->shell : "there";
	int line = (int)strcspn(shell->said + strspn(shell->said, "\r\n"), "\r\n");

	switch (shell->error) {
	case 0:
		break;
	case -EFBIG:
		return shell_fix(
			doctor_find(DOCTOR_FAIL, "the login shell %s prints without an end", name),
			shell);
	case -ETIMEDOUT:
		return shell_fix(doctor_find(DOCTOR_FAIL,
					 "the login shell %s does not run a command in time", name),
			shell);
	default:
		return doctor_find(DOCTOR_FAIL, "the login shell %s cannot be run: %s", name,
			strerror(-shell->error));
	}
	if (shell->code != 0)
		return doctor_fix(
			doctor_find(DOCTOR_FAIL,
				"the login shell %s does not run commands (exit status %d)", name,
				shell->code),
			"sshd needs one that does: chsh -s /bin/bash");
	if (*shell->said)
		return shell_fix(
			doctor_find(DOCTOR_WARN,
				"the login shell %s prints \"%.*s\" before what it runs", name,
				line < 60 ? line : 60, shell->said + strspn(shell->said, "\r\n")),
			shell);
	return doctor_find(DOCTOR_OK, "%s prints nothing of its own", name);
}
