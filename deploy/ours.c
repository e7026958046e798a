/* SPDX-License-Identifier: MIT */
/* Lists of units from the manager. Names come from outside: what is no unit's name is passed over. */
#include "deploy/ours.h"

#include <errno.h>
#include <string.h>

#include "common/userunits.h"
#include "common/util.h"

#define PATTERNS 2

static const char *const patterns[PATTERNS] = { "capturepi*", "pullpi-*" };

/* "pullpi-latest@.timer" */
static bool is_template(const char *name)
{
	return strstr(name, "@.") != NULL;
}

static void add(struct unit_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->names[i], name) == 0)
			return;
	if (unit_name_ok(name) && names->n < UNITS_MAX)
		strcpy(names->names[names->n++], name);
}

bool ours_chosen(const struct ours_choice *choice, const char *unit)
{
	char instance[UNIT_NAME_MAX];

	if (!choice->prefix)
		return strncmp(unit, "capturepi", 9) == 0 || strncmp(unit, "pullpi-", 7) == 0;
	if (unit_instance(unit, choice->prefix, instance) < 0)
		return false;
	if (choice->instance && strcmp(instance, choice->instance) != 0)
		return false;
	return !choice->known || !choice->known(choice->data, instance);
}

/* Array of structs, each with the name, or a path that ends in it, first; `rest` is what is behind. */
static int take_names(sd_bus_message *reply, const char *rest, const struct ours_choice *choice,
	bool templates, struct unit_names *names)
{
	char fields[16], element[sizeof fields + 2];
	const char *text;
	int r;

	snprintf(fields, sizeof fields, "s%s", rest);
	snprintf(element, sizeof element, "(%s)", fields);
	r = sd_bus_message_enter_container(reply, 'a', element);
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', fields)) > 0) {
		r = sd_bus_message_read_basic(reply, 's', &text);
		if (r < 0)
			break;
		text = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
		if (ours_chosen(choice, text) && (templates || !is_template(text)))
			add(names, text);
		r = sd_bus_message_skip(reply, rest);
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r < 0 ? -EBADMSG : 0;
}

static int ask(struct deploy *deploy, const char *member, const char *rest,
	const struct ours_choice *choice, bool templates, struct unit_names *names)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r = session_call(deploy->session, &(struct session_call){ .member = member }, &error,
		&reply, "asas", 0, PATTERNS, patterns[0], patterns[1]);

	if (r >= 0)
		r = take_names(reply, rest, choice, templates, names);
	return r < 0 ? units_tell_error(deploy, "list", NULL, r, &error) : CLI_OK;
}

int ours_list(struct deploy *deploy, const struct ours_choice *choice, struct unit_names *ret)
{
	int r;

	ret->n = 0;
	r = ask(deploy, "ListUnitFilesByPatterns", "s", choice, false, ret);
	if (r == CLI_OK)
		r = ask(deploy, "ListUnitsByPatterns", "sssssouso", choice, false, ret);
	return r;
}

int ours_files(struct deploy *deploy, struct unit_names *ret)
{
	ret->n = 0;
	return ask(deploy, "ListUnitFilesByPatterns", "s", &(struct ours_choice){ 0 }, true, ret);
}

bool unit_name_complete(const char *text, char ret[static UNIT_NAME_MAX])
{
	char name[UNIT_NAME_MAX + 16];

	if (strlen(text) >= UNIT_NAME_MAX)
		return false;
	snprintf(name, sizeof name, "%s", text);
	if (!unit_name_ok(name))
		strcat(name, ".service");
	if (!unit_name_ok(name))
		return false;
	strcpy(ret, name);
	return true;
}
