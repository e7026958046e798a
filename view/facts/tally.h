/* SPDX-License-Identifier: MIT */
/*
 * What became of the slots, added up by local day or hour: taken, missed by cause, how late; and
 * what else happened, by the numbers of its lines. Frames' lines are not parsed: a year of minutes,
 * half a million lines, takes a third of a second.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/archive/archive.h"

#define TALLY_LATE_BINS 32 /* of lateness: bin i holds up to 2^(i/2) times TALLY_LATE_US */
#define TALLY_LATE_US 64
#define TALLY_EVENTS_MAX 500

struct tally {
	int64_t since_us, until_us; /* without its end */
	int32_t taken; /* frames, also those whose files are gone */
	int32_t missed[MISS_CAUSES];
	int32_t marked[MARKS]; /* of those taken, by mark; MARK_NONE is not counted */
	uint32_t late[TALLY_LATE_BINS]; /* of the frames whose exposure is known */
	uint32_t removed; /* files, by prune lines after frames of this day; not redated ones */
	int64_t removed_bytes;
};

/* Zeroed is empty. In the order of time, only those with a slot. */
struct tallies {
	struct tally *list;
	size_t n, room;
	/*
	 * Lines of clock steps, changes of zone, times when capturepi did not run, and first frames
	 * after a boot; the last ones.
	 */
	uint64_t events[TALLY_EVENTS_MAX];
	size_t n_events;
};
void tallies_clear(struct tallies *tallies);

enum tally_unit { TALLY_HOURS, TALLY_DAYS };

/*
 * Adds up the slots of the span, both of whose ends are in it. `ret` must be empty; tallies_clear()
 * it after an error too. -ENOMEM; -errno of reading.
 */
int tally_read(struct archive *archive, int64_t since_us, int64_t until_us, enum tally_unit unit,
	struct tallies *ret);

/*
 * Those taken that are likely to be useless, all slots that were due, and the lateness that `part`
 * (0 to 1) of the frames stayed below.
 */
int32_t tally_marked(const struct tally *tally);
int64_t tally_due(const struct tally *tally);
int64_t tally_late_us(const struct tally *tally, double part);

/* The day that instant is in: its first microsecond, and that of the next day. -EINVAL. */
int tally_day(int64_t wall_us, int64_t *ret_since_us, int64_t *ret_until_us);
