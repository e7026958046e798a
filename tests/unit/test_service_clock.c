/* SPDX-License-Identifier: MIT */
/*
 * The whole service in a child process, under a wall clock that is set while it runs: real time and
 * an offset that the parent changes. Checked is the journal: both sides of each step, every slot of
 * a timeline once and in order, and that capture goes on.
 */
#include "tests/test.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "capture/service/service.h"
#include "common/base/log.h"

#define EVERY_US 100000
#define MS 1000
#define HOUR (3600 * US_PER_SEC)
#define YEAR (365 * 24 * HOUR)
#define PATIENCE_MS 20000 /* a machine may be busy with other things */
#define RESUME_MAX_US (2 * US_PER_SEC) /* a slot or two, and patience */

/* Shared by parent and child. */
struct hands {
	_Atomic int64_t offset_us;
	atomic_bool synced;
	int64_t booted_ns;
};

struct set_clock {
	struct clock clock;
	struct hands *hands;
};

static struct hands *hands_of(const struct clock *clock)
{
	return ((const struct set_clock *)clock)->hands;
}

static int64_t set_wall_us(const struct clock *clock)
{
	return clock_wall_us(&clock_real) + hands_of(clock)->offset_us;
}

static int64_t set_mono_ns(const struct clock *clock)
{
	(void)clock;
	return clock_mono_ns(&clock_real);
}

static int64_t set_up_ns(const struct clock *clock)
{
	return clock_mono_ns(&clock_real) - hands_of(clock)->booted_ns;
}

static bool set_synced(const struct clock *clock)
{
	return hands_of(clock)->synced;
}

/* A running service. */
struct rig {
	char folder[64];
	struct set_clock clock;
	struct capture_settings *settings;
	pid_t pid;
};

static void make_settings(struct capture_settings *s, const char *folder)
{
	conf_defaults(&capture_settings_table, s);
	snprintf(s->archive.path, sizeof s->archive.path, "%s", folder);
	snprintf(s->camera.source, sizeof s->camera.source, "test");
	s->schedule.every_us = EVERY_US;
	s->camera.width = 320;
	s->camera.height = 240;
	s->camera.fps = 30;
	s->test.light = LIGHT_NOON;
}

/* A minute after boot, synchronised. */
static void rig_make(struct rig *rig)
{
	*rig = (struct rig){ .clock.clock = { .wall_us = set_wall_us,
				     .mono_ns = set_mono_ns,
				     .up_ns = set_up_ns,
				     .synced = set_synced } };
	test_make_folder(rig->folder);
	rig->settings = calloc(1, sizeof *rig->settings);
	make_settings(rig->settings, rig->folder);
	rig->clock.hands =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rig->clock.hands->synced = true;
	rig->clock.hands->booted_ns = clock_mono_ns(&clock_real) - 60 * NS_PER_SEC;
}

static void rig_end(struct rig *rig)
{
	test_remove_folder(rig->folder);
	munmap(rig->clock.hands, 4096);
	free(rig->settings);
}

/* The settings have not changed. */
static int reload(void *data, struct capture_settings *ret)
{
	make_settings(ret, ((struct rig *)data)->folder);
	ret->wait_for_clock_us = ((struct rig *)data)->settings->wait_for_clock_us;
	return 0;
}

static void rig_start(struct rig *rig)
{
	sigset_t block, before;

	setenv("RUNTIME_DIRECTORY", rig->folder, 1);
	fflush(NULL);
	/* a signal that comes before the service is ready waits for it */
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &before);
	rig->pid = fork();
	if (rig->pid == 0) {
		struct archive_options open = { .mode = ARCHIVE_WRITE };
		struct service_options options = { .settings = rig->settings,
			.clock = &rig->clock.clock,
			.reload = reload,
			.reload_data = rig };
		struct record last;
		int r;

		log_set_level(LOG_LEVEL_ERR);
		r = archive_open(rig->folder, &open, &options.archive);
		if (r == 0)
			r = service_run(&options, &last);
		_exit(-r & 0x7f);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void rig_stop(struct rig *rig)
{
	int status = -1;

	kill(rig->pid, SIGTERM);
	waitpid(rig->pid, &status, 0);
	CHECK_INT(status, 0);
}

/* Calls `each` for all lines of the journal. */
static void read_journal(
	const struct rig *rig, void (*each)(void *data, const struct record *record), void *data)
{
	struct archive_options open = { .mode = ARCHIVE_READ };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq;
	size_t len;

	if (archive_open(rig->folder, &open, &archive) < 0 ||
		journal_seek(archive_journal(archive), 1, &cursor) < 0)
		return;
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0) {
		struct record record;

		if (CHECK(record_parse(line, len, &record) == 0))
			each(data, &record);
	}
}

/* What the journal has so far: clock lines, and frames since the last of them. */
struct seen {
	int clocks, frames;
};

static void see(void *data, const struct record *record)
{
	struct seen *seen = data;

	seen->frames += record->type == RECORD_FRAME && !record->was;
	if (record->type != RECORD_CLOCK)
		return;
	seen->clocks++;
	seen->frames = 0;
}

static struct seen look(const struct rig *rig)
{
	struct seen seen = { 0 };

	read_journal(rig, see, &seen);
	return seen;
}

static void wait_for(const struct rig *rig, int clocks, int frames)
{
	struct seen seen = look(rig);

	for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
		if (seen.clocks > clocks || (seen.clocks == clocks && seen.frames >= frames))
			break;
		usleep(10 * MS);
		seen = look(rig);
	}
	CHECK_INT(seen.clocks, clocks);
	CHECK(seen.frames >= frames);
}

static int64_t at_or_after(int64_t us)
{
	return (us + EVERY_US - 1) / EVERY_US * EVERY_US;
}

/* Goes through the journal, line by line. */
struct account {
	const int64_t *steps_us; /* the steps that the journal must tell of */
	const int64_t *set_at_us; /* when: wall time before each */
	int n_steps, clocks;
	int64_t next_us; /* the slot that must come next, TIME_NONE: any */
	int64_t after_us; /* of the last clock line, TIME_NONE: there was a frame since */
	int64_t resume_us; /* the first slot that it left open */
	uint64_t frames, unsynced, missed[MISS_CAUSES];
};

static void check_step(struct account *a, const struct record *clock)
{
	int64_t step_us = clock->after_us - clock->before_us, late_us;

	if (!CHECK(a->clocks < a->n_steps))
		return;
	late_us = clock->before_us - a->set_at_us[a->clocks];
	CHECK(llabs(step_us - a->steps_us[a->clocks++]) < 5 * MS);
	CHECK(late_us > -5 * MS && late_us < 2 * US_PER_SEC);
	if (step_us < -10 * US_PER_SEC) {
		/* a timeline ends complete, another one begins */
		CHECK(a->next_us >= clock->before_us);
		a->next_us = at_or_after(clock->after_us);
	}
	a->after_us = a->resume_us = clock->after_us;
	if (a->next_us > a->resume_us)
		a->resume_us = a->next_us;
}

static void check_line(void *data, const struct record *r)
{
	struct account *a = data;

	if (r->type == RECORD_CLOCK)
		check_step(a, r);
	/* a frame that was redated had its slot's outcome before */
	if ((r->type != RECORD_FRAME && r->type != RECORD_MISS) || r->was)
		return;
	if (a->next_us != TIME_NONE)
		CHECK_INT(r->slot_us, a->next_us);
	a->next_us = r->slot_us + EVERY_US;
	if (r->type == RECORD_MISS) {
		CHECK_INT(r->count, (r->last_us - r->slot_us) / EVERY_US + 1);
		a->next_us = r->last_us + EVERY_US;
		a->missed[r->cause] += r->count;
		/* all that a step forward passed over, and nothing else */
		if (r->cause == MISS_CLOCK && a->after_us != TIME_NONE)
			CHECK_INT(a->next_us, at_or_after(a->after_us));
	} else {
		CHECK(llabs(r->late_us) <= EVERY_US / 2);
		if (a->after_us != TIME_NONE)
			CHECK(r->slot_us - a->resume_us < RESUME_MAX_US);
		a->after_us = TIME_NONE;
		a->frames++;
		a->unsynced += !r->synced;
	}
}

TEST(the_clock_is_set)
{
	static const int64_t steps_us[] = { 2500 * MS, HOUR, 3 * YEAR, -HOUR, -YEAR, -2500 * MS,
		HOUR + 1234 * MS, -2 * YEAR };
	int64_t set_at_us[ARRAY_SIZE(steps_us)];
	struct account account = { .steps_us = steps_us,
		.set_at_us = set_at_us,
		.n_steps = ARRAY_SIZE(steps_us),
		.next_us = TIME_NONE,
		.after_us = TIME_NONE };
	struct rig rig;

	rig_make(&rig);
	rig_start(&rig);
	wait_for(&rig, 0, 2);
	for (int i = 0; i < account.n_steps; i++) {
		set_at_us[i] = clock_wall_us(&rig.clock.clock);
		rig.clock.hands->offset_us += steps_us[i];
		/* 2.5 s back: those slots have their outcome, and the test has no time to wait */
		wait_for(&rig, i + 1, steps_us[i] == -2500 * MS ? 0 : 1);
	}
	rig_stop(&rig);
	read_journal(&rig, check_line, &account);
	CHECK_INT(account.clocks, account.n_steps);
	CHECK(account.frames >= 9);
	rig_end(&rig);
}

/* Booted again; nobody knows the time. */
static void boot(struct rig *rig)
{
	rig->clock.hands->synced = false;
	rig->clock.hands->booted_ns = clock_mono_ns(&clock_real);
	rig_start(rig);
}

TEST(waits_for_the_clock_after_boot)
{
	static const int64_t step_us = 3 * YEAR;
	int64_t set_at_us;
	struct account account = { .steps_us = &step_us,
		.set_at_us = &set_at_us,
		.n_steps = 1,
		.next_us = TIME_NONE,
		.after_us = TIME_NONE };
	struct rig rig;

	rig_make(&rig);
	/* it does not come: capture goes on without */
	rig.settings->wait_for_clock_us = 600 * MS;
	boot(&rig);
	usleep(100 * MS);
	kill(rig.pid, SIGHUP); /* begins nothing */
	wait_for(&rig, 0, 1);
	rig_stop(&rig);
	read_journal(&rig, check_line, &account);
	CHECK(account.missed[MISS_CLOCK] >= 5);
	CHECK_INT(account.missed[MISS_DOWN], 0);
	CHECK(account.frames >= 1);
	CHECK_INT(account.unsynced, account.frames);
	/* it comes, and the clock had stood still */
	rig.settings->wait_for_clock_us = HOUR;
	boot(&rig);
	usleep(150 * MS);
	set_at_us = clock_wall_us(&rig.clock.clock);
	rig.clock.hands->offset_us += step_us;
	rig.clock.hands->synced = true;
	wait_for(&rig, 1, 1);
	rig_stop(&rig);
	/* started again, a little behind: no slot is taken twice */
	rig.clock.hands->offset_us -= 400 * MS;
	rig_start(&rig);
	wait_for(&rig, 1, look(&rig).frames + 1);
	rig_stop(&rig);
	account = (struct account){ .steps_us = &step_us,
		.set_at_us = &set_at_us,
		.n_steps = 1,
		.unsynced = -account.unsynced,
		.next_us = TIME_NONE,
		.after_us = TIME_NONE };
	read_journal(&rig, check_line, &account);
	CHECK_INT(account.clocks, 1);
	CHECK_INT(account.unsynced, 0); /* since then */
	/* down for three years less what was waited, as the clock says now */
	CHECK_INT(account.missed[MISS_DOWN] / (YEAR / EVERY_US), 3);
	CHECK(account.missed[MISS_CLOCK] >= 6 && account.missed[MISS_CLOCK] < 50);
	rig_end(&rig);
}

/* Frames without a clock, and those of them that were redated. */
struct dated {
	int unsynced, dated, pruned;
	int64_t step_us, exposed_us[1000];
};

static void see_dated(void *data, const struct record *r)
{
	struct dated *d = data;

	if (r->type == RECORD_FRAME && r->seq < 1000 && !r->synced) {
		d->unsynced++;
		d->exposed_us[r->seq] = r->exposed_us;
	}
	d->pruned += r->type == RECORD_PRUNE && strcmp(r->text, PRUNE_REDATED) == 0;
	if (r->type != RECORD_FRAME || !r->was)
		return;
	d->dated++;
	CHECK(llabs(r->exposed_us - d->exposed_us[r->was] - d->step_us) < 5 * MS);
}

/* The journal's last line is a frame that was redated, of a slot long ago. */
static void end_with_dated(const struct rig *rig)
{
	static const uint8_t jpeg[] = { 0xff, 0xd8, 0xff, 0xd9 };
	struct archive_options open = { .mode = ARCHIVE_WRITE };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct record frame = record_new(RECORD_FRAME);

	frame.slot_us = frame.exposed_us = YEAR;
	frame.late_us = 0;
	frame.was = 1;
	CHECK_INT(archive_open(rig->folder, &open, &archive), 0);
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof jpeg), 0);
}

TEST(frames_of_a_boot_without_a_clock_get_their_time)
{
	struct dated dated = { 0 };
	struct account account = { .next_us = TIME_NONE, .after_us = TIME_NONE };
	int64_t step_us = 3 * YEAR, set_at_us;
	struct rig rig;

	rig_make(&rig);
	rig.settings->wait_for_clock_us = 0;
	boot(&rig);
	wait_for(&rig, 0, 4);
	set_at_us = clock_wall_us(&rig.clock.clock);
	rig.clock.hands->offset_us += step_us;
	rig.clock.hands->synced = true;
	for (int ms = 0; ms < PATIENCE_MS; ms += 50) {
		dated = (struct dated){ .step_us = step_us };
		read_journal(&rig, see_dated, &dated);
		if (dated.dated && dated.pruned == dated.unsynced)
			break;
		usleep(50 * MS);
	}
	rig_stop(&rig);
	CHECK(dated.unsynced >= 4);
	CHECK_INT(dated.dated, dated.unsynced);
	CHECK_INT(dated.pruned, dated.unsynced);
	/* started again, it goes on behind the last slot, not behind a dated one */
	end_with_dated(&rig);
	rig_start(&rig);
	wait_for(&rig, 1, look(&rig).frames + 1);
	rig_stop(&rig);
	/* and no slot suffered by it */
	account.steps_us = &step_us;
	account.set_at_us = &set_at_us;
	account.n_steps = 1;
	read_journal(&rig, check_line, &account);
	rig_end(&rig);
}
