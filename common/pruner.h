/* SPDX-License-Identifier: MIT */
/*
 * Carries out retention (retention.h) on an archive that is open for writing: knows what is stored and
 * where the oldest frame is without going through the archive, and removes a few frames at a time.
 *
 * What it knows stands in journal/retention,
 *   {"format":1,"next":N,"first":N,"gone":N,"bytes":N,"frames":N}
 * true of the journal's lines below `next`; the lines from there on are counted when it opens. The file
 * is written now and then, and where it is lost all is counted again from the journal, some thousand
 * lines a call; until then nothing is removed but in an emergency.
 *
 * Camera: each removal is a prune line. A puller's copy: the files go and the lines stay, so that no
 * frame is fetched again; the prune line is in archive_local(), and `gone`, which that tells as well,
 * is up to which number nothing is wanted any more. A copy's pruner is for who holds
 * archive_lock_copy(). Old frames come late there, so the file is away while one works: after a crash
 * all is counted anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/archive.h"
#include "common/clock.h"
#include "common/retention.h"

struct pruner;

/*
 * The archive and the clock stay the caller's. A copy's archive may be open for reading; its lines
 * are all counted here. -ENOMEM, -EIO, ...
 */
int pruner_new(struct archive *archive, const struct retention_settings *settings,
	const struct clock *clock, struct pruner **ret);
/* Writes journal/retention if it is out of date. */
void pruner_free(struct pruner *pruner);
DEFINE_CLEANUP(struct pruner, pruner_free)

void pruner_set(struct pruner *pruner, const struct retention_settings *settings);
/* The puller's side: the same archive was opened anew, or somebody else stored new frames in it. */
int pruner_refresh(struct pruner *pruner, struct archive *archive);

/* What was removed by one call. */
struct pruner_removed {
	uint64_t frames;
	int64_t bytes;
	enum retention_why why;
};

/*
 * To be called once for each frame of about `bytes`, when it does not keep a slot waiting: removes
 * PRUNE_PER_FRAME files at most. -errno: the archive cannot be written, `ret` is what went before.
 */
int pruner_make_room(struct pruner *pruner, int64_t bytes, struct pruner_removed *ret);

/*
 * A write of so many bytes failed for want of space (-ENOSPC, -EDQUOT): removes what makes room for
 * it. -ENOSPC: nothing can go, or the settings do not want it.
 */
int pruner_force(struct pruner *pruner, int64_t bytes, struct pruner_removed *ret);

/* The puller's side: a frame was stored; it may be an old one that comes late. */
void pruner_stored(struct pruner *pruner, const struct record *frame);

struct pruner_totals {
	bool counted; /* else the rest is less than there is */
	int64_t bytes, frames; /* stored */
	uint64_t first; /* no frame is older than this number */
	uint64_t gone; /* retention has removed frames up to this one */
};
struct pruner_totals pruner_totals(const struct pruner *pruner);

/* The number up to which retention has removed frames, 0: none; without a pruner. -ENOMEM, -EIO. */
int pruner_gone(struct archive *archive, uint64_t *ret_seq);
