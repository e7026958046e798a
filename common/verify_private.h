/* SPDX-License-Identifier: MIT */
/* What verify.c (the journal) and verify_tree.c (the files) share. */
#pragma once

#include "common/verify.h"

#define VERIFY_TABLES 16 /* segments remembered: a day of 10 frames/s lies in 10 */
#define VERIFY_RANGES_MAX 100000

struct range {
	uint64_t first, last;
};

/* What each sequence number of a segment is, see table_entry(). */
struct table {
	uint64_t number;
	uint64_t used; /* when it was used last, in calls; 0: never */
	bool sorted;
	off_t ordered; /* up to there it should be */
	uint64_t first, last; /* sequence numbers that it has entries for; 0: none */
	uint32_t entries[SEGMENT_LINES];
};

struct verify {
	struct archive *archive;
	struct journal *journal;
	const struct verify_options *options;
	struct verify_totals totals;
	bool writer_is_live;
	uint64_t last; /* the journal's last number at the start */
	uint64_t expected; /* the number after the last line, 0: none yet */
	struct range *pruned;
	size_t n_pruned;
	uint64_t pruned_until; /* lines before this number were looked at for it */
	struct table *tables[VERIFY_TABLES];
	uint64_t calls;
};

void verify_free(struct verify *verify);
DEFINE_CLEANUP(struct verify, verify_free)

/* 0 no line, 1 a line that is no frame, else what tells the frame's name from others of its number. */
static inline uint32_t table_entry(const struct record *record)
{
	if (record->type != RECORD_FRAME)
		return 1;
	return (uint32_t)(record_name(record).slot_us / US_PER_SEC) | UINT32_C(0x80000000);
}

int verify_report(struct verify *verify, struct verify_finding finding);

/* An empty table for that segment, in place of the one that was not used for longest. NULL: -ENOMEM. */
struct table *verify_new_table(struct verify *verify, uint64_t number);

/* Fills the table; with `check` each line and its file are checked as well. */
int verify_scan_segment(struct verify *verify, struct table *table, bool check);

/* Goes through all files. */
int verify_tree(struct verify *verify);
