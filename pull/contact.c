/* SPDX-License-Identifier: MIT */
/* The memory of the last contacts, one small JSON file per camera, replaced as a whole. */
#include "pull/contact.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>

#include "common/fs.h"
#include "common/text.h"
#include "common/utc.h"
#include "common/util.h"
#include "pull/settings.h"

#define PERIOD_MAX_US (INT64_C(26) * 3600 * US_PER_SEC) /* a pull a day, and some */

#define NO_SCHEDULE                                                                                \
	{                                                                                          \
		.now_us = TIME_NONE, .due_us = TIME_NONE, .pending_us = TIME_NONE,                 \
		.next_us = TIME_NONE                                                               \
	}
const struct contact contact_none = { .last_try_us = TIME_NONE,
	.last_ok_us = TIME_NONE,
	.since_us = TIME_NONE,
	.here_since_us = TIME_NONE,
	.seen_us = TIME_NONE,
	.schedule = NO_SCHEDULE };
const struct sighting sighting_none = { .seen_us = TIME_NONE, .schedule = NO_SCHEDULE };

static int contact_name(const char *camera, char ret[static PATH_MAX])
{
	char file[CAMERA_NAME_MAX + 32];

	snprintf(file, sizeof file, "contact-%s.json", camera);
	return pull_state_path(file, ret);
}

static int64_t get_time(struct json_object *o, const char *key)
{
	struct json_object *value = json_object_object_get(o, key);
	int64_t us;

	if (!json_object_is_type(value, json_type_string) ||
		utc_parse(json_object_get_string(value), (size_t)json_object_get_string_len(value),
			&us) < 0)
		return TIME_NONE;
	return us;
}

static int64_t get_number(struct json_object *o, const char *key)
{
	int64_t number = json_object_get_int64(json_object_object_get(o, key));

	return number > 0 ? number : 0;
}

static void get_text(struct json_object *o, const char *key, char *ret, size_t size)
{
	struct json_object *value = json_object_object_get(o, key);

	if (json_object_is_type(value, json_type_string))
		text_format(ret, size, "%s", json_object_get_string(value));
}

static struct wire_schedule get_schedule(struct json_object *o)
{
	struct json_object *running = json_object_object_get(o, "camera_running");

	return (struct wire_schedule){
		.now_us = get_time(o, "camera_now"),
		.due_us = get_time(o, "camera_due"),
		.pending_us = get_time(o, "camera_pending"),
		.next_us = get_time(o, "camera_next"),
		.running = !json_object_is_type(running, json_type_boolean) ? WIRE_RUNNING_UNKNOWN
			: json_object_get_boolean(running)                  ? WIRE_RUNNING
									    : WIRE_STOPPED,
	};
}

static void parse(const char *text, struct contact *ret)
{
	struct json_object *o = json_tokener_parse(text), *gaps;

	if (json_object_is_type(o, json_type_object)) {
		ret->last_try_us = get_time(o, "last_try");
		ret->last_ok_us = get_time(o, "last_ok");
		ret->since_us = get_time(o, "since");
		ret->code = json_object_get_int(json_object_object_get(o, "code"));
		ret->first = (uint64_t)get_number(o, "camera_first");
		ret->last = (uint64_t)get_number(o, "camera_last");
		ret->rate = get_number(o, "rate");
		gaps = json_object_object_get(o, "gaps_us");
		for (size_t i = 0; json_object_is_type(gaps, json_type_array) && i < CONTACT_GAPS;
			i++)
			ret->gaps_us[i] = json_object_get_int64(json_object_array_get_idx(gaps, i));
		ret->seen_us = get_time(o, "seen");
		ret->schedule = get_schedule(o);
		ret->unkept = get_number(o, "unkept");
		ret->here_code = json_object_get_int(json_object_object_get(o, "here_code"));
		ret->here_since_us = get_time(o, "here_since");
		get_text(o, "error", ret->error, sizeof ret->error);
		get_text(o, "here", ret->here, sizeof ret->here);
		get_text(o, "archive", ret->archive, sizeof ret->archive);
		get_text(o, "mount", ret->mount, sizeof ret->mount);
	}
	json_object_put(o);
}

void contact_load(const char *camera, struct contact *ret)
{
	CLEANUP_FREE char *text = NULL;
	char path[PATH_MAX];

	*ret = contact_none;
	if (contact_name(camera, path) == 0 &&
		fs_read_file(AT_FDCWD, path, CONTACT_FILE_MAX, &text, NULL) == 0)
		parse(text, ret);
}

static void add_time(struct json_object *o, const char *key, int64_t us)
{
	char text[UTC_TEXT_MAX];

	if (us != TIME_NONE)
		json_object_object_add(o, key, json_object_new_string(utc_format(us, text)));
}

static void add_number(struct json_object *o, const char *key, int64_t number)
{
	if (number > 0)
		json_object_object_add(o, key, json_object_new_int64(number));
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	if (*text)
		json_object_object_add(o, key, json_object_new_string(text));
}

static void add_schedule(struct json_object *o, const struct wire_schedule *schedule)
{
	add_time(o, "camera_now", schedule->now_us);
	add_time(o, "camera_due", schedule->due_us);
	add_time(o, "camera_pending", schedule->pending_us);
	add_time(o, "camera_next", schedule->next_us);
	if (schedule->running != WIRE_RUNNING_UNKNOWN)
		json_object_object_add(o, "camera_running",
			json_object_new_boolean(schedule->running == WIRE_RUNNING));
}

static const char *contact_text(struct json_object *o, const struct contact *contact)
{
	struct json_object *gaps = json_object_new_array();

	add_time(o, "last_try", contact->last_try_us);
	add_time(o, "last_ok", contact->last_ok_us);
	add_time(o, "since", contact->since_us);
	json_object_object_add(o, "code", json_object_new_int(contact->code));
	add_text(o, "error", contact->error);
	add_text(o, "archive", contact->archive);
	add_text(o, "mount", contact->mount);
	add_number(o, "camera_first", (int64_t)contact->first);
	add_number(o, "camera_last", (int64_t)contact->last);
	add_number(o, "rate", contact->rate);
	for (size_t i = 0; i < CONTACT_GAPS && contact->gaps_us[i] > 0; i++)
		json_object_array_add(gaps, json_object_new_int64(contact->gaps_us[i]));
	json_object_object_add(o, "gaps_us", gaps);
	add_time(o, "seen", contact->seen_us);
	add_schedule(o, &contact->schedule);
	add_number(o, "unkept", contact->unkept);
	if (contact->here_code) {
		json_object_object_add(o, "here_code", json_object_new_int(contact->here_code));
		json_object_object_add(o, "here", json_object_new_string(contact->here));
		add_time(o, "here_since", contact->here_since_us);
	}
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
}

/*
 * By rename, so that readers see the old or the new one, but without fsync: after a power cut the
 * last contact may be forgotten, and an SD card is spared two flushes a minute.
 */
static int replace(const char *path, const char *text)
{
	char temp[PATH_MAX + 8];
	CLEANUP_FD int fd = -1;
	int r;

	snprintf(temp, sizeof temp, "%s.part", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fs_write_all(&fs_real, fd, text, strlen(text));
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	return r;
}

/*
 * Whoever reads the file to write it anew has this lock: fetch, sync and follow of one camera may come
 * at the same moment. No lock is no reason to forget a contact.
 */
static int lock_folder(const char *camera)
{
	char path[PATH_MAX];
	const char *folder;
	int fd, r = contact_name(camera, path);

	if (r < 0)
		return r;
	folder = dirname(path);
	r = fs_make_folders(folder, 0700);
	if (r < 0)
		return r;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd < 0 ? -errno : fd;
}

static int save(const char *camera, const struct contact *contact)
{
	struct json_object *o = json_object_new_object();
	char path[PATH_MAX];
	int r = o ? contact_name(camera, path) : -ENOMEM;

	if (r == 0)
		r = replace(path, contact_text(o, contact));
	json_object_put(o);
	return r;
}

int64_t contact_period(const struct contact *contact)
{
	int64_t longest_us = 0, second_us = 0;

	for (size_t i = 0; i < CONTACT_GAPS; i++) {
		int64_t gap_us = contact->gaps_us[i];

		if (gap_us > longest_us) {
			second_us = longest_us;
			longest_us = gap_us;
		} else if (gap_us > second_us) {
			second_us = gap_us;
		}
	}
	return second_us < PERIOD_MAX_US ? second_us : PERIOD_MAX_US;
}

/* While the machine was off nobody could try: such a gap tells nothing. */
static void note_gap(struct contact *contact, int64_t now_us, int64_t boot_us)
{
	int64_t *gaps_us = contact->gaps_us, last_us = contact->last_try_us;

	if (last_us == TIME_NONE || last_us < boot_us || now_us <= last_us)
		return;
	memmove(gaps_us + 1, gaps_us, (CONTACT_GAPS - 1) * sizeof *gaps_us);
	gaps_us[0] = now_us - last_us;
}

void contact_tried(
	struct contact *contact, int64_t now_us, int64_t up_us, int code, const char *error)
{
	note_gap(contact, now_us, now_us - up_us);
	if (contact->last_try_us == TIME_NONE || contact->code != code)
		contact->since_us = now_us;
	contact->last_try_us = now_us;
	if (code == 0)
		contact->last_ok_us = now_us;
	contact->code = code;
	text_format(contact->error, sizeof contact->error, "%s", error);
}

int contact_note(const char *camera, const struct clock *clock, int code, const char *error,
	struct contact *ret_before)
{
	CLEANUP_FD int lock = lock_folder(camera);
	struct contact contact;

	contact_load(camera, &contact);
	*ret_before = contact;
	if (lock < 0)
		return lock;
	contact_tried(&contact, clock_wall_us(clock), clock_up_ns(clock) / NS_PER_US, code, error);
	return save(camera, &contact);
}

bool contact_exists(const char *camera)
{
	char path[PATH_MAX];

	return contact_name(camera, path) == 0 && access(path, F_OK) == 0;
}

int contact_forget(const char *camera)
{
	char path[PATH_MAX];
	int r = contact_name(camera, path);

	if (r < 0)
		return r;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int contact_note_here(const char *camera, const struct clock *clock, int code, const char *error,
	struct contact *ret_before)
{
	CLEANUP_FD int lock = lock_folder(camera);
	struct contact contact;

	contact_load(camera, &contact);
	*ret_before = contact;
	if (lock < 0)
		return lock;
	if (code == 0 && contact.here_code == 0)
		return 0;
	if (contact.here_code != code)
		contact.here_since_us = clock_wall_us(clock);
	contact.here_code = code;
	snprintf(contact.here, sizeof contact.here, "%s", error);
	return save(camera, &contact);
}

struct sighting sighting_of(const struct wire_greeting *greeting, const struct clock *clock)
{
	return (struct sighting){ clock_wall_us(clock), greeting->first, greeting->last,
		greeting->schedule };
}

/* Whether the slot that was said to be the next has come; a camera whose word is void, or a new schedule. */
static int64_t count_unkept(const struct contact *before, const struct wire_schedule *now)
{
	int64_t next_us = before->schedule.next_us;

	if (next_us == TIME_NONE || now->now_us - next_us < DUE_SECONDS * US_PER_SEC)
		return before->unkept;
	return now->due_us == TIME_NONE || now->due_us < next_us ? before->unkept + 1 : 0;
}

void contact_answered(struct contact *contact, const struct sighting *sighting, int64_t rate)
{
	if (sighting->last > 0) {
		contact->first = sighting->first > 0 ? sighting->first : 1;
		contact->last = sighting->last;
	}
	contact->unkept = count_unkept(contact, &sighting->schedule);
	contact->seen_us = sighting->seen_us;
	contact->schedule = sighting->schedule;
	if (rate > 0)
		contact->rate = rate;
}

int contact_seen(const char *camera, const struct sighting *sighting, int64_t rate)
{
	CLEANUP_FD int lock = lock_folder(camera);
	struct contact contact;

	if (lock < 0)
		return lock;
	contact_load(camera, &contact);
	contact_answered(&contact, sighting, rate);
	return save(camera, &contact);
}

void contact_mount(const char *camera, const char *path, char ret[static PATH_MAX])
{
	struct contact contact;

	contact_load(camera, &contact);
	/* the settings name another place now: nothing is known of that */
	snprintf(ret, PATH_MAX, "%s", strcmp(contact.archive, path) == 0 ? contact.mount : "");
}

int contact_mounted(const char *camera, const char *path, const char *mount)
{
	CLEANUP_FD int lock = -1;
	struct contact contact;

	contact_load(camera, &contact);
	if (strcmp(contact.archive, path) == 0 ? strcmp(contact.mount, mount) == 0 : !*mount)
		return 0;
	if (strlen(path) >= sizeof contact.archive || strlen(mount) >= sizeof contact.mount)
		return -ENAMETOOLONG;
	lock = lock_folder(camera);
	if (lock < 0)
		return lock;
	contact_load(camera, &contact);
	snprintf(contact.archive, sizeof contact.archive, "%s", *mount ? path : "");
	snprintf(contact.mount, sizeof contact.mount, "%s", mount);
	return save(camera, &contact);
}
