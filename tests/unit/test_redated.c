/* SPDX-License-Identifier: MIT */
/* Pictures that come again under their true time: when the old one goes, and when it must not. */
#include "pull/session/redated.h"

#include "tests/unit/sync_kit.h"

/* Frame `seq` as it was taken with an unset clock, or redated: the picture of `seed`. */
static struct record undated(
	uint64_t seq, uint64_t was, uint64_t seed, uint8_t jpeg[KIT_JPEG_BYTES])
{
	struct record frame = wire_frame(seed, jpeg);

	frame.seq = seq;
	frame.was = was;
	frame.synced = was != 0;
	frame.slot_us = frame.exposed_us = KIT_SLOT + (was ? 10000 : (int64_t)seq) * KIT_MINUTE;
	frame.late_us = 0;
	return frame;
}

static void say_undated(struct peer *peer, const struct record *frame, const uint8_t *jpeg)
{
	say_record(peer, frame);
	if (jpeg)
		fwrite(jpeg, 1, KIT_JPEG_BYTES, peer->out);
}

static const char *local_line(void)
{
	return kit_read(run.folder, "archive/local/00000000.jsonl");
}

/*
 * Frame 1 is published again as 3. `seed` makes its picture, of `bytes` the last one is wrong. What
 * is left here then, in frames.
 */
static int dated_anew(uint64_t seed, bool damaged)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record old = undated(1, 0, 1, jpeg), new;
	struct record prune = record_new(RECORD_PRUNE);
	struct peer *peer;

	run_init();
	peer = camera(KIT_ID, 2);
	say_record(peer, &old);
	say_list(peer, 2, 2);
	say_frame(peer, 2);
	say_undated(peer, &old, jpeg);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_INT(count_frames(run.camera.archive), 2);
	peer = camera(KIT_ID, 4);
	new = undated(3, 1, seed, jpeg);
	prune.seq = 4;
	prune.first_seq = prune.last_seq = 1;
	prune.bytes = KIT_JPEG_BYTES;
	snprintf(prune.text, sizeof prune.text, PRUNE_REDATED);
	say_record(peer, &new);
	say_record(peer, &prune);
	say(peer, ".\n");
	jpeg[1000] ^= damaged;
	say_undated(peer, &new, jpeg);
	if (damaged)
		say_undated(peer, &new, jpeg);
	CHECK_INT(sync_run(), CLI_OK);
	return count_frames(run.camera.archive);
}

TEST(a_picture_under_its_true_time)
{
	struct peer *peer;

	CHECK_INT(dated_anew(1, false), 2);
	CHECK_INT(run.result.redated, 1);
	CHECK(strstr(
		local_line(), "\"prune\":\"redated\",\"first_seq\":1,\"last_seq\":1,\"count\":1"));
	CHECK_INT(kit_newest(run.camera.archive), 2);
	/* nothing more to do, and the old one is not asked for again */
	peer = camera(KIT_ID, 4);
	say(peer, ".\n");
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written, "");
	CHECK_INT(run.result.redated, 0);
	run_end();
}

TEST(another_picture_takes_no_place)
{
	CHECK_INT(dated_anew(7, false), 3);
	CHECK_INT(run.result.redated, 0);
	CHECK_STR(local_line(), "");
	run_end();
}

TEST(the_old_one_stays_until_the_new_one_is_here)
{
	CHECK_INT(dated_anew(1, true), 2);
	CHECK_INT(run.result.redated, 0);
	run_end();
}

/* A crash between the two: the state file is of before, the journal has the new line. */
TEST(the_old_one_goes_after_a_crash)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record old = undated(1, 0, 1, jpeg);
	struct archive_options copy = { .mode = ARCHIVE_WRITE, .id = KIT_ID, .copy = true };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct partial *partial;
	char state[CONF_VALUE_MAX + 16];
	struct peer *peer;

	CHECK_INT(dated_anew(1, false), 2);
	CHECK_INT(archive_open(run.camera.archive, &copy, &archive), 0);
	/* as if it had not been removed */
	CHECK_INT(partial_resume(archive, &old, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, sizeof jpeg), 0);
	CHECK_INT(kit_commit(archive, partial), 0);
	partial_free(partial);
	archive_free(TAKE_PTR(archive));
	CHECK_INT(count_frames(run.camera.archive), 3);
	snprintf(state, sizeof state, "%s/.settled", run.camera.archive);
	CHECK_INT(remove(state), 0);
	peer = camera(KIT_ID, 4);
	say(peer, ".\n"); /* of the first look */
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_INT(run.result.redated, 1);
	CHECK_INT(count_frames(run.camera.archive), 2);
	run_end();
}

TEST(what_is_the_same_picture)
{
	static const struct {
		size_t at; /* of the byte that differs; 0: none */
		bool same;
	} cases[] = { { 0, true }, { 1, false }, { 6, true }, { 203, true }, { 204, false },
		{ 5, false }, { KIT_JPEG_BYTES - 1, false } };
	uint8_t jpeg[KIT_JPEG_BYTES];

	run_init();
	kit_jpeg(jpeg, 3);
	memcpy(jpeg + 2, (uint8_t[]){ 0xff, 0xe1, 0, 200 }, 4);
	kit_write(run.folder, "a", jpeg, sizeof jpeg, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FD int a = open(kit_path(run.folder, "a"), O_RDONLY | O_CLOEXEC);
		CLEANUP_FD int b = -1;

		jpeg[cases[i].at] ^= cases[i].at > 0;
		kit_write(run.folder, "b", jpeg, sizeof jpeg, O_TRUNC);
		jpeg[cases[i].at] ^= cases[i].at > 0;
		b = open(kit_path(run.folder, "b"), O_RDONLY | O_CLOEXEC);
		CHECK_INT(redated_same(a, b, sizeof jpeg), cases[i].same);
	}
	run_end();
}
