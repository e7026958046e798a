/* SPDX-License-Identifier: MIT */
/* The storing thread: takes frames from a bounded queue, encodes, publishes, reports. */
#include "capture/writer.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "capture/exif.h"
#include "capture/jpeg.h"

#define NOTES_MAX 64
#define RESULTS_MAX 64
#define NOTE_RETRY_S 1
#define REDATE_RETRY_US (60 * US_PER_SEC)
#define REDATE_BUSY_US US_PER_SEC
#define REDATE_QUIET_US (US_PER_SEC / 2) /* without a frame; else one piece of work behind each */

struct job {
	struct camera *camera;
	struct frame frame;
	struct record record;
	unsigned notes_before; /* notes that were queued earlier: the journal keeps the order */
};

struct writer {
	struct archive *archive;
	struct jpeg_encoder *encoder;
	int encoder_quality;
	int fd;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under `lock` */
	bool ending;
	int quality;
	struct job
		jobs[WRITER_QUEUE + 1]; /* one of them is for the thread that has not woken yet */
	unsigned n_jobs;
	bool encoding; /* a job was taken off the queue and is not finished */
	struct record notes[NOTES_MAX];
	unsigned n_notes;
	bool frame_since_note; /* a frame was submitted after the last note */
	struct writer_result results[RESULTS_MAX];
	unsigned n_results;

	/* dating anew */
	bool redate_wanted;
	char boot[UUID_CHARS + 1];
	int64_t zero_us;
	uint64_t unsynced_from; /* the first frame stored since with a clock that was not known */
	int64_t frame_us; /* when the last frame was submitted */
	bool redate_paused; /* a piece was done since */
	int64_t redate_at_us; /* not before: it failed */
	struct redate *redate; /* the writer's thread alone */
	struct writer_redated redated;
	bool redated_told, redate_error_told;
};

static int64_t now_us(void)
{
	return clock_mono_ns(&clock_real) / NS_PER_US;
}

/* A single miss next to the last one of the same cause becomes a range with it. */
static bool miss_merge(struct record *last, const struct record *miss, bool force)
{
	if (last->type != RECORD_MISS || miss->type != RECORD_MISS)
		return false;
	if (!force && (last->cause != miss->cause || miss->slot_us < last->last_us))
		return false;
	if (miss->slot_us < last->slot_us)
		last->slot_us = miss->slot_us;
	if (miss->last_us > last->last_us)
		last->last_us = miss->last_us;
	last->count += miss->count;
	return true;
}

/*
 * Notes wait here while the disk does not take them. A full list loses no count: the oldest pair of
 * misses is merged whatever their causes; a clock line that finds no room is dropped.
 */
static void notes_add(struct writer *w, const struct record *note)
{
	/* the first may be on its way to the disk; a frame after the last would be inside the range */
	bool mergeable = w->n_notes > 1 && !w->frame_since_note;

	w->frame_since_note = false;
	if (mergeable && miss_merge(&w->notes[w->n_notes - 1], note, false))
		return;
	if (w->n_notes < NOTES_MAX)
		w->notes[w->n_notes++] = *note;
	else
		miss_merge(&w->notes[NOTES_MAX - 1], note, true);
}

/*
 * The miss of a frame that could not be stored, where the journal would have had the frame: after the
 * notes that were queued before it, before all that came later.
 */
static void notes_add_failed(struct writer *w, const struct job *job, const struct record *miss)
{
	unsigned at = job->notes_before;

	if (w->n_notes == NOTES_MAX) {
		notes_add(w, miss);
		return;
	}
	memmove(&w->notes[at + 1], &w->notes[at], (w->n_notes - at) * sizeof w->notes[0]);
	w->notes[at] = *miss;
	w->n_notes++;
	for (unsigned i = 0; i < w->n_jobs; i++)
		w->jobs[i].notes_before++;
}

static void result_add(struct writer *w, const struct writer_result *result)
{
	if (w->n_results < RESULTS_MAX)
		w->results[w->n_results++] = *result;
	eventfd_write(w->fd, 1);
}

static int encode(struct writer *w, int quality, const struct job *job, const uint8_t **ret_jpeg,
	size_t *ret_bytes)
{
	const struct camera_info *info = job->camera->ops->info(job->camera);
	struct exif_facts facts = {
		.exposed_us = job->record.exposed_us,
		.exposure_us = job->frame.exposure_us,
		.gain = job->frame.gain,
		.make = "capturepi",
		.model = info->model,
		.software = "capturepi " CAPTUREPI_VERSION,
		.width = job->frame.width,
		.height = job->frame.height,
	};
	CLEANUP_FREE uint8_t *exif = NULL;
	size_t exif_bytes = 0;
	int r;

	if (!w->encoder || w->encoder_quality != quality) {
		jpeg_encoder_free(w->encoder);
		w->encoder = NULL;
		r = jpeg_encoder_new(quality, &w->encoder);
		if (r < 0)
			return r;
		w->encoder_quality = quality;
	}
	r = exif_build(&facts, &exif, &exif_bytes);
	if (r < 0)
		return r;
	return jpeg_encode(w->encoder, &job->frame, exif, exif_bytes, ret_jpeg, ret_bytes);
}

static struct writer_result store(struct writer *w, int quality, struct job *job)
{
	struct writer_result result = { .record = job->record };
	const uint8_t *jpeg = NULL;
	size_t bytes = 0;
	int64_t t0 = now_us(), t1;

	result.error = encode(w, quality, job, &jpeg, &bytes);
	t1 = now_us();
	job->camera->ops->release(job->camera, &job->frame);
	if (result.error == 0)
		result.error = archive_publish(w->archive, &result.record, jpeg, bytes);
	result.encode_us = t1 - t0;
	result.store_us = now_us() - t1;
	return result;
}

static struct record miss_of(const struct writer_result *result)
{
	struct record miss = record_new(RECORD_MISS);

	miss.slot_us = miss.last_us = result->record.slot_us;
	miss.cause = MISS_DISK;
	snprintf(miss.text, sizeof miss.text, "%s", strerror(-result->error));
	return miss;
}

static void finish(struct writer *w, const struct job *job, const struct writer_result *result)
{
	struct record miss = miss_of(result);

	w->encoding = false;
	w->redate_paused = false;
	if (result->error == 0 && !result->record.synced && !w->unsynced_from)
		w->unsynced_from = result->record.seq;
	if (result->error < 0 && !result->record.shot)
		notes_add_failed(w, job, &miss);
	result_add(w, result);
	pthread_cond_broadcast(&w->changed);
}

/* Writes the oldest note with the lock given up meanwhile. Returns whether it was taken. */
static bool flush_note(struct writer *w)
{
	struct record note = w->notes[0];
	int r;

	pthread_mutex_unlock(&w->lock);
	r = archive_note(w->archive, &note);
	pthread_mutex_lock(&w->lock);
	if (r < 0)
		return false;
	w->n_notes--;
	memmove(&w->notes[0], &w->notes[1], w->n_notes * sizeof w->notes[0]);
	for (unsigned i = 0; i < w->n_jobs; i++)
		if (w->jobs[i].notes_before)
			w->jobs[i].notes_before--;
	return true;
}

/* Monotonic time of the next piece of dating, INT64_MAX: nothing to date. */
static int64_t redate_due_us(const struct writer *w)
{
	int64_t due_us = w->redate_paused ? w->frame_us + REDATE_QUIET_US : 0;

	if (!w->redate && !w->redate_wanted)
		return INT64_MAX;
	return due_us > w->redate_at_us ? due_us : w->redate_at_us;
}

/* Both of these give the lock up meanwhile. */
static int begin_redate(struct writer *w)
{
	char boot[sizeof w->boot];
	struct redate_options options = {
		.archive = w->archive,
		.boot = boot,
		.zero_us = w->zero_us,
		.from = w->unsynced_from,
	};
	int r;

	memcpy(boot, w->boot, sizeof boot);
	w->redate_wanted = false;
	pthread_mutex_unlock(&w->lock);
	r = redate_new(&options, &w->redate);
	pthread_mutex_lock(&w->lock);
	if (r < 0) {
		w->redate_wanted = true;
		return r;
	}
	w->unsynced_from = 0;
	w->redate_error_told = false;
	return 1;
}

static int step_redate(struct writer *w)
{
	int r;

	pthread_mutex_unlock(&w->lock);
	r = redate_step(w->redate);
	pthread_mutex_lock(&w->lock);
	return r;
}

static void tell_redated(struct writer *w, int error)
{
	w->redated.totals = redate_totals(w->redate);
	w->redated.error = error;
	w->redated_told = true;
	eventfd_write(w->fd, 1);
}

static void redate_piece(struct writer *w)
{
	int r = w->redate ? step_redate(w) : begin_redate(w);

	w->redate_paused = true;
	if (r == -EBUSY) /* frames wait to be made durable together */
		w->redate_at_us = now_us() + REDATE_BUSY_US;
	if (r > 0 || r == -EBUSY)
		return;
	if (r < 0)
		w->redate_at_us = now_us() + REDATE_RETRY_US;
	if (w->redate && !(r < 0 && w->redate_error_told))
		tell_redated(w, r);
	w->redate_error_told = r < 0;
	if (r == 0)
		redate_free(TAKE_PTR(w->redate));
}

static void wait_for_work(struct writer *w, bool notes_stuck)
{
	int64_t until_us = notes_stuck ? now_us() + NOTE_RETRY_S * US_PER_SEC : redate_due_us(w);
	struct timespec until;

	if (until_us == INT64_MAX) {
		pthread_cond_wait(&w->changed, &w->lock);
		return;
	}
	until.tv_sec = until_us / US_PER_SEC;
	until.tv_nsec = until_us % US_PER_SEC * NS_PER_US;
	pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

static void *run(void *data)
{
	struct writer *w = data;
	bool stuck = false;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (w->n_jobs && (stuck || !w->n_notes || !w->jobs[0].notes_before)) {
			struct job job = w->jobs[0];
			struct writer_result result;
			int quality = w->quality;

			w->n_jobs--;
			memmove(&w->jobs[0], &w->jobs[1], w->n_jobs * sizeof w->jobs[0]);
			w->encoding = true;
			pthread_mutex_unlock(&w->lock);
			result = store(w, quality, &job);
			pthread_mutex_lock(&w->lock);
			finish(w, &job, &result);
			stuck = false;
		} else if (w->n_notes && !stuck) {
			stuck = !flush_note(w);
		} else if (w->ending) {
			break;
		} else if (!stuck && now_us() >= redate_due_us(w)) {
			redate_piece(w);
		} else {
			wait_for_work(w, stuck);
			stuck = false;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

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

int writer_new(const struct writer_options *options, struct writer **ret)
{
	CLEANUP(writer_freep) struct writer *w = calloc(1, sizeof *w);
	pthread_condattr_t attr;
	int r;

	if (!w)
		return -ENOMEM;
	w->archive = options->archive;
	w->quality = options->quality;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	r = start(w);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	if (w->started) {
		pthread_mutex_lock(&w->lock);
		w->ending = true;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
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

int writer_submit(struct writer *w, struct camera *camera, const struct frame *frame,
	const struct record *record)
{
	int r = -EBUSY;

	pthread_mutex_lock(&w->lock);
	if (w->n_jobs + w->encoding < WRITER_QUEUE + 1) {
		w->jobs[w->n_jobs++] = (struct job){ camera, *frame, *record, w->n_notes };
		w->frame_since_note = true;
		w->frame_us = now_us();
		pthread_cond_broadcast(&w->changed);
		r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void writer_note(struct writer *w, const struct record *record)
{
	pthread_mutex_lock(&w->lock);
	notes_add(w, record);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void writer_redate(struct writer *w, const char *boot, int64_t zero_us)
{
	pthread_mutex_lock(&w->lock);
	w->redate_wanted = true;
	snprintf(w->boot, sizeof w->boot, "%s", boot);
	w->zero_us = zero_us;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

int writer_take_redated(struct writer *w, struct writer_redated *ret)
{
	int r = -EAGAIN;

	pthread_mutex_lock(&w->lock);
	if (w->redated_told) {
		*ret = w->redated;
		r = 0;
	}
	w->redated_told = false;
	pthread_mutex_unlock(&w->lock);
	return r;
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
	while (w->n_jobs || w->encoding)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}
