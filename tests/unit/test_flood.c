/* SPDX-License-Identifier: MIT */
/*
 * Cameras that send without end, on a small disk that they share with another: they cost their own
 * budget, no picture that is held, and each visit that is refused says so. The disk is made here:
 * it has as much free as the files of the test's folder leave.
 */
#include <sys/statvfs.h>

#include "common/commands/cli.h"
#include "pull/session/room.h"
#include "pull/session/session.h"
#include "tests/unit/pull_kit.h"

#define BLOCK 4096
#define BLOCKS 400 /* of the disk; 5 % are 20 */
#define VISITS_MAX 1000

static struct {
	char folder[64];
	struct pull_settings *settings;
	struct camera_settings *bad, *good;
	struct session_result result;
	struct peer peer;
} run;

static fsblkcnt_t used_blocks;

static int add_blocks(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)path, (void)flag, (void)ftw;
	used_blocks += S_ISREG(st->st_mode) ? (fsblkcnt_t)(st->st_size + BLOCK - 1) / BLOCK : 0;
	return 0;
}

/* Stands before libc's own. */
int fstatvfs(int fd, struct statvfs *ret)
{
	(void)fd;
	used_blocks = 0;
	nftw(run.folder, add_blocks, 16, FTW_PHYS);
	*ret = (struct statvfs){ .f_blocks = BLOCKS, .f_frsize = BLOCK };
	ret->f_bavail = used_blocks < BLOCKS ? BLOCKS - used_blocks : 0;
	return 0;
}

static fsblkcnt_t free_blocks(void)
{
	struct statvfs st;

	fstatvfs(-1, &st);
	return st.f_bavail;
}

static int connect_peer(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	(void)camera, (void)command, (void)deadline_ns, (void)error, (void)size;
	*ret_why = CONNECT_DONE;
	*ret_stream = peer_start(&run.peer);
	return CLI_OK;
}

static struct camera_settings *add_camera(const char *name)
{
	struct camera_settings *camera = &run.settings->cameras[run.settings->n_cameras++];

	snprintf(camera->name, sizeof camera->name, "%s", name);
	snprintf(camera->archive, sizeof camera->archive, "%s/%s", run.folder, name);
	camera->keep_at_least_us = 30 * INT64_C(24) * 3600 * US_PER_SEC;
	camera->all = run.settings;
	return camera;
}

static int pull(const struct camera_settings *camera, enum session_plan plan)
{
	const struct session_options options = { .plan = plan,
		.camera = camera,
		.since_us = TIME_NONE,
		.deadline_ns = DEADLINE_NONE,
		.connect = connect_peer };
	int code = session_pull(&options, &run.result);

	if (run.peer.out)
		fclose(run.peer.out);
	run.peer.out = NULL;
	peer_end(&run.peer);
	CHECK(code == CLI_OK || *run.result.error);
	return code;
}

/* A fetch of the frame `seq`, which is the one after what is held. */
static int bring(const struct camera_settings *camera, uint64_t seq)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record before;

	peer_init(&run.peer);
	say_greeting(&run.peer, KIT_ID, seq);
	say_frame(&run.peer, seq);
	if (seq > 1) {
		before = wire_frame(seq - 1, jpeg);
		say_record(&run.peer, &before);
		fputs(".\n", run.peer.out);
	}
	return pull(camera, PLAN_NEWEST);
}

static void begin(void)
{
	memset(&run, 0, sizeof run);
	kit_make_folder(run.folder);
	run.settings = calloc(1, sizeof *run.settings);
	run.good = add_camera("gate");
	run.bad = add_camera("garden");
	for (uint64_t seq = 1; seq <= 40; seq++) {
		CHECK_INT(bring(run.good, seq), CLI_OK);
		CHECK_INT(bring(run.bad, seq), CLI_OK);
	}
}

static void end(void)
{
	CHECK_INT(kit_findings(run.good->archive), 0);
	CHECK_INT(kit_findings(run.bad->archive), 0);
	test_remove_folder(run.folder);
	free(run.settings);
}

/* Sends until it is refused, and then some more. Returns the first number that was. */
static uint64_t flood(int code)
{
	uint64_t seq = 41;

	while (bring(run.bad, seq) == CLI_OK && seq < VISITS_MAX)
		seq++;
	for (int i = 0; i < 20; i++)
		CHECK_INT(bring(run.bad, seq), code);
	return seq;
}

/* It takes its share of the day, and no more; nothing goes, and the other one goes on. */
TEST(frames)
{
	uint64_t refused;

	begin();
	refused = flood(CLI_PROTOCOL);
	CHECK(strstr(run.result.error, "daily_bytes"));
	CHECK(run.result.why == CONNECT_HERE);
	CHECK(refused > 60 && refused < 200);
	CHECK_INT(count_frames(run.bad->archive), (int)refused - 1);
	CHECK_INT(count_frames(run.good->archive), 40);
	CHECK(free_blocks() > 100);
	for (uint64_t seq = 41; seq <= 80; seq++)
		CHECK_INT(bring(run.good, seq), CLI_OK);
	CHECK_INT(count_frames(run.good->archive), 80);
	end();
}

/* With a budget that bounds nothing: the reserve does, and all cameras say so. */
TEST(frames_without_a_budget)
{
	struct room_facts facts;
	struct archive *archive;
	struct room room;
	uint64_t refused;

	begin();
	run.bad->daily_bytes = INT64_C(1) << 40;
	refused = flood(CLI_INTERNAL);
	CHECK(strstr(run.result.error, "the disk is full"));
	CHECK(free_blocks() >= BLOCKS / 20);
	CHECK_INT(count_frames(run.bad->archive), (int)refused - 1);
	CHECK_INT(bring(run.good, 41), CLI_INTERNAL);
	CHECK(strstr(run.result.error, "the disk is full"));
	CHECK_INT(count_frames(run.good->archive), 40);
	/* the one that has nothing new says it too */
	peer_init(&run.peer);
	say_greeting(&run.peer, KIT_ID, 40);
	fputs(".\n.\n", run.peer.out);
	CHECK_INT(pull(run.good, PLAN_NEWEST), CLI_INTERNAL);
	CHECK_INT(archive_open(run.good->archive, &(struct archive_options){ .mode = ARCHIVE_READ },
			  &archive),
		0);
	room = (struct room){ .camera = run.good, .clock = &clock_real };
	CHECK_INT(room_check(&room, archive, &facts), ROOM_DISK);
	archive_free(archive);
	end();
}

/* Old frames may go: the young ones do not, and not those of the other one either. */
TEST(frames_where_old_ones_go)
{
	begin();
	run.good->when_full = run.bad->when_full = WHEN_FULL_REMOVE;
	run.bad->daily_bytes = INT64_C(1) << 40;
	flood(CLI_INTERNAL);
	CHECK(strstr(run.result.error, "keep_at_least"));
	CHECK(free_blocks() >= BLOCKS / 20);
	CHECK_INT(run.result.removed, 0);
	CHECK_INT(count_frames(run.good->archive), 40);
	CHECK(count_frames(run.bad->archive) > 200);
	end();
}

/* Lines without end: they count as well. */
TEST(lines)
{
	struct record miss = kit_miss(KIT_SLOT);
	uint64_t seq = 41;
	int code = CLI_OK;

	begin();
	snprintf(miss.text, sizeof miss.text, "%.*s", 150,
		"because of a reason that needs so many words that the line becomes as long as it "
		"may be, which is what somebody does who wants to fill the disk of another");
	for (int visit = 0; visit < VISITS_MAX && code == CLI_OK; visit++) {
		uint8_t jpeg[KIT_JPEG_BYTES];
		struct record held = seq == 41 ? wire_frame(40, jpeg) : miss;

		peer_init(&run.peer);
		say_greeting(&run.peer, KIT_ID, seq + 30);
		say_record(&run.peer, &held);
		for (int i = 0; i < 31; i++) {
			miss.seq = seq++;
			say_record(&run.peer, &miss);
		}
		fputs(".\n", run.peer.out);
		code = pull(run.bad, PLAN_BACKLOG);
	}
	CHECK_INT(code, CLI_PROTOCOL);
	CHECK(strstr(run.result.error, "daily_bytes"));
	CHECK(seq > 500);
	CHECK(free_blocks() > 100);
	CHECK_INT(count_frames(run.bad->archive), 40);
	end();
}

/* Lines out of order are put in order where there is room for them a second time. */
TEST(lines_out_of_order)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .copy = true };
	struct record miss = kit_miss(KIT_SLOT);
	struct archive *archive = NULL;
	fsblkcnt_t lines;
	char path[600];

	begin();
	run.bad->daily_bytes = INT64_C(1) << 40;
	memset(miss.text, 'x', 150);
	CHECK_INT(archive_open(run.bad->archive, &options, &archive), 0);
	lines = free_blocks();
	for (miss.seq = 2500; miss.seq > 40; miss.seq--)
		CHECK_INT(journal_append_record(archive_journal(archive), &miss, false), 0);
	archive_free(archive);
	lines -= free_blocks();
	CHECK(lines > 110);
	snprintf(path, sizeof path, "%s/journal/00000000.unsorted", run.bad->archive);
	for (int full = 1; full >= 0; full--) {
		const fsblkcnt_t left = BLOCKS / 20 + lines / 2, there = free_blocks();
		const uint64_t seq = full ? 2501 : 2502;
		uint8_t jpeg[KIT_JPEG_BYTES];
		struct record before = wire_frame(2501, jpeg), next = wire_frame(seq, jpeg);

		miss.seq = 2500;
		kit_write(run.folder, "filler", "", 0, 0);
		CHECK(!full || there > left);
		CHECK_INT(truncate(kit_path(run.folder, "filler"),
				  full ? (off_t)(there - left) * BLOCK : 0),
			0);
		peer_init(&run.peer);
		say_greeting(&run.peer, KIT_ID, seq);
		say_record(&run.peer, full ? &miss : &before);
		say_record(&run.peer, &next);
		fputs(".\n", run.peer.out);
		say_frame(&run.peer, seq);
		CHECK_INT(pull(run.bad, PLAN_BACKLOG), CLI_OK);
		CHECK_INT(run.result.frames, 1);
		CHECK_INT(access(path, F_OK), full ? 0 : -1);
	}
	end();
}

/* A frame for which there is no room is not even begun. */
TEST(a_frame_that_is_too_large)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame, before;
	fsblkcnt_t blocks;

	begin();
	blocks = free_blocks();
	for (uint64_t seq = 41; seq < 60; seq++) {
		frame = wire_frame(seq, jpeg);
		frame.bytes = FRAME_BYTES_MAX;
		before = wire_frame(40, jpeg);
		peer_init(&run.peer);
		say_greeting(&run.peer, KIT_ID, seq);
		say_record(&run.peer, &frame);
		say_record(&run.peer, &before);
		fputs(".\n", run.peer.out);
		CHECK(pull(run.bad, PLAN_NEWEST) != CLI_OK);
	}
	CHECK_INT(free_blocks(), blocks);
	end();
}
