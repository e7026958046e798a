/* SPDX-License-Identifier: MIT */
/*
 * Finds slots. The windows are never tried slot by slot: time is walked in spans in which they are
 * all open or one of them is closed, from edge to edge, and within an open span the slots are a matter
 * of division. One function, open_span(), knows where spans end; all others walk.
 */
#include "capture/schedule.h"

#include <assert.h>
#include <math.h>

#include "capture/sun.h"
#include "common/clock.h"
#include "common/utc.h"

#define SECONDS_PER_DAY 86400
#define US_PER_MIN (60 * US_PER_SEC)
#define US_PER_DAY (SECONDS_PER_DAY * US_PER_SEC)
#define HORIZON_US (400 * US_PER_DAY)
#define END_US (INT64_C(253402300800) * US_PER_SEC) /* the year 10000 */
#define THURSDAY 3 /* 1970-01-01; Monday is 0 */

/* Times are from 0 to END_US + 400 days here, so nothing overflows and division rounds down. */
static int64_t within_time(int64_t us)
{
	return us < 0 ? 0 : us > END_US ? END_US : us;
}

/* The first instant of the grid at or after `us`. */
static int64_t grid_at_or_after(const struct schedule_settings *settings, int64_t us)
{
	int64_t every = settings->every_us, offset = settings->offset_us % every;

	return us <= offset ? offset : (us - offset + every - 1) / every * every + offset;
}

/* Instants of the grid in [0, us). */
static int64_t grid_before(const struct schedule_settings *settings, int64_t us)
{
	int64_t every = settings->every_us, offset = settings->offset_us % every;

	return us <= offset ? 0 : (us - offset + every - 1) / every;
}

static bool day_chosen(const struct schedule_settings *settings, int64_t local_day)
{
	return settings->days >> (local_day + THURSDAY + 7) % 7 & 1;
}

/* Whether the wall clock's reading, seconds since its 1970, is in one of the windows. */
static bool hours_open(const struct schedule_settings *settings, int64_t local_s)
{
	int64_t day = local_s >= 0 ? local_s / SECONDS_PER_DAY : -1;
	int minute = (int)((local_s - day * SECONDS_PER_DAY) / 60);
	bool today = day_chosen(settings, day), yesterday = day_chosen(settings, day - 1);

	if (settings->n_hours == 0)
		return today;
	for (int i = 0; i < settings->n_hours; i++) {
		const struct hours_window *w = &settings->hours[i];

		if (w->from_minute < w->to_minute) {
			if (today && minute >= w->from_minute && minute < w->to_minute)
				return true;
		} else if ((today && minute >= w->from_minute) ||
			(yesterday && minute < w->to_minute)) {
			return true;
		}
	}
	return false;
}

/* The reading after `local_s` at which hours_open() may change: the next edge or midnight. */
static int64_t next_edge(const struct schedule_settings *settings, int64_t local_s)
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
 * Whether the hours are open at `us`, and until when that cannot change. The zone's offset is taken to
 * change at most once from one edge to the next, which is a day at most.
 */
static bool hours_span(const struct schedule_settings *settings, int64_t us, int64_t *ret_until_us)
{
	int64_t now_s = us / US_PER_SEC;
	int offset_s = utc_local_offset_s(us);
	int64_t same_s = now_s, edge_s = next_edge(settings, now_s + offset_s) - offset_s;

	if (utc_local_offset_s((edge_s - 1) * US_PER_SEC) != offset_s) {
		/* the clock on the wall jumps on the way: the span ends there */
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
 * The same for daylight. No sunrise is computed: the sun moves only so fast, so as many minutes as it
 * is away from the threshold nothing can happen. It holds everywhere, the poles included.
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

/* Whether all windows are open at `us`, and an instant after it until which that stays so. */
static bool open_span(const struct schedule_settings *settings, int64_t us, int64_t *ret_until_us)
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

/* The first slot in [from_us, to_us). */
static int64_t first_slot(const struct schedule_settings *settings, int64_t from_us, int64_t to_us)
{
	int64_t slot = grid_at_or_after(settings, from_us), until_us;

	while (slot < to_us) {
		if (open_span(settings, slot, &until_us))
			return slot;
		slot = grid_at_or_after(settings, until_us);
	}
	return TIME_NONE;
}

/* The last slot in [from_us, to_us). */
static int64_t last_slot(const struct schedule_settings *settings, int64_t from_us, int64_t to_us)
{
	int64_t slot = grid_at_or_after(settings, from_us), until_us, last = TIME_NONE;

	while (slot < to_us) {
		bool open = open_span(settings, slot, &until_us);

		if (until_us > to_us)
			until_us = to_us;
		if (open)
			last = slot +
				(until_us - 1 - slot) / settings->every_us * settings->every_us;
		slot = grid_at_or_after(settings, until_us);
	}
	return last;
}

int64_t schedule_next(const struct schedule_settings *settings, int64_t wall_us)
{
	int64_t from_us = within_time(wall_us), to_us = within_time(from_us + HORIZON_US);

	assert(settings->every_us > 0 && settings->offset_us >= 0);
	return first_slot(settings, from_us, to_us);
}

int64_t schedule_previous(const struct schedule_settings *settings, int64_t wall_us)
{
	int64_t to_us = within_time(wall_us), end_us = within_time(to_us - HORIZON_US);

	assert(settings->every_us > 0 && settings->offset_us >= 0);
	while (to_us > end_us) {
		int64_t from_us = to_us - US_PER_DAY > end_us ? to_us - US_PER_DAY : end_us;
		int64_t slot = last_slot(settings, from_us, to_us);

		if (slot != TIME_NONE)
			return slot;
		to_us = from_us;
	}
	return TIME_NONE;
}

uint64_t schedule_count(const struct schedule_settings *settings, int64_t from_us, int64_t to_us)
{
	int64_t at_us = within_time(from_us), end_us = within_time(to_us), until_us;
	int64_t count = 0;

	assert(settings->every_us > 0 && settings->offset_us >= 0);
	while (at_us < end_us) {
		bool open = open_span(settings, at_us, &until_us);

		if (until_us > end_us)
			until_us = end_us;
		if (open)
			count += grid_before(settings, until_us) - grid_before(settings, at_us);
		at_us = until_us;
	}
	return (uint64_t)count;
}

bool schedule_open_at(const struct schedule_settings *settings, int64_t wall_us)
{
	int64_t until_us;

	return wall_us >= 0 && wall_us < END_US && open_span(settings, wall_us, &until_us);
}
