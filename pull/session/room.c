/* SPDX-License-Identifier: MIT */
/* Makes room for a camera's frames: in each turn of a sync, and after another plan's commit. */
#include "pull/session/room.h"

#include <errno.h>

#include "common/archive/archive.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)

static void room_note_error(struct room *room, int r)
{
	if (r < 0 && room->error == 0)
		room->error = r;
}

void room_open(struct room *room, struct archive *archive, const struct camera_settings *camera,
	const struct clock *clock)
{
	const struct retention_settings settings = {
		.reserve = camera->reserve,
		.keep_days = camera->keep_days,
	};

	if (!room->pruner)
		room_note_error(room, pruner_new(archive, &settings, clock, &room->pruner));
}

void room_refresh(struct room *room, struct archive *archive)
{
	if (room->pruner)
		room_note_error(room, pruner_refresh(room->pruner, archive));
}

uint64_t room_make(struct room *room, int64_t bytes)
{
	struct pruner_removed removed;

	if (!room->pruner)
		return 0;
	room_note_error(room, pruner_make_room(room->pruner, bytes, &removed));
	room->removed += removed.frames;
	return pruner_totals(room->pruner).gone;
}

void room_stored(struct room *room, const struct record *frame)
{
	if (room->pruner)
		pruner_stored(room->pruner, frame);
}

void room_close(struct room *room)
{
	pruner_free(room->pruner);
	room->pruner = NULL;
}

void room_tidy(struct room *room, struct archive *archive, const struct camera_settings *camera,
	int64_t bytes, const struct clock *clock)
{
	CLEANUP_FD int lock_fd = -1;
	uint64_t end, before;
	int r;

	room->error = 0;
	if (camera->reserve == 0 && camera->keep_days == 0)
		return;
	r = archive_lock_copy(archive, 0, &lock_fd);
	if (r == -ETIMEDOUT)
		return;
	room_note_error(room, r);
	if (r == 0)
		room_open(room, archive, camera, clock);
	end = room->removed + ROOM_FRAMES_MAX;
	do {
		before = room->removed;
		room_make(room, bytes);
	} while (room->removed > before && room->removed < end);
	room_close(room);
}

int64_t room_since(const struct camera_settings *camera, const struct clock *clock)
{
	if (camera->keep_days == 0 || !clock_synced(clock))
		return TIME_NONE;
	return retention_day(clock_wall_us(clock) - camera->keep_days * DAY_US) * DAY_US;
}
