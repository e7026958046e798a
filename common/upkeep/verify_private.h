/* SPDX-License-Identifier: MIT */
/*
 * What verify.c (the journal), verify_chain.c (its lines among each other), verify_tree.c (the
 * files) and verify_finding.c (the words) share.
 */
#pragma once

#include "common/journal/ranges.h"
#include "common/upkeep/verify.h"

/* What the journal says of each number of a segment: see verify_entry(). */
struct verify_table {
	uint64_t number;
	uint32_t entries[SEGMENT_LINES];
};

/* A line, and the one that it says to follow. */
struct verify_link {
	bool there, unchained, has_prev, has_whole;
	uint8_t sha256[SHA256_BYTES], prev[SHA256_BYTES];
	uint8_t whole[SHA256_BYTES]; /* of a line that lost its `prev`: as it was with that */
};

struct verify {
	struct archive *archive;
	struct journal *journal;
	const struct verify_options *options;
	struct verify_totals totals;
	bool writer_is_live;
	uint64_t last; /* the highest number that is known of */
	uint64_t expected; /* the number after the last line, 0: none yet */
	struct ranges pruned;
	uint64_t pruned_until; /* the prune lines before this number are in `pruned` */
	struct verify_table **tables; /* of the segments that have frames with files */
	size_t n_tables;
	struct verify_link *links; /* of the segment that is looked at, by number, */
	uint64_t links_first, links_last; /* and where it has any; last 0: it has none */
	struct verify_link link; /* the last one of the segment before it, */
	uint64_t link_seq; /* and its number; 0: none */
};

/*
 * 0 no line, 1 a line that is no frame, else what tells the frame's name from others of its number.
 */
static inline uint32_t verify_entry(const struct record *record)
{
	if (record->type != RECORD_FRAME)
		return 1;
	return (uint32_t)(record_name(record).slot_us / US_PER_SEC) | UINT32_C(0x80000000);
}

/* Counts a finding and shows it to the caller. -ECANCELED. */
int verify_report(struct verify *verify, struct verify_finding finding);

/* Notes a line of the segment, checks them all, and checks the heads. */
int verify_note_link(
	struct verify *verify, const struct record *record, const char *line, size_t len);
int verify_chain(struct verify *verify);
int verify_heads(struct verify *verify);

/* Compares every file with the tables. */
int verify_tree(struct verify *verify);
