/* SPDX-License-Identifier: MIT */
/* `capturepi doctor`: one check after the other, and what the archive and the service know. */
#include "capture/doctor.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "capture/camera.h"
#include "capture/rivals.h"
#include "capture/status.h"
#include "capture/store.h"
#include "common/clock.h"
#include "common/place.h"
#include "common/utc.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define FRAME_GUESS_BYTES 2e6 /* of a first frame, before there is one */

/* Everything that more than one check needs. */
struct patient {
	struct cli *cli;
	const struct capture_settings *settings;
	struct doctor doctor;
	struct doctor_user user;
	sd_bus *bus;
	struct archive *archive; /* NULL: cannot be opened, by `archive_error` */
	int archive_error;
	struct json_object *status; /* of the archive and the service; NULL */
	struct json_object *waiting; /* of a service that cannot open it; NULL */
};

/* What to do is written for the first camera: each command that has a camera gets the name of another one. */
static void name_camera(
	const struct cli *cli, const char *command, char fix[static DOCTOR_TEXT_MAX])
{
	char named[DOCTOR_TEXT_MAX], *at = fix;

	while (cli->name && (at = strstr(at, command))) {
		at += strlen(command);
		snprintf(named, sizeof named, " --name %s%s", cli->name, at);
		snprintf(at, (size_t)(fix + DOCTOR_TEXT_MAX - at), "%s", named);
	}
}

static void tell(struct patient *p, const char *check, struct doctor_finding finding)
{
	name_camera(p->cli, "`capturepi", finding.fix);
	name_camera(p->cli, "`deploypi capture", finding.fix);
	doctor_tell(&p->doctor, check, NULL, finding);
}

static struct json_object *get(struct json_object *o, const char *key)
{
	return json_object_is_type(o, json_type_object) ? json_object_object_get(o, key) : NULL;
}

static const char *get_text(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(get(o, key));

	return text ? text : "";
}

/* What the running service says of itself; NULL: none runs. */
static struct json_object *service_of(const struct patient *p)
{
	return p->waiting ? p->waiting : get(p->status, "service");
}

static void read_archive(struct patient *p)
{
	struct archive_options options = { .mode = ARCHIVE_READ };

	p->archive_error = archive_open(p->settings->archive.path, &options, &p->archive);
	if (p->archive_error == 0)
		p->status = status_object(p->archive, &p->settings->schedule);
	else
		p->waiting = status_service(p->settings->archive.path);
}

/* The lines of a unit that is there to be used; one that is optional only where it is enabled. */
static void check_service(struct patient *p, const char *check, const char *name, bool optional)
{
	struct unit_state unit = { 0 };
	int r = doctor_unit_read(p->bus, name, &unit);

	if (optional && (r < 0 || strncmp(unit.file_state, "enabled", strlen("enabled")) != 0))
		return;
	tell(p, check, doctor_service(r, name, &unit));
}

struct wanted {
	const char *source;
	bool found;
};

static void see_camera(void *data, const char *id, const char *model)
{
	struct wanted *wanted = data;

	if (strcmp(wanted->source, "auto") == 0 || strcmp(wanted->source, id) == 0 ||
		strcmp(wanted->source, model) == 0)
		wanted->found = true;
}

/* A camera that another program has can still be listed, but a service that runs knows better. */
static void check_camera(struct patient *p)
{
	struct doctor_camera camera = { .source = p->settings->camera.source };
	struct json_object *its = get(service_of(p), "camera");
	struct wanted wanted = { .source = camera.source };
	const struct camera_ops *ops = camera_ops_of("auto");
	struct camera_options options = { 0 };

	if (its) {
		camera.running = true;
		snprintf(camera.state, sizeof camera.state, "%s", get_text(its, "state"));
		snprintf(camera.model, sizeof camera.model, "%s", get_text(its, "model"));
		snprintf(camera.error, sizeof camera.error, "%s", get_text(its, "error"));
	} else if (!ops) {
		camera.listed = -ENOSYS;
	} else {
		camera.listed = ops->list(&options, see_camera, &wanted);
		camera.found = wanted.found;
	}
	tell(p, "camera", doctor_camera(&camera));
}

static void check_newest(struct patient *p)
{
	struct doctor_newest newest = { .error = p->archive_error,
		.synced = clock_synced(&clock_real) };
	int64_t now = clock_wall_us(&clock_real);
	struct record frame;

	newest.has_frame = p->archive && archive_newest(p->archive, &frame) == 0;
	if (newest.has_frame) {
		newest.age_us = now - frame.exposed_us;
		/* the one of this moment may be on its way */
		newest.in_future = frame.slot_us > now + US_PER_SEC;
		if (!newest.in_future && frame.slot_us < now)
			newest.due = schedule_count(
				&p->settings->schedule, frame.slot_us + 1, now - 2 * US_PER_SEC);
	}
	tell(p, "newest", doctor_newest(&newest));
}

static void check_disk(struct patient *p)
{
	const struct capture_settings *s = p->settings;
	struct json_object *store = get(service_of(p), "store");
	int64_t now = clock_wall_us(&clock_real);
	struct doctor_use use = {
		.frames_per_day = (double)schedule_count(&s->schedule, now, now + 7 * DAY_US) / 7,
		.frame_bytes = FRAME_GUESS_BYTES,
		.makes_room = s->archive.reserve != 0,
		.held_frames = (double)json_object_get_int64(get(store, "frames")),
	};
	struct doctor_trial trial;
	struct doctor_disk disk;
	char where[PATH_MAX];
	struct record frame;

	doctor_disk_read(s->archive.path, &disk);
	if (store)
		tell(p, "store",
			doctor_store(-json_object_get_int(get(store, "errno")),
				store_find_unwritable(s->archive.path, now, where) == 0,
				get_text(store, "where"), s->archive.path));
	if (p->archive && archive_newest(p->archive, &frame) == 0)
		use.frame_bytes = (double)frame.bytes;
	tell(p, "disk", doctor_real_disk(&disk));
	doctor_trial_run(disk.path, &trial);
	tell(p, "publish", doctor_publish(&trial));
	tell(p, "mount",
		doctor_mount(s->archive.require_mount,
			place_check(s->archive.path, s->archive.require_mount, NULL, NULL),
			s->archive.path));
	tell(p, "space", doctor_space(&disk, &use));
}

static void check_keys(struct patient *p)
{
	CLEANUP_FREE char *text = NULL;
	char home[CONF_VALUE_MAX], path[PATH_MAX];
	const char *end;
	unsigned ours = 0;

	if (conf_home(home) == 0) {
		snprintf(path, sizeof path, "%s/.ssh/authorized_keys", home);
		(void)doctor_read_file(path, &text);
	}
	for (const char *line = text; line && *line; line = *end ? end + 1 : end) {
		struct doctor_key key;

		end = strchrnul(line, '\n');
		if (doctor_key_read(line, (size_t)(end - line), &key) < 0 || !key.ours)
			continue;
		ours++;
		tell(p, "key", doctor_key(&key, doctor_command_check(p->cli, key.command)));
	}
	if (ours == 0)
		tell(p, "key",
			doctor_fix(doctor_find(DOCTOR_INFO, "no puller is paired"),
				"on the other machine run `pullpi pair %s@THIS-MACHINE%s%s`",
				p->user.name, p->cli->name ? " --remote-name " : "",
				p->cli->name ? p->cli->name : ""));
}

static void check_shell(struct patient *p)
{
	CLEANUP(child_result_clear) struct child_result child;
	struct doctor_shell shell;

	doctor_shell_read(&p->user, &shell, &child);
	tell(p, "shell", doctor_shell(&shell));
}

static void tell_rival(void *data, const struct doctor_finding *finding)
{
	tell(data, "others", *finding);
}

static void tell_gone(void *data, const char *name)
{
	tell(data, "others",
		doctor_fix(doctor_find(DOCTOR_WARN,
				   "capturepi@%s.service is enabled, and its settings %s.conf are "
				   "gone",
				   name, name),
			"run `deploypi remove --name %s`", name));
}

static void check_machine(struct patient *p)
{
	struct doctor_groups groups;
	struct doctor_network network;
	bool known, has_memory;

	doctor_groups_read(&p->user, p->settings->camera.source, &groups);
	tell(p, "groups", doctor_groups(&groups));
	check_camera(p);
	tell(p, "clock", doctor_clock(clock_synced(&clock_real)));
	doctor_memory_read(&known, &has_memory);
	tell(p, "memory", doctor_memory(known, has_memory));
	check_disk(p);
	check_newest(p);
	check_keys(p);
	check_shell(p);
	doctor_network_read(&network);
	tell(p, "network", doctor_network(&network));
}

/* The settings are right, by doctor_settings(); whether the service goes by them is another thing. */
static void check_settings(struct patient *p)
{
	struct json_object *service = service_of(p);
	char ago[UTC_TEXT_MAX];
	int64_t ago_us;

	if (service && status_settings_changed(service, &ago_us))
		tell(p, "reload",
			doctor_fix(doctor_find(DOCTOR_WARN,
					   "the settings were changed %s%s; the service does not "
					   "go by it",
					   ago_us != TIME_NONE ? duration_format(ago_us, ago)
							       : "since it read them",
					   ago_us != TIME_NONE ? " ago" : ""),
				"run `systemctl --user reload %s`", p->cli->unit));
}

int doctor_command(struct cli *cli)
{
	struct patient p = { .cli = cli, .doctor = { .json = cli_flag(cli, "json") } };
	CLEANUP_FREE void *settings = NULL;
	char service[sizeof cli->unit + sizeof ".service"];
	int r = doctor_settings(&p.doctor, cli, &settings);

	if (r != CLI_OK)
		return r;
	p.settings = settings;
	doctor_user_read(&p.user, &p.bus);
	read_archive(&p);
	tell(&p, "linger", doctor_linger(&p.user, "deploypi capture"));
	tell(&p, "manager", doctor_manager(&p.user));
	snprintf(service, sizeof service, "%s.service", cli->unit);
	check_settings(&p);
	if (p.bus) {
		check_service(&p, "service", service, false);
		check_service(&p, "tunnel", "capturepi-tunnel.service", true);
	}
	rivals_find(cli, p.settings, tell_rival, &p);
	rivals_find_gone(cli, tell_gone, &p);
	check_machine(&p);
	sd_bus_flush_close_unref(p.bus);
	json_object_put(p.status);
	json_object_put(p.waiting);
	archive_free(p.archive);
	return doctor_end(&p.doctor);
}
