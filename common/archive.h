/* SPDX-License-Identifier: MIT */
/*
 * The archive: frames in day folders for people, the journal for programs (DESIGN section 2).
 *
 *   archive.json                    {"format":1,"id":"<uuid>","camera":"garden"}
 *   latest.jpg                      relative symlink to the newest frame; a copy where there are none, and on SMB
 *   2026/11/20/20261120T160100Z-00000123.jpg
 *   journal/00000000.jsonl          see journal.h
 *   journal/folder                  the day folder being written, for recovery
 *   journal/redate                  the line of the frame that was dated anew last, for recovery
 *   journal/unsynced                the line from which on frames may wait for their true time
 *   journal/ballast                 space held for the journal's sake, see archive_ballast_make()
 *   journal/retention               what there is and where the oldest is, see pruner.h
 *   damaged/TIME/...                what a repair moved aside, see repair.h; damaged/archive.json
 *   branches/1/...                  a puller's: an archive with an old branch of history, archive_fork()
 *   acks/                           of versions before 0.2.0; nothing looks at it
 *   .writer                         flock(2) of the one writer; its text is the writer's pid
 *   local/00000000.jsonl            a puller's own journal, see archive_local()
 *   .settled, .sync                 what a puller has settled (pull/held.h); see archive_lock_copy()
 *   2026/11/20/.NAME.rest           what has come of a frame so far (partial_resume())
 *   .gate                           where writers who wait for their turn do so (fair_lock.h)
 *
 * A visible file is a complete file. Storing one frame: temp `.NAME.part` in the day folder, write,
 * fsync, no-replace rename, fsync of the folder, journal line, fdatasync, latest.jpg. After kill -9
 * or a power cut at any point no partial image has a visible name and every frame whose journal line
 * was written is there; opening for writing repairs the rest, in time that does not grow with the
 * archive.
 *
 * What a frame costs the disk, as tests/bench/writes counts it (ext4, frames of 92 KB, batches of 20):
 *
 *                 fsync     fsync    fdatasync  rename   rename      written beyond
 *                 picture   folder   journal    picture  latest.jpg  the JPEG's bytes
 *   frame         1         1        1          1        1           0.9 %
 *   batch         1         0.05     0.05       1        0.05        2.9 %
 *
 * The promise is: a frame that was reported stored is there after a power cut, and no name is visible
 * of a picture that is not whole. Three syncs are the least for it that POSIX has words for. Without the
 * first the name may reach the disk before the bytes; without the second the bytes may be there
 * without a name, which only a search for nameless files could repair; without the third the
 * journal does not know of the frame: recovery would write the line again, but not what the camera
 * reported, and a puller would have been told of a number that is not in the journal any more. One line
 * per frame is all that is written beside the picture; day folders and journal/folder once a day,
 * latest.jpg without a sync, as the next opening puts it right. In a batch the picture's fsync finds
 * its bytes on the way already (sync_file_range(2)), and the folder and the journal are synced once
 * for all.
 *
 * One thread at a time may use a struct archive.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/journal.h"
#include "common/record.h"

struct archive;

enum archive_mode {
	ARCHIVE_READ, /* fails with -ENOENT where there is none */
	ARCHIVE_WRITE, /* the one writer: makes the archive if missing, recovers it */
};

struct archive_options {
	enum archive_mode mode;
	const char *camera; /* its name from now on; NULL: as it was, or "camera" */
	const char *id; /* the id it must have, or gets if new; NULL: any, or a random one */
	/*
	 * A puller's copy: its lines come from the camera, so recovery makes up none for a file whose
	 * line was lost; the frame is fetched again and found to be there.
	 */
	bool copy;
	/* Wait for one's turn until then (CLOCK_MONOTONIC); 0: another writer is -EWOULDBLOCK. */
	int64_t wait_until_ns;
	const char *who; /* a word for .writer, where there may be a wait */
	const struct fs_ops *fs; /* NULL: the system's */
};

/* What opening for writing had to repair. */
struct archive_repairs {
	unsigned temps_removed;
	bool line_cut; /* a torn last line */
	bool identity_restored; /* archive.json, from the journal; for reading: it ought to be */
	unsigned lines_restored; /* published frames whose line was lost */
};

/*
 * -ENOENT no archive at `path` (read); -EWOULDBLOCK another writer holds it (archive_writer_pid()),
 * -ETIMEDOUT if that was waited for;
 * -EBADMSG archive.json and the journal are not ours or are damaged, -EPROTONOSUPPORT a later version made
 * it; -EMEDIUMTYPE it has another id than the one asked for; other -errno from the system. The path's last component may be a symlink; no
 * component below it may.
 */
int archive_open(const char *path, const struct archive_options *options, struct archive **ret);
void archive_free(struct archive *archive);
DEFINE_CLEANUP(struct archive, archive_free)

/*
 * A writer that opened with `wait_until_ns` lets others have their turn. Until it takes the archive
 * again only partials that are open may be written, checked and kept. archive_retake():
 * -ETIMEDOUT; else `ret_others` tells whether somebody wrote in the meantime.
 */
void archive_release(struct archive *archive);
int archive_retake(struct archive *archive, int64_t wait_until_ns, bool *ret_others);

const char *archive_id(const struct archive *archive);
const char *archive_camera(const struct archive *archive);
const char *archive_path(const struct archive *archive);
int archive_root_fd(const struct archive *archive); /* stays the archive's */
struct journal *archive_journal(const struct archive *archive);
const struct archive_repairs *archive_repairs(const struct archive *archive);

/* The pid that the writer of the archive at `path` wrote into .writer. -ENOENT, -ESRCH if not held. */
int archive_writer_pid(const char *path, pid_t *ret_pid);

/*
 * The camera's side: stores `jpeg` as the next frame, a commit of one. The caller fills in all of `frame` but seq,
 * bytes and sha256, which this sets. 0 means stored, durable and journalled. On failure nothing is
 * visible: -EINVAL not a JPEG from SOI to EOI, -EFBIG, -ENOSPC, -EDQUOT, -EROFS, -EIO, ...
 */
int archive_publish(struct archive *archive, struct record *frame, const void *jpeg, size_t bytes);

/*
 * A frame with `was` takes the place of that one: the same picture, dated anew. Once it is published
 * the caller prunes the old one, "redated"; where it does not come to that the next opening does, or
 * archive_finish_redate() before the next one is published.
 */
#define PRUNE_REDATED "redated"
/* What repair.h writes: the file was moved aside; it was not there, and nobody knows why. */
#define PRUNE_DAMAGED "damaged"
#define PRUNE_LOST "lost"
int archive_finish_redate(struct archive *archive);

struct archive_pruned {
	uint64_t count; /* files */
	int64_t bytes; /* their total size */
	uint64_t left; /* of them: could not be removed, though the line says so */
};

/*
 * Removes the files of the frames `first` to `last`, PRUNE_LINES_MAX numbers at most, and the folders
 * that are empty afterwards. One prune line tells why, durably and before that: in the camera's journal,
 * or in a copy's archive_local(). A copy's journal keeps the frames' lines, so they are not fetched
 * again, and a copy's newest frame stays.
 * 0: the line is stored. -ENOENT there is no file of them; -EBUSY the camera's newest is among them.
 */
int archive_prune(struct archive *archive, uint64_t first, uint64_t last, const char *why,
	struct archive_pruned *ret);

/*
 * The puller's side: the camera has another history after the number `after`, as its card was restored from
 * an older copy. The lines behind it and their files move to an archive of their own, branches/N of this one,
 * whole; the lines up to it stay. Not while anybody else uses the archive: archive_lock_copy() is held, and
 * it must be closed afterwards. A crash in between is made up for by the next opening for writing.
 * -EMLINK there are BRANCHES_MAX branches.
 */
#define BRANCHES "branches"
int archive_fork(struct archive *archive, uint64_t after, unsigned *ret_branch);
/* The next branch that there is after `number`, 0 for the first. */
bool archive_branch(const struct archive *archive, unsigned *number);

/*
 * The puller's side: a journal of what happened here and not at the camera, with numbers of its own
 * from 1 on. -ENOENT nothing did (and the archive is not open for writing). It stays the archive's.
 */
int archive_local(struct archive *archive, struct journal **ret);
/* Its last prune line that is no repair and no frame that was dated anew. -ENOENT. */
int archive_last_removal(struct archive *archive, struct record *ret);

/*
 * The puller's side: one process at a time brings the backlog, removes old frames or repairs; each of
 * them for as long as it takes, and whose turn it is to write is another matter. -ETIMEDOUT another
 * does. Close `ret_fd` to leave. May be called of an archive that is open for reading.
 */
int archive_lock_copy(const struct archive *archive, int64_t wait_until_ns, int *ret_fd);

/*
 * Holds BALLAST_BYTES of the disk, unless they are held already: they are given up when the journal
 * cannot be written for want of space, so that it can always tell why frames are missing. A writer
 * that finds them gone does not store frames before it has them back. -ENOSPC, -EDQUOT: not now;
 * -EOPNOTSUPP the file system cannot; other -errno.
 */
int archive_ballast_make(struct archive *archive);
/* Gives them up. -ENOENT they are not held. */
int archive_ballast_release(struct archive *archive);

/*
 * Makes partials (partial.h) of this archive visible, durable and journalled together, in the order
 * given. What holds of a published frame holds of each of them then; a crash or a power cut before
 * that leaves nothing of them visible. `ret_errors` gets 0 or why nothing is left of the frame.
 *
 * One fsync for each frame, whose data is on its way to the disk already, one for their folder and
 * one for the journal; a new day or a new journal segment in between costs the last two once more.
 *
 * The camera's side: the frames get the next numbers. Returns how many have an outcome: all, or
 * those up to the first that failed, so that the journal can tell of that before the others are
 * committed by another call.
 *
 * The puller's side: names and numbers are the camera's; all have an outcome. A frame whose name or
 * number is here with the same content counts as stored, with other content it is -EEXIST, and
 * nothing is overwritten. -EBADMSG size, sha256 or JPEG markers are not those of the record.
 */
struct partial;
unsigned archive_commit(
	struct archive *archive, struct partial *const *partials, unsigned n, int *ret_errors);

/* The camera's side: appends a line that is no frame (miss, clock, prune) and sets its seq. */
int archive_note(struct archive *archive, struct record *record);

/*
 * The puller's side: appends the camera's lines of what is no frame, those that are not there yet,
 * and makes them durable together.
 */
int archive_store_records(struct archive *archive, const struct record *records, size_t n);

/* The newest frame, from the journal. -ENOENT. */
int archive_newest(struct archive *archive, struct record *ret);
/* The record of one sequence number, any type. -ENOENT. */
int archive_find(struct archive *archive, uint64_t seq, struct record *ret);
/*
 * Opens a frame's file for reading, O_NOFOLLOW all the way; it must be a regular file of the
 * journal's size. -ENOENT pruned or deleted, -EBADMSG of another size, -ELOOP a symlink.
 */
int archive_open_frame(struct archive *archive, const struct record *frame, int *ret_fd);
