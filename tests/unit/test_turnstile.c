/* SPDX-License-Identifier: MIT */
/*
 * The turnstile: its rules as a model in which everything that can happen is tried, kills included,
 * and then the real thing with processes that are killed.
 */
#include "common/turnstile.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/util.h"
#include "tests/test.h"

/* ---- the model */

#define N 3 /* processes; the first is the one that waits for a short moment, as fetch does */
#define STATES (1 << 21)

enum step { OUT, WAITS, HAS_FIRST, HAS_BOTH, HAS_LOCK };

/* Which rules hold: the real ones, and two that are wrong in a way that must be found. */
struct rules {
	bool no_gate; /* one lock for all */
	bool reversed; /* the last process takes the lock first */
};

struct state {
	uint8_t step[N];
	uint8_t queue[N], n_queue; /* at the gate, in order of arrival */
	uint8_t passed[N]; /* how often each began a turn while the first process waited */
};

struct model {
	struct rules rules;
	uint8_t *seen;
	uint32_t *todo;
	size_t n_todo;
	int together,
		stuck; /* states in which two have the lock; in which those who wait wait for ever */
	int most_passed;
};

static uint32_t pack(const struct state *s)
{
	uint32_t n = s->n_queue;

	for (int i = 0; i < N; i++)
		n = n << 3 | s->step[i];
	for (int i = 0; i < N; i++)
		n = n << 2 | (i < s->n_queue ? s->queue[i] : 0);
	for (int i = 1; i < N; i++)
		n = n << 2 | s->passed[i];
	return n;
}

static struct state unpack(uint32_t n)
{
	struct state s = { 0 };

	for (int i = N - 1; i > 0; i--, n >>= 2)
		s.passed[i] = n & 3;
	for (int i = N - 1; i >= 0; i--, n >>= 2)
		s.queue[i] = n & 3;
	for (int i = N - 1; i >= 0; i--, n >>= 3)
		s.step[i] = n & 7;
	s.n_queue = (uint8_t)n;
	return s;
}

static void visit(struct model *m, const struct state *s)
{
	uint32_t n = pack(s);

	if (m->seen[n / 8] >> n % 8 & 1)
		return;
	m->seen[n / 8] |= (uint8_t)(1 << n % 8);
	m->todo[m->n_todo++] = n;
}

static bool is_reversed(const struct model *m, int i)
{
	return m->rules.reversed && i == N - 1;
}

static bool holds_gate(const struct model *m, const struct state *s, int i)
{
	return !m->rules.no_gate &&
		(s->step[i] == HAS_BOTH || (s->step[i] == HAS_FIRST && !is_reversed(m, i)));
}

static bool holds_lock(const struct model *m, const struct state *s, int i)
{
	return s->step[i] >= HAS_BOTH || (s->step[i] == HAS_FIRST && is_reversed(m, i));
}

static bool is_free(const struct model *m, const struct state *s, bool gate)
{
	for (int i = 0; i < N; i++) {
		if (gate ? holds_gate(m, s, i) : holds_lock(m, s, i))
			return false;
	}
	return true;
}

static void unqueue(struct state *s, int i)
{
	uint8_t n = 0;

	for (uint8_t k = 0; k < s->n_queue; k++) {
		if (s->queue[k] != i)
			s->queue[n++] = s->queue[k];
	}
	s->n_queue = n;
	for (; n < N; n++)
		s->queue[n] = 0;
}

/* Leaves, at the end of a turn, of its patience, or of its life. */
static void leave(struct state *s, int i)
{
	unqueue(s, i);
	s->step[i] = OUT;
	if (i == 0)
		memset(s->passed, 0, sizeof s->passed);
}

static bool first_waits(const struct state *s)
{
	return s->step[0] == WAITS || s->step[0] == HAS_FIRST;
}

/* What process `i` can do by itself next; false: it has to wait. */
static bool go_on(const struct model *m, struct state *s, int i)
{
	bool gate_first = !is_reversed(m, i);

	switch (s->step[i]) {
	case OUT:
		s->step[i] = WAITS;
		s->queue[s->n_queue++] = (uint8_t)i;
		return true;
	case WAITS:
		if (!is_free(m, s, gate_first) ||
			(!m->rules.no_gate && gate_first && s->queue[0] != i))
			return false;
		unqueue(s, i);
		s->step[i] = HAS_FIRST;
		return true;
	case HAS_FIRST:
		if (!is_free(m, s, !gate_first))
			return false;
		s->step[i] = HAS_BOTH;
		if (i == 0)
			memset(s->passed, 0, sizeof s->passed);
		else if (first_waits(s) && s->passed[i] < 3)
			s->passed[i]++;
		return true;
	case HAS_BOTH:
		s->step[i] = HAS_LOCK;
		return true;
	default:
		leave(s, i);
		return true;
	}
}

static void judge(struct model *m, const struct state *s)
{
	int inside = 0, waiting = 0, moving = 0;

	for (int i = 0; i < N; i++) {
		struct state next = *s;

		inside += s->step[i] >= HAS_BOTH;
		waiting += s->step[i] == WAITS || s->step[i] == HAS_FIRST;
		moving += s->step[i] != OUT && go_on(m, &next, i);
		if (s->passed[i] > m->most_passed)
			m->most_passed = s->passed[i];
	}
	m->together += inside > 1;
	m->stuck += waiting > 0 && moving == 0;
}

static void explore(struct model *m)
{
	m->seen = calloc(1, STATES / 8);
	m->todo = malloc(STATES * sizeof *m->todo);
	visit(m, &(struct state){ 0 });
	while (m->n_todo > 0) {
		struct state s = unpack(m->todo[--m->n_todo]);

		judge(m, &s);
		for (int i = 0; i < N; i++) {
			struct state next = s;

			if (go_on(m, &next, i))
				visit(m, &next);
			next = s;
			leave(&next, i); /* killed, or out of patience, at any point */
			visit(m, &next);
		}
	}
	free(m->seen);
	free(m->todo);
}

TEST(every_interleaving)
{
	struct model m = { 0 };

	explore(&m);
	CHECK_INT(m.together, 0);
	CHECK_INT(m.stuck, 0);
	/* nobody begins more than one turn while another waits */
	CHECK_INT(m.most_passed, 1);
}

TEST(the_model_finds_what_is_wrong)
{
	struct model plain = { .rules.no_gate = true }, reversed = { .rules.reversed = true };

	explore(&plain);
	CHECK_INT(plain.together, 0);
	CHECK(plain.most_passed > 1);
	explore(&reversed);
	CHECK(reversed.stuck > 0);
}

/* ---- the real one */

struct shared {
	atomic_int inside; /* process number + 1, 0: nobody */
	atomic_int killed[8]; /* by process number: it is about to die */
	atomic_int turns, together;
	atomic_int order[4], n_order;
};

static int enter(int dirfd, const char *who, int64_t deadline_ns, bool *ret_others)
{
	int fd = -1, r;

	r = turnstile_enter(dirfd, ".gate", ".lock", who, deadline_ns, &fd, ret_others);
	return r < 0 ? r : fd;
}

static int open_folder(char folder[static 64])
{
	test_make_folder(folder);
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct shared *share(void)
{
	return mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
}

static void turn(struct shared *shared, int dirfd, int number)
{
	char who[TURNSTILE_WHO_MAX];
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
