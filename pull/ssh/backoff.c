/* SPDX-License-Identifier: MIT */
/* The pause before the next try. */
#include "pull/ssh/backoff.h"

#include <sys/random.h>

#define SILENT_US (INT64_C(500) * 1000)
#define DOUBLINGS_MAX 5 /* 2 s become more than 60 s */

static int64_t us_clamp(int64_t us, int64_t min, int64_t max)
{
	if (us < min)
		return min;
	return us > max ? max : us;
}

/* Between half of `us` and one and a half. */
static int64_t us_spread(int64_t us, uint32_t random)
{
	return us / 2 + (int64_t)((double)us * random / UINT32_MAX);
}

int64_t backoff_next(struct backoff *backoff, enum backoff_why why, uint32_t random)
{
	unsigned n = backoff->why == why ? backoff->failures : 0;

	backoff->why = why;
	backoff->failures = n < UINT32_MAX ? n + 1 : n;
	if (why == BACKOFF_SILENT) {
		if (n == 0)
			return 0;
		return us_clamp(us_spread(SILENT_US << (n < 4 ? n - 1 : 2), random), SILENT_US,
			BACKOFF_SILENT_MAX_US);
	}
	n = n < DOUBLINGS_MAX ? n : DOUBLINGS_MAX;
	return us_clamp(us_spread(BACKOFF_ANSWERED_MIN_US << n, random), BACKOFF_ANSWERED_MIN_US,
		BACKOFF_ANSWERED_MAX_US);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
}

uint32_t backoff_random(void)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
		return UINT32_MAX / 2;
	return random;
}
