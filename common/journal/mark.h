/* SPDX-License-Identifier: MIT */
/*
 * What the marks of a camera's pictures say together. One marked picture may be a bird;
 * MARK_EVENT_FRAMES of one mark in a row are an event that somebody should be told of. It ends with
 * the first picture that was measured and has no mark, or another one. Misses and frames that were
 * not measured neither begin nor end it.
 *
 *	struct mark_run run = { 0 };
 *
 *	mark_run_add(&run, &oldest);
 *	...
 *	mark_run_add(&run, &newest);
 *	if (mark_event(&run))
 *		... mark_text(run.mark) since run.since_us ...
 */
#pragma once

#include "common/journal/journal.h"
#include "common/journal/record.h"

#define MARK_EVENT_FRAMES 3

/* The pictures of one mark at the end of a journal. Zeroed: none. */
struct mark_run {
	enum mark mark;
	unsigned count;
	uint64_t seq; /* of the first of them, */
	int64_t since_us; /* and its slot */
};

/* One more line, in order of taking. Lines that are no frame are passed over. Pure. */
void mark_run_add(struct mark_run *run, const struct record *record);

/* The mark of an event that is not over; MARK_NONE. Pure. */
enum mark mark_event(const struct mark_run *run);

/*
 * The run that the last lines of a journal make. Where it is longer than these are (some hours
 * of a frame a minute), it seems to begin with the first of them. -errno of reading.
 */
int mark_run_read(struct journal *journal, struct mark_run *ret);

/* An event as `status` has it: adds {"mark":, "since":, "seq":, "count":} to `o` as "event". */
struct json_object;
void mark_run_json(struct json_object *o, const struct mark_run *run);

/* "something covers the lens": for people; "" for none. */
const char *mark_text(enum mark mark);
