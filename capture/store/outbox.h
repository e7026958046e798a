/* SPDX-License-Identifier: MIT */
/*
 * The outbox: what is to be stored, in the order that the journal will have it. Frames, misses and
 * clock lines come in at the end; whatever fails on its way becomes a miss in its place. This is
 * the one place where misses are merged. It knows no lock and no disk: the writer has both.
 *
 * A frame is OUTBOX_FRAME while it holds a buffer of the camera, and OUTBOX_STAGED once it is
 * encoded and lies on the disk under a hidden name. An item leaves when its line is in the journal.
 *
 * The outbox is bounded. Frames that find no room are refused. Notes never are: in a full outbox
 * the nearest misses are merged whatever their causes, and a clock line that finds no room is
 * dropped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/camera/camera.h"
#include "common/journal/record.h"

#define OUTBOX_NOTES_MAX 64
#define OUTBOX_FRAMES_MAX (WRITER_QUEUE + 1) /* one is in hand, or the thread has not woken yet */
#define OUTBOX_ITEMS_MAX (OUTBOX_NOTES_MAX + OUTBOX_FRAMES_MAX + BATCH_FRAMES_MAX)

enum outbox_kind { OUTBOX_NOTE, OUTBOX_FRAME, OUTBOX_STAGED };

struct outbox_item {
	enum outbox_kind kind;
	/* a note as it will stand in the journal; a frame without its number */
	struct record record;
	int64_t since_us; /* monotonic: it is of this kind since then */
	bool in_hand; /* a note on its way to the disk: no miss is merged into it */
	struct camera *camera; /* of OUTBOX_FRAME, with its buffer */
	struct frame frame;
	int64_t encode_us, store_us; /* what a staged frame took */
};

struct outbox {
	struct outbox_item items[OUTBOX_ITEMS_MAX];
	unsigned n;
};

/* Appends a line that is no frame. A miss next to one of the same cause becomes a range with it. */
void outbox_note(struct outbox *outbox, const struct record *note, int64_t now_us);
/* Appends a frame. -EBUSY: there is no room. */
int outbox_add_frame(struct outbox *outbox, struct camera *camera, const struct frame *frame,
	const struct record *record, int64_t now_us);

/* The frame at `i` is encoded and staged. */
void outbox_stage(struct outbox *outbox, unsigned i, int64_t now_us);
/* Item `i` is stored, or given up. */
void outbox_remove(struct outbox *outbox, unsigned i);
/*
 * The frame at `i` is lost: a miss with that cause and text takes its place. Of a shot nothing is
 * left.
 */
void outbox_fail(
	struct outbox *outbox, unsigned i, enum miss_cause cause, const char *text, int64_t now_us);

unsigned outbox_count(const struct outbox *outbox, enum outbox_kind kind);
/* The first item of a kind; outbox->n: there is none. */
unsigned outbox_find(const struct outbox *outbox, enum outbox_kind kind);

/*
 * When the first item is to go to the disk: INT64_MAX while it is a frame that is not staged. A
 * miss that is the last thing to tell waits for others to join it, while frames after it are tried;
 * so an outage is one line. With `batch` staged frames wait to share their syncs.
 */
int64_t outbox_due_us(const struct outbox *outbox, bool batch);
/* How many staged frames stand first. */
unsigned outbox_first_staged(const struct outbox *outbox);
