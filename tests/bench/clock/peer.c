/* SPDX-License-Identifier: MIT */
/*
 * What else one could keep time with, for `run` to compare capturepi to:
 *
 *   peer timerfd EVERY_MS SECONDS   the least there is: an absolute timer for each slot, read, look
 *                                   at the clock
 *   peer sleep EVERY_MS SECONDS     a loop that does nothing and sleeps for the interval
 *
 * `timerfd` prints "P50 P99 MAX SAMPLES" of the lateness in microseconds, counted with the
 * service's own code, so that both are rounded alike. `sleep` prints by how many microseconds it is
 * late after its last slot and how many slots that were.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "capture/service/service_private.h"
#include "common/base/clock.h"

static struct timespec timespec_of(int64_t us)
{
	return (struct timespec){ .tv_sec = us / US_PER_SEC, .tv_nsec = us % US_PER_SEC * 1000 };
}

static int absolute(int64_t every_us, int64_t slots)
{
	struct spread spread = { 0 };
	int64_t slot = (clock_wall_us(&clock_real) / every_us + 1) * every_us, max;
	int64_t p50, p99;
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);

	for (int64_t i = 0; i < slots; i++, slot += every_us) {
		struct itimerspec when = { .it_value = timespec_of(slot) };
		uint64_t expirations;

		if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) <
				0 ||
			read(fd, &expirations, sizeof expirations) != sizeof expirations)
			return 1;
		spread_add(&spread, clock_wall_us(&clock_real) - slot);
	}
	max = spread.max_us;
	p50 = spread_percentile(&spread, 50);
	p99 = spread_percentile(&spread, 99);
	printf("%lld %lld %lld %lld\n", (long long)(p50 < max ? p50 : max),
		(long long)(p99 < max ? p99 : max), (long long)max, (long long)slots);
	return 0;
}

static int relative(int64_t every_us, int64_t slots)
{
	const struct timespec rest = timespec_of(every_us);
	int64_t start = clock_mono_ns(&clock_real);

	for (int64_t i = 0; i < slots; i++)
		if (nanosleep(&rest, NULL) < 0)
			return 1;
	printf("%lld %lld\n",
		(long long)((clock_mono_ns(&clock_real) - start) / NS_PER_US - slots * every_us),
		(long long)slots);
	return 0;
}

int main(int argc, char **argv)
{
	long long every_us = argc == 4 ? strtoll(argv[2], NULL, 10) * 1000 : 0;
	long long seconds = argc == 4 ? strtoll(argv[3], NULL, 10) : 0;

	if (every_us > 0 && seconds > 0 && strcmp(argv[1], "timerfd") == 0)
		return absolute(every_us, seconds * US_PER_SEC / every_us);
	if (every_us > 0 && seconds > 0 && strcmp(argv[1], "sleep") == 0)
		return relative(every_us, seconds * US_PER_SEC / every_us);
	fprintf(stderr, "usage: peer timerfd|sleep EVERY_MS SECONDS\n");
	return 2;
}
