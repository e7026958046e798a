/* SPDX-License-Identifier: MIT */
/*
 * The archive as the storing thread has it: opened, and opened again when its disk was away; with room
 * made for what comes (pruner.h), frames one by one or in batches, and space held for the journal.
 *
 * An error of the disk ends nothing but storing. A write that fails is done once more from memory:
 * after making room where there was no space, on the archive opened anew where the disk failed. What
 * fails then too is told, and later calls try to open the archive again, after 1 s, 2 s, ... 15 s.
 *
 * Where the archive was on a mounted disk it is not made anew without that (common/place.h).
 * `require_mount` asks for that from the start. An archive whose folder was moved or
 * unmounted is let go, and its path opened again.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/settings.h"
#include "common/archive.h"
#include "common/pruner.h"
#include "common/retention.h"

struct store_settings {
	char path[PATH_MAX];
	char camera[CAMERA_NAME_MAX];
	struct retention_settings retention;
	bool batch;
	bool require_mount;
	char mount[PATH_MAX]; /* where its disk is mounted, see common/place.h; "": not known */
};

struct store_settings store_settings(const struct capture_settings *settings);

struct store;

struct store_options {
	struct store_settings settings;
	struct archive *archive; /* open for writing, or NULL: it could not be opened yet, */
	int error; /* by this */
	const struct clock *clock;
	/*
	 * What became of a frame: 0 and the record as journalled, in the order of the journal; or -errno,
	 * which may come while frames before it still wait in the batch. Called from within the calls
	 * below.
	 */
	void (*outcome)(void *data, const struct record *record, int error);
	void *data;
	const struct fs_ops *fs; /* NULL: the system's */
	const char *root; /* NULL: "/"; an archive on its file system is on no mounted disk */
	int64_t retry_us; /* the first pause; 0: 1 s, tests are quicker */
};

/* What people and the main thread may want to know. */
struct store_facts {
	char id[UUID_CHARS + 1]; /* of the archive; "" before it was ever open */
	bool open;
	int error; /* why nothing is stored; 0 once a frame has been */
	char where
		[PATH_MAX]; /* what cannot be written then, as far as can be seen; else the archive */
	uint64_t generation; /* counts the times it was opened */
	struct pruner_totals stored;
	struct pruner_removed removed; /* since the start */
};

/* Opens the archive of the settings for writing, where that is allowed. `fs`, `root` may be NULL. */
int store_open_archive(const struct store_settings *settings, const struct fs_ops *fs,
	const char *root, struct archive **ret);

/* Whether an error says that it is full. */
bool store_is_full(int error);

/* Takes options->archive over, also on failure. */
int store_new(const struct store_options *options, struct store **ret);
/* Commits what waits in the batch. */
void store_free(struct store *store);
DEFINE_CLEANUP(struct store, store_free)

/* `path`, `camera`: when it is opened the next time. */
void store_set(struct store *store, const struct store_settings *settings);

/*
 * A frame; its outcome is told at once, or with the batch's. A shot is not kept waiting. `record` has
 * all but seq, bytes and sha256. 0; -EAGAIN: frames of the batch before it have failed just now, store
 * what is to be noted of them and call again.
 *
 * With `ahead` of notes that stand before it: if it finds room it is kept in the batch whatever the
 * settings say, and 1 is returned: note them `early`, then call store_commit().
 */
int store_frame(struct store *store, const struct record *record, const void *jpeg, size_t bytes,
	bool ahead);
/* Commits the batch, where it is not to wait by the settings. 0 or -EAGAIN. */
int store_commit(struct store *store);

/*
 * A line that is no frame, behind what waits in the batch; or before it with `early`: of a frame of
 * the batch that failed. -EAGAIN as above; -errno: not now.
 */
int store_note(struct store *store, struct record *record, bool early);

/*
 * Opens the archive if it is not open and it is time to try; 0 or why it is not open. The calls above
 * do that themselves.
 */
int store_ready(struct store *store);

/*
 * For idle moments: commits the batch where it is time to, or with `now`; removes what has to go, a
 * little for each frame that came.
 */
void store_idle(struct store *store, bool now);
/* Whether that should not wait for an idle moment any longer. */
bool store_wants_idle(const struct store *store);
/* Monotonic time at which it is to be called for the batch; INT64_MAX: there is none. */
int64_t store_due_us(const struct store *store);

/* The archive, for use between calls of the above; NULL: not open, or frames wait in a batch. */
struct archive *store_archive(struct store *store);

struct store_facts store_facts(const struct store *store);

/* The last slot that the archive has an outcome of; TIME_NONE. */
int64_t store_last_outcome(struct archive *archive);

/* "the disk is full", for miss lines, logs and status. */
const char *store_error_text(int error);
/* What a person can do about it; "": that is not known. */
const char *store_error_fix(int error);

/*
 * What of the archive at `path` its writer cannot write: the nearest folder that is there, the journal, a
 * folder on the way to the day of `slot_us`; "where" it is, and why. 0: nothing, and `ret` is `path`. -errno.
 */
int store_find_unwritable(const char *path, int64_t slot_us, char ret[static PATH_MAX]);
