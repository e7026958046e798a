/* SPDX-License-Identifier: MIT */
/*
 * Retention of the archive that a camera's frames come into (pruner.h), by its keep_days and reserve.
 * The files of old frames go and their lines stay, so no frame is fetched a second time; and up to
 * the number that room_make() returns none is wanted any more.
 *
 * Whoever has a room holds archive_lock_copy(). What goes wrong here fails no fetch: it is kept in
 * `error` for the caller to tell.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/pruner.h"
#include "pull/settings.h"

/* Zeroed is none: then room_make() removes nothing. */
struct room {
	struct pruner *pruner;
	uint64_t removed; /* frames */
	int error; /* the first one */
};

/* Reads what there is; the archive may be open for reading. */
void room_open(struct room *room, struct archive *archive, const struct camera_settings *camera,
	const struct clock *clock);
/* The same archive opened anew, or somebody else had a turn at it. */
void room_refresh(struct room *room, struct archive *archive);
/* In a turn, before a frame of so many bytes is stored: some frames go. */
uint64_t room_make(struct room *room, int64_t bytes);
/* A frame was stored. */
void room_stored(struct room *room, const struct record *frame);
/* Before the archive is freed. */
void room_close(struct room *room);

/*
 * What a visit for the newest frame does when the frame, of so many bytes, is there: removes as many frames as it takes,
 * ROOM_FRAMES_MAX at most. Nothing where a sync is under way, which does so itself. CLI_OK or not, the
 * frame is stored: `ret` has what was removed, and the error.
 */
#define ROOM_FRAMES_MAX 256
void room_tidy(const struct camera_settings *camera, const char *path, int64_t bytes,
	const struct clock *clock, struct room *ret);

/* The time before which no frame is kept: by keep_days, where the clock is known good; else TIME_NONE. */
int64_t room_since(const struct camera_settings *camera, const struct clock *clock);
