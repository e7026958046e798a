/* SPDX-License-Identifier: MIT */
/* Judges each camera by its four topics, and finds the words. */
#include "pull/watch/watch_judge.h"

#include <errno.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/commands/cli.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define FULL_OVER_US (WATCH_FULL_US + DAY_US) /* a forecast moves: no news at each turn */

static const struct watch_alarm alarm_none = { TIME_NONE, TIME_NONE, TIME_NONE, WATCH_FINE, 0 };
static const int64_t reminders_us[] = { DAY_US, 7 * DAY_US };

struct watch_camera watch_camera_new(const char *name)
{
	struct watch_camera camera = { 0 };

	snprintf(camera.name, sizeof camera.name, "%s", name);
	for (size_t i = 0; i < WATCH_TOPICS; i++)
		camera.alarms[i] = alarm_none;
	return camera;
}

/* ---- the causes */

/* What this machine cannot do goes before what the camera does: nothing could be stored of it. */
static enum watch_cause cause_here(const struct watch_facts *facts)
{
	const struct peer_outcome *here = &facts->due.peer->here;

	if (facts->archive_error < 0 && facts->archive_error != -ENOENT)
		return WATCH_AWAY;
	if (facts->has_room && facts->room.verdict != ROOM_FREE)
		return facts->room.verdict == ROOM_DISK || facts->room.verdict == ROOM_INODES
			? WATCH_DISK
			: WATCH_LIMIT;
	if (here->code == CLI_OK || here->code == CLI_TEMPFAIL)
		return WATCH_FINE;
	return strstr(here->error, strerror(EROFS)) ? WATCH_SANDBOX : WATCH_HERE;
}

static enum watch_cause cause_of_code(int code)
{
	switch (code) {
	case CLI_TEMPFAIL:
		return WATCH_LINK;
	case CLI_REFUSED:
		return WATCH_LOGIN;
	case CLI_PROTOCOL:
		return WATCH_ANSWERS;
	default:
		return WATCH_HERE;
	}
}

static enum watch_cause cause_of_silence(const struct watch_facts *facts, const struct due *due)
{
	const enum watch_cause here = cause_here(facts);

	if (here != WATCH_FINE)
		return here;
	switch (due->state) {
	case DUE_NOT_TRIED:
		return WATCH_TIMER;
	case DUE_NOT_REACHED:
		return cause_of_code(facts->due.peer->camera.code);
	case DUE_STOPPED:
		return WATCH_STOPPED;
	case DUE_NOT_TAKEN:
		return facts->due.peer->here.code != CLI_OK ? WATCH_HERE : WATCH_CAMERA;
	case DUE_HERE:
	default:
		return WATCH_FINE;
	}
}

static enum watch_cause cause_of_room(const struct watch_facts *facts)
{
	const int64_t full_us = facts->room.full_us;

	if (!facts->has_room || facts->room.verdict != ROOM_FREE)
		return WATCH_UNKNOWN;
	if (facts->removes || full_us == TIME_NONE || full_us - facts->due.now_us > FULL_OVER_US)
		return WATCH_FINE;
	return full_us - facts->due.now_us < WATCH_FULL_US ? WATCH_FULL_SOON : WATCH_UNKNOWN;
}

static enum watch_cause cause_of_clock(const struct watch_facts *facts, const struct due *due)
{
	if (!due->set_back && facts->due.peer->camera.code != CLI_OK)
		return WATCH_UNKNOWN;
	return due->set_back || due->ahead_us != 0 ? WATCH_CLOCKS : WATCH_FINE;
}

static enum watch_cause watch_look(
	enum watch_topic topic, const struct watch_facts *facts, const struct due *due)
{
	switch (topic) {
	case WATCH_SILENCE:
		return cause_of_silence(facts, due);
	case WATCH_ROOM:
		return cause_of_room(facts);
	case WATCH_CLOCK:
		return cause_of_clock(facts, due);
	case WATCH_PICTURES:
	case WATCH_TOPICS:
	default:
		return *facts->mark ? WATCH_MARKED : WATCH_FINE;
	}
}

/* ---- the words */

static const char *const causes[][2] = {
	[WATCH_FINE] = { "fine", "" },
	[WATCH_UNKNOWN] = { "unknown", "" },
	[WATCH_LINK] = { "link", "the camera cannot be reached: " },
	[WATCH_LOGIN] = { "login", "the camera does not let this machine in: " },
	[WATCH_ANSWERS] = { "answers", "the camera's answers are wrong: " },
	[WATCH_STOPPED] = { "stopped", "the camera answers, but capturing does not run there" },
	[WATCH_CAMERA] = { "camera", "capturing runs there, but takes no pictures" },
	[WATCH_TIMER] = { "timer",
		"nothing on this machine asks the camera; `pullpi doctor` tells why" },
	[WATCH_DISK] = { "disk", "the disk of this machine is full: " },
	[WATCH_LIMIT] = { "limit", "what the settings allow this camera is used up: " },
	[WATCH_AWAY] = { "away", "its archive cannot be opened: " },
	[WATCH_SANDBOX] = { "sandbox",
		"the archive may not be written; `deploypi pull` opens it to the services: " },
	[WATCH_HERE] = { "here", "this machine cannot store them: " },
	[WATCH_FULL_SOON] = { "full-soon", "the disk will be full soon: " },
	[WATCH_CLOCKS] = { "clock", "" },
	[WATCH_MARKED] = { "marked", "" },
};

const char *watch_cause_name(enum watch_cause cause)
{
	return causes[cause][0];
}

const char *watch_topic_name(enum watch_topic topic)
{
	static const char *const names[] = { "silence", "room", "clock", "pictures" };

	return names[topic];
}

const char *watch_kind_name(enum watch_kind kind)
{
	static const char *const names[] = { "down", "reminder", "back", "summary", "test" };

	return names[kind];
}

/* What the cause's sentence ends with. */
static const char *cause_detail(enum watch_cause cause, const struct watch_facts *facts,
	const struct due *due, char *buf, size_t size)
{
	const struct peer_state *peer = facts->due.peer;

	switch (cause) {
	case WATCH_LINK:
	case WATCH_LOGIN:
	case WATCH_ANSWERS:
		return peer->camera.error;
	case WATCH_SANDBOX:
	case WATCH_HERE:
		return *peer->here.error ? peer->here.error : peer->camera.error;
	case WATCH_DISK:
	case WATCH_LIMIT:
	case WATCH_FULL_SOON:
		return facts->room_text;
	case WATCH_AWAY:
		return facts->archive_error == -ENOMEDIUM ? "its disk is not mounted"
							  : strerror(-facts->archive_error);
	case WATCH_CLOCKS:
		return due_describe_clock(due, buf, size);
	case WATCH_MARKED:
		return facts->mark;
	default:
		return "";
	}
}

static void watch_describe(const struct watch_alarm *alarm, const struct watch_facts *facts,
	const struct due *due, struct watch_event *event)
{
	const int64_t now_us = facts->due.now_us;
	char detail[PULL_ERROR_MAX], lasted[UTC_TEXT_MAX], since[UTC_TEXT_MAX];
	char *text = event->text;
	const size_t size = sizeof event->text;
	const char *why = causes[event->cause][1];
	const char *more = cause_detail(event->cause, facts, due, detail, sizeof detail);

	if (event->kind == WATCH_ENDS && event->topic == WATCH_SILENCE)
		text_format(text, size,
			"pictures come again after %s: %llu slots have none, %llu pictures are "
			"still to come",
			duration_format(alarm->over_us - alarm->since_us, lasted),
			(unsigned long long)facts->lost, (unsigned long long)facts->pending);
	else if (event->kind == WATCH_ENDS)
		text_format(text, size, "over after %s (%s)",
			duration_format(alarm->over_us - alarm->since_us, lasted),
			watch_cause_name(event->cause));
	else if (event->topic != WATCH_SILENCE)
		text_format(text, size, "%s%s", why, more);
	else if (facts->due.newest_us == TIME_NONE)
		text_format(text, size, "no picture yet: %s%s", why, more);
	else
		text_format(text, size, "no new picture since %s (%s): %s%s",
			utc_format_local(facts->due.newest_us, since),
			duration_format(now_us - facts->due.newest_us, lasted), why, more);
}

/* ---- when */

/* Whether what has lasted since `alarm->since_us` is more than a moment's trouble. */
static bool watch_is_sure(const struct watch_alarm *alarm, const struct watch_facts *facts,
	const struct due *due, int64_t after_us)
{
	const int64_t lasted_us = facts->due.now_us - alarm->since_us;
	const struct peer_state *peer = facts->due.peer;
	const bool again = peer->seen_us >= alarm->since_us + WATCH_AGAIN_US;

	if (lasted_us < after_us)
		return false;
	switch (alarm->cause) {
	case WATCH_LINK:
	case WATCH_LOGIN:
	case WATCH_ANSWERS:
		return peer->last_try_us - peer->camera.since_us >= WATCH_OUTAGE_US ||
			lasted_us >= after_us + DUE_PERIOD_US;
	case WATCH_CAMERA:
		return due->slot_us > alarm->slot_us || lasted_us >= WATCH_SLOT_US;
	case WATCH_STOPPED:
		return again;
	case WATCH_CLOCKS:
		return again || due->set_back;
	default:
		return true;
	}
}

/* How many messages a trouble of that age is worth. */
static unsigned watch_messages(const struct watch_alarm *alarm, int64_t now_us)
{
	unsigned n = 1;

	while (n <= ARRAY_SIZE(reminders_us) && now_us - alarm->since_us >= reminders_us[n - 1])
		n++;
	return n;
}

/* Nobody looked for so long that what was there then may have come and gone. */
static bool watch_was_away(int64_t looked_us, int64_t now_us)
{
	return looked_us == TIME_NONE || now_us < looked_us || now_us - looked_us > WATCH_LOOK_US;
}

struct watch_news {
	bool any;
	enum watch_kind kind;
};

/* What there is to tell, after this look. */
static struct watch_news watch_step(struct watch_alarm *alarm, enum watch_cause cause,
	const struct watch_facts *facts, const struct due *due, int64_t after_us)
{
	const int64_t now_us = facts->due.now_us;
	const bool told = alarm->told > 0;

	if (cause == WATCH_FINE && !told)
		*alarm = alarm_none;
	else if (cause == WATCH_FINE && alarm->over_us == TIME_NONE)
		alarm->over_us = now_us;
	if (cause == WATCH_FINE)
		return (struct watch_news){ told && now_us - alarm->over_us >= after_us,
			WATCH_ENDS };
	alarm->over_us = TIME_NONE;
	if (alarm->since_us == TIME_NONE)
		alarm->since_us = now_us;
	if (alarm->cause != WATCH_CAMERA)
		alarm->slot_us = due->slot_us;
	alarm->cause = cause;
	if (told)
		return (struct watch_news){ watch_messages(alarm, now_us) > alarm->told,
			WATCH_LASTS };
	return (struct watch_news){ watch_is_sure(alarm, facts, due, after_us), WATCH_BEGINS };
}

/* A clock that was set back, or a time without looks: what is not sure yet begins now. */
static void watch_alarm_settle(struct watch_alarm *alarm, int64_t now_us, bool away)
{
	if (alarm->since_us != TIME_NONE &&
		(alarm->since_us > now_us || (away && alarm->told == 0)))
		alarm->since_us = now_us;
	if (alarm->over_us != TIME_NONE && (alarm->over_us > now_us || away))
		alarm->over_us = now_us;
}

bool watch_judge(struct watch_camera *camera, const struct watch_facts *facts, int64_t after_us,
	int64_t looked_us, watch_tell *tell, void *data)
{
	const struct due due = due_judge(&facts->due);
	const int64_t now_us = facts->due.now_us;
	const bool away = watch_was_away(looked_us, now_us);
	bool well = true;

	for (enum watch_topic topic = 0; topic < WATCH_TOPICS; topic++) {
		struct watch_alarm *alarm = &camera->alarms[topic];
		const enum watch_cause cause = watch_look(topic, facts, &due);
		struct watch_event event = { .topic = topic, .camera = camera->name };
		struct watch_news news;

		watch_alarm_settle(alarm, now_us, away);
		if (cause == WATCH_UNKNOWN) {
			well = well && alarm->told == 0;
			continue;
		}
		news = watch_step(alarm, cause, facts, &due, after_us);
		if (news.any) {
			event.kind = news.kind;
			event.cause = alarm->cause;
			event.since_us = alarm->since_us;
			watch_describe(alarm, facts, &due, &event);
			alarm->told = watch_messages(alarm, now_us);
			tell(data, &event);
		}
		if (news.any && news.kind == WATCH_ENDS)
			*alarm = alarm_none;
		well = well && alarm->told == 0;
	}
	return well;
}

bool watch_summary_due(int minute, int64_t last_us, int64_t now_us)
{
	const int64_t minute_us = 60 * US_PER_SEC;
	const int64_t local_us = now_us + utc_local_offset_s(now_us) * US_PER_SEC;
	int64_t due_us = local_us - local_us % DAY_US + minute * minute_us;

	if (due_us > local_us)
		due_us -= DAY_US;
	return last_us != TIME_NONE && last_us <= now_us &&
		last_us + utc_local_offset_s(last_us) * US_PER_SEC < due_us;
}
