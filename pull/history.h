/* SPDX-License-Identifier: MIT */
/*
 * Whether the archive here and the camera's go together. Shared by fetch, sync and follow.
 *
 * A camera whose card was restored from an older copy has the same archive id and gives numbers that are
 * known here to other frames. So at each contact the camera's line of the last number that is held here is
 * compared. Where it is another one, the last line that both have is searched for by halves, and what is
 * here behind it moves to a branch (archive_fork()): both histories are kept, apart and whole.
 */
#pragma once

#include "common/archive.h"
#include "common/wire.h"
#include "pull/client.h"
#include "pull/settings.h"

/*
 * CLI_PROTOCOL for another archive id (a new card, another camera), with a sentence in `error`; CLI_OK.
 * `held_id` is that of the archive here, "" where there is none.
 */
int history_check(const struct wire_greeting *greeting, const char *held_id, const char *path,
	char *error, size_t size);

/* The last line that is held here; its `seq` is 0 where there is none. -errno. */
int history_last(struct archive *archive, struct record *ret);

/* Whether two lines of one number are the same: 1; 0; -1: that cannot be said. */
int history_compare(const struct record *ours, const struct record *theirs);

/* Asks for the camera's line of a number; reads the answer, `seq` 0: it has none. As client_reply(). */
int history_ask(struct client *client, uint64_t seq);
int history_answer(struct client *client, uint64_t seq, struct record *ret);

/*
 * With the camera's line of the number of `held`: 0 it is the same history; 1 it is another one behind the
 * number `ret_after`, perhaps after some questions more: no other may be under way. As client_reply(), and
 * -errno of the journal.
 */
int history_look(struct client *client, struct archive *archive, const struct record *held,
	const struct record *theirs, uint64_t *ret_after);

struct history_fork {
	uint64_t after; /* the last number that both have */
	unsigned
		branch; /* where the old lines are: branches/N of the archive; 0: there is no fork */
	char text[PULL_ERROR_MAX]; /* a sentence for the person; "": there is no fork */
};

/*
 * Keeps the two apart, unless somebody else has done so and `held` is not here any more. `locked`: the
 * caller holds archive_lock_copy(). No archive of this process may be open at `path`. An exit code of
 * common/cli.h, with a sentence in `error`.
 */
int history_fork(const struct camera_settings *camera, const char *path, const struct record *held,
	uint64_t after, bool locked, struct history_fork *ret, char *error, size_t size);
