/* SPDX-License-Identifier: MIT */
/* What the pruner's tests see of it. */
#pragma once

#include <sys/statvfs.h>

#include "common/upkeep/pruner.h"

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
	int (*statvfs)(int fd, struct statvfs *st); /* fstatvfs(3) */
	struct pruner_state state, saved;
	struct journal_cursor *cursor; /* where counting has come to */
	bool counted; /* it came to the journal's end once */

	/* The oldest frames: those of PRUNE_LINES_MAX numbers from `state.first` on, in order. */
	struct retention_frame window[PRUNE_LINES_MAX];
	size_t n_window;
};

/* Counts what was appended since, `lines` at most. 1: to the end, 0: there is more. */
int pruner_count(struct pruner *pruner, unsigned lines);
