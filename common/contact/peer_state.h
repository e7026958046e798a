/* SPDX-License-Identifier: MIT */
/*
 * The peer state: what pullpi remembers of a camera from one run to the next, in contact-NAME.json
 * in the state folder. It has the time and the result of the last try, and what the camera last
 * said of itself. Because of it, a camera that is away for days gets one line in the log.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/wire/wire.h"

#define PEER_GAPS 8 /* more than the few fetches of a person in between */

struct peer_outcome {
	int code; /* an exit code; 0: all is well */
	int64_t since_us; /* when it began */
	char error[PULL_ERROR_MAX]; /* "" where code is 0 */
};

/* The bytes of a month, which pace.h spreads over it. */
struct peer_spending {
	int64_t month_us; /* when it began, by the local calendar; TIME_NONE: none is counted yet */
	int64_t bytes; /* of it, both ways */
	int64_t exempt; /* of them those that waited for nothing */
	int64_t back_us; /* since then the clock shows an earlier month; TIME_NONE: it does not */
};

struct peer_state {
	int64_t last_try_us; /* wall time; TIME_NONE: never */
	int64_t last_ok_us;
	struct peer_outcome camera; /* of the last try */
	/* What is wrong on this machine, whatever the camera says; a stored frame clears it. */
	struct peer_outcome here;
	uint64_t first, last; /* of the camera's journal at its last answer; 0: not known */
	int64_t rate; /* bytes a second of the last pull, 0: not known */
	char archive[CONF_VALUE_MAX]; /* its folder, */
	char mount[CONF_VALUE_MAX]; /* and where the disk of that is mounted; "": not known */
	/* From each of the last tries to the one before it, newest first; 0: none. */
	int64_t gaps_us[PEER_GAPS];
	int64_t seen_us; /* its last answer; TIME_NONE: none. What it said then: */
	struct wire_schedule schedule;
	struct peer_spending spending;
	int64_t unkept; /* answers in a row that broke the promise of a next slot */
	/*
	 * The promise that is judged next: what the last answer promised, or an older one that no
	 * answer was late enough for. A camera that is followed would else promise without end.
	 */
	int64_t promised_us;
};

/* Where the disk of the camera's archive at `path` was mounted; "": not known, or no mount. */
void peer_state_mount(const char *camera, const char *path, char ret[static PATH_MAX]);
/* Saves that, if it changed. -errno. */
int peer_state_mounted(const char *camera, const char *path, const char *mount);

/* What a camera said of itself in its last answer. */
struct sighting {
	int64_t seen_us; /* wall time here; TIME_NONE: it did not answer */
	uint64_t first, last; /* of its journal; 0: not said, or there is no line */
	struct wire_schedule schedule;
};
extern const struct sighting sighting_none;
struct sighting sighting_of(const struct wire_greeting *greeting, const struct clock *clock);

/*
 * How far apart tries are; 0: not known. Nobody tells pullpi how often it is called, so this is the
 * second longest of the last gaps; the longest may be an outage.
 */
int64_t peer_state_period(const struct peer_state *peer);

/* `ret` becomes peer_state_none if there is no file, or none that can be read. */
void peer_state_load(const char *camera, struct peer_state *ret);

bool peer_state_exists(const char *camera);
/* Removes the file, if there is one. -errno. */
int peer_state_forget(const char *camera);

/* Nothing is known. */
extern const struct peer_state peer_state_none;

/*
 * How a try that ended in `code`, or an answer, changes the state. Pure; `up_us` is the time since
 * this machine was started.
 */
void peer_state_tried(
	struct peer_state *peer, int64_t now_us, int64_t up_us, int code, const char *error);
void peer_state_answered(struct peer_state *peer, const struct sighting *sighting, int64_t rate);

/* Whether a result is about the camera, or about what this machine could do. */
enum peer_side { PEER_CAMERA, PEER_HERE };

/*
 * Saves the result of a try, or of storing here, at `clock`'s time. `ret_before` is the result
 * before it, also after -errno, when the new one could not be saved.
 */
int peer_state_note(const char *camera, const struct clock *clock, enum peer_side side, int code,
	const char *error, struct peer_outcome *ret_before);

/*
 * Goes over to the month that began at `month_us`. A clock that went back begins no month again:
 * what was counted stays, until the clock comes by there or has shown earlier months for
 * SPENDING_BACK_US. `sure`: the clock is known to be right; else no month begins. Pure.
 */
#define SPENDING_BACK_US (INT64_C(31) * 24 * 3600 * US_PER_SEC)
void peer_spending_roll(
	struct peer_spending *spending, int64_t now_us, int64_t month_us, bool sure);
/* Saves that so many bytes more came and went, and what is counted now. -errno. */
int peer_state_spent(const char *camera, const struct clock *clock, int64_t bytes, int64_t exempt,
	struct peer_spending *ret);

/* Saves an answer and the rate of the link; `rate` 0 keeps the old one. -errno. */
int peer_state_seen(const char *camera, const struct sighting *sighting, int64_t rate);
