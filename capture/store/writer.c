/* SPDX-License-Identifier: MIT */
/*
 * The storing thread: encodes and stages frames, brings the outbox into the journal, reports.
 *
 * The thread gives up the lock for each call that may take long. Meanwhile the main thread only
 * appends to the outbox, so an item keeps its place.
 */
#include "capture/store/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "capture/picture/jpeg.h"
#include "capture/store/appraise.h"
#include "capture/store/outbox.h"
#include "capture/store/pictures.h"

#define RETRY_US US_PER_SEC
#define CORRECT_RETRY_US (60 * US_PER_SEC)
#define CORRECT_QUIET_US (US_PER_SEC / 2) /* without a frame; else one piece of work after each */
#define IDLE_US (60 * US_PER_SEC) /* without frames: what has become too old still goes */

#define WORTH_SAVE_US (INT64_C(6) * 3600 * US_PER_SEC) /* a crash costs as much of it */

#define RESULTS_MAX (2 * BATCH_FRAMES_MAX) /* of frames; the last ones are for other news */

struct writer {
	struct store *store; /* the writer's thread alone */
	struct pictures made;
	struct appraiser appraiser;
	int64_t retry_us; /* what could not be stored is tried again after that */
	writer_aimed *aimed;
	void *aimed_data;
	struct schedule_settings schedule; /* tells how many slots passed while nobody was there */
	int fd;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under `lock` */
	struct outbox outbox; /* only the thread removes items or puts others in their place */
	bool ending;
	struct writer_pictures pictures;
	struct archive_settings settings;
	bool settings_changed;
	struct camera *aim_camera; /* of a frame to aim by; NULL: there is none */
	struct frame aim_frame;
	int note_error; /* why the first line could not be written, and */
	int64_t retry_at_us; /* when it is tried again */
	struct writer_result results[RESULTS_MAX + 4];
	unsigned n_results;
	struct store_facts facts;

	/* clock correction */
	bool correcting;
	char boot[UUID_CHARS + 1];
	int64_t zero_us;
	int64_t frame_us; /* when the last frame was submitted */
	bool correction_paused; /* a piece was done since */
	int64_t correct_at_us; /* not before: it failed */
	bool correction_failed; /* and that was told */
};

static int64_t writer_now_us(void)
{
	return clock_mono_ns(&clock_real) / NS_PER_US;
}

static bool writer_batches(const struct writer *w)
{
	return w->settings.durability == DURABILITY_BATCH;
}

static void writer_add_result(struct writer *w, const struct writer_result *result)
{
	unsigned room = result->news == WRITER_FRAME ? RESULTS_MAX : ARRAY_SIZE(w->results);

	if (w->n_results < room)
		w->results[w->n_results++] = *result;
	eventfd_write(w->fd, 1);
}

static void writer_add_frame(
	struct writer *w, const struct outbox_item *item, const struct record *record, int error)
{
	struct writer_result result = {
		.news = WRITER_FRAME,
		.record = *record,
		.error = error,
		.encode_us = item->encode_us,
		.store_us = item->store_us,
	};

	writer_add_result(w, &result);
}

/* The frame at `i` is lost, and told. */
static void writer_fail_frame(struct writer *w, unsigned i, int error)
{
	const struct outbox_item *item = &w->outbox.items[i];

	writer_add_frame(w, item, &item->record, error);
	outbox_fail(
		&w->outbox, i, store_miss_cause(error), store_error_text(error), writer_now_us());
}

/* ---- a frame on its way to the disk ---- */

/*
 * Encodes and stages the frame at `i`. With `error` it is not tried: buffers are few, it cannot
 * wait.
 */
static void writer_stage_frame(struct writer *w, unsigned i, int error)
{
	struct outbox_item *item = &w->outbox.items[i];
	int64_t t0 = writer_now_us(), t1;
	const uint8_t *jpeg = NULL;
	struct writer_pictures pictures = w->pictures;
	size_t bytes = 0;

	pthread_mutex_unlock(&w->lock);
	if (error == 0)
		error = store_ready(w->store);
	if (error == 0)
		error = pictures_encode(&w->made, &pictures, item->camera, &item->frame,
			&item->record, &jpeg, &bytes);
	if (error == 0)
		appraiser_judge(&w->appraiser, store_archive(w->store), &item->frame,
			jpeg_small_frame(w->made.encoder), jpeg, bytes, &item->record);
	t1 = writer_now_us();
	item->camera->ops->release(item->camera, &item->frame);
	if (error == 0)
		error = store_stage(w->store, &item->record, jpeg, bytes);
	pthread_mutex_lock(&w->lock);
	item->encode_us = t1 - t0;
	item->store_us = writer_now_us() - t1;
	if (error < 0)
		writer_fail_frame(w, i, error);
	else
		outbox_stage(&w->outbox, i, writer_now_us());
	w->correction_paused = false;
	pthread_cond_broadcast(&w->changed);
}

/* The picture to aim by, after the frames that are for slots. */
static void writer_make_aim(struct writer *w)
{
	const struct mask_setting mask = w->pictures.mask;
	CLEANUP_FREE uint8_t *bytes = NULL;
	size_t n;
	int r;

	pthread_mutex_unlock(&w->lock);
	r = pictures_aim(&w->made, &mask, w->aim_camera, &w->aim_frame, &bytes, &n);
	w->aim_camera->ops->release(w->aim_camera, &w->aim_frame);
	if (r == 0)
		w->aimed(w->aimed_data, bytes, n);
	pthread_mutex_lock(&w->lock);
	w->aim_camera = NULL;
	pthread_cond_broadcast(&w->changed);
}

/* ---- the outbox into the journal ---- */

/* A line that can never be written would hold up all that comes after it. */
static bool writer_is_hopeless(int error)
{
	return error == -EINVAL || error == -ERANGE || error == -E2BIG;
}

/*
 * Finds the slots of a `down` miss, which has only its last one: they begin after the last outcome
 * in the archive. 1; 0 there are none; -errno the archive cannot be opened yet.
 */
static int writer_find_down(struct writer *w, struct record *down)
{
	int64_t last_us;
	int r = store_ready(w->store);

	if (r < 0)
		return r;
	last_us = store_last_outcome(store_archive(w->store));
	if (last_us == TIME_NONE)
		return 0;
	down->slot_us = schedule_next(&w->schedule, last_us + 1);
	if (down->slot_us == TIME_NONE || down->slot_us > down->last_us)
		return 0;
	down->count = schedule_count(&w->schedule, down->slot_us, down->last_us + 1);
	return 1;
}

/* Writes the line that stands first. */
static bool writer_flush_note(struct writer *w)
{
	struct outbox_item *item = &w->outbox.items[0];
	struct writer_result down = { .news = WRITER_DOWN, .record = item->record };
	bool is_down = down.record.type == RECORD_MISS && down.record.slot_us == TIME_NONE;
	int r = 1;

	item->in_hand = true;
	pthread_mutex_unlock(&w->lock);
	if (is_down)
		r = writer_find_down(w, &down.record);
	is_down &= r > 0;
	if (r > 0)
		r = store_note(w->store, &down.record);
	pthread_mutex_lock(&w->lock);
	item->in_hand = false;
	w->note_error = writer_is_hopeless(r) ? 0 : r;
	if (w->note_error < 0) {
		w->retry_at_us = writer_now_us() + w->retry_us;
		return false;
	}
	outbox_remove(&w->outbox, 0);
	if (is_down)
		writer_add_result(w, &down);
	return true;
}

/* The staged frames that stand first, up to one that fails. Those that failed stay as misses. */
static bool writer_flush_frames(struct writer *w)
{
	struct store_outcome outcomes[BATCH_FRAMES_MAX];
	unsigned n = outbox_first_staged(&w->outbox), done, failed = 0;
	int64_t t0 = writer_now_us();

	pthread_mutex_unlock(&w->lock);
	done = store_commit(w->store, n, outcomes);
	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < done; i++) {
		struct outbox_item *item = &w->outbox.items[failed];

		item->store_us += (writer_now_us() - t0) / done;
		if (outcomes[i].error == 0) {
			writer_add_frame(w, item, &outcomes[i].record, 0);
			outbox_remove(&w->outbox, failed);
			continue;
		}
		writer_fail_frame(w, failed, outcomes[i].error);
		failed = outbox_find(&w->outbox, OUTBOX_STAGED);
	}
	return true;
}

/* Whether something has left the outbox. */
static bool writer_flush(struct writer *w)
{
	int64_t now_us = writer_now_us();

	if (now_us < w->retry_at_us)
		return false;
	if (w->outbox.n == 0 || w->outbox.items[0].kind == OUTBOX_FRAME)
		return false;
	if (!w->ending && now_us < outbox_due_us(&w->outbox, writer_batches(w)))
		return false;
	return w->outbox.items[0].kind == OUTBOX_NOTE ? writer_flush_note(w)
						      : writer_flush_frames(w);
}

/* ---- clock correction, in the time that frames leave ---- */

/* Monotonic time of the next piece, INT64_MAX: there is nothing to correct. */
static int64_t writer_correct_due_us(const struct writer *w)
{
	int64_t due_us = w->correction_paused ? w->frame_us + CORRECT_QUIET_US : 0;

	if (!w->correcting)
		return INT64_MAX;
	return due_us > w->correct_at_us ? due_us : w->correct_at_us;
}

/* One piece. An error is told once, not with every try. */
static void writer_correct_piece(struct writer *w)
{
	struct writer_result result = { .news = WRITER_CORRECTED };
	char boot[sizeof w->boot];
	int64_t zero_us = w->zero_us;
	int r;

	memcpy(boot, w->boot, sizeof boot);
	pthread_mutex_unlock(&w->lock);
	result.error = r = store_correct(w->store, boot, zero_us, &result.totals);
	pthread_mutex_lock(&w->lock);
	w->correction_paused = true;
	w->correcting = r != 0;
	if (r < 0)
		w->correct_at_us = writer_now_us() + (r == -EBUSY ? w->retry_us : CORRECT_RETRY_US);
	if (r > 0 || r == -EBUSY)
		return;
	if (r == 0 || !w->correction_failed)
		writer_add_result(w, &result);
	w->correction_failed = r < 0;
}

/* ---- the thread ---- */

/*
 * Removes what has to go, between frames, or when it cannot wait any longer for that. The main
 * thread sees the facts together with the results of the work before, and again afterwards.
 */
static void writer_tidy(struct writer *w)
{
	bool idle = outbox_count(&w->outbox, OUTBOX_FRAME) == 0;

	w->facts = store_facts(w->store);
	pthread_mutex_unlock(&w->lock);
	store_tidy(w->store, idle);
	appraiser_save(&w->appraiser, store_archive(w->store), WORTH_SAVE_US);
	pthread_mutex_lock(&w->lock);
	w->facts = store_facts(w->store);
}

static void writer_take_settings(struct writer *w)
{
	struct archive_settings settings = w->settings;

	if (!w->settings_changed)
		return;
	w->settings_changed = false;
	pthread_mutex_unlock(&w->lock);
	store_set(w->store, &settings);
	pthread_mutex_lock(&w->lock);
}

static int64_t writer_least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void writer_wait(struct writer *w)
{
	int64_t now_us = writer_now_us(), until_us = now_us + IDLE_US;
	int64_t due_us = outbox_due_us(&w->outbox, writer_batches(w));
	struct timespec until;

	until_us = writer_least(until_us, due_us > w->retry_at_us ? due_us : w->retry_at_us);
	/* while lines are stuck nothing is corrected, so that is not waited for either */
	if (w->note_error == 0)
		until_us = writer_least(until_us, writer_correct_due_us(w));
	if (!w->facts.open)
		until_us = writer_least(until_us, now_us + w->retry_us);
	until.tv_sec = until_us / US_PER_SEC;
	until.tv_nsec = until_us % US_PER_SEC * NS_PER_US;
	pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

/* Looks whether an archive that is away is back. */
static void writer_look(struct writer *w)
{
	if (w->facts.open)
		return;
	pthread_mutex_unlock(&w->lock);
	store_ready(w->store);
	pthread_mutex_lock(&w->lock);
}

/* One piece of work. False: there is none now. */
static bool writer_work(struct writer *w)
{
	unsigned i;

	writer_take_settings(w);
	if (writer_flush(w))
		return true;
	i = outbox_find(&w->outbox, OUTBOX_FRAME);
	if (i < w->outbox.n) {
		writer_stage_frame(w, i, w->note_error);
		return true;
	}
	if (w->aim_camera) {
		writer_make_aim(w);
		return true;
	}
	if (w->ending || w->note_error < 0 || writer_now_us() < writer_correct_due_us(w))
		return false;
	writer_correct_piece(w);
	return true;
}

static void *writer_run(void *data)
{
	struct writer *w = data;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		bool idle = !writer_work(w);

		if (idle &&
			w->ending) /* lines that are left are lost; the next start sees the gap */
			break;
		if (idle) {
			writer_wait(w);
			writer_look(w);
		}
		writer_tidy(w);
	}
	pthread_mutex_unlock(&w->lock);
	appraiser_save(&w->appraiser, store_archive(w->store), 0);
	store_free(TAKE_PTR(w->store));
	return NULL;
}

/* ---- for the main thread ---- */

static int writer_start(struct writer *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, writer_run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->started = r == 0;
	return -r;
}

int writer_new(const struct writer_options *options, struct writer **ret)
{
	CLEANUP(archive_freep) struct archive *archive = options->store.archive;
	CLEANUP(writer_freep) struct writer *w = calloc(1, sizeof *w);
	pthread_condattr_t attr;
	int r;

	if (!w)
		return -ENOMEM;
	w->pictures = options->pictures;
	w->settings = options->store.settings;
	w->schedule = options->schedule;
	w->aimed = options->aimed;
	w->aimed_data = options->aimed_data;
	w->retry_us = options->store.retry_us ? options->store.retry_us : RETRY_US;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	archive = NULL; /* the store's, also where it fails */
	r = store_new(&options->store, &w->store);
	if (r < 0)
		return r;
	w->facts = store_facts(w->store);
	r = writer_start(w);
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
	w->retry_at_us = 0;
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
	pictures_clear(&w->made);
	appraiser_clear(&w->appraiser);
	fd_closep(&w->fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void writer_set(
	struct writer *w, const struct archive_settings *settings, struct writer_pictures pictures)
{
	pthread_mutex_lock(&w->lock);
	w->pictures = pictures;
	w->settings = *settings;
	w->settings_changed = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

int writer_submit(struct writer *w, struct camera *camera, const struct frame *frame,
	const struct record *record)
{
	int64_t now_us = writer_now_us();
	int r;

	pthread_mutex_lock(&w->lock);
	r = outbox_add_frame(&w->outbox, camera, frame, record, now_us);
	if (r == 0)
		w->frame_us = now_us;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return r;
}

int writer_aim(struct writer *w, struct camera *camera, const struct frame *frame)
{
	int r = -EBUSY;

	pthread_mutex_lock(&w->lock);
	if (!w->aim_camera && w->aimed) {
		w->aim_camera = camera;
		w->aim_frame = *frame;
		pthread_cond_broadcast(&w->changed);
		r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void writer_note(struct writer *w, const struct record *record)
{
	pthread_mutex_lock(&w->lock);
	outbox_note(&w->outbox, record, writer_now_us());
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

void writer_correct(struct writer *w, const char *boot, int64_t zero_us)
{
	pthread_mutex_lock(&w->lock);
	w->correcting = true;
	w->correction_failed = false;
	snprintf(w->boot, sizeof w->boot, "%s", boot);
	w->zero_us = zero_us;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
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
	while (w->started && (w->aim_camera || outbox_count(&w->outbox, OUTBOX_FRAME) > 0))
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}
