/* SPDX-License-Identifier: MIT */
/*
 * Lists of our units from the manager, and the end of some or all of them. Names come from outside:
 * what is no unit's name is skipped.
 */
#include "deploy/ours.h"

#include <errno.h>
#include <string.h>

#include "common/base/util.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"
#include "deploy/sandbox.h"

bool ours_chosen(const struct ours_choice *choice, const char *unit)
{
	char instance[UNIT_NAME_MAX];

	if (!choice->prefix)
		return strncmp(unit, "capturepi", 9) == 0 || strncmp(unit, "pullpi-", 7) == 0 ||
			strncmp(unit, "viewpi", 6) == 0;
	return unit_instance(unit, choice->prefix, instance) == 0 &&
		(!choice->instance || strcmp(instance, choice->instance) == 0) &&
		(!choice->known || !choice->known(choice->data, instance));
}

static void names_add(struct unit_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->names[i], name) == 0)
			return;
	if (unit_name_ok(name) && names->n < UNITS_MAX)
		strcpy(names->names[names->n++], name);
}

/*
 * Adds what `member` answers: an array of structs, each with the name, or a path that ends in it,
 * first; `rest` are the fields after that.
 */
static int ours_ask(struct deploy *deploy, const char *member, const char *rest,
	const struct ours_choice *choice, bool templates, struct unit_names *names)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	char fields[16], element[sizeof fields + 2];
	const char *text;
	int r = manager_call(&deploy->manager, member, &error, &reply, "asas", 0, 3, "capturepi*",
		"pullpi-*", "viewpi*");

	if (r < 0)
		return units_tell_error(deploy, "list", NULL, r, &error);
	snprintf(fields, sizeof fields, "s%s", rest);
	snprintf(element, sizeof element, "(%s)", fields);
	r = sd_bus_message_enter_container(reply, 'a', element);
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', fields)) > 0) {
		r = sd_bus_message_read_basic(reply, 's', &text);
		if (r < 0)
			break;
		text = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
		if (ours_chosen(choice, text) && (templates || !strstr(text, "@.")))
			names_add(names, text);
		r = sd_bus_message_skip(reply, rest);
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r < 0 ? units_tell_error(deploy, "list", NULL, -EBADMSG, NULL) : CLI_OK;
}

int ours_list(struct deploy *deploy, const struct ours_choice *choice, struct unit_names *ret)
{
	int r;

	ret->n = 0;
	r = ours_ask(deploy, "ListUnitFilesByPatterns", "s", choice, false, ret);
	if (r == CLI_OK)
		r = ours_ask(deploy, "ListUnitsByPatterns", "sssssouso", choice, false, ret);
	return r;
}

bool unit_name_complete(const char *text, char ret[static UNIT_NAME_MAX])
{
	char name[UNIT_NAME_MAX + 16];

	if (strlen(text) >= UNIT_NAME_MAX)
		return false;
	snprintf(name, sizeof name, "%s%s", text, unit_name_ok(text) ? "" : ".service");
	if (!unit_name_ok(name))
		return false;
	strcpy(ret, name);
	return true;
}

/* One unit more to stop, if it runs. */
static int ours_add_stop(
	struct deploy *deploy, const char *unit, struct unit_task *tasks, size_t *n)
{
	struct unit_task *task = &tasks[*n];
	int r = units_read(deploy, "stop", unit, &task->job.state);

	if (r != CLI_OK || strcmp(task->job.state.active, "inactive") == 0 ||
		strcmp(task->job.state.active, "failed") == 0)
		return r;
	strcpy(task->job.unit, unit);
	task->work = UNIT_WORK_STOP;
	++*n;
	return CLI_OK;
}

/* Units that failed are forgotten, or every list would still have them: after all have stopped. */
static void ours_forget_failures(struct deploy *deploy, const struct unit_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

		(void)manager_call(
			&deploy->manager, "ResetFailedUnit", &error, NULL, "s", names->names[i]);
	}
}

static bool unit_starts_others(const char *unit)
{
	const char *type = strrchr(unit, '.');

	return strcmp(type, ".timer") == 0 || strcmp(type, ".path") == 0 ||
		strcmp(type, ".socket") == 0;
}

/* What starts others goes first; what it has started meanwhile is in the next list. */
static int ours_stop(
	struct deploy *deploy, const struct ours_choice *choice, struct unit_names *names)
{
	CLEANUP_FREE struct unit_task *tasks = calloc(2, UNITS_MAX * sizeof *tasks);
	size_t total = 0;
	int r = CLI_OK;

	if (!tasks)
		return CLI_INTERNAL;
	for (int starts = 1; starts >= 0 && r == CLI_OK; starts--) {
		size_t n = 0;

		if (!starts)
			r = ours_list(deploy, choice, names);
		for (size_t i = 0; i < names->n && r == CLI_OK; i++)
			if (unit_starts_others(names->names[i]) == starts)
				r = ours_add_stop(deploy, names->names[i], tasks + total, &n);
		if (r == CLI_OK && n > 0)
			r = units_work(deploy, "stop", tasks + total, n);
		total += n;
	}
	if (r == CLI_OK && total == 0)
		report_ok(&deploy->report, "stop", NULL, "nothing of ours runs");
	ours_forget_failures(deploy, names);
	return r;
}

static int ours_disable(struct deploy *deploy, const struct unit_names *names)
{
	bool changed = false;
	int r = CLI_OK;

	for (size_t i = 0; r == CLI_OK && i < names->n; i++)
		r = units_link(deploy, false, names->names[i], &changed);
	if (r == CLI_OK)
		r = units_reload_manager(deploy);
	if (r == CLI_OK)
		report_ok(&deploy->report, "disable", NULL, "%s",
			changed ? "nothing of it starts with the machine any more"
				: "nothing of it was to start with the machine");
	return r;
}

int ours_remove(struct deploy *deploy, const struct ours_choice *choice)
{
	CLEANUP_FREE struct unit_names *names = calloc(1, sizeof *names);
	int r = names ? ours_list(deploy, choice, names) : CLI_INTERNAL, disabled = CLI_OK;

	if (r != CLI_OK)
		return r;
	for (size_t i = 0; choice->known && i < names->n; i++)
		report_ok(&deploy->report, "leftover", names->names[i],
			"its camera has no settings any more");
	if (!choice->known || names->n > 0)
		r = ours_stop(deploy, choice, names);
	if (r == CLI_OK && !choice->prefix) {
		names->n = 0;
		r = ours_ask(deploy, "ListUnitFilesByPatterns", "s", choice, true, names);
	}
	if (r != CLI_OK)
		return r;
	/* a drop-in that stays is told, and keeps no unit enabled */
	r = sandbox_close(deploy, choice);
	if (!choice->known || names->n > 0)
		disabled = ours_disable(deploy, names);
	return disabled != CLI_OK ? disabled : r;
}
