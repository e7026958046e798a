/* SPDX-License-Identifier: MIT */
/*
 * The frame around the connections of a sync: what is held, whose turn it is at the archive, and
 * whether a lost link is worth another try.
 *
 * The writer's lock is held only while a frame's file is begun and while it is published, never while
 * the network is waited for; so `fetch --latest` waits for one fsync at most.
 */
#include "pull/sync.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/cli.h"
#include "pull/connect.h"
#include "pull/copy.h"
#include "pull/sync_private.h"
#include "pull/wait.h"

#define TURN_US (300 * US_PER_SEC) /* a fetch may hold the archive for as long as its --timeout */
#define OTHER_US (2 * US_PER_SEC) /* a fetch may be removing old frames */
#define TELL_NS (NS_PER_SEC / 4)
#define VAIN_MAX 3 /* connections in a row that brought nothing */
#define BACK_OFF_US (2 * US_PER_SEC) /* after the first of them; then twice that */

static int fail_va(struct sync *sync, int code, const char *fmt, va_list args) PRINTF(3, 0);
static int fail_va(struct sync *sync, int code, const char *fmt, va_list args)
{
	vsnprintf(sync->result->error, sizeof sync->result->error, fmt, args);
	return code;
}

int sync_fail(struct sync *sync, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	code = fail_va(sync, code, fmt, args);
	va_end(args);
	return code;
}

int sync_fail_here(struct sync *sync, int code, const char *fmt, ...)
{
	va_list args;

	sync->result->ours = true;
	va_start(args, fmt);
	code = fail_va(sync, code, fmt, args);
	va_end(args);
	return code;
}

void sync_tell(struct sync *sync)
{
	int64_t now_ns = clock_mono_ns(&clock_real);

	if (!sync->options->progress || now_ns - sync->told_ns < TELL_NS)
		return;
	sync->told_ns = now_ns;
	sync->result->left = ranges_missing(&sync->held.settled, sync->first, sync->last);
	sync->options->progress(sync->options->data, sync->result);
}

/* ---- the archive */

/* Two syncs of one archive would fetch everything twice. */
static int lock_sync(struct sync *sync)
{
	int r;

	if (sync->lock_fd >= 0)
		return CLI_OK;
	r = archive_lock_copy(sync->archive, deadline_in(OTHER_US), &sync->lock_fd);
	if (r == -ETIMEDOUT)
		return sync_fail_here(sync, CLI_TEMPFAIL,
			"another sync of %s, or a repair, is under way",
			sync->options->camera->name);
	if (r < 0)
		return sync_fail_here(sync, r == -ELOOP ? CLI_PROTOCOL : CLI_INTERNAL,
			"%s/.sync: %s", sync->result->archive, strerror(-r));
	return CLI_OK;
}

static int open_failed(struct sync *sync, int r)
{
	sync->result->ours = true;
	return copy_open_failed(r, sync->result->archive, sync->options->camera->name,
		sync->result->error, sizeof sync->result->error);
}

static int open_writer(struct sync *sync)
{
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE,
		.camera = client_greeting(sync->client)->camera,
		.id = client_greeting(sync->client)->id,
		.copy = true,
		.wait_until_ns = deadline_in(TURN_US),
		.who = "sync",
	};
	struct archive *archive;
	int r = copy_open(sync->options->camera, sync->result->archive, &options, &archive);

	if (r < 0)
		return open_failed(sync, r);
	room_refresh(&sync->room, archive);
	archive_free(sync->archive);
	sync->archive = archive;
	sync->writing = true;
	return lock_sync(sync);
}

int sync_take(struct sync *sync)
{
	bool others = true;
	int r = CLI_OK;

	if (!sync->writing) {
		r = open_writer(sync);
		if (r != CLI_OK)
			return r;
	} else {
		r = archive_retake(sync->archive, deadline_in(TURN_US), &others);
		if (r < 0)
			return open_failed(sync, r);
	}
	if (others)
		r = held_update(&sync->held, sync->archive);
	if (r == -ESTALE) {
		held_clear(&sync->held);
		r = held_update(&sync->held, sync->archive);
	}
	if (r == 0 && others)
		room_refresh(&sync->room, sync->archive);
	if (r == 0)
		room_open(&sync->room, sync->archive, sync->options->camera, sync->clock);
	return r < 0 ? open_failed(sync, r) : CLI_OK;
}

void sync_release(struct sync *sync)
{
	if (sync->writing)
		archive_release(sync->archive);
}

int sync_unwanted(struct sync *sync, uint64_t seq)
{
	int r;

	if (seq == 0 || ranges_prefix(&sync->held.settled, 1) >= seq)
		return 0;
	sync->held.changed = true;
	sync->held.unwanted = seq;
	r = ranges_remove(&sync->held.damaged, 1, seq);
	if (r == 0)
		r = ranges_add(&sync->held.settled, 1, seq);
	return r < 0 ? r : ranges_add(&sync->seen, 1, seq);
}

static int open_room(struct sync *sync)
{
	uint64_t gone = 0;
	int r = pruner_gone(sync->archive, &gone);

	if (r == 0)
		r = sync_unwanted(sync, gone);
	if (r == 0 && !sync->options->dry_run)
		room_open(&sync->room, sync->archive, sync->options->camera, sync->clock);
	return r;
}

int sync_look(struct sync *sync)
{
	const struct archive_options read = { .mode = ARCHIVE_READ, .copy = true };
	struct sync_result *result = sync->result;
	int r = pull_archive_path(sync->options->camera, result->archive);

	if (r < 0)
		return sync_fail_here(
			sync, CLI_SETTINGS, "no folder for the archive: %s", strerror(-r));
	r = copy_open(sync->options->camera, result->archive, &read, &sync->archive);
	if (r == -ENOENT)
		return CLI_OK;
	if (r < 0)
		return open_failed(sync, r);
	r = sync->options->dry_run ? CLI_OK : lock_sync(sync);
	if (r != CLI_OK)
		return r;
	r = held_load(sync->archive, &sync->held);
	if (r == 0)
		r = open_room(sync);
	return r < 0 ? open_failed(sync, r) : CLI_OK;
}

/* Its parts are closed, for they are not what they were. The lock of the one sync stays. */
static int fork_archive(struct sync *sync, uint64_t after)
{
	struct sync_result *result = sync->result;
	int code;

	room_close(&sync->room);
	archive_free(TAKE_PTR(sync->archive));
	sync->writing = false;
	held_clear(&sync->held);
	code = history_fork(sync->options->camera, result->archive, &sync->anchor, after, true,
		&result->fork, result->error, sizeof result->error);
	if (code != CLI_OK)
		result->ours = true;
	return code == CLI_OK ? sync_look(sync) : code;
}

int sync_compare(struct sync *sync, bool *ret_forked)
{
	struct record theirs = record_new(RECORD_OTHER);
	uint64_t after;
	int r;

	*ret_forked = false;
	for (size_t i = 0; i < sync->n_lines; i++) {
		if (sync->lines[i].seq == sync->anchor.seq)
			theirs = sync->lines[i];
	}
	r = history_look(sync->client, sync->archive, &sync->anchor, &theirs, &after);
	if (r < 0)
		return sync_fail(
			sync, connect_code_of_transfer(r), "%s", client_error(sync->client));
	*ret_forked = r > 0;
	if (r == 0)
		return CLI_OK;
	if (!sync->options->dry_run)
		return fork_archive(sync, after);
	sync->result->fork.after = after;
	snprintf(sync->result->fork.text, sizeof sync->result->fork.text,
		"the camera has another history after number %llu; a sync would keep what is here "
		"of the "
		"old one apart, in %.400s/" BRANCHES,
		(unsigned long long)after, sync->result->archive);
	r = ranges_remove(&sync->held.damaged, after + 1, SEQ_MAX);
	if (r == 0)
		r = ranges_remove(&sync->held.settled, after + 1, SEQ_MAX);
	return r < 0 ? sync_archive_failed(sync, r) : CLI_OK;
}

/* A memory aid: without it the next sync reads the journal again. */
static void remember(struct sync *sync)
{
	if (sync->archive && !sync->options->dry_run)
		held_save(&sync->held, sync->archive);
}

/* ---- connections */

static int visit(struct sync *sync)
{
	CLEANUP(stream_freep) struct stream *stream = NULL;
	const struct sync_options *options = sync->options;
	struct sync_result *result = sync->result;
	char command[128];
	int code;

	session_command(sync, command, sizeof command);
	code = (options->connect ? options->connect : connect_camera)(options->camera, command,
		options->deadline_ns, &stream, &result->ours, result->error, sizeof result->error);
	if (code != CLI_OK)
		return code;
	result->connections++;
	if (options->connected)
		options->connected(options->data, true);
	code = session_run(sync, stream);
	sync_release(sync);
	if (options->connected)
		options->connected(options->data, false);
	remember(sync);
	return code;
}

/* Many that lost the same link should not all come back at the same moment. */
static int64_t jitter(int64_t us)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		return us;
	return us / 2 + (int64_t)((double)us * r / UINT32_MAX);
}

static void pause_us(int64_t us)
{
	const struct timespec t = { .tv_sec = us / US_PER_SEC,
		.tv_nsec = us % US_PER_SEC * NS_PER_US };

	nanosleep(&t, NULL);
}

static bool brought_something(const struct sync_result *before, const struct sync_result *now)
{
	return now->bytes > before->bytes || now->frames > before->frames ||
		now->lines > before->lines || now->gone > before->gone || now->bad > before->bad ||
		now->damaged_new > before->damaged_new;
}

static int visit_until_done(struct sync *sync)
{
	const int64_t deadline_ns = sync->options->deadline_ns;
	struct sync_result *result = sync->result;
	unsigned vain = 0;

	for (;;) {
		struct sync_result before = *result;
		int code = visit(sync);

		if (deadline_left_us(deadline_ns) == 0 &&
			(code == CLI_OK || (code == CLI_TEMPFAIL && result->connections > 0))) {
			result->out_of_time = true;
			return CLI_OK;
		}
		/* who was never there is tried again by the timer */
		if (code != CLI_TEMPFAIL || result->ours || result->connections == 0)
			return code;
		vain = brought_something(&before, result) ? 0 : vain + 1;
		if (vain > VAIN_MAX)
			return code;
		if (vain > 0) {
			int64_t us = jitter(BACK_OFF_US << (vain - 1));
			int64_t left = deadline_left_us(deadline_ns);

			pause_us(us < left ? us : left);
		}
	}
}

/* What came newest first is put in order, once there is much of it: all that read it are quicker. */
static void sort_journal(struct sync *sync)
{
	bool more = sync->writing, ours = sync->result->ours;

	while (more && sync_take(sync) == CLI_OK) {
		more = journal_sort(archive_journal(sync->archive)) > 0;
		sync_release(sync);
	}
	/* where it did not come to that another sync does it */
	sync->result->ours = ours;
	sync->result->error[0] = '\0';
}

int sync_camera(const struct sync_options *options, struct sync_result *ret)
{
	struct sync *sync = calloc(1, sizeof *sync);
	int code;

	*ret = (struct sync_result){ .sighting = sighting_none };
	if (!sync) {
		ret->ours = true;
		snprintf(ret->error, sizeof ret->error, "out of memory");
		return CLI_INTERNAL;
	}
	sync->options = options;
	sync->clock = options->clock ? options->clock : &clock_real;
	sync->result = ret;
	sync->lock_fd = -1;
	sync->keep_since_us = room_since(options->camera, sync->clock);
	pace_init(&sync->pace, options->limit_rate, clock_mono_ns(&clock_real));
	code = sync_look(sync);
	if (code == CLI_OK)
		code = visit_until_done(sync);
	if (sync->last > 0)
		ret->left = ranges_missing(&sync->held.settled, sync->first, sync->last);
	ret->damaged = SEQ_MAX - ranges_missing(&sync->held.damaged, 1, SEQ_MAX);
	if (code == CLI_OK && ret->bad > 0)
		code = CLI_PROTOCOL; /* the sentence is there */
	flusher_free(sync->flusher);
	sync->flusher = NULL;
	if (code == CLI_OK)
		sort_journal(sync);
	room_close(&sync->room);
	ret->removed = sync->room.removed;
	ret->room_error = sync->room.error;
	held_clear(&sync->held);
	ranges_clear(&sync->seen);
	ranges_clear(&sync->skipped);
	archive_free(sync->archive);
	closep(&sync->lock_fd);
	free(sync);
	return code;
}
