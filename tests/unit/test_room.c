/* SPDX-License-Identifier: MIT */
/* A puller's archive is kept small: what goes stays known, and is not wanted again. */
#include <sys/wait.h>

#include "tests/unit/room_kit.h"

static uint64_t count_lines(struct archive *archive, uint64_t *ret_frames)
{
	struct journal *local;
	struct record line;
	uint64_t n = 0;

	*ret_frames = 0;
	CHECK_INT(archive_local(archive, &local), 0);
	while (journal_find(local, n + 1, &line) == 0) {
		CHECK_STR(line.text, "space");
		*ret_frames += line.count;
		n++;
	}
	return n;
}

/*
 * A full disk, and the settings let old frames go: as many go as come, whoever filled it. What went
 * stays known.
 */
TEST(a_full_disk)
{
	struct camera_settings camera = { .reserve = 100 * MB };
	struct room room = room_of(&camera, &clock_real);
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record last;
	uint64_t gone, frames;
	char path[64];

	kit_make_folder(path);
	archive = open_copy(path);
	enter(&room, archive);
	disk_free = 300;
	for (uint64_t seq = 200; seq > 20; seq--) {
		CHECK_INT(admit(&room, archive), ROOM_FREE);
		bring(archive, &room, seq);
	}
	CHECK_INT(room.removed, 0);
	disk_free = 90;
	for (uint64_t seq = 201; seq <= 300; seq++) {
		CHECK_INT(admit(&room, archive), ROOM_FREE);
		bring(archive, &room, seq);
		/* each frame costs its line as well */
		CHECK(room.removed <= (seq - 200) * 2 + PRUNE_PER_FRAME);
	}
	CHECK(room.removed >= 100);
	gone = room_gone(&room);
	CHECK_INT(gone, 20 + room.removed);
	CHECK_INT(journal_holds(archive_journal(archive), gone), 1);
	CHECK_INT(count_frames(path), 280 - (int)room.removed);
	CHECK(count_lines(archive, &frames) > 0);
	CHECK_INT(frames, room.removed);
	CHECK_INT(archive_last_removal(archive, &last), 0);
	CHECK_INT(last.last_seq, gone);
	/* a new one comes by somebody else */
	bring(archive, NULL, 301);
	room_refresh(&room, archive);
	CHECK_INT(pruner_totals(room.pruner).frames, 281 - (int)room.removed);
	room_close(&room);
	/* the next visit knows all that */
	enter(&room, archive);
	CHECK_INT(pruner_totals(room.pruner).frames, 281 - (int)room.removed);
	CHECK_INT(pruner_totals(room.pruner).gone, gone);
	CHECK_INT(findings(path), 0);
	room_close(&room);
	room_close(&room);
	test_remove_folder(path);
}

/* By default nothing goes: a full disk is full, and whoever wants to write is told. */
TEST(nothing_goes_by_default)
{
	struct camera_settings camera = { .keep_at_least_us = 0 };
	struct room room = room_of(&camera, &clock_real);
	struct room_facts facts;
	struct archive *archive;
	char path[64], text[PULL_ERROR_MAX];

	kit_make_folder(path);
	archive = open_copy(path);
	for (uint64_t seq = 1; seq <= 50; seq++)
		bring(archive, NULL, seq);
	room_open(&room, archive);
	CHECK(!room.pruner);
	disk_free = 51; /* 5 % are 50 */
	CHECK_INT(admit_bytes(&room, archive, MB - 4096), ROOM_FREE);
	CHECK_INT(admit_bytes(&room, archive, MB), ROOM_DISK);
	CHECK(strstr(room_describe(ROOM_DISK, &camera, &facts, text, sizeof text), "full"));
	CHECK_INT(room_check(&room, archive, &facts), ROOM_FREE);
	disk_free = 50;
	CHECK_INT(room_admit(&room, archive, NULL, 512, NULL), ROOM_DISK);
	CHECK_INT(room_check(&room, archive, &facts), ROOM_DISK);
	CHECK_INT(room.removed, 0);
	CHECK_INT(count_frames(path), 50);
	/* the settings of old, and the word for it */
	camera.reserve = 50 * MB;
	CHECK(room_removes(&camera));
	camera.when_full = WHEN_FULL_STOP;
	CHECK(!room_removes(&camera));
	camera = (struct camera_settings){ .when_full = WHEN_FULL_REMOVE };
	CHECK(room_removes(&camera));
	archive_free(archive);
	test_remove_folder(path);
}

/* What came less than keep_at_least ago stays, whatever its own time is; what is older goes. */
TEST(kept_at_least)
{
	struct clock_fake fake = clock_fake(clock_wall_us(&clock_real));
	struct camera_settings camera = { .when_full = WHEN_FULL_REMOVE,
		.keep_at_least_us = 30 * 24 * 60 * KIT_MINUTE };
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 31 * 86400 },
		{ .tv_sec = time(NULL) - 31 * 86400 } };
	struct room room = room_of(&camera, &fake.clock);
	struct archive *archive;
	uint8_t jpeg[KIT_JPEG_BYTES];
	char path[64];

	kit_make_folder(path);
	archive = open_copy(path);
	for (uint64_t seq = 1; seq <= 50; seq++)
		bring(archive, NULL, seq);
	enter(&room, archive);
	disk_free = 40;
	for (int i = 0; i < 10; i++)
		CHECK_INT(admit(&room, archive), ROOM_DISK);
	CHECK_INT(room.removed, 0);
	room_close(&room);
	for (uint64_t seq = 1; seq <= 5; seq++) {
		struct record frame = wire_frame(seq, jpeg);
		const struct frame_name name = record_name(&frame);
		char file[FRAME_PATH_MAX];

		CHECK_INT(frame_name_path(&name, file), 0);
		CHECK_INT(utimensat(archive_root_fd(archive), file, old, 0), 0);
	}
	/* without a clock that is right nothing is old */
	fake.synced = false;
	enter(&room, archive);
	CHECK_INT(admit(&room, archive), ROOM_DISK);
	CHECK_INT(room.removed, 0);
	fake.synced = true;
	CHECK_INT(admit(&room, archive), ROOM_FREE);
	CHECK(room.removed > 0);
	for (uint64_t seq = 51; seq < 60 && admit(&room, archive) == ROOM_FREE; seq++)
		bring(archive, &room, seq);
	CHECK_INT(admit(&room, archive), ROOM_DISK);
	CHECK_INT(room.removed, 5);
	CHECK_INT(room_gone(&room), 5);
	room_close(&room);
	archive_free(archive);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* A day's bytes are counted over all processes, a new day begins with none. */
TEST(a_day)
{
	struct clock_fake fake = clock_fake(KIT_SLOT);
	struct camera_settings camera = { .daily_bytes = 100000, .when_full = WHEN_FULL_REMOVE };
	struct room_facts facts;
	struct archive *archive;
	int came = 0;
	char path[64], text[PULL_ERROR_MAX];

	kit_make_folder(path);
	archive = open_copy(path);
	bring(archive, NULL, 1);
	disk_free = 500;
	for (; came < 100; came++) {
		struct room room = room_of(&camera, &fake.clock);

		if (admit(&room, archive) != ROOM_FREE)
			break;
		room_charge(&room, archive, 5000, KIT_JPEG_BYTES, 1);
	}
	CHECK_INT(came, 20);
	{
		struct room room = room_of(&camera, &fake.clock);

		CHECK_INT(room_admit(&room, archive, NULL, 1000, &facts), ROOM_DAY);
		room_describe(ROOM_DAY, &camera, &facts, text, sizeof text);
		CHECK(strstr(text, "daily_bytes"));
		/* nothing goes for what is too much anyway */
		disk_free = 10;
		CHECK(admit(&room, archive) != ROOM_FREE);
		CHECK_INT(room.removed, 0);
		disk_free = 500;
		fake.wall_us += 24 * 60 * KIT_MINUTE;
		CHECK_INT(room_admit(&room, archive, NULL, 1000, &facts), ROOM_FREE);
		CHECK_INT(facts.used_bytes, 0);
	}
	archive_free(archive);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* A camera's numbers go ahead once a day, in whatever process; each segment that begins costs. */
TEST(numbers_of_a_day)
{
	const int64_t day_us = 24 * 60 * KIT_MINUTE;
	struct clock_fake fake = clock_fake(KIT_SLOT / day_us * day_us);
	struct camera_settings camera = { .name = "garden" };
	struct record lines[3];
	struct archive *archive;
	uint64_t last = 1;
	char path[64];

	kit_make_folder(path);
	archive = open_copy(path);
	bring(archive, NULL, last);
	disk_free = 500;
	for (int i = 0; i < 40; i++) {
		struct room room = room_of(&camera, &fake.clock);
		const uint64_t reach = room_reach(&room, archive, last, i == 0 ? day_us : 0);
		struct record frame = kit_frame(KIT_SLOT);

		/* ten sessions a day; the time since the last contact counts in the first */
		CHECK_INT(reach, 1 + 864000 + (uint64_t)(i / 10 + 1) * SEQ_JUMP_MAX);
		last = i % 10 == 9 ? reach : last + SEQ_JUMP_MAX / 20;
		frame.seq = last;
		room_charge(&room, archive, room_cost(&room, &frame), frame.bytes, 1);
		fake.wall_us += day_us / 10;
	}
	{
		struct room room = room_of(&camera, &fake.clock);

		CHECK_INT(room_reach(&room, NULL, 0, 0), SEQ_MAX);
		/* one of this day that cannot be is none */
		fake.wall_us -= day_us / 10;
		CHECK_INT(room_reach(&room, archive, SEQ_MAX - 5, 0), SEQ_MAX);
		room.segment = 7;
		for (int i = 0; i < 3; i++)
			lines[i].seq = 7 * SEGMENT_LINES + (uint64_t)i;
		CHECK_INT(room_cost_lines(&room, lines, 3), 3 * 512);
		for (int i = 1; i < 3; i++)
			lines[i].seq += SEGMENT_LINES * (uint64_t)i;
		CHECK_INT(room_cost_lines(&room, lines, 3), 3 * 512 + 2 * 4096);
	}
	archive_free(archive);
	test_remove_folder(path);
}

/* Counted once, then kept up by whoever stores; no pruner is needed where nothing goes. */
TEST(so_many_frames)
{
	struct camera_settings camera = { .max_frames = 12, .keep_at_least_us = 1 };
	struct room room = room_of(&camera, &clock_real);
	struct archive *archive;
	char path[64];

	kit_make_folder(path);
	archive = open_copy(path);
	disk_free = 500;
	for (uint64_t seq = 1; seq <= 10; seq++)
		bring(archive, NULL, seq);
	for (uint64_t seq = 11; seq <= 12; seq++) {
		CHECK_INT(admit(&room, archive), ROOM_FREE);
		bring(archive, &room, seq);
	}
	CHECK_INT(admit(&room, archive), ROOM_FRAMES);
	CHECK(!room.pruner);
	camera.max_frames = 0;
	camera.max_bytes = 12 * KIT_JPEG_BYTES;
	CHECK_INT(admit(&room, archive), ROOM_BYTES);
	/* lines need no frame's room */
	camera.max_bytes = 0;
	camera.max_frames = 12;
	CHECK_INT(room_admit(&room, archive, NULL, 512, NULL), ROOM_FREE);
	CHECK_INT(count_frames(path), 12);
	archive_free(archive);
	test_remove_folder(path);
}

TEST(budgets)
{
	static const struct {
		double per_day;
		int64_t frame, room;
		unsigned sharers;
		int when_full;
		int64_t daily, want;
	} cases[] = {
		{ 0, 0, 100 * 1024, 1, WHEN_FULL_STOP, 0, 100 * 1024 }, /* nothing is known */
		{ 0, 0, 900, 3, WHEN_FULL_STOP, 0, 300 },
		{ 1440, 100000, INT64_C(1) << 40, 1, WHEN_FULL_STOP, 0, INT64_C(230400000000) },
		{ 10, 1000, INT64_C(1) << 40, 1, WHEN_FULL_STOP, 0, INT64_C(4) << 30 },
		{ 864000, 64 << 20, INT64_C(1) << 40, 4, WHEN_FULL_STOP, 0, INT64_C(1) << 38 },
		{ 1440, 100000, 0, 1, WHEN_FULL_STOP, 0, 0 },
		{ 1440, 100000, 0, 1, WHEN_FULL_REMOVE, 0, INT64_C(1) << 30 },
		{ 14400, 100000, 0, 1, WHEN_FULL_REMOVE, 0, INT64_C(5760000000) },
		{ 1440, 100000, 0, 1, WHEN_FULL_STOP, 77, 77 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct camera_settings camera = { .daily_bytes = cases[i].daily,
			.when_full = cases[i].when_full };

		CHECK_INT(room_budget(&camera, cases[i].per_day, cases[i].frame, cases[i].room,
				  cases[i].sharers),
			cases[i].want);
	}
}

/* Killed in the middle of it: all is counted again, and what is gone stays gone. */
TEST(after_a_crash)
{
	struct camera_settings camera = { .reserve = 100 * MB };
	struct room room = room_of(&camera, &clock_real);
	struct archive *archive;
	uint64_t gone, removed;
	char path[64];
	pid_t pid;
	int status;

	kit_make_folder(path);
	archive = open_copy(path);
	for (uint64_t seq = 60; seq > 20; seq--)
		bring(archive, NULL, seq);
	archive_free(archive);
	pid = fork();
	if (pid == 0) {
		archive = open_copy(path);
		enter(&room, archive);
		disk_free = 95;
		admit(&room, archive);
		_exit(room_gone(&room) == 20 + room.removed ? (int)room.removed : 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	removed = (uint64_t)WEXITSTATUS(status);
	CHECK(removed > 1);
	CHECK_STR(kit_read(path, "journal/retention"), "");
	archive = open_copy(path);
	enter(&room, archive);
	CHECK_INT(room_gone(&room), 20 + removed);
	/* the last line's frames may be there still, so those are counted */
	CHECK_INT(pruner_totals(room.pruner).first, 21);
	disk_free = 200;
	CHECK_INT(admit(&room, archive), ROOM_FREE);
	CHECK_INT(room_gone(&room), 20 + removed);
	CHECK_INT(room.removed, 0);
	disk_free = 99;
	/* what was removed before is not used up yet */
	CHECK_INT(admit(&room, archive), ROOM_FREE);
	CHECK_INT(room.removed, 0);
	CHECK_INT(admit_bytes(&room, archive, 20 * KIT_JPEG_BYTES), ROOM_FREE);
	gone = room_gone(&room);
	CHECK(gone > 20 + removed);
	CHECK_INT(count_frames(path), 40 - (int)removed - (int)room.removed);
	CHECK_INT(pruner_totals(room.pruner).frames, count_frames(path));
	room_close(&room);
	archive_free(archive);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

TEST(since)
{
	struct clock_fake fake = clock_fake(KIT_SLOT);
	struct camera_settings camera = { .keep_days = 0 };
	int64_t midnight = KIT_SLOT - KIT_SLOT % (24 * 60 * KIT_MINUTE);

	CHECK(room_since(&camera, &fake.clock) == TIME_NONE);
	camera.keep_days = 2;
	CHECK_INT(room_since(&camera, &fake.clock), midnight - 2 * 24 * 60 * KIT_MINUTE);
	fake.synced = false;
	CHECK(room_since(&camera, &fake.clock) == TIME_NONE);
}

/* A fetch leaves it to the sync that is under way; without one it does it itself. */
TEST(tidying_up)
{
	struct clock_fake fake = clock_fake(KIT_SLOT + 10 * 24 * 60 * KIT_MINUTE);
	struct camera_settings camera = { .keep_days = 8,
		.keep_at_least_us = 30 * 24 * 60 * KIT_MINUTE };
	struct room room = room_of(&camera, &fake.clock);
	struct archive *archive;
	char path[64];
	int lock_fd = -1;

	kit_make_folder(path);
	archive = open_copy(path);
	for (uint64_t seq = 1; seq <= 300; seq++)
		bring(archive, NULL, seq);
	CHECK_INT(archive_lock_copy(archive, 0, &lock_fd), 0);
	room_tidy(&room, archive);
	CHECK_INT(room.removed, 0);
	CHECK_INT(room.error, 0);
	close(lock_fd);
	room_tidy(&room, archive);
	CHECK_INT(room.error, 0);
	CHECK_INT(room.removed, ROOM_FRAMES_MAX);
	CHECK_INT(count_frames(path), 300 - ROOM_FRAMES_MAX);
	archive_free(archive);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* What goes wrong with it is told. */
TEST(an_archive_that_is_not_ours_now)
{
	struct archive_options options = { .mode = ARCHIVE_READ, .copy = true };
	struct camera_settings camera = { .reserve = -5 };
	struct room room = room_of(&camera, &clock_real);
	CLEANUP(archive_freep) struct archive *archive = NULL;
	char path[64];

	kit_make_folder(path);
	kit_publish_some(path, 3);
	CHECK_INT(archive_open(path, &options, &archive), 0);
	enter(&room, archive);
	disk_free = 10;
	CHECK_INT(admit(&room, archive), ROOM_DISK);
	CHECK_INT(room.error, -EROFS);
	room_close(&room);
	CHECK_INT(findings(path), 0);
	test_remove_folder(path);
}

/* The day on which the disk is full: what is free above the reserve, by what comes in a day. */
TEST(a_forecast)
{
	const struct camera_settings camera = { .reserve = 1 };
	struct clock_fake fake = clock_fake(KIT_SLOT);
	const double growth = 24 * 60 * (KIT_JPEG_BYTES + 4096);
	struct archive *archive;
	struct room_view view;
	double days;
	char path[64];

	kit_make_folder(path);
	archive = open_copy(path);
	CHECK_INT(room_look(&camera, archive, &fake.clock, &view), 0);
	CHECK(view.full_us == TIME_NONE);
	for (uint64_t seq = 1; seq <= 40; seq++) /* one a minute */
		bring(archive, NULL, seq);
	CHECK_INT(room_look(&camera, archive, &fake.clock, &view), 0);
	days = (double)view.room_bytes / growth;
	CHECK(view.full_us != TIME_NONE || days >= 36500);
	if (view.full_us != TIME_NONE)
		CHECK((view.full_us - fake.wall_us) / (24 * 60 * KIT_MINUTE) == (int64_t)days);
	archive_free(archive);
	test_remove_folder(path);
}
