/* SPDX-License-Identifier: MIT */
/*
 * The archive: frames in day folders for people, the journal for programs (FORMAT.md).
 *
 *   archive.json                    {"format":1,"id":"<uuid>","camera":"garden"}
 *   latest.jpg                      relative symlink to the newest frame; a copy where the file
 *                                   system has no symlinks, and on SMB
 *   2026/11/20/20261120T160100Z-00000123.jpg
 *   journal/00000000.jsonl          see journal.h
 *   journal/folder                  the day folder being written, for recovery
 *   journal/redate                  the line of the last clock correction, for recovery
 *   journal/unsynced                the line from which on frames may wait for their true time
 *   journal/ballast                 a reserve file for the journal, see archive_ballast_make()
 *   journal/retention               what there is and where the oldest is, see pruner.h
 *   damaged/TIME/...                what a repair moved aside, see repair.h; damaged/archive.json
 *   .previews/NAME.jpg              a puller's: thumbnails of frames that are to come, preview.h
 *   .redated/N-NAME.jpg.old         a puller's: a frame whose place the frame N took, for 30 days
 *   branches/1/...                  a puller's: an archive with an old history, archive_fork()
 *   acks/                           of versions before 0.2.0; nothing looks at it
 *   .writer                         flock(2) of the one writer; its text is the writer's pid
 *   local/00000000.jsonl            a puller's own journal, see archive_local()
 *   .settled, .sync                 what a puller has (pull/session/held.h); see
 *                                   archive_lock_copy()
 *   .partials/.NAME.rest            a puller's partials, see partial_resume()
 *   .gate                           where writers wait for their turn (fair_lock.h)
 *
 * A visible file is a complete file. Storing one frame: temp `.NAME.part` in the day folder, write,
 * fsync, no-replace rename, fsync of the folder, journal line, fdatasync, latest.jpg. After kill -9
 * or a power cut at any point no partial image has a visible name and every frame whose journal
 * line was written is there; opening for writing repairs the rest, in time that does not grow with
 * the archive.
 *
 * What a frame costs the disk, as tests/bench/writes counts it (ext4, frames of 92 KB, batches of
 * 20):
 *
 *                 fsync     fsync    fdatasync  rename   rename      written beyond
 *                 picture   folder   journal    picture  latest.jpg  the JPEG's bytes
 *   frame         1         1        1          1        1           0.9 %
 *   batch         1         0.05     0.05       1        0.05        2.9 %
 *
 * The promise is: a frame that was reported stored is there after a power cut, and no name is
 * visible of a picture that is not whole. POSIX needs three syncs for that. Without the first the
 * name may reach the disk before the bytes. Without the second the bytes may be there without a
 * name, which only a search for nameless files could repair. Without the third the journal does not
 * know the frame: recovery would write a line again, but not what the camera reported, and a puller
 * would have been told a number that is no longer in the journal. Beside the picture only one line
 * a frame is written; day folders and journal/folder once a day; latest.jpg without a sync, because
 * the next opening puts it right. In a batch the bytes are on their way before the picture's fsync
 * (sync_file_range(2)), and one sync of the folder and one of the journal serve all frames.
 *
 * One thread at a time may use a struct archive.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/journal/journal.h"
#include "common/journal/record.h"

struct archive;

enum archive_mode {
	ARCHIVE_READ, /* fails with -ENOENT where there is none */
	ARCHIVE_WRITE, /* the one writer: makes the archive if missing, recovers it */
};

/*
 * The camera's side: files of frames that were not stored, which could not be removed for sure,
 * because the disk was away. They are removed before the next frame, or at the next opening.
 */
struct archive_undone {
	struct {
		struct frame_name name;
		bool hidden; /* it is the frame's temp */
	} files[BATCH_FRAMES_MAX];
	unsigned n;
};

struct archive_options {
	enum archive_mode mode;
	const char *camera; /* its name from now on; NULL: as it was, or "camera" */
	const char *id; /* the id it must have, or gets if new; NULL: any, or a random one */
	/*
	 * A puller's copy: its lines come from the camera, so recovery writes none for a file whose
	 * line was lost. The frame is fetched again and found to be there.
	 */
	bool copy;
	/* Wait for one's turn until then (CLOCK_MONOTONIC); 0: another writer is -EWOULDBLOCK. */
	int64_t wait_until_ns;
	/*
	 * The mode of the folder, which new files and folders in it follow; 0: as it is, and 0700
	 * for a new archive. Sets the umask of the process.
	 */
	mode_t access;
	const char *who; /* a word for .writer, where there may be a wait */
	const struct fs_ops *fs; /* NULL: the system's */
	/* Their files are removed, as no frames that a crash left. NULL: none. */
	const struct archive_undone *undone;
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
 * -ETIMEDOUT and still did at the deadline; -EBADMSG archive.json and the journal are not ours or
 * are damaged; -EPROTONOSUPPORT a later version made it; -EMEDIUMTYPE it has another id than the
 * one asked for; other -errno from the system. The path's last component may be a symlink; no
 * component below it may.
 */
int archive_open(const char *path, const struct archive_options *options, struct archive **ret);
void archive_free(struct archive *archive);
/* What this archive could not undo, for the opening after it. */
struct archive_undone archive_undone(const struct archive *archive);
DEFINE_CLEANUP(struct archive, archive_free)

/*
 * Releases the writer's lock, of an archive opened with `wait_until_ns`, so that others have their
 * turn; until it is taken again only open partials may be written, checked and kept.
 * archive_retake(): -ETIMEDOUT; else `ret_others` tells whether somebody else wrote in the
 * meantime.
 */
void archive_release(struct archive *archive);
int archive_retake(struct archive *archive, int64_t wait_until_ns, bool *ret_others);

const char *archive_id(const struct archive *archive);
const char *archive_camera(const struct archive *archive);
const char *archive_path(const struct archive *archive);
int archive_root_fd(const struct archive *archive); /* stays the archive's */
struct journal *archive_journal(const struct archive *archive);
const struct archive_repairs *archive_repairs(const struct archive *archive);

/*
 * The pid that the writer of the archive at `path` wrote into .writer. -ENOENT; -ESRCH no writer.
 */
int archive_writer_pid(const char *path, pid_t *ret_pid);

/*
 * The camera's side: stores `jpeg` as the next frame, a commit of one. The caller fills in all of
 * `frame` but seq, bytes and sha256, which this sets. 0 means stored, durable and journalled. On
 * failure nothing is visible: -EINVAL not a JPEG from SOI to EOI, -EFBIG, -ENOSPC, -EDQUOT, -EROFS,
 * -EIO, ...
 */
int archive_publish(struct archive *archive, struct record *frame, const void *jpeg, size_t bytes);

/*
 * A clock correction: a frame with `was` is the picture of that frame, with its true time. After it
 * is published the caller prunes the old one, "redated". If the caller dies before that, the next
 * opening does it, or archive_finish_redate(), which must come before the next correction.
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
 * Removes the files of the frames `first` to `last`, PRUNE_LINES_MAX numbers at most, and the
 * folders that are empty afterwards. One prune line tells why, durably and before that: in the
 * camera's journal, or in a copy's archive_local(). A copy's journal keeps the frames' lines, so
 * they are not fetched again, and a copy's newest frame stays. 0: the line is stored. -ENOENT there
 * is no file of them; -EBUSY the camera's newest is among them.
 */
int archive_prune(struct archive *archive, uint64_t first, uint64_t last, const char *why,
	struct archive_pruned *ret);

/*
 * The puller's side: the camera has another history after the number `after`, because its card was
 * restored from an older copy. Moves the lines after it and their files, all of them, to an archive
 * of their own, branches/N of this one; the lines up to it stay. Nobody else may use the archive:
 * hold archive_lock_copy(), and close the archive afterwards. After a crash the next opening for
 * writing finishes the move. -EMLINK there are BRANCHES_MAX branches.
 */
#define BRANCHES "branches"
int archive_fork(struct archive *archive, uint64_t after, unsigned *ret_branch);
/* Finds the next branch after `number`, 0 for the first. */
bool archive_branch(const struct archive *archive, unsigned *number);

/*
 * The puller's side: a journal of what happened here and not at the camera, with its own numbers
 * from 1 on. It stays the archive's. -ENOENT nothing happened, and the archive is open for reading.
 */
int archive_local(struct archive *archive, struct journal **ret);
/* Its last prune line, neither from a repair nor from a clock correction. -ENOENT. */
int archive_last_removal(struct archive *archive, struct record *ret);

/*
 * The puller's side: one process at a time fetches the backlog, removes old frames or repairs. It
 * holds this lock for as long as that takes, and the writer's lock only to write. Close `ret_fd` to
 * leave. The archive may be open for reading. -ETIMEDOUT another process has it.
 */
int archive_lock_copy(const struct archive *archive, int64_t wait_until_ns, int *ret_fd);

/*
 * Makes the reserve file, BALLAST_BYTES of the disk, unless it is there. When the journal has no
 * space the file is given up, so that the journal can always tell why frames are missing; a writer
 * stores no frames before the file is back. -ENOSPC, -EDQUOT: not now; -EOPNOTSUPP the file system
 * cannot; other -errno.
 */
int archive_ballast_make(struct archive *archive);
/* Gives it up. -ENOENT there is none. */
int archive_ballast_release(struct archive *archive);

/*
 * Makes partials (partial.h) of this archive visible, durable and journalled together, in the order
 * given. After that each is as good as a published frame; a crash or a power cut before it leaves
 * nothing of them visible. `ret_errors` gets 0 for each, or why nothing is left of it.
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
 * The puller's side: appends the camera's lines that are no frames, except those that are there,
 * and makes them durable together.
 */
int archive_store_records(struct archive *archive, const struct record *records, size_t n);

/* The newest frame, from the journal. -ENOENT. */
int archive_newest(struct archive *archive, struct record *ret);
/* The record of one sequence number, any type. -ENOENT. */
int archive_find(struct archive *archive, uint64_t seq, struct record *ret);

/*
 * The head of an archive: its last line. Each line has the hash of the one before it, so whoever
 * keeps a head elsewhere can tell later whether any line up to it was changed.
 */
struct archive_head {
	uint64_t seq;
	uint8_t sha256[SHA256_BYTES]; /* of the line without its newline */
	int64_t time_us; /* when it was looked at; TIME_NONE: not known */
};
/* -ENOENT there is no line. */
int archive_head(struct archive *archive, const struct clock *clock, struct archive_head *ret);

/*
 * Opens a frame's file for reading, O_NOFOLLOW all the way; it must be a regular file of the
 * journal's size. -ENOENT pruned or deleted, -EBADMSG of another size, -ELOOP a symlink.
 */
int archive_open_frame(struct archive *archive, const struct record *frame, int *ret_fd);
/* Reads all of it, the journal's size, for free(). Errors as above; -ENOMEM, -EIO. */
int archive_read_frame(struct archive *archive, const struct record *frame, uint8_t **ret_jpeg);
