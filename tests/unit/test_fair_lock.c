/* SPDX-License-Identifier: MIT */
/* The fair lock with real processes, which are killed. Its order is test_fair_lock_order.c's. */
#include "common/base/fair_lock.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/util.h"
#include "tests/unit/fair_lock_kit.h"

#define N 3 /* processes at once */

struct shared {
	atomic_int inside; /* process number + 1, 0: nobody */
	atomic_int killed[8]; /* by process number: it is about to die */
	atomic_int turns, together;
	atomic_int order[4], n_order;
};

static struct shared *share(void)
{
	return mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
}

static void turn(struct shared *shared, int dirfd, int number)
{
	char who[FAIR_LOCK_WHO_MAX];
	bool others;
	int fd, before;

	snprintf(who, sizeof who, "%d\n", (int)getpid());
	fd = enter(dirfd, who, INT64_MAX, &others);
	if (fd < 0)
		_exit(1);
	before = atomic_exchange(&shared->inside, number + 1);
	if (before && !shared->killed[before - 1])
		shared->together++;
	for (volatile int i = 0; i < 20000; i++)
		continue;
	shared->turns++;
	atomic_store(&shared->inside, 0);
	close(fd);
}

static pid_t start_worker(struct shared *shared, int dirfd, int number)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (;;)
		turn(shared, dirfd, number);
}

static void kill_worker(struct shared *shared, pid_t pid, int number)
{
	shared->killed[number] = 1;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(workers_that_are_killed)
{
	struct shared *shared = share();
	uint64_t state = test_seed();
	char folder[64];
	int dirfd = open_folder(folder);
	pid_t pids[N];

	for (int i = 0; i < N; i++)
		pids[i] = start_worker(shared, dirfd, i);
	for (int kills = 0; kills < 60; kills++) {
		int victim = (int)(test_random(&state) % N), turns = shared->turns;

		/* whoever is left goes on */
		while (shared->turns < turns + 3)
			sched_yield();
		kill_worker(shared, pids[victim], victim);
		if (shared->inside == victim + 1)
			shared->inside = 0;
		shared->killed[victim] = 0;
		pids[victim] = start_worker(shared, dirfd, victim);
	}
	for (int i = 0; i < N; i++)
		kill_worker(shared, pids[i], i);
	CHECK_INT(shared->together, 0);
	CHECK_INT(enter(dirfd, "me\n", 1, &(bool){ false }) >= 0, true);
	close(dirfd);
	munmap(shared, sizeof *shared);
	test_remove_folder(folder);
}

static bool is_locked(int dirfd, const char *name)
{
	CLEANUP_FD int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* He who waits is next, however quickly the other comes back. */
TEST(who_waits_is_next)
{
	struct shared *shared = share();
	char folder[64];
	int dirfd = open_folder(folder);

	for (int round = 0; round < 20; round++) {
		bool others;
		int fd = enter(dirfd, "sync\n", INT64_MAX, &others), status;
		pid_t pid;

		shared->n_order = 0;
		pid = fork();
		if (pid == 0) {
			close(fd); /* or the lock would be the child's as well */
			fd = enter(dirfd, "fetch\n", INT64_MAX, &others);
			shared->order[shared->n_order++] = 2;
			_exit(fd < 0);
		}
		while (!is_locked(dirfd, ".gate"))
			sched_yield();
		close(fd);
		fd = enter(dirfd, "sync\n", INT64_MAX, &others);
		shared->order[shared->n_order++] = 1;
		CHECK(fd >= 0);
		CHECK(others);
		close(fd);
		waitpid(pid, &status, 0);
		CHECK_INT(status, 0);
		CHECK_INT(shared->order[0], 2);
		CHECK_INT(shared->order[1], 1);
	}
	close(dirfd);
	munmap(shared, sizeof *shared);
	test_remove_folder(folder);
}

static void on_alarm(int signal)
{
	(void)signal;
}

TEST(patience_ends)
{
	struct sigaction action = { .sa_handler = on_alarm }, after;
	char folder[64];
	int dirfd = open_folder(folder), fd;
	bool others = false;

	sigaction(SIGALRM, &action, NULL);
	fd = enter(dirfd, "a\n", 1, &others);
	CHECK(fd >= 0); /* free: even with no time at all */
	CHECK(others);
	CHECK_INT(enter(dirfd, "b\n", 1, &others), -ETIMEDOUT);
	CHECK_INT(enter(dirfd, "b\n", clock_mono_ns(&clock_real) + NS_PER_SEC / 5, &others),
		-ETIMEDOUT);
	CHECK(!is_locked(dirfd, ".gate"));
	sigaction(SIGALRM, NULL, &after);
	CHECK(after.sa_handler == on_alarm);
	close(fd);
	fd = enter(dirfd, "a\n", 1, &others);
	CHECK(fd >= 0 && !others);
	close(fd);
	fd = enter(dirfd, "b\n", 1, &others);
	CHECK(fd >= 0 && others);
	close(fd);
	close(dirfd);
	signal(SIGALRM, SIG_DFL);
	test_remove_folder(folder);
}

TEST(planted_files)
{
	char folder[64];
	int dirfd = open_folder(folder);
	bool others;

	CHECK_INT(symlinkat("/dev/null", dirfd, ".gate"), 0);
	CHECK_INT(enter(dirfd, "a\n", 1, &others), -ELOOP);
	unlinkat(dirfd, ".gate", 0);
	CHECK_INT(mkfifoat(dirfd, ".lock", 0600), 0);
	CHECK_INT(enter(dirfd, "a\n", 1, &others), -EBADMSG);
	close(dirfd);
	test_remove_folder(folder);
}
