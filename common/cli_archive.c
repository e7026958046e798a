/* SPDX-License-Identifier: MIT */
/*
 * `list` and `verify`. A puller's journal holds lines in the order of their arrival, so `list` goes
 * through the sequence numbers in windows, each small enough to be sorted in memory.
 */
#include "common/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/archive.h"

#define WINDOW_LINES 10000 /* divides SEGMENT_LINES: a window lies within one segment */
#define SHOWN_DEFAULT 20
#define SHOWN_MAX 10000 /* the last so many are kept in memory */

_Static_assert(SEGMENT_LINES % WINDOW_LINES == 0, "a window must not cross segments");

const struct cli_option cli_list_options[] = {
	{ "json", 0, NULL, "the journal's own lines" },
	{ "count", 'n', "COUNT", "the newest COUNT lines (20), or from SEQ on" },
	{ "from", 0, "SEQ", "from that sequence number on" },
	{ "gaps", 0, NULL, "only what is missing: slots without a frame" },
	{ .name = NULL },
};

struct entry {
	uint64_t seq;
	char *line;
};

/* One window of the journal, sorted by sequence number. */
struct window {
	struct entry entries[WINDOW_LINES];
	size_t n;
	uint64_t next; /* where the next window starts, 0: the end */
};

struct list {
	struct archive *archive;
	bool json, gaps;
	uint64_t limit;
	uint64_t count; /* lines that were put out so far */
	uint64_t previous; /* the sequence number before, for holes; 0: none yet */
	char **ring; /* the last `limit` lines are kept here; NULL: printed at once */
};
