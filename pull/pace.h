/* SPDX-License-Identifier: MIT */
/*
 * How much may be asked for ahead: about twice what is under way on a full link (research: twice the
 * bandwidth-delay product), on a short link what comes in 50 ms, so that the link never idles and a
 * newer frame is never queued behind more than that. And the limit that a person set. Times are
 * CLOCK_MONOTONIC nanoseconds.
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
/* A new connection: another link perhaps. The limit goes on. */
void pace_restart(struct pace *pace, int64_t now_ns);
/* An answer that was not queued behind another one took so long. */
void pace_answer(struct pace *pace, int64_t us);
void pace_received(struct pace *pace, int64_t bytes, int64_t now_ns);
void pace_requested(struct pace *pace, int64_t bytes);
/* While less than that is under way more may be asked for. */
int64_t pace_credit(const struct pace *pace);
/* How long nothing more may be asked for, by the limit: microseconds, 0: now. */
int64_t pace_wait_us(const struct pace *pace, int64_t now_ns);
