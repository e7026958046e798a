/* SPDX-License-Identifier: MIT */
/*
 * How much to ask for ahead: twice the bandwidth-delay product, and on a short link what comes in
 * 50 ms, so that the link never idles and a newer frame never queues behind more than that. And
 * the limit that a person set. Times are CLOCK_MONOTONIC nanoseconds.
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
