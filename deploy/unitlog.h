/* SPDX-License-Identifier: MIT */
/*
 * The last journal lines of a user unit: its own, and those that the manager wrote about it. A
 * plain user may read them where the journal is on disk and split by user; Raspberry Pi OS keeps it
 * in memory, and only the groups adm and systemd-journal may read that. Then there are no lines,
 * and a reason. The last words of a program that ends at once may be missing: when journald looks
 * whose they are, it is gone.
 */
#pragma once

#include <stdint.h>

#include "common/base/limits.h"

#define UNITLOG_LINES 10
#define UNITLOG_LINE_MAX 400 /* a longer one is cut */

struct unitlog {
	unsigned n_lines; /* the oldest first */
	char lines[UNITLOG_LINES][UNITLOG_LINE_MAX];
	char why_empty[TEXT_MAX * 2]; /* a sentence, and how to see them; "": there were none */
};

/* The lines since `since_us` (wall time). Waits a moment for the first: journald may be late. */
void unitlog_read(const char *unit, int64_t since_us, struct unitlog *ret);
