/* SPDX-License-Identifier: MIT */
/*
 * The lineage of a camera's archive: whether the camera and the archive here have one history.
 *
 * A camera whose card was restored from an older copy has the same archive id, and gives known
 * numbers to other frames. So each session compares the last line that is held here with the
 * camera's line of that number. If they differ, a binary search finds the last line that both have,
 * and the later lines here move to a branch (archive_fork()): both histories are kept, apart and
 * whole.
 */
#pragma once

#include "common/archive/archive.h"
#include "common/wire/wire.h"
#include "pull/ssh/client.h"

/* The archive here, as far as a greeting is compared with it. */
struct history_here {
	const char *path, *id; /* id "": there is none */
	uint64_t last; /* the number of the last line; 0: there is none */
	uint64_t reach; /* the highest number that is believed: room_reach() */
};

/*
 * CLI_PROTOCOL for another archive id (a new card, another camera), or for numbers that no camera
 * can have come to since (SEQ_JUMP_MAX), or at all (SEQ_SPAN_MAX), with a sentence in `error`;
 * CLI_OK.
 */
int history_check(const struct wire_greeting *greeting, const struct history_here *here,
	char *error, size_t size);

/* The last line that is held here; its `seq` is 0 where there is none. -errno. */
int history_last(struct archive *archive, struct record *ret);

/* Whether two lines of one number are the same: 1; 0; -1 if that cannot be told. */
int history_compare(const struct record *ours, const struct record *theirs);

/*
 * Judges by `theirs`, the camera's line of the number of `held`: 0 the same history; 1 another one
 * after the number `ret_after`. It may ask the camera more, so no other request may be under way.
 * Errors as client_reply(), and those of the journal.
 */
int history_look(struct client *client, struct archive *archive, const struct record *held,
	const struct record *theirs, uint64_t *ret_after);

/*
 * Moves what is here after the number `after` to a branch, as archive_fork(), and puts frames back
 * whose place a frame of that took. Errors of both.
 */
int history_cut(struct archive *archive, uint64_t after, unsigned *ret_branch);

/* What the disk is asked for by that: the lines once more, and folders. -errno. */
int history_cost(struct archive *archive, uint64_t after, int64_t *ret);

struct history_fork {
	uint64_t after; /* the last number that both have */
	unsigned branch; /* branches/N of the archive has the old lines; 0: there is no fork */
	char text[PULL_ERROR_MAX]; /* a sentence for the person; "": there is no fork */
};

/*
 * Keeps the two apart, unless another process has done so and `held` is not here any more. The
 * caller has its turn at the archive and holds archive_lock_copy(), and closes the archive
 * afterwards. Errors as archive_fork().
 */
int history_fork(struct archive *archive, const struct record *held, uint64_t after,
	struct history_fork *ret);
