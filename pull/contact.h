/* SPDX-License-Identifier: MIT */
/*
 * When a camera was last spoken to, and with what result: contact-NAME.json in the state folder.
 * With it, a camera that is away for days is one line in the log and not one a minute.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/wire.h"

#define CONTACT_GAPS 8 /* more than a person's few fetches in between */

struct contact {
	int64_t last_try_us; /* wall time; TIME_NONE: never */
	int64_t last_ok_us;
	int64_t since_us; /* the first try with the result of the last one */
	int code; /* of the last try, an exit code */
	char error[PULL_ERROR_MAX]; /* "" where code is 0 */
	uint64_t first, last; /* of the camera's journal when it answered last; 0: not known */
	int64_t rate; /* bytes a second of the last pull, 0: not known */
	/* What is wrong on this machine, whatever the camera says; it ends with what is stored here. */
	int here_code; /* 0: nothing */
	int64_t here_since_us;
	char here[PULL_ERROR_MAX];
	char archive[CONF_VALUE_MAX],
		mount[CONF_VALUE_MAX]; /* an archive, and where its disk is mounted */
	int64_t gaps_us
		[CONTACT_GAPS]; /* from each of the last tries to the one before, newest first; 0: none */
	int64_t seen_us; /* when it answered last; TIME_NONE: it never did. What it said then: */
	struct wire_schedule schedule;
	int64_t unkept; /* answers in a row by which the slot that it had called the next was none */
};

/*
 * Where the disk of the camera's archive at `path` was mounted, "": not known, or on none; and takes note
 * of it where that changed. -errno.
 */
void contact_mount(const char *camera, const char *path, char ret[static PATH_MAX]);
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
 * How far apart tries are, 0 where that is not known. Nobody tells pullpi how often it is called, so it is
 * learned: the longest of the last gaps but one, which may be an outage.
 */
int64_t contact_period(const struct contact *contact);

/* No file, or one that cannot be read, is a contact that never was. */
void contact_load(const char *camera, struct contact *ret);

bool contact_exists(const char *camera);
/* Removes what is known; nothing was known is fine. -errno. */
int contact_forget(const char *camera);

/* A contact that never was. */
extern const struct contact contact_none;

/* What a try that ended in `code` and an answer make of a contact. Pure; `up_us`: since our start. */
void contact_tried(
	struct contact *contact, int64_t now_us, int64_t up_us, int code, const char *error);
void contact_answered(struct contact *contact, const struct sighting *sighting, int64_t rate);

/* The same of what this machine could or could not do: code 0 where something was stored. */
int contact_note_here(const char *camera, const struct clock *clock, int code, const char *error,
	struct contact *ret_before);

/*
 * Notes the result of a try at `clock`'s time. `ret_before` is what was known until then. -errno when it
 * cannot be kept; `ret_before` is filled in all the same.
 */
int contact_note(const char *camera, const struct clock *clock, int code, const char *error,
	struct contact *ret_before);

/* Notes an answer, and how quick the link was; `rate` 0 leaves what is known. -errno. */
int contact_seen(const char *camera, const struct sighting *sighting, int64_t rate);
