/* SPDX-License-Identifier: MIT */
/* The storing thread: the journal keeps the order of outcomes, merged misses contain no frame. */
#include <poll.h>

#include "capture/picture/jpeg.h"
#include "tests/unit/archive_kit.h"
#include "tests/unit/writer_kit.h"

static int submit(struct writer *w, int64_t slot)
{
	struct record record = record_new(RECORD_FRAME);

	record.slot_us = record.exposed_us = (1800000000 + slot) * US_PER_SEC;
	record.late_us = 0;
	return submit_record(w, &record);
}

static void note(struct writer *w, int64_t slot, enum miss_cause cause)
{
	struct record record = record_new(RECORD_MISS);

	record.slot_us = record.last_us = (1800000000 + slot) * US_PER_SEC;
	record.cause = cause;
	writer_note(w, &record);
}

#define SLOTS 60 /* as many notes find room */
#define SLOT_0 INT64_C(1800000000)

/* Adds up the journal: each slot from 0 on has one outcome, in order. Returns the next slot. */
static int64_t add_up(const char *folder, int64_t *ret_frames, int64_t *ret_disk, int *ret_lines)
{
	struct archive_options open = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	int64_t next = 0;
	const char *line;
	size_t len;
	uint64_t seq;

	*ret_frames = *ret_disk = *ret_lines = 0;
	if (!CHECK(archive_open(folder, &open, &archive) == 0) ||
		!CHECK(journal_seek(archive_journal(archive), 1, &cursor) == 0))
		return -1;
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		struct record r;

		CHECK_INT(record_parse(line, len, &r), 0);
		if (r.type != RECORD_FRAME && r.type != RECORD_MISS)
			continue;
		CHECK_INT(r.slot_us / US_PER_SEC - SLOT_0, next);
		next += (int64_t)r.count;
		if (r.type == RECORD_MISS)
			CHECK_INT(r.last_us / US_PER_SEC - SLOT_0, next - 1);
		*ret_frames += r.type == RECORD_FRAME;
		if (r.type == RECORD_MISS && r.cause == MISS_DISK)
			*ret_disk += (int64_t)r.count;
		++*ret_lines;
	}
	return next;
}

/* Of camera c, with a new archive in that folder. */
static struct writer *open_writer(
	struct writer_options *options, const char *folder, const struct fs_ops *fs)
{
	struct archive_settings *settings = &options->store.settings;
	struct writer *w = NULL;

	options->store.root = folder;
	snprintf(settings->path, sizeof(settings->path), "%s", folder);
	snprintf(settings->camera, sizeof(settings->camera), "c");
	CHECK_INT(kit_open(folder, fs, &options->store.archive), 0);
	CHECK_INT(writer_new(options, &w), 0);
	return w;
}

/*
 * A disk on which calls fail at random, the more the higher `per_mille`; what undoes never fails.
 */
static struct {
	uint64_t random;
	unsigned per_mille;
	int error;
} fault;

static bool works(void)
{
	unsigned per_mille = __atomic_load_n(&fault.per_mille, __ATOMIC_SEQ_CST);

	if (per_mille == 0 || test_random(&fault.random) % 1000 >= per_mille)
		return true;
	errno = fault.error;
	return false;
}

static ssize_t faulty_write(int fd, const void *data, size_t bytes)
{
	return works() ? fs_real.write(fd, data, bytes) : -1;
}
static int faulty_fsync(int fd)
{
	return works() ? fs_real.fsync(fd) : -1;
}
static int faulty_fdatasync(int fd)
{
	return works() ? fs_real.fdatasync(fd) : -1;
}
static int faulty_renameat2(
	int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	return works() ? fs_real.renameat2(olddir, old, newdir, new, flags) : -1;
}
static int faulty_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return works() ? fs_real.mkdirat(dirfd, path, mode) : -1;
}

static struct fs_ops faulty_fs(int error)
{
	struct fs_ops fs = fs_real;

	fs.write = faulty_write;
	fs.fsync = faulty_fsync;
	fs.fdatasync = faulty_fdatasync;
	fs.renameat2 = faulty_renameat2;
	fs.mkdirat = faulty_mkdirat;
	fault.random = fault.random ? fault.random : test_seed() | 1;
	fault.per_mille = 0;
	fault.error = error;
	return fs;
}

static void set_faults(unsigned per_mille)
{
	__atomic_store_n(&fault.per_mille, per_mille, __ATOMIC_SEQ_CST);
}

/* Frames, misses and failures in turn. */
static void run_order(int error, unsigned per_mille, bool batch)
{
	struct fs_ops fs = faulty_fs(error);
	struct writer_options options = { .pictures.quality = 80,
		.store = { .fs = &fs, .retry_us = 1000 } };
	struct writer *w = NULL;
	static uint64_t random;
	int64_t stored = 0, frames, disk;
	int failures = test_failures, lines;
	char folder[64];

	random = random ? random : test_seed() | 1;
	kit_make_folder(folder);
	released = 0;
	options.store.settings.durability = batch ? DURABILITY_BATCH : DURABILITY_FRAME;
	w = open_writer(&options, folder, &fs);
	set_faults(per_mille);
	for (int64_t slot = 0; slot < SLOTS; slot++) {
		int r = test_random(&random) % 3 ? submit(w, slot) : -EAGAIN;

		stored += r == 0;
		if (r < 0)
			note(w, slot, r == -EBUSY ? MISS_BUSY : MISS_CAMERA);
		if (test_random(&random) % 8 == 0)
			writer_drain(w);
	}
	set_faults(0);
	writer_drain(w);
	usleep(40000); /* what could not be written is tried again */
	writer_free(w);
	CHECK_INT(released, stored);
	CHECK(stored > 0);
	CHECK_INT(add_up(folder, &frames, &disk, &lines), SLOTS);
	CHECK_INT(frames + disk, stored);
	CHECK(disk == 0 || per_mille > 0);
	if (per_mille == 0)
		CHECK_INT(kit_findings(folder), 0);
	if (test_failures > failures)
		fprintf(stderr, "  %s, %u of 1000%s\n", strerror(error), per_mille,
			batch ? ", batch" : "");
	test_remove_folder(folder);
}

TEST(outcomes_keep_their_order)
{
	static const int errors[] = { ENOSPC, EIO };

	for (int batch = 0; batch < 2; batch++) {
		run_order(0, 0, batch);
		for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
			for (unsigned per_mille = 10; per_mille < 1000; per_mille *= 3)
				run_order(errors[e], per_mille, batch);
		}
	}
}

/* The next result, which comes after a while. */
static struct writer_result wait_result(struct writer *w)
{
	struct pollfd fd = { .fd = writer_fd(w), .events = POLLIN };
	struct writer_result result = { .error = 0 };

	while (writer_take_result(w, &result) == -EAGAIN)
		if (!CHECK(poll(&fd, 1, 20000) == 1))
			break;
	return result;
}

/* A webcam's frame that was cut on its way: no file, and the journal says whose fault it is. */
TEST(a_damaged_picture_is_a_miss_of_the_camera)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct record record = record_new(RECORD_FRAME);
	struct writer *w = NULL;
	struct writer_result result;
	struct frame damaged = fake_frame();
	int64_t frames, disk;
	char folder[64];
	int lines;

	kit_make_folder(folder);
	w = open_writer(&options, folder, NULL);
	CHECK_INT(submit(w, 0), 0);
	CHECK_INT(wait_result(w).error, 0);
	damaged.format = PIXEL_MJPEG;
	record.slot_us = record.exposed_us = (SLOT_0 + 1) * US_PER_SEC;
	record.late_us = 0;
	CHECK_INT(writer_submit(w, &fake_camera, &damaged, &record), 0);
	result = wait_result(w);
	CHECK_INT(result.error, -EILSEQ);
	CHECK_INT(store_miss_cause(result.error), MISS_CAMERA);
	CHECK_INT(submit(w, 2), 0);
	CHECK_INT(wait_result(w).error, 0);
	CHECK_INT(writer_store_facts(w).error, 0); /* nothing is wrong with the disk */
	writer_free(w);
	CHECK_INT(add_up(folder, &frames, &disk, &lines), 3);
	CHECK_INT(frames, 2);
	CHECK_INT(disk, 0);
	CHECK_INT(lines, 3);
	CHECK_INT(kit_findings(folder), 0);
	test_remove_folder(folder);
}

/* A webcam's own JPEG has no planes: it is decoded to tell what it is worth. */
TEST(a_webcams_picture_is_measured)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct frame frame = fake_frame();
	struct record record = record_new(RECORD_FRAME);
	struct jpeg_encoder *encoder = NULL;
	struct writer_result result[2] = { 0 };
	const uint8_t *jpeg;
	struct writer *w = NULL;
	char folder[64];

	kit_make_folder(folder);
	for (int i = 0; i < W * H; i++)
		pixels[i] = (uint8_t)(i % W / 8 % 2 ? 220 : 40);
	CHECK_INT(jpeg_encoder_new(90, &encoder), 0);
	CHECK_INT(jpeg_encode(encoder, &frame, NULL, 0, &jpeg, &frame.plane_bytes[0]), 0);
	frame.format = PIXEL_MJPEG;
	frame.plane[0] = (uint8_t *)(uintptr_t)jpeg;
	w = open_writer(&options, folder, NULL);
	/* decoding has its share of the time: frames in between are not measured */
	for (int i = 0, measured = 0; i < 1000 && measured < 2; i++) {
		record.slot_us = record.exposed_us = (SLOT_0 + i) * US_PER_SEC;
		CHECK_INT(writer_submit(w, &fake_camera, &frame, &record), 0);
		result[measured] = wait_result(w);
		CHECK_INT(result[measured].error, 0);
		measured += !isnan(result[measured].record.picture.mean);
		usleep(10 * 1000);
	}
	CHECK(fabs(result[0].record.picture.mean - 130 / 255.0) < 0.02);
	CHECK_INT(result[0].record.picture.mark, MARK_NONE);
	CHECK_INT(result[1].record.picture.mark, MARK_FROZEN);
	writer_free(w);
	jpeg_encoder_free(encoder);
	test_remove_folder(folder);
	memset(pixels, 0, sizeof pixels);
}

/* A frame is stored with its mask, which its line tells, or not at all. */
TEST(no_picture_without_its_mask)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct writer_pictures pictures = { .quality = 80 };
	struct mask_setting *mask = &pictures.mask;
	char folder[64], hash[MASK_HASH_CHARS + 1];
	struct frame mjpeg = fake_frame();
	struct record record = record_new(RECORD_FRAME);
	struct writer_result result;
	struct writer *w = NULL;

	kit_make_folder(folder);
	memset(pixels, 200, sizeof pixels);
	w = open_writer(&options, folder, NULL);
	CHECK_INT(submit(w, 0), 0);
	result = wait_result(w);
	CHECK_STR(result.record.mask, "");
	mask->n = 1;
	snprintf(mask->polygon[0].points, CONF_VALUE_MAX, "0,0 0.1,0 0.1,0.1");
	mask_hash(mask, hash);
	writer_set(w, &options.store.settings, pictures);
	CHECK_INT(submit(w, 1), 0);
	result = wait_result(w);
	CHECK_INT(result.error, 0);
	CHECK_STR(result.record.mask, hash);
	CHECK_INT(pixels[0], MASK_BLANK);
	CHECK_INT(pixels[W - 1], 200);
	mjpeg.format = PIXEL_MJPEG;
	record.slot_us = record.exposed_us = (SLOT_0 + 2) * US_PER_SEC;
	CHECK_INT(writer_submit(w, &fake_camera, &mjpeg, &record), 0);
	result = wait_result(w);
	CHECK_INT(result.error, -EMEDIUMTYPE);
	CHECK_INT(store_miss_cause(result.error), MISS_CAMERA);
	mask->broken = true;
	writer_set(w, &options.store.settings, pictures);
	CHECK_INT(submit(w, 3), 0);
	result = wait_result(w);
	CHECK_INT(result.error, -EDOM);
	CHECK_INT(store_miss_cause(result.error), MISS_CAMERA);
	writer_free(w);
	CHECK_INT(kit_findings(folder), 0);
	test_remove_folder(folder);
	memset(pixels, 0, sizeof pixels);
}

/* Only with the switch, and from the next frame on where it is set. */
TEST(a_picture_tells_its_place)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct writer_pictures pictures = { 80, true, 52.5, -13.25 };
	struct writer *w = NULL;
	char folder[64];

	kit_make_folder(folder);
	w = open_writer(&options, folder, NULL);
	for (int64_t i = 0; i < 3; i++) {
		/* 52 and 30 minutes */
		static const char latitude[] = "\x34\0\0\0\1\0\0\0\x1e\0\0\0\1\0\0";
		CLEANUP_FREE char *jpeg = NULL;
		char path[300];
		size_t bytes = 0;

		pictures.gps = i == 1;
		writer_set(w, &options.store.settings, pictures);
		CHECK_INT(submit(w, i), 0);
		CHECK_INT(wait_result(w).error, 0);
		snprintf(path, sizeof path, "%s/%s", folder, kit_latest(folder));
		CHECK_INT(fs_read_file(AT_FDCWD, path, 1 << 20, &jpeg, &bytes), 0);
		CHECK(!memmem(jpeg, bytes, "WGS-84", 6) == (i != 1));
		CHECK(!memmem(jpeg, bytes, latitude, sizeof latitude) == (i != 1));
	}
	writer_free(w);
	test_remove_folder(folder);
}

/* The disk takes nothing for a while: one line says so, and nothing is encoded in vain for long. */
TEST(an_outage_is_one_line)
{
	struct fs_ops fs = faulty_fs(EIO);
	struct writer_options options = { .pictures.quality = 80,
		.store = { .fs = &fs, .retry_us = 1000 } };
	struct writer *w = NULL;
	struct pollfd fd = { .events = POLLIN };
	struct writer_result result;
	int64_t frames, disk;
	char folder[64];
	int lines, failed = 0;

	kit_make_folder(folder);
	w = open_writer(&options, folder, &fs);
	for (int64_t slot = 0; slot < 100; slot++) {
		if (slot == 10)
			set_faults(1000);
		if (slot == 90) {
			set_faults(0);
			usleep(40000); /* it is tried again in 15 ms */
		}
		CHECK_INT(submit(w, slot), 0);
		fd.fd = writer_fd(w);
		while (writer_take_result(w, &result) == -EAGAIN)
			CHECK_INT(poll(&fd, 1, 20000), 1);
		failed += result.error == -EIO;
	}
	CHECK(writer_store_facts(w).open);
	CHECK_INT(writer_store_facts(w).error, 0);
	writer_free(w);
	CHECK_INT(failed, 80);
	CHECK_INT(add_up(folder, &frames, &disk, &lines), 100);
	CHECK_INT(frames, 20);
	CHECK_INT(disk, 80);
	CHECK_INT(lines, 21);
	CHECK_INT(kit_findings(folder), 0);
	test_remove_folder(folder);
}

/* Pictures find no room, lines do. */
static int full_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	if (strstr(path, ".jpg.part") && (flags & O_CREAT) && !works())
		return -1;
	return fs_real.openat(dirfd, path, flags, mode);
}

TEST(a_full_disk_is_one_line)
{
	for (int batch = 0; batch < 2; batch++) {
		struct fs_ops fs = faulty_fs(ENOSPC);
		struct writer_options options = { .pictures.quality = 80,
			.store = { .fs = &fs, .retry_us = 1000 } };
		struct writer *w = NULL;
		int64_t frames, disk;
		char folder[64];
		int lines;

		fs = fs_real;
		fs.openat = full_openat;
		kit_make_folder(folder);
		options.store.root = folder;
		options.store.settings.durability = batch ? DURABILITY_BATCH : DURABILITY_FRAME;
		snprintf(options.store.settings.path, sizeof(options.store.settings.path), "%s",
			folder);
		CHECK_INT(kit_open(folder, &fs, &options.store.archive), 0);
		CHECK_INT(writer_new(&options, &w), 0);
		for (int64_t slot = 0; slot < 100; slot++) {
			set_faults(slot >= 10 && slot < 90 ? 1000 : 0);
			CHECK_INT(submit(w, slot), 0);
			writer_drain(w);
			usleep(1000 * (slot == 50)); /* a note is not written meanwhile */
		}
		CHECK_INT(writer_store_facts(w).error, 0);
		writer_free(w);
		CHECK_INT(add_up(folder, &frames, &disk, &lines), 100);
		CHECK_INT(frames, 20);
		CHECK_INT(disk, 80);
		CHECK_INT(lines, 21);
		CHECK_INT(kit_findings(folder), 0);
		test_remove_folder(folder);
	}
}

/* Takes results up to one that is no frame's: -EAGAIN, there is none. */
static int take_news(struct writer *w, struct writer_result *ret)
{
	int r;

	while ((r = writer_take_result(w, ret)) == 0 && ret->news == WRITER_FRAME)
		continue;
	return r;
}

/* No archive at the start: when it comes, what was before the start is said first. */
TEST(an_archive_that_comes_later)
{
	struct writer_options options = { .pictures.quality = 80,
		.schedule = { .every_us = US_PER_SEC, .days = 0x7f },
		.store.retry_us = 1000 };
	struct record down = record_new(RECORD_MISS);
	struct writer_result told;
	struct writer *w = NULL;
	int64_t frames, disk;
	char folder[64], aside[80];
	int lines;

	kit_make_folder(folder);
	snprintf(aside, sizeof(aside), "%.60s.aside", folder);
	/* an archive with an outcome for slot 0; a file in its place */
	w = open_writer(&options, folder, NULL);
	CHECK_INT(submit(w, 0), 0);
	writer_free(w);
	CHECK_INT(rename(folder, aside), 0);
	kit_write("/", folder + 1, "x", 1, 0);
	options.store.archive = NULL;
	CHECK_INT(writer_new(&options, &w), 0);
	down.cause = MISS_DOWN;
	down.last_us = (SLOT_0 + 2) * US_PER_SEC;
	writer_note(w, &down);
	for (int64_t slot = 3; slot < 6; slot++) {
		CHECK_INT(submit(w, slot), 0);
		writer_drain(w);
	}
	CHECK(!writer_store_facts(w).open);
	CHECK_INT(take_news(w, &told), -EAGAIN);
	CHECK_INT(unlink(folder), 0);
	CHECK_INT(rename(aside, folder), 0);
	for (int i = 0; i < 1000 && !writer_store_facts(w).open; i++)
		usleep(10000);
	CHECK_INT(submit(w, 6), 0);
	CHECK_INT(submit(w, 7), 0);
	writer_stop(w);
	CHECK_INT(take_news(w, &told), 0);
	CHECK_INT(told.news, WRITER_DOWN);
	CHECK_INT(told.record.slot_us, (SLOT_0 + 1) * US_PER_SEC);
	CHECK_INT(told.record.count, 2);
	writer_free(w);
	CHECK_INT(add_up(folder, &frames, &disk, &lines), 8);
	CHECK_INT(frames, 3);
	CHECK_INT(disk, 3);
	CHECK_INT(lines, 5);
	CHECK_INT(kit_findings(folder), 0);
	test_remove_folder(folder);
}

TEST(results_are_told)
{
	CLEANUP(writer_freep) struct writer *w = NULL;
	struct writer_options options = { .pictures.quality = 80 };
	struct writer_result result;
	struct pollfd fd;
	char folder[64];

	kit_make_folder(folder);
	CHECK_INT(kit_open(folder, NULL, &options.store.archive), 0);
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
