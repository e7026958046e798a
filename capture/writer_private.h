/* SPDX-License-Identifier: MIT */
/* What writer.c (the queue and the thread) and writer_redate.c (dating older frames anew) share. */
#pragma once

#include <pthread.h>

#include "capture/jpeg.h"
#include "capture/outbox.h"
#include "capture/writer.h"

#define RESULTS_MAX (2 * BATCH_FRAMES_MAX)

struct writer {
	struct store *store; /* the writer's thread alone */
	struct jpeg_encoder *encoder;
	int encoder_quality;
	int64_t retry_us; /* what could not be stored is tried again after that */
	int fd;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under `lock` */
	struct outbox outbox; /* only the thread removes items or puts others in their place */
	bool ending;
	int quality;
	struct store_settings settings;
	bool settings_changed;
	int note_error; /* why the first line could not be written, and */
	int64_t retry_at_us; /* when it is tried again */
	struct writer_result results[RESULTS_MAX];
	unsigned n_results;
	struct store_facts facts;
	bool late; /* it began without an archive, which is not yet there */
	bool accounting; /* it is there, and writer_account() is waited for */
	int64_t last_outcome_us; /* in it */
	struct record first; /* from writer_account(); count 0: none */

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

/* Monotonic time of the next piece of dating, INT64_MAX: nothing to date. Under the lock. */
int64_t writer_redate_due_us(const struct writer *w);
/* Does it; under the lock, which is given up meanwhile. */
void writer_redate_piece(struct writer *w);
