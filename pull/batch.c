/* SPDX-License-Identifier: MIT */
/*
 * Frames of a sync that are here in full and not visible yet. They are stored together while they come
 * quicker than the disk can make each of them durable, those that it has already if more is coming; over
 * a slow link each is stored as it comes.
 */
#include "pull/sync_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/cli.h"
#include "common/clock.h"
#include "pull/wait.h"

#define BATCH_US (US_PER_SEC / 4) /* the oldest of them waits so long at most */

/* Where there is no thread or no descriptor the commit waits for the disk. */
static uint64_t flush_ahead(struct sync *sync, const struct partial *partial)
{
	int fd;

	if (!sync->flusher && flusher_new(&sync->flusher) < 0)
		return 0;
	return partial_open(partial, &fd) < 0 ? 0 : flusher_add(sync->flusher, fd);
}

int batch_add(struct sync *sync, const struct ask *frame, const struct record *record,
	struct partial *partial)
{
	int r = partial_check(partial);

	if (r < 0)
		return r;
	assert(sync->n_ready < SYNC_READY_MAX);
	if (sync->n_ready == 0) {
		sync->ready_bytes = 0;
		sync->ready_ns = deadline_in(BATCH_US);
	}
	sync->ready[sync->n_ready++] = (struct ready){ .record = *record,
		.partial = partial,
		.resumed = frame->offset > 0,
		.flush = flush_ahead(sync, partial) };
	sync->ready_bytes += record->bytes;
	return 0;
}

static int stored(struct sync *sync, const struct ready *ready, int r)
{
	if (r == 0) {
		room_stored(&sync->room, &ready->record);
		r = held_note(&sync->held, &ready->record);
	}
	if (r == 0) {
		sync->result->frames++;
		sync->result->resumed += ready->resumed;
		return CLI_OK;
	}
	if (r != -EEXIST)
		return sync_archive_failed(sync, r);
	sync_fail(sync, CLI_PROTOCOL,
		"frame %llu: another file of that name is here already; `pullpi verify --repair "
		"%s` moves it aside",
		(unsigned long long)ready->record.seq, sync->options->camera->name);
	return sync_skip(sync, ready->record.seq);
}

/* What a fetch has brought in the meantime, which took away what was here of it, is left out. */
static unsigned leave_out_settled(struct sync *sync, struct ready *list, unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++) {
		struct ready ready = list[i];

		if (!ranges_has(&sync->held.settled, ready.record.seq)) {
			list[left++] = ready;
			continue;
		}
		partial_remove_kept(sync->archive, &ready.record);
		partial_keep(ready.partial);
	}
	return left;
}

/* Takes the oldest out of the list. */
static unsigned take_oldest(struct sync *sync, unsigned most, struct ready *ret)
{
	unsigned n = most < BATCH_FRAMES_MAX ? most : BATCH_FRAMES_MAX;

	memcpy(ret, sync->ready, n * sizeof *ret);
	for (unsigned i = 0; i < n; i++)
		sync->ready_bytes -= ret[i].record.bytes;
	sync->n_ready -= n;
	memmove(sync->ready, sync->ready + n, sync->n_ready * sizeof *ret);
	sync->ready_ns = deadline_in(BATCH_US);
	return n;
}

/* Stores the `most` oldest of them, or a batch of these. */
static int commit(struct sync *sync, unsigned most)
{
	struct partial *partials[BATCH_FRAMES_MAX];
	struct ready list[BATCH_FRAMES_MAX];
	int errors[BATCH_FRAMES_MAX], code, r;
	unsigned n = take_oldest(sync, most, list);

	code = sync_take(sync);
	if (code == CLI_OK)
		n = leave_out_settled(sync, list, n);
	for (unsigned i = 0; i < n; i++)
		partials[i] = list[i].partial;
	if (code == CLI_OK)
		archive_commit(sync->archive, partials, n, errors);
	for (unsigned i = 0, ok = code == CLI_OK; i < n; i++) {
		r = ok ? stored(sync, &list[i], errors[i]) : CLI_OK;
		if (code == CLI_OK)
			code = r;
		partial_keep(partials[i]); /* after a commit there is nothing left to keep */
	}
	sync_release(sync);
	return code;
}

int batch_commit(struct sync *sync)
{
	int code = CLI_OK, r;

	while (sync->n_ready > 0) {
		r = commit(sync, sync->n_ready);
		if (code == CLI_OK)
			code = r;
	}
	return code;
}

/* How many of them, from the oldest on, the disk has already. */
static unsigned count_flushed(struct sync *sync)
{
	uint64_t done = sync->flusher ? flusher_done(sync->flusher) : 0;
	unsigned n = 0;

	while (n < sync->n_ready && sync->ready[n].flush <= done)
		n++;
	return n;
}

int batch_due(struct sync *sync)
{
	unsigned n = sync->n_ready, flushed;

	if (n == 0)
		return CLI_OK;
	flushed = count_flushed(sync);
	if (n == SYNC_READY_MAX || sync->ready_bytes >= SYNC_READY_BYTES)
		return commit(sync, flushed > 0 ? flushed : n);
	if (sync->n_asks == 0 || client_wait(sync->client, sync->ready_ns) <= 0)
		return batch_commit(sync);
	if (flushed > 0 && deadline_left_us(sync->ready_ns) == 0)
		return commit(sync, flushed);
	return CLI_OK;
}
