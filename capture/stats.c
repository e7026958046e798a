/* SPDX-License-Identifier: MIT */
/* Counters of what happened to the slots, and how they are shown. */
#include "capture/stats.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "common/utc.h"

static const char *const state_names[] = { "closed", "idle", "streaming" };
static const char *const rung_names[] = { "restart", "reopen", "exit" };

static int bucket_of(int64_t us)
{
	uint64_t v = (uint64_t)(us < 0 ? -us : us) + 8;
	int exponent = 63 - __builtin_clzll(v);
	int bucket = (exponent - 3) * 8 + (int)(v >> (exponent - 3) & 7);

	return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

/* The upper end of a bucket. */
static int64_t bucket_value(int bucket)
{
	return ((int64_t)(8 + bucket % 8 + 1) << bucket / 8) - 9;
}

int64_t stats_percentile(const uint64_t buckets[static STATS_BUCKETS], double percent)
{
	uint64_t total = 0, seen = 0;

	for (int i = 0; i < STATS_BUCKETS; i++)
		total += buckets[i];
	for (int i = 0; i < STATS_BUCKETS; i++) {
		seen += buckets[i];
		if (buckets[i] && (double)seen >= (double)total * percent / 100)
			return bucket_value(i);
	}
	return 0;
}

static void turn_day(struct stats *stats, int64_t now_us)
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
	int64_t late = frame->late_us < 0 ? -frame->late_us : frame->late_us;

	stats->last = *frame;
	if (frame->shot) {
		stats->shots++;
		return;
	}
	turn_day(stats, now_us);
	stats->frames++;
	stats->today_frames++;
	stats->late_buckets[bucket_of(late)]++;
	if (late > stats->late_max_us)
		stats->late_max_us = late;
}

void stats_miss(struct stats *stats, enum miss_cause cause, uint64_t count, int64_t now_us)
{
	turn_day(stats, now_us);
	stats->missed[cause] += count;
	stats->today_missed[cause] += count;
}

void stats_wake(struct stats *stats, int64_t late_us)
{
	stats->wake_buckets[bucket_of(late_us)]++;
	if (late_us > stats->wake_max_us)
		stats->wake_max_us = late_us;
}

static uint64_t sum_missed(const uint64_t missed[static MISS_CAUSES])
{
	uint64_t sum = 0;

	for (int i = 0; i < MISS_CAUSES; i++)
		sum += missed[i];
	return sum;
}

const char *stats_line(const struct stats_view *view, char *buf, size_t size)
{
	const struct stats *stats = view->stats;
	char last[UTC_TEXT_MAX], next[UTC_TEXT_MAX];
	int n = 0;

	if (view->store->error)
		n = snprintf(buf, size, "nothing stored: %s: %s; ", view->store->where,
			store_error_text(view->store->error));
	if (n < (int)size && *view->camera->text)
		n += snprintf(buf + n, size - (size_t)n, "camera %s; ", view->camera->text);
	if (n < (int)size && stats->last.seq)
		n += snprintf(buf + n, size - (size_t)n, "last frame %s (%+.1f ms, %lld KB); ",
			utc_format_local(stats->last.exposed_us, last),
			(double)stats->last.late_us / 1000, (long long)stats->last.bytes / 1000);
	else if (n < (int)size)
		n += snprintf(buf + n, size - (size_t)n, "no frame yet; ");
	if (n < (int)size)
		snprintf(buf + n, size - (size_t)n, "next %s; today %llu frames, %llu missed%s",
			view->next_us == TIME_NONE ? "never"
						   : utc_format_local(view->next_us, next),
			(unsigned long long)stats->today_frames,
			(unsigned long long)sum_missed(stats->today_missed),
			view->synced ? "" : "; clock not synchronised");
	return buf;
}

static void add_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void add_int(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

static void add_time(struct json_object *o, const char *key, int64_t wall_us)
{
	char text[UTC_TEXT_MAX];

	if (wall_us != TIME_NONE)
		add_string(o, key, utc_format(wall_us, text));
}

static struct json_object *add_object(struct json_object *o, const char *key)
{
	struct json_object *child = json_object_new_object();

	json_object_object_add(o, key, child);
	return child;
}

static void add_missed(struct json_object *o, const uint64_t missed[static MISS_CAUSES])
{
	struct json_object *m = add_object(o, "missed");

	for (int i = 0; i < MISS_CAUSES; i++)
		add_int(m, miss_cause_name(i), (int64_t)missed[i]);
}

static void add_spread(struct json_object *o, const char *key,
	const uint64_t buckets[static STATS_BUCKETS], int64_t max_us)
{
	struct json_object *s = add_object(o, key);
	int64_t p50 = stats_percentile(buckets, 50), p99 = stats_percentile(buckets, 99);
	uint64_t samples = 0;

	for (int i = 0; i < STATS_BUCKETS; i++)
		samples += buckets[i];
	/* a bucket's upper end may be above the largest sample */
	add_int(s, "p50", p50 < max_us ? p50 : max_us);
	add_int(s, "p99", p99 < max_us ? p99 : max_us);
	add_int(s, "max", max_us);
	add_int(s, "samples", (int64_t)samples);
}

static void add_last(struct json_object *o, const struct record *last)
{
	struct json_object *l = add_object(o, "last");
	struct frame_name name = record_name(last);
	char path[FRAME_PATH_MAX];

	add_int(l, "seq", (int64_t)last->seq);
	add_time(l, "slot", last->slot_us);
	add_time(l, "exposed", last->exposed_us);
	if (frame_name_path(&name, path) == 0)
		add_string(l, "path", path);
	add_int(l, "bytes", last->bytes);
	add_int(l, "late_us", last->late_us);
}

static void add_camera(struct json_object *o, const struct stats_view *view)
{
	struct json_object *c = add_object(o, "camera"), *r;

	add_string(c, "model", view->camera_model);
	add_string(c, "state", state_names[view->camera->state]);
	add_string(c, "error", view->camera->text);
	add_int(c, "failures", view->camera->failures);
	r = add_object(c, "recoveries");
	for (int i = 0; i < RUNGS; i++)
		add_int(r, rung_names[i], (int64_t)view->camera->climbed[i]);
}

static void add_phase_lock(struct json_object *o, const struct phase_lock *phase_lock)
{
	struct json_object *l = phase_lock ? add_object(o, "phase_lock") : NULL;

	if (!phase_lock)
		return;
	if (isfinite(phase_lock->drift_ppm))
		json_object_object_add(
			l, "drift_ppm", json_object_new_double(phase_lock->drift_ppm));
	if (isfinite(phase_lock->residual_mean_ns))
		add_int(l, "residual_us", (int64_t)(phase_lock->residual_mean_ns / 1000));
	add_int(l, "orders", (int64_t)phase_lock->orders);
}

static void add_settings(struct json_object *o, const struct stats_view *view)
{
	struct json_object *s;

	if (!view->settings || strlen(view->settings) >= CONF_VALUE_MAX)
		return;
	s = add_object(o, "settings");
	add_string(s, "path", view->settings);
	add_int(s, "changed_us", view->settings_us);
}

static void add_store(struct json_object *o, const struct stats_view *view)
{
	const struct store_facts *facts = view->store;
	struct json_object *s = add_object(o, "store"), *removed;

	add_string(s, "archive", view->archive);
	json_object_object_add(s, "open", json_object_new_boolean(facts->open));
	add_string(s, "error", facts->error ? store_error_text(facts->error) : "");
	add_int(s, "errno", -facts->error);
	add_string(s, "where", facts->error ? facts->where : "");
	add_int(s, "frames", facts->stored.frames);
	add_int(s, "bytes", facts->stored.bytes);
	json_object_object_add(s, "counted", json_object_new_boolean(facts->stored.counted));
	removed = add_object(s, "removed");
	add_int(removed, "frames", (int64_t)facts->removed.frames);
	add_int(removed, "bytes", facts->removed.bytes);
}

int stats_json(const struct stats_view *view, char *buf, size_t size)
{
	const struct stats *stats = view->stats;
	struct json_object *o = json_object_new_object(), *today;
	const char *text;
	int n;

	if (!o)
		return -ENOMEM;
	add_int(o, "pid", getpid());
	add_time(o, "now", view->now_us);
	add_time(o, "started", stats->started_us);
	add_int(o, "frames", (int64_t)stats->frames);
	add_int(o, "shots", (int64_t)stats->shots);
	add_missed(o, stats->missed);
	today = add_object(o, "today");
	add_int(today, "frames", (int64_t)stats->today_frames);
	add_missed(today, stats->today_missed);
	if (stats->last.seq)
		add_last(o, &stats->last);
	add_time(o, "next", view->next_us);
	add_time(o, "due", view->due.due_us);
	add_time(o, "due_pending", view->due.pending_us);
	add_time(o, "due_next", view->due.next_us);
	add_spread(o, "late_us", stats->late_buckets, stats->late_max_us);
	add_spread(o, "wake_us", stats->wake_buckets, stats->wake_max_us);
	add_int(o, "encode_us", stats->encode_us);
	add_int(o, "store_us", stats->store_us);
	add_store(o, view);
	add_settings(o, view);
	add_camera(o, view);
	add_phase_lock(o, view->phase_lock);
	json_object_object_add(o, "synced", json_object_new_boolean(view->synced));
	text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	n = text ? snprintf(buf, size, "%s", text) : -ENOMEM;
	json_object_put(o);
	return n >= (int)size ? -E2BIG : n;
}
