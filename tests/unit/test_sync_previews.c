/* SPDX-License-Identifier: MIT */
/* Syncs that bring previews first. */
#include "common/archive/preview.h"
#include "tests/unit/preview_kit.h"
#include "tests/unit/sync_kit.h"

#define OTHER_ID "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11"

static void say_preview(struct peer *peer, uint64_t seq, unsigned side)
{
	uint8_t jpeg[KIT_JPEG_BYTES], preview[KIT_PREVIEW_BYTES];
	const struct record frame = wire_frame(seq, jpeg);
	char line[LINE_MAX_BYTES + 1];

	kit_preview(preview, side, side);
	CHECK(wire_preview_format(&frame, side ? sizeof preview : 0, line) > 0);
	say(peer, line);
	if (side)
		fwrite(preview, sizeof preview, 1, peer->out);
}

static size_t count_previews(void)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(previews_clear) struct previews previews = { 0 };

	CHECK_INT(archive_open(run.camera.archive, &read, &archive), 0);
	CHECK_INT(previews_list(archive, &previews), 0);
	return previews.n;
}

TEST(previews_come_before_any_picture)
{
	struct peer *peer;

	run_init();
	run.options.previews = true;
	peer = camera(KIT_ID, 4);
	say_list(peer, 1, 4);
	say_preview(peer, 4, 16);
	say_preview(peer, 3, 0); /* it has none */
	say(peer, "{\"error\":\"pruned\"}\n");
	say_preview(peer, 1, 16);
	say_list(peer, 1, 4);
	say_frame(peer, 4);
	peer->end = -ECONNRESET;
	run.n_peers = 1;
	camera(OTHER_ID, 9); /* ends the run */
	CHECK_INT(sync_run(), CLI_PROTOCOL);
	CHECK_INT(run.result.previews, 2);
	CHECK_INT(run.result.frames, 1);
	CHECK_INT(count_previews(), 1);
	/* of what is here none is asked for again, and they go as the pictures come */
	peer = camera(KIT_ID, 4);
	say(peer, ".\n");
	say_list(peer, 1, 3);
	say_preview(peer, 3, 0);
	say_preview(peer, 2, 16);
	say_list(peer, 1, 3);
	for (uint64_t seq = 3; seq > 0; seq--)
		say_frame(peer, seq);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_STR(peer->written,
		"list 1 3\npreview 3\npreview 2\nlist 1 3\nframe 3\nframe 2\nframe 1\n");
	CHECK_INT(run.result.previews, 1);
	CHECK_INT(run.result.frames, 3);
	CHECK_INT(count_previews(), 0);
	CHECK_INT(count_frames(run.camera.archive), 4);
	run_end();
}

/* Who knows no previews is asked for pictures; so is who sends what is none. */
TEST(previews_that_are_none)
{
	struct peer *peer;

	for (int old = 0; old < 2; old++) {
		run_init();
		run.options.previews = true;
		peer = camera(KIT_ID, 2);
		say_list(peer, 1, 2);
		for (uint64_t seq = 2; seq > 0; seq--) {
			if (old)
				say(peer, "{\"error\":\"bad-request\",\"text\":\"?\"}\n");
			else
				say_preview(peer, seq, PREVIEW_SIDE_MAX + 1);
		}
		say_list(peer, 1, 2);
		say_frame(peer, 2);
		say_frame(peer, 1);
		CHECK_INT(sync_run(), CLI_OK);
		CHECK_STR(peer->written,
			"list 1 2\npreview 2\npreview 1\nlist 1 2\nframe 2\nframe 1\n");
		CHECK_INT(run.result.previews, 0);
		CHECK_INT(run.result.frames, 2);
		run_end();
	}
	/* one of another frame is a lie */
	run_init();
	run.options.previews = true;
	peer = camera(KIT_ID, 2);
	say_list(peer, 1, 2);
	say_preview(peer, 1, 16);
	CHECK_INT(sync_run(), CLI_PROTOCOL);
	CHECK_INT(run.result.previews, 0);
	run_end();
}

/* They take a part of max_bytes, and leave the rest. */
TEST(previews_within_max_bytes)
{
	struct peer *peer;

	run_init();
	run.options.previews = true;
	run.camera.max_bytes = 300000;
	peer = camera(KIT_ID, 2);
	say_list(peer, 1, 2);
	say_preview(peer, 2, 16);
	say_preview(peer, 1, 16);
	say_list(peer, 1, 2);
	say_frame(peer, 2);
	say_frame(peer, 1);
	CHECK_INT(sync_run(), CLI_OK);
	CHECK_INT(run.result.previews, 1);
	CHECK_INT(run.result.frames, 2);
	run_end();
}
