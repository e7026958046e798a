/* SPDX-License-Identifier: MIT */
/*
 * A partial: the hidden file of a frame, from its first byte until archive_commit() gives it its
 * name. The camera stages a whole picture; a puller receives one in pieces under the record that
 * the camera sent.
 *
 * A partial belongs to the archive it was made in. Free it, or keep it, before that; the archive
 * discards what is left when it is closed. Of those that were kept one is left, for PARTIAL_DAYS:
 * what a camera begins and does not end must not fill the disk. Only archive_commit() and the
 * functions that make a partial need the writer's lock: pieces may be written, checked and kept
 * without it.
 */
#pragma once

#include "common/archive/archive.h"

struct partial;

/*
 * The camera's side: writes `jpeg` into a hidden file `.NAME.part` and starts its way to the disk.
 * The caller fills in all of `frame` but seq, bytes and sha256; archive_commit() gives the number.
 * Nothing is durable yet. Errors as archive_publish().
 */
int partial_stage(struct archive *archive, const struct record *frame, const void *jpeg,
	size_t bytes, struct partial **ret);

/*
 * The puller's side: a partial `.partials/.NAME.rest`, which outlives the process. Resumes after
 * the first `offset` bytes, which must be there (partial_kept_bytes()); 0 begins, or begins again.
 * The file is locked until it is committed, kept or freed: one process at a time receives a frame.
 * -EBUSY another one does, or this one; -ESTALE the bytes are not there; -EINVAL, -EFBIG it is no
 * frame, or an impossible one.
 */
int partial_resume(
	struct archive *archive, const struct record *frame, int64_t offset, struct partial **ret);
/* Appends a piece. -EFBIG past the record's size; -EBADF the file is gone. */
int partial_write(struct partial *partial, const void *data, size_t bytes);
/*
 * Compares size, sha256 and JPEG markers with the record, and starts the file's way to the disk.
 * archive_commit() does the same for a partial that was not checked. -EBADMSG: they differ, and the
 * file is gone.
 */
int partial_check(struct partial *partial);
/* Another descriptor of its file, for an fsync ahead of the commit. -EBADF the file is gone. */
int partial_open(const struct partial *partial, int *ret_fd);

/*
 * What it is about; after archive_commit() as it stands in the journal, without a number if it
 * failed.
 */
const struct record *partial_record(const struct partial *partial);

/* Frees it and leaves its file, for partial_resume(). Nothing is left of it after a commit. */
void partial_keep(struct partial *partial);
/* Frees it and removes its file, unless it was committed. */
void partial_free(struct partial *partial);
DEFINE_CLEANUP(struct partial, partial_free)

/*
 * How many bytes of the frame a `.rest` file has, 0 if none or more than the frame has. -EBUSY:
 * somebody receives it now.
 */
int64_t partial_kept_bytes(struct archive *archive, const struct record *frame);
void partial_remove_kept(struct archive *archive, const struct record *frame);
/*
 * The newest frame with a `.rest` file and a number above `after`: 1, with its name and how many
 * bytes are there; 0 there is none. -EBUSY, with both: somebody receives it now.
 */
int partial_find_kept(
	struct archive *archive, uint64_t after, struct frame_name *ret_name, int64_t *ret_bytes);
