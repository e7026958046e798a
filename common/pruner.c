/* SPDX-License-Identifier: MIT */
/* Gathers the facts, asks retention.h what has to go, and removes it a few frames at a time. */
#include "common/pruner_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "common/archive_private.h"

#define FORCE_STEPS 64 /* removals, and counting, that an emergency may take */

int pruner_new(struct archive *archive, const struct retention_settings *settings,
	const struct clock *clock, struct pruner **ret)
{
	CLEANUP(pruner_freep) struct pruner *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->archive = archive;
	p->settings = *settings;
	p->clock = clock;
	p->copy = archive->copy;
	p->statvfs = fstatvfs;
	p->saved_ns = clock_mono_ns(clock);
	r = pruner_state_read(archive, &p->state);
	if (r < 0)
		return r;
	p->saved = p->state;
	r = p->copy ? pruner_state_take(p) : 0;
	if (r == 0)
		r = pruner_count(p, p->copy ? UINT_MAX : COUNT_LINES);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

int pruner_refresh(struct pruner *p, struct archive *archive)
{
	int r;

	journal_cursor_free(p->cursor);
	p->cursor = NULL;
	p->archive = archive;
	p->counted = false;
	r = pruner_count(p, UINT_MAX);
	return r < 0 ? r : 0;
}

void pruner_free(struct pruner *p)
{
	if (!p)
		return;
	pruner_state_save(p, true);
	journal_cursor_free(p->cursor);
	free(p);
}

void pruner_set(struct pruner *p, const struct retention_settings *settings)
{
	p->settings = *settings;
	p->going = false;
}

/* ---- facts ---- */

static int64_t times(uint64_t count, uint64_t size)
{
	return size > 0 && count > INT64_MAX / size ? INT64_MAX : (int64_t)(count * size);
}

static int gather(const struct pruner *p, int64_t incoming, struct retention_facts *ret)
{
	struct statvfs st;

	if (p->statvfs(p->archive->root_fd, &st) < 0)
		return -errno;
	*ret = (struct retention_facts){
		.disk_bytes = times(st.f_blocks, st.f_frsize),
		.free_bytes = times(st.f_bavail, st.f_frsize),
		.disk_inodes = times(st.f_files, 1),
		.free_inodes = times(st.f_favail, 1),
		.stored_bytes = p->state.bytes,
		.stored_frames = p->state.frames,
		.incoming_bytes = incoming,
		.now_us = clock_synced(p->clock) ? clock_wall_us(p->clock) : TIME_NONE,
		.going = p->going,
	};
	return 0;
}

/* ---- removing ---- */

/* Of the first `n` frames some files were not there: a person has deleted them. */
static void forget_missing(struct pruner *p, size_t n, const struct archive_pruned *pruned)
{
	int64_t bytes = -pruned->bytes, frames = -(int64_t)pruned->count;

	for (size_t i = 0; i < n; i++) {
		/*
		 * What retention has removed is subtracted already; and where the clock was not
		 * set the frame was most likely dated anew, and counts under its new number.
		 */
		if (p->window[i].seq <= p->state.gone || (!p->copy && !p->window[i].synced))
			continue;
		bytes += p->window[i].bytes;
		frames++;
	}
	if (bytes > 0)
		p->state.bytes -= bytes < p->state.bytes ? bytes : p->state.bytes;
	if (frames > 0)
		p->state.frames -= frames < p->state.frames ? frames : p->state.frames;
}

/* Takes the first `n` frames of the window away. Files that are gone already are no error. */
static int remove_frames(
	struct pruner *p, size_t n, enum retention_why why, struct archive_pruned *ret)
{
	int r;

	*ret = (struct archive_pruned){ 0 };
	r = archive_prune(
		p->archive, p->window[0].seq, p->window[n - 1].seq, retention_why_name(why), ret);
	if (r < 0 && r != -ENOENT)
		return r;
	/* the camera's prune lines are counted as they come by */
	if (p->copy) {
		p->state.bytes -= ret->bytes < p->state.bytes ? ret->bytes : p->state.bytes;
		p->state.frames -= (int64_t)ret->count < p->state.frames ? (int64_t)ret->count
									 : p->state.frames;
	}
	forget_missing(p, n, ret);
	return 0;
}

/* One step towards the goal: PRUNE_PER_FRAME frames at most. 1: some went, 0: none has to. */
static int step(struct pruner *p, struct retention_goal *goal, struct pruner_removed *ret)
{
	size_t n = p->n_window < PRUNE_PER_FRAME ? p->n_window : PRUNE_PER_FRAME;
	struct archive_pruned pruned;
	int r;

	n = retention_choose(goal, p->window, n);
	if (n == 0)
		return 0;
	r = remove_frames(p, n, goal->why, &pruned);
	if (r < 0)
		return r;
	pruner_pass(p, n);
	ret->frames += pruned.count;
	ret->bytes += pruned.bytes;
	ret->why = goal->why;
	goal->bytes -= pruned.bytes;
	goal->frames -= (int64_t)pruned.count;
	return 1;
}

/* Whether anything may have to go: looking at the journal is worth it. */
static bool is_wanted(const struct retention_goal *goal)
{
	return goal->why != RETENTION_NONE;
}

int pruner_make_room(struct pruner *p, int64_t bytes, struct pruner_removed *ret)
{
	struct retention_facts facts;
	struct retention_goal goal;
	int r;

	*ret = (struct pruner_removed){ .why = RETENTION_NONE };
	r = pruner_count(p, COUNT_LINES);
	if (r >= 0 && !p->counted)
		return 0;
	if (r >= 0)
		r = gather(p, bytes, &facts);
	if (r < 0)
		return r;
	goal = retention_goal(&p->settings, &facts);
	if (!is_wanted(&goal))
		return 0;
	r = pruner_look(p);
	if (r >= 0)
		r = step(p, &goal, ret);
	p->going = r > 0 && (goal.bytes > 0 || goal.frames > 0);
	if (r >= 0)
		r = pruner_state_save(p, false);
	return r < 0 ? r : 0;
}

int pruner_force(struct pruner *p, int64_t bytes, struct pruner_removed *ret)
{
	struct retention_facts facts;
	struct retention_goal goal;
	int r;

	*ret = (struct pruner_removed){ .why = RETENTION_NONE };
	r = gather(p, bytes, &facts);
	for (int i = 0; r >= 0 && i < FORCE_STEPS && !p->counted; i++)
		r = pruner_count(p, COUNT_LINES);
	if (r < 0)
		return r;
	goal = retention_emergency(&p->settings, &facts);
	for (int i = 0; r >= 0 && i < FORCE_STEPS && is_wanted(&goal); i++) {
		if (goal.bytes <= 0 && goal.frames <= 0)
			return 0;
		r = pruner_look(p);
		if (r >= 0)
			r = step(p, &goal, ret);
		if (r == 0)
			break;
	}
	if (r < 0)
		return r;
	return ret->frames > 0 ? 0 : -ENOSPC;
}

void pruner_stored(struct pruner *p, const struct record *frame)
{
	if (!p->copy)
		return;
	p->state.bytes += frame->bytes;
	p->state.frames++;
	if (frame->seq >= p->state.next)
		p->state.next = frame->seq + 1;
	if (frame->seq < p->state.first) {
		p->state.first = frame->seq;
		p->window_valid = false;
		p->n_window = 0;
	} else if (p->n_window > 0 && frame->seq <= p->window[p->n_window - 1].seq) {
		p->window_valid = false;
		p->n_window = 0;
	}
}

struct pruner_totals pruner_totals(const struct pruner *p)
{
	return (struct pruner_totals){
		.counted = p->counted,
		.bytes = p->state.bytes,
		.frames = p->state.frames,
		.first = p->state.first,
		.gone = p->state.gone,
	};
}

int pruner_gone(struct archive *archive, uint64_t *ret_seq)
{
	struct pruner_state state;
	int r = pruner_state_read(archive, &state);

	if (r < 0)
		return r;
	*ret_seq = state.gone;
	return 0;
}
