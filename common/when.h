/* SPDX-License-Identifier: MIT */
/*
 * Instants as people say them: the times of --since, --until and --from.
 *
 *   2026-11-24, today, yesterday      a local day
 *   2026-11-24 12:00, yesterday 12:00:30, 12:00      local time; alone it is today's
 *   2026-11-24T12:00:00Z, 2026-11-24 12:00 +01:00    UTC, or with its offset: as `list` prints it
 *   3 days ago, 90min ago, -3d, 3d    that long before now: s, min, h, d, w, or second(s) to week(s)
 *   now
 *
 * A local time that the clock on the wall shows twice in autumn is its first time where something
 * begins, its second where it ends. One that is left out in spring is counted from the clock as it
 * went before.
 */
#pragma once

#include <stdint.h>

#define WHEN_GRAMMAR                                                                               \
	"a time like 2026-11-24, '2026-11-24 12:00', 2026-11-24T12:00:00Z, 12:00, yesterday or 3d"

enum when_edge {
	WHEN_FROM, /* the start of what is said */
	WHEN_TO, /* its last microsecond: of a day; of a time the instant itself */
};

/* -EINVAL: none of these, or outside 1970 to 9999. */
int when_parse(const char *text, enum when_edge edge, int64_t now_us, int64_t *ret_us);
