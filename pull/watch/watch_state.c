/* SPDX-License-Identifier: MIT */
/* watch.json: read, written, and the queue in it. */
#include "pull/watch/watch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/text.h"

#define FILE_NAME "watch.json"

static enum watch_cause cause_parse(const char *name)
{
	for (enum watch_cause cause = WATCH_UNKNOWN + 1; cause < WATCH_CAUSES; cause++) {
		if (strcmp(watch_cause_name(cause), name) == 0)
			return cause;
	}
	return WATCH_FINE;
}

static void alarm_parse(struct json_object *o, struct watch_alarm *ret)
{
	const int64_t told = json_get_number(o, "/told");

	ret->since_us = json_get_time(o, "/since");
	ret->over_us = json_get_time(o, "/over");
	ret->slot_us = json_get_time(o, "/slot");
	ret->cause = cause_parse(json_get_text(o, "/cause"));
	ret->told = told > 0 && told < 100 && ret->since_us != TIME_NONE ? (unsigned)told : 0;
}

static struct json_object *alarm_object(const struct watch_alarm *alarm)
{
	struct json_object *o = json_object_new_object();

	json_add_time(o, "since", alarm->since_us);
	json_add_time(o, "over", alarm->over_us);
	json_add_time(o, "slot", alarm->slot_us);
	json_add_text(o, "cause", watch_cause_name(alarm->cause));
	json_add_number(o, "told", alarm->told);
	return o;
}

struct watch_camera *watch_state_camera(struct watch_state *state, const char *name)
{
	for (size_t i = 0; i < state->n; i++) {
		if (strcmp(state->cameras[i].name, name) == 0)
			return &state->cameras[i];
	}
	if (!list_make_room(&state->cameras, state->n, &state->room, sizeof *state->cameras))
		return NULL;
	state->cameras[state->n] = watch_camera_new(name);
	return &state->cameras[state->n++];
}

void watch_state_forget(struct watch_state *state, size_t i)
{
	state->cameras[i] = state->cameras[--state->n];
}

static void cameras_parse(struct json_object *cameras, struct watch_state *state)
{
	if (!json_object_is_type(cameras, json_type_object))
		return;
	json_object_object_foreach(cameras, name, alarms)
	{
		struct watch_camera *camera =
			state->n < CONF_CAMERAS_MAX ? watch_state_camera(state, name) : NULL;

		for (enum watch_topic topic = 0; camera && topic < WATCH_TOPICS; topic++) {
			struct json_object *o =
				json_object_object_get(alarms, watch_topic_name(topic));

			if (json_object_is_type(o, json_type_object))
				alarm_parse(o, &camera->alarms[topic]);
		}
	}
}

static void channels_parse(struct json_object *channels, struct watch_state *state)
{
	for (enum channel channel = 0; channel < CHANNELS; channel++) {
		struct json_object *o = json_object_object_get(channels, channel_name(channel));
		struct channel_state *s = &state->channels[channel];
		const int64_t tries = json_get_number(o, "/tries");

		s->next_us = json_get_time(o, "/next");
		s->tries = tries > 0 && tries < 1000000 ? (unsigned)tries : 0;
		s->dropped = json_get_number(o, "/dropped");
		text_format(s->error, sizeof s->error, "%s", json_get_text(o, "/error"));
	}
}

static void watch_state_parse(struct json_object *o, struct watch_state *state)
{
	struct json_object *messages = json_object_object_get(o, "messages");

	state->looked_us = json_get_time(o, "/looked");
	state->summary_us = json_get_time(o, "/summary");
	cameras_parse(json_object_object_get(o, "cameras"), state);
	channels_parse(json_object_object_get(o, "channels"), state);
	for (size_t i = 0; json_object_is_type(messages, json_type_array) &&
		i < json_object_array_length(messages);
		i++) {
		struct json_object *message = json_object_array_get_idx(messages, i);

		if (json_object_is_type(message, json_type_object))
			watch_state_queue(state, json_object_get(message));
	}
}

int watch_message_goes_to(struct json_object *message, enum channel channel)
{
	struct json_object *to = json_object_object_get(message, "to");

	for (size_t i = 0;
		json_object_is_type(to, json_type_array) && i < json_object_array_length(to); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(to, i));

		if (name && strcmp(name, channel_name(channel)) == 0)
			return (int)i;
	}
	return -1;
}

size_t watch_state_waiting(const struct watch_state *state, enum channel channel)
{
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(state->messages); i++)
		n += watch_message_goes_to(
			     json_object_array_get_idx(state->messages, i), channel) >= 0;
	return n;
}

/* Each way that the oldest message has not left by is told so by the next one that does. */
static void messages_drop(struct watch_state *state)
{
	struct json_object *oldest = json_object_array_get_idx(state->messages, 0);

	for (enum channel channel = 0; channel < CHANNEL_PING; channel++)
		state->channels[channel].dropped += watch_message_goes_to(oldest, channel) >= 0;
	json_object_array_del_idx(state->messages, 0, 1);
}

bool watch_state_queue(struct watch_state *state, struct json_object *message)
{
	const bool full = json_object_array_length(state->messages) >= WATCH_MESSAGES_MAX;

	if (full)
		messages_drop(state);
	json_object_array_add(state->messages, message);
	return full;
}

static bool camera_is_quiet(const struct watch_camera *camera)
{
	for (size_t i = 0; i < WATCH_TOPICS; i++) {
		if (camera->alarms[i].since_us != TIME_NONE)
			return false;
	}
	return true;
}

static struct json_object *channels_object(const struct watch_state *state)
{
	struct json_object *channels = json_object_new_object();

	for (enum channel channel = 0; channel < CHANNELS; channel++) {
		const struct channel_state *s = &state->channels[channel];
		struct json_object *o;

		if (s->tries == 0 && s->dropped == 0)
			continue;
		o = json_object_new_object();
		json_add_number(o, "tries", s->tries);
		json_add_time(o, "next", s->next_us);
		json_add_text(o, "error", s->error);
		if (s->dropped > 0)
			json_add_number(o, "dropped", s->dropped);
		json_object_object_add(channels, channel_name(channel), o);
	}
	return channels;
}

/*
 * The last look counts only for what has begun, so that while all is well the file stays as it is:
 * this spares an SD card a write every two minutes.
 */
static struct json_object *watch_state_object(const struct watch_state *state)
{
	struct json_object *o = json_object_new_object(), *cameras = json_object_new_object();

	for (size_t i = 0; i < state->n; i++) {
		const struct watch_camera *camera = &state->cameras[i];
		struct json_object *alarms = json_object_new_object();

		for (enum watch_topic topic = 0; topic < WATCH_TOPICS; topic++) {
			if (camera->alarms[topic].since_us != TIME_NONE)
				json_object_object_add(alarms, watch_topic_name(topic),
					alarm_object(&camera->alarms[topic]));
		}
		json_object_object_add(cameras, camera->name, alarms);
		if (!camera_is_quiet(camera))
			json_add_time(o, "looked", state->looked_us);
	}
	json_add_time(o, "summary", state->summary_us);
	json_object_object_add(o, "cameras", cameras);
	json_object_object_add(o, "channels", channels_object(state));
	json_object_object_add(o, "messages", json_object_get(state->messages));
	return o;
}

/* The folder of the file, made if need be. The descriptor, or -errno. */
static int state_folder_open(void)
{
	char path[PATH_MAX];
	int r = conf_state_path("pullpi", FILE_NAME, path);

	return r < 0 ? r : fs_open_made(dirname(path), 0700);
}

int watch_state_open(struct watch_state *ret)
{
	CLEANUP_FD int folder = state_folder_open();
	CLEANUP_FD int lock = -1;
	int r;

	*ret = (struct watch_state){ .lock = -1 };
	if (folder < 0)
		return folder;
	lock = openat(folder, ".watch.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	r = watch_state_look(ret);
	ret->lock = TAKE_FD(lock);
	return r;
}

int watch_state_look(struct watch_state *ret)
{
	struct json_object *o = NULL;
	char path[PATH_MAX];

	*ret = (struct watch_state){ .looked_us = TIME_NONE, .summary_us = TIME_NONE, .lock = -1 };
	ret->messages = json_object_new_array();
	if (!ret->messages)
		return -ENOMEM;
	for (size_t i = 0; i < CHANNELS; i++)
		ret->channels[i].next_us = TIME_NONE;
	if (conf_state_path("pullpi", FILE_NAME, path) == 0 &&
		fs_read_file(AT_FDCWD, path, WATCH_STATE_MAX, &ret->text, NULL) == 0)
		o = json_tokener_parse(ret->text);
	if (json_object_is_type(o, json_type_object))
		watch_state_parse(o, ret);
	json_object_put(o);
	return 0;
}

void watch_state_close(struct watch_state *state)
{
	json_object_put(state->messages);
	free(state->cameras);
	free(state->text);
	if (state->lock >= 0)
		close(state->lock);
}

int watch_state_save(struct watch_state *state)
{
	struct json_object *o = watch_state_object(state);
	CLEANUP_FREE char *text = strdup(json_text(o));
	CLEANUP_FD int folder = -1;
	int r = 0;

	json_object_put(o);
	if (!text)
		return -ENOMEM;
	if (state->text && strcmp(state->text, text) == 0)
		return 0;
	folder = state_folder_open();
	r = folder < 0 ? folder : fs_replace(&fs_real, folder, FILE_NAME, text, strlen(text), 0600);
	if (r == 0) {
		free(state->text);
		state->text = TAKE_PTR(text);
	}
	return r;
}
