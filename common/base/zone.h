/* SPDX-License-Identifier: MIT */
/*
 * The machine's time zone, which may change under a running program: /etc/localtime is replaced
 * (timedatectl set-timezone), or the rules in it are (an update of tzdata). The C library reads it
 * once.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define ZONE_NAME_MAX 64 /* "America/Argentina/ComodRivadavia" and room, NUL included */

struct zone {
	/* of the file that was read; all 0: there was none */
	dev_t device;
	ino_t inode;
	/* st_ctim, which nobody can set: `cp -p` over the file changes it */
	struct timespec changed;
};

/*
 * The file that tells the zone: the one that TZ names ("Europe/Berlin" below TZDIR, ":/etc/zone"),
 * else /etc/localtime. Where TZ is itself a rule ("CET-1") no such file exists. -ENOENT TZ is "";
 * -ENAMETOOLONG.
 */
int zone_file(char ret[static PATH_MAX]);

/*
 * The zone's name for people, "Europe/Berlin": from TZ, or the file's path below zoneinfo/. "":
 * none is known.
 */
const char *zone_name(char ret[static ZONE_NAME_MAX]);

/* Reads the zone, as it is from now on. */
void zone_begin(struct zone *zone);

/* Whether another file, or another text in it, stands there than was read. One stat(2). */
bool zone_has_changed(const struct zone *zone);

/*
 * Reads it again. Meanwhile other threads may ask for local times, but must not change the
 * environment; they get them by the old zone, the new one, or the old one's offset at `now_us`.
 * -ENOMEM: nothing has changed.
 */
int zone_read_again(struct zone *zone, int64_t now_us);
