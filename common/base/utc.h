/* SPDX-License-Identifier: MIT */
/*
 * Instants as text. Programs read UTC in ISO 8601 ("2026-11-20T16:01:00.000412Z", the fraction only
 * where it is not zero, then always six digits); people read local time with its offset. No other
 * file uses struct tm. Years 1970 to 9999.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UTC_TEXT_MAX 40

/* "2026-11-20T16:01:00Z"; the buffer must hold UTC_TEXT_MAX. Returns `buf`. TIME_NONE gives "-". */
const char *utc_format(int64_t wall_us, char buf[static UTC_TEXT_MAX]);

/*
 * Reads exactly `len` bytes in the form that utc_format() writes; 1 to 6 fraction digits are
 * accepted. -EINVAL for anything else (24:00, :60, a missing Z, an offset, a trailing byte).
 */
int utc_parse(const char *text, size_t len, int64_t *ret_wall_us);

/* "2026-11-20 17:01:00.412 +01:00" in the machine's zone, for people. Returns `buf`. */
const char *utc_format_local(int64_t wall_us, char buf[static UTC_TEXT_MAX]);

/*
 * Seconds that the machine's zone is ahead of UTC at that instant (negative in the west): wall_us
 * plus these is what a clock on the wall shows. 0 where the C library does not know.
 */
int utc_local_offset_s(int64_t wall_us);

/* The local calendar's day in days since 1970-01-01: it changes at local midnight. */
int utc_local_day(int64_t wall_us);

/* Broken-down UTC. Proleptic Gregorian, no leap seconds, from integer arithmetic. */
struct utc_fields {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second;
	int us;
};
void utc_split(int64_t wall_us, struct utc_fields *ret);

/* The inverse; -EINVAL where a field is out of range (30 February, hour 24). */
int utc_join(const struct utc_fields *fields, int64_t *ret_wall_us);

/* "12 s", "3 min", "4 h 10 min", "2 d 3 h": a duration for people. Returns `buf`. */
const char *duration_format(int64_t us, char buf[static UTC_TEXT_MAX]);
