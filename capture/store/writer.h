/* SPDX-License-Identifier: MIT */
/*
 * The thread that turns frames into stored JPEGs, so that neither encoding nor a slow disk ever
 * delays the thread that keeps time. It is the only one that writes the archive, through a store
 * (store.h), so a disk that is full, failing or away costs frames and nothing else.
 *
 * All that is to be stored goes through one queue, outbox.h: the journal has it in the order in
 * which it was given here. Results come back by writer_take_result().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "capture/store/pictures.h"
#include "capture/store/store.h"
#include "common/archive/archive.h"
#include "common/base/util.h"
#include "common/journal/record.h"

struct writer;

/* What aim_make() made of a frame; called on the writer's thread, and must not take long. */
typedef void writer_aimed(void *data, const uint8_t *bytes, size_t n);

struct writer_options {
	struct store_options store; /* its archive is taken over, also on failure */
	struct schedule_settings schedule; /* of the slots while nobody was there: writer_note() */
	struct writer_pictures pictures;
	writer_aimed *aimed; /* NULL: nobody aims */
	void *aimed_data;
};

enum writer_news {
	WRITER_FRAME, /* what became of a frame */
	WRITER_DOWN, /* a `down` miss was journalled */
	WRITER_CORRECTED, /* how a clock correction went */
};

struct writer_result {
	enum writer_news news;
	/* of a frame: 0 stored, else -errno, and the writer has noted the miss itself
	   (store_miss_cause()); of a correction: 0 it is done, else it waits a minute and goes on
	   (told once) */
	int error;
	/* of a frame or `down` miss, as journalled, or as submitted where it failed */
	struct record record;
	int64_t encode_us, store_us; /* of a frame */

	struct correction_totals totals; /* of a correction */
};

/* Starts the thread, with all signals blocked in it. -ENOMEM, -EAGAIN. */
int writer_new(const struct writer_options *options, struct writer **ret);

/* Stores what is in the queue, then ends the thread; results can still be taken. */
void writer_stop(struct writer *writer);
/* That as well. */
void writer_free(struct writer *writer);
DEFINE_CLEANUP(struct writer, writer_free)

/* Other settings; `pictures` holds for the frames that are encoded from now on. */
void writer_set(struct writer *writer, const struct archive_settings *settings,
	struct writer_pictures pictures);

/*
 * Queues a frame. On success the writer releases it as soon as it is encoded; on failure it stays
 * the caller's. `record` has all but seq, bytes and sha256. -EBUSY the queue is full.
 */
int writer_submit(struct writer *writer, struct camera *camera, const struct frame *frame,
	const struct record *record);

/*
 * Gives it a frame to aim by, which it releases once the picture of that is made, after the frames
 * that wait. On failure it stays the caller's. -EBUSY it has one, or nobody aims.
 */
int writer_aim(struct writer *writer, struct camera *camera, const struct frame *frame);

/*
 * Queues a line that is no frame. A miss whose slot_us is TIME_NONE begins after the last outcome
 * that the archive has once it is open, and is dropped where no slot lies between them: so the
 * time when nobody was there is counted even if the archive comes late.
 */
void writer_note(struct writer *writer, const struct record *record);

/* How the store is. */
struct store_facts writer_store_facts(struct writer *writer);

/*
 * The clock is known now: frames that were stored before it was get their true time
 * (clock_correct.h), in what time frames and notes leave. `zero_us` is the wall time at
 * CLOCK_BOOTTIME 0.
 */
void writer_correct(struct writer *writer, const char *boot, int64_t zero_us);

/* Readable when there is a result. */
int writer_fd(const struct writer *writer);
/* 0, or -EAGAIN. */
int writer_take_result(struct writer *writer, struct writer_result *ret);

/* Blocks until no submitted frame holds a buffer of its camera: before that is closed. */
void writer_drain(struct writer *writer);
