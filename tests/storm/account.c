/* SPDX-License-Identifier: MIT */
/*
 * The judge: every slot from the first to the last has one outcome, and misses have the right
 * cause.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/archive/archive.h"
#include "tests/storm/storm.h"

#define MS INT64_C(1000)
#define SLOTS_MAX (4 * 3600 * US_PER_SEC / EVERY_US)
#define RESUME_MAX_US (10 * US_PER_SEC + EVERY_US)
#define SLACK_US (500 * MS) /* between the plan and what is real, on a busy machine */
#define LATE_MAX_US (20 * MS) /* half a frame at 30 frames/s, and a little */
#define PATIENCE_PERCENT 1 /* of the slots may be missed because the machine was too slow */
#define TOLD_MAX 20

enum { NOTHING, FRAME, MISS }; /* MISS + cause */

struct account {
	struct life *lives;
	int n_lives;
	int64_t first_us;
	int64_t n; /* slots */
	uint8_t *outcome; /* of each slot */
	int32_t *late_us;
	uint64_t doubles, uneven, frames, missed[MISS_CAUSES];

	/* by kind */
	int events[KINDS];
	uint64_t shown[KINDS];
	int resumed[KINDS]; /* judged by that */
	int64_t resumed_us[KINDS]; /* the longest */

	int passed, failed;
};

__attribute__((format(printf, 3, 4))) static void judge(
	struct account *a, bool good, const char *fmt, ...)
{
	va_list ap;

	good ? a->passed++ : a->failed++;
	if (good)
		return;
	va_start(ap, fmt);
	printf("FAILED ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

static int64_t index_of(const struct account *a, int64_t us)
{
	int64_t i = (us - a->first_us + EVERY_US - 1) / EVERY_US;

	return us <= a->first_us ? 0 : i < a->n ? i : a->n;
}

static int64_t slot_of(const struct account *a, int64_t i)
{
	return a->first_us + i * EVERY_US;
}

/* ---- reading ---- */

static void note(struct account *a, const struct record *r)
{
	bool frame = r->type == RECORD_FRAME;
	int64_t last_us = frame ? r->slot_us : r->last_us, i;

	if (a->first_us == TIME_NONE)
		a->first_us = r->slot_us;
	a->uneven += (int64_t)r->count != (last_us - r->slot_us) / EVERY_US + 1;
	for (int64_t us = r->slot_us; us <= last_us; us += EVERY_US) {
		i = (us - a->first_us) / EVERY_US;
		if (i < 0 || i >= SLOTS_MAX) {
			a->uneven++;
			continue;
		}
		if (i >= a->n)
			a->n = i + 1;
		a->doubles += a->outcome[i] != NOTHING;
		a->outcome[i] = (uint8_t)(frame ? FRAME : MISS + (int)r->cause);
		a->late_us[i] = frame ? (int32_t)r->late_us : 0;
	}
	if (frame)
		a->frames++;
	else
		a->missed[r->cause] += r->count;
}

static void read_journal(struct account *a, const char *folder)
{
	struct archive_options open = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq, dense = 1, bad = 0;
	size_t len;

	if (archive_open(folder, &open, &archive) < 0 ||
		journal_seek(archive_journal(archive), 1, &cursor) < 0) {
		judge(a, false, "the archive cannot be read");
		return;
	}
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		struct record r;

		bad += record_parse(line, len, &r) < 0 || seq != dense++ || r.type == RECORD_CLOCK;
		if (r.type == RECORD_FRAME || r.type == RECORD_MISS)
			note(a, &r);
	}
	judge(a, bad == 0, "%llu lines are damaged, out of order or of a clock step",
		(unsigned long long)bad);
}

/* ---- judging ---- */

static void judge_sum(struct account *a)
{
	uint64_t missed = 0, none = 0;

	for (int i = 0; i < MISS_CAUSES; i++)
		missed += a->missed[i];
	for (int64_t i = 0; i < a->n; i++)
		none += a->outcome[i] == NOTHING;
	printf("%lld slots = %llu frames + %llu misses:", (long long)a->n,
		(unsigned long long)a->frames, (unsigned long long)missed);
	for (int i = 0; i < MISS_CAUSES; i++)
		printf(" %s %llu", miss_cause_name((enum miss_cause)i),
			(unsigned long long)a->missed[i]);
	printf("\n");
	judge(a, a->frames + missed == (uint64_t)a->n, "frames and misses are not the slots");
	judge(a, none == 0, "%llu slots have no outcome", (unsigned long long)none);
	judge(a, a->doubles == 0, "%llu slots have two outcomes", (unsigned long long)a->doubles);
	judge(a, a->uneven == 0, "%llu ranges have a wrong count", (unsigned long long)a->uneven);
}

/* Makes the plan's times wall times. */
static void date(struct life *life)
{
	life->ends_us += life->started_us;
	for (int i = 0; i < life->n; i++) {
		life->events[i].begin_us += life->started_us;
		life->events[i].end_us += life->started_us;
	}
}

/* The first slot with a frame at or after that time; the end of all if there is none. */
static int64_t next_frame_us(const struct account *a, int64_t us)
{
	int64_t i = index_of(a, us);

	while (i < a->n && a->outcome[i] != FRAME)
		i++;
	return slot_of(a, i);
}

static bool within(int64_t us, int64_t from_us, int64_t to_us)
{
	return us >= from_us && us <= to_us;
}

/* The time in which misses of the event's cause are its own. */
static void window_of(const struct account *a, const struct event *event, int64_t *ret_from_us,
	int64_t *ret_to_us)
{
	*ret_from_us = event->begin_us - SLACK_US;
	*ret_to_us = event->end_us + 2 * SLACK_US;
	if (kind_rules[event->kind].cause == MISS_CAMERA)
		*ret_to_us = next_frame_us(a, event->end_us) + SLACK_US;
}

static bool explained(const struct account *a, int64_t us, enum miss_cause cause)
{
	for (int l = 0; l < a->n_lives; l++) {
		const struct life *life = &a->lives[l];
		int64_t from_us, to_us;

		for (int i = 0; i < life->n; i++) {
			window_of(a, &life->events[i], &from_us, &to_us);
			if (!within(us, from_us, to_us))
				continue;
			if (kind_rules[life->events[i].kind].cause == cause)
				return true;
			/* missed for the camera; the life ended before that was written */
			if (kind_rules[life->events[i].kind].cause == MISS_CAMERA &&
				cause == MISS_DOWN && next_frame_us(a, us) > life->ended_us)
				return true;
		}
		/* until a camera has started, and its last moments */
		if (cause == MISS_CAMERA &&
			within(us, life->started_us - SLACK_US,
				next_frame_us(a, life->started_us + SLACK_US)))
			return true;
		if (cause == MISS_CAMERA && life->ending == ENDS_HANGING &&
			within(us, life->ends_us - SLACK_US, life->ended_us + SLACK_US))
			return true;
		if (cause == MISS_DOWN && l + 1 < a->n_lives &&
			within(us, life->ends_us - 2 * SLACK_US,
				a->lives[l + 1].started_us + 2 * SLACK_US))
			return true;
	}
	return false;
}

static void judge_causes(struct account *a)
{
	int64_t unexplained = 0;

	for (int64_t i = 0; i < a->n; i++) {
		enum miss_cause cause = (enum miss_cause)(a->outcome[i] - MISS);

		if (a->outcome[i] < MISS || explained(a, slot_of(a, i), cause))
			continue;
		if (unexplained++ < TOLD_MAX)
			printf("slot %lld (%.1f s): no reason for a %s miss\n", (long long)i,
				(double)i * EVERY_US / US_PER_SEC, miss_cause_name(cause));
	}
	printf("%lld misses are not of the plan\n", (long long)unexplained);
	judge(a, unexplained * 100 <= a->n * PATIENCE_PERCENT, "that is too many");
}

static void judge_life(struct account *a, int l)
{
	const struct life *life = &a->lives[l];
	int64_t down = 0;

	judge(a, life->died_as_planned, "life %d did not end as planned", l + 1);
	if (life->ending != ENDS_HANGING)
		return;
	judge(a, life->ended_us - life->ends_us < (CALL_SECONDS + 2) * US_PER_SEC,
		"life %d: a hanging stop() was left alone for %.1f s", l + 1,
		(double)(life->ended_us - life->ends_us) / US_PER_SEC);
	if (l + 1 == a->n_lives)
		return;
	for (int64_t i = index_of(a, life->ends_us); i < index_of(a, a->lives[l + 1].started_us);
		i++)
		down += a->outcome[i] == MISS + MISS_DOWN;
	judge(a, down * EVERY_US >= CALL_SECONDS * US_PER_SEC - SLACK_US,
		"life %d: only %lld slots are down after it hung", l + 1, (long long)down);
}

/*
 * Frames are there again in time, unless another fault of the camera or the life's end comes first.
 */
static void judge_resume(struct account *a, const struct life *life, const struct event *event)
{
	int64_t resumed_us = next_frame_us(a, event->end_us), us = resumed_us - event->end_us;

	for (int i = 0; i < life->n; i++)
		if (&life->events[i] > event &&
			kind_rules[life->events[i].kind].cause == MISS_CAMERA &&
			life->events[i].begin_us - SLACK_US <= resumed_us)
			return;
	if (resumed_us >= life->ends_us - SLACK_US)
		return;
	a->resumed[event->kind]++;
	if (us > a->resumed_us[event->kind])
		a->resumed_us[event->kind] = us;
	judge(a, us <= RESUME_MAX_US, "%s of %.1f s: no frame for %.1f s after it",
		kind_rules[event->kind].name,
		(double)(event->end_us - event->begin_us) / US_PER_SEC, (double)us / US_PER_SEC);
}

/* A fault that is not seen proves nothing. */
static void judge_shown(struct account *a, const struct event *event)
{
	const struct kind_rule *rule = &kind_rules[event->kind];
	int64_t from_us, to_us, shown = 0, least = 0, us = event->end_us - event->begin_us;
	int64_t no_frame = 0;

	window_of(a, event, &from_us, &to_us);
	for (int64_t i = index_of(a, from_us); i < index_of(a, to_us); i++) {
		shown += a->outcome[i] == MISS + (int)rule->cause ||
			(rule->cause == MISS_CAMERA && a->outcome[i] == MISS + MISS_DOWN);
		no_frame += a->outcome[i] == MISS + MISS_CAMERA;
	}
	/*
	 * two frames wait for a slow encoder or disk without harm, and those that a camera has not
	 * made yet after the fault before cannot
	 */
	if (rule->cause == MISS_BUSY)
		least = us / EVERY_US - 4 - no_frame;
	else if (event->kind == FREEZE || us >= US_PER_SEC)
		least = 1;
	a->events[event->kind]++;
	a->shown[event->kind] += (uint64_t)shown;
	judge(a, shown >= least, "%s of %.1f s: %lld misses, expected at least %lld", rule->name,
		(double)us / US_PER_SEC, (long long)shown, (long long)least);
}

static int compare(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* Whether the slot is in a stall of encoder or disk; or the camera was in trouble around it. */
static bool troubled(const struct account *a, int64_t us, bool camera)
{
	for (int l = 0; l < a->n_lives; l++) {
		const struct life *life = &a->lives[l];

		if (camera &&
			within(us, life->started_us,
				next_frame_us(a, life->started_us) + US_PER_SEC))
			return true;
		for (int i = 0; i < life->n; i++) {
			int64_t from_us, to_us;

			window_of(a, &life->events[i], &from_us, &to_us);
			if ((kind_rules[life->events[i].kind].fault != NULL) == camera &&
				within(us, from_us, to_us + SLACK_US))
				return true;
		}
	}
	return false;
}

/* Frames by |lateness|: while encoder and disk are slow, or while all is well. */
static void judge_lateness(struct account *a, bool stalls)
{
	CLEANUP_FREE int32_t *late = calloc((size_t)a->n + 1, sizeof *late);
	int64_t n = 0;

	assert(late);
	for (int64_t i = 0; i < a->n; i++)
		if (a->outcome[i] == FRAME && !troubled(a, slot_of(a, i), true) &&
			troubled(a, slot_of(a, i), false) == stalls)
			late[n++] = abs(a->late_us[i]);
	qsort(late, (size_t)n, sizeof *late, compare);
	if (n == 0)
		return;
	printf("|exposure - slot| %s: p50 %.3f ms, p99 %.3f ms, max %.3f ms of %lld frames\n",
		stalls ? "in stalls of encoder and disk" : "without trouble", late[n / 2] / 1000.0,
		late[n * 99 / 100] / 1000.0, late[n - 1] / 1000.0, (long long)n);
	judge(a, late[n * 99 / 100] <= LATE_MAX_US, "exposures start late");
}

static void print_kinds(const struct account *a)
{
	printf("%-14s %6s %7s %s\n", "fault", "times", "misses", "frames again within");
	for (int k = 0; k < KINDS; k++)
		printf("%-14s %6d %7llu %.2f s\n", kind_rules[k].name, a->events[k],
			(unsigned long long)a->shown[k], (double)a->resumed_us[k] / US_PER_SEC);
}

int account_judge(const char *folder, struct life *lives, int n, int *ret_passed)
{
	struct account a = { .lives = lives, .n_lives = n, .first_us = TIME_NONE };
	CLEANUP_FREE uint8_t *outcome = calloc(SLOTS_MAX, sizeof *outcome);
	CLEANUP_FREE int32_t *late_us = calloc(SLOTS_MAX, sizeof *late_us);

	assert(outcome && late_us);
	a.outcome = outcome;
	a.late_us = late_us;
	read_journal(&a, folder);
	judge_sum(&a);
	for (int l = 0; l < n; l++)
		date(&lives[l]);
	judge_causes(&a);
	for (int l = 0; l < n; l++) {
		judge_life(&a, l);
		for (int i = 0; i < lives[l].n; i++) {
			judge_shown(&a, &lives[l].events[i]);
			judge_resume(&a, &lives[l], &lives[l].events[i]);
		}
	}
	judge_lateness(&a, false);
	judge_lateness(&a, true);
	print_kinds(&a);
	*ret_passed = a.passed;
	return a.failed;
}
