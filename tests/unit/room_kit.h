/* SPDX-License-Identifier: MIT */
/* An archive of PullPi's on a disk of 1,000 MB, and room for it. */
#pragma once

#include "common/upkeep/pruner_private.h"
#include "pull/session/room.h"
#include "tests/unit/clock_kit.h"
#include "tests/unit/pull_kit.h"

#define MB (INT64_C(1) << 20)

static int64_t disk_free; /* MB, of 1000 */

static int fake_statvfs(int fd, struct statvfs *st)
{
	(void)fd;
	*st = (struct statvfs){ .f_blocks = 1000, .f_frsize = MB };
	st->f_bavail = (fsblkcnt_t)disk_free;
	return 0;
}

static void bring(struct archive *archive, struct room *room, uint64_t seq)
{
	struct partial *partial = NULL;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record frame = wire_frame(seq, jpeg);

	CHECK_INT(partial_resume(archive, &frame, 0, &partial), 0);
	CHECK_INT(partial_write(partial, jpeg, sizeof(jpeg)), 0);
	if (room)
		room_charge(room, archive, room_cost(room, &frame), frame.bytes, 1);
	CHECK_INT(kit_commit(archive, partial), 0);
	partial_free(partial);
	if (room)
		room_stored(room, &frame);
}

static struct archive *open_copy(const char *path)
{
	struct archive_options options = { .mode = ARCHIVE_WRITE,
		.id = KIT_ID,
		.copy = true,
		.wait_until_ns = deadline_in(US_PER_SEC) };
	struct archive *archive = NULL;

	CHECK_INT(archive_open(path, &options, &archive), 0);
	return archive;
}

static struct room room_of(const struct camera_settings *camera, const struct clock *clock)
{
	return (struct room){ .camera = camera, .clock = clock, .statvfs = fake_statvfs };
}

__attribute__((unused)) static void enter(struct room *room, struct archive *archive)
{
	room_open(room, archive);
	CHECK_INT(room->error, 0);
	room->pruner->statvfs = fake_statvfs;
}

__attribute__((unused)) static enum room_verdict admit_bytes(
	struct room *room, struct archive *archive, int64_t bytes)
{
	struct record frame = kit_frame(KIT_SLOT);

	frame.bytes = bytes;
	return room_admit(room, archive, &frame, 0, NULL);
}

__attribute__((unused)) static enum room_verdict admit(struct room *room, struct archive *archive)
{
	return admit_bytes(room, archive, KIT_JPEG_BYTES);
}

/* What verify says of a copy whose files are all there, or known to be gone. */
static uint64_t findings(const char *path)
{
	struct archive_options options = { .mode = ARCHIVE_READ };
	struct verify_options verify = { .copy = true, .finding = kit_print_finding };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct verify_totals totals;

	CHECK_INT(archive_open(path, &options, &archive), 0);
	CHECK_INT(verify_archive(archive, &verify, &totals), 0);
	return totals.findings + totals.deleted;
}
