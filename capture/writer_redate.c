/* SPDX-License-Identifier: MIT */
/* The storing thread dates older frames anew in the time that newer ones leave. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "capture/writer_private.h"

#define REDATE_RETRY_US (60 * US_PER_SEC)
#define REDATE_BUSY_US US_PER_SEC
#define REDATE_QUIET_US (US_PER_SEC / 2) /* without a frame; else one piece of work behind each */

int64_t writer_redate_due_us(const struct writer *w)
{
	int64_t due_us = w->redate_paused ? w->frame_us + REDATE_QUIET_US : 0;

	if (!w->redate && !w->redate_wanted)
		return INT64_MAX;
	return due_us > w->redate_at_us ? due_us : w->redate_at_us;
}

/* The archive for a piece of dating; NULL: not now. What was begun in one that is closed is dropped. */
static struct archive *take_archive(struct writer *w)
{
	struct archive *archive = store_archive(w->store);

	if (w->redate && store_facts(w->store).generation != w->redate_generation)
		redate_free(TAKE_PTR(w->redate));
	return archive;
}

/* Without the lock: begins, or goes on. */
static int piece(struct writer *w, const struct redate_options *begin)
{
	struct redate_options options = *begin;
	int r;

	options.archive = take_archive(w);
	if (!options.archive)
		return -EBUSY;
	if (w->redate)
		return redate_step(w->redate);
	r = redate_new(&options, &w->redate);
	if (r < 0)
		return r;
	w->redate_generation = store_facts(w->store).generation;
	return 1;
}

static void tell_redated(struct writer *w, int error)
{
	w->redated.totals = redate_totals(w->redate);
	w->redated.error = error;
	w->redated_told = true;
	eventfd_write(w->fd, 1);
}

static void note_piece(struct writer *w, bool had_redate, int r)
{
	if (!w->redate)
		w->redate_wanted = true; /* it did not begin, or its archive was closed */
	if (!had_redate && w->redate) {
		w->unsynced_from = 0;
		w->redate_error_told = false;
	}
	if (r == -EBUSY)
		w->redate_at_us = writer_now_us() + REDATE_BUSY_US;
	if (r > 0 || r == -EBUSY)
		return;
	if (r < 0)
		w->redate_at_us = writer_now_us() + REDATE_RETRY_US;
	if (w->redate && !(r < 0 && w->redate_error_told))
		tell_redated(w, r);
	w->redate_error_told = r < 0;
	if (r == 0)
		redate_free(TAKE_PTR(w->redate));
}

void writer_redate_piece(struct writer *w)
{
	char boot[sizeof w->boot];
	struct redate_options options = {
		.boot = boot,
		.zero_us = w->zero_us,
		.from = w->unsynced_from,
	};
	bool had_redate = w->redate != NULL;
	int r;

	if (!had_redate)
		w->redate_wanted = false;
	memcpy(boot, w->boot, sizeof boot);
	pthread_mutex_unlock(&w->lock);
	r = piece(w, &options);
	pthread_mutex_lock(&w->lock);
	w->redate_paused = true;
	note_piece(w, had_redate, r);
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
