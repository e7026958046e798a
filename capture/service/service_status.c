/* SPDX-License-Identifier: MIT */
/* Counts what happens to the slots, and publishes it: the status file and STATUS=. */
#include <math.h>
#include <string.h>

#include "capture/service/service_private.h"
#include "capture/service/status.h"
#include "common/base/json.h"
#include "common/base/utc.h"
#include "common/systemd/userbus.h"

#define STATUS_EVERY_US (1 * US_PER_SEC) /* not more often */

static const char *const state_names[] = { "closed", "idle", "streaming" };
static const char *const rung_names[] = { "restart", "reopen", "exit" };

/* ---- counters ---- */

static void stats_turn_day(struct stats *stats, int64_t now_us)
{
	int day = utc_local_day(now_us);

	if (day == stats->day)
		return;
	stats->day = day;
	stats->today_frames = 0;
	memset(stats->today_missed, 0, sizeof stats->today_missed);
}

void stats_frame(struct stats *stats, const struct record *frame, int64_t now_us)
{
	stats->last = *frame;
	mark_run_add(&stats->marks, frame);
	if (frame->shot) {
		stats->shots++;
		return;
	}
	stats_turn_day(stats, now_us);
	stats->frames++;
	stats->today_frames++;
	spread_add(&stats->late, frame->late_us);
}

void stats_miss(struct stats *stats, enum miss_cause cause, uint64_t count, int64_t now_us)
{
	stats_turn_day(stats, now_us);
	stats->missed[cause] += count;
	stats->today_missed[cause] += count;
}

/* ---- the line for STATUS= ---- */

static void service_notify_status(const struct service *s)
{
	const struct record *last = &s->stats.last;
	const char *camera = supervisor_facts(s->supervisor)->text;
	char frame[UTC_TEXT_MAX + 64] = "no frame yet", store[PATH_MAX + 128] = "";
	char time[UTC_TEXT_MAX];
	uint64_t missed = 0;

	for (int i = 0; i < MISS_CAUSES; i++)
		missed += s->stats.today_missed[i];
	if (s->store.error)
		snprintf(store, sizeof store, "nothing stored: %s: %s; ", s->store.where,
			store_error_text(s->store.error));
	if (last->seq)
		snprintf(frame, sizeof frame, "last frame %s (%+.1f ms, %lld KB)",
			utc_format_local(last->exposed_us, time), (double)last->late_us / 1000,
			(long long)last->bytes / 1000);
	notify_status("%s%s%s%s%s; next %s; today %llu frames, %llu missed%s", store,
		*camera ? "camera " : "", camera, *camera ? "; " : "", frame,
		s->slots.open_us == TIME_NONE ? "never" : utc_format_local(s->slots.open_us, time),
		(unsigned long long)s->stats.today_frames, (unsigned long long)missed,
		clock_synced(s->clock) ? "" : "; clock not synchronised");
}

/* ---- the status file ---- */

static struct json_object *status_add_object(struct json_object *o, const char *key)
{
	struct json_object *child = json_object_new_object();

	json_object_object_add(o, key, child);
	return child;
}

static void status_add_missed(struct json_object *o, const uint64_t missed[static MISS_CAUSES])
{
	struct json_object *m = status_add_object(o, "missed");

	for (int i = 0; i < MISS_CAUSES; i++)
		json_add_number(m, miss_cause_name(i), (int64_t)missed[i]);
}

static void status_add_stats(struct json_object *o, const struct stats *stats)
{
	const struct record *last = &stats->last;
	struct frame_name name = record_name(last);
	struct json_object *child;
	char path[FRAME_PATH_MAX];

	json_add_time(o, "started", stats->started_us);
	json_add_number(o, "frames", (int64_t)stats->frames);
	json_add_number(o, "shots", (int64_t)stats->shots);
	status_add_missed(o, stats->missed);
	child = status_add_object(o, "today");
	json_add_number(child, "frames", (int64_t)stats->today_frames);
	status_add_missed(child, stats->today_missed);
	json_object_object_add(o, "late_us", spread_object(&stats->late));
	json_object_object_add(o, "wake_us", spread_object(&stats->wake));
	json_add_number(o, "encode_us", stats->encode_us);
	json_add_number(o, "store_us", stats->store_us);
	if (!last->seq)
		return;
	child = status_add_object(o, "last");
	json_add_number(child, "seq", (int64_t)last->seq);
	json_add_time(child, "slot", last->slot_us);
	json_add_time(child, "exposed", last->exposed_us);
	if (frame_name_path(&name, path) == 0)
		json_add_text(child, "path", path);
	json_add_number(child, "bytes", last->bytes);
	json_add_number(child, "late_us", last->late_us);
	json_add_text(child, "mark", mark_name(last->picture.mark));
	if (mark_event(&stats->marks))
		mark_run_json(o, &stats->marks);
}

static void status_add_store(struct json_object *o, const struct service *s)
{
	const struct store_facts *facts = &s->store;
	struct json_object *store = status_add_object(o, "store"), *removed;

	json_add_text(store, "archive", s->settings->archive.path);
	json_add_bool(store, "open", facts->open);
	json_add_text(store, "error", facts->error ? store_error_text(facts->error) : "");
	json_add_number(store, "errno", -facts->error);
	json_add_text(store, "where", facts->error ? facts->where : "");
	json_add_number(store, "frames", facts->stored.frames);
	json_add_number(store, "bytes", facts->stored.bytes);
	json_add_bool(store, "counted", facts->stored.counted);
	removed = status_add_object(store, "removed");
	json_add_number(removed, "frames", (int64_t)facts->removed.frames);
	json_add_number(removed, "bytes", (int64_t)facts->removed.bytes);
}

/* Nothing where the settings have fixed it, or the camera cannot be told. */
static void status_add_exposure(struct json_object *o, const struct exposure *exposure)
{
	const struct exposure_limits *limits = &exposure->limits;
	struct json_object *child;

	if (limits->max_ns <= 0)
		return;
	child = status_add_object(o, "exposure");
	json_add_text(child, "by", exposure_stage_name(exposure->stage));
	json_add_number(child, "max_us", limits->max_ns / NS_PER_US);
	json_add_text(child, "max_by", exposure_bound_name(limits->bound));
	json_object_object_add(child, "gain_max", json_object_new_double(limits->gain_max));
	if (exposure->stage == EXPOSURE_OF_CAMERA)
		return;
	json_add_number(child, "exposure_us", exposure->order.exposure_ns / NS_PER_US);
	json_object_object_add(child, "gain", json_object_new_double(exposure->order.gain));
}

static void status_add_camera(struct json_object *o, const struct service *s)
{
	const struct supervisor_facts *facts = supervisor_facts(s->supervisor);
	const struct camera *camera = supervisor_camera(s->supervisor);
	struct json_object *c = status_add_object(o, "camera"), *child;

	json_add_text(c, "model", camera ? camera->info.model : "");
	json_add_text(c, "state", state_names[facts->state]);
	json_add_text(c, "error", facts->text);
	json_add_number(c, "failures", facts->failures);
	child = status_add_object(c, "recoveries");
	for (int i = 0; i < RUNGS; i++)
		json_add_number(child, rung_names[i], (int64_t)facts->climbed[i]);
	status_add_exposure(o, &s->exposure);
	if (!s->locks_phase)
		return;
	child = status_add_object(o, "phase_lock");
	if (isfinite(s->phase_lock.drift_ppm))
		json_object_object_add(
			child, "drift_ppm", json_object_new_double(s->phase_lock.drift_ppm));
	if (isfinite(s->phase_lock.residual_mean_ns))
		json_add_number(
			child, "residual_us", (int64_t)(s->phase_lock.residual_mean_ns / 1000));
	json_add_number(child, "orders", (int64_t)s->phase_lock.orders);
}

static struct json_object *service_status(const struct service *s, int64_t now_us)
{
	const char *path = s->options->settings_path;
	struct json_object *o = json_object_new_object(), *settings;

	json_add_number(o, "pid", getpid());
	json_add_time(o, "now", now_us);
	status_add_stats(o, &s->stats);
	json_add_time(o, "next", s->slots.open_us);
	json_add_time(o, "due", s->due.due_us);
	json_add_time(o, "due_pending", s->due.pending_us);
	json_add_time(o, "due_next", s->due.next_us);
	status_add_store(o, s);
	if (path) {
		settings = status_add_object(o, "settings");
		json_add_text(settings, "path", path);
		json_add_number(settings, "changed_us", s->settings_us);
	}
	status_add_camera(o, s);
	json_add_bool(o, "synced", clock_synced(s->clock));
	return o;
}

/* ---- when ---- */

/*
 * What pullers are told: nothing is due while the slots have not begun, and no slot from before
 * this archive is.
 */
static struct schedule_due service_due(const struct service *s, int64_t now_us)
{
	struct schedule_due due = { TIME_NONE, TIME_NONE, TIME_NONE };

	if (service_has_begun(s))
		due = schedule_due(&s->settings->schedule, now_us);
	if (s->last_outcome_us == TIME_NONE && due.due_us < s->slots_from_us)
		due.due_us = TIME_NONE;
	return due;
}

/* Wall time when a slot comes or its picture is due; INT64_MAX. */
static int64_t service_due_changes_us(const struct service *s)
{
	int64_t next_us = s->due.next_us == TIME_NONE ? INT64_MAX : s->due.next_us;
	int64_t due_us = s->due.pending_us + DUE_SECONDS * US_PER_SEC;

	return s->due.pending_us != TIME_NONE && due_us < next_us ? due_us : next_us;
}

int64_t service_status_due_us(const struct service *s, int64_t ahead_us, int64_t now_us)
{
	int64_t changes_us = service_due_changes_us(s);

	if (s->dirty)
		return s->published_us + STATUS_EVERY_US;
	return changes_us > now_us && changes_us < INT64_MAX ? ahead_us + changes_us : INT64_MAX;
}

void service_publish_status(struct service *s, int64_t now_us)
{
	struct json_object *o;

	s->dirty |= service_due_changes_us(s) <= now_us;
	if (!s->dirty || service_mono_us(s) < s->published_us + STATUS_EVERY_US)
		return;
	s->dirty = false;
	s->due = service_due(s, now_us);
	s->published_us = service_mono_us(s);
	o = service_status(s, now_us);
	status_publish(s->settings->archive.path, json_text(o));
	json_object_put(o);
	service_notify_status(s);
}
