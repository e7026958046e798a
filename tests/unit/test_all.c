/* SPDX-License-Identifier: MIT */
/*
 * A process per camera: who waits for whom, what a crash takes with it, and the exit code of all.
 */
#include "pull/commands/all.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/base/limits.h"
#include "common/contact/peer_state.h"
#include "tests/test.h"
#include "tests/unit/clock_kit.h"

#define CAMERAS 12
#define DEADLINE_S 60

static const struct cli_option options[] = {
	{ "json", 0, NULL, "" },
	{ "jobs", 0, "N", "" },
	{ .name = NULL },
};
static const struct cli_command command = { .name = "fetch", .options = options };
static const struct cli_program program = { .name = "pullpi" };

/* What the processes share with the test. */
static struct shared {
	atomic_int now, most, done; /* connected now, at most, that were and are done */
	atomic_int order[CAMERAS], n_order;
} * shared;

static struct pull_settings *settings;
static char folder[64];

static void set_up(void)
{
	test_make_folder(folder);
	setenv("STATE_DIRECTORY", folder, 1);
	shared = mmap(
		NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	settings = calloc(1, sizeof *settings);
	settings->n_cameras = CAMERAS;
	for (int i = 0; i < CAMERAS; i++)
		snprintf(settings->cameras[i].name, CAMERA_NAME_MAX, "%d", i);
}

static void tear_down(void)
{
	free(settings);
	munmap(shared, sizeof *shared);
	unsetenv("STATE_DIRECTORY");
	test_remove_folder(folder);
}

static int number(const struct camera_settings *camera)
{
	int i = (int)strtol(camera->name, NULL, 10);

	atomic_store(&shared->order[atomic_fetch_add(&shared->n_order, 1)], i);
	return i;
}

static int run(int (*work)(void *, const struct camera_settings *, struct worker *), unsigned jobs)
{
	struct cli cli = { .program = &program, .command = &command, .given = { "" } };
	struct all_options all = {
		.cli = &cli, .settings = settings, .jobs = jobs, .work = work, .data = shared
	};

	return all_cameras(&all);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
}

static int visit(struct worker *worker)
{
	int now;

	worker_connected(worker, true);
	now = atomic_fetch_add(&shared->now, 1) + 1;
	for (int most = atomic_load(&shared->most);
		now > most && !atomic_compare_exchange_weak(&shared->most, &most, now);)
		continue;
	nap();
	atomic_fetch_sub(&shared->now, 1);
	atomic_fetch_add(&shared->done, 1);
	return CLI_OK;
}

static int well(void *data, const struct camera_settings *camera, struct worker *worker)
{
	(void)data;
	number(camera);
	return visit(worker);
}

TEST(a_bounded_number_at_once)
{
	set_up();
	CHECK_INT(run(well, 3), CLI_OK);
	CHECK_INT(shared->done, CAMERAS);
	CHECK(shared->most >= 1 && shared->most <= 3);
	tear_down();
}

/* The first half never connects, and waits for the other half to be done. */
static int half_dead(void *data, const struct camera_settings *camera, struct worker *worker)
{
	(void)data;
	if (number(camera) >= CAMERAS / 2)
		return visit(worker);
	for (int i = 0; i < DEADLINE_S * 50; i++) {
		if (atomic_load(&shared->done) == CAMERAS / 2)
			return CLI_TEMPFAIL;
		nap();
	}
	return CLI_INTERNAL;
}

TEST(the_dead_keep_nobody_waiting)
{
	set_up();
	CHECK_INT(run(half_dead, 2), CLI_TEMPFAIL);
	CHECK_INT(shared->done, CAMERAS / 2);
	tear_down();
}

/* The first half has lost its connection and waits as above. */
static int half_lost(void *data, const struct camera_settings *camera, struct worker *worker)
{
	worker_connected(worker, true);
	worker_connected(worker, false);
	return half_dead(data, camera, worker);
}

TEST(who_lost_the_link_keeps_nobody_waiting)
{
	set_up();
	CHECK_INT(run(half_lost, 2), CLI_TEMPFAIL);
	CHECK_INT(shared->done, CAMERAS / 2);
	tear_down();
}

static int note(const char *camera, int64_t now_us, int code, const char *error,
	struct peer_outcome *ret_before)
{
	struct clock_fake clock = clock_fake(now_us);

	return peer_state_note(camera, &clock.clock, PEER_CAMERA, code, error, ret_before);
}

TEST(who_did_not_answer_last_time_comes_last)
{
	struct peer_outcome before;

	set_up();
	CHECK_INT(note("0", 1, CLI_TEMPFAIL, "away", &before), 0);
	CHECK_INT(note("1", 1, CLI_PROTOCOL, "strange", &before), 0);
	CHECK_INT(run(well, 1), CLI_OK);
	CHECK_INT(shared->order[0], 1);
	CHECK_INT(shared->order[CAMERAS - 1], 0);
	tear_down();
}

static int some_crash(void *data, const struct camera_settings *camera, struct worker *worker)
{
	(void)data;
	switch (number(camera)) {
	case 0:
		raise(SIGKILL);
		break;
	case 1:
		return CLI_REFUSED;
	case 2:
		return CLI_TEMPFAIL;
	}
	return visit(worker);
}

TEST(a_crash_takes_no_other)
{
	set_up();
	CHECK_INT(run(some_crash, 4), CLI_INTERNAL);
	CHECK_INT(shared->done, CAMERAS - 3);
	tear_down();
}

static int for_ever(void *data, const struct camera_settings *camera, struct worker *worker)
{
	(void)data, (void)worker;
	number(camera);
	for (int i = 0; i < DEADLINE_S; i++)
		sleep(1);
	atomic_fetch_add(&shared->done, 1);
	return CLI_OK;
}

/* All of them hold the pipe open; it ends when the last one is gone. */
TEST(all_end_with_their_parent)
{
	int ends[2];
	pid_t parent;
	char byte;

	set_up();
	CHECK_INT(pipe(ends), 0);
	parent = fork();
	if (parent == 0)
		_exit(run(for_ever, CAMERAS));
	close(ends[1]);
	for (int i = 0; i < DEADLINE_S * 50 && atomic_load(&shared->n_order) < CAMERAS; i++)
		nap();
	CHECK_INT(shared->n_order, CAMERAS);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	CHECK_INT(read(ends[0], &byte, 1), 0);
	CHECK_INT(shared->done, 0);
	close(ends[0]);
	tear_down();
}

TEST(exit_codes)
{
	static const int order[] = { CLI_OK, CLI_TEMPFAIL, CLI_PROTOCOL, CLI_REFUSED, CLI_SETTINGS,
		CLI_INTERNAL };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(order); k++)
			CHECK_INT(all_code(order[i], order[k]), order[i > k ? i : k]);
	}
	CHECK_INT(all_code(CLI_OK, 99), CLI_INTERNAL);
}
