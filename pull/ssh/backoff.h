/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before the next try at a camera. There are two kinds of failure. If nobody
 * answers, a try costs nobody anything, and a link that is back should be noticed soon. If
 * somebody answers and it does not work, each try costs them a login, and sshd (OpenSSH 9.8 and
 * later) locks out whoever fails often: PerSourcePenalties in sshd_config(5).
 */
#pragma once

#include <stdint.h>

#define BACKOFF_SILENT_MAX_US (INT64_C(2) * 1000000)
#define BACKOFF_ANSWERED_MIN_US (INT64_C(2) * 1000000)
#define BACKOFF_ANSWERED_MAX_US (INT64_C(60) * 1000000)

enum backoff_why {
	BACKOFF_SILENT, /* no answer, no route, no name, nobody listens, a link that was lost */
	BACKOFF_ANSWERED, /* turned away, refused, dropped, nonsense, or what is wrong is here */
};

struct backoff {
	enum backoff_why why; /* of the last failures */
	unsigned failures; /* of that kind in a row; 0: all is well */
};

/*
 * Notes a failure and returns the pause after it, in microseconds: none after the first silence,
 * then half a second to 2 s; after an answer 2 to 60 s, doubling. `random`, any number, spreads
 * it, so that many who lost the same link do not all come back at the same moment.
 */
int64_t backoff_next(struct backoff *backoff, enum backoff_why why, uint32_t random);

/* A connection was of use. */
void backoff_reset(struct backoff *backoff);

/* A number for backoff_next(). */
uint32_t backoff_random(void);
