/* SPDX-License-Identifier: MIT */
/*
 * `capturepi doctor`: reads the facts of this machine, the archive and the service, has them
 * judged, tells.
 */
#include "capture/commands/doctor.h"

#include <errno.h>
#include <json-c/json.h>
#include <pwd.h>
#include <string.h>

#include "capture/camera/camera.h"
#include "capture/commands/rivals.h"
#include "capture/service/status.h"
#include "capture/settings/settings.h"
#include "capture/store/store.h"
#include "common/archive/place.h"
#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/utc.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define FRAME_GUESS_BYTES 2e6 /* of a first frame, before there is one */
#define SHELL_US (INT64_C(10) * 1000000)
#define UNIT_CALL_US (UINT64_C(5) * 1000000)

/* Everything that more than one check needs. */
struct examination {
	struct doctor doctor;
	const struct capture_settings *settings;
	struct archive *archive; /* NULL: cannot be opened, by `archive_error` */
	int archive_error;
	struct record newest; /* `has_newest` */
	bool has_newest;
	/* of the archive and the service, or of a service that cannot open it; NULL */
	struct json_object *status;
	struct json_object *service; /* in that; NULL: none runs */
};

/*
 * What to do is written for the first camera: each command of capturepi gets the name of another
 * one.
 */
static void fix_name_camera(const struct cli *cli, char fix[static DOCTOR_TEXT_MAX])
{
	static const char command[] = "`capturepi";
	char named[DOCTOR_TEXT_MAX], *at = fix;

	while (cli->name && (at = strstr(at, command))) {
		at += strlen(command);
		snprintf(named, sizeof named, " --name %s%s", cli->name, at);
		snprintf(at, (size_t)(fix + DOCTOR_TEXT_MAX - at), "%s", named);
	}
}

static void examination_tell(
	struct examination *e, const char *check, struct doctor_finding finding)
{
	fix_name_camera(e->doctor.cli, finding.fix);
	doctor_tell(&e->doctor, check, finding);
}

static struct json_object *json_get(struct json_object *o, const char *key)
{
	return json_object_is_type(o, json_type_object) ? json_object_object_get(o, key) : NULL;
}

static const char *json_get_text(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(json_get(o, key));

	return text ? text : "";
}

static void read_archive(struct examination *e)
{
	const char *path = e->settings->archive.path;

	e->archive_error =
		archive_open(path, &(struct archive_options){ .mode = ARCHIVE_READ }, &e->archive);
	if (e->archive_error == 0)
		e->status = status_object(e->archive, &e->settings->schedule);
	else
		e->status = status_service(path);
	e->service = e->archive ? json_get(e->status, "service") : e->status;
	e->has_newest = e->archive && archive_newest(e->archive, &e->newest) == 0;
}

/* The settings are right, by doctor_begin(); whether the service goes by them is another thing. */
static void check_reload(struct examination *e)
{
	char ago[UTC_TEXT_MAX];
	int64_t ago_us;

	if (!e->service || !status_settings_changed(e->service, &ago_us))
		return;
	examination_tell(e, "reload",
		doctor_find(DOCTOR_WARN,
			"the settings were changed %s%s; the service does not go by it\n"
			"run `systemctl --user reload %s`",
			ago_us != TIME_NONE ? duration_format(ago_us, ago) : "since it read them",
			ago_us != TIME_NONE ? " ago" : "", e->doctor.cli->unit));
}

static void check_services(struct examination *e)
{
	static const char tunnel[] = "capturepi-tunnel.service";
	char name[UNIT_NAME_MAX];
	struct unit_state unit = { 0 };
	int r;

	if (!e->doctor.bus) /* told already */
		return;
	snprintf(name, sizeof name, "%s.service", e->doctor.cli->unit);
	r = doctor_unit_read(e->doctor.bus, name, &unit);
	examination_tell(e, "service", doctor_service(r, name, &unit));
	r = doctor_unit_read(e->doctor.bus, tunnel, &unit);
	if (r == 0 && strncmp(unit.file_state, "enabled", strlen("enabled")) == 0)
		examination_tell(e, "tunnel", doctor_service(r, tunnel, &unit));
}

static void tell_rival(void *data, const struct doctor_finding *finding)
{
	examination_tell(data, "others", *finding);
}

static void tell_gone(void *data, const char *name)
{
	examination_tell(data, "others",
		doctor_find(DOCTOR_WARN,
			"capturepi@%s.service is enabled, and its settings %s.conf are gone\n"
			"run `deploypi remove --name %s`",
			name, name, name));
}

static void check_groups(struct examination *e)
{
	struct doctor_groups groups;

	doctor_groups_read(
		&e->doctor.user, strcmp(e->settings->camera.source, "test") != 0, &groups);
	examination_tell(e, "groups", doctor_groups(&groups));
}

static void see_camera(void *data, const char *id, const char *model)
{
	struct doctor_camera *camera = data;

	if (strcmp(camera->source, "auto") == 0 || strcmp(camera->source, id) == 0 ||
		strcmp(camera->source, model) == 0)
		camera->found = true;
}

/* A camera that another program has can still be listed, but a service that runs knows better. */
static void check_camera(struct examination *e)
{
	struct doctor_camera camera = { .source = e->settings->camera.source };
	struct json_object *its = json_get(e->service, "camera");
	const struct camera_ops *ops = camera_ops_of("auto");

	if (its) {
		camera.state = json_get_text(its, "state");
		camera.model = json_get_text(its, "model");
		camera.error = json_get_text(its, "error");
	} else {
		camera.listed = ops ? ops->list(see_camera, &camera) : -ENOSYS;
	}
	examination_tell(e, "camera", doctor_camera(&camera));
}

static void check_memory(struct examination *e)
{
	CLEANUP_FREE char *text = NULL;
	bool known = doctor_read_file("/sys/fs/cgroup/cgroup.controllers", &text) == 0;

	examination_tell(e, "memory", doctor_memory(known, known && strstr(text, "memory")));
}

static void check_disk(struct examination *e)
{
	const struct capture_settings *s = e->settings;
	struct json_object *store = json_get(e->service, "store");
	int64_t now = clock_wall_us(&clock_real);
	struct doctor_use use = {
		.frames_per_day = (double)schedule_count(&s->schedule, now, now + 7 * DAY_US) / 7,
		.frame_bytes = e->has_newest ? (double)e->newest.bytes : FRAME_GUESS_BYTES,
		.makes_room = s->archive.reserve != 0,
		.held_frames = (double)json_object_get_int64(json_get(store, "frames")),
	};
	char where[PATH_MAX];

	if (store)
		examination_tell(e, "store",
			doctor_store(-json_object_get_int(json_get(store, "errno")),
				store_find_unwritable(s->archive.path, now, where) == 0,
				json_get_text(store, "where"), s->archive.path));
	doctor_tell_disk(&e->doctor, s->archive.path, s->archive.require_mount,
		place_check(s->archive.path, s->archive.require_mount, NULL, NULL), &use);
}

static void check_newest(struct examination *e)
{
	const struct record *frame = e->has_newest ? &e->newest : NULL;
	int64_t now = clock_wall_us(&clock_real);
	uint64_t due = 0;

	if (frame && frame->slot_us < now)
		due = schedule_count(
			&e->settings->schedule, frame->slot_us + 1, now - 2 * US_PER_SEC);
	examination_tell(e, "newest",
		doctor_newest(e->archive_error, frame, now, due, clock_synced(&clock_real)));
}

static bool command_names_nothing(const struct cli *cli, const char *command)
{
	const char *option = strstr(command, " --name");
	char name[CLI_NAME_MAX];

	if (!option || (option[7] && option[7] != ' ' && option[7] != '='))
		return false;
	if (!option[7])
		return true;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(option + 8, " "), option + 8);
	return !cli_name_ok(cli->program->name, name) || !rivals_has_settings(cli, name);
}

int doctor_command_check(const struct cli *cli, const char *command)
{
	char program[PATH_MAX];

	if (command_names_nothing(cli, command))
		return -ENODEV;
	snprintf(program, sizeof program, "%.*s", (int)strcspn(command, " "), command);
	return program[0] == '/' && access(program, X_OK) < 0 ? -errno : 0;
}

static void check_keys(struct examination *e)
{
	CLEANUP_FREE char *text = NULL;
	const struct cli *cli = e->doctor.cli;
	char home[CONF_VALUE_MAX], path[PATH_MAX];
	char *rest, *line;
	unsigned ours = 0;

	if (conf_home(home) == 0) {
		snprintf(path, sizeof path, "%s/.ssh/authorized_keys", home);
		(void)doctor_read_file(path, &text);
	}
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		struct doctor_key key;

		if (doctor_key_read(line, strlen(line), &key) < 0 || !key.ours)
			continue;
		ours++;
		examination_tell(
			e, "key", doctor_key(&key, doctor_command_check(cli, key.command)));
	}
	if (ours == 0)
		examination_tell(e, "key",
			doctor_find(DOCTOR_INFO,
				"no puller is paired\n"
				"on the other machine run `pullpi pair %s@THIS-MACHINE%s%s`",
				e->doctor.user.name, cli->name ? " --remote-name " : "",
				cli->name ? cli->name : ""));
}

/* Runs the login shell as sshd does. */
static void check_shell(struct examination *e)
{
	CLEANUP(child_result_clear) struct child_result child = { 0 };
	const struct passwd *entry = getpwuid(e->doctor.user.uid);
	char home[CONF_VALUE_MAX] = "", home_is[sizeof home + 8];
	struct doctor_shell shell = {
		.shell = entry && *entry->pw_shell ? entry->pw_shell : "/bin/sh",
		.home = home,
		.error = conf_home(home),
		.said = "",
	};
	/* bash reads its start-up file where sshd is its parent, by this variable */
	const char *argv[] = { "env", "-i", "PATH=/usr/bin:/bin", home_is,
		"SSH_CLIENT=127.0.0.1 1 1", shell.shell, "-c", "exit 0", NULL };

	snprintf(home_is, sizeof home_is, "HOME=%s", home);
	if (shell.error == 0)
		shell.error = child_run(argv, SHELL_US, &child);
	if (shell.error == 0) {
		shell.code = child.code;
		shell.said = child.out;
	}
	examination_tell(e, "shell", doctor_shell(&shell));
}

static int read_no_delay(void)
{
	CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	int value = 0, r = sd_bus_open_system(&bus);

	if (r < 0)
		return r;
	sd_bus_set_method_call_timeout(bus, UNIT_CALL_US);
	r = sd_bus_get_property_trivial(bus, USERBUS_SYSTEMD, USERBUS_PATH "/unit/ssh_2esocket",
		USERBUS_SYSTEMD ".Socket", "NoDelay", NULL, 'b', &value);
	return r < 0 ? r : value;
}

static void check_network(struct examination *e)
{
	CLEANUP_FREE char *idle = NULL, *congestion = NULL;
	int r = doctor_read_file("/proc/sys/net/ipv4/tcp_slow_start_after_idle", &idle);
	const int slow_start = r < 0 ? r : idle[0] == '1';

	r = doctor_read_file("/proc/sys/net/ipv4/tcp_congestion_control", &congestion);
	examination_tell(e, "network",
		doctor_network(
			read_no_delay(), slow_start, r < 0 ? r : strcmp(congestion, "bbr\n") == 0));
}

int doctor_command(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	struct examination e = { 0 };
	char deploy[CLI_NAME_MAX + 32];
	int r;

	snprintf(deploy, sizeof deploy, "deploypi capture%s%s", cli->name ? " --name " : "",
		cli->name ? cli->name : "");
	r = doctor_begin(&e.doctor, cli, deploy, &settings);
	if (r != CLI_OK)
		return r;
	e.settings = settings;
	read_archive(&e);
	check_reload(&e);
	check_services(&e);
	rivals_find(cli, e.settings, tell_rival, &e);
	rivals_find_gone(cli, tell_gone, &e);
	check_groups(&e);
	check_camera(&e);
	examination_tell(&e, "clock", doctor_clock(clock_synced(&clock_real)));
	check_memory(&e);
	check_disk(&e);
	check_newest(&e);
	check_keys(&e);
	check_shell(&e);
	check_network(&e);
	json_object_put(e.status);
	archive_free(e.archive);
	return doctor_end(&e.doctor);
}
