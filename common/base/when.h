/* SPDX-License-Identifier: MIT */
/*
 * Instants as people say them: the times of --since, --until and --from.
 *
 *   2026-11-24, today, yesterday      a local day
 *   2026-11-24 12:00, yesterday 12:00:30, 12:00      local time; alone it is today's
 *   2026-11-24T12:00:00Z, 2026-11-24 12:00 +01:00    UTC, or with its offset: as `list` prints it
 *   3 days ago, 90min ago, -3d, 3d    that long before now: s, min, h, d, w, second(s) to week(s)
 *   now
 *
 * Of a local time that comes twice in autumn, a start takes the first and an end the second. One
 * that is skipped in spring is counted with the offset from before.
 */
#pragma once

#include <stdint.h>

#define WHEN_GRAMMAR                                                                               \
	"a time like 2026-11-24, '2026-11-24 12:00', 2026-11-24T12:00:00Z, 12:00, yesterday or 3d"

enum when_edge {
	WHEN_FROM, /* the start of what is said */
	WHEN_TO, /* its end: a day's last microsecond; of a time the instant itself */
};

/* -EINVAL: none of these, or outside 1970 to 9999. */
int when_parse(const char *text, enum when_edge edge, int64_t now_us, int64_t *ret_us);

/* The local month of that time: its first microsecond, and that of the next month. -EINVAL. */
int when_month(int64_t wall_us, int64_t *ret_from_us, int64_t *ret_to_us);
