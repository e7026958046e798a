/* SPDX-License-Identifier: MIT */
/*
 * A unit: its properties, from the manager's answer into a struct by one table; its links and
 * drop-ins; and what its state means, in a sentence.
 */
#include "common/systemd/unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/base/util.h"
#include "common/settings/conf.h"
#include "common/systemd/userbus.h"

/* Reads a value that is more than one basic one into a field of that size. -errno of sd-bus. */
typedef int reader(sd_bus_message *m, void *dest, size_t size);

/* A text, a number or a boolean, which D-Bus has in an int. */
static int read_basic(sd_bus_message *m, char type, void *dest, size_t size)
{
	const char *text;
	int yes, r;

	if (type == 's') {
		r = sd_bus_message_read_basic(m, type, &text);
		if (r >= 0)
			text_clean(text, strlen(text), dest, size);
		return r;
	}
	if (type != 'b')
		return sd_bus_message_read_basic(m, type, dest);
	r = sd_bus_message_read_basic(m, type, &yes);
	if (r >= 0)
		*(bool *)dest = yes;
	return r;
}

/* (ss): the error's name and its text */
static int read_error(sd_bus_message *m, void *dest, size_t size)
{
	const char *name, *text;
	int r = sd_bus_message_read(m, "(ss)", &name, &text);

	if (r >= 0)
		text_clean(text, strlen(text), dest, size);
	return r;
}

static int read_list(sd_bus_message *m, void *dest, size_t size)
{
	struct unit_list *list = dest;
	const char *text;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	(void)size;
	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &text)) > 0) {
		if (list->n < UNIT_LIST_MAX)
			text_clean(text, strlen(text), list->items[list->n++], UNIT_PATH_MAX);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/*
 * a(sbbsi): name, with '|', with '!', parameter, what came of it: below 0 is false. Takes the first
 * false one as it stands in the unit's file.
 */
static int read_conditions(sd_bus_message *m, void *dest, size_t size)
{
	const char *name, *parameter;
	int trigger, negate, result, r = sd_bus_message_enter_container(m, 'a', "(sbbsi)");
	char raw[TEXT_MAX * 2];
	bool found = false;

	while (r >= 0 &&
		(r = sd_bus_message_read(
			 m, "(sbbsi)", &name, &trigger, &negate, &parameter, &result)) > 0) {
		if (result >= 0 || found)
			continue;
		found = true;
		snprintf(raw, sizeof raw, "%s=%s%s%s", name, trigger ? "|" : "", negate ? "!" : "",
			parameter);
		text_clean(raw, strlen(raw), dest, size);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* a(sasbttttuii): takes the program of the first command. */
static int read_program(sd_bus_message *m, void *dest, size_t size)
{
	const char *path;
	bool first = true;
	int r = sd_bus_message_enter_container(m, 'a', "(sasbttttuii)");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sasbttttuii")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &path);
		if (r >= 0 && first)
			text_clean(path, strlen(path), dest, size);
		first = false;
		if (r >= 0)
			r = sd_bus_message_skip(m, "asbttttuii");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static const struct property {
	const char *name, *type;
	reader *read; /* NULL: of a basic type */
	size_t offset, size;
} properties[] = {
#define FIELD(member)                                                                              \
	offsetof(struct unit_state, member), sizeof(((struct unit_state *)NULL)->member)
#define BASIC(name, type, member)                                                                  \
	{                                                                                          \
		name, type, NULL, FIELD(member)                                                    \
	}
#define LIST(name, member)                                                                         \
	{                                                                                          \
		name, "as", read_list, FIELD(member)                                               \
	}
	BASIC("LoadState", "s", load),
	{ "LoadError", "(ss)", read_error, FIELD(load_error) },
	BASIC("ActiveState", "s", active),
	BASIC("SubState", "s", sub),
	BASIC("UnitFileState", "s", file_state),
	BASIC("FragmentPath", "s", fragment),
	LIST("DropInPaths", dropins),
	LIST("Requires", needs),
	LIST("Requisite", needs),
	LIST("BindsTo", needs),
	BASIC("ConditionResult", "b", condition_ok),
	BASIC("ConditionTimestamp", "t", condition_us),
	{ "Conditions", "a(sbbsi)", read_conditions, FIELD(condition) },
	{ "Asserts", "a(sbbsi)", read_conditions, FIELD(assertion) },
	BASIC("ActiveEnterTimestamp", "t", active_since_us),
	BASIC("StateChangeTimestamp", "t", changed_us),
	BASIC("Result", "s", result),
	BASIC("Type", "s", type),
	BASIC("RemainAfterExit", "b", remains),
	{ "ExecStart", "a(sasbttttuii)", read_program, FIELD(program) },
	BASIC("StatusText", "s", status_text),
	BASIC("NRestarts", "u", restarts),
	BASIC("MainPID", "u", pid),
	BASIC("ExecMainStartTimestamp", "t", started_us),
	BASIC("ExecMainCode", "i", exit_code),
	BASIC("ExecMainStatus", "i", exit_status),
	BASIC("NextElapseUSecRealtime", "t", next_us),
	BASIC("LastTriggerUSec", "t", last_us),
};

/* Reads one variant; skips what is not wanted or of another type. */
static int read_property(sd_bus_message *m, const char *name, struct unit_state *state)
{
	const char *type;
	int r = sd_bus_message_peek_type(m, NULL, &type);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		const struct property *p = &properties[i];

		if (strcmp(p->name, name) != 0 || strcmp(p->type, type) != 0)
			continue;
		r = sd_bus_message_enter_container(m, 'v', type);
		if (r >= 0 && p->read)
			r = p->read(m, (char *)state + p->offset, p->size);
		else if (r >= 0)
			r = read_basic(m, *type, (char *)state + p->offset, p->size);
		return r < 0 ? r : sd_bus_message_exit_container(m);
	}
	return sd_bus_message_skip(m, "v");
}

static int read_all(sd_bus_message *m, struct unit_state *state)
{
	const char *name;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &name);
		if (r >= 0)
			r = read_property(m, name, state);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Before the conditions were ever looked at, the manager says that they are false. */
static void settle_conditions(struct unit_state *state)
{
	if (state->condition_us == 0)
		state->condition_ok = true;
}

int unit_state_update(sd_bus_message *m, struct unit_state *state)
{
	struct unit_state changed = *state;

	if (read_all(m, &changed) < 0)
		return -EBADMSG;
	settle_conditions(&changed);
	*state = changed;
	return 0;
}

int unit_state_parse(sd_bus_message *reply, const char *name, struct unit_state *ret)
{
	struct unit_state state = { .condition_ok = true };

	if (!sd_bus_message_has_signature(reply, "a{sv}") || read_all(reply, &state) < 0 ||
		!*state.active || !*state.load)
		return -EBADMSG;
	settle_conditions(&state);
	snprintf(state.name, sizeof state.name, "%s", name);
	*ret = state;
	return 0;
}

/* systemd.unit(5): the characters, and a type that user managers have */
bool unit_name_ok(const char *name)
{
	static const char *const types[] = { ".service", ".timer", ".path", ".target", ".socket",
		".slice", ".scope", ".mount", ".device", ".automount", ".swap" };
	const char *type = strrchr(name, '.');
	size_t length = strlen(name);

	if (!type || type == name || *name == '@' || length >= UNIT_NAME_MAX ||
		strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			":-_.\\@") != length)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

int unit_path(const char *name, char **ret)
{
	if (!unit_name_ok(name))
		return -EINVAL;
	return sd_bus_path_encode(USERBUS_PATH "/unit", name, ret) < 0 ? -ENOMEM : 0;
}

int unit_state_read(sd_bus *bus, const char *name, struct unit_state *ret)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	CLEANUP_FREE char *path = NULL;
	int r = unit_path(name, &path);

	if (r >= 0)
		r = sd_bus_call_method(bus, USERBUS_SYSTEMD, path,
			"org.freedesktop.DBus.Properties", "GetAll", NULL, &reply, "s", "");
	return r < 0 ? r : unit_state_parse(reply, name, ret);
}

int unit_instance(const char *unit, const char *prefix, char ret[static UNIT_NAME_MAX])
{
	const char *at = strchr(unit, '@'), *type = strrchr(unit, '.');

	if (strncmp(unit, prefix, strlen(prefix)) != 0 || !at || !type || type <= at + 1)
		return -ENOENT;
	snprintf(ret, UNIT_NAME_MAX, "%.*s", (int)(type - at - 1), at + 1);
	return 0;
}

int userunits_folder(char ret[static PATH_MAX])
{
	char folder[PATH_MAX];
	int r = user_is_system() ? 0 : conf_folder("XDG_CONFIG_HOME", ".config", folder);

	if (r < 0)
		return r;
	if (user_is_system())
		strcpy(folder, "/etc");
	r = snprintf(ret, PATH_MAX, "%s/systemd/%s", folder, user_is_system() ? "system" : "user");
	return r < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static bool take_end(char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	if (n <= k || strcmp(name + n - k, end) != 0)
		return false;
	name[n - k] = '\0';
	return true;
}

/* Anybody may have put anything there: a name that is no unit's is skipped. */
static int walk_links(const char *folder, userunits_found *found, void *data)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int r = 0;

	while (dir && r >= 0 && (entry = readdir(dir)))
		if (unit_name_ok(entry->d_name))
			r = found(data, entry->d_name, NULL);
	if (dir)
		closedir(dir);
	return r;
}

static int visit_entry(const char *folder, const char *entry, userunits_found *found, void *data)
{
	char name[NAME_MAX + 1], path[PATH_MAX + 2 * NAME_MAX];

	snprintf(name, sizeof name, "%s", entry);
	snprintf(path, sizeof path, "%s/%s", folder, entry);
	if (take_end(name, ".wants"))
		return walk_links(path, found, data);
	if (!take_end(name, ".d") || !unit_name_ok(name))
		return 0;
	strcat(path, "/" USERUNITS_DROP_IN);
	return access(path, F_OK) == 0 ? found(data, name, path) : 0;
}

int userunits_walk(userunits_found *found, void *data)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	int r = userunits_folder(folder);
	DIR *dir = r == 0 ? opendir(folder) : NULL;

	if (r == 0 && !dir)
		return errno == ENOENT ? 0 : -errno;
	while (r >= 0 && (entry = readdir(dir)))
		r = visit_entry(folder, entry->d_name, found, data);
	if (dir)
		closedir(dir);
	return r < 0 ? r : 0;
}

bool unit_is_enabled(const struct unit_state *unit)
{
	return strncmp(unit->file_state, "enabled", strlen("enabled")) == 0;
}

/* What a word is of; a sentence, where the word itself is not known below. */
#define RESULT "its result is"
#define STATUS "its program ended with status"
#define JOB "its job ended as"
#define LOAD "its load state is"
#define REFUSAL "the manager refuses:"

#define NOT_THERE "there is no such unit here", "install the package that has it"
#define MASKED "it is masked: somebody forbade to start it", "run `systemctl --user unmask "
#define BAD_FILE "its file cannot be used", "run `systemd-analyze --user verify "

/*
 * What the manager's words mean; a word that is not here is told as it is. `next` is what to do; a
 * command that ends in a blank gets the unit's name.
 */
static const struct phrase {
	const char *kind, *word, *text, *next;
} phrases[] = {
	{ RESULT, "timeout", "it did not get ready in time, or did not stop in time", "" },
	{ RESULT, "watchdog", "it gave no sign of life within WatchdogSec=", "" },
	{ RESULT, "protocol", "it ended, or did not talk to systemd as its Type= says", "" },
	{ RESULT, "resources", "something that it needs is missing or full", "" },
	{ RESULT, "oom-kill", "it was ended because memory ran out", "" },
	{ RESULT, "start-limit-hit", "it was started too often in a short time",
		"run `systemctl --user reset-failed " },
	{ RESULT, "success", "it failed and does not say why", "" },
	{ STATUS, "0", "one of its commands failed", "" },
	{ STATUS, "78", "its program ended with status 78", "check its settings" },
	{ STATUS, "203", "its program cannot be executed (status 203)",
		"see that it is installed and can be executed" },
	{ STATUS, "226", "its sandbox cannot be set up (status 226): is a folder missing?", "" },
	{ JOB, "canceled", "its job was canceled: something else stopped or started it meanwhile",
		"" },
	{ JOB, "timeout", "its job waited too long for its turn", "" },
	{ JOB, "dependency", "a unit that it needs failed", "look at `systemctl --user status " },
	{ JOB, "assert", "an assertion of it does not hold", "" },
	{ LOAD, "not-found", NOT_THERE },
	{ LOAD, "masked", MASKED },
	{ LOAD, "bad-setting", BAD_FILE },
	{ LOAD, "error", BAD_FILE },
	{ REFUSAL, "org.freedesktop.systemd1.NoSuchUnit", NOT_THERE },
	{ REFUSAL, "org.freedesktop.DBus.Error.FileNotFound", NOT_THERE },
	{ REFUSAL, "System.Error.ENOENT", NOT_THERE },
	{ REFUSAL, "org.freedesktop.systemd1.UnitMasked", MASKED },
	{ REFUSAL, "org.freedesktop.systemd1.LoadFailed", BAD_FILE },
	{ REFUSAL, "org.freedesktop.systemd1.BadUnitSetting", BAD_FILE },
	{ REFUSAL, "org.freedesktop.systemd1.TransactionIsDestructive",
		"a job that waits already forbids it", "look at `systemctl --user list-jobs`" },
};

static void PRINTF(3, 4) outcome_say(struct outcome *o, enum cli_exit code, const char *fmt, ...)
{
	va_list values;

	o->code = code;
	va_start(values, fmt);
	vsnprintf(o->text, sizeof o->text, fmt, values);
	va_end(values);
}

/* A failure by a word of the manager's; `detail` "": there is none. */
static void outcome_fail(
	struct outcome *o, const char *kind, const char *word, const char *detail, const char *unit)
{
	outcome_say(o, CLI_INTERNAL, "%s %s%s%s", kind, word, *detail ? ": " : "", detail);
	for (size_t i = 0; i < ARRAY_SIZE(phrases); i++) {
		const struct phrase *p = &phrases[i];
		size_t n = strlen(p->next);

		if (strcmp(p->kind, kind) != 0 || strcmp(p->word, word) != 0)
			continue;
		outcome_say(o, CLI_INTERNAL, "%s%s%s", p->text, *detail ? ": " : "", detail);
		if (n > 0 && p->next[n - 1] == ' ')
			snprintf(o->next, sizeof o->next, "%s%s`", p->next, unit);
		else
			snprintf(o->next, sizeof o->next, "%s", p->next);
	}
}

/* Why it failed: its Result, and of a program that ended, how. */
static void outcome_fail_result(struct outcome *o, const struct unit_state *u, const char *more)
{
	size_t n;
	char status[16];

	if (strcmp(u->result, "exit-code") != 0 && strcmp(u->result, "signal") != 0 &&
		strcmp(u->result, "core-dump") != 0) {
		outcome_fail(o, RESULT, u->result, "", u->name);
	} else if (u->exit_code == CLD_KILLED || u->exit_code == CLD_DUMPED) {
		outcome_say(o, CLI_INTERNAL, "its program was ended by signal %d (%s)",
			u->exit_status, strsignal(u->exit_status));
	} else {
		snprintf(status, sizeof status, "%d", u->exit_status);
		/*
		 * from 200 on it is systemd's, which could not start the program: systemd.exec(5)
		 */
		outcome_fail(o, STATUS, status, u->exit_status >= 200 ? u->program : "", u->name);
	}
	n = strlen(o->text);
	snprintf(o->text + n, sizeof o->text - n, "%s", more);
}

/* It runs no more, and did not fail: as it should be where it runs to its end. */
static void outcome_judge_inactive(struct outcome *o, const struct unit_state *u)
{
	if (!u->condition_ok)
		outcome_say(o, CLI_INTERNAL,
			"it was not started, because a condition is not met: %s", u->condition);
	else if (*u->result && strcmp(u->result, "success") != 0)
		outcome_fail_result(o, u, "");
	else if (strcmp(u->type, "oneshot") == 0 && !u->remains)
		outcome_say(o, CLI_OK, "ran to its end");
	else
		outcome_say(o, CLI_INTERNAL, "it does not run: %s",
			u->condition_us ? "it ended right away, without an error"
					: "a condition is false, or it ended at once");
}

static void outcome_judge_active(struct outcome *o, const struct unit_state *u)
{
	const char *type = strrchr(u->name, '.');
	const bool timer = type && strcmp(type, ".timer") == 0;

	if (timer && strcmp(u->sub, "elapsed") == 0) {
		outcome_say(o, CLI_INTERNAL, "the timer has no next time: it never fires again");
		snprintf(o->next, sizeof o->next, "see its OnCalendar=: `systemctl --user cat %s`",
			u->name);
	} else {
		outcome_say(o, CLI_OK, "%s", timer ? "waits for its time" : "runs");
	}
}

static void outcome_judge_started(struct outcome *o, const struct unit_state *u, bool restarted)
{
	const bool activating = strcmp(u->active, "activating") == 0;
	const bool again =
		activating && strncmp(u->sub, "auto-restart", strlen("auto-restart")) == 0;

	if (again || strcmp(u->active, "failed") == 0)
		outcome_fail_result(o, u, again ? "; it is started again" : "");
	else if (restarted)
		outcome_say(
			o, CLI_INTERNAL, "it ended right after its start, and was started again");
	else if (activating)
		outcome_say(o, CLI_TEMPFAIL, "it is still starting (%s)", u->sub);
	else if (strcmp(u->active, "inactive") == 0)
		outcome_judge_inactive(o, u);
	else if (strcmp(u->active, "active") == 0 || strcmp(u->active, "reloading") == 0 ||
		strcmp(u->active, "refreshing") == 0)
		outcome_judge_active(o, u);
	else
		outcome_say(o, CLI_INTERNAL, "it is %s (%s)", u->active, u->sub);
}

static void outcome_judge_stopped(struct outcome *o, const struct unit_state *u)
{
	if (strcmp(u->active, "inactive") == 0 || strcmp(u->active, "failed") == 0)
		outcome_say(o, CLI_OK, "stopped");
	else if (strcmp(u->active, "deactivating") == 0)
		outcome_say(o, CLI_TEMPFAIL, "it is still stopping (%s)", u->sub);
	else
		outcome_say(
			o, CLI_INTERNAL, "it was stopped, and is %s (%s) again", u->active, u->sub);
}

void outcome_judge(enum unit_action action, const char *result, const struct unit_state *u,
	bool restarted, const char *need, struct outcome *ret)
{
	*ret = (struct outcome){ .code = CLI_OK };
	if (!*result)
		outcome_say(ret, CLI_TEMPFAIL, "it is still %s (%s)", u->active, u->sub);
	else if (action == UNIT_START && strcmp(u->load, "loaded") != 0)
		outcome_fail(ret, LOAD, u->load, u->load_error, u->name);
	else if (strcmp(result, "failed") == 0)
		outcome_fail_result(ret, u, "");
	else if (strcmp(result, "dependency") == 0)
		outcome_fail(ret, JOB, result, need ? need : "", need ? need : u->name);
	else if (strcmp(result, "assert") == 0)
		outcome_fail(ret, JOB, result, u->assertion, u->name);
	else if (strcmp(result, "done") != 0 && strcmp(result, "skipped") != 0)
		outcome_fail(ret, JOB, result, "", u->name);
	else if (action == UNIT_STOP)
		outcome_judge_stopped(ret, u);
	else
		outcome_judge_started(ret, u, restarted);
}

void outcome_refused(const char *unit, const char *error, const char *message, struct outcome *ret)
{
	*ret = (struct outcome){ 0 };
	outcome_fail(ret, REFUSAL, error, message, unit);
}
