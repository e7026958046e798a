/* SPDX-License-Identifier: MIT */
/*
 * Time behind a small vtable, so that tests move it by hand (tests/unit/clock_kit.h).
 *
 * One unit per clock: wall time is int64 microseconds since the Unix epoch (UTC, no leap seconds);
 * the monotonic clocks are int64 nanoseconds as the kernel gives them. TIME_NONE means "not known".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/limits.h"

#define TIME_NONE INT64_MIN
#define US_PER_SEC INT64_C(1000000)
#define NS_PER_US INT64_C(1000)
#define NS_PER_SEC INT64_C(1000000000)

struct clock {
	/* Wall time (CLOCK_REALTIME) in microseconds. */
	int64_t (*wall_us)(const struct clock *clock);
	/* CLOCK_MONOTONIC in nanoseconds: the clock of libcamera's SensorTimestamp. */
	int64_t (*mono_ns)(const struct clock *clock);
	/* CLOCK_BOOTTIME in nanoseconds: with the boot id it dates a frame of an unset clock. */
	int64_t (*up_ns)(const struct clock *clock);
	/*
	 * Whether the wall clock is known good: systemd-timesyncd's flag file
	 * (/run/systemd/timesync/synchronized), or adjtimex(2) maxerror below 16 s, as timedated
	 * judges it.
	 */
	bool (*synced)(const struct clock *clock);
};

/* The machine's clocks. */
extern const struct clock clock_real;

static inline int64_t clock_wall_us(const struct clock *c)
{
	return c->wall_us(c);
}
static inline int64_t clock_mono_ns(const struct clock *c)
{
	return c->mono_ns(c);
}
static inline int64_t clock_up_ns(const struct clock *c)
{
	return c->up_ns(c);
}
static inline bool clock_synced(const struct clock *c)
{
	return c->synced(c);
}

/*
 * Wall time of an instant of CLOCK_MONOTONIC, microseconds. The wall clock is read between two
 * readings of the monotonic one; a pair further apart than 50 us (the process was preempted) is
 * read again, up to 8 times, and the tightest pair wins.
 */
int64_t clock_wall_of_mono(const struct clock *clock, int64_t mono_ns);
/* The same for an instant of CLOCK_BOOTTIME. */
int64_t clock_wall_of_up(const struct clock *clock, int64_t up_ns);

/* The id of this boot as 36 characters and NUL (/proc/sys/kernel/random/boot_id). -errno. */
int clock_boot_id(char ret_id[static UUID_CHARS + 1]);
