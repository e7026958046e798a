/* SPDX-License-Identifier: MIT */
/*
 * Slots as the pictures of a film or a contact sheet: one moment after the other, equally far
 * apart, of which each has a picture or says why there is none. Only what was due is a moment: a
 * closed night is none, an outage is as many as it cost.
 */
#pragma once

#include "view/facts/select.h"

#define MOMENTS_MAX 1000000

struct moment {
	int64_t slot_us;
	uint64_t seq;
	enum slot_state state;
};

/* Zeroed is empty. */
struct moments {
	struct moment *list;
	size_t n, room;
};
void moments_clear(struct moments *moments);

/*
 * The moments of these slots: each slot of the selection; with `every_us` one for each such span,
 * the first that has a picture; with an `at_minute` of 0 or more one for each local day, the
 * picture nearest to that minute, at most AT_REACH_MINUTES away. Pictures that were removed before
 * the first that is left or missed are none. -EFBIG over MOMENTS_MAX; -ENOMEM.
 */
#define AT_REACH_MINUTES 30
int moments_build(const struct slots *slots, const struct selection *selection, int at_minute,
	struct moments *ret);
