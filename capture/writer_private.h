/* SPDX-License-Identifier: MIT */
/* What writer.c (the queue and the thread) and writer_redate.c (dating older frames anew) share. */
#pragma once

#include <pthread.h>

#include "capture/jpeg.h"
#include "capture/writer.h"

#define NOTES_MAX 64
#define ITEMS_MAX (NOTES_MAX + WRITER_QUEUE + 1)
#define RESULTS_MAX (2 * BATCH_FRAMES_MAX)

/* What is to be stored, in the order that the journal will have. */
struct item {
	struct record record;
	struct camera *camera; /* NULL: a note, `record` is what it says */
	struct frame frame;
	bool early; /* the miss of a frame that was in a batch: before what still waits in it */
};

struct writer {
	struct store *store; /* the writer's thread alone */
	struct jpeg_encoder *encoder;
	int encoder_quality;
	bool late; /* it began without an archive */
	int64_t retry_us; /* what could not be stored is tried again after that */
	int fd;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under `lock` */
	bool ending;
	int quality;
	struct store_settings settings;
	bool settings_changed;
	struct item items[ITEMS_MAX];
	unsigned n_items;
	bool busy; /* items[at] is in hand */
	unsigned at;
	unsigned early; /* misses that were put before all others since something was in hand */
	bool failed; /* it could not be stored: its item says so already */
	int64_t stuck_until_us; /* the first item is not tried before that; 0: it is no stuck note */
	int64_t held_until_us; /* misses of a disk that takes no frames wait to become one line; 0: none waits */
	int64_t encode_us, store_us; /* what the last frame took */
	struct writer_result results[RESULTS_MAX];
	unsigned n_results;
	struct store_facts facts;
	struct writer_opened
		opened; /* of the first opening, where there was no archive at the start */
	bool opened_told, accounting; /* to be taken; waiting for writer_account() */
	bool draining; /* somebody waits for the frames to be done */

	/* dating anew */
	bool redate_wanted;
	char boot[UUID_CHARS + 1];
	int64_t zero_us;
	uint64_t unsynced_from; /* the first frame stored since with a clock that was not known */
	int64_t frame_us; /* when the last frame was submitted */
	bool redate_paused; /* a piece was done since */
	int64_t redate_at_us; /* not before: it failed */
	struct redate *redate; /* the writer's thread alone */
	uint64_t redate_generation; /* of the store's archive that it works on */
	struct writer_redated redated;
	bool redated_told, redate_error_told;
};

static inline int64_t writer_now_us(void)
{
	return clock_mono_ns(&clock_real) / NS_PER_US;
}

/* The queue, under the lock. A note at place `i`, or merged with another (false). */
bool queue_note(struct writer *w, unsigned i, const struct record *note, bool early);
void queue_insert(struct writer *w, unsigned i, const struct item *item);
void queue_remove(struct writer *w, unsigned i);
/* The frame at place `i` will not be stored: `miss` takes its place. */
void queue_fail(struct writer *w, unsigned i, const struct record *miss);
unsigned queue_frames(const struct writer *w);

/* The store's outcome(); without the lock. */
void writer_outcome(void *data, const struct record *record, int error);
/* Encodes and stores the frame in hand; without the lock. `error`: it is not even tried. */
void writer_store_item(struct writer *w, int quality, struct item *item, int error);
/* A line that can never be written would hold up all that is behind it. */
bool writer_is_hopeless(int error);

/* Monotonic time of the next piece of dating, INT64_MAX: nothing to date. Under the lock. */
int64_t writer_redate_due_us(const struct writer *w);
/* Does it; under the lock, which is given up meanwhile. */
void writer_redate_piece(struct writer *w);
