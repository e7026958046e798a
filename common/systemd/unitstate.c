/* SPDX-License-Identifier: MIT */
/*
 * The properties of a unit, from the manager's answer into a struct: one table says which and
 * where.
 */
#include "common/systemd/unitstate.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/util.h"
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

static int read_dropins(sd_bus_message *m, void *dest, size_t size)
{
	struct unit_state *state = dest;
	const char *path;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	(void)size;
	state->n_dropins = 0;
	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &path)) > 0) {
		if (state->n_dropins < UNIT_DROPINS_MAX)
			text_clean(path, strlen(path), state->dropins[state->n_dropins++],
				UNIT_PATH_MAX);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Three properties add to one list. */
static int read_needs(sd_bus_message *m, void *dest, size_t size)
{
	struct unit_state *state = dest;
	const char *name;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	(void)size;
	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &name)) > 0) {
		if (state->n_needs < UNIT_NEEDS_MAX && unit_name_ok(name))
			strcpy(state->needs[state->n_needs++], name);
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

/* a(sasbttttuii): the program of the first command; the rest is its arguments and how it went. */
static int read_program(sd_bus_message *m, void *dest, size_t size)
{
	const char *path;
	int r = sd_bus_message_enter_container(m, 'a', "(sasbttttuii)");

	if (r < 0)
		return r;
	r = sd_bus_message_enter_container(m, 'r', "sasbttttuii");
	if (r > 0) {
		r = sd_bus_message_read_basic(m, 's', &path);
		if (r < 0)
			return r;
		text_clean(path, strlen(path), dest, size);
		r = sd_bus_message_skip(m, "asbttttuii");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0)
		r = sd_bus_message_skip(m, "(sasbttttuii)");
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
#define LIST(name, read)                                                                           \
	{                                                                                          \
		name, "as", read, 0, sizeof(struct unit_state)                                     \
	}
	BASIC("LoadState", "s", load),
	{ "LoadError", "(ss)", read_error, FIELD(load_error) },
	BASIC("ActiveState", "s", active),
	BASIC("SubState", "s", sub),
	BASIC("UnitFileState", "s", file_state),
	BASIC("FragmentPath", "s", fragment),
	LIST("DropInPaths", read_dropins),
	LIST("Requires", read_needs),
	LIST("Requisite", read_needs),
	LIST("BindsTo", read_needs),
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

int unit_state_read(sd_bus *bus, const char *name, uint64_t timeout_us, sd_bus_error *error,
	struct unit_state *ret)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	CLEANUP_FREE char *path = NULL;
	int r = unit_path(name, &path);

	if (r < 0)
		return r;
	r = sd_bus_message_new_method_call(
		bus, &call, USERBUS_SYSTEMD, path, "org.freedesktop.DBus.Properties", "GetAll");
	if (r >= 0)
		r = sd_bus_message_append(call, "s", "");
	if (r >= 0)
		r = sd_bus_call(bus, call, timeout_us, error, &reply);
	return r < 0 ? r : unit_state_parse(reply, name, ret);
}
