/* SPDX-License-Identifier: MIT */
/* The order of what is to be stored, and how misses become ranges. */
#include "capture/store/outbox.h"

#include <errno.h>
#include <string.h>

#define MISS_HOLD_US (10 * US_PER_SEC) /* a miss waits so long for others to join it */
#define DISK_HOLD_US (60 * US_PER_SEC) /* the same while the disk takes no frames */

/*
 * Makes a range of two neighbouring misses. A disk that is away says so in more than one way, which
 * makes no other miss; `force` is for an outbox that is full.
 */
static bool miss_merge(struct record *last, const struct record *miss, bool force)
{
	if (last->type != RECORD_MISS || miss->type != RECORD_MISS || last->slot_us == TIME_NONE)
		return false;
	if (!force &&
		(last->cause != miss->cause || miss->slot_us < last->last_us ||
			(miss->cause != MISS_DISK && strcmp(last->text, miss->text) != 0)))
		return false;
	if (miss->slot_us < last->slot_us)
		last->slot_us = miss->slot_us;
	if (miss->last_us > last->last_us)
		last->last_us = miss->last_us;
	last->count += miss->count;
	return true;
}

static int64_t miss_hold_us(const struct record *miss)
{
	return miss->cause == MISS_DISK ? DISK_HOLD_US : MISS_HOLD_US;
}

/* Merges a miss into the note at `i`, unless that is on its way to the disk. */
static bool outbox_merge(struct outbox *outbox, unsigned i, const struct record *miss, bool force)
{
	struct outbox_item *item = &outbox->items[i];

	return item->kind == OUTBOX_NOTE && !item->in_hand &&
		miss_merge(&item->record, miss, force);
}

/* A full outbox loses no count. */
static void outbox_squeeze(struct outbox *outbox, const struct record *note)
{
	for (unsigned i = outbox->n; i-- > 0;)
		if (outbox_merge(outbox, i, note, true))
			return;
}

static bool outbox_takes_notes(const struct outbox *outbox)
{
	return outbox->n < OUTBOX_ITEMS_MAX && outbox_count(outbox, OUTBOX_NOTE) < OUTBOX_NOTES_MAX;
}

void outbox_note(struct outbox *outbox, const struct record *note, int64_t now_us)
{
	struct outbox_item item = { .kind = OUTBOX_NOTE, .record = *note, .since_us = now_us };

	if (outbox->n > 0 && outbox_merge(outbox, outbox->n - 1, note, false))
		return;
	if (outbox_takes_notes(outbox))
		outbox->items[outbox->n++] = item;
	else
		outbox_squeeze(outbox, note);
}

int outbox_add_frame(struct outbox *outbox, struct camera *camera, const struct frame *frame,
	const struct record *record, int64_t now_us)
{
	struct outbox_item item = {
		.kind = OUTBOX_FRAME,
		.record = *record,
		.since_us = now_us,
		.camera = camera,
		.frame = *frame,
	};

	if (outbox->n >= OUTBOX_ITEMS_MAX ||
		outbox_count(outbox, OUTBOX_FRAME) == OUTBOX_FRAMES_MAX)
		return -EBUSY;
	outbox->items[outbox->n++] = item;
	return 0;
}

void outbox_stage(struct outbox *outbox, unsigned i, int64_t now_us)
{
	outbox->items[i].kind = OUTBOX_STAGED;
	outbox->items[i].since_us = now_us;
}

void outbox_remove(struct outbox *outbox, unsigned i)
{
	outbox->n--;
	memmove(&outbox->items[i], &outbox->items[i + 1],
		(outbox->n - i) * sizeof outbox->items[0]);
}

void outbox_fail(
	struct outbox *outbox, unsigned i, enum miss_cause cause, const char *text, int64_t now_us)
{
	struct outbox_item *item = &outbox->items[i];
	struct record miss = record_new(RECORD_MISS);

	miss.slot_us = miss.last_us = item->record.slot_us;
	miss.cause = cause;
	snprintf(miss.text, sizeof miss.text, "%s", text);
	if (item->record.shot || (i > 0 && outbox_merge(outbox, i - 1, &miss, false)))
		outbox_remove(outbox, i);
	else
		*item = (struct outbox_item){
			.kind = OUTBOX_NOTE, .record = miss, .since_us = now_us
		};
}

unsigned outbox_find(const struct outbox *outbox, enum outbox_kind kind)
{
	unsigned i = 0;

	while (i < outbox->n && outbox->items[i].kind != kind)
		i++;
	return i;
}

unsigned outbox_count(const struct outbox *outbox, enum outbox_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < outbox->n; i++)
		n += outbox->items[i].kind == kind;
	return n;
}

unsigned outbox_first_staged(const struct outbox *outbox)
{
	unsigned n = 0;

	while (n < outbox->n && outbox->items[n].kind == OUTBOX_STAGED)
		n++;
	return n;
}

static int64_t outbox_note_due_us(const struct outbox *outbox, unsigned i)
{
	const struct outbox_item *item = &outbox->items[i];

	if (item->record.type != RECORD_MISS)
		return 0;
	while (++i < outbox->n)
		if (outbox->items[i].kind != OUTBOX_FRAME)
			return 0;
	return item->since_us + miss_hold_us(&item->record);
}

static int64_t outbox_staged_due_us(const struct outbox *outbox)
{
	unsigned n = outbox_first_staged(outbox);
	int64_t due_us = outbox->items[0].since_us + BATCH_SECONDS * US_PER_SEC, note_us;

	for (unsigned i = 0; i < n; i++)
		if (outbox->items[i].record.shot)
			return 0; /* somebody waits for it */
	if (n == BATCH_FRAMES_MAX)
		return 0;
	if (n == outbox->n || outbox->items[n].kind != OUTBOX_NOTE)
		return due_us;
	note_us = outbox_note_due_us(outbox, n);
	return note_us < due_us ? note_us : due_us;
}

int64_t outbox_due_us(const struct outbox *outbox, bool batch)
{
	if (outbox->n == 0 || outbox->items[0].kind == OUTBOX_FRAME)
		return INT64_MAX;
	if (outbox->items[0].kind == OUTBOX_NOTE)
		return outbox_note_due_us(outbox, 0);
	return batch ? outbox_staged_due_us(outbox) : 0;
}
