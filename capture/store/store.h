/* SPDX-License-Identifier: MIT */
/*
 * The archive as the storing thread has it: opened, and opened again when its disk was away; with
 * room made for what comes (pruner.h), and space held for the journal. Frames are staged, then
 * committed, one or many together; the order of frames and lines is the caller's (outbox.h).
 *
 * An error of the disk ends nothing but storing. A write that fails is done once more from memory:
 * after making room where there was no space, on the archive opened again where the disk failed.
 * What fails then too is told, and later calls try to open the archive again, after 1 s, 2 s, ...
 * 15 s.
 *
 * Where the archive was on a mounted disk none is made without that (common/archive/place.h).
 * `require_mount` asks for that from the start. An archive whose folder was moved or unmounted is
 * let go, and its path opened again.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/settings/settings.h"
#include "capture/store/clock_correct.h"
#include "common/archive/archive.h"
#include "common/upkeep/pruner.h"
#include "common/upkeep/retention.h"

struct store;

struct store_options {
	struct archive_settings settings; /* path and camera may be "" where there is an archive */
	struct archive *archive; /* open for writing, or NULL: it could not be opened yet, */
	int error; /* by this */
	const struct clock *clock; /* NULL: the system's */
	const struct fs_ops *fs; /* NULL: the system's */
	const char *root; /* NULL: "/"; an archive on its file system is on no mounted disk */
	int64_t retry_us; /* the first pause; 0: 1 s, tests are quicker */
};

/* What people and the main thread may want to know. */
struct store_facts {
	char id[UUID_CHARS + 1]; /* of the archive; "" before it was ever open */
	bool open;
	int error; /* why nothing is stored; 0 once a frame has been */
	char where[PATH_MAX]; /* what cannot be written then, if that is known; else the archive */
	struct pruner_totals stored;
	struct pruner_removed removed; /* since the start */
};

/* Opens the archive of the settings for writing, unless a disk has to be mounted first. */
int store_open_archive(const struct archive_settings *settings, struct archive **ret);

/* Whether an error says that it is full. */
bool store_is_full(int error);

/* Takes options->archive over, also on failure. */
int store_new(const struct store_options *options, struct store **ret);
/* Discards what is staged. */
void store_free(struct store *store);
DEFINE_CLEANUP(struct store, store_free)

/* `path`, `camera`: when it is opened the next time. */
void store_set(struct store *store, const struct archive_settings *settings);

/*
 * Opens the archive if it is not open and it is time to try; 0 or why it is not open. The calls
 * below do that themselves. To be called before a frame is encoded: the JPEG of the frame staged
 * last, which is kept for another try, may be overwritten after it.
 */
int store_ready(struct store *store);

/*
 * Writes a frame under a hidden name, after those that are staged already. `record` has all but
 * seq, bytes and sha256; `jpeg` stays as it is until the next store_ready(). 0; -EBUSY there are
 * BATCH_FRAMES_MAX of them; else why not, and nothing is left of it.
 */
int store_stage(struct store *store, const struct record *record, const void *jpeg, size_t bytes);

struct store_outcome {
	struct record record; /* as journalled, or as staged where it failed */
	int error; /* 0: stored, durable and journalled; else nothing of it is left */
};

/*
 * Makes the first `n` staged frames durable and visible and writes their lines. Returns how many of
 * them have an outcome now, at least 1: all, or those up to one that failed, so that the journal
 * can tell of that before the others are stored by another call. Where the archive was closed all
 * of its frames have failed.
 */
unsigned store_commit(struct store *store, unsigned n, struct store_outcome *ret);

/* A line that is no frame: 0, or why not now. */
int store_note(struct store *store, struct record *record);

/*
 * Removes what has to go, a little for each frame that came. To be called between frames; `idle`
 * says whether none waits, without it that is put off for some frames.
 */
void store_tidy(struct store *store, bool idle);

/*
 * One piece of clock correction (clock_correct.h) of the frames that the mark tells of; `boot` and
 * `zero_us` are of the boot that runs. 1 there is more, 0 all is done; -EBUSY the archive is not
 * open, or a frame of an unknown clock is staged; other -errno: not now. `ret` has what was done
 * since it began.
 */
int store_correct(
	struct store *store, const char *boot, int64_t zero_us, struct correction_totals *ret);

/* The archive, for use between calls of the above; NULL: not open. */
struct archive *store_archive(struct store *store);

struct store_facts store_facts(const struct store *store);

/* The last slot that the archive has an outcome of; TIME_NONE. */
int64_t store_last_outcome(struct archive *archive);

/* "the disk is full", for miss lines, logs and status. */
const char *store_error_text(int error);
/* What a frame is missed by that this error cost: `camera` where its picture is damaged. */
enum miss_cause store_miss_cause(int error);
/* What a person can do about it; "": that is not known. */
const char *store_error_fix(int error);

/*
 * What of the archive at `path` its writer cannot write: the nearest folder that is there, the
 * journal, a folder on the way to the day of `slot_us`; "where" it is, and why. 0: nothing, and
 * `ret` is `path`. -errno.
 */
int store_find_unwritable(const char *path, int64_t slot_us, char ret[static PATH_MAX]);
