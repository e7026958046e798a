/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at every system call. A child runs a scenario under ptrace(2) and is killed at the entry
 * of its first system call, in a new run at that of its second, and so on until it runs through. At
 * the exit of a call the disk is as at the entry of the next one; TEST_EVERY=1 kills there
 * as well. After each death: no partial frame is visible, every frame with
 * a line is whole, every frame that was reported stored is there; opening for writing repairs the
 * rest, and the numbers go on.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tests/unit/crash_kit.h"

#define STOPS_MAX 4000

struct scenario {
	const char *name;
	void (*prepare)(const char *path); /* before the child; may be NULL */
	void (*run)(const char *path, volatile uint64_t *stored); /* in the child */
	void (*repair)(const char *path); /* after the death, to a clean archive */
};

static void run_first(const char *path, volatile uint64_t *stored)
{
	struct archive *archive;

	if (kit_open(path, NULL, &archive) < 0 || !crash_publish(archive, 1, KIT_SLOT, stored))
		_exit(1);
}

static void prepare_first(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK(crash_publish(archive, 1, KIT_SLOT, NULL));
}

static void run_more(const char *path, volatile uint64_t *stored)
{
	struct record miss = kit_miss(KIT_SLOT + 2 * KIT_MINUTE);
	struct archive *archive;

	if (kit_open(path, NULL, &archive) < 0 ||
		!crash_publish(archive, 2, KIT_SLOT + KIT_MINUTE, stored) ||
		archive_note(archive, &miss) < 0 ||
		!crash_publish(archive, 4, KIT_SLOT + 24 * 60 * KIT_MINUTE, stored))
		_exit(1);
	archive_free(archive);
}

/* A frame and a half line that a crash left: opening is killed while it repairs. */
static void prepare_crashed(const char *path)
{
	uint8_t jpeg[KIT_JPEG_BYTES];

	prepare_first(path);
	kit_jpeg(jpeg, 2);
	kit_write(path, KIT_DAY "/20261120T160200Z-00000002.jpg", jpeg, sizeof(jpeg), 0);
	kit_write(path, KIT_DAY "/.20261120T160300Z-00000003.jpg.part", jpeg, 99, 0);
	kit_write(path, "journal/00000000.jsonl", "{\"seq\":2,", 9, O_APPEND);
}

static void run_open(const char *path, volatile uint64_t *stored)
{
	struct archive *archive;

	if (kit_open(path, NULL, &archive) < 0 || archive_repairs(archive)->lines_restored != 1)
		_exit(1);
	*stored = 2;
}

/* The first lines of a new segment. */
static void prepare_segment(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record miss = kit_miss(KIT_SLOT);
	char line[LINE_MAX_BYTES + 1];
	int n;

	prepare_first(path);
	CHECK_INT(kit_open(path, NULL, &archive), 0);
	for (uint64_t seq = 2; seq < 4; seq++) {
		/* not dense: verify is told of a copy */
		miss.seq = seq == 2 ? 2 : SEGMENT_LINES - 1;
		n = record_format(&miss, line);
		CHECK_INT(journal_append(archive_journal(archive), miss.seq, line, (size_t)n, true),
			0);
	}
}

static void run_segment(const char *path, volatile uint64_t *stored)
{
	struct archive *archive;

	if (kit_open(path, NULL, &archive) < 0 ||
		!crash_publish(archive, SEGMENT_LINES, KIT_SLOT + KIT_MINUTE, stored))
		_exit(1);
}

static void prepare_unsynced(const char *path)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;

	CHECK_INT(kit_open(path, NULL, &archive), 0);
	CHECK(crash_publish(archive, 1, KIT_SLOT - 400 * 24 * 60 * KIT_MINUTE, NULL));
	CHECK(crash_publish(archive, 2, KIT_SLOT - 399 * 24 * 60 * KIT_MINUTE, NULL));
}

static void run_redate(const char *path, volatile uint64_t *stored)
{
	struct archive *archive;

	if (kit_open(path, NULL, &archive) < 0 || !crash_redate(archive, 3, KIT_SLOT, 1, stored) ||
		!crash_publish(archive, 5, KIT_SLOT + 24 * 60 * KIT_MINUTE, stored) ||
		!crash_redate(archive, 6, KIT_SLOT + KIT_MINUTE, 2, stored))
		_exit(1);
}

static void run_batch(const char *path, volatile uint64_t *stored)
{
	struct archive *archive;

	if (kit_open(path, NULL, &archive) < 0 ||
		!crash_batch(archive, 2, 3, KIT_SLOT + KIT_MINUTE, stored) ||
		!crash_batch(archive, 5, 2, KIT_SLOT + 24 * 60 * KIT_MINUTE, stored))
		_exit(1);
	archive_free(archive);
}

static void prepare_copy(const char *path)
{
	CHECK_INT(crash_bring(path, NULL, 8, KIT_SLOT + 8 * KIT_MINUTE), 0);
}

static void run_copy(const char *path, volatile uint64_t *stored)
{
	/* out of order, on another day */
	if (crash_bring(path, NULL, 7, KIT_SLOT - 24 * 60 * KIT_MINUTE) < 0)
		_exit(1);
	*stored = 7;
}

static void repair_copy(const char *path)
{
	CHECK_INT(crash_bring(path, NULL, 7, KIT_SLOT - 24 * 60 * KIT_MINUTE), 0);
	CHECK_INT(crash_bring(path, NULL, 9, KIT_SLOT + 9 * KIT_MINUTE), 0);
}

static const struct scenario scenarios[] = {
	{ "first frame", NULL, run_first, crash_repair },
	{ "more frames", prepare_first, run_more, crash_repair },
	{ "repair", prepare_crashed, run_open, crash_repair },
	{ "new segment", prepare_segment, run_segment, crash_repair },
	{ "redate", prepare_unsynced, run_redate, crash_repair },
	{ "batch", prepare_first, run_batch, crash_repair },
	{ "copy", prepare_copy, run_copy, repair_copy },
};

static void child(const struct scenario *s, const char *path, volatile uint64_t *stored)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(2);
	raise(SIGSTOP);
	s->run(path, stored);
	_exit(0);
}

/*
 * Runs the child to its `stop`th stop at a system call and kills it there. 1: killed, 0: it came to
 * its end before that, -1: it failed by itself.
 */
static int run_and_kill(
	const struct scenario *s, const char *path, int stop, volatile uint64_t *stored)
{
	int status, stops = 0;
	pid_t pid = fork();

	if (pid == 0)
		child(s, path, stored);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
		ptrace(PTRACE_SETOPTIONS, pid, NULL,
			(void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) < 0)
		return -1;
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0) {
		if (waitpid(pid, &status, 0) != pid)
			return -1;
		if (WIFEXITED(status))
			return WEXITSTATUS(status) == 0 ? 0 : -1;
		if (!WIFSTOPPED(status))
			return -1;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && ++stops == stop)
			break;
	}
	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? 1 : -1;
}

static bool may_trace(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		WEXITSTATUS(status) == 0;
}

/* Tracer and child take turns; waking each other up across processors takes most of the time. */
static void stay_on_one_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void run_scenario(const struct scenario *s, volatile uint64_t *stored)
{
	const int step = test_every(2); /* entries are the odd stops */
	int killed = 1, places = 0;

	crash_unlined = s->run == run_batch ? 3 : 1;
	for (int stop = 1; killed > 0 && stop < STOPS_MAX && !test_failures; stop += step) {
		char path[64];

		kit_make_folder(path);
		if (s->prepare)
			s->prepare(path);
		*stored = 0;
		killed = run_and_kill(s, path, stop, stored);
		CHECK(killed >= 0);
		crash_check_dead(path, *stored);
		s->repair(path);
		crash_check_repaired(
			path, s->repair == crash_repair && s->prepare != prepare_segment);
		places += killed > 0;
		if (test_failures)
			fprintf(stderr, "  %s, stop %d\n", s->name, stop);
		test_remove_folder(path);
	}
	CHECK_INT(killed, 0);
	CHECK(places * step > 100);
	printf("%s: killed at %d places\n", s->name, places);
}

TEST(killed_at_every_system_call)
{
	volatile uint64_t *stored = mmap(
		NULL, sizeof(*stored), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!may_trace()) {
		printf("skipped: this machine does not allow ptrace\n");
		return;
	}
	if (!CHECK(stored != MAP_FAILED))
		return;
	stay_on_one_cpu();
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		run_scenario(&scenarios[i], stored);
	munmap((void *)stored, sizeof(*stored));
}
