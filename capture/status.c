/* SPDX-License-Identifier: MIT */
/* The status file of the running service, and how people and programs read it. */
#include "capture/status.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/store.h"
#include "common/digest.h"
#include "common/fs.h"
#include "common/utc.h"

#define STATUS_NAME_MAX (SHA256_HEX + 16)

static int runtime_folder(char ret[static PATH_MAX])
{
	const char *own = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");
	unsigned uid = getuid();
	struct stat st;

	if (own && *own == '/')
		return snprintf(ret, PATH_MAX, "%s", own) < PATH_MAX ? 0 : -ENAMETOOLONG;
	if (xdg && *xdg == '/')
		return snprintf(ret, PATH_MAX, "%s/capturepi", xdg) < PATH_MAX ? 0 : -ENAMETOOLONG;
	snprintf(ret, PATH_MAX, "/run/user/%u", uid);
	if (stat(ret, &st) == 0 && st.st_uid == uid)
		snprintf(ret, PATH_MAX, "/run/user/%u/capturepi", uid);
	else
		snprintf(ret, PATH_MAX, "/tmp/capturepi-%u", uid);
	return 0;
}

/* The folder, ours alone: in /tmp somebody else could have made it first. */
static int open_runtime(bool create, int *ret_fd)
{
	char path[PATH_MAX];
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r = runtime_folder(path);

	if (r < 0)
		return r;
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != getuid())
		return -EPERM;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int file_name(const char *path, char ret[static STATUS_NAME_MAX])
{
	uint8_t sha256[SHA256_BYTES];
	char hex[SHA256_HEX + 1];
	int r = digest_buffer(path, strlen(path), sha256);

	if (r < 0)
		return r;
	digest_hex(sha256, hex);
	snprintf(ret, STATUS_NAME_MAX, "status-%s.json", hex);
	return 0;
}

/* No fsync: the folder is in memory, and a rename is enough for readers. */
int status_publish(const char *path, const char *json)
{
	CLEANUP_FD int folder = -1, fd = -1;
	char name[STATUS_NAME_MAX], temp[STATUS_NAME_MAX + 8];
	int r = open_runtime(true, &folder);

	if (r == 0)
		r = file_name(path, name);
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

	if (open_runtime(false, &folder) == 0 && file_name(path, name) == 0)
		unlinkat(folder, name, 0);
}

static struct json_object *get(struct json_object *o, const char *key)
{
	return o ? json_object_object_get(o, key) : NULL;
}

static const char *get_string(struct json_object *o, const char *key)
{
	struct json_object *value = get(o, key);

	return value ? json_object_get_string(value) : "-";
}

static int64_t get_int(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key));
}

static struct json_object *read_file(const char *path)
{
	CLEANUP_FD int folder = -1;
	CLEANUP_FREE char *text = NULL;
	struct json_object *o;
	char name[STATUS_NAME_MAX];
	size_t bytes;

	if (open_runtime(false, &folder) < 0 || file_name(path, name) < 0 ||
		fs_read_file(folder, name, LINE_MAX_BYTES, &text, &bytes) < 0)
		return NULL;
	o = json_tokener_parse(text);
	if (o && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

/* Whether the file is of a process that runs: it may be left from a crash. */
static bool is_alive(struct json_object *o)
{
	int64_t pid = get_int(o, "pid");

	return pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

/* What a running service published, which has the archive at `path` or waits for it; NULL when none runs. */
static struct json_object *read_published(const char *path)
{
	struct json_object *o = read_file(path);
	struct json_object *store = get(o, "store");
	/* in a trouble the archive is closed and opened again */
	bool open = json_object_get_boolean(get(store, "open")) && get_int(store, "errno") == 0;
	pid_t pid;

	if (o && (open ? archive_writer_pid(path, &pid) == 0 : is_alive(o)))
		return o;
	json_object_put(o);
	return NULL;
}

static int64_t get_time(struct json_object *o, const char *key)
{
	const char *text = get_string(o, key);
	int64_t us;

	return utc_parse(text, strlen(text), &us) == 0 ? us : TIME_NONE;
}

static struct wire_schedule schedule_of(
	struct json_object *service, const struct schedule_settings *settings, int64_t now_us)
{
	struct schedule_due due;

	if (service)
		return (struct wire_schedule){ now_us, get_time(service, "due"),
			get_time(service, "due_pending"), get_time(service, "due_next"),
			WIRE_RUNNING };
	due = schedule_due(settings, now_us);
	return (struct wire_schedule){ now_us, due.due_us, due.pending_us, due.next_us,
		WIRE_STOPPED };
}

struct wire_schedule status_schedule(
	const char *path, const struct schedule_settings *settings, int64_t now_us)
{
	struct json_object *service = read_published(path);
	struct wire_schedule schedule = schedule_of(service, settings, now_us);

	json_object_put(service);
	return schedule;
}

static void add_time(struct json_object *o, const char *key, int64_t us)
{
	char text[UTC_TEXT_MAX];

	if (us != TIME_NONE)
		json_object_object_add(o, key, json_object_new_string(utc_format(us, text)));
}

static void add_schedule(struct json_object *o, const struct wire_schedule *schedule)
{
	add_time(o, "now", schedule->now_us);
	add_time(o, "due", schedule->due_us);
	add_time(o, "pending", schedule->pending_us);
	add_time(o, "next", schedule->next_us);
	json_object_object_add(
		o, "running", json_object_new_boolean(schedule->running == WIRE_RUNNING));
}

static struct json_object *status_object(
	struct archive *archive, const struct schedule_settings *settings)
{
	struct json_object *o = json_object_new_object();
	struct journal *journal = archive_journal(archive);
	int64_t now_us = clock_wall_us(&clock_real);
	struct json_object *service = read_published(archive_path(archive));
	struct wire_schedule schedule = schedule_of(service, settings, now_us);
	uint64_t first = 0, last = 0;
	struct record frame;
	int64_t ago_us;

	if (!o) {
		json_object_put(service);
		return NULL;
	}
	journal_first(journal, &first);
	journal_last(journal, &last);
	json_object_object_add(o, "camera", json_object_new_string(archive_camera(archive)));
	json_object_object_add(o, "archive", json_object_new_string(archive_path(archive)));
	json_object_object_add(o, "id", json_object_new_string(archive_id(archive)));
	json_object_object_add(o, "first", json_object_new_int64((int64_t)first));
	json_object_object_add(o, "last", json_object_new_int64((int64_t)last));
	if (archive_newest(archive, &frame) == 0) {
		char path[FRAME_PATH_MAX];
		struct frame_name name = record_name(&frame);

		if (frame_name_path(&name, path) == 0)
			json_object_object_add(o, "newest", json_object_new_string(path));
		add_time(o, "newest_exposed", frame.exposed_us);
		json_object_object_add(o, "newest_age_s",
			json_object_new_int64((now_us - frame.exposed_us) / US_PER_SEC));
	}
	add_schedule(o, &schedule);
	if (service)
		json_object_object_add(o, "settings_changed",
			json_object_new_boolean(status_settings_changed(service, &ago_us)));
	json_object_object_add(o, "service", service);
	return o;
}

int status_json(
	struct archive *archive, const struct schedule_settings *schedule, char *buf, size_t size)
{
	struct json_object *o = status_object(archive, schedule);
	const char *text;
	int n;

	if (!o)
		return -ENOMEM;
	text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	n = text ? snprintf(buf, size, "%s", text) : -ENOMEM;
	json_object_put(o);
	return n >= (int)size ? -E2BIG : n;
}

static void print_time(const char *label, struct json_object *o, const char *key)
{
	int64_t us = get_time(o, key);
	char local[UTC_TEXT_MAX];

	if (us != TIME_NONE)
		printf("%-10s %s\n", label, utc_format_local(us, local));
	else
		printf("%-10s none\n", label);
}

static void print_counts(const char *label, struct json_object *o)
{
	struct json_object *missed = get(o, "missed");
	int64_t total = 0;

	for (int i = 0; i < MISS_CAUSES; i++)
		total += get_int(missed, miss_cause_name(i));
	printf("%-10s %lld frames, %lld missed", label, (long long)get_int(o, "frames"),
		(long long)total);
	for (int i = 0; i < MISS_CAUSES; i++)
		if (get_int(missed, miss_cause_name(i)))
			printf(" (%s %lld)", miss_cause_name(i),
				(long long)get_int(missed, miss_cause_name(i)));
	putchar('\n');
}

static void print_store(struct json_object *store)
{
	struct json_object *removed = get(store, "removed");
	const char *error = get_string(store, "error");

	printf("stored     %lld frames, %.1f MB%s\n", (long long)get_int(store, "frames"),
		(double)get_int(store, "bytes") / 1e6,
		json_object_get_boolean(get(store, "counted")) ? "" : " and more");
	if (*error)
		printf("trouble    nothing can be stored: %s: %s\n           %s\n",
			get_string(store, "where"), error,
			store_error_fix(-(int)get_int(store, "errno")));
	if (get_int(removed, "frames"))
		printf("removed    %lld frames, %.1f MB\n", (long long)get_int(removed, "frames"),
			(double)get_int(removed, "bytes") / 1e6);
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
	struct json_object *settings = get(service, "settings");
	int64_t now_us, changed_us;

	if (!settings)
		return false;
	now_us = clock_wall_us(&clock_real);
	changed_us = status_settings_us(get_string(settings, "path"));
	*ret_ago_us = changed_us > 0 && changed_us <= now_us ? now_us - changed_us : TIME_NONE;
	return changed_us != get_int(settings, "changed_us");
}

static void print_settings(struct json_object *service, const char *unit)
{
	char ago[UTC_TEXT_MAX];
	int64_t ago_us;

	if (!status_settings_changed(service, &ago_us))
		return;
	printf("settings   changed%s%s%s, which is not in effect: systemctl --user reload %s\n",
		ago_us != TIME_NONE ? " " : "",
		ago_us != TIME_NONE ? duration_format(ago_us, ago) : "",
		ago_us != TIME_NONE ? " ago" : "", unit);
}

static void print_service(struct json_object *service)
{
	struct json_object *camera = get(service, "camera"), *late = get(service, "late_us");
	struct json_object *recoveries = get(camera, "recoveries");
	const char *error = get_string(camera, "error");

	printf("service    running, pid %lld\n", (long long)get_int(service, "pid"));
	print_time("since", service, "started");
	printf("sensor     %s, %s%s%s; recoveries: restart %lld, reopen %lld\n",
		get_string(camera, "model"), get_string(camera, "state"), *error ? ": " : "", error,
		(long long)get_int(recoveries, "restart"),
		(long long)get_int(recoveries, "reopen"));
	print_time("next slot", service, "next");
	print_counts("today", get(service, "today"));
	print_counts("in all", service);
	print_store(get(service, "store"));
	printf("lateness   p50 %.3f ms, p99 %.3f ms, max %.3f ms\n",
		(double)get_int(late, "p50") / 1000, (double)get_int(late, "p99") / 1000,
		(double)get_int(late, "max") / 1000);
	printf("clock      %s\n",
		json_object_get_boolean(get(service, "synced")) ? "synchronised"
								: "not synchronised");
}

int status_print(struct archive *archive, const struct capture_settings *settings, const char *unit,
	bool json)
{
	struct json_object *o = status_object(archive, &settings->schedule), *service;
	char age[UTC_TEXT_MAX];
	bool running;

	if (!o)
		return 1;
	service = get(o, "service");
	running = service != NULL;
	if (json) {
		puts(json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		printf("camera     %s\narchive    %s (journal lines %lld to %lld)\n",
			get_string(o, "camera"), get_string(o, "archive"),
			(long long)get_int(o, "first"), (long long)get_int(o, "last"));
		if (get(o, "newest"))
			printf("newest     %s, %s ago\n", get_string(o, "newest"),
				duration_format(get_int(o, "newest_age_s") * US_PER_SEC, age));
		else
			printf("newest     none\n");
		if (running) {
			print_service(service);
			print_settings(service, unit);
		} else {
			printf("service    not running (systemctl --user start %s)\n", unit);
		}
	}
	json_object_put(o);
	return running ? 0 : 1;
}

int status_waiting_json(const char *path, char *buf, size_t size)
{
	struct json_object *o = read_published(path);
	const char *text = o ? json_object_to_json_string_ext(
				       o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
			     : NULL;
	int n = text ? snprintf(buf, size, "%s", text) : -ENOENT;

	json_object_put(o);
	return n >= (int)size ? -E2BIG : n;
}

int status_print_waiting(const char *path, bool json)
{
	struct json_object *o = read_published(path);

	if (!o)
		return -1;
	if (json) {
		puts(json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		printf("archive    %s\nnewest     none can be read\n", path);
		print_service(o);
	}
	json_object_put(o);
	return 1;
}
