/* SPDX-License-Identifier: MIT */
/*
 * Whether a picture of a camera is missing here, and why. What is due comes from the camera's own
 * schedule (struct wire_schedule) in its last answer, so neither a night without slots nor the
 * time between two pulls makes a camera stale. Slots are instants of the camera's clock; ours
 * only tells how old the answer is.
 *
 * Slot S counts as missed from S + DUE_SECONDS on if the camera answered after that and had no
 * picture. If it did not answer, or was not asked, one pull's time and DUE_GRACE_US are added.
 *
 * The camera is not believed without limit: a schedule that makes no sense, that leaves more than
 * DUE_GAP_MAX_US between two slots, or that promised three slots in a row and took none is
 * ignored. Then, and for a camera older than 0.2.0, the longest gap between the newest frames held
 * stands for its interval. Frames of the future are skipped. Nor does a promise, or a picture of
 * the future, stand for contact: where that fails for DUE_AWAY_US by our clock, the camera is
 * stale, whatever it said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/archive/archive.h"
#include "common/contact/peer_state.h"

#define DUE_CLOCK_US (60 * US_PER_SEC) /* two clocks further apart do not agree */
#define DUE_GRACE_US (180 * US_PER_SEC) /* what a timer and a pull may take */
#define DUE_PERIOD_US (600 * US_PER_SEC) /* how far apart pulls are, if that is not known */
#define DUE_AWAY_US                                                                                \
	(INT64_C(8) * 24 * 3600 * US_PER_SEC) /* without contact a schedule is believed so long */
#define DUE_GAP_MAX_US                                                                             \
	(INT64_C(190) * 24 * 3600 * US_PER_SEC) /* daylight at a pole leaves 186 days */

struct due_facts {
	const struct peer_state *peer;
	int64_t now_us, up_us; /* wall time, and since the machine was started */
	/*
	 * Slot of the newest frame held that is not of the future and, for auto, not outside the
	 * schedule; TIME_NONE: there is none.
	 */
	int64_t newest_us;
	int64_t gap_us; /* the longest between the newest frames held; 0 where it is not needed */
	int64_t stale_after_us; /* 0: auto. Else only the age makes a camera stale */
};

enum due_state {
	DUE_HERE, /* all that is due */
	DUE_NOT_TRIED, /* no pull for too long */
	DUE_NOT_REACHED, /* the last pull failed */
	DUE_STOPPED, /* the camera's service does not run */
	DUE_NOT_TAKEN, /* it runs, or that is not known, and had no picture */
};

struct due {
	enum due_state state; /* all but DUE_HERE are stale */
	int64_t slot_us; /* the missing one; DUE_HERE: the next; TIME_NONE: not known */
	/*
	 * By our clock: from then on it counts as missing, if nothing more is heard of the camera.
	 * TIME_NONE: that is not known.
	 */
	int64_t missed_us;
	int64_t ahead_us; /* of the camera's clock before ours, at its last answer; 0: they agree */
	bool set_back; /* our clock is before the last try: nobody knows how long ago that was */
};

/* Pure. */
struct due due_judge(const struct due_facts *facts);

/* "up-to-date", "not-tried", "not-reached", "stopped", "not-taken" */
const char *due_state_name(enum due_state state);
/* One sentence for people, the reason included. Returns `buf`. */
const char *due_describe(
	const struct due *due, const struct due_facts *facts, char *buf, size_t size);
/* What is wrong with a clock; "" where nothing is. Returns `buf`. */
const char *due_describe_clock(const struct due *due, char *buf, size_t size);

/* Reads the facts from an archive; NULL: nothing was fetched yet. */
struct due_facts due_read(struct archive *archive, const struct peer_state *peer,
	int64_t stale_after_us, const struct clock *clock);
