/* SPDX-License-Identifier: MIT */
/* The files of the running service in memory, and how people and programs read it. */
#include "capture/service/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/store/store.h"
#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/events/hook.h"
#include "common/journal/mark.h"
#include "common/systemd/published.h"
#include "common/systemd/userbus.h"

/* No fsync: the folder is in memory, and a rename is enough for readers. */
static int runtime_publish(const char *path, const char *kind, const void *bytes, size_t n)
{
	CLEANUP_FD int folder = -1, fd = -1;
	char name[PUBLISHED_NAME_MAX], temp[PUBLISHED_NAME_MAX + 8];
	int r = published_file(path, kind, true, &folder, name);

	if (r < 0)
		return r;
	snprintf(temp, sizeof temp, ".%s.part", name);
	fd = openat(folder, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fs_write_all(&fs_real, fd, bytes, n);
	if (r == 0 && renameat(folder, temp, folder, name) < 0)
		r = -errno;
	return r;
}

int status_publish(const char *path, const char *json)
{
	return runtime_publish(path, PUBLISHED_STATUS, json, strlen(json));
}

int status_publish_aim(const char *path, const void *bytes, size_t n)
{
	return runtime_publish(path, PUBLISHED_AIM, bytes, n);
}

int status_door(const char *path, char ret[static PATH_MAX])
{
	CLEANUP_FD int folder = -1;
	char name[PUBLISHED_NAME_MAX], own[PATH_MAX];
	int r = runtime_publish(path, PUBLISHED_DOOR, "", 0);

	if (r == 0)
		r = published_path(own);
	if (r == 0)
		r = published_file(path, PUBLISHED_DOOR, false, &folder, name);
	if (r == 0 && snprintf(ret, PATH_MAX, "%s/%s", own, name) >= PATH_MAX)
		r = -ENAMETOOLONG;
	return r;
}

void status_withdraw(const char *path)
{
	static const char *const kinds[] = { PUBLISHED_STATUS, PUBLISHED_AIM, PUBLISHED_DOOR };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		CLEANUP_FD int folder = -1;
		char name[PUBLISHED_NAME_MAX];

		if (published_file(path, kinds[i], false, &folder, name) == 0)
			unlinkat(folder, name, 0);
	}
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
	struct json_object *o = published_status(path);

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
	json_object_object_add(o, "hook", hook_object("capturepi", archive));
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

	text_print(stdout, "%-10s %s\n", label,
		us == TIME_NONE ? "none" : utc_format_local(us, local));
}

static void print_counts(const char *label, struct json_object *o)
{
	struct json_object *missed = json_get(o, "/missed");
	int64_t counts[MISS_CAUSES], total = 0;

	for (int i = 0; i < MISS_CAUSES; i++)
		total += counts[i] =
			json_object_get_int64(json_object_object_get(missed, miss_cause_name(i)));
	text_print(stdout, "%-10s %" PRId64 " frames, %" PRId64 " missed", label,
		json_get_number(o, "/frames"), total);
	for (int i = 0; i < MISS_CAUSES; i++)
		if (counts[i])
			text_print(stdout, " (%s %" PRId64 ")", miss_cause_name(i), counts[i]);
	fputs("\n", stdout);
}

/* Useless pictures in a row. */
static void print_event(struct json_object *event)
{
	char time[UTC_TEXT_MAX];

	if (event)
		text_print(stdout, "pictures   %s, since %s (%" PRId64 ")\n",
			mark_text(mark_of_name(json_get_text(event, "/mark"))),
			utc_format_local(json_get_time(event, "/since"), time),
			json_get_number(event, "/count"));
}

static void print_store(struct json_object *store)
{
	const char *error = json_get_text(store, "/error");

	text_print(stdout, "stored     %" PRId64 " frames, %.1f MB%s\n",
		json_get_number(store, "/frames"), (double)json_get_number(store, "/bytes") / 1e6,
		json_get_bool(store, "/counted") ? "" : " and more");
	if (*error)
		text_print(stdout, "trouble    nothing can be stored: %s: %s\n",
			json_get_text(store, "/where"), error);
	if (*error)
		text_print(stdout, "           %s\n",
			store_error_fix(-(int)json_get_number(store, "/errno")));
	if (json_get_number(store, "/removed/frames"))
		text_print(stdout, "removed    %" PRId64 " frames, %.1f MB\n",
			json_get_number(store, "/removed/frames"),
			(double)json_get_number(store, "/removed/bytes") / 1e6);
}

static void print_exposure(struct json_object *o)
{
	const char *by = json_get_text(o, "/by");
	double max_s = (double)json_get_number(o, "/max_us") / 1e6;

	if (!o)
		return;
	if (strcmp(by, "camera") == 0) {
		text_print(stdout, "exposure   by the camera; %.3f s at most (%s)\n", max_s,
			json_get_text(o, "/max_by"));
		return;
	}
	text_print(stdout, "exposure   %.3f s, gain %.1f%s\n",
		(double)json_get_number(o, "/exposure_us") / 1e6,
		json_object_get_double(json_object_object_get(o, "gain")),
		strcmp(by, "exposure") == 0 ? ""
			: strcmp(by, "gain") == 0
			? ": the exposure is at its longest, the gain does the rest"
			: ": both are at their limits, and it is darker");
}

static void print_service(struct json_object *service)
{
	const char *error = json_get_text(service, "/camera/error");

	text_print(
		stdout, "service    running, pid %" PRId64 "\n", json_get_number(service, "/pid"));
	print_time("since", service, "/started");
	text_print(stdout,
		"sensor     %s, %s%s%s; recoveries: restart %" PRId64 ", reopen %" PRId64 "\n",
		json_get_text(service, "/camera/model"), json_get_text(service, "/camera/state"),
		*error ? ": " : "", error, json_get_number(service, "/camera/recoveries/restart"),
		json_get_number(service, "/camera/recoveries/reopen"));
	print_exposure(json_get(service, "/exposure"));
	print_time("next slot", service, "/next");
	print_counts("today", json_get(service, "/today"));
	print_counts("in all", service);
	print_store(json_get(service, "/store"));
	print_event(json_get(service, "/event"));
	text_print(stdout, "lateness   p50 %.3f ms, p99 %.3f ms, max %.3f ms\n",
		(double)json_get_number(service, "/late_us/p50") / 1000,
		(double)json_get_number(service, "/late_us/p99") / 1000,
		(double)json_get_number(service, "/late_us/max") / 1000);
	text_print(stdout, "clock      %s\n",
		json_get_bool(service, "/synced") ? "synchronised" : "not synchronised");
}

static void print_settings(struct json_object *service, const char *unit)
{
	char ago[UTC_TEXT_MAX];
	int64_t ago_us;

	if (!status_settings_changed(service, &ago_us))
		return;
	fputs("settings   changed", stdout);
	if (ago_us != TIME_NONE)
		text_print(stdout, " %s ago", duration_format(ago_us, ago));
	text_print(stdout, ", which is not in effect: systemctl%s reload %s\n",
		user_is_system() ? "" : " --user", unit);
}

static void print_archive(struct json_object *o)
{
	char age[UTC_TEXT_MAX];

	text_print(stdout, "camera     %s\n", json_get_text(o, "/camera"));
	text_print(stdout, "archive    %s (journal lines %" PRId64 " to %" PRId64 ")\n",
		json_get_text(o, "/archive"), json_get_number(o, "/first"),
		json_get_number(o, "/last"));
	if (json_get(o, "/newest"))
		text_print(stdout, "newest     %s, %s ago\n", json_get_text(o, "/newest"),
			duration_format(json_get_number(o, "/newest_age_s") * US_PER_SEC, age));
	else
		fputs("newest     none\n", stdout);
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
		text_print(stdout, "archive    %s\n", settings->archive.path);
	if (!archive)
		fputs("newest     none can be read\n", stdout);
	if (service)
		print_service(service);
	else
		text_print(stdout, "service    not running (systemctl%s start %s)\n",
			user_is_system() ? "" : " --user", unit);
	if (archive)
		hook_print(json_get(o, "/hook"));
	if (well)
		print_settings(service, unit);
	json_object_put(o);
	return well ? 0 : 1;
}
