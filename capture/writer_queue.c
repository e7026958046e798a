/* SPDX-License-Identifier: MIT */
/*
 * What waits to be stored, in the order that the journal will have: frames, and notes, which are
 * merged where there are many.
 */
#include <string.h>

#include "capture/writer_private.h"

/* A miss next to the last one of the same cause becomes a range with it. */
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

/* The note at that place, unless it is on its way to the disk. */
static struct record *note_at(struct writer *w, unsigned i)
{
	return i < w->n_items && !w->items[i].camera && !(w->busy && i == w->at)
		? &w->items[i].record
		: NULL;
}

void queue_remove(struct writer *w, unsigned i)
{
	w->n_items--;
	memmove(&w->items[i], &w->items[i + 1], (w->n_items - i) * sizeof w->items[0]);
	if (w->at > i)
		w->at--;
}

void queue_insert(struct writer *w, unsigned i, const struct item *item)
{
	memmove(&w->items[i + 1], &w->items[i], (w->n_items - i) * sizeof w->items[0]);
	w->items[i] = *item;
	w->n_items++;
	if (w->busy && w->at >= i)
		w->at++;
}

unsigned queue_frames(const struct writer *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_items; i++)
		n += w->items[i].camera != NULL;
	return n;
}

/*
 * A note at place `i`. Notes wait while the disk does not take them; a full list loses no count: the
 * nearest misses are merged whatever their causes, and a clock line that finds no room is dropped.
 */
bool queue_note(struct writer *w, unsigned i, const struct record *note, bool early)
{
	struct item item = { .record = *note, .early = early };
	struct record *before = i > 0 ? note_at(w, i - 1) : NULL;

	if (before && w->items[i - 1].early == early && miss_merge(before, note, false))
		return false;
	/* room for frames is kept */
	if (w->n_items - queue_frames(w) < NOTES_MAX) {
		queue_insert(w, i, &item);
		return true;
	}
	for (unsigned k = w->n_items; k-- > 0;) {
		struct record *last = note_at(w, k);

		if (last && miss_merge(last, note, true))
			break;
	}
	return false;
}

void queue_fail(struct writer *w, unsigned i, const struct record *miss)
{
	queue_remove(w, i);
	queue_note(w, i, miss, false);
}
