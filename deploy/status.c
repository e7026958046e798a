/* SPDX-License-Identifier: MIT */
/* deploypi status: our units as the manager sees them, and whether they live without a login. */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "common/clock.h"
#include "common/userbus.h"
#include "common/utc.h"
#include "deploy/commands.h"
#include "deploy/ours.h"
#include "deploy/setup.h"

const struct cli_option status_options[] = {
	{ "json", 0, NULL, "one JSON object" },
	{ "root", 0, NULL, "really for root's own services" },
	{ 0 },
};

static bool is_well(const struct unit_state *u)
{
	struct outcome outcome;

	if (strcmp(u->load, "loaded") != 0)
		return false;
	if (strcmp(u->active, "inactive") == 0 && strncmp(u->file_state, "enabled", 7) != 0)
		return !*u->result || strcmp(u->result, "success") == 0;
	outcome_judge(UNIT_START, "done", u, u, NULL, &outcome);
	return outcome.kind == OUTCOME_OK || outcome.kind == OUTCOME_LATER;
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	if (*text)
		json_object_object_add(o, key, json_object_new_string(text));
}

static void add_time(struct json_object *o, const char *key, uint64_t us)
{
	char text[UTC_TEXT_MAX];

	if (us > 0 && us < INT64_MAX)
		add_text(o, key, utc_format((int64_t)us, text));
}

static struct json_object *unit_object(const struct unit_state *u)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "unit", u->name);
	json_object_object_add(o, "ok", json_object_new_boolean(is_well(u)));
	add_text(o, "load", u->load);
	add_text(o, "active", u->active);
	add_text(o, "sub", u->sub);
	add_text(o, "enabled", u->file_state);
	add_text(o, "result", u->result);
	add_text(o, "status", u->status_text);
	if (*u->type)
		json_object_object_add(o, "restarts", json_object_new_int64(u->restarts));
	if (u->pid)
		json_object_object_add(o, "pid", json_object_new_int64(u->pid));
	add_time(o, "since", u->active_since_us);
	add_time(o, "next", u->next_us);
	add_time(o, "last", u->last_us);
	return o;
}

static void print_unit(const struct unit_state *u)
{
	char time[UTC_TEXT_MAX];

	printf("%s%-30s %s (%s)", is_well(u) ? "  " : "! ", u->name, u->active, u->sub);
	if (*u->file_state)
		printf(", %s", u->file_state);
	if (strcmp(u->load, "loaded") != 0)
		printf(", %s", u->load);
	if (*u->result && strcmp(u->result, "success") != 0)
		printf(", result %s", u->result);
	if (u->restarts)
		printf(", started again %u times", u->restarts);
	if (u->next_us > 0 && u->next_us < INT64_MAX)
		printf(", next %s", utc_format_local((int64_t)u->next_us, time));
	else if (strcmp(u->active, "active") == 0 && u->active_since_us > 0 &&
		u->active_since_us < INT64_MAX)
		printf(", since %s", utc_format_local((int64_t)u->active_since_us, time));
	printf("\n");
}

struct overview {
	char user[64];
	bool lingers, linger_known, manager;
	struct unit_state *units;
	size_t n_units;
};

static void print_json(const struct overview *o)
{
	struct json_object *all = json_object_new_object(), *units = json_object_new_array();

	add_text(all, "user", o->user);
	if (o->linger_known)
		json_object_object_add(all, "linger", json_object_new_boolean(o->lingers));
	json_object_object_add(all, "manager", json_object_new_boolean(o->manager));
	for (size_t i = 0; i < o->n_units; i++)
		json_object_array_add(units, unit_object(&o->units[i]));
	json_object_object_add(all, "units", units);
	puts(json_object_to_json_string_ext(
		all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
}

static void print_people(const struct overview *o)
{
	printf("%s: %s; %s\n", o->user,
		!o->linger_known     ? "whether it lingers is not known"
			: o->lingers ? "lingers, services run without a login"
				     : "does not linger: services end with the last log-out",
		o->manager ? "its manager runs" : "no manager runs, and so no service");
	for (size_t i = 0; i < o->n_units; i++)
		print_unit(&o->units[i]);
	if (o->manager && o->n_units == 0)
		printf("no unit of capturepi or pullpi is installed\n");
}

static int read_units(struct deploy *deploy, struct overview *o)
{
	CLEANUP_FREE struct unit_names *names = calloc(1, sizeof *names);
	int r = names ? ours_list(deploy, &(struct ours_choice){ 0 }, names) : CLI_INTERNAL;

	for (size_t i = 0; r == CLI_OK && i < names->n; i++) {
		r = units_read(deploy, "status", names->names[i], &o->units[o->n_units]);
		if (r == CLI_OK)
			o->n_units++;
	}
	return r;
}

/* Something of ours is enabled, all of it is well, and it does not end with a log-out. */
static int judge(const struct overview *o)
{
	bool any = false;

	for (size_t i = 0; i < o->n_units; i++) {
		if (!is_well(&o->units[i]))
			return CLI_INTERNAL;
		any |= strncmp(o->units[i].file_state, "enabled", 7) == 0;
	}
	return any && o->manager && (o->lingers || !o->linger_known) ? CLI_OK : CLI_INTERNAL;
}

int command_status(struct cli *cli)
{
	CLEANUP_FREE struct unit_state *units = calloc(UNITS_MAX, sizeof *units);
	struct overview o = { .units = units };
	struct deploy deploy;
	int r;

	if (!units)
		return CLI_INTERNAL;
	r = setup_begin(cli, false, &deploy);
	if (r != CLI_OK)
		return r;
	setup_user(o.user);
	o.linger_known = linger_get(o.user, &o.lingers) == 0;
	r = session_connect(deploy.session, clock_mono_ns(&clock_real));
	o.manager = r == 0;
	if (r == 0)
		r = read_units(&deploy, &o);
	else
		r = r == -ETIMEDOUT ? CLI_OK : units_tell_error(&deploy, "status", NULL, r, NULL);
	if (r == CLI_OK) {
		cli_flag(cli, "json") ? print_json(&o) : print_people(&o);
		r = judge(&o);
	}
	setup_end(&deploy);
	return r;
}
