/* SPDX-License-Identifier: MIT */
/*
 * Room for a camera's frames and lines here. What a camera sends never decides what is lost: before
 * anything is written room_admit() is asked, which refuses what is past a limit of that camera, or
 * would take the disk below its reserve. Frames are removed (pruner.h) where the settings ask for
 * it, by keep_days or when_full, and never those of another camera: on a full disk a camera's own
 * old frames go for its new ones, byte for byte.
 *
 * What is in branches/ counts as well, and goes as if it were not apart: the oldest frame first,
 * wherever it is. The newest one of each branch stays, as that of an archive does.
 *
 * Removing leaves the frames' lines, so no frame is fetched a second time; no frame up to the
 * number that room_gone() returns is wanted any more. Whoever has a pruner holds
 * archive_lock_copy(). What goes wrong with it fails no fetch: `error` keeps it for the caller to
 * tell.
 *
 * .room in the archive counts what came today, and what is stored; it is written before what it
 * counts, in the writer's turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "common/upkeep/pruner.h"
#include "pull/settings/settings.h"

enum room_verdict {
	ROOM_FREE,
	ROOM_DISK, /* less than `reserve` would be free */
	ROOM_INODES,
	ROOM_BYTES, /* more than `max_bytes` would be stored */
	ROOM_FRAMES,
	ROOM_DAY, /* more than `daily_bytes` would have come today */
	ROOM_VERDICTS
};

struct room_facts {
	int64_t disk_bytes, free_bytes; /* of the file system; 0 in all: it does not tell */
	int64_t disk_inodes, free_inodes;
	int64_t stored_bytes, stored_frames; /* of this camera */
	int64_t used_bytes, budget_bytes; /* of this day */
	int64_t credit_bytes; /* removed on the full disk for what comes now */
	int64_t bytes, frames; /* that come now */
	int64_t pending_bytes, pending_frames; /* that are on the disk, and in no account yet */
};

/* Pure. */
enum room_verdict room_judge(const struct camera_settings *camera, const struct room_facts *facts);
/* "disk", "inodes", ...: for --json. */
const char *room_verdict_name(enum room_verdict verdict);
/* A sentence for the person, with the next step. Returns `buf`. */
const char *room_describe(enum room_verdict verdict, const struct camera_settings *camera,
	const struct room_facts *facts, char *buf, size_t size);

/*
 * The bytes that may come in a day where the settings say nothing: what the camera's schedule makes
 * in ROOM_CATCH_UP_DAYS, as a full card may come at once, four times over; but no more than its
 * share of what is free above the reserve when the day begins, so that a camera that floods leaves
 * room for the others. `frames_per_day` 0: not known. Pure.
 */
#define ROOM_CATCH_UP_DAYS 400
int64_t room_budget(const struct camera_settings *camera, double frames_per_day,
	int64_t frame_bytes, int64_t room_bytes, unsigned sharers);

/* Whether the oldest frames go where there is no more room. */
bool room_removes(const struct camera_settings *camera);

/* What .room holds. */
struct room_ledger {
	int64_t day; /* UTC, since 1970 */
	int64_t used_bytes; /* of it */
	int64_t room_bytes; /* above the reserve, when it began */
	int64_t credit_bytes;
	uint64_t reach; /* the highest number that is believed today; 0: not known yet */
	int64_t branches; /* that are in the next two */
	int64_t stored_bytes, stored_frames;
	bool counted; /* else these are not known */
};

/* Of one camera; zeroed but for the first two. */
struct room {
	const struct camera_settings *camera;
	const struct clock *clock;
	double claimed_per_day; /* frames, as the camera says; 0: it does not */
	uint64_t reach; /* of the last room_reach(), */
	int64_t reach_day; /* and its day */
	int64_t pending_bytes, pending_frames; /* that have come and are not committed */
	int (*statvfs)(int fd, struct statvfs *st); /* NULL: fstatvfs(3) */
	struct pruner *pruner;
	struct room_branch {
		struct archive *archive;
		struct pruner *pruner;
	} branches[BRANCHES_MAX]; /* while there is a pruner */
	unsigned n_open;
	uint64_t removed; /* frames */
	int error; /* the first one */

	struct room_ledger ledger;
	double frames_per_day; /* the next three are known once there are sharers */
	int64_t frame_bytes;
	unsigned sharers; /* cameras on this disk, with this one; 0: not counted yet */
	unsigned n_branches;
	int64_t folder_day; /* of the last frame that was stored, */
	uint64_t segment; /* and where its line is */
};

/*
 * Counts what is stored, if it is needed; the archive may be open for reading. The caller holds
 * archive_lock_copy().
 */
void room_open(struct room *room, struct archive *archive);
/* The same archive was opened again, or somebody else had a turn at it. */
void room_refresh(struct room *room, struct archive *archive);
/*
 * In a turn, before a frame (NULL: none) and lines of so many bytes are written: makes room if that
 * is wanted, and tells whether there is some. `ret` may be NULL.
 */
enum room_verdict room_admit(struct room *room, struct archive *archive, const struct record *frame,
	int64_t bytes, struct room_facts *ret);
/*
 * What a frame costs the disk, with its line, and its folder and segment where these are others
 * than before; and what lines cost.
 */
int64_t room_cost(const struct room *room, const struct record *frame);
int64_t room_cost_lines(const struct room *room, const struct record *lines, size_t n);
/*
 * The highest number that is believed of the camera when it is asked now: SEQ_JUMP_MAX after
 * `last`, the highest number here, and what it can have taken in the `away_us` since the last
 * contact (0: not known). It is the same all day once something was stored, so that a camera jumps
 * once a day. `archive` NULL: the camera was never seen, and may be years old.
 */
uint64_t room_reach(
	struct room *room, const struct archive *archive, uint64_t last, int64_t away_us);
/* In a turn, right before that is written, of which `bytes` are those of frames. */
void room_charge(
	struct room *room, struct archive *archive, int64_t cost, int64_t bytes, int64_t frames);
/* Whether a frame like the newest could be stored; ROOM_FREE where frames are removed for it. */
enum room_verdict room_check(struct room *room, struct archive *archive, struct room_facts *ret);
/*
 * Whether so many bytes can be on the disk for a while: a file that another one makes way for. No
 * frame goes for them.
 */
bool room_fits(struct room *room, struct archive *archive, int64_t bytes);
/* A frame was stored. */
void room_stored(struct room *room, const struct record *frame);
/* Retention has removed frames up to this one. */
uint64_t room_gone(const struct room *room);
/* Before the archive is freed. */
void room_close(struct room *room);

/*
 * For whoever is no sync, in a turn: removes frames by keep_days, ROOM_FRAMES_MAX at most. Does
 * nothing while a sync is under way, which does it itself. `error` is that of this call.
 */
#define ROOM_FRAMES_MAX 256
void room_tidy(struct room *room, struct archive *archive);

/*
 * The time before which keep_days keeps no frame; TIME_NONE: none, or the clock is not known good.
 */
int64_t room_since(const struct camera_settings *camera, const struct clock *clock);

/* How the disk of an archive stands, which may be open for reading. */
struct room_view {
	enum room_verdict verdict; /* of one more frame; where frames are removed it is ROOM_FREE */
	struct room_facts facts;
	int64_t room_bytes; /* free above the reserve */
	/* When that is used up as all cameras on that disk go on; TIME_NONE: not known, or never */
	int64_t full_us;
};
/* -errno. */
int room_look(const struct camera_settings *camera, struct archive *archive,
	const struct clock *clock, struct room_view *ret);
/* "12.3 GB above the reserve; full about 2027-03-05, in 97 days", or what is wrong. */
const char *room_describe_view(const struct camera_settings *camera, const struct room_view *view,
	int64_t now_us, char *buf, size_t size);

/* ---- what room.c, room_stock.c and room_forecast.c share */

/* The first error of a session is kept. */
void room_note_error(struct room *room, int r);
/* `reserve`, or what it is by itself. */
int64_t room_reserve(const struct camera_settings *camera);
/* Whether anything ever has to be removed or counted. */
bool room_needs_pruner(const struct camera_settings *camera);
/* By the pruners. */
void room_count(const struct room *room, struct room_ledger *ledger);
/*
 * Removes some frames from where the oldest one is; where nothing may go there, from where the next
 * one is.
 */
struct pruner_removed room_remove_oldest(struct room *room, struct archive *archive, int64_t bytes);
/* What is free above the reserve. Pure. */
int64_t room_above_reserve(const struct camera_settings *camera, const struct room_facts *facts);
/* Who shares the disk, and what this camera makes: once, as neither changes in a session. */
void room_learn(struct room *room, struct archive *archive);
