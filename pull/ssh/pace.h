/* SPDX-License-Identifier: MIT */
/*
 * How much to ask for ahead: twice the bandwidth-delay product, and on a short link what comes in
 * 50 ms, so that the link never idles and a newer frame never queues behind more than that. And
 * the limits that a person set: a rate, whose times are CLOCK_MONOTONIC nanoseconds, and a month's
 * bytes, whose times are wall time.
 */
#pragma once

#include <stdint.h>

#define PACE_CREDIT_MIN INT64_C(16384)
#define PACE_CREDIT_MAX INT64_C(4194304)

struct pace {
	int64_t limit; /* bytes a second, 0: none */
	int64_t start_ns, requested; /* for the limit */
	int64_t rtt_us; /* the shortest answer so far, 0: none yet */
	int64_t rate; /* bytes a second, 0: not known yet */
	int64_t sample_ns, sample_bytes; /* what the next rate is made of */
};

/* Bytes a second. */
int64_t pace_rate(int64_t bytes, int64_t took_ns);

void pace_init(struct pace *pace, int64_t limit, int64_t now_ns);
/* A new connection, perhaps over another link. The limit goes on. */
void pace_restart(struct pace *pace, int64_t now_ns);
/* An answer that did not queue behind another one took `us`. */
void pace_answer(struct pace *pace, int64_t us);
void pace_received(struct pace *pace, int64_t bytes, int64_t now_ns);
void pace_requested(struct pace *pace, int64_t bytes);
/* More may be asked for while fewer bytes than this are under way. */
int64_t pace_credit(const struct pace *pace);
/* How long to ask for nothing more, by the limit: microseconds, 0: ask now. */
int64_t pace_wait_us(const struct pace *pace, int64_t now_ns);

/*
 * A month's bytes are spread evenly over it: at each moment no more has come than the part of the
 * month that has passed, so that the budget holds at the month's end, and what came beyond it (a
 * newest picture waits for nothing) is made up for by the others.
 */
struct pace_month {
	int64_t bytes; /* the budget, 0: none */
	int64_t from_us, to_us; /* the month that it is of */
	int64_t used; /* of it so far, of all bytes on the link */
	int64_t exempt; /* of these, what waited for nothing */
};

/* When so many bytes more may be asked for; INT64_MAX: they do not fit into this month. */
int64_t pace_month_due_us(const struct pace_month *month, int64_t bytes);
/*
 * When so many bytes more will have come, if what waits for nothing goes on as it did;
 * INT64_MAX: never, it takes all there is.
 */
int64_t pace_month_done_us(const struct pace_month *month, int64_t bytes, int64_t now_us);
