/* SPDX-License-Identifier: MIT */
/*
 * The one place where pullpi sleeps on a descriptor. Every network step comes here with a deadline,
 * because libssh's own time-outs cannot be trusted.
 */
#include "pull/ssh/wait.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "common/base/clock.h"

int64_t deadline_in(int64_t us)
{
	int64_t now = clock_mono_ns(&clock_real);

	if (us > (DEADLINE_NONE - now) / NS_PER_US)
		return DEADLINE_NONE;
	return now + us * NS_PER_US;
}

int64_t deadline_left_us(int64_t deadline_ns)
{
	int64_t now = clock_mono_ns(&clock_real);

	return deadline_ns > now ? (deadline_ns - now) / NS_PER_US : 0;
}

int wait_fd(int fd, short events, int64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline_left_us(deadline_ns);
		struct timespec t = { .tv_sec = left / US_PER_SEC,
			.tv_nsec = left % US_PER_SEC * NS_PER_US };
		int n = ppoll(&p, 1, &t, NULL);

		if (n > 0)
			return p.revents;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (left == 0)
			return -ETIMEDOUT;
	}
}

int thread_detach(void *(*run)(void *data), void *data)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int r = pthread_attr_init(&attr);

	if (r)
		return -r;
	sigfillset(&all);
	pthread_attr_setsigmask_np(&attr, &all);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, run, data);
	pthread_attr_destroy(&attr);
	return -r;
}
