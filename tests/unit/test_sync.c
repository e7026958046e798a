/* SPDX-License-Identifier: MIT */
/* Whole syncs against scripted cameras: what is asked for, and what each failure leaves behind. */
#include "tests/unit/clock_kit.h"
#include "tests/unit/sync_kit.h"

#include <time.h>

#define OTHER_ID "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11"

static struct clock_fake slept;

/* Stands before libc's own: a back-off goes by at once, on a clock of its own. */
int nanosleep(const struct timespec *request, struct timespec *ret)
{
	(void)ret;
	if (slept.clock.mono_ns)
		clock_fake_advance(
			&slept, request->tv_sec * US_PER_SEC + request->tv_nsec / NS_PER_US);
	return 0;
}

TEST(all_newest_first_then_nothing)
{
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 3);
	say_list(peer, 1, 3);
	say_frame(peer, 3);
	say_frame(peer, 2);
	say_frame(peer, 1);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(run.commands[0], "capturepi serve");
	CHECK_STR(peer->written, "list 1 3\nframe 3\nframe 2\nframe 1\n");
	CHECK_INT(run.result.frames, 3);
	CHECK_INT(run.result.left, 0);
	CHECK_INT(count_frames(run.camera.archive), 3);
	peer = camera(KIT_ID, 3);
	say(peer, ".\n");
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(run.commands[0], "capturepi serve list 3 33");
	CHECK_STR(peer->written, "");
	CHECK_INT(run.result.frames, 0);
	/* two came since; the first question finds them */
	peer = camera(KIT_ID, 5);
	say_list(peer, 4, 5);
	say_frame(peer, 5);
	say_frame(peer, 4);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "frame 5\nframe 4\n");
	CHECK_INT(count_frames(run.camera.archive), 5);
	run_end();
}

/*
 * What retention has removed here, and all that is older, is neither listed nor fetched nor waited
 * for.
 */
TEST(what_was_removed_here_is_not_wanted)
{
	static const char retention[] =
		"{\"format\":1,\"next\":10,\"first\":5,\"gone\":4,\"bytes\":9000,\"frames\":3}\n";
	struct peer *peer;
	char file[100];

	run_init();
	peer = camera(KIT_ID, 9);
	say_list(peer, 1, 9);
	for (uint64_t seq = 9; seq > 6; seq--)
		say_frame(peer, seq);
	peer->end = -ECONNRESET;
	run.n_peers = 1;
	camera(OTHER_ID, 9); /* ends the run */
	CHECK_INT(sync_run(), CLI_PROTOCOL);
	CHECK_INT(run.result.frames, 3);
	snprintf(file, sizeof file, "%.80s", run.camera.archive);
	kit_write(file, "journal/retention", retention, sizeof retention - 1, O_TRUNC);
	peer = camera(KIT_ID, 9);
	say(peer, ".\n");
	say_list(peer, 5, 6);
	say_frame(peer, 6);
	say_frame(peer, 5);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 5 2\nframe 6\nframe 5\n");
	CHECK_INT(run.result.frames, 2);
	CHECK_INT(run.result.left, 0);
	run_end();
}

TEST(camera_without_a_line)
{
	run_init();
	camera(KIT_ID, 0);
	CHECK_INT(sync_run(), CLI_OK);
	/* not even a folder is made for it */
	CHECK_INT(access(run.camera.archive, F_OK), -1);
	run_end();
}

TEST(goes_on_in_the_middle_of_a_frame)
{
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 3);
	say_list(peer, 1, 3);
	say_frame(peer, 3);
	say_part(peer, 2, 0, 1234);
	peer->end = -ECONNRESET;
	peer = camera(KIT_ID, 3);
	say(peer, ".\n");
	say_list(peer, 1, 2);
	say_part(peer, 2, 1234, 2000);
	/* the end of the stream, without any error: a camera that restarts */
	peer = camera(KIT_ID, 4);
	say_list(peer, 4, 4);
	say_frame(peer, 4);
	say_list(peer, 1, 2);
	say_part(peer, 2, 2000, KIT_JPEG_BYTES);
	say_frame(peer, 1);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(run.commands[1], "capturepi serve list 3 33");
	CHECK_STR(run.peers[1].written, "list 1 2\nframe 2 1234\nframe 1\n");
	CHECK_STR(run.peers[2].written, "frame 4\nlist 1 2\nframe 2 2000\nframe 1\n");
	CHECK_INT(run.result.resumed, 1);
	CHECK_INT(run.result.frames, 4);
	CHECK_INT(run.result.bytes, 4 * KIT_JPEG_BYTES);
	CHECK_INT(run.result.connections, 3);
	CHECK_INT(count_frames(run.camera.archive), 4);
	run_end();
}

static int tries_in_vain;

/* The link is there once, then away for so many tries. */
static int connect_in_vain(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	if (run.n_used != 1 || tries_in_vain-- == 0)
		return connect_peer(camera, command, deadline_ns, ret_stream, ret_why, error, size);
	*ret_why = CONNECT_SILENT;
	snprintf(error, size, "nobody there");
	return CLI_TEMPFAIL;
}

TEST(a_blackout_is_made_up_for)
{
	struct peer *peer;

	run_init();
	run.options.connect = connect_in_vain;
	tries_in_vain = 10000;
	peer = camera(KIT_ID, 1);
	say_list(peer, 1, 1);
	say_part(peer, 1, 0, 1234);
	peer->end = -ECONNRESET;
	peer = camera(KIT_ID, 1);
	say_list(peer, 1, 1);
	say_part(peer, 1, 1234, KIT_JPEG_BYTES);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_INT(tries_in_vain, -1);
	CHECK_INT(run.result.bytes, KIT_JPEG_BYTES);
	run_end();
}

TEST(ten_minutes_without_a_byte)
{
	struct peer *peer;
	int64_t start_us;

	run_init();
	slept = clock_fake(KIT_SLOT);
	start_us = slept.wall_us;
	run.options.clock = &slept.clock;
	run.options.silent_max_us = 600 * US_PER_SEC;
	run.options.connect = connect_in_vain;
	tries_in_vain = 10000;
	peer = camera(KIT_ID, 1);
	say_list(peer, 1, 1);
	say_part(peer, 1, 0, 1234);
	peer->end = -ECONNRESET;
	CHECK_INT(sync_run(), CLI_TEMPFAIL);
	CHECK(slept.wall_us - start_us >= 600 * US_PER_SEC);
	CHECK(slept.wall_us - start_us < 610 * US_PER_SEC);
	CHECK_INT(run.result.frames, 0);
	run_end();
}

/* As a fetch of version 0.1 does, which receives into a file of its own. */
static void store_newest(void)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.camera = "garden",
		.id = KIT_ID,
		.copy = true,
		.wait_until_ns = deadline_in(5 * US_PER_SEC),
		.who = "fetch" };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(2, jpeg);
	const struct frame_name name = record_name(&frame);
	char path[FRAME_PATH_MAX], folder[600];

	CHECK_INT(archive_open(run.camera.archive, &options, &archive), 0);
	CHECK_INT(frame_name_path(&name, path), 0);
	snprintf(folder, sizeof folder, "%s/" KIT_DAY, run.camera.archive);
	CHECK_INT(fs_make_folders(folder, 0777), 0);
	kit_write(run.camera.archive, path, jpeg, sizeof jpeg, 0);
	CHECK_INT(journal_append_record(archive_journal(archive), &frame, true), 0);
}

/* Both are at the same frame, and the fetch is quicker. */
TEST(a_fetch_brings_it_in_the_meantime)
{
	struct peer *peer;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(2, jpeg);

	run_init();
	peer = camera(KIT_ID, 2);
	say_list(peer, 1, 2);
	say_record(peer, &frame);
	fwrite(jpeg, 1, 1500, peer->out);
	fflush(peer->out);
	peer->between_at = peer->len;
	peer->between = store_newest;
	fwrite(jpeg + 1500, 1, KIT_JPEG_BYTES - 1500, peer->out);
	say_frame(peer, 1);
	peer->piece = 100;
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_INT(run.result.frames, 1);
	CHECK_INT(run.result.left, 0);
	CHECK_INT(count_frames(run.camera.archive), 2);
	run_end();
}

static void say_damaged(struct peer *peer, uint64_t seq)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	jpeg[1000] ^= 1;
	say_record(peer, &frame);
	fwrite(jpeg, 1, sizeof jpeg, peer->out);
}

TEST(damaged_once)
{
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 2);
	say_list(peer, 1, 2);
	say_damaged(peer, 2);
	say_frame(peer, 1);
	say_frame(peer, 2);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 1 2\nframe 2\nframe 1\nframe 2\n");
	CHECK_INT(count_frames(run.camera.archive), 2);
	run_end();
}

TEST(damaged_always)
{
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 2);
	say_list(peer, 1, 2);
	say_damaged(peer, 2);
	say_frame(peer, 1);
	say_damaged(peer, 2);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 1 2\nframe 2\nframe 1\nframe 2\n");
	CHECK(strstr(run.result.damage, "frame 2"));
	CHECK_INT(run.result.damaged_new, 1);
	CHECK_INT(run.result.left, 0);
	CHECK_INT(count_frames(run.camera.archive), 1);
	/* an old capturepi does not look into the file: it is fetched once more */
	peer = camera(KIT_ID, 2);
	say_list(peer, 1, 2);
	say_part(peer, 2, 0, 0);
	say_damaged(peer, 2);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "frame 2 3000\nframe 2\n");
	CHECK_INT(run.result.damaged, 1);
	CHECK_INT(run.result.damaged_new, 0);
	run_end();
}

TEST(what_the_camera_has_no_more)
{
	struct record prune = record_new(RECORD_PRUNE), miss = kit_miss(KIT_SLOT);
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame;
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 6);
	prune.seq = 6;
	prune.first_seq = 1;
	prune.last_seq = 2;
	prune.bytes = 1;
	snprintf(prune.text, sizeof prune.text, "age");
	for (uint64_t seq = 1; seq <= 4; seq++) {
		frame = wire_frame(seq, jpeg);
		say_record(peer, &frame);
	}
	miss.seq = 5;
	say_record(peer, &miss);
	say_record(peer, &prune);
	say(peer, ".\n");
	say_frame(peer, 4);
	say(peer, "{\"error\":\"pruned\",\"text\":\"gone\"}\n");
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 1 6\nframe 4\nframe 3\n");
	CHECK_INT(run.result.gone, 1);
	CHECK_INT(run.result.lines, 2);
	CHECK_INT(run.result.left, 0);
	/* that is the camera's word, and is asked again; nobody is told of the same answer */
	peer = camera(KIT_ID, 6);
	say(peer, ".\n");
	say_list(peer, 1, 3);
	for (int i = 0; i < 3; i++)
		say(peer, "{\"error\":\"pruned\",\"text\":\"gone\"}\n");
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 1 3\nframe 3 3000\nframe 2 3000\nframe 1 3000\n");
	CHECK_INT(run.result.gone, 0);
	CHECK_INT(run.result.left, 0);
	run_end();
}

TEST(a_look_stores_nothing)
{
	struct peer *peer;

	run_init();
	run.options.dry_run = true;
	run.options.since_us = KIT_SLOT + 2 * KIT_MINUTE;
	peer = camera(KIT_ID, 3);
	say_list(peer, 1, 3);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 1 3\n");
	CHECK_INT(run.result.found, 2);
	CHECK_INT(run.result.found_bytes, 2 * KIT_JPEG_BYTES);
	CHECK_INT(access(run.camera.archive, F_OK), -1);
	run_end();
}

TEST(only_since_then)
{
	struct peer *peer;

	run_init();
	run.options.since_us = KIT_SLOT + 40 * KIT_MINUTE;
	peer = camera(KIT_ID, 41);
	say_list(peer, 10, 41);
	say_frame(peer, 41);
	/* the second list is asked for ahead; then it is clear that all the rest is older */
	say_list(peer, 1, 9);
	say_frame(peer, 40);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 10 32\nframe 41\nlist 1 9\nframe 40\n");
	CHECK_INT(run.result.frames, 2);
	CHECK_INT(run.result.left, 39);
	run_end();
}

static void say_frame_as(struct peer *peer, uint64_t seq, int64_t bytes, int64_t slot_us)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	frame.bytes = bytes;
	frame.slot_us = slot_us ? slot_us : frame.slot_us;
	frame.exposed_us = frame.slot_us;
	frame.late_us = 0;
	say_record(peer, &frame);
	fwrite(jpeg, 1, sizeof jpeg, peer->out);
}

/* Nothing of it may be stored, and nothing may hang. */
TEST(cameras_that_lie)
{
	enum { OTHER, LONGER, MOVED, MISS, DOT, ENDLESS, LOWER, GARBAGE, FAILED, N_LIES };

	for (int lie = 0; lie < N_LIES; lie++) {
		struct record miss = kit_miss(KIT_SLOT);
		struct peer *peer;

		run_init();
		peer = camera(KIT_ID, 2);
		miss.seq = 2;
		if (lie == ENDLESS) {
			for (int i = 0; i < 10; i++)
				say_record(peer, &miss);
		} else if (lie == LOWER) {
			say(peer,
				"{\"seq\":0,\"slot\":\"2026-11-20T16:01:00Z\",\"miss\":\"camera\"}"
				"\n");
		} else if (lie == GARBAGE) {
			say(peer, "hello\n");
		} else if (lie == FAILED) {
			say(peer, "{\"error\":\"failed\",\"text\":\"on fire\"}\n");
		} else {
			say_list(peer, 1, 2);
		}
		switch (lie) {
		case OTHER:
			say_frame(peer, 1);
			break;
		case LONGER:
			say_frame_as(peer, 2, KIT_JPEG_BYTES + 1, 0);
			break;
		case MOVED:
			say_frame_as(peer, 2, KIT_JPEG_BYTES, KIT_SLOT);
			break;
		case MISS:
			say_record(peer, &miss);
			break;
		case DOT:
			say(peer, ".\n");
			break;
		}
		CHECK_INT(sync_run(), CLI_PROTOCOL);
		CHECK(count_frames(run.camera.archive) == 0);
		run_end();
	}
}

TEST(another_archive)
{
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 1);
	say_list(peer, 1, 1);
	say_frame(peer, 1);
	CHECK_INT(sync_run(), CLI_OK);
	peer = camera(OTHER_ID, 1);
	say(peer, ".\n");
	CHECK_INT(sync_run(), CLI_PROTOCOL);
	CHECK(strstr(run.result.error, "mv "));
	CHECK_STR(peer->written, "");
	run_end();
}

/* A frame whose file cannot be read over there ends each stream; the older ones still come. */
TEST(a_frame_that_ends_every_stream)
{
	struct peer *peer;

	run_init();
	for (int i = 0; i < 2; i++) {
		peer = camera(KIT_ID, 2);
		say_list(peer, 1, 2);
		say_part(peer, 2, 0, 0);
	}
	peer = camera(KIT_ID, 2);
	say(peer, ".\n");
	say_list(peer, 1, 1);
	say_frame(peer, 1);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK(strstr(run.result.damage, "frame 2"));
	CHECK_INT(run.result.frames, 1);
	run_end();
}

/* Frames that retention would remove at once are not fetched. */
TEST(what_is_too_old_is_not_fetched)
{
	struct clock_fake fake = clock_fake(KIT_SLOT + 2 * 24 * 60 * KIT_MINUTE);
	struct peer *peer;
	int64_t start = KIT_SLOT + 8 * 60 * KIT_MINUTE - 2 * KIT_MINUTE;

	run_init();
	run.options.clock = &fake.clock;
	run.camera.keep_days = 1;
	/* frames are a minute apart: 478 is the last one of its day */
	CHECK_INT(start, KIT_SLOT + 478 * KIT_MINUTE);
	peer = camera(KIT_ID, 480);
	say_list(peer, 449, 480);
	say_frame(peer, 480);
	say_list(peer, 385, 448);
	say_frame(peer, 479);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "list 449 32\nframe 480\nlist 385 64\nframe 479\n");
	CHECK_INT(run.result.frames, 2);
	CHECK_INT(run.result.left, 0);
	run_end();
}

/* ---- a picture of the year 2100 */

struct dates {
	enum session_plan plan;
	bool synced, ours_synced; /* the frame's clock was set; ours is */
	int64_t camera_us; /* the camera's clock */
	int code, stored;
};

static void expect_dated(const struct dates *dates)
{
	struct clock_fake clock = clock_fake(KIT_SLOT + KIT_MINUTE);
	const int64_t year_2100_us = INT64_C(4102444800) * US_PER_SEC;
	struct wire_greeting greeting = { .camera = "garden", .id = KIT_ID, .first = 1, .last = 1 };
	char line[LINE_MAX_BYTES + 1];
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(1, jpeg);
	struct peer *peer;

	run_init();
	clock.synced = dates->ours_synced;
	run.options.plan = dates->plan;
	run.options.clock = &clock.clock;
	peer = &run.peers[run.n_peers++];
	peer_init(peer);
	greeting.schedule = (struct wire_schedule){ dates->camera_us, TIME_NONE, TIME_NONE,
		TIME_NONE, WIRE_RUNNING_UNKNOWN };
	CHECK(wire_greeting_format(&greeting, line) > 0);
	say(peer, line);
	frame.synced = dates->synced;
	frame.slot_us = frame.exposed_us = year_2100_us;
	if (dates->plan == PLAN_BACKLOG) {
		say_record(peer, &frame);
		say(peer, ".\n");
	}
	say_record(peer, &frame);
	fwrite(jpeg, 1, sizeof jpeg, peer->out);
	CHECK_INT(sync_run(), dates->code);
	CHECK_INT(count_frames(run.camera.archive), dates->stored);
	if (!dates->stored && dates->plan == PLAN_BACKLOG)
		CHECK(run.result.damaged_new == 1 && strstr(run.result.damage, "both clocks"));
	else if (!dates->stored)
		CHECK(strstr(run.result.error, "2100-01-01"));
	run_end();
}

/*
 * It is refused where the camera's own clock contradicts it; else the clocks disagree, and it is
 * kept.
 */
TEST(later_than_both_clocks)
{
	const int64_t now_us = KIT_SLOT, ahead_us = INT64_C(4102444800) * US_PER_SEC + KIT_MINUTE;
	const struct dates rows[] = {
		{ PLAN_NEWEST, true, true, now_us, CLI_PROTOCOL, 0 },
		{ PLAN_BACKLOG, true, true, now_us, CLI_OK, 0 },
		{ PLAN_NEWEST, true, true, ahead_us, CLI_OK, 1 },
		{ PLAN_BACKLOG, true, true, ahead_us, CLI_OK, 1 },
		{ PLAN_NEWEST, true, false, now_us, CLI_OK, 1 },
		{ PLAN_BACKLOG, false, true, now_us, CLI_OK, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_dated(&rows[i]);
}
