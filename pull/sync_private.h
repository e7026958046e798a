/* SPDX-License-Identifier: MIT */
/*
 * What the parts of sync share: sync.c (archive, connections), session.c (one connection), batch.c
 * (frames that are stored together).
 */
#pragma once

#include "common/archive.h"
#include "common/limits.h"
#include "common/partial.h"
#include "pull/client.h"
#include "pull/flush.h"
#include "pull/held.h"
#include "pull/pace.h"
#include "pull/room.h"
#include "pull/sync.h"

/* A frame that is to be fetched. */
struct item {
	uint64_t seq;
	int64_t slot_us, bytes;
	bool again; /* it arrived damaged once */
	bool probe; /* it was damaged over there: only asked whether it is still */
};

enum ask_kind { ASK_LIST, ASK_FRAME };

/* A request that was sent and not answered yet. */
struct ask {
	enum ask_kind kind;
	uint64_t first, last; /* list */
	bool first_look; /* list: it was sent before the camera's last number was known */
	struct item item;
	int64_t offset; /* frame */
	int64_t alone_ns; /* sent then, with nothing else under way; 0: not alone */
};

/* A frame that has come and is not stored yet. */
struct ready {
	struct record record;
	struct partial *partial;
	bool resumed;
	uint64_t flush; /* its number at the flusher, 0: none */
};

struct sync {
	const struct sync_options *options;
	struct sync_result *result;
	const struct clock *clock; /* for retention */

	struct archive *archive; /* NULL: there is none yet */
	bool writing; /* `archive` is open for writing; it is our turn only in between */
	struct room room;
	int64_t keep_since_us; /* by keep_days: what is older is not wanted */
	int lock_fd; /* the one sync of this archive */
	struct held held;
	struct record anchor; /* the last line that is held, to be compared; seq 0: none */
	struct ranges skipped; /* not to be asked for again in this run */

	uint64_t stuck_seq; /* the frame at which a stream ended before its first byte */

	/* this connection */
	struct client *client;
	struct ranges seen; /* listed, or need not be */
	uint64_t first, last; /* of the camera */
	uint64_t list_lines; /* few at first: the first frame comes soon, and over a bad link too */
	bool listed_all, list_under_way, answered;
	struct ask asks[SYNC_ASKS_MAX]; /* a ring */
	size_t asks_start, n_asks;
	struct item items[SYNC_ITEMS_MAX]; /* a ring, the next one first */
	size_t items_start, n_items;
	struct record lines[SYNC_LIST_LINES]; /* of the list that is being read */
	size_t n_lines, n_listed; /* kept; that came, with those of other lists */
	struct flusher *flusher; /* NULL: none yet */
	struct ready ready[SYNC_READY_MAX]; /* the oldest first */
	unsigned n_ready;
	int64_t ready_bytes, ready_ns; /* of them; when they are to be stored */
	int64_t under_way; /* bytes of frames that were asked for and have not come */
	struct pace pace;
	int64_t told_ns; /* of progress */
};

/* Fills in result->error and returns `code`. */
int sync_fail(struct sync *sync, int code, const char *fmt, ...) PRINTF(3, 4);
/* The same for what is on this side. */
int sync_fail_here(struct sync *sync, int code, const char *fmt, ...) PRINTF(3, 4);
/* The archive failed with `r`. */
int sync_archive_failed(struct sync *sync, int r);
/* Not to be asked for again in this run, and the run ends as a failure. */
int sync_skip(struct sync *sync, uint64_t seq);
/* The same where its file over there is damaged, `what` says how: that is a gap, and no failure. */
int sync_damaged(struct sync *sync, uint64_t seq, const char *what);
/* The stream ended with `code` before a byte of the frame came. An exit code. */
int sync_stuck(struct sync *sync, uint64_t seq, int code);
/* What is damaged over there is to be listed once more, the newest of it. -errno. */
int sync_ask_of_damaged(struct sync *sync);
/* What was damaged is whole again: it is wanted like any other. An exit code. */
int sync_want_again(struct sync *sync, struct item item);

/*
 * The first list has come, with the line of the anchor. `ret_forked`: the camera's history is another one;
 * what was here of the old one is kept apart, and the archive and `held` are what is left. Exit code.
 */
int sync_compare(struct sync *sync, bool *ret_forked);
/* What is held, from the archive as it is. An exit code. */
int sync_look(struct sync *sync);

/*
 * Our turn at the archive, which is made if there is none; what others wrote in the meantime is in
 * `held` then. CLI_OK or an exit code.
 */
int sync_take(struct sync *sync);
void sync_release(struct sync *sync);
/* The frames up to `seq` are not wanted any more: retention removes what is so old. */
int sync_unwanted(struct sync *sync, uint64_t seq);
void sync_tell(struct sync *sync);

/* The frames that are known and not asked for yet; there must be room. */
void sync_push_item(struct sync *sync, const struct item *item);
/* In front of all others: it came and was no good. */
void sync_push_again(struct sync *sync, struct item item);
struct item sync_pop_item(struct sync *sync);

/* The command that begins a connection. */
void session_command(struct sync *sync, char *buf, size_t size);
/* All of one connection, from the greeting on. CLI_OK or an exit code. */
int session_run(struct sync *sync, struct stream *stream);

/* Takes the partial over, unless it is not what was announced: -EBADMSG. There is room after batch_due(). */
int batch_add(struct sync *sync, const struct ask *frame, const struct record *record,
	struct partial *partial);
/* Stores what was added if it is time to, or if nothing more comes for now. CLI_OK or an exit code. */
int batch_due(struct sync *sync);
int batch_commit(struct sync *sync);
