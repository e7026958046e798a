/* SPDX-License-Identifier: MIT */
/*
 * Which slots a person means: those of a span of time, of certain hours and days, one in so many
 * minutes; and what became of each. The journal is the index: finding a span costs the same in an
 * archive of a thousand frames and of a million.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/archive/archive.h"

#define SELECT_SLOTS_MAX 1000000 /* of one selection */
#define SELECT_ALL_DAYS 0x7f

struct selection {
	int64_t since_us, until_us; /* both are in it */
	int from_minute, to_minute; /* of the local day; equal: the whole day; may pass midnight */
	unsigned days; /* bit 0: Sunday; 0: all days */
	bool skip_marked; /* pictures that are likely to be useless were never due */
	int64_t every_us; /* the first frame of each such span of time; 0: all */
};

/* Whether its span, hours and days have that time. */
bool selection_has(const struct selection *selection, int64_t slot_us);

enum slot_state {
	SLOT_HELD, /* its picture is here */
	SLOT_REMOVED, /* it was, and its file is gone */
	SLOT_CAMERA, /* missed, in the order of enum miss_cause */
	SLOT_BUSY,
	SLOT_DISK,
	SLOT_CLOCK,
	SLOT_DOWN,
	SLOT_COMING, /* a preview of it is here (common/archive/preview.h) */
	SLOT_STATES
};

struct slot {
	int64_t slot_us, last_us; /* the same but for a range of misses */
	uint64_t seq; /* of its line */
	uint32_t count; /* slots of a range, else 1 */
	enum slot_state state : 16;
	enum mark mark : 16; /* of a frame: why its picture is likely to be useless */
};

/* In the order of time. Zeroed is empty. */
struct slots {
	struct slot *list;
	size_t n, room;
};
void slots_clear(struct slots *slots);

/*
 * The slots of the selection that the journal tells of. A frame of a wrong clock that was published
 * again with its true time is there once. A range of misses is cut to the span; hours, days and
 * `every` choose among frames alone. -EFBIG over SELECT_SLOTS_MAX; -errno of reading.
 */
int select_slots(struct archive *archive, const struct selection *selection, struct slots *ret);

/*
 * Adds the frames of the span that are not here yet, and of which a preview is. -ENOMEM; an
 * unreadable folder of previews has none.
 */
int select_add_coming(
	struct archive *archive, const struct selection *selection, struct slots *slots);
/* Whether there is something to see of it. */
static inline bool slot_is_seen(enum slot_state state)
{
	return state == SLOT_HELD || state == SLOT_COMING;
}

/* The numbers between which the lines of the span are, with some of its neighbours'. -errno. */
int select_numbers(struct archive *archive, const struct selection *span, uint64_t *ret_first,
	uint64_t *ret_last);

/* "held", "removed", "camera", ...: a word for programs and style sheets. */
const char *slot_state_name(enum slot_state state);
/* "its picture was removed", "the camera gave no picture" */
const char *slot_state_text(enum slot_state state);
