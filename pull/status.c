/* SPDX-License-Identifier: MIT */
/* `pullpi status`: what is here of each camera, how old it is, and when the camera last answered. */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "common/archive.h"
#include "common/clock.h"
#include "common/utc.h"
#include "pull/commands.h"
#include "pull/contact.h"

struct camera_status {
	const struct camera_settings *camera;
	char archive[PATH_MAX];
	int error; /* of the archive; -ENOENT: nothing was fetched yet */
	struct record newest;
	bool has_newest;
	char path[PATH_MAX];
	uint64_t first, last;
	int64_t age_us; /* of the newest, by its slot */
	bool stale;
	struct contact contact;
};

static int look_into(struct camera_status *s)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char name[FRAME_PATH_MAX];
	struct frame_name frame;
	int r;

	r = pull_archive_path(s->camera, s->archive);
	if (r < 0)
		return r;
	r = archive_open(s->archive, &(struct archive_options){ .mode = ARCHIVE_READ }, &archive);
	if (r < 0)
		return r;
	journal_first(archive_journal(archive), &s->first);
	journal_last(archive_journal(archive), &s->last);
	s->has_newest = archive_newest(archive, &s->newest) == 0;
	frame = record_name(&s->newest);
	if (s->has_newest && frame_name_path(&frame, name) == 0 &&
		snprintf(s->path, sizeof s->path, "%s/%s", s->archive, name) >= (int)sizeof s->path)
		s->path[0] = 0;
	return 0;
}

static void look(const struct camera_settings *camera, struct camera_status *ret)
{
	*ret = (struct camera_status){ .camera = camera };
	ret->error = look_into(ret);
	contact_load(camera->name, &ret->contact);
	if (ret->has_newest)
		ret->age_us = clock_wall_us(&clock_real) - ret->newest.slot_us;
	ret->stale = !ret->has_newest || ret->age_us > camera->stale_after_us;
}

static void print_contact(const struct contact *contact)
{
	char time[UTC_TEXT_MAX];

	if (contact->last_try_us == TIME_NONE) {
		printf("contact    never\n");
		return;
	}
	printf("contact    %s, last try %s", contact->code == CLI_OK ? "good" : "failing",
		utc_format_local(contact->last_try_us, time));
	printf(", last success %s\n",
		contact->last_ok_us == TIME_NONE ? "never"
						 : utc_format_local(contact->last_ok_us, time));
	if (contact->code != CLI_OK)
		printf("error      since %s: %s\n", utc_format_local(contact->since_us, time),
			contact->error);
}

static void print_person(const struct camera_status *s)
{
	char age[UTC_TEXT_MAX];

	printf("camera     %s (%s%s%s port %lld)\n", s->camera->name, s->camera->user,
		*s->camera->user ? "@" : "", s->camera->host, (long long)s->camera->port);
	printf("archive    %s", s->archive);
	if (s->error == -ENOENT)
		printf(" (nothing fetched yet)\n");
	else if (s->error < 0)
		printf(" (cannot be read: %s)\n", strerror(-s->error));
	else
		printf(" (journal lines %llu to %llu)\n", (unsigned long long)s->first,
			(unsigned long long)s->last);
	if (s->has_newest)
		printf("newest     %s, %s%s%s\n", s->path,
			s->age_us >= 0 ? duration_format(s->age_us, age) : "in the future",
			s->age_us >= 0 ? " ago" : "", s->stale ? ", stale" : "");
	print_contact(&s->contact);
}

static void add_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void add_time(struct json_object *o, const char *key, int64_t us)
{
	char text[UTC_TEXT_MAX];

	if (us != TIME_NONE)
		add_string(o, key, utc_format(us, text));
}

static struct json_object *contact_object(const struct contact *contact)
{
	struct json_object *o = json_object_new_object();

	add_time(o, "last_try", contact->last_try_us);
	add_time(o, "last_ok", contact->last_ok_us);
	add_time(o, "since", contact->since_us);
	if (contact->last_try_us != TIME_NONE)
		json_object_object_add(o, "code", json_object_new_int(contact->code));
	if (contact->error[0])
		add_string(o, "error", contact->error);
	return o;
}

static struct json_object *status_object(const struct camera_status *s)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "camera", s->camera->name);
	add_string(o, "archive", s->archive);
	if (s->error < 0 && s->error != -ENOENT)
		add_string(o, "archive_error", strerror(-s->error));
	json_object_object_add(o, "stale", json_object_new_boolean(s->stale));
	json_object_object_add(o, "first", json_object_new_int64((int64_t)s->first));
	json_object_object_add(o, "last", json_object_new_int64((int64_t)s->last));
	if (s->has_newest) {
		json_object_object_add(
			o, "newest_seq", json_object_new_int64((int64_t)s->newest.seq));
		add_string(o, "newest", s->path);
		add_time(o, "newest_slot", s->newest.slot_us);
		json_object_object_add(
			o, "newest_age_s", json_object_new_int64(s->age_us / US_PER_SEC));
	}
	json_object_object_add(o, "contact", contact_object(&s->contact));
	return o;
}

/* One camera or, without a name, all: an object a line. Exit 1 where one is stale. */
int command_status(struct cli *cli)
{
	CLEANUP_FREE void *data = NULL;
	const struct camera_settings *only = NULL;
	const struct pull_settings *settings;
	int r = cli_settings(cli, CLI_LENIENT, &data), worst = CLI_OK;

	settings = data;
	if (r == CLI_OK && (cli->argc > 0 || settings->n_cameras == 0))
		r = choose_camera(cli, settings, cli->argc > 0 ? cli->argv[0] : NULL, &only);
	if (r != CLI_OK)
		return r;
	for (size_t i = 0; i < settings->n_cameras; i++) {
		struct camera_status status;
		struct json_object *o;

		if (only && only != &settings->cameras[i])
			continue;
		look(&settings->cameras[i], &status);
		if (status.stale)
			worst = CLI_INTERNAL;
		if (!cli_flag(cli, "json")) {
			print_person(&status);
			continue;
		}
		o = status_object(&status);
		puts(json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(o);
	}
	return worst;
}
