/* SPDX-License-Identifier: MIT */
/* `pullpi doctor`: this machine, then each camera. Speaks to no camera unless it is asked to. */
#include <errno.h>
#include <libssh/libssh.h>
#include <string.h>

#include "common/archive.h"
#include "common/clock.h"
#include "pull/client.h"
#include "pull/commands.h"
#include "pull/connect.h"
#include "pull/copy.h"
#include "pull/doctor_checks.h"
#include "pull/keys.h"
#include "pull/pair.h"
#include "pull/wait.h"

#define CONNECT_LIMIT_US (30 * US_PER_SEC)
#define IDLE_US (15 * US_PER_SEC)
#define RATE_FRAMES 200 /* the newest, by which the rate is judged */
#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)

struct patient {
	struct cli *cli;
	struct doctor doctor;
	struct doctor_user user;
	sd_bus *bus;
	const struct camera_settings *camera; /* the one at hand */
};

static void tell(struct patient *p, const char *check, struct doctor_finding finding)
{
	doctor_tell(&p->doctor, check, p->camera ? p->camera->name : NULL, finding);
}

static void check_libssh(struct patient *p)
{
	CLEANUP_FREE char *status = NULL;
	char package[64] = "";

	if (doctor_read_file("/var/lib/dpkg/status", &status) == 0)
		doctor_package_version(status, "libssh-4", package, sizeof package);
	tell(p, "libssh", doctor_libssh(ssh_version(0), package));
}

static void read_unit(
	struct patient *p, struct doctor_unit *ret, const char *kind, const char *type)
{
	snprintf(ret->name, sizeof ret->name, "pullpi-%s@%s.%s", kind, p->camera->name, type);
	ret->error = doctor_unit_read(p->bus, ret->name, &ret->state);
}

static void check_units(struct patient *p)
{
	struct doctor_unit latest, follow, sync, sync_service;
	int64_t now = clock_wall_us(&clock_real);

	if (!p->bus) /* told already */
		return;
	read_unit(p, &latest, "latest", "timer");
	read_unit(p, &follow, "follow", "service");
	read_unit(p, &sync, "sync", "timer");
	read_unit(p, &sync_service, "sync", "service");
	tell(p, "latest", doctor_latest(&latest, &follow, now));
	tell(p, "sync", doctor_work(&sync, &sync_service, now));
}

static void check_host_key(struct patient *p, const struct endpoint *endpoint)
{
	CLEANUP_FREE char *text = NULL, *key = NULL;
	char command[512];
	int r = doctor_read_file(endpoint->known_hosts, &text);

	if (r == 0)
		r = known_hosts_find(text, endpoint->alias, &key);
	if (r == 0)
		tell(p, "host-key",
			doctor_find(DOCTOR_OK, "pinned, %.*s", (int)strcspn(key, " "), key));
	else
		tell(p, "host-key",
			doctor_fix(r == -ENOENT ? doctor_find(DOCTOR_FAIL, "none is pinned")
						: doctor_find(DOCTOR_FAIL, "%s: %s",
							  endpoint->known_hosts, strerror(-r)),
				"run `%s`",
				endpoint_pair_command(p->camera, command, sizeof command)));
}

static void check_key(struct patient *p, const struct endpoint *endpoint)
{
	char error[PULL_ERROR_MAX], command[512];
	ssh_key key = NULL;

	if (key_load(endpoint->key, &key, error, sizeof error) == 0) {
		ssh_key_free(key);
		tell(p, "key", doctor_find(DOCTOR_OK, "%s, ours alone", endpoint->key));
		return;
	}
	tell(p, "key",
		doctor_fix(doctor_find(DOCTOR_FAIL, "%s", error), "or run `%s`",
			endpoint_pair_command(p->camera, command, sizeof command)));
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

static void check_branches(struct patient *p, const struct archive *archive)
{
	unsigned number = 0, last = 0, n = 0;

	for (; archive && archive_branch(archive, &number); n++)
		last = number;
	if (n > 0)
		tell(p, "history",
			doctor_fix(doctor_find(DOCTOR_INFO,
					   "the camera came back with an older card %u times; what "
					   "was "
					   "here of it is kept in %s/" BRANCHES,
					   n, archive_path(archive)),
				"look with `pullpi list %s/%u`", p->camera->name, last));
}

static void check_archive(struct patient *p)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct doctor_use use = { .makes_room = p->camera->reserve != 0 };
	struct doctor_stale stale;
	struct doctor_trial trial;
	struct doctor_disk disk;
	struct contact contact;
	struct record newest;
	uint64_t first = 0, last = 0;
	char path[PATH_MAX];
	int r = pull_archive_path(p->camera, path), mount;

	if (r < 0) {
		tell(p, "disk", doctor_find(DOCTOR_FAIL, "no folder: %s", strerror(-r)));
		return;
	}
	contact_load(p->camera->name, &contact);
	mount = copy_check(p->camera, path);
	stale.error = mount < 0 ? mount : archive_open(path, &options, &archive);
	stale.facts = due_read(archive, &contact, p->camera->stale_after_us, &clock_real);
	if (archive && archive_newest(archive, &newest) == 0) {
		use.frame_bytes = (double)newest.bytes;
		use.frames_per_day = frames_per_day(archive, &newest);
		journal_first(archive_journal(archive), &first);
		journal_last(archive_journal(archive), &last);
		use.held_frames = (double)(last - first + 1);
	}
	tell(p, "mount",
		doctor_mount(p->camera->require_mount || mount == -ENOMEDIUM, mount, path));
	doctor_disk_read(path, &disk);
	tell(p, "disk", doctor_real_disk(&disk));
	doctor_trial_run(disk.path, &trial);
	tell(p, "publish", doctor_publish(&trial));
	tell(p, "space", doctor_space(&disk, &use));
	tell(p, "newest", doctor_stale(&stale));
	tell(p, "clock", doctor_clocks(&stale.facts));
	check_branches(p, archive);
}

/* As far as the greeting: address, port, host key, login, forced command, archive. */
static void check_reach(struct patient *p)
{
	CLEANUP(stream_freep) struct stream *stream = NULL;
	CLEANUP(client_freep) struct client *client = NULL;
	int64_t start = clock_mono_ns(&clock_real);
	struct client_options options = { .idle_us = IDLE_US,
		.deadline_ns = start + CONNECT_LIMIT_US * NS_PER_US };
	char error[PULL_ERROR_MAX] = "";
	bool ours;
	int code = connect_camera(p->camera, "capturepi serve", options.deadline_ns, &stream, &ours,
		error, sizeof error);

	if (code == CLI_OK) {
		int r = client_new(stream, &options, &client, error, sizeof error);

		code = r < 0 ? connect_code_of_transfer(r) : CLI_OK;
	}
	if (client && *client_preamble(client))
		tell(p, "shell",
			doctor_shell(&(struct doctor_shell){ .said = client_preamble(client) }));
	if (code == CLI_OK)
		tell(p, "reach",
			doctor_find(DOCTOR_OK, "camera %s answers after %.1f s",
				client_greeting(client)->camera,
				(double)(clock_mono_ns(&clock_real) - start) / 1e9));
	else
		tell(p, "reach",
			doctor_find(code == CLI_TEMPFAIL ? DOCTOR_WARN : DOCTOR_FAIL, "%s", error));
}

static void check_camera(struct patient *p)
{
	struct endpoint endpoint;
	int r = endpoint_of(p->camera, &endpoint);

	check_units(p);
	if (r < 0) {
		tell(p, "key", doctor_find(DOCTOR_FAIL, "no state folder: %s", strerror(-r)));
	} else {
		check_host_key(p, &endpoint);
		check_key(p, &endpoint);
	}
	check_archive(p);
	if (r == 0 && cli_flag(p->cli, "connect"))
		check_reach(p);
}

static void check_leftovers(struct patient *p, const struct pull_settings *settings)
{
	CLEANUP_FREE struct leftovers *gone = calloc(1, sizeof *gone);

	if (!gone)
		return;
	leftovers_find(settings, gone);
	for (unsigned i = 0; i < gone->n; i++)
		tell(p, "leftover", doctor_leftover(&gone->list[i]));
}

const struct cli_option doctor_options[] = {
	{ "connect", 0, NULL, "also speak to the cameras" },
	{ "json", 0, NULL, "one object a check, then the totals" },
	{ .name = NULL },
};

int command_doctor(struct cli *cli)
{
	struct patient p = { .cli = cli, .doctor = { .json = cli_flag(cli, "json") } };
	const struct camera_settings *only = NULL;
	CLEANUP_FREE void *data = NULL;
	const struct pull_settings *settings;
	int r = doctor_settings(&p.doctor, cli, &data);

	settings = data;
	if (r == CLI_OK && cli->argc > 0)
		r = choose_camera(cli, settings, cli->argv[0], &only);
	if (r != CLI_OK)
		return r;
	doctor_user_read(&p.user, &p.bus);
	tell(&p, "linger", doctor_linger(&p.user, "deploypi pull"));
	tell(&p, "manager", doctor_manager(&p.user));
	check_libssh(&p);
	if (!only)
		check_leftovers(&p, settings);
	if (settings->n_cameras == 0)
		tell(&p, "cameras",
			doctor_fix(doctor_find(DOCTOR_WARN, "none is paired"),
				"run `pullpi pair USER@HOST --camera NAME`"));
	for (size_t i = 0; i < settings->n_cameras; i++) {
		p.camera = &settings->cameras[i];
		if (!only || only == p.camera)
			check_camera(&p);
	}
	sd_bus_flush_close_unref(p.bus);
	return doctor_end(&p.doctor);
}
