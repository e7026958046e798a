/* SPDX-License-Identifier: MIT */
/*
 * What is due, over simulated years of cameras and pulls, and against a camera whose word is void.
 * The world knows what is truly missing; the judge knows only what a greeting, a contact and an
 * archive tell.
 */
#include "common/contact/due.h"
#include "tests/unit/camera_world.h"
#include "tests/unit/clock_kit.h"

/*
 * From the first slot that is missing on: a minute, a pull period as it may be taken for, and the
 * grace. Of slots that were not stored yet when the camera answered it names the newest.
 */
#define PULLS_US (10 * MIN_US + 2 * US_PER_SEC) /* with what the timer and the pull differ by */
#define PATIENCE_US (STORING_US + MIN_US + PULLS_US * 5 / 4 + DUE_GRACE_US)

static struct due judge(const struct world *w, int64_t now_us)
{
	const struct due_facts facts = { .peer = &w->peer,
		.now_us = now_us,
		.up_us = now_us - w->boot_us,
		.newest_us = w->held_us };

	return due_judge(&facts);
}

static void check(struct world *w, int64_t now_us)
{
	int64_t cam_us = now_us + w->ahead_us;
	struct due due = judge(w, now_us);
	bool stale = due.state != DUE_HERE;
	int64_t from_us = w->held_us == TIME_NONE ? YEAR_START + w->ahead_us : w->held_us + 1;
	int64_t missing_us = w->n_faults > 0 ? first_from(w, from_us) : TIME_NONE;
	bool missing = missing_us != TIME_NONE && missing_us + MIN_US <= cam_us;
	bool long_ago =
		missing && missing_us + PATIENCE_US <= cam_us && now_us - w->boot_us >= PATIENCE_US;
	char text[UTC_TEXT_MAX];

	stale ? w->stale++ : w->fine++;
	if (w->n_faults == 0 ? !CHECK(!stale)
			     : !CHECK(!stale || missing) || !CHECK(stale || !long_ago))
		fprintf(stderr,
			"  at %s: %s; code %d; in min: held %lld, missing %lld, try %lld, boot "
			"%lld, period "
			"%lld\n",
			utc_format(now_us, text), due_state_name(due.state), w->peer.camera.code,
			(long long)((w->held_us - cam_us) / MIN_US),
			(long long)((missing_us - cam_us) / MIN_US),
			(long long)((w->peer.last_try_us - now_us) / MIN_US),
			(long long)((w->boot_us - now_us) / MIN_US),
			(long long)(peer_state_period(&w->peer) / MIN_US));
	CHECK((due.ahead_us != 0) == (w->ahead_us != 0) || w->peer.seen_us == TIME_NONE);
}

static void live(struct world *w, int64_t days)
{
	int64_t end_us = YEAR_START + days * DAY_US, us = YEAR_START;

	w->peer = peer_state_none;
	w->held_us = TIME_NONE;
	w->boot_us = YEAR_START - HOUR_US;
	pull(w, us, US_PER_SEC); /* as pair and its first fetch do */
	while (us < end_us && test_failures < 20) {
		int64_t next_us = next_pull(w, us), off_us;
		bool off = has_fault(w, PULLER_OFF, next_us, &off_us);

		for (int64_t at_us = us + 2 * US_PER_SEC; !off && at_us < next_us;
			at_us += (next_us - us) / 2 + until(w, next_us - us))
			check(w, at_us);
		if (!off)
			check(w, next_us - 1);
		us = next_us;
		for (; has_fault(w, PULLER_OFF, us, &off_us); us += US_PER_SEC)
			w->boot_us = us + US_PER_SEC;
		if (!off && !has_fault(w, TIMERS_OFF, us, NULL))
			pull(w, us, w->follow ? 1 : US_PER_SEC);
	}
}

TEST(all_is_well_for_a_year)
{
	for (size_t i = 0; i < WORLDS; i++) {
		struct world w = world_of(i);

		/* what knows no calendar is the same every day */
		live(&w,
			w.schedule.n_hours > 0 || w.schedule.n_at > 0 || w.schedule.days != 0x7f ||
					w.schedule.daylight
				? 366
				: 30);
		CHECK(w.fine > 10000);
	}
}

TEST(all_is_well_with_a_follower_and_with_other_clocks)
{
	static const int64_t ahead[] = { -26 * HOUR_US, 3 * HOUR_US, 75 * 366 * DAY_US };

	for (size_t i = 0; i < WORLDS; i++) {
		struct world w = world_of(i);

		w.follow = true;
		live(&w, 4);
		for (size_t k = 0; k < ARRAY_SIZE(ahead); k++) {
			w = world_of(i);
			w.ahead_us = ahead[k];
			live(&w, 8);
		}
	}
}

static void add_faults(struct world *w, int64_t days)
{
	int64_t us = YEAR_START + HOUR_US;

	while (w->n_faults < FAULTS_MAX && us < YEAR_START + days * DAY_US) {
		int64_t most_us = until(w, 3) == 0 ? 3 * DAY_US : 2 * HOUR_US;
		struct fault *fault = &w->faults[w->n_faults++];

		fault->kind = (enum fault_kind)until(w, FAULT_KINDS);
		fault->from_us = us + until(w, 3 * DAY_US);
		fault->to_us = fault->from_us + MIN_US / 2 + until(w, most_us);
		us = fault->to_us + 3 * HOUR_US + until(w, 3 * DAY_US);
	}
}

TEST(a_year_of_faults)
{
	int64_t stale = 0;

	for (size_t i = 0; i < 2 * WORLDS; i++) {
		struct world w = world_of(i / 2);

		w.follow = i % 2;
		add_faults(&w, w.follow ? 10 : 100);
		live(&w, w.follow ? 10 : 100);
		CHECK(w.stale + w.fine > 1000);
		stale += w.stale;
	}
	CHECK(stale > 1000);
}

/* A slot every minute, pulled at 10 past with all that was there; then time passes. */
static struct world minute_world(void)
{
	struct world w = world_of(0);

	w.peer = peer_state_none;
	w.boot_us = YEAR_START - 10 * DAY_US;
	w.held_us = TIME_NONE;
	pull(&w, YEAR_START + 600 * US_PER_SEC, US_PER_SEC);
	return w;
}

TEST(reasons)
{
	struct world w = minute_world();
	int64_t at_us = YEAR_START + 600 * US_PER_SEC, missed_us;

	CHECK_INT(judge(&w, at_us + 10 * MIN_US).state, DUE_HERE);
	missed_us = judge(&w, at_us + 10 * MIN_US).missed_us;
	CHECK_INT(judge(&w, missed_us - 1).state, DUE_HERE);
	CHECK_INT(judge(&w, missed_us).state, DUE_NOT_TRIED);
	CHECK_INT(judge(&w, at_us + PATIENCE_US + MIN_US).state, DUE_NOT_TRIED);
	w.faults[w.n_faults++] = (struct fault){ LINK_DOWN, at_us + 1, at_us + HOUR_US };
	pull(&w, at_us + 10 * MIN_US, US_PER_SEC);
	pull(&w, at_us + 20 * MIN_US, US_PER_SEC);
	CHECK_INT(judge(&w, at_us + 21 * MIN_US).state, DUE_NOT_REACHED);
	w.faults[0].kind = SERVICE_DOWN;
	pull(&w, at_us + 30 * MIN_US, US_PER_SEC);
	CHECK_INT(judge(&w, at_us + 30 * MIN_US).state, DUE_STOPPED);
	w.faults[0].kind = FROZEN;
	pull(&w, at_us + 40 * MIN_US, US_PER_SEC);
	CHECK_INT(judge(&w, at_us + 40 * MIN_US).state, DUE_NOT_TAKEN);
	CHECK_INT(judge(&w, at_us + 40 * MIN_US).slot_us, at_us + 39 * MIN_US);
	w.n_faults = 0;
	pull(&w, at_us + 50 * MIN_US, US_PER_SEC);
	CHECK_INT(judge(&w, at_us + 50 * MIN_US).state, DUE_HERE);
}

/* A pull that failed in the moment the machine went down says nothing of what is since it is up. */
TEST(a_restart_here)
{
	struct world w = minute_world();
	int64_t at_us = YEAR_START + 600 * US_PER_SEC, boot_us = at_us + 8 * HOUR_US;

	w.faults[w.n_faults++] = (struct fault){ LINK_DOWN, at_us + 1, at_us + HOUR_US };
	pull(&w, at_us + 10 * MIN_US, US_PER_SEC);
	pull(&w, at_us + 20 * MIN_US, US_PER_SEC);
	w.boot_us = boot_us;
	CHECK_INT(judge(&w, boot_us + MIN_US).state, DUE_HERE);
	CHECK_INT(judge(&w, boot_us + PATIENCE_US).state, DUE_NOT_TRIED);
}

/*
 * No picture comes any more, and the camera answers each pull with this; stale within the day at
 * last.
 */
TEST(words_that_are_void)
{
	static const struct {
		const char *name;
		int64_t due, next; /* to the camera's now, 0: not said */
	} cases[] = {
		{ "nothing", 0, 0 },
		{ "the year 9999", -2 * MIN_US, INT64_C(7900) * 365 * DAY_US },
		{ "farther than any schedule", -2 * MIN_US, 401 * DAY_US },
		{ "the year 9999, and none before", 0, INT64_C(7900) * 365 * DAY_US },
		{ "after the longest night, and none before", 0, 191 * DAY_US },
		{ "a gap longer than a night at the pole", -191 * DAY_US, HOUR_US },
		{ "a next one of yesterday", -2 * DAY_US, -DAY_US },
		{ "due after the next", -HOUR_US, -2 * HOUR_US },
		{ "due in the future", HOUR_US, 2 * HOUR_US },
		{ "due tomorrow, and the next one today", DAY_US, HOUR_US },
		{ "always in a moment", 0, US_PER_SEC },
		{ "always in a moment, and none before for long", -100 * DAY_US, US_PER_SEC },
		{ "always in five minutes", -2 * DAY_US, 5 * MIN_US },
		{ "one that passed", -2 * MIN_US, -MIN_US },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w = minute_world();
		int64_t us = YEAR_START + 600 * US_PER_SEC;
		struct due_facts facts = {
			.peer = &w.peer, .newest_us = w.held_us, .gap_us = 10 * MIN_US
		};

		for (int k = 0; k < 144; k++, us += 10 * MIN_US) {
			struct sighting sighting = { .seen_us = us,
				.schedule = { us, cases[i].due ? us + cases[i].due : TIME_NONE,
					TIME_NONE, cases[i].next ? us + cases[i].next : TIME_NONE,
					WIRE_RUNNING } };

			peer_state_answered(&w.peer, &sighting, 0);
			peer_state_tried(&w.peer, us, us - w.boot_us, CLI_OK, "");
		}
		facts.now_us = us - 10 * MIN_US; /* of the last try */
		facts.up_us = facts.now_us - w.boot_us;
		if (!CHECK(due_judge(&facts).state == DUE_NOT_TAKEN))
			fprintf(stderr, "  %s\n", cases[i].name);
	}
}

/* A camera with the year 2026, or 2100, that promises its next picture in half a year. */
TEST(the_future_is_no_contact)
{
	for (int year = 0; year <= 74; year += 74) {
		struct world w = minute_world();
		const int64_t us = YEAR_START + 600 * US_PER_SEC, ahead_us = year * 365 * DAY_US;
		struct sighting sighting = { .seen_us = us,
			.schedule = { us + ahead_us, us + ahead_us - 2 * MIN_US, TIME_NONE,
				us + ahead_us + 180 * DAY_US, WIRE_RUNNING } };
		struct due_facts facts = { .peer = &w.peer, .newest_us = us + ahead_us };

		peer_state_answered(&w.peer, &sighting, 0);
		peer_state_tried(&w.peer, us, us - w.boot_us, CLI_OK, "");
		for (int day = 1; day < 12; day++) {
			facts.now_us = us + day * DAY_US;
			facts.up_us = facts.now_us - w.boot_us;
			peer_state_tried(&w.peer, facts.now_us, facts.up_us, CLI_TEMPFAIL, "no");
			CHECK_INT(due_judge(&facts).state, day > 8 ? DUE_NOT_REACHED : DUE_HERE);
		}
	}
}

/* A new schedule may take back what was promised under the old one. */
TEST(a_schedule_that_was_changed)
{
	struct world w = minute_world();
	int64_t us = YEAR_START + 20 * MIN_US;

	w.schedule.every_us = DAY_US;
	w.schedule.offset_us = DAY_US / 2;
	w.due_to_us = w.previous_to_us = 0;
	for (; us < YEAR_START + 3 * HOUR_US; us += 10 * MIN_US) {
		pull(&w, us, US_PER_SEC);
		CHECK_INT(judge(&w, us + US_PER_SEC).state, DUE_HERE);
	}
}

TEST(clocks)
{
	struct world w = minute_world();
	int64_t us = YEAR_START + 600 * US_PER_SEC;
	struct due due = judge(&w, us - DAY_US);
	char text[200];

	CHECK(due.set_back);
	CHECK_INT(due.state, DUE_HERE);
	CHECK(strstr(due_describe_clock(&due, text, sizeof text), "behind the last contact"));
	w.ahead_us = 2 * HOUR_US;
	pull(&w, us + 10 * MIN_US, US_PER_SEC);
	due = judge(&w, us + 11 * MIN_US);
	CHECK_INT(due.ahead_us, 2 * HOUR_US);
	CHECK_STR(due_describe_clock(&due, text, sizeof text),
		"the clock here was 2 h behind the camera's at the last contact");
	w.ahead_us = -2 * HOUR_US;
	w.held_us = TIME_NONE;
	pull(&w, us + 20 * MIN_US, US_PER_SEC);
	due = judge(&w, us + 21 * MIN_US);
	CHECK_STR(due_describe_clock(&due, text, sizeof text),
		"the clock here was 2 h ahead of the camera's at the last contact");
	w.ahead_us = 0;
	pull(&w, us + 30 * MIN_US, US_PER_SEC);
	due = judge(&w, us + 31 * MIN_US);
	CHECK_STR(due_describe_clock(&due, text, sizeof text), "");
}

/* With an age of one's own nothing else counts. */
TEST(a_fixed_age)
{
	struct world w = minute_world();
	struct due_facts facts = { .peer = &w.peer,
		.newest_us = w.held_us,
		.stale_after_us = HOUR_US,
		.now_us = w.held_us + HOUR_US };

	CHECK_INT(due_judge(&facts).state, DUE_HERE);
	facts.now_us++;
	CHECK_INT(due_judge(&facts).state, DUE_NOT_TAKEN);
	facts.newest_us = TIME_NONE;
	CHECK_INT(due_judge(&facts).state, DUE_NOT_TAKEN);
}

static void publish(struct archive *archive, int64_t slot_us, bool shot)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = kit_frame(slot_us);

	frame.shot = shot;
	kit_jpeg(jpeg, (uint64_t)slot_us);
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof jpeg), 0);
}

/*
 * Frames of the future, and of no slot, hide nothing; the longest gap is that of the schedule's
 * frames.
 */
TEST(what_is_held)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "garden" };
	struct peer_state peer = peer_state_none;
	struct clock_fake clock = clock_fake(YEAR_START + DAY_US);
	struct archive *archive = NULL;
	struct due_facts facts;
	char folder[64];

	test_make_folder(folder);
	CHECK_INT(archive_open(folder, &options, &archive), 0);
	facts = due_read(archive, &peer, 0, &clock.clock);
	CHECK(facts.newest_us == TIME_NONE);
	publish(archive, YEAR_START + HOUR_US, false);
	publish(archive, YEAR_START + HOUR_US + 25 * MIN_US, false);
	publish(archive, YEAR_START + HOUR_US + 30 * MIN_US, false);
	publish(archive, YEAR_START + 2 * HOUR_US, true);
	for (int i = 0; i < 50; i++)
		publish(archive, YEAR_START + (2 + i) * DAY_US, false);
	publish(archive, INT64_C(4102444800) * US_PER_SEC, false); /* 2100 */
	facts = due_read(archive, &peer, 0, &clock.clock);
	CHECK_INT(facts.newest_us, YEAR_START + HOUR_US + 30 * MIN_US);
	CHECK_INT(facts.gap_us, 25 * MIN_US);
	CHECK(due_judge(&facts).state != DUE_HERE);
	facts = due_read(archive, &peer, 365 * DAY_US, &clock.clock);
	CHECK_INT(facts.newest_us, YEAR_START + 2 * HOUR_US); /* an age counts shots too */
	archive_free(archive);
	test_remove_folder(folder);
}

/* capturepi 0.1.0 tells nothing: the age that its frames had between them, and one pull more. */
TEST(a_camera_of_before)
{
	struct peer_state peer = peer_state_none;
	struct sighting sighting = { .seen_us = YEAR_START,
		.schedule = { YEAR_START, TIME_NONE, TIME_NONE, TIME_NONE, WIRE_RUNNING_UNKNOWN } };
	struct due_facts facts = { .peer = &peer,
		.up_us = DAY_US,
		.newest_us = YEAR_START - MIN_US,
		.gap_us = 15 * MIN_US };

	peer_state_answered(&peer, &sighting, 0);
	peer_state_tried(&peer, YEAR_START, DAY_US, CLI_OK, "");
	facts.now_us = YEAR_START + 20 * MIN_US;
	CHECK_INT(due_judge(&facts).state, DUE_HERE);
	sighting.seen_us = sighting.schedule.now_us = YEAR_START + 16 * MIN_US;
	peer_state_answered(&peer, &sighting, 0);
	peer_state_tried(&peer, YEAR_START + 16 * MIN_US, DAY_US, CLI_OK, "");
	CHECK_INT(due_judge(&facts).state, DUE_NOT_TAKEN);
}
