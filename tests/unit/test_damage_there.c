/* SPDX-License-Identifier: MIT */
/* A picture that went bad on the camera: a gap with its cause, and all the others come. */
#include "common/upkeep/repair.h"
#include "tests/unit/serve_kit.h"

#define FRAMES 5

static char file[300], kept[300];

static void write_bytes(size_t bytes, char last)
{
	uint8_t jpeg[KIT_JPEG_BYTES + 1] = { 0xff, 0xd8 };
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	jpeg[KIT_JPEG_BYTES / 2] = (uint8_t)last;
	if (bytes >= 2)
		memcpy(jpeg + bytes - 2, "\xff\xd9", 2);
	CHECK_INT(write(fd, jpeg, bytes), bytes);
	close(fd);
}

static void edited(void)
{
	write_bytes(KIT_JPEG_BYTES, 'x');
}

static void longer(void)
{
	write_bytes(KIT_JPEG_BYTES + 1, 0);
}

static void cut_short(void)
{
	write_bytes(KIT_JPEG_BYTES / 2, 0);
}

static void empty(void)
{
	write_bytes(0, 0);
}

static void folder(void)
{
	CHECK_INT(mkdir(file, 0755), 0);
}

static void link_to_it(void)
{
	CHECK_INT(symlink(kept, file), 0);
}

static void pipe_there(void)
{
	CHECK_INT(mkfifo(file, 0600), 0);
}

static void missing(void)
{
}

static const struct {
	const char *name;
	void (*damage)(void); /* of a file that was moved away */
	const char *gap; /* of frame N */
} kinds[] = {
	{ "edited in place", edited, "damaged" },
	{ "longer", longer, "damaged" },
	{ "cut short", cut_short, "damaged" },
	{ "empty", empty, "damaged" },
	{ "a folder", folder, "damaged" },
	{ "a link", link_to_it, "damaged" },
	{ "a pipe", pipe_there, "damaged" },
	{ "missing", missing, "gone" },
};

/* A camera whose frame `seq` is damaged in that way. */
static void begin(size_t kind, uint64_t seq)
{
	struct frame_name name = { .slot_us = KIT_SLOT + (int64_t)(seq - 1) * KIT_MINUTE,
		.seq = seq };
	char path[FRAME_PATH_MAX];

	pair_begin();
	kit_publish_some(pair.camera, FRAMES);
	CHECK_INT(frame_name_path(&name, path) < 0, 0);
	snprintf(file, sizeof file, "%s/%s", pair.camera, path);
	snprintf(kept, sizeof kept, "%s/kept.jpg", pair.folder);
	CHECK_INT(rename(file, kept), 0);
	kinds[kind].damage();
}

static void put_back(void)
{
	if (rmdir(file) < 0)
		unlink(file);
	CHECK_INT(rename(kept, file), 0);
}

static void repair_camera(void)
{
	const struct clock *clock = &clock_real;
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(repair_freep) struct repair *repair = NULL;
	struct verify_finding finding;
	struct repair_result result;
	struct record frame;

	CHECK_INT(kit_open(pair.camera, NULL, &archive), 0);
	CHECK_INT(repair_new(&repair), 0);
	for (uint64_t seq = 1; seq <= FRAMES; seq++) {
		CHECK_INT(archive_find(archive, seq, &frame), 0);
		if (!verify_frame(archive, &frame, true, &finding))
			repair_note(repair, &finding);
	}
	CHECK_INT(repair_carry_out(repair, archive, clock, &result), 0);
	CHECK_INT(result.left, 0);
}

static void sync_and_repair(size_t kind)
{
	char gap[64];
	bool gone = strcmp(kinds[kind].gap, "gone") == 0;

	begin(kind, 3);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, FRAMES - 1);
	CHECK_INT(pair.result.damaged, !gone);
	CHECK_INT(pair.result.damaged_new, !gone);
	CHECK(gone || strstr(pair.result.damage, "capturepi verify --repair"));
	CHECK_INT(pair.result.left, 0);
	snprintf(gap, sizeof gap, "%s 3-3", kinds[kind].gap);
	CHECK_STR(pair_gaps(), gap);
	/* it is known now, and costs no transfer */
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.damaged, !gone);
	CHECK_INT(pair.result.damaged_new, 0);
	CHECK_INT(pair.result.bytes, 0);
	CHECK_STR(pair_gaps(), gap);
	repair_camera();
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.damaged, 0);
	CHECK_STR(pair_gaps(), gone ? "pruned:lost 3-3" : "pruned:damaged 3-3");
	pair_end();
}

static void sync_and_put_back(size_t kind)
{
	begin(kind, 3);
	CHECK_INT(pair_sync(), CLI_OK);
	put_back();
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, 1);
	CHECK_INT(pair.result.damaged, 0);
	CHECK_STR(pair_gaps(), "");
	CHECK_INT(kit_findings(pair.settings.archive), 0);
	pair_end();
}

/* The newest that is whole, whatever is behind it. */
static void fetch_newest(size_t kind)
{
	begin(kind, FRAMES);
	pair.options.plan = PLAN_NEWEST;
	for (int i = 0; i < 2; i++) {
		CHECK_INT(pair_sync(), CLI_OK);
		CHECK_INT(pair.result.frame.seq, FRAMES - 1);
		CHECK_INT(pair.result.frames, i == 0);
	}
	pair_end();
}

static uint64_t followed;

static bool tell(void *data, enum session_event event, const struct session_result *state)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	(void)data;
	CHECK(event != SESSION_FAILED && event != SESSION_LOST);
	if (event != SESSION_FRAME)
		return true;
	followed = state->frame.seq;
	if (followed > FRAMES)
		return false;
	/* the next one, behind the damaged one */
	CHECK_INT(kit_open(pair.camera, NULL, &archive), 0);
	CHECK_INT(kit_publish(archive, KIT_SLOT + 60 * KIT_MINUTE, 60, NULL), 0);
	return true;
}

static void follow_on(size_t kind)
{
	begin(kind, FRAMES);
	pair.options.plan = PLAN_FOLLOW;
	pair.options.tell = tell;
	session_pull(&pair.options, &pair.result);
	CHECK_INT(followed, FRAMES + 1);
	CHECK_INT(count_frames(pair.settings.archive), 2);
	pair_end();
}

static void each_kind(void (*check)(size_t kind))
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		check(i);
		if (test_failures)
			fprintf(stderr, "  case %s\n", kinds[i].name);
	}
}

TEST(a_gap_with_its_cause_until_it_is_repaired)
{
	each_kind(sync_and_repair);
}

TEST(the_picture_is_put_back)
{
	each_kind(sync_and_put_back);
}

TEST(fetch_takes_the_newest_that_is_whole)
{
	each_kind(fetch_newest);
}

TEST(follow_goes_on)
{
	each_kind(follow_on);
}
