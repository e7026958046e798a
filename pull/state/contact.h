/* SPDX-License-Identifier: MIT */
/*
 * What pullpi remembers of a camera from one run to the next, in contact-NAME.json in the state
 * folder: when it last tried and with what result, and what the camera said of itself. It keeps a
 * camera that is away for days to one line in the log.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/wire/wire.h"

#define CONTACT_GAPS 8 /* more than the few fetches of a person in between */

struct contact_state {
	int code; /* an exit code; 0: all is well */
	int64_t since_us; /* when it began */
	char error[PULL_ERROR_MAX]; /* "" where code is 0 */
};

struct contact {
	int64_t last_try_us; /* wall time; TIME_NONE: never */
	int64_t last_ok_us;
	struct contact_state camera; /* by the last try */
	/* What is wrong on this machine, whatever the camera says; a stored frame ends it. */
	struct contact_state here;
	uint64_t first, last; /* of the camera's journal when it answered last; 0: not known */
	int64_t rate; /* bytes a second of the last pull, 0: not known */
	char archive[CONF_VALUE_MAX]; /* its folder, */
	char mount[CONF_VALUE_MAX]; /* and where the disk of that is mounted; "": not known */
	/* From each of the last tries to the one before it, newest first; 0: none. */
	int64_t gaps_us[CONTACT_GAPS];
	int64_t seen_us; /* when it answered last; TIME_NONE: it never did. What it said then: */
	struct wire_schedule schedule;
	int64_t unkept; /* answers in a row after which the slot it had called its next was none */
};

/* Where the disk of the camera's archive at `path` was mounted; "": not known, or on none. */
void contact_mount(const char *camera, const char *path, char ret[static PATH_MAX]);
/* Notes that, if it changed. -errno. */
int contact_mounted(const char *camera, const char *path, const char *mount);

/* What a camera said of itself when it answered, or said again since. */
struct sighting {
	int64_t seen_us; /* wall time here; TIME_NONE: it did not answer */
	uint64_t first, last; /* of its journal; 0: not said, or there is no line */
	struct wire_schedule schedule;
};
extern const struct sighting sighting_none;
struct sighting sighting_of(const struct wire_greeting *greeting, const struct clock *clock);

/*
 * How far apart tries are, 0: not known. Nobody tells pullpi how often it is called, so it takes
 * the second longest of the last gaps; the longest may be an outage.
 */
int64_t contact_period(const struct contact *contact);

/* Without a file, or with one that cannot be read, `ret` becomes contact_none. */
void contact_load(const char *camera, struct contact *ret);

bool contact_exists(const char *camera);
/* Forgets the camera; there may be nothing to forget. -errno. */
int contact_forget(const char *camera);

/* Nothing is known. */
extern const struct contact contact_none;

/*
 * How a try that ended in `code`, or an answer, changes what is known. Pure; `up_us` is the time
 * since this machine was started.
 */
void contact_tried(
	struct contact *contact, int64_t now_us, int64_t up_us, int code, const char *error);
void contact_answered(struct contact *contact, const struct sighting *sighting, int64_t rate);

/* Whether a result is about the camera, or about what this machine could do. */
enum contact_side { CONTACT_CAMERA, CONTACT_HERE };

/*
 * Notes the result of a try, or of storing here, at `clock`'s time. `ret_before` is what was known
 * of that until then, also after -errno, where the result could not be kept.
 */
int contact_note(const char *camera, const struct clock *clock, enum contact_side side, int code,
	const char *error, struct contact_state *ret_before);

/* Notes an answer and the rate of the link; `rate` 0 leaves the old one. -errno. */
int contact_seen(const char *camera, const struct sighting *sighting, int64_t rate);
