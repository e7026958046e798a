/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a session share: session.c (connections, tries), session_talk.c (one
 * connection, answers), session_ask.c (requests), session_list.c (lists, histories),
 * session_preview.c, session_store.c (the archive here), redated.c.
 */
#pragma once

#include "common/archive/archive.h"
#include "common/archive/partial.h"
#include "common/base/limits.h"
#include "pull/session/held.h"
#include "pull/session/room.h"
#include "pull/session/session.h"
#include "pull/ssh/backoff.h"
#include "pull/ssh/client.h"
#include "pull/ssh/pace.h"

/* A frame that is to be fetched. */
struct item {
	uint64_t seq;
	int64_t slot_us;
	int64_t bytes; /* -1: not known, a partial of it is here */
	bool again; /* it arrived damaged once */
	bool probe; /* it was damaged over there: only ask whether it still is */
	bool preview; /* only its thumbnail */
};

enum ask_kind { ASK_LIST, ASK_FRAME, ASK_PREVIEW, ASK_NEWEST, ASK_STATUS };

/* A request that was sent and not answered yet. */
struct ask {
	enum ask_kind kind;
	uint64_t first, last, count; /* list: numbers, and lines at most */
	bool compare; /* list: it has the line to compare */
	struct item item; /* frame */
	int64_t offset; /* frame */
	int64_t alone_ns; /* sent then, with nothing else under way; 0: not alone */
};

/* A frame that has come and is not committed yet. */
struct ready {
	struct record record;
	struct partial *partial;
	bool resumed;
};

struct session {
	const struct session_options *options;
	struct session_result *result;
	enum session_plan plan;
	const struct clock *clock;
	struct backoff backoff;
	int64_t brought_ns; /* when the camera brought something last, by `clock` */
	struct pace_month month; /* what is spent of the budget; by the local calendar */
	bool budget_over; /* nothing more may be asked for now, by the budget */
	bool over; /* tell() said so, or nothing more is wanted */
	bool again; /* another visit is due at once */
	bool busy; /* newest: somebody else receives the frame */

	/* the archive here */
	struct archive *archive; /* NULL: there is none yet, or it is closed between two visits */
	bool writing; /* `archive` is open for writing; it is our turn only in between */
	char id[UUID_CHARS + 1]; /* of the last visit's, "": there was none */
	struct record anchor; /* the last line that is held, to be compared; seq 0: none */
	uint64_t after; /* newest, follow: frames up to this one are done with */
	int lock_fd; /* backlog: the one sync of this archive */
	struct room room;
	int64_t tidied_ns; /* newest, follow: when old frames were removed; 0: never */
	int64_t keep_since_us; /* backlog, by keep_days: what is older is not wanted */
	struct held held; /* backlog */
	struct ranges skipped; /* backlog: not to be asked for again in this session */
	uint64_t damaged_seq; /* the frame that arrived damaged last, on any connection */
	uint64_t stuck_seq; /* the frame at which a stream ended before its first byte */
	struct ready ready[SYNC_READY_MAX]; /* the oldest first */
	unsigned n_ready;
	struct ranges previews; /* that are here (preview.h), */
	int64_t preview_bytes; /* and what they take of the disk */
	bool previewing; /* backlog: previews come, before any picture */
	size_t n_previewed; /* frames that were listed for that */
	int64_t ready_bytes, ready_ns; /* of them; when they are to be committed */

	/* this connection */
	struct client *client; /* NULL: not connected yet; the first request goes into `command` */
	char command[32 + REQUEST_LINE_MAX];
	int64_t connected_ns, told_ns;
	bool answered; /* something that makes sense */
	uint64_t first, last; /* of the camera's journal */
	uint64_t reach; /* the highest number that is believed */
	uint64_t proven; /* backlog: the highest line that is held or was listed */
	bool compare_due, comparing;
	struct ask asks[SYNC_ASKS_MAX]; /* the oldest first */
	size_t n_asks;
	bool asked; /* anything */
	struct item items[SYNC_ITEMS_MAX]; /* the next one first */
	size_t n_items;
	int64_t busy_ns; /* until then the next of them is left to somebody else */
	int64_t under_way; /* bytes of frames that were asked for and have not come */
	struct pace pace;
	struct stream *stream;
	int64_t spent; /* of the stream's bytes, what is in `month` */
	int64_t paced, paced_spent; /* bytes of frames that waited for the budget; in `month` */
	/* newest, follow */
	bool newest_asked;
	uint64_t newest_seen; /* the camera announced it */
	int64_t status_ns; /* when the camera said what is due, or was asked */
	/* backlog */
	struct ranges seen; /* listed, or need not be */
	/*
	 * Few at first: the first frame comes soon, and over a bad link too. And where numbers have
	 * none, as a list of these is answered with lines that are beyond them.
	 */
	uint64_t list_lines;
	uint64_t list_span; /* numbers that a list goes over; 0: as many as lines */
	bool listed_all, list_under_way;
	uint64_t newest_listed; /* the camera's newest frame: it waits for no budget */
	struct record lines[SYNC_LIST_LINES]; /* of the list that is being read */
	size_t n_lines, n_listed; /* kept; that came, with those of other lists */
};

/* ---- session.c */

/* Fills in the last failure; returns `code`. */
int session_fail(struct session *s, enum connect_why why, int code, const char *fmt, ...)
	PRINTF(4, 5);
/* False: the session is to end. */
bool session_tell(struct session *s, enum session_event event);
/* SESSION_ALIVE, not too often. */
bool session_tick(struct session *s);
void session_pause(struct session *s, int64_t us);

/* ---- session_store.c; each returns an exit code unless it says otherwise */

/* Opens the archive, if there is one, and finds out what is held. */
int session_look(struct session *s);
/* newest: somebody else receives the frame `seq` now, `bytes` of it are here. */
int session_fail_busy(struct session *s, uint64_t seq, int64_t bytes);
/* The archive failed with `r`, when it was to be opened. */
int session_archive_failed(struct session *s, int r);
int session_open_failed(struct session *s, int r);
/* Two syncs of one archive would fetch everything twice. */
int session_lock_copy(struct session *s);
/*
 * Our turn at the archive, which is made if there is none; what others wrote in the meantime is
 * known then.
 */
int session_take_turn(struct session *s);
void session_release(struct session *s);
/* Keeps the head of what is here, once a day; what it said is in the result. */
void session_keep_head(struct session *s);
/* In a turn, before a frame (NULL: none) and so many other bytes: fails where there is no room. */
int session_admit(struct session *s, const struct record *frame, int64_t bytes);
/* newest, backlog: fails where the next frame could not be stored, though none came now. */
int session_check_room(struct session *s);
/* Begins a frame in a turn of its own. `*ret` stays NULL where its bytes are not wanted. */
int session_begin_frame(struct session *s, const struct ask *frame, const struct record *record,
	struct partial **ret);
/* The frames up to `seq` are not wanted any more: retention removes what is so old. -ENOMEM. */
int session_unwant(struct session *s, uint64_t seq);
/* Takes the partial over, unless it is not what was announced: -EBADMSG. -errno. */
int batch_add(struct session *s, const struct ask *frame, const struct record *record,
	struct partial *partial);
/* Commits what was added if it is time to, or if nothing more comes for now. */
int batch_commit_due(struct session *s);
int batch_commit_all(struct session *s);
/* Closes the archive. */
void session_close(struct session *s);

/* ---- session_ask.c */

/* Makes `command`, which carries the first request. */
int session_begin_command(struct session *s);
enum plan_step session_next_step(struct session *s);
/* Sends what may be sent now. */
int ask_ahead(struct session *s);
/* The frames to fetch. There must be room for one more. */
void item_push(struct session *s, const struct item *item);
void item_push_front(struct session *s, const struct item *item);
/* It came and was no good: once more, before all others. CLI_OK. */
int item_push_again(struct session *s, struct item item);
struct record item_record(const struct item *item);

/* ---- session_preview.c */

#define PREVIEW_BYTES_LIKELY 6144 /* of one, until it has come */

/* What is here of them; where that cannot be read there are none. */
void session_look_previews(struct session *s);
/* The answer to a request for one. */
int preview_take(struct session *s, const struct ask *ask, const struct wire_reply *reply);
/* The frame is here. */
void preview_drop(struct session *s, const struct record *frame);
/* Goes on to the pictures, where previews came so far: true. */
bool session_end_previews(struct session *s);
/* Removes what a crash left of them. */
void session_tidy_previews(struct session *s);

/* ---- session_spend.c: the budget */

/* Counts what the link has carried since it was last counted; a little of it only if `all`. */
void session_spend(struct session *s, bool all);
/* How long the next frame has to wait, in microseconds; 0: it may be asked for. */
int64_t session_budget_wait_us(const struct session *s);

/* ---- session_list.c */

/* A line of the list that is being read, and its end. */
int list_take_line(struct session *s, const struct ask *list, const struct record *line);
int list_end(struct session *s, const struct ask *list);
/* What the backlog need not list. */
int session_begin_seen(struct session *s);
/* The camera is the right one. */
void session_greet(struct session *s);

/* ---- session_talk.c */

/* All of one connection, from the greeting on. */
int session_talk(struct session *s, struct stream *stream);
/* The frame as announced is what was asked for; else the session fails. */
int frame_check(struct session *s, const struct ask *frame, const struct record *record);
/* The client failed with `r`. */
int session_link_failed(struct session *s, int r);
/* Not to be asked for again in this session, which ends as a failure. */
int session_skip(struct session *s, uint64_t seq);
/*
 * follow: the frame could not be stored, as `error` says; sync brings it later, the next one is
 * due.
 */
int session_pass_over(struct session *s, uint64_t seq);
/* Its file over there cannot be had, `what` says why: that is a gap, and no failure. */
int session_note_damaged(struct session *s, uint64_t seq, const char *what);
/*
 * A line of a set clock that is later than the camera's clock and ours, which is set too: the two
 * agree that it is wrong. Where only ours does so, the line is taken, and status tells of the
 * clocks.
 */
bool frame_is_of_the_future(const struct session *s, const struct record *frame);
