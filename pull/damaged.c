/* SPDX-License-Identifier: MIT */
/*
 * Frames that a sync cannot have. One that is damaged on the camera counts as settled, so that it keeps
 * nothing up; each sync asks whether it still is, which costs no byte of the picture.
 */
#include "common/cli.h"
#include "pull/gaps.h"
#include "pull/sync_private.h"

#define PROBES_MAX 100 /* damaged frames that are asked about again */

static int pass_over(struct sync *sync, uint64_t seq)
{
	int r = ranges_add(&sync->skipped, seq, seq);

	return r < 0 ? sync_archive_failed(sync, r) : CLI_OK;
}

int sync_skip(struct sync *sync, uint64_t seq)
{
	sync->result->bad++;
	return pass_over(sync, seq);
}

int sync_damaged(struct sync *sync, uint64_t seq, const char *what)
{
	struct sync_result *result = sync->result;
	int r;

	if (!ranges_has(&sync->held.damaged, seq) && result->damaged_new++ == 0)
		snprintf(result->damage, sizeof result->damage,
			"frame %llu is damaged on the camera: %s; " DAMAGED_NEXT_STEP,
			(unsigned long long)seq, what);
	r = held_note_damaged(&sync->held, seq);
	return r < 0 ? sync_archive_failed(sync, r) : pass_over(sync, seq);
}

/* The second time nothing older would ever come. */
int sync_stuck(struct sync *sync, uint64_t seq, int code)
{
	if (sync->stuck_seq != seq) {
		sync->stuck_seq = seq;
		return code;
	}
	return sync_damaged(sync, seq, "it cannot be read there") == CLI_OK ? CLI_TEMPFAIL
									    : CLI_INTERNAL;
}

int sync_ask_of_damaged(struct sync *sync)
{
	const struct ranges *damaged = &sync->held.damaged;
	uint64_t left = PROBES_MAX;
	int r = 0;

	for (size_t i = damaged->n; r == 0 && i-- > 0 && left > 0;) {
		const struct range *range = &damaged->list[i];
		uint64_t n = range->last - range->first + 1;

		n = n < left ? n : left;
		r = ranges_remove(&sync->seen, range->last - n + 1, range->last);
		left -= n;
	}
	return r;
}

int sync_want_again(struct sync *sync, struct item item)
{
	int r = held_want(&sync->held, item.seq);

	if (r < 0)
		return sync_archive_failed(sync, r);
	item.probe = false;
	sync_push_again(sync, item); /* but not twice */
	return CLI_OK;
}
