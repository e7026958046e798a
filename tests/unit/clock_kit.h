/* SPDX-License-Identifier: MIT */
/* A clock that stands still until a test moves it. */
#pragma once

#include "common/base/clock.h"

/* `clock` must stay the first member. */
struct clock_fake {
	struct clock clock;
	int64_t wall_us, mono_ns, up_ns;
	bool synced;
};

static int64_t fake_wall_us(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->wall_us;
}

static int64_t fake_mono_ns(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->mono_ns;
}

static int64_t fake_up_ns(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->up_ns;
}

static bool fake_synced(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->synced;
}

/* A fake clock that starts at `wall_us`, one hour after boot, synchronised. */
__attribute__((unused)) static struct clock_fake clock_fake(int64_t wall_us)
{
	return (struct clock_fake){
		.clock = { .wall_us = fake_wall_us,
			.mono_ns = fake_mono_ns,
			.up_ns = fake_up_ns,
			.synced = fake_synced },
		.wall_us = wall_us,
		.mono_ns = 3600 * NS_PER_SEC,
		.up_ns = 3600 * NS_PER_SEC,
		.synced = true,
	};
}

/* Moves wall, monotonic and boot clock forward together by `us`. */
__attribute__((unused)) static void clock_fake_advance(struct clock_fake *fake, int64_t us)
{
	fake->wall_us += us;
	fake->mono_ns += us * NS_PER_US;
	fake->up_ns += us * NS_PER_US;
}
