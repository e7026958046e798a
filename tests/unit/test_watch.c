/* SPDX-License-Identifier: MIT */
/*
 * What is told of a camera: over simulated months in which nothing lasts there is not one message,
 * and each silence that lasts is told once, with its cause, in time.
 */
#include "pull/watch/watch_judge.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/camera_world.h"

#define MARCH (YEAR_START + 72 * DAY_US) /* two weeks before the clocks change */
#define LOOK_US (2 * MIN_US) /* pullpi-watch.timer */
#define AFTER_US (10 * MIN_US)
#define PERIOD_US (10 * MIN_US * 5 / 4) /* of pulls, as it may be taken for */

/* What lasts on the machine that pulls, or with the pictures. */
enum trouble_here {
	HERE_NONE,
	HERE_FULL,
	HERE_LIMIT,
	HERE_AWAY,
	HERE_READ_ONLY,
	HERE_OTHER,
	HERE_FULL_SOON,
	HERE_CLOCK,
	HERE_MARKED
};

struct told {
	enum watch_kind kind;
	enum watch_topic topic;
	enum watch_cause cause;
	int64_t at_us;
	char text[WATCH_TEXT_MAX];
};

struct watcher {
	struct world w;
	struct watch_camera camera;
	int64_t pull_us, end_us; /* the next try, and the end of the one that is under way */
	int64_t look_us, looked_us;
	int64_t took_max_us; /* a pull on a slow link */
	enum trouble_here here;
	int64_t here_from_us, here_to_us;
	struct told told[16];
	size_t n_told;
	bool well;
};

static void note(void *data, const struct watch_event *event)
{
	struct watcher *v = data;
	struct told *told = &v->told[v->n_told];

	if (!CHECK(v->n_told < ARRAY_SIZE(v->told)))
		return;
	*told = (struct told){ event->kind, event->topic, event->cause, v->look_us, "" };
	snprintf(told->text, sizeof told->text, "%s", event->text);
	v->n_told++;
	CHECK_STR(event->camera, "garden");
}

static struct watch_facts facts_at(struct watcher *v, int64_t now_us)
{
	struct world *w = &v->w;
	const enum trouble_here here =
		now_us >= v->here_from_us && now_us < v->here_to_us ? v->here : HERE_NONE;
	struct watch_facts facts = { .camera = "garden",
		.archive = "/srv/garden",
		.room_text = "12 MB above the reserve",
		.mark = here == HERE_MARKED ? "the last three pictures are covered" : "",
		.has_room = true,
		.room.full_us = here == HERE_FULL_SOON ? now_us + 2 * DAY_US : TIME_NONE,
		.due = { .peer = &w->peer,
			.now_us = now_us,
			.up_us = now_us - w->boot_us,
			.newest_us = w->held_us } };

	w->peer.here = (struct peer_outcome){ .since_us = TIME_NONE };
	if (here == HERE_FULL || here == HERE_LIMIT)
		facts.room.verdict = here == HERE_FULL ? ROOM_DISK : ROOM_DAY;
	if (here == HERE_READ_ONLY || here == HERE_OTHER) {
		w->peer.here.code = CLI_INTERNAL;
		snprintf(w->peer.here.error, sizeof w->peer.here.error, "/srv/garden: %s",
			strerror(here == HERE_OTHER ? EIO : EROFS));
	}
	if (here == HERE_AWAY) {
		facts.archive_error = -ENOMEDIUM;
		facts.due.newest_us = TIME_NONE;
	}
	return facts;
}

/* Pulls and looks, each at its time, until `until_us`. */
static void watch_live(struct watcher *v, int64_t until_us)
{
	struct world *w = &v->w;

	while (v->look_us < until_us) {
		const int64_t took_us =
			v->took_max_us > 0 ? US_PER_SEC + until(w, v->took_max_us) : US_PER_SEC;

		if (v->here == HERE_CLOCK)
			w->ahead_us = v->pull_us >= v->here_from_us && v->pull_us < v->here_to_us
				? 2 * HOUR_US
				: 0;
		if (v->pull_us + took_us <= v->look_us) {
			if (!has_fault(w, PULLER_OFF, v->pull_us, NULL) &&
				!has_fault(w, TIMERS_OFF, v->pull_us, NULL))
				pull(w, v->pull_us, took_us);
			v->pull_us = next_pull(w, v->pull_us + took_us);
			continue;
		}
		if (has_fault(w, PULLER_OFF, v->look_us, NULL)) {
			w->boot_us = v->look_us;
		} else {
			const struct watch_facts facts = facts_at(v, v->look_us);

			v->well = watch_judge(&v->camera, &facts, AFTER_US, v->looked_us, note, v);
			v->looked_us = v->look_us;
		}
		v->look_us += LOOK_US;
	}
}

static void watch_begin(struct watcher *v, size_t world, bool follow)
{
	*v = (struct watcher){ .w = world_of(world), .camera = watch_camera_new("garden") };
	v->w.follow = follow;
	v->w.peer = peer_state_none;
	v->w.held_us = TIME_NONE;
	v->w.boot_us = MARCH - HOUR_US;
	v->looked_us = TIME_NONE;
	pull(&v->w, MARCH, US_PER_SEC);
	v->pull_us = next_pull(&v->w, MARCH);
	v->look_us = MARCH + 30 * US_PER_SEC;
}

static void fault_add(struct world *w, enum fault_kind kind, int64_t from_us, int64_t lasts_us)
{
	if (CHECK(w->n_faults < FAULTS_MAX))
		w->faults[w->n_faults++] = (struct fault){ kind, from_us, from_us + lasts_us };
}

/* That of the only slot for long: a restart over it is worth a message. */
static bool slot_is_lonely(struct world *w, int64_t from_us, int64_t to_us)
{
	const int64_t slot_us = first_from(w, from_us - MIN_US);

	return slot_us < to_us && first_from(w, slot_us + 1) - slot_us > WATCH_SLOT_US;
}

/* What a month has that is no reason for a message. */
static void add_small_troubles(struct world *w)
{
	for (int day = 0; day < 30; day++) {
		const int64_t us = MARCH + day * DAY_US;
		const int64_t restart_us = us + 2 * HOUR_US + until(w, 4 * HOUR_US);

		fault_add(w, LINK_DOWN, us + until(w, HOUR_US), 5 * MIN_US);
		fault_add(w, LINK_DOWN, us + 7 * HOUR_US + until(w, 10 * HOUR_US), 5 * MIN_US);
		if (!slot_is_lonely(w, restart_us, restart_us + 5 * MIN_US)) {
			fault_add(w, SERVICE_DOWN, restart_us, 2 * MIN_US + until(w, 2 * MIN_US));
			fault_add(w, LINK_DOWN, restart_us, 90 * US_PER_SEC);
		}
		if (day % 3 == 0)
			fault_add(w, PULLER_OFF, us + 18 * HOUR_US + until(w, HOUR_US),
				day % 2 ? 3 * MIN_US : 2 * HOUR_US);
	}
}

TEST(a_month_without_a_message)
{
	int64_t looks = 0;

	for (size_t i = 0; i < 2 * WORLDS; i++) {
		struct watcher v;
		char at[UTC_TEXT_MAX];

		watch_begin(&v, i / 2, i % 2);
		v.took_max_us = i % 4 == 2 ? 4 * MIN_US : 0;
		add_small_troubles(&v.w);
		watch_live(&v, MARCH + 30 * DAY_US);
		looks += 30 * DAY_US / LOOK_US;
		if (!CHECK(v.n_told == 0))
			fprintf(stderr, "  world %zu, %s at %s: %s\n", i,
				watch_cause_name(v.told[0].cause),
				utc_format_local(v.told[0].at_us, at), v.told[0].text);
		CHECK(v.well);
	}
	printf("%lld looks in 18 months of nights, restarts and short outages: no message\n",
		(long long)looks);
}

struct silence {
	const char *name;
	enum fault_kind fault;
	enum trouble_here here;
	enum watch_topic topic;
	enum watch_cause cause;
};

/* How long after its begin a trouble may be told: one pull, and what is waited before it counts. */
static int64_t patience_of(struct watcher *v, const struct silence *s, int64_t from_us)
{
	const int64_t looks_us = AFTER_US + LOOK_US;
	int64_t slot_us, next_us;

	if (s->here != HERE_NONE)
		return looks_us + (s->here == HERE_CLOCK ? 2 * PERIOD_US : 0);
	slot_us = first_from(&v->w, from_us);
	next_us = first_from(&v->w, slot_us + 1);
	if (next_us - slot_us > WATCH_SLOT_US)
		next_us = slot_us + WATCH_SLOT_US;
	if (s->cause != WATCH_CAMERA)
		next_us = slot_us;
	return next_us - from_us + MIN_US + PERIOD_US + DUE_GRACE_US + looks_us +
		(s->cause == WATCH_STOPPED ? PERIOD_US : 0);
}

static void check_silence(const struct silence *s, size_t world, bool follow)
{
	struct watcher v;
	char after[UTC_TEXT_MAX], allowed[UTC_TEXT_MAX];
	int64_t from_us, patience_us;

	watch_begin(&v, world, follow);
	from_us = MARCH + 2 * DAY_US + until(&v.w, DAY_US);
	v.here = s->here;
	v.here_from_us = from_us;
	v.here_to_us = from_us + 60 * HOUR_US;
	if (s->here == HERE_NONE)
		fault_add(&v.w, s->fault, from_us, 60 * HOUR_US);
	else if (s->topic == WATCH_SILENCE)
		fault_add(&v.w, NOT_STORED, from_us, 60 * HOUR_US);
	patience_us = patience_of(&v, s, from_us);
	watch_live(&v, from_us + 96 * HOUR_US);
	CHECK(v.well);
	if (!CHECK(v.n_told == 3) || !CHECK(v.told[0].cause == s->cause) ||
		!CHECK(v.told[0].topic == s->topic) || !CHECK(v.told[0].kind == WATCH_BEGINS) ||
		!CHECK(v.told[1].kind == WATCH_LASTS) || !CHECK(v.told[2].kind == WATCH_ENDS) ||
		!CHECK(v.told[0].at_us > from_us) ||
		!CHECK(v.told[0].at_us - from_us <= patience_us))
		for (size_t i = 0; i < v.n_told; i++)
			fprintf(stderr, "  world %zu %s: %s %s after %s: %s\n", world, s->name,
				watch_kind_name(v.told[i].kind), watch_cause_name(v.told[i].cause),
				duration_format(v.told[i].at_us - from_us, after), v.told[i].text);
	printf("  %zu%s  %-10s %-12s %-12s %s\n", world, follow ? "f" : " ",
		watch_cause_name(s->cause), duration_format(v.told[0].at_us - from_us, after),
		duration_format(patience_us, allowed), v.told[0].text);
}

TEST(each_silence_is_told_once)
{
	static const struct silence silences[] = {
		{ "the link", LINK_DOWN, HERE_NONE, WATCH_SILENCE, WATCH_LINK },
		{ "the login", REFUSED, HERE_NONE, WATCH_SILENCE, WATCH_LOGIN },
		{ "nonsense", NONSENSE, HERE_NONE, WATCH_SILENCE, WATCH_ANSWERS },
		{ "the service", SERVICE_DOWN, HERE_NONE, WATCH_SILENCE, WATCH_STOPPED },
		{ "the camera", FROZEN, HERE_NONE, WATCH_SILENCE, WATCH_CAMERA },
		{ "the timers", TIMERS_OFF, HERE_NONE, WATCH_SILENCE, WATCH_TIMER },
		{ "a full disk", NOT_STORED, HERE_FULL, WATCH_SILENCE, WATCH_DISK },
		{ "a limit", NOT_STORED, HERE_LIMIT, WATCH_SILENCE, WATCH_LIMIT },
		{ "no disk", NOT_STORED, HERE_AWAY, WATCH_SILENCE, WATCH_AWAY },
		{ "the sandbox", NOT_STORED, HERE_READ_ONLY, WATCH_SILENCE, WATCH_SANDBOX },
		{ "this machine", NOT_STORED, HERE_OTHER, WATCH_SILENCE, WATCH_HERE },
		{ "full soon", NOT_STORED, HERE_FULL_SOON, WATCH_ROOM, WATCH_FULL_SOON },
		{ "the clock", NOT_STORED, HERE_CLOCK, WATCH_CLOCK, WATCH_CLOCKS },
		{ "covered", NOT_STORED, HERE_MARKED, WATCH_PICTURES, WATCH_MARKED },
	};
	/* each minute, by the hours of Berlin, at two times of the day; pulled, one followed */
	static const struct {
		size_t world;
		bool follow;
	} worlds[] = { { 0, false }, { 0, true }, { 3, false }, { 7, false } };

	printf("  world cause      told after   at the latest\n");
	for (size_t i = 0; i < ARRAY_SIZE(silences); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(worlds); k++)
			check_silence(&silences[i], worlds[k].world, worlds[k].follow);
	}
}

/* A camera that answers each pull, promises what cannot be, and sends no picture any more. */
TEST(a_promise_silences_nobody)
{
	static const int64_t promises[] = { INT64_C(7973) * 365 * DAY_US, INT64_MAX / 4,
		200 * DAY_US, US_PER_SEC, -DAY_US };

	for (size_t i = 0; i < ARRAY_SIZE(promises); i++) {
		struct watcher v;

		watch_begin(&v, 0, false);
		v.w.held_us = MARCH;
		for (; v.look_us < MARCH + DAY_US; v.look_us += LOOK_US) {
			const struct sighting sighting = { .seen_us = v.look_us - MIN_US,
				.schedule = { v.look_us - MIN_US, TIME_NONE, TIME_NONE,
					v.look_us + promises[i], WIRE_RUNNING } };
			struct watch_facts facts;

			peer_state_answered(&v.w.peer, &sighting, 0);
			peer_state_tried(&v.w.peer, v.look_us, v.look_us - v.w.boot_us, CLI_OK, "");
			facts = facts_at(&v, v.look_us);
			facts.due.gap_us = MIN_US;
			watch_judge(&v.camera, &facts, AFTER_US, v.looked_us, note, &v);
			v.looked_us = v.look_us;
		}
		if (!CHECK(v.n_told == 1) || !CHECK(v.told[0].cause == WATCH_CAMERA) ||
			!CHECK(v.told[0].at_us < MARCH + 2 * HOUR_US))
			fprintf(stderr, "  promise %zu: %zu messages\n", i, v.n_told);
	}
}

/* A day off, a clock that was set back, a week in the dark. */
TEST(time_that_passed_alone)
{
	struct watcher v;

	watch_begin(&v, 0, false);
	fault_add(&v.w, LINK_DOWN, MARCH + HOUR_US, 10 * DAY_US);
	watch_live(&v, MARCH + HOUR_US + 10 * MIN_US);
	CHECK_INT(v.n_told, 0);
	CHECK(v.camera.alarms[WATCH_SILENCE].since_us != TIME_NONE);
	fault_add(&v.w, PULLER_OFF, v.look_us, 8 * HOUR_US);
	watch_live(&v, MARCH + 9 * HOUR_US + 20 * MIN_US);
	CHECK_INT(v.n_told, 0); /* it is not sure again yet */
	watch_live(&v, MARCH + 10 * DAY_US);
	CHECK_INT(v.n_told, 3); /* begins, after a day, after a week */
	watch_live(&v, MARCH + 12 * DAY_US);
	CHECK_INT(v.n_told, 4);
	CHECK_INT(v.told[3].kind, WATCH_ENDS);
	/* it slept, and what it knows is two hours old */
	watch_begin(&v, 0, false);
	fault_add(&v.w, LINK_DOWN, MARCH + HOUR_US, 10 * HOUR_US);
	watch_live(&v, MARCH + HOUR_US + 10 * MIN_US);
	CHECK(v.camera.alarms[WATCH_SILENCE].since_us != TIME_NONE);
	v.look_us += 2 * HOUR_US;
	v.pull_us = v.look_us + MIN_US;
	watch_live(&v, v.look_us + 1);
	CHECK_INT(v.n_told, 0);
	watch_begin(&v, 0, false);
	v.camera.alarms[WATCH_SILENCE].since_us = MARCH + DAY_US; /* by a clock that was ahead */
	watch_live(&v, MARCH + HOUR_US);
	CHECK_INT(v.n_told, 0);
}

TEST(a_summary_a_day)
{
	const int64_t day_us = MARCH; /* midnight */

	setenv("TZ", "UTC", 1);
	tzset();
	CHECK(!watch_summary_due(8 * 60, TIME_NONE, day_us));
	CHECK(!watch_summary_due(8 * 60, day_us, day_us + 7 * HOUR_US));
	CHECK(watch_summary_due(8 * 60, day_us, day_us + 8 * HOUR_US));
	CHECK(!watch_summary_due(8 * 60, day_us + 8 * HOUR_US, day_us + 23 * HOUR_US));
	CHECK(watch_summary_due(8 * 60, day_us + 8 * HOUR_US, day_us + 3 * DAY_US));
	CHECK(!watch_summary_due(8 * 60, day_us + 3 * DAY_US, day_us)); /* the clock was set back */
}
