/* SPDX-License-Identifier: MIT */
/*
 * Whether a picture of a camera is missing here, and whose fault it is. What is due comes from the
 * camera's own schedule (struct wire_schedule), as it said when it answered last, so a night without slots
 * is no fault and neither is the time from one pull to the next. Slots are instants of the camera's clock;
 * ours is only taken for how long that answer is ago.
 *
 * A slot S is missed from S + DUE_SECONDS on where the camera answered after that and had no picture. Where
 * it did not answer, or was not asked, there is one pull's time and DUE_GRACE_US more.
 *
 * The camera's word is bounded: a schedule that makes no sense, that leaves more than DUE_GAP_MAX_US
 * between two slots, or that promised three slots in a row and took none of them, counts for nothing. Then,
 * and where the camera is of before 0.2.0, the longest gap between the newest frames held is taken for its
 * interval. Frames of the future are passed over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/archive.h"
#include "pull/contact.h"

#define DUE_CLOCK_US (60 * US_PER_SEC) /* two clocks further apart do not agree */
#define DUE_GRACE_US (180 * US_PER_SEC) /* what a timer and a pull may take */
#define DUE_PERIOD_US (600 * US_PER_SEC) /* pulls are so far apart, if that is not known */
#define DUE_GAP_MAX_US                                                                             \
	(INT64_C(190) * 24 * 3600 * US_PER_SEC) /* daylight at a pole leaves 186 days */

struct due_facts {
	const struct contact *contact;
	int64_t now_us, up_us; /* wall time, and since the machine was started */
	/*
	 * Slot of the newest frame held that is not of the future and, for auto, not outside the schedule;
	 * TIME_NONE: there is none.
	 */
	int64_t newest_us;
	int64_t gap_us; /* the longest between the newest frames held, where it is needed */
	int64_t stale_after_us; /* 0: auto. Else the age, and nothing else, makes a camera stale */
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
	int64_t ahead_us; /* the camera's clock to ours, at its last answer; 0: they agree */
	bool set_back; /* our clock is behind the last try: how long that is ago is not known */
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

/* The facts of an archive, which may be NULL: nothing was fetched yet. */
struct due_facts due_read(struct archive *archive, const struct contact *contact,
	int64_t stale_after_us, const struct clock *clock);
