/* SPDX-License-Identifier: MIT */
/*
 * Finds slots without trying the windows slot by slot: span_next() walks time in spans in which all
 * windows are open or one is closed, and within an open span a division gives the slots of the
 * grid. The times of `at` are few, so they are tried one by one.
 */
#include "capture/schedule/schedule.h"

#include <assert.h>
#include <math.h>

#include "capture/schedule/at.h"
#include "capture/schedule/sun.h"
#include "common/base/clock.h"
#include "common/base/utc.h"

#define SECONDS_PER_DAY 86400
#define US_PER_MIN (60 * US_PER_SEC)
#define US_PER_DAY (SECONDS_PER_DAY * US_PER_SEC)
#define END_US (INT64_C(253402300800) * US_PER_SEC) /* the year 10000 */
#define THURSDAY 3 /* 1970-01-01; Monday is 0 */

/* Keeps times between 0 and END_US, so that nothing overflows and division rounds down. */
static int64_t time_clamp(int64_t us)
{
	return us < 0 ? 0 : us > END_US ? END_US : us;
}

int64_t schedule_every_us(const struct schedule_settings *settings)
{
	if (settings->every_us == 0 && settings->n_at == 0)
		return SCHEDULE_EVERY_US;
	return settings->every_us;
}

int64_t schedule_interval_us(const struct schedule_settings *settings)
{
	int64_t interval = schedule_every_us(settings) ? schedule_every_us(settings) : US_PER_DAY;

	for (int i = 0; i < settings->n_at; i++) {
		const struct schedule_at *at = &settings->at[i];
		const struct schedule_at *next = &settings->at[(i + 1) % settings->n_at];
		int gap = next->minute - at->minute + (next > at ? 0 : 24 * 60);

		/* they move past each other in the course of a year */
		if (next->sun != at->sun || gap < 1)
			gap = 24 * 60 / settings->n_at;
		if (gap * US_PER_MIN < interval)
			interval = gap * US_PER_MIN;
	}
	return interval;
}

/* The first instant of the grid at or after `us`. */
static int64_t grid_at_or_after(const struct schedule_settings *settings, int64_t us)
{
	int64_t every = schedule_every_us(settings), offset = settings->offset_us % every;

	return us <= offset ? offset : (us - offset + every - 1) / every * every + offset;
}

static bool day_chosen(const struct schedule_settings *settings, int64_t local_day)
{
	return settings->days >> (local_day + THURSDAY + 7) % 7 & 1;
}

/* Whether it is open at a minute of a day; says if that day, and the one before, are chosen. */
static bool window_has(const struct hours_window *w, int minute, bool today, bool yesterday)
{
	if (w->from_minute < w->to_minute)
		return today && minute >= w->from_minute && minute < w->to_minute;
	return (today && minute >= w->from_minute) || (yesterday && minute < w->to_minute);
}

static bool windows_have(
	const struct schedule_settings *settings, int minute, bool today, bool yesterday)
{
	for (int i = 0; i < settings->n_hours; i++)
		if (window_has(&settings->hours[i], minute, today, yesterday))
			return true;
	return settings->n_hours == 0 && today;
}

bool schedule_has_minute(const struct schedule_settings *settings, int minute)
{
	return windows_have(settings, minute, true, true);
}

/* Whether a local time, in seconds since 1970, is in one of the windows. */
static bool hours_open(const struct schedule_settings *settings, int64_t local_s)
{
	int64_t day = local_s >= 0 ? local_s / SECONDS_PER_DAY : -1;
	int minute = (int)((local_s - day * SECONDS_PER_DAY) / 60);

	return windows_have(
		settings, minute, day_chosen(settings, day), day_chosen(settings, day - 1));
}

/* The local time after `local_s` when hours_open() may change: the next edge or midnight. */
static int64_t hours_edge(const struct schedule_settings *settings, int64_t local_s)
{
	int64_t day = local_s >= 0 ? local_s / SECONDS_PER_DAY : -1;
	int64_t midnight = day * SECONDS_PER_DAY, edge = midnight + SECONDS_PER_DAY;

	for (int i = 0; i < settings->n_hours; i++) {
		int64_t from = midnight + settings->hours[i].from_minute * 60;
		int64_t to = midnight + settings->hours[i].to_minute * 60;

		if (from > local_s && from < edge)
			edge = from;
		if (to > local_s && to < edge)
			edge = to;
	}
	return edge;
}

/*
 * Whether the hours are open at `us`, and until when that cannot change. Assumes that the zone's
 * offset changes at most once from one edge to the next, which is at most a day.
 */
static bool hours_span(const struct schedule_settings *settings, int64_t us, int64_t *ret_until_us)
{
	int64_t now_s = us / US_PER_SEC;
	int offset_s = utc_local_offset_s(us);
	int64_t same_s = now_s, edge_s = hours_edge(settings, now_s + offset_s) - offset_s;

	if (utc_local_offset_s((edge_s - 1) * US_PER_SEC) != offset_s) {
		/* local time jumps on the way: the span ends there */
		while (edge_s - same_s > 1) {
			int64_t middle_s = same_s + (edge_s - same_s) / 2;

			if (utc_local_offset_s(middle_s * US_PER_SEC) == offset_s)
				same_s = middle_s;
			else
				edge_s = middle_s;
		}
	}
	*ret_until_us = edge_s * US_PER_SEC;
	return hours_open(settings, now_s + offset_s);
}

/*
 * The same for daylight. No sunrise is computed: the sun's speed is limited, so its distance from
 * the threshold gives minutes in which nothing can change. This holds everywhere, at the poles too.
 */
static bool daylight_span(
	const struct schedule_settings *settings, int64_t us, int64_t *ret_until_us)
{
	int64_t minute_us = us / US_PER_MIN * US_PER_MIN;
	double above = sun_elevation(minute_us, settings->latitude, settings->longitude) -
		settings->daylight_elevation;
	int64_t minutes = (int64_t)(fabs(above) / SUN_SPEED_MAX);

	*ret_until_us = minute_us + (minutes > 0 ? minutes : 1) * US_PER_MIN;
	return above >= 0;
}

/* Whether all windows are open at `us`, and until when that stays so. */
static bool windows_span(
	const struct schedule_settings *settings, int64_t us, int64_t *ret_until_us)
{
	int64_t until_us = INT64_MAX, daylight_until_us;
	bool open = true;

	if (settings->n_hours > 0 || (settings->days & 0x7f) != 0x7f)
		open = hours_span(settings, us, &until_us);
	if (open && settings->daylight && !isnan(settings->latitude) &&
		!isnan(settings->longitude)) {
		open = daylight_span(settings, us, &daylight_until_us);
		if (!open || daylight_until_us < until_us)
			until_us = daylight_until_us;
	}
	*ret_until_us = until_us;
	return open;
}

/* ---- slots ---- */

/* The slots in a stretch of time; without any, first and last mean nothing. */
struct slots_found {
	int64_t first_us, last_us;
	uint64_t count;
};

static void slots_found_add(
	struct slots_found *found, int64_t first_us, int64_t last_us, uint64_t count)
{
	if (found->count == 0 || first_us < found->first_us)
		found->first_us = first_us;
	if (found->count == 0 || last_us > found->last_us)
		found->last_us = last_us;
	found->count += count;
}

/* Adds the slots in [from_us, to_us), in which the windows are open. */
static void span_add(const struct schedule_settings *settings, int64_t from_us, int64_t to_us,
	struct slots_found *found)
{
	int64_t every_us = schedule_every_us(settings);
	int64_t grid_us = every_us ? grid_at_or_after(settings, from_us) : to_us;
	int64_t n = grid_us < to_us ? (to_us - 1 - grid_us) / every_us : -1;
	struct at_slot at[AT_FOUND_MAX];
	int n_at;

	if (n >= 0)
		slots_found_add(found, grid_us, grid_us + n * every_us, (uint64_t)n + 1);
	if (settings->n_at == 0)
		return;
	n_at = at_find(settings, from_us, to_us, at);
	for (int i = 0; i < n_at; i++)
		if (!every_us || grid_at_or_after(settings, at[i].us) != at[i].us)
			slots_found_add(found, at[i].us, at[i].us, 1);
}

/*
 * Adds the slots from *from_us to the end of its span, at most to_us; with times of `at`, at most a
 * day. Moves *from_us there. False: it was at to_us.
 */
static bool span_next(const struct schedule_settings *settings, int64_t *from_us, int64_t to_us,
	struct slots_found *found)
{
	int64_t until_us;
	bool open;

	if (*from_us >= to_us)
		return false;
	open = windows_span(settings, *from_us, &until_us);
	if (until_us > to_us)
		until_us = to_us;
	if (settings->n_at > 0 && until_us - *from_us > US_PER_DAY)
		until_us = *from_us + US_PER_DAY;
	if (open)
		span_add(settings, *from_us, until_us, found);
	*from_us = until_us;
	return true;
}

int64_t schedule_next(const struct schedule_settings *settings, int64_t wall_us)
{
	int64_t from_us = time_clamp(wall_us), to_us = time_clamp(from_us + SCHEDULE_HORIZON_US);
	struct slots_found found = { 0 };

	assert(settings->every_us >= 0 && settings->offset_us >= 0);
	while (found.count == 0 && span_next(settings, &from_us, to_us, &found))
		continue;
	return found.count ? found.first_us : TIME_NONE;
}

int64_t schedule_previous(const struct schedule_settings *settings, int64_t wall_us)
{
	int64_t to_us = time_clamp(wall_us), end_us = time_clamp(to_us - SCHEDULE_HORIZON_US);
	struct slots_found found = { 0 };

	assert(settings->every_us >= 0 && settings->offset_us >= 0);
	while (found.count == 0 && to_us > end_us) {
		int64_t start_us = to_us - US_PER_DAY > end_us ? to_us - US_PER_DAY : end_us;

		for (int64_t from_us = start_us; span_next(settings, &from_us, to_us, &found);)
			continue;
		to_us = start_us;
	}
	return found.count ? found.last_us : TIME_NONE;
}

uint64_t schedule_count(const struct schedule_settings *settings, int64_t from_us, int64_t to_us)
{
	struct slots_found found = { 0 };

	from_us = time_clamp(from_us);
	to_us = time_clamp(to_us);
	assert(settings->every_us >= 0 && settings->offset_us >= 0);
	while (span_next(settings, &from_us, to_us, &found))
		continue;
	return found.count;
}

struct schedule_due schedule_due(const struct schedule_settings *settings, int64_t now_us)
{
	int64_t last_us = schedule_previous(settings, now_us + 1);
	int64_t until_us = now_us - DUE_SECONDS * US_PER_SEC;
	struct schedule_due due = { last_us, TIME_NONE, schedule_next(settings, now_us + 1) };

	if (last_us > until_us) {
		due.due_us = schedule_previous(settings, until_us + 1);
		due.pending_us = last_us;
	}
	return due;
}
