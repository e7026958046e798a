/* SPDX-License-Identifier: MIT */
/* Judges what is missing by what is held, what the camera said, and when it was asked. */
#include "common/contact/due.h"

#include <errno.h>

#include "common/base/utc.h"
#include "common/commands/cli.h"

#define NEXT_OLD_US (600 * US_PER_SEC) /* a "next" slot is none once it is that long ago */
#define UNKEPT_MAX 2 /* a new schedule breaks one promise, perhaps two */
#define GAP_LINES 200 /* how many of the newest lines the longest gap is taken from */
#define WALK_BACK_MAX 1000 /* lines skipped to find a frame that is not of the future */
#define DUE_US (DUE_SECONDS * US_PER_SEC)

static int64_t time_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* How far the camera's clock is ahead of ours. */
static int64_t clock_ahead(const struct peer_state *peer)
{
	return peer->seen_us != TIME_NONE && peer->schedule.now_us != TIME_NONE
		? peer->schedule.now_us - peer->seen_us
		: 0;
}

/* The camera's clock at `now_us` of ours, which may have been set back since the answer. */
static int64_t camera_now(const struct peer_state *peer, int64_t now_us)
{
	return time_max(now_us + clock_ahead(peer), peer->schedule.now_us);
}

/* Whether to believe what the camera said of its schedule; `now_us` is its clock. */
static bool schedule_counts(const struct peer_state *peer, int64_t newest_us, int64_t now_us)
{
	const struct wire_schedule *s = &peer->schedule;

	if (peer->seen_us == TIME_NONE || s->now_us == TIME_NONE || s->next_us == TIME_NONE)
		return false;
	if (s->next_us < s->now_us - NEXT_OLD_US || s->next_us > s->now_us + DUE_GAP_MAX_US)
		return false;
	if (s->due_us != TIME_NONE &&
		(s->due_us >= s->next_us || s->due_us > s->now_us ||
			s->next_us - s->due_us > DUE_GAP_MAX_US))
		return false;
	if (s->pending_us != TIME_NONE &&
		(s->pending_us >= s->next_us || s->pending_us <= s->due_us ||
			s->pending_us > s->now_us || s->now_us - s->pending_us > NEXT_OLD_US))
		return false;
	/* its frames are dated by another clock than the one it has now */
	if (newest_us != TIME_NONE &&
		(newest_us > now_us + DUE_CLOCK_US || now_us - newest_us > DUE_GAP_MAX_US))
		return false;
	return peer->unkept <= UNKEPT_MAX;
}

/* Who is to blame, by the last contact. */
static enum due_state due_blame(const struct peer_state *peer)
{
	if (peer->last_try_us == TIME_NONE)
		return DUE_NOT_TRIED;
	if (peer->camera.code != CLI_OK)
		return DUE_NOT_REACHED;
	return peer->schedule.running == WIRE_STOPPED ? DUE_STOPPED : DUE_NOT_TAKEN;
}

/*
 * When slot `due_us` starts to count as missed, if the last answer says nothing of it. A pull
 * that failed after it is proof, and gets the time of one pull. Without a pull, this machine or
 * its timer may have just been started, and gets more.
 */
static int64_t missed_from(
	const struct due_facts *facts, int64_t due_us, int64_t ahead_us, enum due_state *ret_state)
{
	const struct peer_state *peer = facts->peer;
	int64_t boot_us = facts->now_us - facts->up_us + ahead_us;
	int64_t try_us = peer->last_try_us != TIME_NONE ? peer->last_try_us + ahead_us : 0;
	int64_t period_us = peer_state_period(peer);

	if (peer->camera.code != CLI_OK && try_us >= due_us && try_us >= boot_us) {
		*ret_state = DUE_NOT_REACHED;
		if (period_us == 0 || period_us > DUE_PERIOD_US)
			period_us = DUE_PERIOD_US;
		return due_us + period_us + DUE_GRACE_US;
	}
	*ret_state = DUE_NOT_TRIED;
	if (peer->camera.code == CLI_OK)
		due_us = time_max(due_us, try_us);
	/* fetches by hand in between make the period look shorter than it is */
	return time_max(due_us, boot_us) + time_max(period_us + period_us / 4, DUE_PERIOD_US) +
		DUE_GRACE_US;
}

static struct due judge_age(const struct due_facts *facts, struct due due, int64_t now_us)
{
	int64_t ahead_us = now_us - facts->now_us;

	if (facts->newest_us != TIME_NONE)
		due.missed_us = facts->newest_us + facts->stale_after_us - ahead_us;
	if (facts->newest_us != TIME_NONE && facts->now_us <= due.missed_us)
		return due;
	due.state = due_blame(facts->peer);
	return due;
}

/*
 * The first slot without a picture. A slot after the answer is extrapolated from the camera's
 * next.
 */
static int64_t first_missing(const struct wire_schedule *s, int64_t newest_us)
{
	int64_t last_us = s->pending_us != TIME_NONE ? s->pending_us : s->due_us;

	if (newest_us < s->due_us)
		return s->due_us;
	if (newest_us < s->pending_us)
		return s->pending_us;
	if (newest_us < s->next_us)
		return s->next_us;
	return newest_us + (last_us != TIME_NONE ? s->next_us - last_us : DUE_PERIOD_US);
}

/* Judges by what is due. */
static struct due judge_schedule(
	const struct due_facts *facts, struct due due, int64_t ahead_us, bool counts)
{
	const struct peer_state *peer = facts->peer;
	const struct wire_schedule *schedule = &peer->schedule;
	int64_t slot_us, answer_us = peer->seen_us + ahead_us;
	enum due_state state;
	bool answered = peer->camera.code == CLI_OK && peer->seen_us != TIME_NONE;

	slot_us = counts                        ? first_missing(schedule, facts->newest_us)
		: facts->newest_us == TIME_NONE ? 0
						: facts->newest_us + facts->gap_us;
	due.slot_us = slot_us > 0 ? slot_us : TIME_NONE;
	if (slot_us == 0 || (answered && answer_us >= slot_us + DUE_US)) {
		due.state = due_blame(peer);
		due.missed_us = facts->now_us;
	} else if (due.set_back) {
		due.state = peer->camera.code != CLI_OK ? DUE_NOT_REACHED : DUE_HERE;
	} else {
		due.missed_us = missed_from(facts, slot_us + DUE_US, ahead_us, &state) - ahead_us;
		due.state = facts->now_us >= due.missed_us ? state : DUE_HERE;
	}
	return due;
}

struct due due_judge(const struct due_facts *facts)
{
	const struct peer_state *peer = facts->peer;
	int64_t ahead_us = clock_ahead(peer), now_us;
	struct due due = { .state = DUE_HERE, .slot_us = TIME_NONE, .missed_us = TIME_NONE };
	bool counts;

	if (ahead_us > DUE_CLOCK_US || ahead_us < -DUE_CLOCK_US)
		due.ahead_us = ahead_us;
	due.set_back =
		peer->last_try_us != TIME_NONE && facts->now_us < peer->last_try_us - DUE_CLOCK_US;
	now_us = camera_now(peer, facts->now_us);
	counts = schedule_counts(peer, facts->newest_us, now_us);
	if (facts->newest_us > now_us + DUE_CLOCK_US)
		ahead_us = 0;
	now_us = facts->now_us + ahead_us;
	if (facts->stale_after_us > 0)
		return judge_age(facts, due, now_us);
	due = judge_schedule(facts, due, ahead_us, counts);
	if (due.state == DUE_HERE && peer->camera.code != CLI_OK && peer->last_ok_us != TIME_NONE &&
		facts->now_us - peer->last_ok_us > DUE_AWAY_US) {
		due.state = DUE_NOT_REACHED;
		due.slot_us = TIME_NONE;
	}
	return due;
}

/* ---- as text */

const char *due_state_name(enum due_state state)
{
	static const char *const names[] = {
		[DUE_HERE] = "up-to-date",
		[DUE_NOT_TRIED] = "not-tried",
		[DUE_NOT_REACHED] = "not-reached",
		[DUE_STOPPED] = "stopped",
		[DUE_NOT_TAKEN] = "not-taken",
	};

	return names[state];
}

static const char *describe_here(
	const struct due *due, const struct due_facts *facts, char *buf, size_t size)
{
	const struct peer_state *peer = facts->peer;
	const char *stopped = peer->schedule.running == WIRE_STOPPED
		? "; capturing did not run there at the last contact"
		: "";
	bool coming = due->slot_us > facts->now_us + clock_ahead(peer);
	char slot[UTC_TEXT_MAX];

	if (due->slot_us == TIME_NONE)
		snprintf(buf, size, "up to date%s", stopped);
	else
		snprintf(buf, size, "up to date, the next %s %s%s",
			coming ? "picture is due" : "pull brings that of",
			utc_format_local(due->slot_us, slot), stopped);
	return buf;
}

const char *due_describe(
	const struct due *due, const struct due_facts *facts, char *buf, size_t size)
{
	const struct peer_state *peer = facts->peer;
	char slot[UTC_TEXT_MAX] = "", when[UTC_TEXT_MAX] = "";
	const char *what = facts->newest_us == TIME_NONE ? "nothing is here yet"
							 : "the newest picture is too old";
	const char *why, *more = "";

	switch (due->state) {
	case DUE_NOT_TRIED:
		why = ", and no pull was tried";
		if (peer->last_try_us != TIME_NONE) {
			why = ", and no pull asked the camera since ";
			more = utc_format_local(peer->last_try_us, when);
		}
		break;
	case DUE_NOT_REACHED:
		why = "; the last try failed: ";
		more = peer->camera.error;
		break;
	case DUE_STOPPED:
		why = "; the camera answers, but capturing does not run there";
		break;
	case DUE_NOT_TAKEN:
		why = "; the camera answers, but has no newer one";
		break;
	case DUE_HERE:
	default:
		return describe_here(due, facts, buf, size);
	}
	if (due->slot_us != TIME_NONE)
		snprintf(buf, size, "stale: the picture of %s is not here%s%s",
			utc_format_local(due->slot_us, slot), why, more);
	else
		snprintf(buf, size, "stale: %s%s%s", what, why, more);
	return buf;
}

const char *due_describe_clock(const struct due *due, char *buf, size_t size)
{
	char text[UTC_TEXT_MAX];
	int64_t us = due->ahead_us;

	*buf = '\0';
	if (due->set_back)
		snprintf(buf, size,
			"the clock here is behind the last contact: it is not set yet, or "
			"was set back");
	else if (us != 0)
		snprintf(buf, size, "the clock here was %s %s the camera's at the last contact",
			duration_format(us < 0 ? -us : us, text), us < 0 ? "ahead of" : "behind");
	return buf;
}

/* ---- what is held */

/* The newest frame, of the schedule or any, that is not of the future by either clock. */
static int find_newest(struct archive *archive, bool any, int64_t until_us, struct record *ret)
{
	struct record record;
	int r = archive_newest(archive, &record);
	uint64_t seq = r == 0 ? record.seq : 0;

	for (int i = 0; i < WALK_BACK_MAX && seq > 0 && (r == 0 || r == -ENOENT); i++) {
		if (r == 0 && record.type == RECORD_FRAME && (any || !record.shot) &&
			record.slot_us <= until_us) {
			*ret = record;
			return 0;
		}
		if (--seq > 0)
			r = archive_find(archive, seq, &record);
	}
	return r < 0 ? r : -ENOENT;
}

static int64_t longest_gap(struct archive *archive, const struct record *newest)
{
	int64_t gap_us = 0, slot_us = newest->slot_us;
	uint64_t seq = newest->seq;

	for (int i = 0; i < GAP_LINES && seq-- > 1; i++) {
		struct record record;

		if (archive_find(archive, seq, &record) < 0 || record.type != RECORD_FRAME ||
			record.shot || record.slot_us >= slot_us)
			continue;
		gap_us = time_max(gap_us, slot_us - record.slot_us);
		slot_us = record.slot_us;
	}
	return gap_us > 0 && gap_us < DUE_GAP_MAX_US ? gap_us : DUE_PERIOD_US;
}

struct due_facts due_read(struct archive *archive, const struct peer_state *peer,
	int64_t stale_after_us, const struct clock *clock)
{
	struct due_facts facts = { .peer = peer,
		.now_us = clock_wall_us(clock),
		.up_us = clock_up_ns(clock) / NS_PER_US,
		.newest_us = TIME_NONE,
		.stale_after_us = stale_after_us };
	int64_t now_us = camera_now(peer, facts.now_us);
	struct record newest;

	if (!archive ||
		find_newest(archive, stale_after_us > 0,
			time_max(now_us, facts.now_us) + DUE_CLOCK_US, &newest) < 0)
		return facts;
	facts.newest_us = newest.slot_us;
	if (stale_after_us == 0 && !schedule_counts(peer, newest.slot_us, now_us))
		facts.gap_us = longest_gap(archive, &newest);
	return facts;
}
