/* SPDX-License-Identifier: MIT */
/*
 * Frames of a sync that are here in full and not visible yet. They are stored together while they come
 * quicker than the disk can make each of them durable; over a slow link each is stored as it comes.
 */
#include "pull/sync_private.h"

#include <assert.h>
#include <errno.h>

#include "common/cli.h"
#include "common/clock.h"
#include "pull/wait.h"

#define BATCH_US (US_PER_SEC / 4) /* the oldest of them waits so long at most */

int batch_add(struct sync *sync, const struct ask *frame, const struct record *record,
	struct archive_draft *draft)
{
	int r = archive_draft_finish(draft);

	if (r < 0)
		return r;
	assert(sync->n_ready < BATCH_FRAMES_MAX);
	if (sync->n_ready == 0) {
		sync->ready_bytes = 0;
		sync->ready_ns = deadline_in(BATCH_US);
	}
	sync->ready[sync->n_ready++] =
		(struct ready){ .record = *record, .draft = draft, .resumed = frame->offset > 0 };
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
	sync_fail(sync, CLI_PROTOCOL, "frame %llu: another file of that name is here already",
		(unsigned long long)ready->record.seq);
	return sync_skip(sync, ready->record.seq);
}

/* What a fetch has brought in the meantime, which took away what was here of it, is left out. */
static unsigned leave_out_settled(struct sync *sync, unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++) {
		struct ready ready = sync->ready[i];

		if (!ranges_has(&sync->held.settled, ready.record.seq)) {
			sync->ready[left++] = ready;
			continue;
		}
		archive_rest_remove(sync->archive, &ready.record);
		archive_draft_keep(ready.draft);
	}
	return left;
}

int batch_commit(struct sync *sync)
{
	struct archive_draft *drafts[BATCH_FRAMES_MAX];
	int errors[BATCH_FRAMES_MAX], code, r;
	unsigned n = sync->n_ready;

	if (n == 0)
		return CLI_OK;
	sync->n_ready = 0;
	code = sync_take(sync);
	if (code == CLI_OK)
		n = leave_out_settled(sync, n);
	for (unsigned i = 0; i < n; i++)
		drafts[i] = sync->ready[i].draft;
	if (code == CLI_OK)
		archive_drafts_commit(drafts, n, errors);
	for (unsigned i = 0, ok = code == CLI_OK; i < n; i++) {
		r = ok ? stored(sync, &sync->ready[i], errors[i]) : CLI_OK;
		if (code == CLI_OK)
			code = r;
		archive_draft_keep(drafts[i]); /* after a commit there is nothing left to keep */
	}
	sync_release(sync);
	return code;
}

int batch_due(struct sync *sync)
{
	bool room = sync->n_ready < BATCH_FRAMES_MAX && sync->ready_bytes < SYNC_BATCH_BYTES;

	if (sync->n_ready == 0)
		return CLI_OK;
	if (room && sync->n_asks > 0 && client_wait(sync->client, sync->ready_ns) > 0 &&
		deadline_left_us(sync->ready_ns) > 0)
		return CLI_OK;
	return batch_commit(sync);
}
