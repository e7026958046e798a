/* SPDX-License-Identifier: MIT */
/* The status file of the running service, and how people and programs read it. */
#include "capture/service/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/store/store.h"
#include "common/base/digest.h"
#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/utc.h"
#include "common/systemd/userbus.h"

#define STATUS_NAME_MAX (SHA256_HEX + 16)

static int runtime_path(char ret[static PATH_MAX])
{
	const char *own = getenv("RUNTIME_DIRECTORY");
	char user[PATH_MAX];
	int n;

	if (own && *own == '/')
		n = snprintf(ret, PATH_MAX, "%s", own);
	else if (userbus_runtime(user) == 0)
		n = snprintf(ret, PATH_MAX, "%s/capturepi", user);
	else
		n = snprintf(ret, PATH_MAX, "/tmp/capturepi-%u", getuid());
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/*
 * The runtime folder, and the status file's name in it for the archive at `archive`. The folder is
 * ours alone: in /tmp somebody else could have made it first.
 */
static int status_file(
	const char *archive, bool create, int *ret_folder, char ret_name[static STATUS_NAME_MAX])
{
	char path[PATH_MAX], hex[SHA256_HEX + 1];
	uint8_t sha256[SHA256_BYTES];
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r = runtime_path(path);

	if (r == 0)
		r = digest_buffer(archive, strlen(archive), sha256);
	if (r < 0)
		return r;
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != getuid())
		return -EPERM;
	digest_hex(sha256, hex);
	snprintf(ret_name, STATUS_NAME_MAX, "status-%s.json", hex);
	*ret_folder = TAKE_FD(fd);
	return 0;
}

/* No fsync: the folder is in memory, and a rename is enough for readers. */
int status_publish(const char *path, const char *json)
{
	CLEANUP_FD int folder = -1, fd = -1;
	char name[STATUS_NAME_MAX], temp[STATUS_NAME_MAX + 8];
	int r = status_file(path, true, &folder, name);

	if (r < 0)
		return r;
	snprintf(temp, sizeof temp, ".%s.part", name);
	fd = openat(folder, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fs_write_all(&fs_real, fd, json, strlen(json));
	if (r == 0 && renameat(folder, temp, folder, name) < 0)
		r = -errno;
	return r;
}

void status_withdraw(const char *path)
{
	CLEANUP_FD int folder = -1;
	char name[STATUS_NAME_MAX];

	if (status_file(path, false, &folder, name) == 0)
		unlinkat(folder, name, 0);
}

/* ---- reading ---- */

/* Whether the process runs that published this: the file may be left from a crash. */
static bool status_is_alive(const char *path, struct json_object *o)
{
	int64_t pid = json_get_number(o, "/pid");
	pid_t writer;

	/* in a trouble the archive is closed and opened again */
	if (json_get_bool(o, "/store/open") && json_get_number(o, "/store/errno") == 0)
		return archive_writer_pid(path, &writer) == 0;
	return pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

struct json_object *status_service(const char *path)
{
	CLEANUP_FD int folder = -1;
	CLEANUP_FREE char *text = NULL;
	struct json_object *o;
	char name[STATUS_NAME_MAX];
	size_t bytes;

	if (status_file(path, false, &folder, name) < 0 ||
		fs_read_file(folder, name, LINE_MAX_BYTES, &text, &bytes) < 0)
		return NULL;
	o = json_tokener_parse(text);
	if (status_is_alive(path, o))
		return o;
	json_object_put(o);
	return NULL;
}

static struct wire_schedule status_slots(
	struct json_object *service, const struct schedule_settings *settings, int64_t now_us)
{
	struct schedule_due due;

	if (service)
		return (struct wire_schedule){ now_us, json_get_time(service, "/due"),
			json_get_time(service, "/due_pending"), json_get_time(service, "/due_next"),
			WIRE_RUNNING };
	due = schedule_due(settings, now_us);
	return (struct wire_schedule){ now_us, due.due_us, due.pending_us, due.next_us,
		WIRE_STOPPED };
}

struct wire_schedule status_schedule(
	const char *path, const struct schedule_settings *settings, int64_t now_us)
{
	struct json_object *service = status_service(path);
	struct wire_schedule schedule = status_slots(service, settings, now_us);

	json_object_put(service);
	return schedule;
}

static void status_add_newest(struct json_object *o, struct archive *archive, int64_t now_us)
{
	char path[FRAME_PATH_MAX];
	struct frame_name name;
	struct record frame;

	if (archive_newest(archive, &frame) < 0)
		return;
	name = record_name(&frame);
	if (frame_name_path(&name, path) == 0)
		json_add_text(o, "newest", path);
	json_add_time(o, "newest_exposed", frame.exposed_us);
	json_add_number(o, "newest_age_s", (now_us - record_taken_us(&frame)) / US_PER_SEC);
}

struct json_object *status_object(struct archive *archive, const struct schedule_settings *settings)
{
	struct json_object *o = json_object_new_object();
	struct json_object *service = status_service(archive_path(archive));
	int64_t now_us = clock_wall_us(&clock_real), ago_us;
	struct wire_schedule schedule = status_slots(service, settings, now_us);
	uint64_t first = 0, last = 0;

	journal_first(archive_journal(archive), &first);
	journal_last(archive_journal(archive), &last);
	json_add_text(o, "camera", archive_camera(archive));
	json_add_text(o, "archive", archive_path(archive));
	json_add_text(o, "id", archive_id(archive));
	json_add_number(o, "first", (int64_t)first);
	json_add_number(o, "last", (int64_t)last);
	status_add_newest(o, archive, now_us);
	json_add_time(o, "now", now_us);
	json_add_time(o, "due", schedule.due_us);
	json_add_time(o, "pending", schedule.pending_us);
	json_add_time(o, "next", schedule.next_us);
	json_add_bool(o, "running", schedule.running == WIRE_RUNNING);
	if (service)
		json_add_bool(o, "settings_changed", status_settings_changed(service, &ago_us));
	json_object_object_add(o, "service", service);
	return o;
}

int64_t status_settings_us(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	return st.st_mtim.tv_sec * US_PER_SEC + st.st_mtim.tv_nsec / NS_PER_US;
}

bool status_settings_changed(struct json_object *service, int64_t *ret_ago_us)
{
	int64_t now_us = clock_wall_us(&clock_real), changed_us;

	if (!json_get(service, "/settings"))
		return false;
	changed_us = status_settings_us(json_get_text(service, "/settings/path"));
	*ret_ago_us = changed_us > 0 && changed_us <= now_us ? now_us - changed_us : TIME_NONE;
	return changed_us != json_get_number(service, "/settings/changed_us");
}

/* ---- for people ---- */

static void print_time(const char *label, struct json_object *o, const char *pointer)
{
	int64_t us = json_get_time(o, pointer);
	char local[UTC_TEXT_MAX];

	printf("%-10s %s\n", label, us == TIME_NONE ? "none" : utc_format_local(us, local));
}

static void print_counts(const char *label, struct json_object *o)
{
	struct json_object *missed = json_get(o, "/missed");
	int64_t counts[MISS_CAUSES], total = 0;

	for (int i = 0; i < MISS_CAUSES; i++)
		total += counts[i] =
			json_object_get_int64(json_object_object_get(missed, miss_cause_name(i)));
	printf("%-10s %" PRId64 " frames, %" PRId64 " missed", label, json_get_number(o, "/frames"),
		total);
	for (int i = 0; i < MISS_CAUSES; i++)
		if (counts[i])
			printf(" (%s %" PRId64 ")", miss_cause_name(i), counts[i]);
	putchar('\n');
}

static void print_store(struct json_object *store)
{
	const char *error = json_get_text(store, "/error");

	printf("stored     %" PRId64 " frames, %.1f MB%s\n", json_get_number(store, "/frames"),
		(double)json_get_number(store, "/bytes") / 1e6,
		json_get_bool(store, "/counted") ? "" : " and more");
	if (*error)
		printf("trouble    nothing can be stored: %s: %s\n           %s\n",
			json_get_text(store, "/where"), error,
			store_error_fix(-(int)json_get_number(store, "/errno")));
	if (json_get_number(store, "/removed/frames"))
		printf("removed    %" PRId64 " frames, %.1f MB\n",
			json_get_number(store, "/removed/frames"),
			(double)json_get_number(store, "/removed/bytes") / 1e6);
}

static void print_service(struct json_object *service)
{
	const char *error = json_get_text(service, "/camera/error");

	printf("service    running, pid %" PRId64 "\n", json_get_number(service, "/pid"));
	print_time("since", service, "/started");
	printf("sensor     %s, %s%s%s; recoveries: restart %" PRId64 ", reopen %" PRId64 "\n",
		json_get_text(service, "/camera/model"), json_get_text(service, "/camera/state"),
		*error ? ": " : "", error, json_get_number(service, "/camera/recoveries/restart"),
		json_get_number(service, "/camera/recoveries/reopen"));
	print_time("next slot", service, "/next");
	print_counts("today", json_get(service, "/today"));
	print_counts("in all", service);
	print_store(json_get(service, "/store"));
	printf("lateness   p50 %.3f ms, p99 %.3f ms, max %.3f ms\n",
		(double)json_get_number(service, "/late_us/p50") / 1000,
		(double)json_get_number(service, "/late_us/p99") / 1000,
		(double)json_get_number(service, "/late_us/max") / 1000);
	printf("clock      %s\n",
		json_get_bool(service, "/synced") ? "synchronised" : "not synchronised");
}

static void print_settings(struct json_object *service, const char *unit)
{
	char ago[UTC_TEXT_MAX];
	int64_t ago_us;

	if (!status_settings_changed(service, &ago_us))
		return;
	printf("settings   changed");
	if (ago_us != TIME_NONE)
		printf(" %s ago", duration_format(ago_us, ago));
	printf(", which is not in effect: systemctl --user reload %s\n", unit);
}

static void print_archive(struct json_object *o)
{
	char age[UTC_TEXT_MAX];

	printf("camera     %s\narchive    %s (journal lines %" PRId64 " to %" PRId64 ")\n",
		json_get_text(o, "/camera"), json_get_text(o, "/archive"),
		json_get_number(o, "/first"), json_get_number(o, "/last"));
	if (json_get(o, "/newest"))
		printf("newest     %s, %s ago\n", json_get_text(o, "/newest"),
			duration_format(json_get_number(o, "/newest_age_s") * US_PER_SEC, age));
	else
		printf("newest     none\n");
}

int status_print(struct archive *archive, const struct capture_settings *settings, const char *unit,
	bool json)
{
	struct json_object *o = archive ? status_object(archive, &settings->schedule)
					: status_service(settings->archive.path);
	struct json_object *service = archive ? json_get(o, "/service") : o;
	bool well = archive && service;

	if (!o)
		return -ENOENT;
	if (json) {
		json_print(o);
		return well ? 0 : 1;
	}
	if (archive)
		print_archive(o);
	else
		printf("archive    %s\nnewest     none can be read\n", settings->archive.path);
	if (service)
		print_service(service);
	else
		printf("service    not running (systemctl --user start %s)\n", unit);
	if (well)
		print_settings(service, unit);
	json_object_put(o);
	return well ? 0 : 1;
}
