/* SPDX-License-Identifier: MIT */
/*
 * When a camera was last spoken to, and with what result: contact-NAME.json in the state folder.
 * With it, a camera that is away for days is one line in the log and not one a minute.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"

struct contact {
	int64_t last_try_us; /* wall time; TIME_NONE: never */
	int64_t last_ok_us;
	int64_t since_us; /* the first try with the result of the last one */
	int code; /* of the last try, an exit code */
	char error[PULL_ERROR_MAX]; /* "" where code is 0 */
	uint64_t first, last; /* of the camera's journal when it answered last; 0: not known */
	int64_t rate; /* bytes a second of the last pull, 0: not known */
	char archive[CONF_VALUE_MAX],
		mount[CONF_VALUE_MAX]; /* an archive, and where its disk is mounted */
};

/*
 * Where the disk of the camera's archive at `path` was mounted, "": not known, or on none; and takes note
 * of it where that changed. -errno.
 */
void contact_mount(const char *camera, const char *path, char ret[static PATH_MAX]);
int contact_mounted(const char *camera, const char *path, const char *mount);

/* No file, or one that cannot be read, is a contact that never was. */
void contact_load(const char *camera, struct contact *ret);

bool contact_exists(const char *camera);
/* Removes what is known; nothing was known is fine. -errno. */
int contact_forget(const char *camera);

/*
 * Notes the result of a try at `now_us`. `ret_before` is what was known until then. -errno when it
 * cannot be kept; `ret_before` is filled in all the same.
 */
int contact_note(const char *camera, int64_t now_us, int code, const char *error,
	struct contact *ret_before);

/*
 * Notes what a camera that answered said of its journal, and how quick the link was; `rate` 0 leaves
 * what is known. -errno.
 */
int contact_seen(const char *camera, uint64_t first, uint64_t last, int64_t rate);
