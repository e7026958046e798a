/* SPDX-License-Identifier: MIT */
/*
 * What a picture is worth: a short month by the clock of capture/worth, with troubles played; the
 * state file; pictures that cannot be measured. tests/bench/worth has the whole month.
 */
#include "tests/unit/month_kit.h"

#include <fcntl.h>

#include "tests/test.h"

static const int64_t hour_us = INT64_C(3600) * US_PER_SEC;

TEST(short_month)
{
	struct month_result result = { .pictures = 0 };
	int played = 0, told = 0, events = 0;

	for (enum place place = 0; place < PLACES; place++) {
		struct month m = { .place = place,
			.width = 480,
			.height = 360,
			.days = place == PLACE_WALL ? 2 : 6,
			.every_us = hour_us / 2,
			.seed = 11 + (uint64_t)place };

		month_run(&m, place == PLACE_WALL ? 99 : 3, 12, &result, false);
	}
	for (int i = 0; i < VIEW_TROUBLES; i++) {
		played += result.trouble[i].played;
		told += result.trouble[i].told;
	}
	for (int i = 1; i < MARKS; i++)
		events += result.events[i];
	CHECK(played >= 40);
	CHECK(told >= played * 0.95);
	CHECK(events <= 1);
	if (test_failures)
		fprintf(stderr, "  %d of %d told, %d false events in %d pictures\n", told, played,
			events, result.pictures);
}

/* ---- single pictures */

/* Stripes of changing width, all the same but for the noise. */
static struct sight sight_of(struct frame *frame, uint8_t *samples, int noise)
{
	struct sight sight = { .digest = 1 };

	for (int y = 0; y < 180; y++)
		for (int x = 0; x < 240; x++)
			samples[y * 240 + x] = (uint8_t)(60 +
				120 * (x * x / 400 % 2 == y / 20 % 2) + (y * 7 + x + noise) % 3);
	*frame = (struct frame){ .format = PIXEL_YUV420,
		.width = 240,
		.height = 180,
		.plane = { samples },
		.stride = { 240 },
		.plane_bytes = { 240 * 180 } };
	CHECK_INT(sight_measure(frame, frame, &sight), 0);
	return sight;
}

/* Six pictures of an hour, none of which has a mark. Returns the last one. */
static struct sight learn_stripes(struct worth *worth, struct frame *frame, uint8_t *samples)
{
	struct sight sight = { .digest = 0 };

	for (int i = 0; i < 6; i++) {
		sight = sight_of(frame, samples, i);
		CHECK_INT(worth_judge(worth, &sight, i * hour_us / 6).mark, MARK_NONE);
	}
	return sight;
}

TEST(frozen_and_known_again_from_its_file)
{
	static uint8_t samples[240 * 180];
	CLEANUP(worth_freep) struct worth *worth = NULL;
	struct frame frame;
	struct sight sight = { .digest = 0 };
	char folder[64];
	int fd;

	test_make_folder(folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(worth_new(&worth), 0);
	CHECK_INT(worth_load(worth, fd, "worth"), -ENOENT);
	sight = learn_stripes(worth, &frame, samples);
	CHECK_INT(worth_judge(worth, &sight, hour_us).mark, MARK_FROZEN);
	CHECK_INT(worth_save(worth, fd, "worth"), 0);
	CHECK_INT(worth_load(worth, fd, "worth"), 0);
	/* half of it hidden: what was learned is known again */
	sight = sight_of(&frame, samples, 9);
	memset(samples, 5, 240 * 120);
	CHECK_INT(sight_measure(&frame, &frame, &sight), 0);
	CHECK_INT(worth_judge(worth, &sight, hour_us / 2).mark, MARK_COVERED);
	close(fd);
	test_remove_folder(folder);
}

/* A hand before the lens lets some light through: less than most nights have, more than none. */
TEST(a_cover_that_is_not_black)
{
	static uint8_t samples[240 * 180];
	CLEANUP(worth_freep) struct worth *worth = NULL;
	struct frame frame;
	struct sight sight;

	CHECK_INT(worth_new(&worth), 0);
	sight = learn_stripes(worth, &frame, samples);
	for (int luma = 18; luma < 60; luma += 6) {
		for (int i = 0; i < 240 * 180; i++)
			samples[i] = (uint8_t)(luma + (i * 7 + luma) % 3);
		CHECK_INT(sight_measure(&frame, &frame, &sight), 0);
		CHECK_INT(worth_judge(worth, &sight, hour_us / 2).mark, MARK_COVERED);
	}
}

/*
 * Squares of 6 pixels, black and white by chance; a spider before them lets a 25th of their light
 * through, in which they still show.
 */
static void take_spider(struct frame *frame, struct sight *ret, uint64_t noise, bool spider)
{
	static uint8_t samples[240 * 180];
	struct canvas canvas = { .format = PIXEL_YUV420,
		.width = 240,
		.height = 180,
		.plane = { samples },
		.stride = { 240 } };

	for (int i = 0; i < 240 * 180; i++)
		samples[i] =
			(uint8_t)(20 + 230 * (mix((uint64_t)(i % 240 / 6 + i / 1440 * 64)) & 1) +
				mix((uint64_t)i + noise) % 3);
	frame->plane[0] = samples;
	CHECK_INT(trouble_do(&canvas, spider ? VIEW_SPIDER : VIEW_NONE, 1, noise), 0);
	CHECK_INT(sight_measure(frame, frame, ret), 0);
}

TEST(something_before_the_lens)
{
	static uint8_t samples[240 * 180];
	CLEANUP(worth_freep) struct worth *worth = NULL;
	struct frame frame;
	struct sight sight = sight_of(&frame, samples, 0);

	CHECK_INT(worth_new(&worth), 0);
	for (uint64_t i = 0; i < 6; i++) {
		take_spider(&frame, &sight, i, false);
		CHECK_INT(worth_judge(worth, &sight, (int64_t)i * hour_us / 6).mark, MARK_NONE);
	}
	for (uint64_t i = 6; i < 20; i++) {
		take_spider(&frame, &sight, i, true);
		CHECK_INT(worth_judge(worth, &sight, hour_us / 2).mark, MARK_COVERED);
	}
}

TEST(damaged_file_begins_again)
{
	static uint8_t samples[240 * 180];
	CLEANUP(worth_freep) struct worth *worth = NULL;
	struct frame frame;
	struct sight sight;
	struct stat st;
	char folder[64];
	int fd, file;

	test_make_folder(folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(worth_new(&worth), 0);
	sight = sight_of(&frame, samples, 0);
	worth_judge(worth, &sight, 0);
	CHECK_INT(worth_save(worth, fd, "worth"), 0);
	file = openat(fd, "worth", O_RDWR | O_CLOEXEC);
	CHECK_INT(fstat(file, &st), 0);
	for (off_t at = 0; at < st.st_size; at += 97) {
		uint8_t byte, other;

		CHECK_INT(pread(file, &byte, 1, at), 1);
		other = byte ^ 0x10;
		CHECK_INT(pwrite(file, &other, 1, at), 1);
		CHECK_INT(worth_load(worth, fd, "worth"), -EBADMSG);
		CHECK_INT(pwrite(file, &byte, 1, at), 1);
	}
	CHECK_INT(worth_load(worth, fd, "worth"), 0);
	CHECK_INT(ftruncate(file, st.st_size - 1), 0);
	CHECK_INT(worth_load(worth, fd, "worth"), -EBADMSG);
	CHECK_INT(ftruncate(file, 0), 0);
	CHECK_INT(worth_load(worth, fd, "worth"), -EBADMSG);
	close(file);
	close(fd);
	test_remove_folder(folder);
}

/* All black by night, without noise: the same again and again, and nobody's fault. */
TEST(plain_pictures_are_not_frozen)
{
	static uint8_t samples[240 * 180];
	CLEANUP(worth_freep) struct worth *worth = NULL;
	struct frame frame;
	struct sight sight = sight_of(&frame, samples, 0);

	CHECK_INT(worth_new(&worth), 0);
	for (int light = 0; light < 2; light++) {
		memset(samples, light ? 255 : 0, sizeof(samples));
		CHECK_INT(sight_measure(&frame, &frame, &sight), 0);
		for (int i = 0; i < 20; i++)
			CHECK_INT(worth_judge(worth, &sight, i * hour_us).mark, MARK_NONE);
	}
}

/* Other sizes begin again; times before 1970 and back are times. */
TEST(another_size_and_odd_times)
{
	static uint8_t samples[240 * 180];
	CLEANUP(worth_freep) struct worth *worth = NULL;
	struct frame frame;
	struct sight sight = sight_of(&frame, samples, 0);
	static const int64_t times[] = { 0, -5, INT64_MIN, INT64_MAX, 0, INT64_C(1) << 50 };

	CHECK_INT(worth_new(&worth), 0);
	for (int side = 180; side > 0; side -= 7) {
		frame.height = side;
		CHECK_INT(sight_measure(&frame, &frame, &sight), 0);
		for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
			sight.digest = i + 1;
			CHECK_INT(worth_judge(worth, &sight, times[i]).mark, MARK_NONE);
		}
	}
	for (int width = 1; width < 20; width++) {
		frame.width = width;
		CHECK_INT(sight_measure(&frame, &frame, &sight), 0);
		worth_judge(worth, &sight, 0);
	}
}

TEST(what_cannot_be_measured)
{
	static uint8_t samples[240 * 180];
	struct frame good, bad;
	struct sight sight = sight_of(&good, samples, 0);

	bad = good;
	bad.format = PIXEL_MJPEG;
	CHECK_INT(sight_measure(&bad, &bad, &sight), -EOPNOTSUPP);
	bad = good;
	bad.plane[0] = NULL;
	CHECK_INT(sight_measure(&bad, &bad, &sight), -EINVAL);
	bad = good;
	bad.width = 0;
	CHECK_INT(sight_measure(&bad, &bad, &sight), -EINVAL);
	bad = good;
	bad.height = -1;
	CHECK_INT(sight_measure(&bad, &bad, &sight), -EINVAL);
	bad = good;
	bad.plane_bytes[0]--;
	CHECK_INT(sight_measure(&bad, &good, &sight), -EINVAL);
	bad = good;
	bad.stride[0] = 239;
	CHECK_INT(sight_measure(&good, &bad, &sight), -EINVAL);
	/* YUYV has its luma in every other byte */
	bad = good;
	bad.format = PIXEL_YUYV;
	bad.width = 120;
	CHECK_INT(sight_measure(&bad, &bad, &sight), 0);
	bad.width = 121;
	CHECK_INT(sight_measure(&bad, &bad, &sight), -EINVAL);
}
