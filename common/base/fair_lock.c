/* SPDX-License-Identifier: MIT */
/*
 * flock(2) has no time-out, and asking again and again would lose one's place in the queue. So the
 * wait blocks, and the signal of a timer, which does nothing but interrupt, ends it. The timer
 * repeats, because a single signal could arrive just before the wait begins and be lost.
 */
#include "common/base/fair_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/util.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TICK_NS (50 * 1000 * 1000)

/* What interrupts the wait. */
struct tick {
	timer_t timer;
	struct sigaction old_action;
	sigset_t old_mask;
};

static void on_tick(int signal)
{
	(void)signal;
}

static int tick_start(struct tick *tick)
{
	struct sigaction action = { .sa_handler = on_tick }; /* no SA_RESTART */
	const struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	sigset_t set;

	event.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &tick->timer) < 0)
		return -errno;
	sigemptyset(&action.sa_mask);
	sigaction(SIGALRM, &action, &tick->old_action);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, &tick->old_mask);
	timer_settime(tick->timer, 0, &every, NULL);
	return 0;
}

/*
 * A last signal can only arrive on the way out of timer_delete(): before the old action is
 * restored.
 */
static void tick_stop(struct tick *tick)
{
	timer_delete(tick->timer);
	pthread_sigmask(SIG_SETMASK, &tick->old_mask, NULL);
	sigaction(SIGALRM, &tick->old_action, NULL);
}

int fair_lock_error(int error)
{
	return fs_is_unsupported(-error) ? -ENOLCK : -error;
}

int fair_lock_flock(int fd, int64_t deadline_ns)
{
	struct tick tick;
	int r;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK && errno != EINTR)
		return fair_lock_error(errno);
	r = tick_start(&tick);
	if (r < 0)
		return r;
	do {
		if (clock_mono_ns(&clock_real) >= deadline_ns)
			r = -ETIMEDOUT;
		else
			r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	} while (r == -EINTR);
	tick_stop(&tick);
	return r;
}

int fair_lock_open(int dirfd, const char *name, int *ret_fd)
{
	CLEANUP_FD int fd =
		openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	/* versions before 0.2.0 made it for all, and whoever opens it can hold it for ever */
	if (st.st_mode & 077 && fchmod(fd, 0600) < 0)
		errno = 0;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Writes `who`; true if another name was there. A full disk must not keep the folder locked. */
static bool who_write(int fd, const char *who)
{
	char old[FAIR_LOCK_WHO_MAX];
	size_t len = strlen(who);
	ssize_t n = fs_read_at(fd, old, sizeof old, 0);

	if (n == (ssize_t)len && memcmp(old, who, len) == 0)
		return false;
	if (pwrite(fd, who, len, 0) < 0 || ftruncate(fd, (off_t)len) < 0)
		errno = 0;
	return true;
}

int fair_lock_take(int dirfd, const char *gate, const char *lock, const char *who,
	int64_t deadline_ns, int *ret_fd, bool *ret_others)
{
	CLEANUP_FD int gate_fd = -1, lock_fd = -1;
	int r;

	r = fair_lock_open(dirfd, gate, &gate_fd);
	if (r == 0)
		r = fair_lock_open(dirfd, lock, &lock_fd);
	if (r == 0)
		r = fair_lock_flock(gate_fd, deadline_ns);
	if (r == 0)
		r = fair_lock_flock(lock_fd, deadline_ns);
	if (r < 0)
		return r;
	*ret_others = who_write(lock_fd, who);
	*ret_fd = TAKE_FD(lock_fd);
	return 0;
}
