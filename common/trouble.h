/* SPDX-License-Identifier: MIT */
/*
 * A trouble that lasts, as a log should tell of it: when it begins, after 1 min, 4 min, 16 min, ...
 * 1 day while it lasts, and when it is over. One that comes back within 10 minutes of its end goes
 * on with these pauses, so that what comes and goes every second fills no log.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum trouble_news {
	TROUBLE_NONE, /* nothing that is worth a line */
	TROUBLE_BEGINS,
	TROUBLE_LASTS,
	TROUBLE_ENDS,
};

struct trouble {
	int64_t since_us; /* monotonic, 0: there is none */
	int64_t ended_us, next_us, pause_us;
	bool told; /* its beginning was */
};

/* How it stands at `now_us` (monotonic, above 0). A struct of zeros is a trouble that never was. */
enum trouble_news trouble_look(struct trouble *trouble, bool is_bad, int64_t now_us);
