/* SPDX-License-Identifier: MIT */
/* The storing thread: the journal keeps the order of outcomes, merged misses contain no frame. */
#include "tests/test.h"

#include <errno.h>
#include <math.h>
#include <poll.h>

#include "capture/writer.h"

#define W 64
#define H 48
static uint8_t pixels[W * H * 3 / 2];
static int released;

static const struct camera_info *fake_info(const struct camera *camera)
{
	static const struct camera_info info = { .model = "fake" };

	(void)camera;
	return &info;
}

static void fake_release(struct camera *camera, struct frame *frame)
{
	(void)camera, (void)frame;
	__atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
}

static const struct camera_ops fake_ops = { .info = fake_info, .release = fake_release };
static struct camera fake_camera = { &fake_ops };

static int submit(struct writer *w, int64_t slot)
{
	struct record record = record_new(RECORD_FRAME);
	struct frame frame = { .plane = { pixels, pixels + W * H, pixels + W * H * 5 / 4 },
		.stride = { W, W / 2, W / 2 },
		.plane_bytes = { W * H, W * H / 4, W * H / 4 },
		.width = W,
		.height = H,
		.exposure_us = NAN,
		.gain = NAN };

	record.slot_us = record.exposed_us = (1800000000 + slot) * US_PER_SEC;
	record.late_us = 0;
	return writer_submit(w, &fake_camera, &frame, &record);
}

static void note(struct writer *w, int64_t slot, enum miss_cause cause)
{
	struct record record = record_new(RECORD_MISS);

	record.slot_us = record.last_us = (1800000000 + slot) * US_PER_SEC;
	record.cause = cause;
	writer_note(w, &record);
}

/* Every third picture, and nothing else, finds no room. */
static int full_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	static int calls;

	if (!flags || ++calls % 3)
		return fs_real.renameat2(olddir, old, newdir, new, flags);
	errno = ENOSPC;
	return -1;
}

TEST(outcomes_keep_their_order)
{
	struct fs_ops fs = fs_real;
	struct archive_options open = { .mode = ARCHIVE_WRITE, .fs = &fs };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct writer_options options = { .quality = 80 };
	struct writer *w = NULL;
	uint64_t random = test_seed() | 1;
	int64_t next = 0, stored = 0, full = 0;
	char folder[64];
	const char *line;
	size_t len;
	uint64_t seq;

	test_make_folder(folder);
	fs.renameat2 = full_renameat2;
	CHECK_INT(archive_open(folder, &open, &archive), 0);
	options.archive = archive;
	CHECK_INT(writer_new(&options, &w), 0);
	for (int64_t slot = 0; slot < 400; slot++) {
		int r = test_random(&random) % 3 ? submit(w, slot) : -EAGAIN;

		stored += r == 0;
		if (r < 0)
			note(w, slot, r == -EBUSY ? MISS_BUSY : MISS_CAMERA);
		if (test_random(&random) % 8 == 0)
			writer_drain(w);
	}
	writer_free(w);
	CHECK_INT(released, stored);
	CHECK(stored > 20);
	CHECK_INT(journal_seek(archive_journal(archive), 1, &cursor), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		struct record r;

		CHECK_INT(record_parse(line, len, &r), 0);
		CHECK_INT(r.slot_us / US_PER_SEC - 1800000000, next);
		next += (int64_t)r.count;
		if (r.type == RECORD_MISS)
			CHECK_INT(r.last_us / US_PER_SEC - 1800000000, next - 1);
		full += r.type == RECORD_MISS && r.cause == MISS_DISK;
	}
	CHECK(full > 5);
	CHECK_INT(next, 400);
	test_remove_folder(folder);
}

TEST(results_are_told)
{
	struct archive_options open = { .mode = ARCHIVE_WRITE };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(writer_freep) struct writer *w = NULL;
	struct writer_options options = { .quality = 80 };
	struct writer_result result;
	struct pollfd fd;
	char folder[64];

	test_make_folder(folder);
	CHECK_INT(archive_open(folder, &open, &archive), 0);
	options.archive = archive;
	CHECK_INT(writer_new(&options, &w), 0);
	fd = (struct pollfd){ .fd = writer_fd(w), .events = POLLIN };
	CHECK_INT(poll(&fd, 1, 0), 0);
	CHECK_INT(submit(w, 1), 0);
	CHECK_INT(poll(&fd, 1, 20000), 1);
	CHECK_INT(writer_take_result(w, &result), 0);
	CHECK_INT(result.error, 0);
	CHECK_INT(result.record.seq, 1);
	CHECK(result.record.bytes > 100);
	CHECK_INT(writer_take_result(w, &result), -EAGAIN);
	CHECK_INT(poll(&fd, 1, 0), 0);
	test_remove_folder(folder);
}
