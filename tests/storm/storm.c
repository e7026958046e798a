/* SPDX-License-Identifier: MIT */
/*
 * storm FOLDER SECONDS [SEED]: lives through a storm of faults in child processes, then judges the
 * archive in FOLDER. Called by tests/storm/run.
 */
#include "tests/storm/storm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "capture/picture/jpeg.h"
#include "capture/service/service.h"
#include "common/base/fs.h"
#include "common/base/log.h"

#define LIFE_SECONDS 27 /* about */

/* The running life; in memory that parent and child share. */
static struct life *now;

/* The end of the stall of that kind that is on now, 0: none. */
static int64_t stalled_until(enum kind kind)
{
	int64_t t = clock_wall_us(&clock_real) - now->started_us;

	for (int i = 0; i < now->n; i++)
		if (now->events[i].kind == kind && t >= now->events[i].begin_us &&
			t < now->events[i].end_us)
			return now->events[i].end_us;
	return 0;
}

static void stall(enum kind kind)
{
	int64_t until = stalled_until(kind), us;

	while (until && (us = now->started_us + until - clock_wall_us(&clock_real)) > 0)
		usleep((useconds_t)us);
}

int __real_jpeg_encode(struct jpeg_encoder *encoder, const struct frame *frame, const void *exif,
	size_t exif_bytes, const uint8_t **ret_jpeg, size_t *ret_bytes);
int __wrap_jpeg_encode(struct jpeg_encoder *encoder, const struct frame *frame, const void *exif,
	size_t exif_bytes, const uint8_t **ret_jpeg, size_t *ret_bytes);

int __wrap_jpeg_encode(struct jpeg_encoder *encoder, const struct frame *frame, const void *exif,
	size_t exif_bytes, const uint8_t **ret_jpeg, size_t *ret_bytes)
{
	stall(ENCODER);
	return __real_jpeg_encode(encoder, frame, exif, exif_bytes, ret_jpeg, ret_bytes);
}

static int slow_fsync(int fd)
{
	stall(DISK);
	return fs_real.fsync(fd);
}

static int slow_fdatasync(int fd)
{
	stall(DISK);
	return fs_real.fdatasync(fd);
}

static ssize_t full_write(int fd, const void *data, size_t bytes)
{
	if (!stalled_until(FULL))
		return fs_real.write(fd, data, bytes);
	errno = ENOSPC;
	return -1;
}

static struct capture_settings *make_settings(const char *folder)
{
	struct capture_settings *s = calloc(1, sizeof *s);

	conf_defaults(&capture_settings_table, s);
	snprintf(s->archive.path, sizeof s->archive.path, "%s", folder);
	snprintf(s->camera.source, sizeof s->camera.source, "test");
	snprintf(s->test.faults, sizeof s->test.faults, "%s", now->script);
	s->schedule.every_us = EVERY_US;
	s->camera.width = 320;
	s->camera.height = 240;
	s->camera.fps = 30;
	s->test.light = LIGHT_NOON;
	return s;
}

/* In the child. */
static int live(const char *folder)
{
	struct fs_ops fs = fs_real;
	struct archive_options open = { .mode = ARCHIVE_WRITE, .fs = &fs };
	struct service_options options = { .settings = make_settings(folder),
		.clock = &clock_real,
		.call_seconds = CALL_SECONDS };
	struct rlimit no_core = { 0 };
	struct record last;
	int r;

	fs.fsync = slow_fsync;
	fs.fdatasync = slow_fdatasync;
	fs.write = full_write;
	setrlimit(RLIMIT_CORE, &no_core);
	log_set_level(getenv("STORM_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	now->started_us = clock_wall_us(&clock_real);
	r = archive_open(folder, &open, &options.archive);
	if (r == 0)
		r = service_run(&options, &last);
	free(options.settings);
	return -r & 0x7f;
}

/* Returns the wait status: by a signal of ours at the life's end, or by the process's own. */
static int end(pid_t pid)
{
	static const int signals[ENDINGS] = { [ENDS_KILLED] = SIGKILL, [ENDS_CLEANLY] = SIGTERM };
	int64_t patience_us = now->ending == ENDS_HANGING ? (CALL_SECONDS + 5) * US_PER_SEC : 0;
	int64_t end_us = clock_wall_us(&clock_real) + now->ends_us + patience_us;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_wall_us(&clock_real) >= end_us) {
			kill(pid, now->ending == ENDS_HANGING ? SIGKILL : signals[now->ending]);
			waitpid(pid, &status, 0);
			break;
		}
		usleep(20000);
	}
	return status;
}

static void go_through(const char *folder)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(live(folder));
	status = end(pid);
	now->ended_us = clock_wall_us(&clock_real);
	now->died_as_planned = now->ending == ENDS_CLEANLY
		? WIFEXITED(status) && WEXITSTATUS(status) == 0
		: WIFSIGNALED(status) &&
			WTERMSIG(status) == (now->ending == ENDS_KILLED ? SIGKILL : SIGABRT);
}

static int storm(const char *folder, int64_t seconds, uint64_t seed, int *ret_passed)
{
	static struct life lives[LIVES_MAX];
	struct plan plan = { .state = seed | 1, .long_ones = seconds >= 300 };
	int64_t end_us = clock_wall_us(&clock_real) + seconds * US_PER_SEC;
	int n = 0;

	for (bool over = false; !over && n < LIVES_MAX; n++) {
		int64_t left = (end_us - clock_wall_us(&clock_real)) / US_PER_SEC;

		over = left < LIFE_SECONDS / 2 || n == LIVES_MAX - 1;
		/* the last life is short and quiet: it accounts for the gap before it */
		*now = plan_life(&plan, over ? ENDS_CLEANLY : n, over ? 0 : LIFE_SECONDS);
		printf("life %d: %s\n", n + 1, *now->script ? now->script : "no camera fault");
		go_through(folder);
		lives[n] = *now;
		usleep((useconds_t)plan_random(&plan, 0, 1500000));
	}
	return account_judge(folder, lives, n, ret_passed);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL);
	int64_t seconds = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
	int passed = 0, failed;

	if (argc < 3 || argc > 4 || seconds <= 0) {
		fprintf(stderr, "usage: storm FOLDER SECONDS [SEED]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %llu\n", (unsigned long long)seed);
	setenv("RUNTIME_DIRECTORY", argv[1], 1);
	now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	failed = storm(argv[1], seconds, seed, &passed);
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
