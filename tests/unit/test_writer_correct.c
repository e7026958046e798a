/* SPDX-License-Identifier: MIT */
/* The storing thread corrects older frames in the time that newer ones leave. */
#include <poll.h>

#include "tests/unit/correction_kit.h"
#include "tests/unit/writer_kit.h"

#define WRONG (-400 * 24 * 3600 * S)

static int submit(struct writer *w, int64_t slot_us, int64_t up_us, bool synced)
{
	struct record record = record_new(RECORD_FRAME);

	record.slot_us = record.exposed_us = slot_us;
	record.late_us = 0;
	record.up_ns = up_us * NS_PER_US;
	record.synced = synced;
	memcpy(record.boot, boot_id(0), sizeof record.boot);
	return submit_record(w, &record);
}

/* The result of one frame. */
static void await_result(struct writer *w)
{
	struct pollfd fd = { .fd = writer_fd(w), .events = POLLIN };
	struct writer_result result;

	while (writer_take_result(w, &result) == -EAGAIN)
		if (!CHECK(poll(&fd, 1, 20000) == 1))
			return;
	CHECK_INT(result.error, 0);
}

static struct writer_result await_corrected(struct writer *w)
{
	struct pollfd fd = { .fd = writer_fd(w), .events = POLLIN };
	struct writer_result result = { .error = 1 };
	int r;

	while ((r = writer_take_result(w, &result)) == -EAGAIN || result.news == WRITER_FRAME)
		if (r == -EAGAIN && !CHECK(poll(&fd, 1, 20000) == 1))
			break;
	return result;
}

/* What the journal has: frames with their true time, and whether newer ones were always first. */
static int count_dated(const char *path)
{
	CLEANUP(archive_freep) struct archive *reader = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	struct record frame;
	const char *line;
	uint64_t seq;
	size_t len;
	int n = 0, fd;

	CHECK_INT(archive_open(path, &read, &reader), 0);
	CHECK_INT(journal_seek(archive_journal(reader), 1, &cursor), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		CHECK_INT(record_parse(line, len, &frame), 0);
		if (frame.type != RECORD_FRAME || archive_open_frame(reader, &frame, &fd) < 0)
			continue;
		close(fd);
		CHECK_INT(frame.exposed_us, KIT_SLOT + frame.up_ns / NS_PER_US);
		CHECK_INT(frame.synced, true);
		n += frame.was > 0;
	}
	CHECK_INT(kit_findings(path), 0);
	return n;
}

/* How many lines there are between the first and the last frame of a known clock, but for those. */
static int count_between(const char *path)
{
	CLEANUP(archive_freep) struct archive *reader = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	struct record frame;
	const char *line;
	uint64_t seq;
	size_t len;
	int n = 0, between = 0, frames = 0;

	CHECK_INT(archive_open(path, &read, &reader), 0);
	CHECK_INT(journal_seek(archive_journal(reader), 1, &cursor), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		CHECK_INT(record_parse(line, len, &frame), 0);
		if (frame.type != RECORD_FRAME || frame.was || !frame.synced) {
			n += frames > 0;
			continue;
		}
		frames++;
		between = n;
	}
	return between;
}

TEST(between_frames)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct writer_result corrected;
	struct writer *w = NULL;
	struct story s;

	story_begin(&s, NULL);
	s.wrong_us = WRONG;
	story_frames(&s, 37);
	CHECK_INT(correction_mark(s.archive, 1), 0);
	options.store.archive = TAKE_PTR(s.archive);
	CHECK_INT(writer_new(&options, &w), 0);
	/* some that the writer stores itself */
	for (int i = 0; i < 3; i++) {
		s.up_us += S;
		CHECK_INT(submit(w, KIT_SLOT + s.up_us + WRONG, s.up_us, false), 0);
		await_result(w);
	}
	writer_correct(w, boot_id(0), KIT_SLOT);
	/* frames that come fast: there is time for more, but one piece of work follows each */
	for (int i = 0; i < 20; i++) {
		s.up_us += S;
		CHECK_INT(submit(w, KIT_SLOT + s.up_us, s.up_us, true), 0);
		await_result(w);
		usleep(10000);
	}
	corrected = await_corrected(w);
	CHECK_INT(corrected.error, 0);
	CHECK_INT(corrected.totals.corrected, 40);
	CHECK_INT(corrected.totals.failed, 0);
	/* one more time: nothing to do, and told */
	writer_correct(w, boot_id(0), KIT_SLOT);
	CHECK_INT(await_corrected(w).totals.corrected, 0);
	writer_free(w);
	CHECK_INT(count_dated(s.path), 40);
	/* of 80 lines two after each frame; more only where the machine stands still for a while */
	CHECK(count_between(s.path) < 60);
	story_end(&s);
}

/* A boot whose clock was known, was not, and is again. */
TEST(frames_that_the_writer_remembers)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct writer *w = NULL;
	struct story s;

	story_begin(&s, NULL);
	s.synced = true;
	story_frames(&s, 3);
	options.store.archive = TAKE_PTR(s.archive);
	CHECK_INT(writer_new(&options, &w), 0);
	s.up_us += S;
	CHECK_INT(submit(w, KIT_SLOT + s.up_us + 7200 * S, s.up_us, false), 0);
	await_result(w);
	s.up_us += S;
	CHECK_INT(submit(w, KIT_SLOT + s.up_us, s.up_us, true), 0);
	await_result(w);
	writer_correct(w, boot_id(0), KIT_SLOT);
	CHECK_INT(await_corrected(w).totals.corrected, 1);
	writer_free(w);
	CHECK_INT(count_dated(s.path), 1);
	story_end(&s);
}

/* An end in the middle; the next writer goes on. */
TEST(ended_in_the_middle)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct story s;

	story_begin(&s, NULL);
	s.wrong_us = WRONG;
	story_frames(&s, 30);
	CHECK_INT(correction_mark(s.archive, 1), 0);
	for (int i = 0; i < 4; i++) {
		struct writer *w = NULL;

		options.store.archive = TAKE_PTR(s.archive);
		CHECK_INT(writer_new(&options, &w), 0);
		writer_correct(w, boot_id(0), KIT_SLOT);
		if (i < 3)
			usleep(2000);
		else
			CHECK_INT(await_corrected(w).error, 0);
		writer_free(w);
		story_reopen(&s, NULL);
	}
	CHECK_INT(count_dated(s.path), 30);
	story_end(&s);
}

/* Told once, not with every try; frames are stored meanwhile. */
TEST(a_disk_that_takes_no_dated_frame)
{
	struct writer_options options = { .pictures.quality = 80 };
	struct writer_result corrected;
	struct writer *w = NULL;
	struct story s;

	story_begin(&s, &kit_fs);
	s.wrong_us = WRONG;
	story_frames(&s, 2);
	CHECK_INT(correction_mark(s.archive, 1), 0);
	options.store.archive = TAKE_PTR(s.archive);
	CHECK_INT(writer_new(&options, &w), 0);
	kit_fault_set(1, 1, ENOSPC);
	writer_correct(w, boot_id(0), KIT_SLOT);
	corrected = await_corrected(w);
	CHECK_INT(corrected.error, -ENOSPC);
	CHECK_INT(corrected.totals.corrected, 0);
	s.up_us += S;
	CHECK_INT(submit(w, KIT_SLOT + s.up_us, s.up_us, true), 0);
	await_result(w);
	CHECK_INT(writer_take_result(w, &corrected), -EAGAIN);
	writer_free(w);
	story_end(&s);
}
