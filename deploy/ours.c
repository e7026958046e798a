/* SPDX-License-Identifier: MIT */
/* Lists of units from the manager. Names come from outside: what is no unit's name is passed over. */
#include "deploy/ours.h"

#include <errno.h>
#include <string.h>

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

static bool is_of_camera(const char *name, const char *camera)
{
	const char *at = strchr(name, '@');
	size_t n = camera ? strlen(camera) : 0;

	return !camera ||
		(at && strncmp(at + 1, camera, n) == 0 && at[1 + n] == '.' &&
			!strchr(at + 2 + n, '.'));
}

/* Array of structs, each with the name, or a path that ends in it, first; `rest` is what is behind. */
static int take_names(sd_bus_message *reply, const char *rest, const char *camera, bool templates,
	struct unit_names *names)
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
		if (is_of_camera(text, camera) && (templates || !is_template(text)))
			add(names, text);
		r = sd_bus_message_skip(reply, rest);
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r < 0 ? -EBADMSG : 0;
}

static int ask(struct deploy *deploy, const char *member, const char *rest, const char *camera,
	bool templates, struct unit_names *names)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r = session_call(deploy->session, &(struct session_call){ .member = member }, &error,
		&reply, "asas", 0, PATTERNS, patterns[0], patterns[1]);

	if (r >= 0)
		r = take_names(reply, rest, camera, templates, names);
	return r < 0 ? units_tell_error(deploy, "list", NULL, r, &error) : CLI_OK;
}

int ours_list(struct deploy *deploy, const char *camera, struct unit_names *ret)
{
	int r;

	ret->n = 0;
	r = ask(deploy, "ListUnitFilesByPatterns", "s", camera, false, ret);
	if (r == CLI_OK)
		r = ask(deploy, "ListUnitsByPatterns", "sssssouso", camera, false, ret);
	return r;
}

int ours_files(struct deploy *deploy, struct unit_names *ret)
{
	ret->n = 0;
	return ask(deploy, "ListUnitFilesByPatterns", "s", NULL, true, ret);
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
