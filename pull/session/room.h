/* SPDX-License-Identifier: MIT */
/*
 * Retention of a camera's archive here (pruner.h), by keep_days and reserve. It removes the files
 * of old frames and leaves their lines, so no frame is fetched a second time; no frame up to the
 * number that room_make() returns is wanted any more.
 *
 * Whoever has a room holds archive_lock_copy(). What goes wrong here fails no fetch: `error` keeps
 * it for the caller to tell.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/upkeep/pruner.h"
#include "pull/settings/settings.h"

/* A zeroed one removes nothing. */
struct room {
	struct pruner *pruner;
	uint64_t removed; /* frames */
	int error; /* the first one */
};

/* Counts what is stored; the archive may be open for reading. */
void room_open(struct room *room, struct archive *archive, const struct camera_settings *camera,
	const struct clock *clock);
/* The same archive was opened again, or somebody else had a turn at it. */
void room_refresh(struct room *room, struct archive *archive);
/* In a turn, before a frame of so many bytes is stored: removes some frames. */
uint64_t room_make(struct room *room, int64_t bytes);
/* A frame was stored. */
void room_stored(struct room *room, const struct record *frame);
/* Before the archive is freed. */
void room_close(struct room *room);

/*
 * For whoever is no sync, in a turn, after a frame of so many bytes was stored: removes as many
 * frames as it takes, ROOM_FRAMES_MAX at most. Does nothing while a sync is under way, which makes
 * room itself. `error` is that of this call.
 */
#define ROOM_FRAMES_MAX 256
void room_tidy(struct room *room, struct archive *archive, const struct camera_settings *camera,
	int64_t bytes, const struct clock *clock);

/*
 * The time before which keep_days keeps no frame; TIME_NONE: none, or the clock is not known good.
 */
int64_t room_since(const struct camera_settings *camera, const struct clock *clock);
