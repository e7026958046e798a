/* SPDX-License-Identifier: MIT */
/* `pullpi doctor`: this machine, then each camera. Speaks to no camera unless it is asked to. */
#include <errno.h>
#include <libssh/libssh.h>
#include <string.h>

#include "common/archive/archive.h"
#include "common/base/clock.h"
#include "pull/commands/commands.h"
#include "pull/commands/doctor.h"
#include "pull/pair/pair.h"
#include "pull/session/copy.h"
#include "pull/ssh/client.h"
#include "pull/ssh/connect.h"
#include "pull/ssh/endpoint.h"
#include "pull/ssh/keys.h"
#include "pull/ssh/wait.h"
#include "pull/watch/watch.h"
#include "pull/watch/watch_state.h"

#define CONNECT_LIMIT_US (30 * US_PER_SEC)
#define IDLE_US (15 * US_PER_SEC)

static const struct doctor_finding nothing_to_tell;

/* The camera at hand. */
struct visit {
	struct doctor *doctor;
	const struct camera_settings *camera;
	int endpoint_error; /* -errno; 0: there is an endpoint */
	struct endpoint endpoint;
	char pair_command[512];
	char path[PATH_MAX]; /* of the archive */
	int mount, error; /* of its disk; of the archive */
	struct archive *archive; /* NULL: cannot be opened, by `error` */
	struct peer_state peer;
	struct due_facts due;
};

static struct doctor_finding check_libssh(void)
{
	CLEANUP_FREE char *status = NULL;
	char package[64] = "";

	if (doctor_read_file("/var/lib/dpkg/status", &status) == 0)
		doctor_package_version(status, "libssh-4", package, sizeof package);
	return doctor_libssh(ssh_version(0), package);
}

static void unit_read(
	const struct visit *v, const char *kind, const char *type, struct unit_state *ret)
{
	char unit[UNIT_NAME_MAX];

	snprintf(unit, sizeof unit, "pullpi-%s@%s.%s", kind, v->camera->name, type);
	doctor_unit_read(v->doctor->bus, unit, ret);
}

static struct doctor_finding check_latest(struct visit *v)
{
	struct unit_state timer, follow;

	if (!v->doctor->bus) /* told already */
		return nothing_to_tell;
	unit_read(v, "latest", "timer", &timer);
	unit_read(v, "follow", "service", &follow);
	return doctor_latest(&timer, &follow, clock_wall_us(&clock_real));
}

static struct doctor_finding check_sync(struct visit *v)
{
	struct unit_state timer, service;

	if (!v->doctor->bus)
		return nothing_to_tell;
	unit_read(v, "sync", "timer", &timer);
	unit_read(v, "sync", "service", &service);
	return doctor_work(&timer, &service, clock_wall_us(&clock_real));
}

static struct doctor_finding check_host_key(struct visit *v)
{
	CLEANUP_FREE char *text = NULL, *key = NULL;
	int r = v->endpoint_error;

	if (r < 0)
		return nothing_to_tell;
	r = doctor_read_file(v->endpoint.known_hosts, &text);
	if (r == 0)
		r = known_hosts_find(text, v->endpoint.alias, &key);
	if (r == 0)
		return doctor_find(DOCTOR_OK, "pinned, %.*s", (int)strcspn(key, " "), key);
	if (r == -ENOENT)
		return doctor_find(DOCTOR_FAIL, "none is pinned\nrun `%s`", v->pair_command);
	return doctor_find(DOCTOR_FAIL, "%s: %s\nrun `%s`", v->endpoint.known_hosts, strerror(-r),
		v->pair_command);
}

static struct doctor_finding check_key(struct visit *v)
{
	char error[PULL_ERROR_MAX];
	ssh_key key = NULL;

	if (v->endpoint_error < 0)
		return doctor_find(
			DOCTOR_FAIL, "no state folder: %s", strerror(-v->endpoint_error));
	if (key_load(v->endpoint.key, &key, error, sizeof error) < 0)
		return doctor_find(DOCTOR_FAIL, "%s\nor run `%s`", error, v->pair_command);
	ssh_key_free(key);
	return doctor_find(DOCTOR_OK, "%s, ours alone", v->endpoint.key);
}

static struct doctor_finding check_archive(struct visit *v)
{
	const struct doctor_use use = { 0 }; /* "room" tells how long it lasts */

	doctor_tell_disk(v->doctor, v->path, v->camera->require_mount || v->mount == -ENOMEDIUM,
		v->mount, &use);
	doctor_tell(v->doctor, "newest", doctor_stale(v->error, &v->due));
	return doctor_clocks(&v->due);
}

static struct doctor_finding check_room(struct visit *v)
{
	struct room_view view;

	if (!v->archive || room_look(v->camera, v->archive, &clock_real, &view) < 0)
		return nothing_to_tell;
	return doctor_room(v->camera, &view, clock_wall_us(&clock_real));
}

static struct doctor_finding check_history(struct visit *v)
{
	unsigned number = 0, last = 0, n = 0;

	for (; v->archive && archive_branch(v->archive, &number); n++)
		last = number;
	if (n == 0)
		return nothing_to_tell;
	return doctor_find(DOCTOR_INFO,
		"the camera came back with an older card %u times; what was here of it is kept in "
		"%s/" BRANCHES "\nlook with `pullpi list %s/%u`",
		n, archive_path(v->archive), v->camera->name, last);
}

/* As far as the greeting: address, port, host key, login, forced command, archive. */
static struct doctor_finding check_reach(struct visit *v)
{
	CLEANUP(stream_freep) struct stream *stream = NULL;
	CLEANUP(client_freep) struct client *client = NULL;
	int64_t start = clock_mono_ns(&clock_real);
	struct client_options options = { .idle_us = IDLE_US,
		.deadline_ns = start + CONNECT_LIMIT_US * NS_PER_US };
	char error[PULL_ERROR_MAX] = "";
	enum connect_why why;
	int code, r;

	if (v->endpoint_error < 0 || !cli_flag(v->doctor->cli, "connect"))
		return nothing_to_tell;
	code = connect_try(v->camera, "capturepi serve", options.deadline_ns, &stream, &why, error,
		sizeof error);
	if (code == CLI_OK) {
		r = client_new(stream, &options, &client, error, sizeof error);
		code = connect_code(r < 0 ? r : 0);
	}
	if (client && *client_preamble(client))
		doctor_tell(
			v->doctor, "shell", doctor_shell("", "", 0, 0, client_preamble(client)));
	if (code != CLI_OK)
		return doctor_find(code == CLI_TEMPFAIL ? DOCTOR_WARN : DOCTOR_FAIL, "%s", error);
	return doctor_find(DOCTOR_OK, "camera %s answers after %.1f s",
		client_greeting(client)->camera,
		(double)(clock_mono_ns(&clock_real) - start) / 1e9);
}

/* A finding without text: there is nothing to tell, or the check told it by itself. */
static const struct {
	const char *name;
	struct doctor_finding (*run)(struct visit *v);
} checks[] = {
	{ "latest", check_latest },
	{ "sync", check_sync },
	{ "host-key", check_host_key },
	{ "key", check_key },
	{ "clock", check_archive },
	{ "room", check_room },
	{ "history", check_history },
	{ "reach", check_reach },
};

static void visit_camera(struct doctor *doctor, const struct camera_settings *camera)
{
	const struct archive_options options = { .mode = ARCHIVE_READ };
	struct visit v = { .doctor = doctor, .camera = camera };
	int r = pull_archive_path(camera, v.path);

	doctor->camera = camera->name;
	if (r < 0) {
		doctor_tell(doctor, "disk",
			doctor_find(DOCTOR_FAIL, "no folder for the archive: %s", strerror(-r)));
		return;
	}
	v.endpoint_error = endpoint_of(camera, &v.endpoint);
	endpoint_pair_command(camera, v.pair_command, sizeof v.pair_command);
	peer_state_load(camera->name, &v.peer);
	v.mount = copy_check(camera, v.path);
	v.error = v.mount < 0 ? v.mount : archive_open(v.path, &options, &v.archive);
	v.due = due_read(v.archive, &v.peer, camera->stale_after_us, &clock_real);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		doctor_tell(doctor, checks[i].name, checks[i].run(&v));
	archive_free(v.archive);
}

static void tell_leftovers(struct doctor *doctor, const struct pull_settings *settings)
{
	CLEANUP_FREE struct leftovers *gone = calloc(1, sizeof *gone);

	if (!gone)
		return;
	leftovers_find(settings, gone);
	for (unsigned i = 0; i < gone->n; i++)
		doctor_tell(doctor, "leftover", doctor_leftover(&gone->list[i]));
}

static void tell_ways(struct doctor *doctor, const struct channels *channels)
{
	struct watch_state state;
	char host[PATH_MAX], error[PULL_ERROR_MAX];

	if (watch_state_look(&state) < 0)
		return;
	for (enum channel c = 0; c < CHANNELS; c++) {
		struct doctor_way way = { .host = host,
			.tries = state.channels[c].tries,
			.failure = state.channels[c].error,
			.waiting = watch_state_waiting(&state, c),
			.asked = c == CHANNEL_COMMAND || cli_flag(doctor->cli, "connect"),
			.unreached = error };

		*error = '\0';
		if (channel_is_set(channels, c)) {
			channel_host(channels, c, host, sizeof host);
			if (way.asked)
				channel_reach(channels, c, error, sizeof error);
			doctor_tell(doctor, channel_name(c), doctor_way(&way));
		}
	}
	watch_state_close(&state);
}

/* The ways for messages; where none is set, there is nothing to tell. */
static void tell_messages(struct doctor *doctor, const struct pull_settings *settings)
{
	struct unit_state timer, service;
	struct secrets secrets;
	const struct channels channels = { &settings->alarm, &secrets };
	char error[2 * PATH_MAX] = "";
	bool any = false;

	if (watch_load_secrets(doctor->cli, &secrets, error, sizeof error) != CLI_OK) {
		doctor_tell(doctor, "secrets", doctor_find(DOCTOR_FAIL, "%s", error));
		return;
	}
	for (enum channel c = 0; c < CHANNELS; c++)
		any = any || channel_is_set(&channels, c);
	if (any && doctor->bus) {
		doctor_unit_read(doctor->bus, "pullpi-watch.timer", &timer);
		doctor_unit_read(doctor->bus, "pullpi-watch.service", &service);
		doctor_tell(
			doctor, "watch", doctor_work(&timer, &service, clock_wall_us(&clock_real)));
	}
	if (any)
		tell_ways(doctor, &channels);
}

const struct cli_option doctor_options[] = {
	{ "connect", 0, NULL, "also speak to the cameras, and to the servers of messages" },
	{ "json", 0, NULL, "one object a check, then the totals" },
	{ .name = NULL },
};

int command_doctor(struct cli *cli)
{
	const struct camera_settings *only = NULL;
	CLEANUP_FREE void *data = NULL;
	const struct pull_settings *settings;
	struct doctor doctor;
	int r = doctor_begin(&doctor, cli, "deploypi pull", &data);

	settings = data;
	if (r == CLI_OK && cli->argc > 0)
		r = pull_choose_camera(cli, settings, cli->argv[0], &only);
	if (r != CLI_OK) {
		sd_bus_flush_close_unref(doctor.bus);
		return r;
	}
	doctor_tell(&doctor, "libssh", check_libssh());
	if (!only) {
		tell_leftovers(&doctor, settings);
		tell_messages(&doctor, settings);
	}
	if (settings->n_cameras == 0)
		doctor_tell(&doctor, "cameras",
			doctor_find(DOCTOR_WARN,
				"none is paired\nrun `pullpi pair USER@HOST --camera NAME`"));
	for (size_t i = 0; i < settings->n_cameras; i++)
		if (!only || only == &settings->cameras[i])
			visit_camera(&doctor, &settings->cameras[i]);
	return doctor_end(&doctor);
}
