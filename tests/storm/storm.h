/* SPDX-License-Identifier: MIT */
/*
 * A storm: lives of one service after another over one archive, each with its plan of faults.
 * plan.c makes the plans, storm.c lives through them, account.c reads the journal and judges.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/journal/record.h"

#define EVERY_US 200000 /* 5 frames/s */
#define CALL_SECONDS 2 /* a camera call that takes longer ends the process */
#define EVENTS_MAX 16 /* in one life */
#define LIVES_MAX 200

enum kind {
	FREEZE, /* until the stream is started again */
	FREEZE_ON, /* for a time, whatever is done about it */
	CANCEL,
	CANCEL_ON,
	BUSY,
	GONE,
	SLOWSTOP,
	STALE,
	ENCODER, /* encoding a frame takes that long */
	DISK, /* fsync takes that long */
	FULL, /* no write succeeds */
	KINDS,
};

extern const struct kind_rule {
	const char *name;
	const char *fault; /* of simcam/faults.h; NULL: not the camera's */
	/* it shows only when the stream is stopped or started, so that is broken first */
	bool broken;
	bool lasts; /* has a duration */
	enum miss_cause cause;
} kind_rules[KINDS];

struct event {
	enum kind kind;
	int64_t begin_us, end_us; /* since the life's start; account.c wants wall time */
};

enum ending { ENDS_HANGING, ENDS_KILLED, ENDS_CLEANLY, ENDINGS };

struct life {
	struct event events[EVENTS_MAX];
	int n;
	enum ending ending;
	int64_t ends_us; /* since the start: hangs, is killed, is told to end */
	char script[512]; /* setting test.faults */

	/* what became of it, wall time */
	int64_t started_us, ended_us;
	bool died_as_planned;
};

struct plan {
	uint64_t state; /* random */
	int deck[KINDS], left; /* kinds to come, so that each has its turn */
	bool long_ones; /* some faults last up to 15 s */
};

/* One life of about that long; `number` decides how it ends. */
struct life plan_life(struct plan *plan, int number, int64_t seconds);
int64_t plan_random(struct plan *plan, int64_t from, int64_t to);

/* Judges the archive; prints what is wrong and the figures. Returns the failures, *ret_passed. */
int account_judge(const char *folder, struct life *lives, int n, int *ret_passed);
