/* SPDX-License-Identifier: MIT */
/* deploypi status: our units as the manager sees them, and whether they live without a login. */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/systemd/userbus.h"
#include "deploy/commands.h"
#include "deploy/ours.h"
#include "deploy/setup.h"
#include "deploy/system.h"

const struct cli_option status_options[] = {
	{ "json", 0, NULL, "one JSON object" },
	SYSTEM_OPTION,
	{ "root", 0, NULL, "really for root's own services" },
	{ 0 },
};

struct overview {
	char user[64];
	int lingers; /* 1, 0; -errno: not known */
	bool manager;
	size_t n_units;
	struct unit_state units[UNITS_MAX];
};

static bool unit_is_well(const struct unit_state *u)
{
	struct outcome outcome;

	if (strcmp(u->load, "loaded") == 0 && strcmp(u->active, "inactive") == 0 &&
		!unit_is_enabled(u))
		return !*u->result || strcmp(u->result, "success") == 0;
	outcome_judge(UNIT_START, "done", u, false, NULL, &outcome);
	return outcome.code != CLI_INTERNAL;
}

static void add_word(struct json_object *o, const char *key, const char *word)
{
	if (*word)
		json_add_text(o, key, word);
}

static void add_time(struct json_object *o, const char *key, uint64_t us)
{
	if (us > 0 && us < INT64_MAX)
		json_add_time(o, key, (int64_t)us);
}

static struct json_object *unit_object(const struct unit_state *u)
{
	struct json_object *o = json_object_new_object();

	add_word(o, "unit", u->name);
	json_add_bool(o, "ok", unit_is_well(u));
	add_word(o, "load", u->load);
	add_word(o, "active", u->active);
	add_word(o, "sub", u->sub);
	add_word(o, "enabled", u->file_state);
	add_word(o, "result", u->result);
	add_word(o, "status", u->status_text);
	if (*u->type)
		json_add_number(o, "restarts", u->restarts);
	if (u->pid)
		json_add_number(o, "pid", u->pid);
	add_time(o, "since", u->active_since_us);
	add_time(o, "next", u->next_us);
	add_time(o, "last", u->last_us);
	return o;
}

static void unit_print(const struct unit_state *u)
{
	const bool active = strcmp(u->active, "active") == 0;
	char time[UTC_TEXT_MAX];

	text_print(stdout, "%s%-30s %s (%s)", unit_is_well(u) ? "  " : "! ", u->name, u->active,
		u->sub);
	if (*u->file_state)
		text_print(stdout, ", %s", u->file_state);
	if (strcmp(u->load, "loaded") != 0)
		text_print(stdout, ", %s", u->load);
	if (*u->result && strcmp(u->result, "success") != 0)
		text_print(stdout, ", result %s", u->result);
	if (u->restarts)
		text_print(stdout, ", started again %u times", u->restarts);
	if (u->next_us > 0 && u->next_us < INT64_MAX)
		text_print(stdout, ", next %s", utc_format_local((int64_t)u->next_us, time));
	else if (active && u->active_since_us > 0)
		text_print(
			stdout, ", since %s", utc_format_local((int64_t)u->active_since_us, time));
	fputs("\n", stdout);
}

static void overview_print_json(const struct overview *o)
{
	struct json_object *all = json_object_new_object(), *units = json_object_new_array();

	add_word(all, "user", o->user);
	if (o->lingers >= 0)
		json_add_bool(all, "linger", o->lingers);
	json_add_bool(all, "manager", o->manager);
	for (size_t i = 0; i < o->n_units; i++)
		json_object_array_add(units, unit_object(&o->units[i]));
	json_object_object_add(all, "units", units);
	json_print(all);
}

static void overview_print(const struct overview *o)
{
	text_print(stdout, "%s: %s; %s\n", o->user,
		user_is_system()         ? "the system's own services"
			: o->lingers < 0 ? "whether it lingers is not known"
			: o->lingers     ? "lingers, services run without a login"
					 : "does not linger: services end with the last log-out",
		o->manager ? "its manager runs" : "no manager runs, and so no service");
	for (size_t i = 0; i < o->n_units; i++)
		unit_print(&o->units[i]);
	if (o->manager && o->n_units == 0)
		fputs("no unit of capturepi or pullpi is installed\n", stdout);
}

/* No manager is no error: then nothing of ours runs. */
static int overview_read(struct deploy *deploy, struct overview *o)
{
	CLEANUP_FREE struct unit_names *names = calloc(1, sizeof *names);
	int r = manager_connect(&deploy->manager, clock_mono_ns(&clock_real));

	setup_user(o->user);
	o->lingers = user_is_system() ? -ENOTSUP : linger_get(o->user); /* it needs none */
	o->manager = r == 0;
	if (r < 0 && r != -ETIMEDOUT)
		return units_tell_error(deploy, "status", NULL, r, NULL);
	if (r < 0 || !names)
		return names ? CLI_OK : CLI_INTERNAL;
	r = ours_list(deploy, &(struct ours_choice){ 0 }, names);
	for (size_t i = 0; r == CLI_OK && i < names->n; i++)
		r = units_read(deploy, "status", names->names[i], &o->units[o->n_units++]);
	return r;
}

/* Something of ours is enabled, all of it is well, and it does not end with a log-out. */
static int overview_judge(const struct overview *o)
{
	bool any = false;

	for (size_t i = 0; i < o->n_units; i++) {
		if (!unit_is_well(&o->units[i]))
			return CLI_INTERNAL;
		any |= unit_is_enabled(&o->units[i]);
	}
	return any && o->manager && o->lingers != 0 ? CLI_OK : CLI_INTERNAL;
}

int command_status(struct cli *cli)
{
	CLEANUP_FREE struct overview *o = calloc(1, sizeof *o);
	struct deploy deploy;
	int r = o ? setup_begin(cli, false, "", &deploy) : CLI_INTERNAL;

	if (r != CLI_OK)
		return r;
	r = overview_read(&deploy, o);
	if (r == CLI_OK) {
		deploy.report.json ? overview_print_json(o) : overview_print(o);
		r = overview_judge(o);
	}
	setup_end(&deploy);
	return r;
}
