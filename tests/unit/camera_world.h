/* SPDX-License-Identifier: MIT */
/*
 * A camera and whoever pulls it, over simulated months: its schedule, what it says in a greeting,
 * and what is written down of each try. For tests of what is due, and of what is told of it.
 */
#pragma once

#include <assert.h>

#include "capture/schedule/schedule.h"
#include "common/commands/cli.h"
#include "common/contact/peer_state.h"
#include "tests/unit/archive_kit.h"

#define MIN_US (60 * US_PER_SEC)
#define HOUR_US (60 * MIN_US)
#define DAY_US (24 * HOUR_US)
#define YEAR_START INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */
#define STORING_US (12 * US_PER_SEC) /* a frame is stored so long after its slot */
#define WORLDS 9
#define FAULTS_MAX 400

enum fault_kind {
	LINK_DOWN,
	SERVICE_DOWN,
	FROZEN,
	TIMERS_OFF,
	PULLER_OFF,
	FAULT_KINDS, /* the ones that happen by chance; the others are put there */
	REFUSED = FAULT_KINDS,
	NONSENSE,
	NOT_STORED,
};

struct fault {
	enum fault_kind kind;
	int64_t from_us, to_us; /* wall time of the puller */
};

struct world {
	struct schedule_settings schedule;
	int64_t ahead_us; /* the camera's clock to the puller's */
	bool follow; /* instead of the timer */
	int64_t timer_us; /* the period of the timer of latest */
	struct fault faults[FAULTS_MAX];
	size_t n_faults;
	uint64_t random;

	/* between two slots the schedule says the same */
	struct schedule_due due;
	int64_t due_from_us, due_to_us;
	int64_t previous_us, previous_from_us, previous_to_us;
	int64_t next_us, next_from_us; /* the first slot from there on */

	struct peer_state peer;
	int64_t held_us, boot_us;
	int64_t stale, fine; /* how often it was said */
};

static bool has_fault(const struct world *w, enum fault_kind kind, int64_t us, int64_t *ret_from_us)
{
	for (size_t i = 0; i < w->n_faults; i++) {
		if (w->faults[i].kind != kind || us < w->faults[i].from_us ||
			us >= w->faults[i].to_us)
			continue;
		if (ret_from_us)
			*ret_from_us = w->faults[i].from_us;
		return true;
	}
	return false;
}

static int64_t previous(struct world *w, int64_t us)
{
	if (us < w->previous_from_us || us >= w->previous_to_us) {
		w->previous_us = schedule_previous(&w->schedule, us);
		w->previous_from_us = us;
		w->previous_to_us = schedule_next(&w->schedule, us);
	}
	return w->previous_us;
}

/* Each check of a polar night asks for the same slot, which is months away. */
static int64_t first_from(struct world *w, int64_t us)
{
	if (us != w->next_from_us) {
		w->next_us = schedule_next(&w->schedule, us);
		w->next_from_us = us;
	}
	return w->next_us;
}

static struct schedule_due look_due(struct world *w, int64_t us)
{
	if (us < w->due_from_us || us >= w->due_to_us) {
		w->due = schedule_due(&w->schedule, us);
		w->due_from_us = us;
		w->due_to_us = w->due.next_us;
		if (w->due.pending_us != TIME_NONE && w->due.pending_us + MIN_US < w->due_to_us)
			w->due_to_us = w->due.pending_us + MIN_US;
	}
	return w->due;
}

/* The newest slot that the camera has a picture of, by its clock. */
static int64_t newest_there(struct world *w, int64_t now_us)
{
	int64_t until_us = now_us - STORING_US, slot_us, from_us;

	for (;;) {
		slot_us = previous(w, until_us + w->ahead_us);
		if (slot_us == TIME_NONE || slot_us < YEAR_START + w->ahead_us)
			return TIME_NONE;
		if (!has_fault(w, SERVICE_DOWN, slot_us - w->ahead_us, &from_us) &&
			!has_fault(w, FROZEN, slot_us - w->ahead_us, &from_us))
			return slot_us;
		until_us = from_us;
	}
}

static struct sighting greeting(struct world *w, int64_t now_us)
{
	const bool down = has_fault(w, SERVICE_DOWN, now_us, NULL);
	struct schedule_due due = look_due(w, now_us + w->ahead_us);

	if (due.due_us < YEAR_START + w->ahead_us)
		due.due_us = TIME_NONE;
	if (due.pending_us < YEAR_START + w->ahead_us)
		due.pending_us = TIME_NONE;
	return (struct sighting){ .seen_us = now_us,
		.schedule = { now_us + w->ahead_us, due.due_us, due.pending_us, due.next_us,
			down ? WIRE_STOPPED : WIRE_RUNNING } };
}

/* One try that begins at `now_us`. */
static void pull(struct world *w, int64_t now_us, int64_t took_us)
{
	static const struct {
		enum fault_kind kind;
		int code;
		const char *error;
	} refusals[] = { { LINK_DOWN, CLI_TEMPFAIL, "no route" },
		{ REFUSED, CLI_REFUSED, "the key is refused" },
		{ NONSENSE, CLI_PROTOCOL, "no greeting" } };
	int64_t end_us = now_us + took_us;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (!has_fault(w, refusals[i].kind, now_us, NULL))
			continue;
		peer_state_tried(
			&w->peer, end_us, end_us - w->boot_us, refusals[i].code, refusals[i].error);
		return;
	}
	struct sighting sighting = greeting(w, now_us);
	int64_t newest_us = newest_there(w, now_us);

	peer_state_answered(&w->peer, &sighting, 0);
	peer_state_tried(&w->peer, end_us, end_us - w->boot_us, CLI_OK, "");
	if (newest_us != TIME_NONE && newest_us > w->held_us &&
		!has_fault(w, NOT_STORED, now_us, NULL))
		w->held_us = newest_us;
}

static int64_t until(struct world *w, int64_t max_us)
{
	return (int64_t)(test_random(&w->random) % (uint64_t)max_us);
}

/*
 * When the next try begins after `us`: the timers' as the units have them, or a follower's minutes.
 */
static int64_t next_pull(struct world *w, int64_t us)
{
	int64_t latest_us = us / w->timer_us * w->timer_us + 5 * US_PER_SEC;
	int64_t sync_us = us / HOUR_US * HOUR_US + 7 * MIN_US + 40 * US_PER_SEC;

	if (w->follow)
		return us + MIN_US + until(w, 5 * US_PER_SEC);
	while (latest_us <= us)
		latest_us += w->timer_us;
	while (sync_us <= us)
		sync_us += HOUR_US;
	return (latest_us < sync_us ? latest_us + until(w, US_PER_SEC)
				    : sync_us + until(w, MIN_US));
}

/*
 * Windows of the local time, through both changes of the clock, and a sun that stays away for
 * months.
 */
static struct world world_of(size_t i)
{
	static const struct {
		const char *zone;
		struct schedule_settings schedule;
	} worlds[] = {
		{ "UTC", { .every_us = MIN_US, .days = 0x7f } },
		{ "UTC", { .every_us = US_PER_SEC, .days = 0x7f } },
		{ "Europe/Berlin", { .every_us = 15 * MIN_US, .days = 0x7f } },
		{ "Europe/Berlin",
			{ .every_us = 15 * MIN_US,
				.days = 0x7f,
				.hours = { { 360, 1260 } },
				.n_hours = 1 } },
		{ "America/New_York",
			{ .every_us = HOUR_US,
				.offset_us = 30 * MIN_US,
				.days = 0x1f,
				.hours = { { 22 * 60, 120 }, { 150, 180 } },
				.n_hours = 2 } },
		{ "Australia/Lord_Howe",
			{ .every_us = DAY_US, .offset_us = DAY_US / 2, .days = 1 } },
		{ "Arctic/Longyearbyen",
			{ .every_us = 10 * MIN_US,
				.days = 0x7f,
				.daylight = true,
				.daylight_elevation = -0.833,
				.latitude = 78.2,
				.longitude = 15.6 } },
		{ "Europe/Berlin", { .days = 0x7f, .at = { { 150 }, { 1110 } }, .n_at = 2 } },
		{ "Asia/Kolkata", { .every_us = 7 * MIN_US + 13 * US_PER_SEC, .days = 0x7f } },
	};
	struct world w = { .timer_us = 10 * MIN_US, .random = test_seed() * 2 + 1 + 2 * i };

	assert(i < ARRAY_SIZE(worlds) && WORLDS == ARRAY_SIZE(worlds));
	w.schedule = worlds[i].schedule;
	setenv("TZ", worlds[i].zone, 1);
	tzset();
	return w;
}
