/* SPDX-License-Identifier: MIT */
/*
 * Where the archives are: those that viewpi.conf names, this machine's own (~/captures, or where
 * capturepi.conf has it, and ~/captures-NAME of further cameras), and every camera of pullpi.conf.
 * The other programs' settings are only looked into; what is wrong in them is theirs to tell.
 */
#pragma once

#include "common/archive/archive.h"
#include "view/settings/settings.h"

struct place {
	char name[CAMERA_NAME_MAX]; /* for people, unique among the places */
	char url[3 * CAMERA_NAME_MAX]; /* the same as one segment of a path, percent-encoded */
	char path[CONF_VALUE_MAX];
	char films[CONF_VALUE_MAX + CAMERA_NAME_MAX]; /* the folder of its days' films */
	bool copy; /* pullpi brings it */
	int64_t stale_after_us; /* 0: auto, by the camera's schedule */
};

/* For the heap; free() frees it. Sorted by name. */
struct places {
	size_t n;
	struct place list[CONF_CAMERAS_MAX];
};

/* -ENOMEM. */
int places_find(const struct view_settings *settings, struct places **ret);

/* The place of that name, NULL: there is none. */
const struct place *places_get(const struct places *places, const char *name);

/*
 * Opens its archive for reading; errors as archive_open(), and -EBADMSG where an archive has lost
 * its journal.
 */
int place_open(const struct place *place, struct archive **ret);
/* Why it cannot be opened, as a sentence. */
const char *place_trouble(int error);

/* Opens the film of a day, "2026-11-24". -ENOENT there is none; -errno. */
int place_open_film(const struct place *place, const char *day, int *ret_fd);
