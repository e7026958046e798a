/* SPDX-License-Identifier: MIT */
/*
 * What a camera's word costs: a camera lies once, and what it was before answers after it. Nothing
 * that is held is lost by the lie, and nothing that the camera has stays away.
 */
#include "pull/session/redated.h"

#include "common/upkeep/verify.h"
#include "tests/unit/serve_kit.h"

#define DAY_US (24 * 60 * KIT_MINUTE)

static struct peer liar;
static int64_t ahead_us; /* of the clock here */

static int connect_liar(const struct camera_settings *camera, const char *command,
	int64_t deadline_ns, struct stream **ret_stream, enum connect_why *ret_why, char *error,
	size_t size)
{
	(void)camera, (void)command, (void)deadline_ns;
	*ret_why = CONNECT_DONE;
	if (liar.out) {
		*ret_stream = peer_start(&liar);
		return CLI_OK;
	}
	snprintf(error, size, "nobody there");
	return CLI_REFUSED;
}

static int64_t later_wall_us(const struct clock *clock)
{
	return clock_wall_us(&clock_real) + (clock ? ahead_us : 0);
}

/* A camera with `n` frames; the first was taken before its clock was set. */
static void begin(int n)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	pair_begin();
	ahead_us = 0;
	CHECK_INT(kit_open(pair.camera, NULL, &archive), 0);
	for (int i = 1; i <= n; i++) {
		struct record frame = kit_frame(KIT_SLOT + i * KIT_MINUTE);
		uint8_t jpeg[KIT_JPEG_BYTES];

		kit_jpeg(jpeg, (uint64_t)i);
		frame.synced = i > 1;
		CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof jpeg), 0);
	}
}

static struct record line_of(uint64_t seq)
{
	const struct archive_options read = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record record = record_new(RECORD_OTHER);

	CHECK_INT(archive_open(pair.camera, &read, &archive), 0);
	CHECK_INT(archive_find(archive, seq, &record), 0);
	return record;
}

/* The camera's id and its last number, as the liar says it. */
static void lie_begin(uint64_t last)
{
	const struct archive_options read = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;

	CHECK_INT(archive_open(pair.camera, &read, &archive), 0);
	peer_init(&liar);
	say_greeting(&liar, archive_id(archive), last);
}

static void lie_line(uint64_t seq)
{
	const struct record record = line_of(seq);

	say_record(&liar, &record);
}

static int lie_sync(void)
{
	int code;

	pair.options.connect = connect_liar;
	code = pair_sync();
	pair.options.connect = pair_connect;
	peer_end(&liar);
	return code;
}

static int findings(void)
{
	return kit_findings(pair.settings.archive);
}

/* What is not there by word alone comes as soon as one of it turns out to be there. */
TEST(holes)
{
	begin(40);
	lie_begin(40);
	lie_line(40);
	fputs(".\n", liar.out);
	say_frame(&liar, 40);
	fputs(".\n", liar.out); /* 1 to 8 */
	CHECK_INT(lie_sync(), CLI_OK);
	CHECK_INT(pair.result.left, 0);
	CHECK_STR(pair_gaps(), "gone 1-39");
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(count_frames(pair.settings.archive), 40);
	CHECK_STR(pair_gaps(), "");
	CHECK_INT(pair.result.left, 0);
	CHECK_INT(findings(), 0);
	pair_end();
}

static void frames_away(bool back)
{
	char file[220], kept[220];

	for (uint64_t seq = 3; seq <= 38; seq++) {
		const struct frame_name name = { KIT_SLOT + (int64_t)seq * KIT_MINUTE, seq };
		char path[FRAME_PATH_MAX];

		CHECK_INT(frame_name_path(&name, path), 0);
		snprintf(file, sizeof file, "%s/%s", pair.camera, path);
		snprintf(kept, sizeof kept, "%s/%d", pair.folder, (int)seq);
		CHECK_INT(back ? rename(kept, file) : link(file, kept), 0);
	}
}

/* The same of a prune line, for files that somebody puts back. */
TEST(pruned)
{
	struct archive_pruned pruned;
	struct archive *archive;

	begin(40);
	frames_away(false);
	CHECK_INT(kit_open(pair.camera, NULL, &archive), 0);
	CHECK_INT(archive_prune(archive, 3, 38, "space", &pruned), 0);
	archive_free(archive);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, 4);
	CHECK_STR(pair_gaps(), "pruned:space 3-38");
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, 0);
	CHECK_INT(pair.result.gone, 0);
	CHECK_STR(pair_gaps(), "pruned:space 3-38");
	frames_away(true);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, 36);
	CHECK_INT(pair.result.left, 0);
	CHECK_INT(findings(), 0);
	pair_end();
}

/* ---- pictures that are dated again */

/* The frame 5: the picture of frame 1 in another year. */
static struct record dated_again(void)
{
	struct record frame = line_of(1);

	frame.seq = 5;
	frame.was = 1;
	frame.synced = true;
	frame.slot_us = frame.exposed_us = KIT_SLOT - 9000 * DAY_US;
	frame.late_us = 0;
	return frame;
}

static void lie_date(const struct record *frame)
{
	uint8_t jpeg[KIT_JPEG_BYTES];

	CHECK_INT(pair_sync(), CLI_OK);
	lie_begin(5);
	lie_line(4);
	say_record(&liar, frame);
	fputs(".\n", liar.out);
	say_record(&liar, frame);
	kit_jpeg(jpeg, 1);
	fwrite(jpeg, 1, sizeof jpeg, liar.out);
	CHECK_INT(lie_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, 1);
}

/* How many files are in .redated, -1 without that folder. */
static int count_aside(void)
{
	char path[CONF_VALUE_MAX + 16];
	CLEANUP_DIR DIR *dir = NULL;
	int n = 0;

	snprintf(path, sizeof path, "%s/.redated", pair.settings.archive);
	dir = opendir(path);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	return dir ? n : -1;
}

static void forget(uint64_t from, unsigned branch)
{
	const struct archive_options write = { .mode = ARCHIVE_WRITE, .copy = true };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	unsigned got;

	CHECK_INT(archive_open(pair.settings.archive, &write, &archive), 0);
	CHECK_INT(history_cut(archive, from - 1, &got), 0);
	CHECK_INT(got, branch);
}

TEST(dated_by_word)
{
	for (int honest = 0; honest < 2; honest++) {
		struct record frame;

		begin(4);
		frame = dated_again();
		lie_date(&frame);
		CHECK_INT(pair.result.redated, 1);
		CHECK_INT(count_frames(pair.settings.archive), 4);
		CHECK_INT(count_aside(), 1);
		/* the camera knows nothing of it, or a person tells */
		if (!honest)
			forget(5, 1);
		CHECK_INT(pair_sync(), CLI_OK);
		CHECK_INT(count_aside(), 0);
		CHECK_INT(count_frames(pair.settings.archive), 5); /* with that of the branch */
		CHECK_STR(pair_gaps(), "");
		CHECK_INT(findings(), 0);
		pair_end();
	}
}

/* Another moment since the camera was started, or another boot: another picture. */
TEST(dated_at_another_moment)
{
	for (int boot = 0; boot < 2; boot++) {
		struct record frame;

		begin(4);
		frame = dated_again();
		if (boot)
			frame.boot[0] ^= 1;
		else
			frame.up_ns++;
		lie_date(&frame);
		CHECK_INT(pair.result.redated, 0);
		CHECK_INT(count_frames(pair.settings.archive), 5);
		CHECK_INT(count_aside(), -1);
		pair_end();
	}
}

TEST(aside_for_days)
{
	const struct clock later = { .wall_us = later_wall_us,
		.mono_ns = clock_real.mono_ns,
		.up_ns = clock_real.up_ns,
		.synced = clock_real.synced };
	struct record frame;

	begin(4);
	frame = dated_again();
	lie_date(&frame);
	pair.options.clock = &later;
	for (int days = REDATED_DAYS - 1; days <= REDATED_DAYS + 1; days += 2) {
		ahead_us = days * DAY_US;
		lie_begin(5);
		say_record(&liar, &frame);
		fputs(".\n", liar.out);
		CHECK_INT(lie_sync(), CLI_OK);
		CHECK_INT(count_aside(), days < REDATED_DAYS);
	}
	pair_end();
}

/* What is forgotten is kept apart, and comes again. */
TEST(forgetting)
{
	begin(9);
	CHECK_INT(pair_sync(), CLI_OK);
	forget(4, 1);
	CHECK_INT(count_frames(pair.settings.archive), 9);
	CHECK_INT(pair_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, 6);
	CHECK_INT(count_frames(pair.settings.archive), 15);
	CHECK_STR(pair_gaps(), "");
	CHECK_INT(findings(), 0);
	pair_end();
}

static const char *latest(void)
{
	char path[80];

	snprintf(path, sizeof path, "%.79s", pair.settings.archive);
	return kit_latest(path);
}

/* ---- what a picture is */

/* Frame 1 of a camera, with these bytes at its start and the end marker. */
static void picture(const void *head, size_t len, bool stored)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame;

	begin(1);
	frame = line_of(1);
	kit_jpeg(jpeg, 1);
	memcpy(jpeg, head, len);
	CHECK_INT(digest_buffer(jpeg, sizeof jpeg, frame.sha256), 0);
	lie_begin(1);
	say_record(&liar, &frame);
	fputs(".\n", liar.out);
	for (int i = 0; i < 2; i++) { /* what is damaged is asked for once more */
		say_record(&liar, &frame);
		fwrite(jpeg, 1, sizeof jpeg, liar.out);
		i += stored;
	}
	CHECK_INT(lie_sync(), CLI_OK);
	CHECK_INT(pair.result.frames, stored);
	CHECK_INT(pair.result.damaged, !stored);
	CHECK_INT(count_frames(pair.settings.archive), stored);
	pair_end();
}

#define PICTURE(text, stored) picture(text, sizeof(text) - 1, stored)

TEST(pictures)
{
	PICTURE("\xff\xd8<html><body>moved</body></html>", false);
	PICTURE("\xff\xd8\xff<html>", false);
	PICTURE("\xff\xd8\xff\xe1\xff\xff", false); /* leads past the end */
	PICTURE("\xff\xd8\xff\xda\x00\x08", false); /* a scan without a frame */
	PICTURE("\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x10", false); /* 16 x 0 */
	PICTURE("\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x00", false);
	PICTURE("\xff\xd8\xff\xc0\x00\x0b\x08\x40\x01\x00\x10", false); /* 16385 */
	PICTURE("\xff\xd8\xff\xc0\x00\x0b\x08\x40\x00\x40\x00", false);
	PICTURE("\xff\xd8\xff\xc0\x00\x0b\x08\x40\x00\x1e\x85", false); /* 128.01 MP */
	PICTURE("\xff\xd8\xff\xc0\x00\x0b\x08\x1e\x84\x40\x00", true);
	PICTURE("\xff\xd8\xff\xc4\x00\x03\x00\xff\xff\xff\xc2\x00\x0b\x08\x00\x10\x00\x10", true);
	PICTURE("\xff\xd8\xff\xe1\x00\x04\xff\xc0\xff\xc1\x00\x0b\x08\x00\x10\x00\x10", true);
}

/* A frame comes once more and says less: the line that is here decides which one is the newest. */
TEST(sent_twice)
{
	const struct archive_options write = { .mode = ARCHIVE_WRITE, .copy = true };
	struct record frame;

	begin(4);
	frame = dated_again();
	lie_date(&frame);
	CHECK(strstr(latest(), "-00000004.jpg"));
	frame.was = 0;
	for (int i = 0; i < 2; i++) {
		CLEANUP(archive_freep) struct archive *archive = NULL;
		CLEANUP(partial_freep) struct partial *partial = NULL;
		uint8_t jpeg[KIT_JPEG_BYTES];

		kit_jpeg(jpeg, 1);
		CHECK_INT(archive_open(pair.settings.archive, &write, &archive), 0);
		CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
		CHECK_INT(partial_write(partial, jpeg, sizeof jpeg), 0);
		CHECK_INT(kit_commit(archive, partial), 0);
		CHECK(strstr(latest(), "-00000004.jpg"));
	}
	pair_end();
}
