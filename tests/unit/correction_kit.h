/* SPDX-License-Identifier: MIT */
/*
 * An archive of small pictures with real EXIF, taken by a machine whose clock is a story: boots, a
 * wall clock that is wrong until it is set, and the truth to compare with. Each picture has a
 * number of its own behind its EXIF, so it is known again under every name.
 */
#pragma once

#include <math.h>

#include "capture/picture/exif.h"
#include "capture/store/clock_correct.h"
#include "tests/unit/archive_kit.h"

#define PICTURES_MAX 400
#define BOOTS_MAX 6
#define S US_PER_SEC

struct picture {
	int64_t true_us; /* start of exposure */
	int64_t told_us; /* what the frame said first */
	int boot;
	bool synced;
};

struct story {
	char path[64];
	struct archive *archive;
	int boot;
	int64_t zero_us[BOOTS_MAX]; /* the truth: wall time at CLOCK_BOOTTIME 0 */
	int64_t wrong_us; /* what the wall clock is ahead of the truth */
	bool synced;
	int64_t up_us;
	struct picture pictures[PICTURES_MAX];
	uint32_t n;
};

static const char *boot_id(int boot)
{
	static char ids[BOOTS_MAX][UUID_CHARS + 1];

	snprintf(ids[boot], sizeof ids[boot], "%08x-0d3b-4c1a-9f55-2b8f6f0a7d11", boot + 1);
	return ids[boot];
}

/* A JPEG as the writer makes them, but for its pixels: those are the number. Returns its length. */
static size_t make_picture(uint32_t number, int64_t exposed_us, uint8_t jpeg[static 2048])
{
	struct exif_facts facts = { .time_us = exposed_us,
		.exposure_us = 10000,
		.gain = NAN,
		.make = "m",
		.width = 64,
		.height = 48 };
	uint8_t *exif = NULL;
	size_t bytes = 0, n = 0;

	CHECK_INT(exif_build(&facts, &exif, &bytes), 0);
	memcpy(jpeg, "\xff\xd8\xff\xe1", 4);
	jpeg[4] = (uint8_t)((bytes + 2) >> 8);
	jpeg[5] = (uint8_t)(bytes + 2);
	memcpy(jpeg + 6, exif, bytes);
	n = 6 + bytes;
	free(exif);
	memcpy(jpeg + n, "\xff\xda\0\2", 4);
	memcpy(jpeg + n + 4, &number, sizeof number);
	memcpy(jpeg + n + 8, "\xff\xd9", 2);
	return n + 10;
}

__attribute__((unused)) static void story_begin(struct story *s, const struct fs_ops *fs)
{
	*s = (struct story){ .boot = 0, .up_us = 100 * S };
	kit_make_folder(s->path);
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	s->zero_us[0] = KIT_SLOT;
	CHECK_INT(kit_open(s->path, fs, &s->archive), 0);
}

__attribute__((unused)) static void story_end(struct story *s)
{
	archive_free(s->archive);
	test_remove_folder(s->path);
}

__attribute__((unused)) static void story_reopen(struct story *s, const struct fs_ops *fs)
{
	archive_free(s->archive);
	s->archive = NULL;
	CHECK_INT(kit_open(s->path, fs, &s->archive), 0);
}

/* Time goes on by itself a little before each frame. */
__attribute__((unused)) static int story_frame(struct story *s)
{
	struct record frame = record_new(RECORD_FRAME);
	struct picture *p = &s->pictures[s->n];
	uint8_t jpeg[2048];
	size_t bytes;
	int r;

	s->up_us += 60 * S;
	p->boot = s->boot;
	p->synced = s->synced;
	p->true_us = s->zero_us[s->boot] + s->up_us + 412;
	p->told_us = p->true_us + s->wrong_us;
	frame.exposed_us = p->told_us;
	frame.slot_us = p->told_us - 412;
	frame.late_us = 412;
	frame.up_ns = (s->up_us + 412) * NS_PER_US;
	frame.synced = s->synced;
	memcpy(frame.boot, boot_id(s->boot), sizeof frame.boot);
	bytes = make_picture(s->n, p->told_us, jpeg);
	r = archive_publish(s->archive, &frame, jpeg, bytes);
	if (r == 0)
		s->n++;
	return r;
}

__attribute__((unused)) static void story_frames(struct story *s, int n)
{
	while (n-- > 0)
		CHECK_INT(story_frame(s), 0);
}

__attribute__((unused)) static void story_miss(struct story *s)
{
	struct record miss = kit_miss(s->zero_us[s->boot] + s->up_us + s->wrong_us);

	CHECK_INT(archive_note(s->archive, &miss), 0);
}

__attribute__((unused)) static void story_set_clock(struct story *s, int64_t wrong_us, bool synced)
{
	struct record step = record_new(RECORD_CLOCK);
	int64_t true_us = s->zero_us[s->boot] + s->up_us;

	step.before_us = true_us + s->wrong_us;
	step.after_us = true_us + wrong_us;
	CHECK_INT(archive_note(s->archive, &step), 0);
	s->wrong_us = wrong_us;
	s->synced = synced;
}

__attribute__((unused)) static void story_reboot(struct story *s, int64_t wrong_us)
{
	s->zero_us[s->boot + 1] = s->zero_us[s->boot] + s->up_us + 3600 * S;
	s->boot++;
	s->up_us = 100 * S;
	s->wrong_us = wrong_us;
	s->synced = false;
}

__attribute__((unused)) static struct correction_options story_options(struct story *s)
{
	return (struct correction_options){
		.archive = s->archive,
		.boot = boot_id(s->boot),
		.zero_us = s->zero_us[s->boot],
		.from = 1,
	};
}

/* To the end, or `steps` pieces of it; 0 finished, 1 not, or the first error. */
__attribute__((unused)) static int correction_run(
	const struct correction_options *options, int steps, struct correction_totals *ret)
{
	CLEANUP(correction_freep) struct correction *correction = NULL;
	int r = correction_new(options, &correction);

	if (r < 0)
		return r;
	do
		r = correction_step(correction);
	while (r > 0 && --steps != 0);
	if (ret)
		*ret = correction_totals(correction);
	return r;
}

/*
 * Reads a stored picture and checks it against the story: its EXIF must say what its record says.
 */
static uint32_t check_picture(struct story *s, struct archive *reader, const struct record *frame)
{
	uint8_t got[2048], want[2048];
	uint32_t number = UINT32_MAX;
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(reader, frame, &fd);

	if (r == -ENOENT)
		return UINT32_MAX;
	CHECK_INT(r, 0);
	CHECK_INT(fs_read_at(fd, got, sizeof got, 0), frame->bytes);
	memcpy(&number, got + frame->bytes - 6, sizeof number);
	if (!CHECK(number < s->n))
		return UINT32_MAX;
	CHECK_INT(make_picture(number, frame->exposed_us, want), frame->bytes);
	CHECK_INT(memcmp(got, want, (size_t)frame->bytes), 0);
	return number;
}

/*
 * Every picture is there once. `dated` says of a picture whether it must have its true time by now;
 * one that need not has the time it was given first; NULL: any may have either. Returns how many
 * were corrected.
 */
__attribute__((unused)) static int story_check(
	struct story *s, bool (*dated)(const struct story *s, const struct picture *p))
{
	CLEANUP(archive_freep) struct archive *reader = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct archive_options read = { .mode = ARCHIVE_READ };
	int seen[PICTURES_MAX] = { 0 }, n = 0;
	struct record frame;
	const char *line;
	uint64_t seq;
	size_t len;

	CHECK_INT(archive_open(s->path, &read, &reader), 0);
	CHECK_INT(journal_seek(archive_journal(reader), 1, &cursor), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		const struct picture *p;
		uint32_t number;

		CHECK_INT(record_parse(line, len, &frame), 0);
		if (frame.type != RECORD_FRAME)
			continue;
		number = check_picture(s, reader, &frame);
		if (number == UINT32_MAX)
			continue;
		p = &s->pictures[number];
		seen[number]++;
		if (dated)
			CHECK_INT(frame.exposed_us, dated(s, p) ? p->true_us : p->told_us);
		CHECK_INT(frame.late_us, 412);
		CHECK_INT(frame.slot_us, frame.exposed_us - 412);
		CHECK_STR(frame.boot, boot_id(p->boot));
		CHECK_INT(frame.synced, p->synced || frame.was);
		n += frame.was > 0;
	}
	for (uint32_t i = 0; i < s->n; i++) {
		CHECK_INT(seen[i], 1);
		if (seen[i] != 1)
			fprintf(stderr, "  picture %u\n", i);
	}
	CHECK_INT(kit_findings(s->path), 0);
	return n;
}
