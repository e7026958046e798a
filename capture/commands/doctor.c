/* SPDX-License-Identifier: MIT */
/*
 * `capturepi doctor`: reads the facts of this machine, the archive and the service, check by check.
 */
#include "capture/commands/doctor.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>

#include "capture/camera/camera.h"
#include "capture/commands/rivals.h"
#include "capture/commands/tunnel.h"
#include "capture/service/status.h"
#include "capture/settings/settings.h"
#include "capture/store/store.h"
#include "capture/stream/supervisor.h"
#include "common/archive/place.h"
#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/utc.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define FRAME_GUESS_BYTES 2e6 /* of a first frame, before there is one */
#define SHELL_US (INT64_C(10) * 1000000)
#define TRIAL_SECONDS 15 /* a camera that gives no picture by then gives none */
#define UNIT_CALL_US (UINT64_C(5) * 1000000)

static const struct doctor_finding nothing_to_tell;

/* What more than one check needs. */
struct examination {
	struct doctor doctor;
	const struct capture_settings *settings;
	struct archive *archive; /* NULL: cannot be opened, by `archive_error` */
	int archive_error;
	struct record newest; /* `has_newest` */
	bool has_newest;
	struct json_object *status; /* what `service` is a part of; NULL */
	struct json_object *service; /* as it published itself; NULL: none runs */
};

static void examination_read(struct examination *e)
{
	const char *path = e->settings->archive.path;

	e->archive_error =
		archive_open(path, &(struct archive_options){ .mode = ARCHIVE_READ }, &e->archive);
	if (e->archive)
		e->status = status_object(e->archive, &e->settings->schedule);
	else /* a service may wait for it */
		e->status = status_service(path);
	e->service = e->archive ? json_get(e->status, "/service") : e->status;
	e->has_newest = e->archive && archive_newest(e->archive, &e->newest) == 0;
}

/* The settings are right, by doctor_begin(); whether the service uses them is another thing. */
static struct doctor_finding check_reload(struct examination *e)
{
	char ago[UTC_TEXT_MAX];
	int64_t ago_us;

	if (!e->service || !status_settings_changed(e->service, &ago_us))
		return nothing_to_tell;
	return doctor_find(DOCTOR_WARN,
		"the settings were changed %s%s; the service does not use them yet\n"
		"run `systemctl --user reload %s`",
		ago_us != TIME_NONE ? duration_format(ago_us, ago) : "since it read them",
		ago_us != TIME_NONE ? " ago" : "", e->doctor.cli->unit);
}

static struct doctor_finding check_service(struct examination *e)
{
	char name[UNIT_NAME_MAX];
	struct unit_state unit;

	if (!e->doctor.bus) /* told already */
		return nothing_to_tell;
	snprintf(name, sizeof name, "%s.service", e->doctor.cli->unit);
	doctor_unit_read(e->doctor.bus, name, &unit);
	return doctor_unit(&unit, 0);
}

static struct doctor_finding check_tunnel_key(struct examination *e)
{
	return e->doctor.cli->name ? nothing_to_tell : tunnel_examine();
}

static struct doctor_finding check_tunnel(struct examination *e)
{
	struct unit_state unit = { 0 };

	if (e->doctor.bus)
		doctor_unit_read(e->doctor.bus, "capturepi-tunnel.service", &unit);
	return unit_is_enabled(&unit) ? doctor_unit(&unit, 0) : nothing_to_tell;
}

static void tell_rival(void *data, const struct doctor_finding *finding)
{
	doctor_tell(data, "others", *finding);
}

static struct doctor_finding check_others(struct examination *e)
{
	rivals_find(e->doctor.cli, e->settings, tell_rival, &e->doctor);
	return nothing_to_tell;
}

static struct doctor_finding check_groups(struct examination *e)
{
	if (strcmp(e->settings->camera.source, "test") == 0)
		return doctor_find(DOCTOR_OK, "not needed here");
	return doctor_groups(e->doctor.user, e->doctor.bus ? userbus_pid(e->doctor.bus) : 0);
}

struct camera_search {
	const char *source;
	bool found;
};

static void camera_search_note(void *data, const char *id, const char *model)
{
	struct camera_search *search = data;
	const char *source = search->source;

	if (strcmp(source, "auto") == 0 || strcmp(source, id) == 0 || strcmp(source, model) == 0)
		search->found = true;
}

/* Runs a camera until its first frame, or as long as a trial lasts. Whether a frame came. */
static bool trial_run(struct supervisor *supervisor)
{
	const int64_t end_ns = clock_mono_ns(&clock_real) + TRIAL_SECONDS * NS_PER_SEC;
	struct frame frame;

	supervisor_want(supervisor, true);
	while (clock_mono_ns(&clock_real) < end_ns) {
		struct pollfd wait = { .events = POLLIN };

		supervisor_step(supervisor);
		wait.fd = supervisor_camera(supervisor) ? supervisor_camera(supervisor)->fd : -1;
		poll(&wait, 1, 100);
		if (supervisor_take(supervisor, &frame) == 0) {
			supervisor_release(supervisor, &frame);
			return true;
		}
	}
	return false;
}

static struct doctor_finding camera_try(const struct capture_settings *settings)
{
	CLEANUP(supervisor_freep) struct supervisor *supervisor = NULL;
	struct control_arrays arrays;
	const struct camera_options camera = capture_camera_options(settings, &arrays);
	const struct supervisor_options options = {
		.source = settings->camera.source,
		.camera = &camera,
		.clock = &clock_real,
		.call_seconds = TRIAL_SECONDS,
	};
	const struct supervisor_facts *facts;
	const struct camera *tried;
	struct doctor_trial trial = { .error = "" };
	int r = supervisor_new(&options, &supervisor);

	if (r < 0)
		return doctor_find(DOCTOR_FAIL, "cannot be tried: %s", strerror(-r));
	facts = supervisor_facts(supervisor);
	if (!trial_run(supervisor))
		trial.error = *facts->text ? facts->text : "it gives no picture";
	tried = supervisor_camera(supervisor);
	trial.buffers = facts->buffers;
	trial.free = facts->memory_free;
	if (tried) {
		trial.model = tried->info.model;
		trial.width = tried->shape.width;
		trial.height = tried->shape.height;
		trial.bytes = tried->info.memory_bytes;
	}
	return doctor_camera_trial(&trial);
}

/* A camera that another program uses can still be listed, but a service that runs knows better. */
static struct doctor_finding check_camera(struct examination *e)
{
	struct json_object *its = json_get(e->service, "/camera");
	struct camera_search search = { .source = e->settings->camera.source };
	const struct camera_ops *ops = camera_ops_of("auto");
	struct doctor_finding listed;

	if (its)
		return doctor_camera(json_get_text(its, "/model"), json_get_text(its, "/state"),
			json_get_text(its, "/error"));
	listed = doctor_cameras(search.source,
		ops ? ops->list(camera_search_note, &search) : -ENOSYS, search.found);
	return listed.verdict == DOCTOR_OK ? camera_try(e->settings) : listed;
}

static struct doctor_finding check_clock(struct examination *e)
{
	(void)e;
	return doctor_clock(clock_synced(&clock_real));
}

static struct doctor_finding check_memory(struct examination *e)
{
	CLEANUP_FREE char *controllers = NULL;

	(void)e;
	(void)doctor_read_file("/sys/fs/cgroup/cgroup.controllers", &controllers);
	return doctor_memory(controllers);
}

static struct doctor_finding check_store(struct examination *e)
{
	struct json_object *store = json_get(e->service, "/store");
	const char *path = e->settings->archive.path;
	char where[PATH_MAX];

	if (!store)
		return nothing_to_tell;
	return doctor_store(-(int)json_get_number(store, "/errno"),
		store_find_unwritable(path, clock_wall_us(&clock_real), where) == 0,
		json_get_text(store, "/where"));
}

static struct doctor_finding check_disk(struct examination *e)
{
	const struct capture_settings *s = e->settings;
	int64_t now = clock_wall_us(&clock_real);
	struct doctor_use use = {
		.frames_per_day = (double)schedule_count(&s->schedule, now, now + 7 * DAY_US) / 7,
		.frame_bytes = e->has_newest ? (double)e->newest.bytes : FRAME_GUESS_BYTES,
		.makes_room = s->archive.retention.reserve != 0,
		.held_frames = (double)json_get_number(e->service, "/store/frames"),
	};

	doctor_tell_disk(&e->doctor, s->archive.path, s->archive.require_mount,
		place_check(s->archive.path, s->archive.require_mount, NULL, NULL), &use);
	return nothing_to_tell;
}

static struct doctor_finding check_newest(struct examination *e)
{
	const struct record *frame = e->has_newest ? &e->newest : NULL;
	int64_t now = clock_wall_us(&clock_real);
	uint64_t due = 0;

	if (frame && frame->slot_us < now)
		due = schedule_count(
			&e->settings->schedule, frame->slot_us + 1, now - 2 * US_PER_SEC);
	return doctor_newest(e->archive_error, frame, now, due, clock_synced(&clock_real));
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

static struct doctor_finding check_keys(struct examination *e)
{
	CLEANUP_FREE char *text = NULL;
	const struct cli *cli = e->doctor.cli;
	char home[CONF_VALUE_MAX], path[PATH_MAX], *rest, *line;
	struct doctor_key key;
	bool paired = false;

	if (conf_home(home) == 0) {
		snprintf(path, sizeof path, "%s/.ssh/authorized_keys", home);
		(void)doctor_read_file(path, &text);
	}
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (doctor_key_read(line, strlen(line), &key) < 0 || !key.ours)
			continue;
		paired = true;
		doctor_tell(&e->doctor, "key",
			doctor_key(&key, doctor_command_check(cli, key.command)));
	}
	if (paired)
		return nothing_to_tell;
	return doctor_find(DOCTOR_INFO,
		"no puller is paired\non the other machine run `pullpi pair %s@THIS-MACHINE%s%s`",
		e->doctor.user, cli->name ? " --remote-name " : "", cli->name ? cli->name : "");
}

/* Runs the login shell as sshd does. */
static struct doctor_finding check_shell(struct examination *e)
{
	CLEANUP(child_result_clear) struct child_result child = { 0 };
	const struct passwd *entry = getpwuid(getuid());
	const char *shell = entry && *entry->pw_shell ? entry->pw_shell : "/bin/sh";
	char home[CONF_VALUE_MAX] = "", home_is[sizeof home + 8];
	/* bash reads its start-up file where sshd is its parent, by this variable */
	const char *argv[] = { "env", "-i", "PATH=/usr/bin:/bin", home_is,
		"SSH_CLIENT=127.0.0.1 1 1", shell, "-c", "exit 0", NULL };
	int r = conf_home(home);

	(void)e;
	snprintf(home_is, sizeof home_is, "HOME=%s", home);
	if (r == 0)
		r = child_run(argv, SHELL_US, &child);
	return doctor_shell(shell, home, r, r < 0 ? 0 : child.code, r < 0 ? "" : child.out);
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

static struct doctor_finding check_network(struct examination *e)
{
	CLEANUP_FREE char *idle = NULL, *congestion = NULL;
	int r = doctor_read_file("/proc/sys/net/ipv4/tcp_slow_start_after_idle", &idle);
	const int slow_start = r < 0 ? r : idle[0] == '1';

	(void)e;
	r = doctor_read_file("/proc/sys/net/ipv4/tcp_congestion_control", &congestion);
	return doctor_network(
		read_no_delay(), slow_start, r < 0 ? r : strcmp(congestion, "bbr\n") == 0);
}

/* A finding without text: there is nothing to tell, or the check told it by itself. */
static const struct {
	const char *name;
	struct doctor_finding (*run)(struct examination *e);
} checks[] = {
	{ "reload", check_reload },
	{ "service", check_service },
	{ "tunnel", check_tunnel },
	{ "tunnel-key", check_tunnel_key },
	{ "others", check_others },
	{ "groups", check_groups },
	{ "camera", check_camera },
	{ "clock", check_clock },
	{ "memory", check_memory },
	{ "store", check_store },
	{ "disk", check_disk },
	{ "newest", check_newest },
	{ "key", check_keys },
	{ "shell", check_shell },
	{ "network", check_network },
};

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
	examination_read(&e);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		doctor_tell(&e.doctor, checks[i].name, checks[i].run(&e));
	json_object_put(e.status);
	archive_free(e.archive);
	return doctor_end(&e.doctor);
}
