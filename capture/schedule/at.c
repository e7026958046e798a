/* SPDX-License-Identifier: MIT */
/*
 * Finds the instants of `at`: times of the local day, and times by the sun. They are few, so it
 * tries all of them on each day around a stretch of time. Two that meet are one slot: a time that
 * the clocks skip in spring may fall on another one, and the sun's times move through the year.
 */
#include "capture/schedule/at.h"

#include <math.h>
#include <stdlib.h>

#include "capture/schedule/sun.h"
#include "common/base/clock.h"
#include "common/base/utc.h"

#define SECONDS_PER_DAY 86400
#define US_PER_MIN (60 * US_PER_SEC)
#define US_PER_DAY (SECONDS_PER_DAY * US_PER_SEC)
#define ZONES_S (16 * 3600) /* no zone is further from UTC */

struct at_found {
	int64_t from_us, to_us;
	struct at_slot *slots;
	int n;
};

static void at_add(struct at_found *found, int64_t us, int index)
{
	if (us >= found->from_us && us < found->to_us && found->n < AT_FOUND_MAX)
		found->slots[found->n++] = (struct at_slot){ us, index };
}

/* ---- by the clock ---- */

/* A day of the local calendar, with the zone's offset well before and after it. */
struct local_day {
	int64_t start_s; /* local time */
	int before_s, after_s;
};

static struct local_day local_day_new(int64_t day)
{
	int64_t start_s = day * SECONDS_PER_DAY;

	return (struct local_day){
		.start_s = start_s,
		.before_s = utc_local_offset_s((start_s - ZONES_S) * US_PER_SEC),
		.after_s = utc_local_offset_s((start_s + SECONDS_PER_DAY + ZONES_S) * US_PER_SEC),
	};
}

static int64_t local_day_of(int64_t us)
{
	return (us / US_PER_SEC + utc_local_offset_s(us) + SECONDS_PER_DAY) / SECONDS_PER_DAY - 1;
}

/* The instant; assumes that the offset changes at most once in the two days around the day. */
static int64_t local_instant(const struct local_day *day, int minute)
{
	int64_t local_s = day->start_s + minute * 60;
	int64_t first_s = local_s - day->before_s, second_s = local_s - day->after_s;

	if (day->before_s == day->after_s ||
		utc_local_offset_s(first_s * US_PER_SEC) == day->before_s)
		return first_s * US_PER_SEC;
	if (utc_local_offset_s(second_s * US_PER_SEC) == day->after_s)
		return second_s * US_PER_SEC;
	return first_s * US_PER_SEC; /* the clocks skip it */
}

static void at_add_local(const struct schedule_settings *settings, struct at_found *found)
{
	int64_t last = local_day_of(found->to_us) + 1;

	/* if clocks change at midnight, a day's first slots precede the last of the day before */
	for (int64_t day = local_day_of(found->from_us) - 1; day <= last; day++) {
		struct local_day local = local_day_new(day);

		for (int i = 0; i < settings->n_at; i++)
			if (settings->at[i].sun == SUN_NONE)
				at_add(found, local_instant(&local, settings->at[i].minute), i);
	}
}

/* ---- by the sun ---- */

static bool at_has_sun(const struct schedule_settings *settings)
{
	/* the sun's are sorted last */
	return settings->n_at > 0 && settings->at[settings->n_at - 1].sun != SUN_NONE &&
		!isnan(settings->latitude) && !isnan(settings->longitude);
}

static int64_t sun_instant(const struct sun_day *day, const struct schedule_at *at)
{
	int64_t us = at->sun == SUN_NOON ? day->noon_us
		: at->sun == SUN_RISE    ? day->rise_us
					 : day->set_us;

	return us == TIME_NONE ? us : us + at->minute * US_PER_MIN;
}

static void at_add_sun(const struct schedule_settings *settings, struct at_found *found)
{
	int64_t last = sun_day_number(found->to_us, settings->longitude) + 1;

	/* an offset moves a time out of its own day by half a day at most */
	for (int64_t day = sun_day_number(found->from_us, settings->longitude) - 1; day <= last;
		day++) {
		struct sun_day sun = sun_day_find(day, settings->latitude, settings->longitude);

		for (int i = 0; i < settings->n_at; i++)
			if (settings->at[i].sun != SUN_NONE)
				at_add(found, sun_instant(&sun, &settings->at[i]), i);
	}
}

/* Whether `at` asks for a sunrise or sunset that does not come on that day. */
static bool sun_is_missed(const struct schedule_settings *settings, const struct sun_day *day)
{
	for (int i = 0; i < settings->n_at; i++)
		if (settings->at[i].sun != SUN_NONE &&
			sun_instant(day, &settings->at[i]) == TIME_NONE)
			return true;
	return false;
}

bool schedule_sunless(const struct schedule_settings *settings, int64_t from_us, int64_t to_us,
	struct schedule_sunless *ret)
{
	double latitude = settings->latitude, longitude = settings->longitude;
	struct schedule_sunless found = { TIME_NONE, TIME_NONE, false };

	if (!at_has_sun(settings))
		return false;
	for (int64_t day = sun_day_number(from_us, longitude);; day++) {
		struct sun_day sun = sun_day_find(day, latitude, longitude);
		bool is_missed = sun.noon_us >= from_us && sun_is_missed(settings, &sun);
		int64_t end_us =
			found.first_us == TIME_NONE ? to_us : from_us + SCHEDULE_HORIZON_US;

		if (sun.noon_us >= end_us || (found.first_us != TIME_NONE && !is_missed))
			break;
		if (!is_missed)
			continue;
		if (found.first_us == TIME_NONE)
			found.first_us = sun.noon_us;
		found.last_us = sun.noon_us;
		found.up = sun_elevation(sun.noon_us, latitude, longitude) >= SUN_HORIZON;
	}
	if (found.first_us == TIME_NONE)
		return false;
	*ret = found;
	return true;
}

/* ---- both ---- */

static int at_slot_compare(const void *a, const void *b)
{
	const struct at_slot *left = a, *right = b;

	if (left->us != right->us)
		return left->us < right->us ? -1 : 1;
	return left->index - right->index;
}

int at_find(const struct schedule_settings *settings, int64_t from_us, int64_t to_us,
	struct at_slot ret[static AT_FOUND_MAX])
{
	struct at_found found = { from_us, to_us, ret, 0 };
	int n = 0;

	at_add_local(settings, &found);
	if (at_has_sun(settings))
		at_add_sun(settings, &found);
	qsort(ret, (size_t)found.n, sizeof *ret, at_slot_compare);
	for (int i = 0; i < found.n; i++)
		if (n == 0 || ret[i].us != ret[n - 1].us)
			ret[n++] = ret[i];
	return n;
}

int schedule_at_of(const struct schedule_settings *settings, int64_t slot_us)
{
	struct at_slot slots[AT_FOUND_MAX];

	return settings->n_at > 0 && at_find(settings, slot_us, slot_us + 1, slots) > 0
		? slots[0].index
		: -1;
}
