/* SPDX-License-Identifier: MIT */
/* The storing thread: takes frames and notes from a queue, encodes, stores, reports. */
#include "capture/writer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "capture/writer_private.h"

#define RETRY_US US_PER_SEC
#define HOLD_US (60 * US_PER_SEC) /* misses of such a disk wait so long to become one line */
#define IDLE_US (60 * US_PER_SEC) /* without frames: what has become too old still goes */

/* ---- the thread ---- */

/* What the store found is for the main thread to see. The first opening of a late archive stops here. */
static void note_facts(struct writer *w)
{
	struct store_facts facts = store_facts(w->store);

	if (w->late && facts.open) {
		struct archive *archive = store_archive(w->store);

		w->late = false;
		w->opened.last_outcome_us = archive ? store_last_outcome(archive) : TIME_NONE;
		w->opened_told = w->accounting = !w->ending;
		eventfd_write(w->fd, 1);
	}
	w->facts = facts;
}

/* Puts the lock away for a call of the store. */
static int make_ready(struct writer *w)
{
	int r;

	pthread_mutex_unlock(&w->lock);
	r = store_ready(w->store);
	pthread_mutex_lock(&w->lock);
	note_facts(w);
	return r;
}

static void take_in_hand(struct writer *w, unsigned i)
{
	w->busy = true;
	w->failed = false;
	w->early = 0;
	w->at = i;
}

static void do_frame(struct writer *w, unsigned i, int error)
{
	struct item item = w->items[i];
	int quality = w->quality;

	take_in_hand(w, i);
	pthread_mutex_unlock(&w->lock);
	writer_store_item(w, quality, &item, error);
	pthread_mutex_lock(&w->lock);
	if (!w->failed)
		queue_remove(w, w->at);
	w->busy = false;
	w->redate_paused = false;
	note_facts(w);
	pthread_cond_broadcast(&w->changed);
}

static int do_note(struct writer *w)
{
	struct record note = w->items[0].record;
	bool early = w->items[0].early;
	int r;

	take_in_hand(w, 0);
	pthread_mutex_unlock(&w->lock);
	r = store_note(w->store, &note, early);
	pthread_mutex_lock(&w->lock);
	note_facts(w);
	/* frames of a batch that failed may stand before it now */
	if (r == 0 || writer_is_hopeless(r))
		queue_remove(w, w->at);
	w->busy = false;
	w->held_until_us = 0;
	return writer_is_hopeless(r) || r == -EAGAIN ? 0 : r;
}

/* While nothing can be stored frames do not wait for it: their buffers are few. */
static void fail_frames(struct writer *w, int error)
{
	for (unsigned i = 0; i < w->n_items; i++) {
		if (!w->items[i].camera)
			continue;
		do_frame(w, i, error);
		i = 0;
	}
}

/* Whether the first item is a miss of a disk that takes no frames, and waits for more of them. */
static bool holds(struct writer *w)
{
	const struct record *first = &w->items[0].record;

	if (w->ending || w->items[0].camera || w->items[0].early || first->type != RECORD_MISS ||
		first->cause != MISS_DISK || w->facts.error == 0 || !store_archive(w->store)) {
		w->held_until_us = 0;
		return false;
	}
	if (w->held_until_us == 0)
		w->held_until_us = writer_now_us() + HOLD_US;
	return writer_now_us() < w->held_until_us;
}

/* The frame behind notes that are held, if there is one. */
static void do_held(struct writer *w)
{
	unsigned i = 0;

	while (i < w->n_items && !w->items[i].camera)
		i++;
	if (i < w->n_items)
		do_frame(w, i, 0);
	else
		w->stuck_until_us = w->held_until_us;
}

/* The first item. */
static void do_item(struct writer *w)
{
	int r = make_ready(w);

	if (w->accounting)
		return;
	if (r == 0 && holds(w))
		do_held(w);
	else if (r == 0 && w->items[0].camera)
		do_frame(w, 0, 0);
	else if (r == 0)
		r = do_note(w);
	if (r < 0) {
		fail_frames(w, r);
		w->stuck_until_us = writer_now_us() + w->retry_us;
	}
}

static bool is_stuck(const struct writer *w)
{
	return w->stuck_until_us > writer_now_us();
}

/* Between frames, or when it cannot wait any longer for that. */
static void do_idle(struct writer *w)
{
	bool idle = queue_frames(w) == 0;

	pthread_mutex_unlock(&w->lock);
	if (idle || store_wants_idle(w->store))
		store_idle(w->store, false);
	pthread_mutex_lock(&w->lock);
	note_facts(w);
}

static void take_settings(struct writer *w)
{
	struct store_settings settings = w->settings;

	if (!w->settings_changed)
		return;
	w->settings_changed = false;
	pthread_mutex_unlock(&w->lock);
	store_set(w->store, &settings);
	pthread_mutex_lock(&w->lock);
	note_facts(w);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void wait_for_work(struct writer *w)
{
	int64_t now_us = writer_now_us(), until_us = now_us + IDLE_US;
	struct timespec until;

	if (!w->accounting) {
		until_us = least(until_us, store_due_us(w->store));
		if (w->n_items && w->stuck_until_us > now_us)
			until_us = least(until_us, w->stuck_until_us);
		/* while notes are stuck there is no dating, so no waiting for it either */
		if (!is_stuck(w))
			until_us = least(until_us, writer_redate_due_us(w));
		if (!w->facts.open)
			until_us = least(until_us, now_us + w->retry_us);
	}
	until.tv_sec = until_us / US_PER_SEC;
	until.tv_nsec = until_us % US_PER_SEC * NS_PER_US;
	pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

/* One piece of work. False: there is none now. */
static bool work(struct writer *w)
{
	bool frames = queue_frames(w) > 0;

	if (w->accounting) {
		if (w->draining && frames)
			fail_frames(w, -ENODEV);
		return false;
	}
	if (w->n_items && (frames || !is_stuck(w))) {
		do_item(w);
		do_idle(w);
		return true;
	}
	if (!w->ending && !is_stuck(w) && writer_now_us() >= writer_redate_due_us(w)) {
		writer_redate_piece(w);
		note_facts(w);
		return true;
	}
	return false;
}

static void *run(void *data)
{
	struct writer *w = data;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		take_settings(w);
		if (work(w))
			continue;
		/* notes that cannot be stored at the end are lost; the next start sees the gap */
		if (w->ending && queue_frames(w) == 0)
			break;
		wait_for_work(w);
		if (!w->accounting && w->n_items == 0 && !w->facts.open)
			make_ready(w);
		if (!w->accounting)
			do_idle(w);
	}
	pthread_mutex_unlock(&w->lock);
	store_free(TAKE_PTR(w->store)); /* what waits in a batch is committed and told */
	return NULL;
}

/* ---- for the main thread ---- */

static int start(struct writer *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->started = r == 0;
	return -r;
}

static int make_store(struct writer *w, const struct writer_options *options)
{
	struct store_options store = {
		.settings = options->store,
		.archive = options->archive,
		.error = options->error,
		.clock = &clock_real,
		.outcome = writer_outcome,
		.data = w,
		.fs = options->fs,
		.root = options->root,
		.retry_us = options->retry_us,
	};
	int r = store_new(&store, &w->store);

	if (r < 0)
		return r;
	w->late = options->account && !options->archive;
	w->facts = store_facts(w->store);
	return 0;
}

int writer_new(const struct writer_options *options, struct writer **ret)
{
	CLEANUP(archive_freep) struct archive *archive = options->archive;
	CLEANUP(writer_freep) struct writer *w = calloc(1, sizeof *w);
	pthread_condattr_t attr;
	int r;

	if (!w)
		return -ENOMEM;
	w->quality = options->quality;
	w->settings = options->store;
	w->retry_us = options->retry_us ? options->retry_us : RETRY_US;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	archive = NULL; /* the store's, also where it fails */
	r = make_store(w, options);
	if (r == 0)
		r = start(w);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

void writer_stop(struct writer *w)
{
	if (!w->started)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	w->accounting = false; /* nobody will say */
	w->stuck_until_us = 0;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->started = false;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	writer_stop(w);
	store_free(w->store);
	jpeg_encoder_free(w->encoder);
	redate_free(w->redate);
	closep(&w->fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void writer_set_quality(struct writer *w, int quality)
{
	pthread_mutex_lock(&w->lock);
	w->quality = quality;
	pthread_mutex_unlock(&w->lock);
}

void writer_set_store(struct writer *w, const struct store_settings *settings)
{
	pthread_mutex_lock(&w->lock);
	w->settings = *settings;
	w->settings_changed = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

int writer_submit(struct writer *w, struct camera *camera, const struct frame *frame,
	const struct record *record)
{
	struct item item = { .record = *record, .camera = camera, .frame = *frame };
	int r = -EBUSY;

	pthread_mutex_lock(&w->lock);
	/* one of them is in hand, or the thread has not woken yet */
	if (queue_frames(w) < WRITER_QUEUE + 1) {
		queue_insert(w, w->n_items, &item);
		w->frame_us = writer_now_us();
		pthread_cond_broadcast(&w->changed);
		r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void writer_note(struct writer *w, const struct record *record)
{
	pthread_mutex_lock(&w->lock);
	queue_note(w, w->n_items, record, false);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

int writer_take_opened(struct writer *w, struct writer_opened *ret)
{
	int r = -EAGAIN;

	pthread_mutex_lock(&w->lock);
	if (w->opened_told) {
		*ret = w->opened;
		r = 0;
	}
	w->opened_told = false;
	pthread_mutex_unlock(&w->lock);
	return r;
}

void writer_account(struct writer *w, const struct record *first)
{
	pthread_mutex_lock(&w->lock);
	if (first)
		queue_note(w, 0, first, false);
	w->accounting = false;
	w->stuck_until_us = 0;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

struct store_facts writer_store_facts(struct writer *w)
{
	struct store_facts facts;

	pthread_mutex_lock(&w->lock);
	facts = w->facts;
	pthread_mutex_unlock(&w->lock);
	return facts;
}

int writer_fd(const struct writer *w)
{
	return w->fd;
}

int writer_take_result(struct writer *w, struct writer_result *ret)
{
	eventfd_t count;
	int r = -EAGAIN;

	pthread_mutex_lock(&w->lock);
	if (w->n_results) {
		*ret = w->results[0];
		w->n_results--;
		memmove(&w->results[0], &w->results[1], w->n_results * sizeof w->results[0]);
		r = 0;
	} else {
		eventfd_read(w->fd, &count); /* nothing left: not readable any more */
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void writer_drain(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->draining = true;
	pthread_cond_broadcast(&w->changed);
	while (w->started && queue_frames(w) > 0)
		pthread_cond_wait(&w->changed, &w->lock);
	w->draining = false;
	pthread_mutex_unlock(&w->lock);
}
