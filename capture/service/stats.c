/* SPDX-License-Identifier: MIT */
/* Counters of what happened to the slots, and how they are shown. */
#include "capture/service/stats.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/utc.h"

static const char *const state_names[] = { "closed", "idle", "streaming" };
static const char *const rung_names[] = { "restart", "reopen", "exit" };

static int stats_bucket(int64_t us)
{
	uint64_t v = (uint64_t)(us < 0 ? -us : us) + 8;
	int exponent = 63 - __builtin_clzll(v);
	int bucket = (exponent - 3) * 8 + (int)(v >> (exponent - 3) & 7);

	return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

/* The upper end of a bucket. */
static int64_t stats_bucket_end(int bucket)
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
			return stats_bucket_end(i);
	}
	return 0;
}

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
	int64_t late = frame->late_us < 0 ? -frame->late_us : frame->late_us;

	stats->last = *frame;
	if (frame->shot) {
		stats->shots++;
		return;
	}
	stats_turn_day(stats, now_us);
	stats->frames++;
	stats->today_frames++;
	stats->late_buckets[stats_bucket(late)]++;
	if (late > stats->late_max_us)
		stats->late_max_us = late;
}

void stats_miss(struct stats *stats, enum miss_cause cause, uint64_t count, int64_t now_us)
{
	stats_turn_day(stats, now_us);
	stats->missed[cause] += count;
	stats->today_missed[cause] += count;
}

void stats_wake(struct stats *stats, int64_t late_us)
{
	stats->wake_buckets[stats_bucket(late_us)]++;
	if (late_us > stats->wake_max_us)
		stats->wake_max_us = late_us;
}

static uint64_t stats_sum_missed(const uint64_t missed[static MISS_CAUSES])
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
			(unsigned long long)stats_sum_missed(stats->today_missed),
			view->synced ? "" : "; clock not synchronised");
	return buf;
}

static struct json_object *stats_add_object(struct json_object *o, const char *key)
{
	struct json_object *child = json_object_new_object();

	json_object_object_add(o, key, child);
	return child;
}

static void stats_add_missed(struct json_object *o, const uint64_t missed[static MISS_CAUSES])
{
	struct json_object *m = stats_add_object(o, "missed");

	for (int i = 0; i < MISS_CAUSES; i++)
		json_add_number(m, miss_cause_name(i), (int64_t)missed[i]);
}

static void stats_add_spread(struct json_object *o, const char *key,
	const uint64_t buckets[static STATS_BUCKETS], int64_t max_us)
{
	struct json_object *s = stats_add_object(o, key);
	int64_t p50 = stats_percentile(buckets, 50), p99 = stats_percentile(buckets, 99);
	uint64_t samples = 0;

	for (int i = 0; i < STATS_BUCKETS; i++)
		samples += buckets[i];
	/* a bucket's upper end may be above the largest sample */
	json_add_number(s, "p50", p50 < max_us ? p50 : max_us);
	json_add_number(s, "p99", p99 < max_us ? p99 : max_us);
	json_add_number(s, "max", max_us);
	json_add_number(s, "samples", (int64_t)samples);
}

static void stats_add_last(struct json_object *o, const struct record *last)
{
	struct json_object *l = stats_add_object(o, "last");
	struct frame_name name = record_name(last);
	char path[FRAME_PATH_MAX];

	json_add_number(l, "seq", (int64_t)last->seq);
	json_add_time(l, "slot", last->slot_us);
	json_add_time(l, "exposed", last->exposed_us);
	if (frame_name_path(&name, path) == 0)
		json_add_text(l, "path", path);
	json_add_number(l, "bytes", last->bytes);
	json_add_number(l, "late_us", last->late_us);
}

static void stats_add_camera(struct json_object *o, const struct stats_view *view)
{
	struct json_object *c = stats_add_object(o, "camera"), *r;

	json_add_text(c, "model", view->camera_model);
	json_add_text(c, "state", state_names[view->camera->state]);
	json_add_text(c, "error", view->camera->text);
	json_add_number(c, "failures", view->camera->failures);
	r = stats_add_object(c, "recoveries");
	for (int i = 0; i < RUNGS; i++)
		json_add_number(r, rung_names[i], (int64_t)view->camera->climbed[i]);
}

static void stats_add_phase_lock(struct json_object *o, const struct phase_lock *phase_lock)
{
	struct json_object *l = phase_lock ? stats_add_object(o, "phase_lock") : NULL;

	if (!phase_lock)
		return;
	if (isfinite(phase_lock->drift_ppm))
		json_object_object_add(
			l, "drift_ppm", json_object_new_double(phase_lock->drift_ppm));
	if (isfinite(phase_lock->residual_mean_ns))
		json_add_number(l, "residual_us", (int64_t)(phase_lock->residual_mean_ns / 1000));
	json_add_number(l, "orders", (int64_t)phase_lock->orders);
}

static void stats_add_settings(struct json_object *o, const struct stats_view *view)
{
	struct json_object *s;

	if (!view->settings || strlen(view->settings) >= CONF_VALUE_MAX)
		return;
	s = stats_add_object(o, "settings");
	json_add_text(s, "path", view->settings);
	json_add_number(s, "changed_us", view->settings_us);
}

static void stats_add_store(struct json_object *o, const struct stats_view *view)
{
	const struct store_facts *facts = view->store;
	struct json_object *s = stats_add_object(o, "store"), *removed;

	json_add_text(s, "archive", view->archive);
	json_add_bool(s, "open", facts->open);
	json_add_text(s, "error", facts->error ? store_error_text(facts->error) : "");
	json_add_number(s, "errno", -facts->error);
	json_add_text(s, "where", facts->error ? facts->where : "");
	json_add_number(s, "frames", facts->stored.frames);
	json_add_number(s, "bytes", facts->stored.bytes);
	json_add_bool(s, "counted", facts->stored.counted);
	removed = stats_add_object(s, "removed");
	json_add_number(removed, "frames", (int64_t)facts->removed.frames);
	json_add_number(removed, "bytes", facts->removed.bytes);
}

int stats_json(const struct stats_view *view, char *buf, size_t size)
{
	const struct stats *stats = view->stats;
	struct json_object *o = json_object_new_object(), *today;
	const char *text;
	int n;

	if (!o)
		return -ENOMEM;
	json_add_number(o, "pid", getpid());
	json_add_time(o, "now", view->now_us);
	json_add_time(o, "started", stats->started_us);
	json_add_number(o, "frames", (int64_t)stats->frames);
	json_add_number(o, "shots", (int64_t)stats->shots);
	stats_add_missed(o, stats->missed);
	today = stats_add_object(o, "today");
	json_add_number(today, "frames", (int64_t)stats->today_frames);
	stats_add_missed(today, stats->today_missed);
	if (stats->last.seq)
		stats_add_last(o, &stats->last);
	json_add_time(o, "next", view->next_us);
	json_add_time(o, "due", view->due.due_us);
	json_add_time(o, "due_pending", view->due.pending_us);
	json_add_time(o, "due_next", view->due.next_us);
	stats_add_spread(o, "late_us", stats->late_buckets, stats->late_max_us);
	stats_add_spread(o, "wake_us", stats->wake_buckets, stats->wake_max_us);
	json_add_number(o, "encode_us", stats->encode_us);
	json_add_number(o, "store_us", stats->store_us);
	stats_add_store(o, view);
	stats_add_settings(o, view);
	stats_add_camera(o, view);
	stats_add_phase_lock(o, view->phase_lock);
	json_add_bool(o, "synced", view->synced);
	text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	n = text ? snprintf(buf, size, "%s", text) : -ENOMEM;
	json_object_put(o);
	return n >= (int)size ? -E2BIG : n;
}
