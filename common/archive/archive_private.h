/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the archive share. Each calls those before it only:
 *
 *   archive_lookup    what it is, finding and opening frames, latest.jpg
 *   archive_writer    the day folder in use, what failed before, space for the journal
 *   partial           hidden files that are to become frames
 *   archive_commit    frames become visible: the one place that gives names
 *   archive_prune     frames go
 *   archive_recover   what a crash left
 *   archive_fork, archive   other histories; opening and closing
 */
#pragma once

#include "common/archive/archive.h"
#include "common/archive/partial.h"
#include "common/base/fair_lock.h"

#define LATEST "latest.jpg" /* a symlink, or a copy where the file system has none */
#define ARCHIVE_FOLDER_FILE "folder" /* in journal/: the day folder being written */
#define ARCHIVE_REDATE_FILE "redate" /* in journal/: the line of the last clock correction */
#define ARCHIVE_BALLAST_FILE "ballast" /* in journal/ */
#define ARCHIVE_TEMP_SUFFIX ".part"
#define ARCHIVE_PARTIALS ".partials" /* a puller's: the folder of its partials */
#define ARCHIVE_KEPT_SUFFIX ".rest"
#define ARCHIVE_TEMP_MAX (FRAME_NAME_MAX + 8)

struct archive {
	const struct fs_ops *fs;
	char *path;
	int root_fd;
	int writer_fd; /* holds the lock; -1: open for reading, or released */
	char who[FAIR_LOCK_WHO_MAX];
	bool copy;
	char id[UUID_CHARS + 1];
	char camera[CAMERA_NAME_MAX];
	struct journal *journal;
	struct journal *local; /* of what happened here; NULL: not opened yet */
	struct archive_repairs repairs;
	uint64_t next_seq;

	/* The day folder that was used last, and the one that journal/folder names. */
	int folder_fd;
	char folder[FRAME_PATH_MAX];
	char recorded[FRAME_PATH_MAX];

	bool has_newest;
	struct frame_name newest;
	uint64_t newest_order;
	bool latest_ok; /* latest.jpg points at it */

	struct archive_undone undone; /* is removed before the next frame, or at the next opening */

	bool ballast; /* it is there for sure */

	struct partial *partials; /* those that are not freed yet */
	uint64_t next_temp; /* for the next one's hidden name on the camera's side */
};

struct partial {
	struct archive *archive;
	struct partial *next;
	struct record record;
	char folder[FRAME_PATH_MAX]; /* where it will be visible */
	int folder_fd; /* -1: a puller's, before its commit */
	int temp_fd; /* the folder of its hidden file */
	char temp[ARCHIVE_TEMP_MAX], name[FRAME_NAME_MAX];
	int fd; /* -1: its data is on the disk, or there is no file */
	bool there; /* the file, under its hidden name */
	bool checked; /* it is what the record says */
	int error; /* of writing its data to the disk */
	bool has_line, adopted; /* what a puller's archive has of it: its line, the named file */

	/* of a frame that is received */
	struct digest *digest;
	int64_t bytes;
	uint8_t ends[4]; /* the first two and the last two bytes so far */
};

/* Makes `folder_fd` the day folder of `name`, durable and recorded for recovery. */
int archive_use_folder(struct archive *archive, const struct frame_name *name);
/* Makes journal/folder name `folder`, durably. */
int archive_record_folder(struct archive *archive, const char *folder);

/* Opens the day folder of a frame, and names its file there. Errors as fs_open_folder(). */
int archive_open_day(const struct archive *archive, const struct frame_name *name,
	char ret_file[static FRAME_NAME_MAX], int *ret_fd);

/* Opens the file of that name for reading, whatever it is; O_NOFOLLOW all the way. */
int archive_open_name(const struct archive *archive, const struct frame_name *name, int *ret_fd);

/* Notes a frame that is there: if it is the newest, latest.jpg is to point at it. */
void archive_note_newest(struct archive *archive, const struct record *frame);
/* The newest frame whose file is there, with the bytes that it must have. -ENOENT. */
int archive_newest_there(struct archive *archive, struct record *ret);
/* Whether latest.jpg is a symlink to that frame, or a copy of it. */
bool archive_latest_is_right(const struct archive *archive, const struct frame_name *newest);
/* Points latest.jpg at the newest frame, if it did not work the last time. */
void archive_point_latest(struct archive *archive);

/* Opens the day folder that it will be visible in, durable and recorded for recovery. */
int partial_use_folder(struct partial *partial);
/* Closes and removes its file, if it is there. */
void partial_discard(struct partial *partial);
/* Whether a new line may be appended; removes what a failure before left. */
int archive_check_next(struct archive *archive);
/* The length of NAME in "." NAME `suffix`, 0 for another name. */
size_t archive_hidden_inner(const char *name, const char *suffix);
/* Notes the file of a frame that was not stored: it may be there. */
void archive_undo(struct archive *archive, struct frame_name name, bool hidden);
/*
 * Removes such files, durably. A frame with a number up to `after` stays: the journal has its line.
 */
int archive_finish_undone(struct archive *archive, uint64_t after);
/* Appends lines durably; where there is no space for them the ballast is given up. */
int archive_append_record(struct archive *archive, const struct record *record);
int archive_append_lines(
	struct archive *archive, uint64_t first, uint64_t last, const char *lines, size_t bytes);

/* Whether a buffer begins and ends as a JPEG does. */
bool jpeg_is_whole(const uint8_t *data, size_t bytes);
/* -EBADMSG where `fd` is no regular file of an allowed size with both JPEG markers. */
int jpeg_check_file(int fd, int64_t *ret_bytes);
/* Whether a frame header (SOF) follows the start marker, with jpeg_is_sane() sides. */
bool jpeg_has_size(int fd);

/* Writes the line that a clock correction will have into journal/redate, durably. */
int archive_announce(struct archive *archive, const struct record *frame);
/* That line. -ENOENT. */
int archive_announced(struct archive *archive, struct record *ret);
/* The record of a published file, from the file alone. -EBADMSG: it is not one of ours. */
int archive_describe_file(
	const struct archive *archive, const struct frame_name *name, struct record *ret);
/* Appends the prune line about frames first..last; a copy's goes to archive_local(). */
int archive_note_pruned(struct archive *archive, uint64_t first, uint64_t last, const char *why,
	const struct archive_pruned *pruned);
/* Removes the day folder of a frame, its month and year, as far as they are empty. */
void archive_remove_empty(struct archive *archive, const struct frame_name *name);
/* At opening a copy: finishes a fork that was begun. 1: it did, and the journal changed; 0. */
int archive_finish_fork(struct archive *archive);
/*
 * Removes the partials that nobody receives, all but the last one that grew; that one as well once
 * it is PARTIAL_DAYS old. The one of the frame `seq` stays.
 */
void partial_tidy(struct archive *archive, uint64_t seq);
/* At opening: finishes a prune after a crash. */
int archive_finish_pruning(struct archive *archive);

/* Sweeps, restores, finds the next sequence number. */
int archive_recover(struct archive *archive);
/* Somebody else wrote: reads again what is kept in memory. */
int archive_refresh(struct archive *archive);
/* The journal is not what it was: removes the files about what was read in it, durably. */
int archive_forget(struct archive *archive);
