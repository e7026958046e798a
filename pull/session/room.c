/* SPDX-License-Identifier: MIT */
/* Makes room for a camera's frames: in each turn of a sync, and after a fetch. */
#include "pull/session/room.h"

#include <errno.h>

#include "pull/session/copy.h"
#include "pull/ssh/wait.h"

#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)
#define TURN_US (2 * US_PER_SEC) /* that tidying up waits for its turn; else the next one does it */

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

static void room_tidy_turn(struct room *room, int64_t bytes)
{
	uint64_t before;

	for (unsigned i = 0; i < ROOM_FRAMES_MAX / PRUNE_PER_FRAME; i++) {
		before = room->removed;
		room_make(room, bytes);
		if (room->removed == before)
			return;
	}
}

void room_tidy(const struct camera_settings *camera, const char *path, int64_t bytes,
	const struct clock *clock, struct room *ret)
{
	const struct archive_options options = { .mode = ARCHIVE_WRITE,
		.copy = true,
		.wait_until_ns = deadline_in(TURN_US),
		.who = "fetch" };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FD int lock_fd = -1;
	int r;

	*ret = (struct room){ 0 };
	if (camera->reserve == 0 && camera->keep_days == 0)
		return;
	r = copy_open(camera, path, &options, &archive);
	if (r == 0)
		r = archive_lock_copy(archive, 0, &lock_fd);
	if (r < 0) {
		room_note_error(ret, r == -ETIMEDOUT ? 0 : r);
		return;
	}
	room_open(ret, archive, camera, clock);
	room_tidy_turn(ret, bytes);
	room_close(ret);
}

int64_t room_since(const struct camera_settings *camera, const struct clock *clock)
{
	if (camera->keep_days == 0 || !clock_synced(clock))
		return TIME_NONE;
	return retention_day(clock_wall_us(clock) - camera->keep_days * DAY_US) * DAY_US;
}
