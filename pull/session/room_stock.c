/* SPDX-License-Identifier: MIT */
/* What is stored of a camera, in its archive and apart in branches, and which of it goes. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/archive/archive.h"
#include "pull/session/room.h"

/* The archive's pruner, and those of its branches. */
static struct pruner *room_pruner(const struct room *room, unsigned i)
{
	return i == 0 ? room->pruner : room->branches[i - 1].pruner;
}

void room_count(const struct room *room, struct room_ledger *ledger)
{
	ledger->stored_bytes = ledger->stored_frames = 0;
	ledger->counted = true;
	for (unsigned i = 0; i <= room->n_open; i++) {
		const struct pruner_totals totals = pruner_totals(room_pruner(room, i));

		ledger->stored_bytes += totals.bytes;
		ledger->stored_frames += totals.frames;
		ledger->counted = ledger->counted && totals.counted;
	}
}

bool room_needs_pruner(const struct camera_settings *camera)
{
	return room_removes(camera) || camera->keep_days > 0 || camera->max_bytes > 0 ||
		camera->max_frames > 0;
}

/* A limit of all, less what the others have; 0: no limit. */
static int64_t limit_less(int64_t limit, int64_t others)
{
	if (limit == 0)
		return 0;
	return limit > others ? limit - others : 1;
}

/* Of a pruner, beside those that have so much of what is stored. */
static struct retention_settings room_retention(
	const struct camera_settings *camera, int64_t other_bytes, int64_t other_frames)
{
	const bool removes = room_removes(camera);

	return (struct retention_settings){
		.reserve = removes ? room_reserve(camera) : 0,
		.keep_days = camera->keep_days,
		.max_bytes = removes ? limit_less(camera->max_bytes, other_bytes) : 0,
		.max_frames = removes ? limit_less(camera->max_frames, other_frames) : 0,
		.keep_us = camera->keep_at_least_us,
		.exchange = true,
	};
}

static int branch_open(const struct archive *archive, unsigned number, enum archive_mode mode,
	struct archive **ret)
{
	const struct archive_options options = { .mode = mode,
		.camera = archive_camera(archive),
		.id = archive_id(archive),
		.copy = true };
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/" BRANCHES "/%u", archive_path(archive), number) >=
		(int)sizeof path)
		return -ENAMETOOLONG;
	return archive_open(path, &options, ret);
}

/* A branch that cannot be read is not counted, which `error` tells. */
static void room_open_branches(
	struct room *room, struct archive *archive, const struct retention_settings *settings)
{
	unsigned number = 0;

	while (archive_branch(archive, &number)) {
		struct room_branch *branch = &room->branches[room->n_open];
		int r = branch_open(archive, number, ARCHIVE_READ, &branch->archive);

		if (r == 0)
			r = pruner_new(branch->archive, settings, room->clock, &branch->pruner);
		if (r == 0)
			room->n_open++;
		else
			archive_free(TAKE_PTR(branch->archive));
		room_note_error(room, r);
	}
}

void room_open(struct room *room, struct archive *archive)
{
	const struct retention_settings settings = room_retention(room->camera, 0, 0);
	int r;

	if (room->pruner || !room_needs_pruner(room->camera))
		return;
	r = pruner_new(archive, &settings, room->clock, &room->pruner);
	room_note_error(room, r);
	if (r == 0)
		room_open_branches(room, archive, &settings);
}

void room_refresh(struct room *room, struct archive *archive)
{
	if (room->pruner)
		room_note_error(room, pruner_refresh(room->pruner, archive));
}

void room_stored(struct room *room, const struct record *frame)
{
	room->folder_day = retention_day(frame->slot_us);
	room->segment = frame->seq / SEGMENT_LINES;
	if (room->pruner)
		pruner_stored(room->pruner, frame);
}

uint64_t room_gone(const struct room *room)
{
	return room->pruner ? pruner_totals(room->pruner).gone : 0;
}

void room_close(struct room *room)
{
	pruner_free(TAKE_PTR(room->pruner));
	while (room->n_open > 0) {
		struct room_branch *branch = &room->branches[--room->n_open];

		pruner_free(TAKE_PTR(branch->pruner));
		archive_free(TAKE_PTR(branch->archive));
	}
}

/* Opens a branch for writing, as something of it is to go. */
static int branch_take(struct room_branch *branch, const struct archive *archive)
{
	CLEANUP(archive_freep) struct archive *writing = NULL;
	const char *number = strrchr(archive_path(branch->archive), '/') + 1;
	int r;

	r = branch_open(archive, (unsigned)strtoul(number, NULL, 10), ARCHIVE_WRITE, &writing);
	if (r == 0)
		r = pruner_refresh(branch->pruner, writing);
	if (r < 0)
		return r;
	archive_free(branch->archive);
	branch->archive = TAKE_PTR(writing);
	return 0;
}

/* Removes some frames of the archive, or of a branch. */
static int room_remove_from(struct room *room, unsigned i, struct archive *archive, int64_t bytes,
	struct pruner_removed *ret)
{
	struct pruner *pruner = room_pruner(room, i);
	const struct pruner_totals totals = pruner_totals(pruner);
	const struct retention_settings settings =
		room_retention(room->camera, room->ledger.stored_bytes - totals.bytes,
			room->ledger.stored_frames - totals.frames);
	int r;

	pruner_set(pruner, &settings);
	r = pruner_make_room(pruner, bytes, ret);
	if (r != -EROFS || i == 0)
		return r;
	r = branch_take(&room->branches[i - 1], archive);
	return r < 0 ? r : pruner_make_room(pruner, bytes, ret);
}

struct pruner_removed room_remove_oldest(struct room *room, struct archive *archive, int64_t bytes)
{
	struct pruner_removed removed = { .frames = 0 };
	uint32_t tried = 0;

	room_count(room, &room->ledger);
	for (unsigned n = 0; removed.frames == 0 && n <= room->n_open; n++) {
		int64_t oldest_us = INT64_MAX;
		unsigned oldest = 0;

		for (unsigned i = 0; i <= room->n_open; i++) {
			const int64_t us = tried & UINT32_C(1) << i
				? INT64_MAX
				: pruner_oldest_us(room_pruner(room, i));

			if (us < oldest_us) {
				oldest_us = us;
				oldest = i;
			}
		}
		if (oldest_us == INT64_MAX && tried & 1)
			break;
		tried |= UINT32_C(1) << oldest;
		room_note_error(room, room_remove_from(room, oldest, archive, bytes, &removed));
	}
	return removed;
}
