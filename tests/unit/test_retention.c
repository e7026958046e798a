/* SPDX-License-Identifier: MIT */
/* Which frames have to go: tables of facts. */
#include "common/upkeep/retention.h"

#include "common/base/util.h"
#include "tests/test.h"

#define MB INT64_C(1000000)
#define DAY (INT64_C(24) * 3600 * US_PER_SEC)
#define NOW (INT64_C(20000) * DAY + DAY / 2)

/* A disk of 1000 MB, frames of 1 MB. */
static struct retention_facts facts(int64_t free_mb, int64_t stored_mb)
{
	return (struct retention_facts){
		.disk_bytes = 1000 * MB,
		.free_bytes = free_mb * MB,
		.disk_inodes = 10000,
		.free_inodes = 9990,
		.stored_bytes = stored_mb * MB,
		.stored_frames = stored_mb,
		.incoming_bytes = MB,
		.now_us = NOW,
	};
}

TEST(space)
{
	static const struct {
		const char *name;
		int64_t reserve, free_mb, stored_mb;
		int64_t want_mb; /* to go; slack included */
	} cases[] = {
		{ "room enough", -5, 500, 400, 0 },
		{ "just enough for the frame that comes", -5, 51, 600, 0 },
		{ "one frame too little: and 32 more", -5, 50, 600, 33 },
		{ "bytes", 50 * MB, 50, 600, 33 },
		{ "bytes, enough", 50 * MB, 51, 600, 0 },
		{ "nothing is asked for", 0, 0, 600, 0 },
		{ "far below", -5, 0, 800, 83 },
		/* others filled the disk: a tenth of 10 + 30 MB is left to the archive */
		{ "not to be had: 36 of 40 stay free", -5, 10, 30, 30 },
		{ "not to be had, within", -5, 37, 3, 0 },
		{ "an empty archive on a full disk", -5, 10, 0, 0 },
		{ "no more than there is", INT64_MAX, 500, 400, 343 },
		{ "most", -90, 100, 800, 743 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct retention_settings settings = { .reserve = cases[i].reserve };
		struct retention_facts f = facts(cases[i].free_mb, cases[i].stored_mb);
		struct retention_goal goal;

		goal = retention_goal(&settings, &f);
		CHECK_INT(goal.frames, 0);
		CHECK_INT(goal.why == RETENTION_NONE, cases[i].want_mb == 0);
		CHECK(goal.why == RETENTION_NONE || goal.why == RETENTION_SPACE);
		CHECK(goal.bytes >= 0);
		CHECK_INT((goal.bytes + MB - 1) / MB, cases[i].want_mb);
		if (test_failures)
			fprintf(stderr, "  %s\n", cases[i].name);
	}
}

TEST(an_empty_archive_may_grow_on_a_full_disk)
{
	struct retention_settings settings = { .reserve = -5 };
	int64_t free = 30 * MB, stored = 0;

	/* 100 frames come; what is stored stays near a tenth */
	for (int i = 0; i < 100; i++) {
		struct retention_facts f = facts(0, 0);
		struct retention_goal goal;

		f.free_bytes = free;
		f.stored_bytes = stored;
		f.incoming_bytes = MB / 10;
		goal = retention_goal(&settings, &f);
		CHECK(goal.bytes <= stored);
		stored += MB / 10 - goal.bytes;
		free -= MB / 10 - goal.bytes;
	}
	CHECK(stored > MB && stored <= 3 * MB);
}

TEST(inodes)
{
	static const struct {
		int64_t reserve, disk, free, stored;
		int64_t want;
	} cases[] = {
		{ -5, 10000, 501, 5000, 0 }, { -5, 10000, 500, 5000, 33 },
		{ 50 * MB, 10000, 1025, 5000, 0 }, { 50 * MB, 10000, 1000, 5000, 57 },
		{ 0, 10000, 0, 5000, 0 }, { -5, 0, 0, 5000, 0 }, /* no such limit */
		{ -50, 10000, 900, 100, 33 }, /* not to be had: 900 of 1000 stay free */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct retention_settings settings = { .reserve = cases[i].reserve };
		struct retention_facts f = facts(900, 50);
		struct retention_goal goal;

		f.disk_inodes = cases[i].disk;
		f.free_inodes = cases[i].free;
		f.stored_frames = cases[i].stored;
		goal = retention_goal(&settings, &f);
		CHECK_INT(goal.frames, cases[i].want);
		CHECK_INT(goal.why, cases[i].want ? RETENTION_INODES : RETENTION_NONE);
		CHECK_INT(goal.bytes, 0);
	}
}

/* btrfs and exFAT count no inodes, some servers tell no size: then there is no such limit. */
TEST(what_a_file_system_does_not_tell)
{
	static const int64_t reserves[] = { -5, -90, 50 * MB, INT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(reserves); i++) {
		const struct retention_settings settings = { .reserve = reserves[i] };
		struct retention_facts f = facts(0, 600);

		f.disk_bytes = f.disk_inodes = f.free_inodes = 0;
		CHECK_INT(retention_goal(&settings, &f).bytes, 0);
		CHECK_INT(retention_goal(&settings, &f).frames, 0);
		CHECK_INT(retention_goal(&settings, &f).why, RETENTION_NONE);
	}
}

TEST(size)
{
	static const struct {
		int64_t max_mb, stored_mb, want_mb;
	} cases[] = {
		{ 0, 900, 0 }, { 600, 599, 0 }, { 600, 600, 33 },
		{ 160, 200, 51 }, /* slack of a sixteenth */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct retention_settings settings = { .max_bytes = cases[i].max_mb * MB };
		struct retention_facts f = facts(900, cases[i].stored_mb);
		struct retention_goal goal = retention_goal(&settings, &f);

		CHECK_INT(goal.bytes / MB, cases[i].want_mb);
		CHECK_INT(goal.why, cases[i].want_mb ? RETENTION_SIZE : RETENTION_NONE);
	}
}

static void fill(struct retention_frame *frames, size_t n, int64_t first_us, int64_t step_us)
{
	for (size_t i = 0; i < n; i++) {
		frames[i].seq = 100 + i;
		frames[i].slot_us = first_us + (int64_t)i * step_us;
		frames[i].bytes = MB;
		frames[i].synced = true;
	}
}

TEST(age)
{
	struct retention_settings settings = { .keep_days = 10 };
	struct retention_facts f = facts(900, 50);
	struct retention_frame frames[10];
	struct retention_goal goal = retention_goal(&settings, &f);

	/* whole days: ten days ago at noon, so the day before that */
	CHECK_INT(goal.why, RETENTION_AGE);
	CHECK_INT(goal.before_us, INT64_C(19990) * DAY);
	fill(frames, 10, goal.before_us - 5 * DAY, DAY);
	CHECK_INT(retention_choose(&goal, frames, 10), 5);
	CHECK_INT(retention_choose(&goal, frames, 3), 3);
	CHECK_INT(retention_choose(&goal, frames + 5, 5), 0);
	/* times that are not known: old only where a later one is */
	frames[4].synced = false;
	frames[4].slot_us = 0;
	CHECK_INT(retention_choose(&goal, frames, 10), 4);
	frames[3].synced = false;
	frames[3].slot_us = NOW;
	frames[4].synced = true;
	frames[4].slot_us = goal.before_us - 1;
	CHECK_INT(retention_choose(&goal, frames, 10), 5);
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		frames[i].synced = false;
	CHECK_INT(retention_choose(&goal, frames, 10), 0);
	/* the clock is not known good: it may be years ahead */
	f.now_us = TIME_NONE;
	CHECK_INT(retention_goal(&settings, &f).why, RETENTION_NONE);
}

TEST(choosing)
{
	struct retention_settings settings = { .reserve = -5 };
	struct retention_facts f = facts(50, 640);
	struct retention_frame frames[50];
	struct retention_goal goal = retention_goal(&settings, &f);

	fill(frames, 50, NOW - DAY, 60 * US_PER_SEC);
	CHECK_INT(goal.bytes / MB, 33);
	CHECK_INT(retention_choose(&goal, frames, 50), 33);
	CHECK_INT(retention_choose(&goal, frames, 32), 32);
	goal.bytes = 0;
	goal.frames = 7;
	CHECK_INT(retention_choose(&goal, frames, 50), 7);
	goal.why = RETENTION_NONE;
	CHECK_INT(retention_choose(&goal, frames, 50), 0);
	CHECK_INT(retention_choose(&goal, frames, 0), 0);
}

TEST(emergency)
{
	struct retention_settings settings = { .reserve = -5 };
	struct retention_facts f = facts(900, 50);
	struct retention_frame frames[50];
	struct retention_goal goal = retention_emergency(&settings, &f);

	fill(frames, 50, NOW, DAY);
	CHECK_INT(goal.why, RETENTION_SPACE);
	CHECK_INT(retention_choose(&goal, frames, 50), 2);
	f.incoming_bytes = 0;
	goal = retention_emergency(&settings, &f);
	CHECK_INT(retention_choose(&goal, frames, 50), 1);
	settings.reserve = 0;
	CHECK_INT(retention_emergency(&settings, &f).why, RETENTION_NONE);
}

/* A day is a day also before 1970, and no number is too large. */
TEST(edges)
{
	struct retention_settings settings = {
		.reserve = -90, .keep_days = 36500, .max_bytes = INT64_MAX
	};
	struct retention_facts f = facts(0, 0);
	struct retention_goal goal;

	CHECK_INT(retention_day(-1), -1);
	CHECK_INT(retention_day(0), 0);
	CHECK_INT(retention_day(DAY - 1), 0);
	CHECK_INT(retention_day(DAY), 1);
	f.disk_bytes = f.free_bytes = f.stored_bytes = f.stored_frames = INT64_MAX;
	f.disk_inodes = f.free_inodes = f.incoming_bytes = INT64_MAX;
	goal = retention_goal(&settings, &f);
	CHECK(goal.bytes >= 0 && goal.frames >= 0);
	f.free_bytes = f.free_inodes = 0;
	goal = retention_goal(&settings, &f);
	CHECK(goal.bytes > INT64_MAX / 2 && goal.frames > INT64_MAX / 2);
	goal = retention_emergency(&settings, &f);
	CHECK(goal.bytes > INT64_MAX / 2);
	CHECK_STR(retention_why_name(RETENTION_SIZE), "size");
	CHECK_STR(retention_why_name(RETENTION_WHYS), "unknown");
}
