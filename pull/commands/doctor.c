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
#include "pull/ssh/keys.h"
#include "pull/ssh/wait.h"

#define CONNECT_LIMIT_US (30 * US_PER_SEC)
#define IDLE_US (15 * US_PER_SEC)
#define RATE_FRAMES 200 /* the newest, by which the rate is judged */
#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)

/* The camera at hand, and its endpoint. */
struct visit {
	struct doctor *doctor;
	const struct camera_settings *camera;
	struct endpoint endpoint;
};

static void check_libssh(struct doctor *doctor)
{
	CLEANUP_FREE char *status = NULL;
	char package[64] = "";

	if (doctor_read_file("/var/lib/dpkg/status", &status) == 0)
		doctor_package_version(status, "libssh-4", package, sizeof package);
	doctor_tell(doctor, "libssh", doctor_libssh(ssh_version(0), package));
}

static void read_unit(
	struct doctor *doctor, struct doctor_unit *ret, const char *kind, const char *type)
{
	snprintf(ret->name, sizeof ret->name, "pullpi-%s@%s.%s", kind, doctor->camera, type);
	ret->error = doctor_unit_read(doctor->bus, ret->name, &ret->state);
}

static void check_units(struct doctor *doctor)
{
	struct doctor_unit timer, service;
	int64_t now = clock_wall_us(&clock_real);

	if (!doctor->bus) /* told already */
		return;
	read_unit(doctor, &timer, "latest", "timer");
	read_unit(doctor, &service, "follow", "service");
	doctor_tell(doctor, "latest", doctor_latest(&timer, &service, now));
	read_unit(doctor, &timer, "sync", "timer");
	read_unit(doctor, &service, "sync", "service");
	doctor_tell(doctor, "sync", doctor_work(&timer, &service, now));
}

static void check_host_key(struct visit *v)
{
	CLEANUP_FREE char *text = NULL, *key = NULL;
	char command[512];
	int r = doctor_read_file(v->endpoint.known_hosts, &text);

	if (r == 0)
		r = known_hosts_find(text, v->endpoint.alias, &key);
	endpoint_pair_command(v->camera, command, sizeof command);
	doctor_tell(v->doctor, "host-key",
		r == 0 ? doctor_find(DOCTOR_OK, "pinned, %.*s", (int)strcspn(key, " "), key)
			: r == -ENOENT
			? doctor_find(DOCTOR_FAIL, "none is pinned\nrun `%s`", command)
			: doctor_find(DOCTOR_FAIL, "%s: %s\nrun `%s`", v->endpoint.known_hosts,
				  strerror(-r), command));
}

static void check_key(struct visit *v)
{
	char error[PULL_ERROR_MAX], command[512];
	ssh_key key = NULL;
	int r = key_load(v->endpoint.key, &key, error, sizeof error);

	ssh_key_free(key);
	endpoint_pair_command(v->camera, command, sizeof command);
	doctor_tell(v->doctor, "key",
		r == 0 ? doctor_find(DOCTOR_OK, "%s, ours alone", v->endpoint.key)
		       : doctor_find(DOCTOR_FAIL, "%s\nor run `%s`", error, command));
}

/* How quickly frames come, by the newest ones; 0: not known. */
static double frames_per_day(struct archive *archive, const struct record *newest)
{
	uint64_t first = newest->seq > RATE_FRAMES ? newest->seq - RATE_FRAMES : 1;
	struct record older;

	for (uint64_t seq = first; seq < newest->seq; seq++)
		if (archive_find(archive, seq, &older) == 0 && older.type == RECORD_FRAME &&
			older.slot_us < newest->slot_us)
			return (double)(newest->seq - seq) * (double)DAY_US /
				(double)(newest->slot_us - older.slot_us);
	return 0;
}

static void check_branches(struct doctor *doctor, const struct archive *archive)
{
	unsigned number = 0, last = 0, n = 0;

	for (; archive && archive_branch(archive, &number); n++)
		last = number;
	if (n > 0)
		doctor_tell(doctor, "history",
			doctor_find(DOCTOR_INFO,
				"the camera came back with an older card %u times; what was here "
				"of it is kept in %s/" BRANCHES "\nlook with `pullpi list %s/%u`",
				n, archive_path(archive), doctor->camera, last));
}

static void check_archive(struct doctor *doctor, const struct camera_settings *camera)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct doctor_use use = { .makes_room = camera->reserve != 0 };
	struct due_facts facts;
	struct contact contact;
	struct record newest;
	uint64_t first = 0, last = 0;
	char path[PATH_MAX];
	int r = pull_archive_path(camera, path), mount;

	if (r < 0) {
		doctor_tell(
			doctor, "disk", doctor_find(DOCTOR_FAIL, "no folder: %s", strerror(-r)));
		return;
	}
	contact_load(camera->name, &contact);
	mount = copy_check(camera, path);
	r = mount < 0 ? mount : archive_open(path, &options, &archive);
	facts = due_read(archive, &contact, camera->stale_after_us, &clock_real);
	if (archive && archive_newest(archive, &newest) == 0) {
		use.frame_bytes = (double)newest.bytes;
		use.frames_per_day = frames_per_day(archive, &newest);
		journal_first(archive_journal(archive), &first);
		journal_last(archive_journal(archive), &last);
		use.held_frames = (double)(last - first + 1);
	}
	doctor_tell_disk(doctor, path, camera->require_mount || mount == -ENOMEDIUM, mount, &use);
	doctor_tell(doctor, "newest", doctor_stale(r, &facts));
	doctor_tell(doctor, "clock", doctor_clocks(&facts));
	check_branches(doctor, archive);
}

/* As far as the greeting: address, port, host key, login, forced command, archive. */
static void check_reach(struct visit *v)
{
	CLEANUP(stream_freep) struct stream *stream = NULL;
	CLEANUP(client_freep) struct client *client = NULL;
	int64_t start = clock_mono_ns(&clock_real);
	struct client_options options = { .idle_us = IDLE_US,
		.deadline_ns = start + CONNECT_LIMIT_US * NS_PER_US };
	char error[PULL_ERROR_MAX] = "";
	enum connect_why why;
	int code = connect_try(v->camera, "capturepi serve", options.deadline_ns, &stream, &why,
		error, sizeof error);

	if (code == CLI_OK) {
		int r = client_new(stream, &options, &client, error, sizeof error);

		code = r < 0 ? connect_code_of_transfer(r) : CLI_OK;
	}
	if (client && *client_preamble(client))
		doctor_tell(v->doctor, "shell",
			doctor_shell(&(struct doctor_shell){
				.shell = "", .home = "", .said = client_preamble(client) }));
	doctor_tell(v->doctor, "reach",
		code != CLI_OK
			? doctor_find(code == CLI_TEMPFAIL ? DOCTOR_WARN : DOCTOR_FAIL, "%s", error)
			: doctor_find(DOCTOR_OK, "camera %s answers after %.1f s",
				  client_greeting(client)->camera,
				  (double)(clock_mono_ns(&clock_real) - start) / 1e9));
}

static void check_camera(struct doctor *doctor, const struct camera_settings *camera)
{
	struct visit visit = { .doctor = doctor, .camera = camera };
	int r = endpoint_of(camera, &visit.endpoint);

	doctor->camera = camera->name;
	check_units(doctor);
	if (r < 0) {
		doctor_tell(doctor, "key",
			doctor_find(DOCTOR_FAIL, "no state folder: %s", strerror(-r)));
	} else {
		check_host_key(&visit);
		check_key(&visit);
	}
	check_archive(doctor, camera);
	if (r == 0 && cli_flag(doctor->cli, "connect"))
		check_reach(&visit);
}

static void check_leftovers(struct doctor *doctor, const struct pull_settings *settings)
{
	CLEANUP_FREE struct leftovers *gone = calloc(1, sizeof *gone);

	if (!gone)
		return;
	leftovers_find(settings, gone);
	for (unsigned i = 0; i < gone->n; i++)
		doctor_tell(doctor, "leftover", doctor_leftover(&gone->list[i]));
}

const struct cli_option doctor_options[] = {
	{ "connect", 0, NULL, "also speak to the cameras" },
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
	check_libssh(&doctor);
	if (!only)
		check_leftovers(&doctor, settings);
	if (settings->n_cameras == 0)
		doctor_tell(&doctor, "cameras",
			doctor_find(DOCTOR_WARN,
				"none is paired\nrun `pullpi pair USER@HOST --camera NAME`"));
	for (size_t i = 0; i < settings->n_cameras; i++)
		if (!only || only == &settings->cameras[i])
			check_camera(&doctor, &settings->cameras[i]);
	return doctor_end(&doctor);
}
