/* SPDX-License-Identifier: MIT */
/*
 * Carries out retention (retention.h) on an archive that is open for writing: knows how much is
 * stored and which frame is the oldest without reading the whole archive, and removes a few frames
 * at a time.
 *
 * What it knows is kept in journal/retention,
 *   {"format":1,"next":N,"first":N,"gone":N,"bytes":N,"frames":N}
 * true of the journal's lines below `next`; later lines are counted on opening. The file is written
 * now and then. Where it is lost everything is counted again from the journal, some thousand lines
 * a call; until then nothing is removed but in an emergency.
 *
 * A camera's pruner writes prune lines. In a copy the files go and the frames' lines stay, so that
 * nothing is fetched again; the prune line goes to archive_local(), and `gone` is the number up to
 * which nothing is wanted any more. Whoever runs a copy's pruner holds archive_lock_copy(). Old
 * frames arrive late there, so the file is away meanwhile: after a crash everything is counted
 * again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/archive/archive.h"
#include "common/base/clock.h"
#include "common/upkeep/retention.h"

struct pruner;

/*
 * The archive and the clock stay the caller's. A copy's archive may be open for reading; all of its
 * lines are counted here. -ENOMEM, -EIO, ...
 */
int pruner_new(struct archive *archive, const struct retention_settings *settings,
	const struct clock *clock, struct pruner **ret);
/* Writes journal/retention if it is out of date. */
void pruner_free(struct pruner *pruner);
DEFINE_CLEANUP(struct pruner, pruner_free)

void pruner_set(struct pruner *pruner, const struct retention_settings *settings);
/* The puller's side: the same archive was opened again, or another process stored frames in it. */
int pruner_refresh(struct pruner *pruner, struct archive *archive);

/* What was removed by one call. */
struct pruner_removed {
	uint64_t frames;
	int64_t bytes;
	enum retention_why why;
};

/*
 * Call it once for each frame of about `bytes`, when no slot has to wait for it: removes
 * PRUNE_PER_FRAME files at most. -errno: the archive cannot be written; `ret` is what was removed.
 */
int pruner_make_room(struct pruner *pruner, int64_t bytes, struct pruner_removed *ret);

/*
 * A write of `bytes` failed for want of space (-ENOSPC, -EDQUOT): makes room for it. -ENOSPC:
 * nothing can be removed, or the settings forbid it.
 */
int pruner_force(struct pruner *pruner, int64_t bytes, struct pruner_removed *ret);

/* The puller's side: a frame was stored, perhaps an old one that arrives late. */
void pruner_stored(struct pruner *pruner, const struct record *frame);

struct pruner_totals {
	bool counted; /* else the numbers below are still too low */
	int64_t bytes, frames; /* stored */
	uint64_t first; /* no frame is older than this number */
	uint64_t gone; /* retention has removed frames up to this one */
};
struct pruner_totals pruner_totals(const struct pruner *pruner);
/* The slot of the frame that would go next; INT64_MAX: there is none, or it is not known. */
int64_t pruner_oldest_us(struct pruner *pruner);

/* `gone`, without a pruner. -ENOMEM, -EIO. */
int pruner_gone(struct archive *archive, uint64_t *ret_seq);
