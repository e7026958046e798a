/* SPDX-License-Identifier: MIT */
/*
 * The fair lock's order: what the real one does to its two files, step by step, is recorded; then
 * all that can happen to several processes which do the same is tried, kills included.
 */
#include "common/base/fair_lock.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/util.h"
#include "tests/unit/fair_lock_kit.h"

#define N 3 /* processes; the first is the one that waits for a short moment, as fetch does */

/* ---- the steps of the real one */

enum file { GATE, LOCK, N_FILES };
enum op { TAKE_GATE, TAKE_LOCK, DROP_GATE, DROP_LOCK, ENTER, LEAVE };

struct program {
	enum op ops[8];
	unsigned n;
};

static struct {
	bool on;
	int dirfd, held[N_FILES]; /* descriptor, -1: not held */
	struct program program;
	int deadly; /* the process dies when so many steps are done; -1: never */
} recorder;

static void record(enum op op)
{
	if (recorder.program.n < ARRAY_SIZE(recorder.program.ops))
		recorder.program.ops[recorder.program.n++] = op;
	if (recorder.deadly == (int)recorder.program.n)
		raise(SIGKILL);
}

/* The file behind a descriptor, N_FILES if it is another one. */
static enum file file_of(int fd)
{
	static const char *const names[] = { ".gate", ".lock" };
	struct stat st, wanted;
	int f = N_FILES;

	for (int i = 0; recorder.on && i < N_FILES; i++) {
		if (fstat(fd, &st) == 0 && fstatat(recorder.dirfd, names[i], &wanted, 0) == 0 &&
			st.st_ino == wanted.st_ino)
			f = i;
	}
	return (enum file)f;
}

/* Both stand before libc's own: what the fair lock calls comes by here. */
int flock(int fd, int how)
{
	int r = (int)syscall(SYS_flock, fd, how);
	enum file file = r == 0 ? file_of(fd) : N_FILES;

	if (file < N_FILES) {
		recorder.held[file] = fd;
		record(file == GATE ? TAKE_GATE : TAKE_LOCK);
	}
	return r;
}

int close(int fd)
{
	for (int i = 0; recorder.on && i < N_FILES; i++) {
		if (recorder.held[i] == fd) {
			recorder.held[i] = -1;
			record(i == GATE ? DROP_GATE : DROP_LOCK);
		}
	}
	return (int)syscall(SYS_close, fd);
}

static void recorder_start(int dirfd)
{
	memset(&recorder, 0, sizeof recorder);
	recorder.dirfd = dirfd;
	recorder.deadly = -1;
	recorder.held[GATE] = recorder.held[LOCK] = -1;
	recorder.on = true;
}

/* One turn of the real one. */
static struct program record_turn(void)
{
	char folder[64];
	int dirfd = open_folder(folder), fd;
	bool others;

	recorder_start(dirfd);
	fd = enter(dirfd, "me\n", 1, &others);
	CHECK(fd >= 0);
	record(ENTER);
	record(LEAVE);
	close(fd);
	recorder.on = false;
	close(dirfd);
	test_remove_folder(folder);
	return recorder.program;
}

/* Whoever loses patience holds nothing, whichever file he waited for. */
TEST(gives_up_with_nothing_in_hand)
{
	static const char *const names[] = { ".gate", ".lock" };

	for (int busy = 0; busy < N_FILES; busy++) {
		char folder[64];
		int dirfd = open_folder(folder), fd;
		bool others;

		fd = openat(dirfd, names[busy], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		CHECK_INT(flock(fd, LOCK_EX), 0);
		recorder_start(dirfd);
		CHECK_INT(
			enter(dirfd, "me\n", clock_mono_ns(&clock_real) + NS_PER_SEC / 10, &others),
			-ETIMEDOUT);
		CHECK_INT(recorder.held[GATE], -1);
		CHECK_INT(recorder.held[LOCK], -1);
		CHECK_INT(recorder.program.n, busy == LOCK ? 2 : 0);
		recorder.on = false;
		close(fd);
		close(dirfd);
		test_remove_folder(folder);
	}
}

/* Whoever dies, at whichever step, holds nothing any more: the next one need not even wait. */
TEST(killed_at_each_step)
{
	unsigned steps = record_turn().n;
	char folder[64];
	int dirfd = open_folder(folder);
	bool others;

	for (unsigned step = 1; step <= steps; step++) {
		int status = 0, fd;
		pid_t pid = fork();

		if (pid == 0) {
			recorder_start(dirfd);
			recorder.deadly = (int)step;
			fd = enter(dirfd, "victim\n", 1, &others);
			record(ENTER);
			record(LEAVE);
			close(fd);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		fd = enter(dirfd, "me\n", 1, &others);
		CHECK(fd >= 0);
		close(fd);
	}
	close(dirfd);
	test_remove_folder(folder);
}

/* ---- the model */

#define PASSED_BITS 3
#define PASSED_MAX ((1 << PASSED_BITS) - 1)
#define STATES (1 << (N * 4 + (N - 1) * PASSED_BITS))

struct state {
	uint8_t step[N]; /* 0: elsewhere; n: n - 1 steps are done and it is at the next */
	uint8_t passed[N]; /* turns that each began while the first process waited */
};

/*
 * Who gets a file that several want is left open, for the kernel makes no promise: one that comes
 * may be quicker than one that is being woken. But waking takes less time than a turn, which is a
 * disk's flush at least: nobody ends a turn while the gate is free and somebody waits at it.
 */
struct model {
	struct program programs[N];
	int n; /* processes */
	bool kills; /* they die, or lose patience, at any point */
	uint8_t *seen;
	uint32_t *todo;
	size_t n_todo, n_seen;
	int together; /* states in which two are inside, */
	int stuck; /* in which those who wait wait for ever */
	int most_passed; /* turns that one process began while the first waited, */
	int most_ahead; /* and how many more that is than all others began */
};

static uint32_t pack(const struct state *s)
{
	uint32_t n = 0;

	for (int i = 0; i < N; i++)
		n = n << 4 | s->step[i];
	for (int i = 1; i < N; i++)
		n = n << PASSED_BITS | s->passed[i];
	return n;
}

static struct state unpack(uint32_t n)
{
	struct state s = { 0 };

	for (int i = N - 1; i > 0; i--, n >>= PASSED_BITS)
		s.passed[i] = n & PASSED_MAX;
	for (int i = N - 1; i >= 0; i--, n >>= 4)
		s.step[i] = n & 15;
	return s;
}

static void visit(struct model *m, const struct state *s)
{
	uint32_t n = pack(s);

	if (m->seen[n / 8] >> n % 8 & 1)
		return;
	m->seen[n / 8] |= (uint8_t)(1 << n % 8);
	m->todo[m->n_todo++] = n;
	m->n_seen++;
}

/* Whether process `i` has done `op` in this turn. */
static bool has_done(const struct model *m, const struct state *s, int i, enum op op)
{
	for (int k = 0; k + 1 < s->step[i]; k++) {
		if (m->programs[i].ops[k] == op)
			return true;
	}
	return false;
}

static bool is_free(const struct model *m, const struct state *s, enum file file)
{
	for (int i = 0; i < m->n; i++) {
		if (has_done(m, s, i, file == GATE ? TAKE_GATE : TAKE_LOCK) &&
			!has_done(m, s, i, file == GATE ? DROP_GATE : DROP_LOCK))
			return false;
	}
	return true;
}

static bool is_at(const struct model *m, const struct state *s, int i, enum op op)
{
	return s->step[i] > 0 && m->programs[i].ops[s->step[i] - 1] == op;
}

static bool is_inside(const struct model *m, const struct state *s, int i)
{
	return has_done(m, s, i, ENTER) && !has_done(m, s, i, LEAVE);
}

static bool waits(const struct model *m, const struct state *s, int i)
{
	return s->step[i] > 0 && !has_done(m, s, i, ENTER);
}

static bool somebody_is_woken(const struct model *m, const struct state *s)
{
	bool any = false;

	for (int i = 0; i < m->n; i++)
		any = any || is_at(m, s, i, TAKE_GATE);
	return any && is_free(m, s, GATE);
}

/* At the end of a turn, of its patience, or of its life. */
static void leave(struct state *s, int i)
{
	s->step[i] = 0;
	if (i == 0)
		memset(s->passed, 0, sizeof s->passed);
}

/* What process `i` can do by itself next; false: it has to wait. */
static bool go_on(const struct model *m, struct state *s, int i)
{
	const struct program *program = &m->programs[i];

	if (s->step[i] == 0) {
		s->step[i] = 1;
		return true;
	}
	switch (program->ops[s->step[i] - 1]) {
	case TAKE_GATE:
		if (!is_free(m, s, GATE))
			return false;
		break;
	case TAKE_LOCK:
		if (!is_free(m, s, LOCK))
			return false;
		break;
	case ENTER:
		if (i == 0)
			memset(s->passed, 0, sizeof s->passed);
		else if (waits(m, s, 0) && s->passed[i] < PASSED_MAX)
			s->passed[i]++;
		break;
	case LEAVE:
		if (somebody_is_woken(m, s))
			return false;
		break;
	case DROP_GATE:
	case DROP_LOCK:
		break;
	}
	if (s->step[i] == program->n)
		leave(s, i);
	else
		s->step[i]++;
	return true;
}

static void judge(struct model *m, const struct state *s)
{
	int inside = 0, waiting = 0, moving = 0, passed = 0;

	for (int i = 0; i < m->n; i++) {
		struct state next = *s;

		inside += is_inside(m, s, i);
		waiting += waits(m, s, i);
		moving += s->step[i] > 0 && go_on(m, &next, i);
		passed += s->passed[i];
	}
	for (int i = 1; i < m->n; i++) {
		int ahead = 2 * s->passed[i] - passed;

		if (s->passed[i] > m->most_passed)
			m->most_passed = s->passed[i];
		if (passed < PASSED_MAX && ahead > m->most_ahead)
			m->most_ahead = ahead;
	}
	m->together += inside > 1;
	m->stuck += waiting > 0 && moving == 0;
}

static void explore(struct model *m)
{
	m->seen = calloc(1, STATES / 8);
	m->todo = malloc(STATES * sizeof *m->todo);
	CHECK(m->seen && m->todo);
	visit(m, &(struct state){ 0 });
	while (m->n_todo > 0) {
		struct state s = unpack(m->todo[--m->n_todo]);

		judge(m, &s);
		for (int i = 0; i < m->n; i++) {
			struct state next = s;

			if (go_on(m, &next, i))
				visit(m, &next);
			next = s;
			leave(&next, i);
			if (m->kills)
				visit(m, &next);
		}
	}
	free(m->seen);
	free(m->todo);
}

static struct model model_of(struct program program, int n, bool kills)
{
	struct model m = { .n = n, .kills = kills };

	for (int i = 0; i < n; i++)
		m.programs[i] = program;
	explore(&m);
	return m;
}

TEST(every_interleaving)
{
	struct program real = record_turn();
	struct model m = model_of(real, 3, true);

	CHECK(real.n > 3);
	CHECK_INT(m.together, 0);
	CHECK_INT(m.stuck, 0);
	CHECK(m.n_seen > 100);
	/* nobody begins more than one turn while another waits, */
	m = model_of(real, 2, false);
	CHECK_INT(m.most_passed, 1);
	CHECK_INT(m.stuck, 0);
	/* among three not more than one more than the third */
	m = model_of(real, 3, false);
	CHECK_INT(m.most_ahead, 1);
	CHECK_INT(m.stuck, 0);
}

static void swap(struct program *program, enum op a, enum op b)
{
	for (unsigned i = 0; i < program->n; i++) {
		enum op *op = &program->ops[i];

		*op = *op == a ? b : *op == b ? a : *op;
	}
}

static void take_out(struct program *program, enum op op)
{
	unsigned n = 0;

	for (unsigned i = 0; i < program->n; i++) {
		if (program->ops[i] != op)
			program->ops[n++] = program->ops[i];
	}
	program->n = n;
}

/* Each wrong order is found by what it breaks. */
TEST(the_model_finds_what_is_wrong)
{
	struct program plain = record_turn(), early = plain, open = plain;
	struct model m = { .n = N, .kills = true };

	for (int i = 0; i < N; i++)
		m.programs[i] = plain;
	swap(&m.programs[N - 1], TAKE_GATE, TAKE_LOCK); /* one of them: the lock before the gate */
	explore(&m);
	CHECK(m.stuck > 0);
	take_out(&plain, TAKE_GATE); /* no gate at all */
	take_out(&plain, DROP_GATE);
	m = model_of(plain, 2, false);
	CHECK_INT(m.together, 0);
	CHECK(m.most_passed > 1);
	swap(&early, TAKE_LOCK, DROP_GATE); /* the gate is let go before the lock is held */
	m = model_of(early, 2, false);
	CHECK_INT(m.together, 0);
	CHECK(m.most_passed > 1);
	swap(&open, DROP_LOCK, ENTER); /* the lock is let go before the turn */
	swap(&open, ENTER, LEAVE);
	CHECK(model_of(open, 2, false).together > 0);
}
