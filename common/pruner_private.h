/* SPDX-License-Identifier: MIT */
/* What pruner.c (removing) and pruner_state.c (counting, finding the oldest) share. */
#pragma once

#include <sys/statvfs.h>

#include "common/pruner.h"

#define RETENTION_FILE "retention" /* in journal/ */
#define COUNT_LINES 5000 /* journal lines that one call counts */

/* What journal/retention holds. */
struct pruner_state {
	uint64_t next; /* the lines with lower numbers are counted */
	uint64_t first; /* frames with lower numbers are gone */
	uint64_t gone; /* retention has removed frames up to this number */
	int64_t bytes, frames;
};

struct pruner {
	struct archive *archive;
	struct retention_settings settings;
	const struct clock *clock;
	bool copy;
	int (*statvfs)(int fd, struct statvfs *st); /* fstatvfs(3); tests have their own */

	struct pruner_state state, saved;
	int64_t saved_ns;
	struct journal_cursor *cursor; /* of the counting */
	bool counted; /* came to the journal's end once */

	/* The oldest frames: those of `window_lines` numbers from `state.first` on. */
	struct retention_frame window[PRUNE_LINES_MAX];
	size_t n_window;
	bool window_valid;

	bool going;
};

int pruner_state_read(struct archive *archive, struct pruner_state *ret);
/* Writes it if that is due, or at once with `now`. */
int pruner_state_save(struct pruner *pruner, bool now);

/* Takes the file away while a copy's pruner works. */
int pruner_state_take(struct pruner *pruner);

/* Counts what was appended since, `lines` at most. 1: to the end, 0: there is more. */
int pruner_count(struct pruner *pruner, unsigned lines);

/* Fills the window, unless it is valid. */
int pruner_look(struct pruner *pruner);
/* The first `n` frames of the window are gone. */
void pruner_pass(struct pruner *pruner, size_t n);
