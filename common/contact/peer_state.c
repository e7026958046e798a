/* SPDX-License-Identifier: MIT */
/* One small JSON file per camera, replaced as a whole. */
#include "common/contact/peer_state.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/util.h"
#include "common/base/when.h"
#include "common/settings/conf.h"

#define PERIOD_MAX_US (INT64_C(26) * 3600 * US_PER_SEC) /* one pull a day, with some slack */

#define NO_SCHEDULE                                                                                \
	{                                                                                          \
		.now_us = TIME_NONE, .due_us = TIME_NONE, .pending_us = TIME_NONE,                 \
		.next_us = TIME_NONE                                                               \
	}
const struct peer_state peer_state_none = { .last_try_us = TIME_NONE,
	.last_ok_us = TIME_NONE,
	.camera.since_us = TIME_NONE,
	.here.since_us = TIME_NONE,
	.seen_us = TIME_NONE,
	.spending = { .month_us = TIME_NONE, .back_us = TIME_NONE },
	.schedule = NO_SCHEDULE,
	.promised_us = TIME_NONE };
const struct sighting sighting_none = { .seen_us = TIME_NONE, .schedule = NO_SCHEDULE };

static int peer_state_path(const char *camera, char ret[static PATH_MAX])
{
	char file[CAMERA_NAME_MAX + 32];

	snprintf(file, sizeof file, "contact-%s.json", camera);
	return conf_state_path("pullpi", file, ret);
}

/*
 * The members of the file, and where struct peer_state has them. An unknown fact has no member.
 */
enum field_type { FIELD_TIME, FIELD_CODE, FIELD_NUMBER, FIELD_TEXT };
static const struct field {
	const char *key;
	enum field_type type;
	size_t offset, size;
} fields[] = {
#define FIELD(key, type, member)                                                                   \
	{                                                                                          \
		key, type, offsetof(struct peer_state, member),                                    \
			sizeof(((struct peer_state *)NULL)->member)                                \
	}
	FIELD("last_try", FIELD_TIME, last_try_us),
	FIELD("last_ok", FIELD_TIME, last_ok_us),
	FIELD("since", FIELD_TIME, camera.since_us),
	FIELD("code", FIELD_CODE, camera.code),
	FIELD("error", FIELD_TEXT, camera.error),
	FIELD("archive", FIELD_TEXT, archive),
	FIELD("mount", FIELD_TEXT, mount),
	FIELD("camera_first", FIELD_NUMBER, first),
	FIELD("camera_last", FIELD_NUMBER, last),
	FIELD("rate", FIELD_NUMBER, rate),
	FIELD("seen", FIELD_TIME, seen_us),
	FIELD("camera_now", FIELD_TIME, schedule.now_us),
	FIELD("camera_due", FIELD_TIME, schedule.due_us),
	FIELD("camera_pending", FIELD_TIME, schedule.pending_us),
	FIELD("camera_next", FIELD_TIME, schedule.next_us),
	FIELD("unkept", FIELD_NUMBER, unkept),
	FIELD("month", FIELD_TIME, spending.month_us),
	FIELD("month_bytes", FIELD_NUMBER, spending.bytes),
	FIELD("month_exempt", FIELD_NUMBER, spending.exempt),
	FIELD("month_back", FIELD_TIME, spending.back_us),
	FIELD("promised", FIELD_TIME, promised_us),
	FIELD("here_code", FIELD_CODE, here.code),
	FIELD("here_since", FIELD_TIME, here.since_us),
	FIELD("here", FIELD_TEXT, here.error),
#undef FIELD
};

static int64_t time_value(struct json_object *value)
{
	int64_t us;

	if (!json_object_is_type(value, json_type_string) ||
		utc_parse(json_object_get_string(value), (size_t)json_object_get_string_len(value),
			&us) < 0)
		return TIME_NONE;
	return us;
}

static void field_parse(
	const struct field *field, struct json_object *value, struct peer_state *ret)
{
	void *to = (char *)ret + field->offset;
	int64_t number = json_object_get_int64(value);

	switch (field->type) {
	case FIELD_TIME:
		*(int64_t *)to = time_value(value);
		break;
	case FIELD_CODE:
		*(int *)to = json_object_get_int(value);
		break;
	case FIELD_NUMBER:
		*(int64_t *)to = number > 0 ? number : 0;
		break;
	case FIELD_TEXT:
		if (json_object_is_type(value, json_type_string))
			text_format(to, field->size, "%s", json_object_get_string(value));
	}
}

static void peer_state_parse(const char *text, struct peer_state *ret)
{
	struct json_object *o = json_tokener_parse(text), *value;

	if (json_object_is_type(o, json_type_object)) {
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			field_parse(&fields[i], json_object_object_get(o, fields[i].key), ret);
		value = json_object_object_get(o, "gaps_us");
		for (size_t i = 0; json_object_is_type(value, json_type_array) && i < PEER_GAPS;
			i++)
			ret->gaps_us[i] =
				json_object_get_int64(json_object_array_get_idx(value, i));
		value = json_object_object_get(o, "camera_running");
		if (json_object_is_type(value, json_type_boolean))
			ret->schedule.running =
				json_object_get_boolean(value) ? WIRE_RUNNING : WIRE_STOPPED;
	}
	json_object_put(o);
}

void peer_state_load(const char *camera, struct peer_state *ret)
{
	CLEANUP_FREE char *text = NULL;
	char path[PATH_MAX];

	*ret = peer_state_none;
	if (peer_state_path(camera, path) == 0 &&
		fs_read_file(AT_FDCWD, path, PEER_STATE_FILE_MAX, &text, NULL) == 0)
		peer_state_parse(text, ret);
}

static void field_add(
	const struct field *field, const struct peer_state *peer, struct json_object *o)
{
	const void *from = (const char *)peer + field->offset;

	if (field->type == FIELD_TIME)
		json_add_time(o, field->key, *(const int64_t *)from);
	else if (field->type == FIELD_TEXT && *(const char *)from)
		json_add_text(o, field->key, from);
	else if (field->type == FIELD_CODE && *(const int *)from)
		json_add_number(o, field->key, *(const int *)from);
	else if (field->type == FIELD_NUMBER && *(const int64_t *)from > 0)
		json_add_number(o, field->key, *(const int64_t *)from);
}

static struct json_object *peer_state_object(const struct peer_state *peer)
{
	struct json_object *o = json_object_new_object(), *gaps = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		field_add(&fields[i], peer, o);
	for (size_t i = 0; i < PEER_GAPS && peer->gaps_us[i] > 0; i++)
		json_object_array_add(gaps, json_object_new_int64(peer->gaps_us[i]));
	json_object_object_add(o, "gaps_us", gaps);
	if (peer->schedule.running != WIRE_RUNNING_UNKNOWN)
		json_add_bool(o, "camera_running", peer->schedule.running == WIRE_RUNNING);
	return o;
}

/*
 * Replaces the file by rename, so that readers see the old or the new one. There is no fsync: a
 * power cut may lose the last contact, which spares an SD card two flushes a minute.
 */
static int peer_state_save(const char *camera, const struct peer_state *peer)
{
	struct json_object *o = peer_state_object(peer);
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	char path[PATH_MAX], temp[PATH_MAX + 8];
	CLEANUP_FD int fd = -1;
	int r = peer_state_path(camera, path);

	if (r == 0) {
		snprintf(temp, sizeof temp, "%s.part", path);
		fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : fs_write_all(&fs_real, fd, text, strlen(text));
	}
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	json_object_put(o);
	return r;
}

/*
 * Takes the lock for changing the file, and loads it: fetch, sync and follow of one camera may
 * run at the same time. Returns the lock's descriptor, or -errno; `ret` is filled in either way.
 */
static int peer_state_begin(const char *camera, struct peer_state *ret)
{
	char path[PATH_MAX];
	int fd = peer_state_path(camera, path);

	*ret = peer_state_none;
	if (fd < 0)
		return fd;
	fd = fs_open_made(dirname(path), 0700);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	peer_state_load(camera, ret);
	return fd;
}

int64_t peer_state_period(const struct peer_state *peer)
{
	int64_t longest_us = 0, second_us = 0;

	for (size_t i = 0; i < PEER_GAPS; i++) {
		int64_t gap_us = peer->gaps_us[i];

		if (gap_us > longest_us) {
			second_us = longest_us;
			longest_us = gap_us;
		} else if (gap_us > second_us) {
			second_us = gap_us;
		}
	}
	return second_us < PERIOD_MAX_US ? second_us : PERIOD_MAX_US;
}

/*
 * Skips a gap in which this machine was off: it says nothing about how often pullpi is called.
 */
static void peer_state_note_gap(struct peer_state *peer, int64_t now_us, int64_t boot_us)
{
	int64_t *gaps_us = peer->gaps_us, last_us = peer->last_try_us;

	if (last_us == TIME_NONE || last_us < boot_us || now_us <= last_us)
		return;
	memmove(gaps_us + 1, gaps_us, (PEER_GAPS - 1) * sizeof *gaps_us);
	gaps_us[0] = now_us - last_us;
}

static void peer_outcome_set(
	struct peer_outcome *state, int64_t now_us, int code, const char *error)
{
	if (state->since_us == TIME_NONE || state->code != code)
		state->since_us = now_us;
	state->code = code;
	text_format(state->error, sizeof state->error, "%s", error);
}

void peer_state_tried(
	struct peer_state *peer, int64_t now_us, int64_t up_us, int code, const char *error)
{
	peer_state_note_gap(peer, now_us, now_us - up_us);
	peer->last_try_us = now_us;
	if (code == 0)
		peer->last_ok_us = now_us;
	peer_outcome_set(&peer->camera, now_us, code, error);
}

int peer_state_note(const char *camera, const struct clock *clock, enum peer_side side, int code,
	const char *error, struct peer_outcome *ret_before)
{
	int64_t now_us = clock_wall_us(clock), up_us = clock_up_ns(clock) / NS_PER_US;
	struct peer_state peer;
	CLEANUP_FD int lock = peer_state_begin(camera, &peer);

	*ret_before = side == PEER_HERE ? peer.here : peer.camera;
	if (lock < 0)
		return lock;
	if (side == PEER_CAMERA)
		peer_state_tried(&peer, now_us, up_us, code, error);
	else if (code == 0 && peer.here.code == 0)
		return 0;
	else
		peer_outcome_set(&peer.here, now_us, code, error);
	return peer_state_save(camera, &peer);
}

bool peer_state_exists(const char *camera)
{
	char path[PATH_MAX];

	return peer_state_path(camera, path) == 0 && access(path, F_OK) == 0;
}

int peer_state_forget(const char *camera)
{
	char path[PATH_MAX];
	int r = peer_state_path(camera, path);

	if (r < 0)
		return r;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

struct sighting sighting_of(const struct wire_greeting *greeting, const struct clock *clock)
{
	return (struct sighting){ clock_wall_us(clock), greeting->first, greeting->last,
		greeting->schedule };
}

/*
 * Counts the answers in a row that broke a promise: the slot that the camera had called its next
 * was none. Its schedule changed, or its word is worth nothing.
 */
static void peer_state_judge_promise(struct peer_state *peer, const struct wire_schedule *now)
{
	const int64_t promised_us =
		peer->promised_us != TIME_NONE ? peer->promised_us : peer->schedule.next_us;
	bool kept;

	if (now->now_us == TIME_NONE)
		return;
	if (promised_us == TIME_NONE) {
		peer->promised_us = now->next_us;
		return;
	}
	kept = now->due_us != TIME_NONE && now->due_us >= promised_us;
	if (kept || now->now_us - promised_us >= DUE_SECONDS * US_PER_SEC) {
		peer->unkept = kept ? 0 : peer->unkept + 1;
		peer->promised_us = now->next_us;
	} else if (now->next_us != TIME_NONE && now->next_us < promised_us) {
		peer->promised_us = now->next_us; /* the schedule was changed */
	}
}

void peer_state_answered(struct peer_state *peer, const struct sighting *sighting, int64_t rate)
{
	if (sighting->last > 0) {
		peer->first = sighting->first > 0 ? sighting->first : 1;
		peer->last = sighting->last;
	}
	peer_state_judge_promise(peer, &sighting->schedule);
	peer->seen_us = sighting->seen_us;
	peer->schedule = sighting->schedule;
	if (rate > 0)
		peer->rate = rate;
}

int peer_state_seen(const char *camera, const struct sighting *sighting, int64_t rate)
{
	struct peer_state peer;
	CLEANUP_FD int lock = peer_state_begin(camera, &peer);

	if (lock < 0)
		return lock;
	peer_state_answered(&peer, sighting, rate);
	return peer_state_save(camera, &peer);
}

void peer_spending_roll(struct peer_spending *spending, int64_t now_us, int64_t month_us, bool sure)
{
	const struct peer_spending next = { .month_us = month_us, .back_us = TIME_NONE };
	const bool none = spending->month_us == TIME_NONE;

	if (none || (sure && month_us > spending->month_us))
		*spending = next;
	else if (month_us == spending->month_us)
		spending->back_us = TIME_NONE;
	if (!sure || month_us >= spending->month_us)
		return;
	if (spending->back_us == TIME_NONE || now_us < spending->back_us)
		spending->back_us = now_us;
	else if (now_us - spending->back_us > SPENDING_BACK_US)
		*spending = next;
}

int peer_state_spent(const char *camera, const struct clock *clock, int64_t bytes, int64_t exempt,
	struct peer_spending *ret)
{
	/* a machine that sets its clock from nowhere has to be believed at some time */
	const bool sure = clock_synced(clock) || clock_up_ns(clock) > 3600 * NS_PER_SEC;
	const int64_t now_us = clock_wall_us(clock);
	struct peer_state peer;
	CLEANUP_FD int lock = peer_state_begin(camera, &peer);
	int64_t from_us, to_us;

	if (when_month(now_us, &from_us, &to_us) == 0)
		peer_spending_roll(&peer.spending, now_us, from_us, sure);
	if (peer.spending.bytes > INT64_MAX / 4 || peer.spending.exempt > peer.spending.bytes)
		peer.spending.bytes = peer.spending.exempt = INT64_MAX / 4;
	peer.spending.bytes += bytes;
	peer.spending.exempt += exempt;
	*ret = peer.spending;
	return lock < 0 ? lock : peer_state_save(camera, &peer);
}

void peer_state_mount(const char *camera, const char *path, char ret[static PATH_MAX])
{
	struct peer_state peer;

	peer_state_load(camera, &peer);
	/* the settings may name another place now, of which nothing is known */
	snprintf(ret, PATH_MAX, "%s", strcmp(peer.archive, path) == 0 ? peer.mount : "");
}

int peer_state_mounted(const char *camera, const char *path, const char *mount)
{
	struct peer_state peer;
	CLEANUP_FD int lock = -1;
	char known[PATH_MAX];

	peer_state_mount(camera, path, known);
	if (strcmp(known, mount) == 0)
		return 0;
	if (strlen(path) >= sizeof peer.archive || strlen(mount) >= sizeof peer.mount)
		return -ENAMETOOLONG;
	lock = peer_state_begin(camera, &peer);
	if (lock < 0)
		return lock;
	snprintf(peer.archive, sizeof peer.archive, "%s", *mount ? path : "");
	snprintf(peer.mount, sizeof peer.mount, "%s", mount);
	return peer_state_save(camera, &peer);
}
