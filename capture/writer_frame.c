/* SPDX-License-Identifier: MIT */
/* One frame on its way: encoded, stored behind the notes that were queued before it, told. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "capture/exif.h"
#include "capture/writer_private.h"

static struct record miss_of(const struct record *frame, int error)
{
	struct record miss = record_new(RECORD_MISS);

	miss.slot_us = miss.last_us = frame->slot_us;
	miss.cause = MISS_DISK;
	snprintf(miss.text, sizeof miss.text, "%s", store_error_text(error));
	return miss;
}

static void add_result(struct writer *w, const struct record *record, int error)
{
	if (w->n_results < RESULTS_MAX)
		w->results[w->n_results++] = (struct writer_result){
			.record = *record,
			.error = error,
			.encode_us = w->encode_us,
			.store_us = w->store_us,
		};
	eventfd_write(w->fd, 1);
}

/* Told by the store: of the frame in hand, or of one that waited in a batch. */
void writer_outcome(void *data, const struct record *record, int error)
{
	struct writer *w = data;
	struct record miss = miss_of(record, error);
	bool in_hand;

	pthread_mutex_lock(&w->lock);
	in_hand = w->busy && w->items[w->at].camera &&
		w->items[w->at].record.slot_us == record->slot_us;
	if (error == 0 && !record->synced && !w->unsynced_from)
		w->unsynced_from = record->seq;
	if (error < 0 && in_hand) {
		w->failed = true;
		w->busy = false;
		if (record->shot)
			queue_remove(w, w->at);
		else
			queue_fail(w, w->at, &miss);
	} else if (error < 0 && !record->shot) {
		if (w->busy)
			queue_note(w, w->at, &miss, true);
		else
			w->early += queue_note(w, w->early, &miss, true);
	}
	add_result(w, record, error);
	pthread_mutex_unlock(&w->lock);
}

static int encode(struct writer *w, int quality, const struct item *item, const uint8_t **ret_jpeg,
	size_t *ret_bytes)
{
	const struct camera_info *info = item->camera->ops->info(item->camera);
	struct exif_facts facts = {
		.time_us = exif_time_us(item->record.slot_us, item->record.exposed_us),
		.exposure_us = item->frame.exposure_us,
		.gain = item->frame.gain,
		.make = "capturepi",
		.model = info->model,
		.software = "capturepi " CAPTUREPI_VERSION,
		.width = item->frame.width,
		.height = item->frame.height,
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
	return jpeg_encode(w->encoder, &item->frame, exif, exif_bytes, ret_jpeg, ret_bytes);
}

bool writer_is_hopeless(int error)
{
	return error == -EINVAL || error == -ERANGE || error == -E2BIG;
}

/* Stores the notes before the frame in hand: 0, or why they cannot be. */
static int put_notes_before(struct writer *w)
{
	int r = 0;

	pthread_mutex_lock(&w->lock);
	while (r == 0 && w->at > 0) {
		struct record note = w->items[0].record;
		bool early = w->items[0].early;

		pthread_mutex_unlock(&w->lock);
		r = store_note(w->store, &note, early);
		pthread_mutex_lock(&w->lock);
		if (r == 0 || writer_is_hopeless(r))
			queue_remove(w, 0);
		if (writer_is_hopeless(r))
			r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* The frame in hand is in the batch already: the notes that were queued before it come before it. */
static void mark_early(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->at; i++)
		w->items[i].early = true;
	pthread_mutex_unlock(&w->lock);
}

/*
 * Frames of a batch before it may fail only now: their misses come first. And notes that are held come
 * before it as soon as it is known that there is room.
 */
static void put_frame(struct writer *w, struct item *item, const uint8_t *jpeg, size_t bytes)
{
	bool ahead = w->at > 0;
	int r;

	while ((r = store_frame(w->store, &item->record, jpeg, bytes, ahead)) == -EAGAIN) {
		r = put_notes_before(w);
		if (r < 0) {
			writer_outcome(w, &item->record, r);
			return;
		}
	}
	if (r > 0) {
		mark_early(w);
		if (put_notes_before(w) == 0)
			store_commit(w->store);
	}
}

void writer_store_item(struct writer *w, int quality, struct item *item, int error)
{
	int64_t t0 = writer_now_us(), t1;
	const uint8_t *jpeg = NULL;
	size_t bytes = 0;

	if (error == 0)
		error = encode(w, quality, item, &jpeg, &bytes);
	t1 = writer_now_us();
	item->camera->ops->release(item->camera, &item->frame);
	w->encode_us = t1 - t0;
	if (error < 0)
		writer_outcome(w, &item->record, error);
	else
		put_frame(w, item, jpeg, bytes);
	w->store_us = writer_now_us() - t1;
}
