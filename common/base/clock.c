/* SPDX-License-Identifier: MIT */
/* The machine's clocks, and the conversion between them. */
#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "common/base/util.h"

static int64_t read_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t); /* cannot fail for the three clocks used here */
	return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

static int64_t real_wall_us(const struct clock *clock)
{
	(void)clock;
	return read_ns(CLOCK_REALTIME) / NS_PER_US;
}

static int64_t real_mono_ns(const struct clock *clock)
{
	(void)clock;
	return read_ns(CLOCK_MONOTONIC);
}

static int64_t real_up_ns(const struct clock *clock)
{
	(void)clock;
	return read_ns(CLOCK_BOOTTIME);
}

static bool real_synced(const struct clock *clock)
{
	struct timex t = { .modes = 0 };

	(void)clock;
	if (access("/run/systemd/timesync/synchronized", F_OK) == 0)
		return true;
	return adjtimex(&t) >= 0 && t.maxerror < 16 * US_PER_SEC;
}

const struct clock clock_real = {
	.wall_us = real_wall_us,
	.mono_ns = real_mono_ns,
	.up_ns = real_up_ns,
	.synced = real_synced,
};

static int64_t wall_of(
	const struct clock *clock, int64_t (*read)(const struct clock *clock), int64_t ns)
{
	int64_t best_gap = INT64_MAX, best = 0;

	for (int i = 0; i < 8 && best_gap > 50 * NS_PER_US; i++) {
		int64_t before = read(clock);
		int64_t wall = clock_wall_us(clock);
		int64_t gap = read(clock) - before;

		if (gap >= best_gap)
			continue;
		best_gap = gap;
		best = wall - (before + gap / 2 - ns) / NS_PER_US;
	}
	return best;
}

int64_t clock_wall_of_mono(const struct clock *clock, int64_t mono_ns)
{
	return wall_of(clock, clock->mono_ns, mono_ns);
}

int64_t clock_wall_of_up(const struct clock *clock, int64_t up_ns)
{
	return wall_of(clock, clock->up_ns, up_ns);
}

int clock_boot_id(char ret_id[static UUID_CHARS + 1])
{
	char id[UUID_CHARS];
	CLEANUP_FD int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (read(fd, id, sizeof id) != (ssize_t)sizeof id)
		return -EIO;
	for (int i = 0; i < UUID_CHARS; i++)
		ret_id[i] = id[i];
	ret_id[UUID_CHARS] = 0;
	return 0;
}
