/* SPDX-License-Identifier: MIT */
/*
 * When a log line about a lasting trouble is due: when it begins, after 1 min, 4 min, 16 min, ... 1
 * day while it lasts, and when it is over. Trouble that comes back within 10 minutes of its end
 * keeps its pauses, so that what comes and goes every second fills no log.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum trouble_news {
	TROUBLE_NONE, /* no line is due */
	TROUBLE_BEGINS,
	TROUBLE_LASTS,
	TROUBLE_ENDS,
};

struct trouble {
	int64_t since_us; /* monotonic, 0: there is none */
	int64_t ended_us, next_us, pause_us;
	bool told; /* a line told of its beginning */
};

/* What to log at `now_us` (monotonic, above 0). A zeroed struct is a trouble that never was. */
enum trouble_news trouble_look(struct trouble *trouble, bool is_bad, int64_t now_us);
