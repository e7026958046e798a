/* SPDX-License-Identifier: MIT */
/* Reads the facts, has them judged, makes messages of the events, and sends what waits. */
#include "pull/watch/watch.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/prctl.h>

#include <curl/curl.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/journal/mark.h"
#include "pull/session/copy.h"
#include "pull/session/gaps.h"
#include "pull/watch/watch_state.h"

#define RETRY_MIN_US (60 * US_PER_SEC)
#define RETRY_MAX_US (3600 * US_PER_SEC)
#define SEND_SECONDS 150 /* nothing is begun after so long */
#define LINES_MAX 20 /* cameras of one message that are told of */
#define PICTURE_TRIES 2 /* then a message goes without its picture */
#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)

const struct cli_option watch_options[] = {
	{ "test", 0, NULL, "send a test message by each way now, and tell how that went" },
	{ .name = NULL },
};

struct watch {
	const struct cli *cli;
	const struct pull_settings *settings;
	struct secrets secrets;
	struct channels channels;
	struct watch_state state;
	struct json_object *events[WATCH_KINDS][WATCH_TOPICS]; /* arrays; NULL: none */
	int64_t now_us;
};

/* ---- facts */

/* Of one camera, with the texts that struct watch_facts points at. */
struct watch_view {
	struct peer_state peer;
	struct watch_facts facts;
	char archive[PATH_MAX], picture[PATH_MAX], room_text[PULL_ERROR_MAX], mark[PULL_ERROR_MAX];
};

static int view_add_gap(void *data, const struct gap *gap)
{
	struct watch_facts *facts = data;

	if (gap->cause != GAP_PENDING)
		facts->lost += gap->count;
	return 0;
}

static void view_read_archive(struct watch_view *v, const struct camera_settings *camera,
	struct archive *archive, int64_t since_us)
{
	const struct gaps_options gaps = {
		.peer = &v->peer, .since_us = since_us, .gap = view_add_gap, .data = &v->facts
	};
	struct watch_facts *facts = &v->facts;
	struct mark_run run = { 0 };
	struct record newest;
	char since[UTC_TEXT_MAX];

	facts->due = due_read(archive, &v->peer, camera->stale_after_us, &clock_real);
	facts->has_room = room_look(camera, archive, &clock_real, &facts->room) == 0;
	facts->removes = room_removes(camera);
	if (facts->has_room)
		room_describe_view(
			camera, &facts->room, facts->due.now_us, v->room_text, sizeof v->room_text);
	if (mark_run_read(archive_journal(archive), &run) == 0 && mark_event(&run) != MARK_NONE)
		text_format(v->mark, sizeof v->mark, "the pictures since %s are useless: %s",
			utc_format_local(run.since_us, since), mark_text(run.mark));
	if (archive_newest(archive, &newest) == 0)
		copy_frame_path(archive, &newest, v->picture);
	if (since_us != TIME_NONE)
		gaps_walk(archive, &gaps, &facts->pending);
}

/* `since_us`: what is missing since then counts; TIME_NONE: nobody wants to know. */
static void view_read(struct watch_view *v, const struct camera_settings *camera, int64_t since_us)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct watch_facts *facts = &v->facts;
	int r;

	*v = (struct watch_view){ .facts.camera = camera->name };
	facts->archive = v->archive;
	facts->room_text = v->room_text;
	facts->mark = v->mark;
	peer_state_load(camera->name, &v->peer);
	facts->due = due_read(NULL, &v->peer, camera->stale_after_us, &clock_real);
	r = pull_archive_path(camera, v->archive);
	if (r == 0)
		r = copy_open(camera, v->archive, &(struct archive_options){ .mode = ARCHIVE_READ },
			&archive);
	facts->archive_error = r;
	if (r == 0)
		view_read_archive(v, camera, archive, since_us);
}

/* ---- events and messages */

/* The camera whose event is noted, and its newest picture. */
struct watch_source {
	struct watch *watch;
	const struct watch_view *view;
};

static void event_note(void *data, const struct watch_event *event)
{
	const struct watch_source *source = data;
	struct json_object **events = &source->watch->events[event->kind][event->topic];
	struct json_object *o = json_object_new_object();

	json_add_text(o, "camera", event->camera);
	json_add_text(o, "topic", watch_topic_name(event->topic));
	json_add_text(o, "cause", watch_cause_name(event->cause));
	json_add_time(o, "since", event->since_us);
	json_add_text(o, "text", event->text);
	if (*source->view->picture)
		json_add_text(o, "picture", source->view->picture);
	if (!*events)
		*events = json_object_new_array();
	json_object_array_add(*events, o);
	log_notice("%s: %s: %s", event->camera, watch_kind_name(event->kind), event->text);
}

/* "garden: no new pictures", "3 cameras: new pictures again" */
static void message_title(enum watch_kind kind, enum watch_topic topic, struct json_object *events,
	char *ret, size_t size)
{
	static const char *const words[WATCH_TOPICS][2] = {
		[WATCH_SILENCE] = { "no new pictures", "new pictures again" },
		[WATCH_ROOM] = { "the disk is full soon", "there is room on the disk again" },
		[WATCH_CLOCK] = { "the clocks differ", "the clocks agree again" },
		[WATCH_PICTURES] = { "the pictures are useless", "the pictures are good again" },
	};
	const size_t n = json_object_array_length(events);
	const char *camera = json_get_text(json_object_array_get_idx(events, 0), "/camera");
	char many[64];

	snprintf(many, sizeof many, "%zu cameras", n);
	text_format(ret, size, "%s: %s%s", n > 1 ? many : camera,
		kind == WATCH_LASTS ? "still, " : "",
		kind == WATCH_SUMMARY        ? "summary of the day"
			: kind == WATCH_ENDS ? words[topic][1]
					     : words[topic][0]);
}

/* A line for each camera; for free(), NULL: no memory. */
static char *message_text(struct json_object *message)
{
	const int64_t dropped = json_get_number(message, "/dropped");
	struct json_object *events = json_object_object_get(message, "events");
	const size_t n =
		json_object_is_type(events, json_type_array) ? json_object_array_length(events) : 0;
	const int64_t more = json_get_number(message, "/cameras") - (int64_t)n;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	if (n == 0)
		text_print(out, "%s\n", json_get_text(message, "/text"));
	for (size_t i = 0; i < n; i++) {
		struct json_object *event = json_object_array_get_idx(events, i);

		text_print(out, "%s: %s\n", json_get_text(event, "/camera"),
			json_get_text(event, "/text"));
	}
	if (more > 0)
		text_print(out, "and %lld more\n", (long long)more);
	if (dropped > 0)
		text_print(out, "%lld older messages could not be sent and were dropped\n",
			(long long)dropped);
	return fclose(out) == 0 ? text : NULL;
}

static struct json_object *message_new(const struct watch *w, enum watch_kind kind,
	enum watch_topic topic, struct json_object *events)
{
	struct json_object *o = json_object_new_object(), *to = json_object_new_array();
	const char *picture = json_get_text(json_object_array_get_idx(events, 0), "/picture");
	char title[CAMERA_NAME_MAX + 64];

	message_title(kind, topic, events, title, sizeof title);
	json_add_text(o, "kind", watch_kind_name(kind));
	json_add_time(o, "time", w->now_us);
	json_add_text(o, "title", title);
	json_add_number(o, "cameras", (int64_t)json_object_array_length(events));
	if (json_object_array_length(events) == 1) {
		json_add_text(o, "camera",
			json_get_text(json_object_array_get_idx(events, 0), "/camera"));
		if (*picture)
			json_add_text(o, "picture", picture);
	}
	while (json_object_array_length(events) > LINES_MAX)
		json_object_array_del_idx(events, LINES_MAX, 1);
	json_object_object_add(o, "events", json_object_get(events));
	for (enum channel channel = 0; channel < CHANNEL_PING; channel++) {
		if (channel_is_set(&w->channels, channel))
			json_object_array_add(to, json_new_text(channel_name(channel)));
	}
	json_object_object_add(o, "to", to);
	return o;
}

static void messages_queue(struct watch *w)
{
	bool dropped = false;

	for (enum watch_kind kind = 0; kind < WATCH_KINDS; kind++) {
		for (enum watch_topic topic = 0; topic < WATCH_TOPICS; topic++) {
			struct json_object *events = w->events[kind][topic], *message;

			if (!events)
				continue;
			message = message_new(w, kind, topic, events);
			if (json_object_array_length(json_object_object_get(message, "to")) > 0)
				dropped = watch_state_queue(&w->state, message) || dropped;
			else
				json_object_put(message);
			json_object_put(events);
			w->events[kind][topic] = NULL;
		}
	}
	if (dropped)
		log_warning(
			"more than %d messages wait: the oldest were dropped", WATCH_MESSAGES_MAX);
}

/* ---- sending */

/* Sends it by one way, and how many were dropped before. 0, or -errno and why. */
static int message_send(
	struct watch *w, struct json_object *o, enum channel channel, char *error, size_t size)
{
	const struct channel_state *s = &w->state.channels[channel];
	CLEANUP_FREE char *text = NULL;
	struct channel_message message;
	int r;

	if (s->dropped > 0)
		json_add_number(o, "dropped", s->dropped);
	text = message_text(o);
	message = (struct channel_message){ json_get_text(o, "/kind"), json_get_text(o, "/camera"),
		json_get_text(o, "/title"), text ? text : "", json_text(o),
		s->tries >= PICTURE_TRIES ? "" : json_get_text(o, "/picture") };
	r = channel_send(&w->channels, channel, &message, error, size);
	json_object_object_del(o, "dropped"); /* another way has its own number */
	return r;
}

/* Notes how it went; a channel's trouble is one line in the log, and so is its end. */
static void channel_note(struct watch *w, enum channel channel, int r, const char *error)
{
	struct channel_state *s = &w->state.channels[channel];

	if (r == 0 && s->tries > 0)
		log_notice("%s: works again", channel_name(channel));
	if (r == 0) {
		*s = (struct channel_state){ .next_us = TIME_NONE };
		return;
	}
	if (s->tries == 0)
		log_warning(
			"%s: cannot be used, and is tried again: %s", channel_name(channel), error);
	s->next_us = RETRY_MIN_US << (s->tries < 6 ? s->tries : 6);
	s->next_us = w->now_us + (s->next_us < RETRY_MAX_US ? s->next_us : RETRY_MAX_US);
	s->tries++;
	text_format(s->error, sizeof s->error, "%s", error);
}

/* A clock that was set back makes nobody wait. */
static bool channel_may_try(const struct watch *w, enum channel channel)
{
	const int64_t next_us = w->state.channels[channel].next_us;

	return channel_is_set(&w->channels, channel) &&
		(next_us == TIME_NONE || w->now_us >= next_us ||
			next_us - w->now_us > RETRY_MAX_US);
}

/* Sends what waits for this channel, the oldest first, up to the first failure. */
static int channel_flush(struct watch *w, enum channel channel, int64_t until_ns)
{
	struct json_object *messages = w->state.messages;
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(messages);) {
		struct json_object *o = json_object_array_get_idx(messages, i);
		struct json_object *to = json_object_object_get(o, "to");
		const int place = watch_message_goes_to(o, channel);
		char error[PULL_ERROR_MAX] = "";

		if (place >= 0 && channel_is_set(&w->channels, channel)) {
			if (clock_mono_ns(&clock_real) > until_ns)
				return 0;
			r = message_send(w, o, channel, error, sizeof error);
			channel_note(w, channel, r, error);
		}
		if (r == 0 && place >= 0)
			json_object_array_del_idx(to, (size_t)place, 1);
		if (json_object_is_type(to, json_type_array) && json_object_array_length(to) > 0)
			i++;
		else
			json_object_array_del_idx(messages, i, 1);
		if (place >= 0 && watch_state_save(&w->state) < 0)
			return -EIO;
	}
	return r;
}

/* Those that work go first, so that one that hangs delays itself alone. */
static int messages_send(struct watch *w)
{
	const int64_t until_ns = clock_mono_ns(&clock_real) + SEND_SECONDS * NS_PER_SEC;
	bool failing[CHANNEL_PING];
	int worst = 0;

	for (enum channel channel = 0; channel < CHANNEL_PING; channel++)
		failing[channel] = w->state.channels[channel].tries > 0;
	for (int pass = 0; pass < 2; pass++) {
		for (enum channel channel = 0; channel < CHANNEL_PING; channel++) {
			/* of a channel that is set no more, the messages go */
			if (failing[channel] != (pass == 1) ||
				(channel_is_set(&w->channels, channel) &&
					!channel_may_try(w, channel)))
				continue;
			if (channel_flush(w, channel, until_ns) < 0)
				worst = -EIO;
		}
	}
	return worst;
}

/* Whoever waits for this is told of a dead machine, and of messages that cannot leave. */
static void watch_ping(struct watch *w)
{
	char error[PULL_ERROR_MAX];
	int r;

	if (!channel_may_try(w, CHANNEL_PING) || json_object_array_length(w->state.messages) > 0)
		return;
	r = channel_send(&w->channels, CHANNEL_PING, NULL, error, sizeof error);
	channel_note(w, CHANNEL_PING, r, error);
	/* asked again in the next run, whatever the others do */
	w->state.channels[CHANNEL_PING].next_us = TIME_NONE;
}

/* ---- a run */

/* The first moment of what is told of the camera; TIME_NONE: nothing is. */
static int64_t camera_told_since(const struct watch_camera *camera)
{
	const struct watch_alarm *alarm = &camera->alarms[WATCH_SILENCE];

	return alarm->told > 0 ? alarm->since_us : TIME_NONE;
}

static void summary_note(struct watch *w, struct watch_view *v, const struct watch_source *source)
{
	struct watch_event event = { WATCH_SUMMARY, WATCH_SILENCE, WATCH_FINE, v->facts.camera,
		w->now_us - DAY_US, "" };
	const struct due due = due_judge(&v->facts.due);
	char state[PULL_ERROR_MAX];

	text_format(event.text, sizeof event.text,
		"%s; in 24 h %llu slots without a picture, %llu pictures still to come; %s",
		due_describe(&due, &v->facts.due, state, sizeof state),
		(unsigned long long)v->facts.lost, (unsigned long long)v->facts.pending,
		v->room_text);
	event_note((void *)source, &event);
}

/* Whether all is well; -ENOMEM. */
static int watch_cameras(struct watch *w, bool *ret_well)
{
	CLEANUP_FREE struct watch_view *v = malloc(sizeof *v);
	const int minute = pull_summary_minute(&w->settings->alarm);
	const bool sums = minute >= 0 && watch_summary_due(minute, w->state.summary_us, w->now_us);
	bool well = true;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < w->settings->n_cameras; i++) {
		const struct camera_settings *camera = &w->settings->cameras[i];
		struct watch_camera *known = watch_state_camera(&w->state, camera->name);
		const struct watch_source source = { w, v };

		if (!known)
			return -ENOMEM;
		view_read(v, camera, sums ? w->now_us - DAY_US : camera_told_since(known));
		if (!watch_judge(known, &v->facts, w->settings->alarm.after_us, w->state.looked_us,
			    event_note, (void *)&source))
			well = false;
		if (sums)
			summary_note(w, v, &source);
	}
	for (size_t i = 0; i < w->state.n;) {
		if (pull_camera(w->settings, w->state.cameras[i].name))
			i++;
		else
			watch_state_forget(&w->state, i);
	}
	if (minute < 0)
		w->state.summary_us = TIME_NONE;
	else if (sums || w->state.summary_us == TIME_NONE)
		w->state.summary_us = w->now_us;
	w->state.looked_us = w->now_us;
	*ret_well = well;
	return 0;
}

static int watch_run(struct watch *w)
{
	bool well = false;
	int r = watch_state_open(&w->state), sent;

	if (r == -EWOULDBLOCK) {
		cli_error(w->cli, "another `pullpi watch` is under way");
		return CLI_TEMPFAIL;
	}
	if (r == 0)
		r = watch_cameras(w, &well);
	if (r == 0) {
		messages_queue(w);
		r = watch_state_save(&w->state);
	}
	if (r < 0) {
		cli_error(w->cli, "what was told cannot be remembered, so nothing is sent: %s",
			strerror(-r));
		return CLI_INTERNAL;
	}
	sent = messages_send(w);
	if (well)
		watch_ping(w);
	if (watch_state_save(&w->state) < 0)
		return CLI_INTERNAL;
	if (!log_is_journal() && well)
		text_print(stdout, "all is well\n");
	return sent < 0 ? CLI_TEMPFAIL : CLI_OK;
}

static int watch_test(struct watch *w)
{
	static const char text[] = "This is a test: messages of pullpi get here.";
	struct json_object *o = json_object_new_object();
	char error[PULL_ERROR_MAX];
	int code = CLI_OK, n = 0;

	json_add_text(o, "kind", watch_kind_name(WATCH_TEST));
	json_add_time(o, "time", w->now_us);
	json_add_text(o, "title", "pullpi: a test");
	json_add_text(o, "text", text);
	for (enum channel channel = 0; channel < CHANNELS; channel++) {
		if (!channel_is_set(&w->channels, channel))
			continue;
		n++;
		if (message_send(w, o, channel, error, sizeof error) == 0) {
			text_print(stdout, "%s: sent\n", channel_name(channel));
			continue;
		}
		cli_error(w->cli, "%s: %s", channel_name(channel), error);
		code = CLI_INTERNAL;
	}
	json_object_put(o);
	if (n > 0)
		return code;
	cli_error(w->cli, "no way for messages is set: see [alarm] in pullpi.conf(5)");
	return CLI_SETTINGS;
}

int watch_load_secrets(const struct cli *cli, struct secrets *ret, char *error, size_t size)
{
	char settings[PATH_MAX], path[PATH_MAX + 16];
	int line = 0, r = cli_settings_path(cli, settings);

	if (r != CLI_OK)
		return r;
	/* a core file would have the secrets in it */
	prctl(PR_SET_DUMPABLE, 0);
	snprintf(path, sizeof path, "%s/secrets", dirname(settings));
	r = secrets_load(path, ret, &line);
	if (r == 0)
		return CLI_OK;
	if (r == -EPERM)
		text_format(error, size, "%s: others may read it; run `chmod 600 %s`", path, path);
	else if (r == -EBADMSG)
		text_format(
			error, size, "%s:%d: a mistake; see [alarm] in pullpi.conf(5)", path, line);
	else
		text_format(error, size, "%s: cannot be read: %s", path, strerror(-r));
	return CLI_SETTINGS;
}

int command_watch(struct cli *cli)
{
	CLEANUP_FREE void *data = NULL;
	struct watch w = { .cli = cli, .now_us = clock_wall_us(&clock_real) };
	char error[2 * PATH_MAX] = "";
	int r;

	r = cli_settings(cli, CLI_KEEP, &data);
	w.settings = data;
	if (r == CLI_OK)
		r = watch_load_secrets(cli, &w.secrets, error, sizeof error);
	if (*error)
		cli_error(cli, "%s", error);
	if (r != CLI_OK)
		return r;
	w.channels = (struct channels){ &w.settings->alarm, &w.secrets };
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (cli_flag(cli, "test")) {
		r = watch_test(&w);
	} else {
		r = watch_run(&w);
		watch_state_close(&w.state);
	}
	curl_global_cleanup();
	return r;
}
