/* SPDX-License-Identifier: MIT */
/*
 * Whether a browser may look: by the password whose hash, as crypt(3) writes it, stands in
 * ~/.config/viewpi/password. `deploypi view` writes that file. Without the file everybody may who
 * reaches the socket; with one that cannot be read nobody may.
 *
 * Hashing is slow by design, so one password is hashed at a time, and the last right one is known
 * by a digest with a key of this process. After a wrong one its origin is not listened to for a
 * while, whatever it sends: else the digest would answer guesses as fast as they come.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "view/web/connections.h"

#define AUTH_PASSWORD_MAX 256
#define AUTH_ORIGINS 128 /* whose failures are remembered, the latest ones */
#define AUTH_FORGET_SECONDS 600
#define AUTH_PAUSE_MS 100 /* after any wrong password the next one is hashed so much later */

enum auth_verdict {
	AUTH_OPEN, /* there is no password */
	AUTH_ADMITS,
	AUTH_REFUSES,
	AUTH_LATER, /* nobody looked at it: see auth_pause_ns() */
};

struct auth_failures {
	struct origin origin;
	unsigned wrong; /* in a row; 0: this place is free */
	int64_t last_ns;
};

struct auth {
	const struct clock *clock;
	pthread_mutex_t turn; /* one password is hashed at a time */
	pthread_mutex_t lock; /* of what follows */
	bool has_good;
	uint8_t key[SHA256_BYTES], good[SHA256_BYTES]; /* of the password that was right last */
	struct auth_failures failures[AUTH_ORIGINS];
};

/* -errno, without randomness. */
int auth_init(struct auth *auth, const struct clock *clock);

/* `password` NULL: none was sent, which costs nobody anything. */
enum auth_verdict auth_check(struct auth *auth, const struct origin *origin, const char *password);

/* How long an origin is not listened to after so many wrong passwords: 1 s to a minute. */
int64_t auth_pause_ns(unsigned wrong);
