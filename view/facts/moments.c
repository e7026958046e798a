/* SPDX-License-Identifier: MIT */
/* The time axis of films. */
#include "view/facts/moments.h"

#include <errno.h>
#include <string.h>

#include "common/base/utc.h"

#define MINUTE_US (60 * US_PER_SEC)
#define DAY_US (1440 * MINUTE_US)

struct axis {
	const struct selection *selection;
	int at_minute; /* -1: none */
	struct moments moments;
	int64_t group; /* of the last moment: of each group there is one */
};

void moments_clear(struct moments *moments)
{
	free(moments->list);
	*moments = (struct moments){ 0 };
}

/* How far it is from the minute that was asked for; 0 if none was. */
static int64_t axis_distance(const struct axis *axis, int64_t slot_us)
{
	int64_t away_us;

	if (axis->at_minute < 0)
		return 0;
	away_us = slot_us + utc_local_offset_s(slot_us) * US_PER_SEC -
		utc_local_day(slot_us) * DAY_US - axis->at_minute * MINUTE_US;
	return away_us < 0 ? -away_us : away_us;
}

static int64_t axis_group(const struct axis *axis, int64_t slot_us)
{
	if (axis->at_minute >= 0)
		return utc_local_day(slot_us);
	return axis->selection->every_us > 0 ? slot_us / axis->selection->every_us : slot_us;
}

static int axis_append(struct axis *axis, struct moment moment)
{
	struct moments *moments = &axis->moments;

	if (moments->n >= MOMENTS_MAX)
		return -EFBIG;
	if (!list_make_room(&moments->list, moments->n, &moments->room, sizeof(moment)))
		return -ENOMEM;
	moments->list[moments->n++] = moment;
	return 0;
}

static int axis_add(struct axis *axis, struct moment moment)
{
	const int64_t group = axis_group(axis, moment.slot_us);
	const int64_t away_us = axis_distance(axis, moment.slot_us);
	struct moment *last;

	if (!selection_has(axis->selection, moment.slot_us) ||
		away_us > AT_REACH_MINUTES * MINUTE_US)
		return 0;
	if (axis->moments.n == 0 || group != axis->group) {
		axis->group = group;
		return axis_append(axis, moment);
	}
	last = &axis->moments.list[axis->moments.n - 1];
	if ((moment.state == SLOT_HELD) != (last->state == SLOT_HELD)) {
		if (moment.state == SLOT_HELD)
			*last = moment;
	} else if (away_us < axis_distance(axis, last->slot_us)) {
		*last = moment;
	}
	return 0;
}

/* A range of misses; of more than one in a group not all are looked at. */
static int axis_add_range(struct axis *axis, const struct slot *slot)
{
	const int64_t step_us =
		slot->count > 1 ? (slot->last_us - slot->slot_us) / (int64_t)(slot->count - 1) : 0;
	const int64_t grain_us = axis->at_minute >= 0 ? MINUTE_US : axis->selection->every_us;
	const int64_t stride = step_us > 0 && grain_us > step_us ? grain_us / step_us : 1;
	int r = 0;

	for (int64_t i = 0; i < (int64_t)slot->count && r == 0; i += stride)
		r = axis_add(axis,
			(struct moment){ slot->slot_us + i * step_us, slot->seq, slot->state });
	return r;
}

int moments_build(const struct slots *slots, const struct selection *selection, int at_minute,
	struct moments *ret)
{
	struct axis axis = { .selection = selection, .at_minute = at_minute };
	size_t first = 0;
	int r = 0;

	for (size_t i = 0; i < slots->n && r == 0; i++)
		r = axis_add_range(&axis, &slots->list[i]);
	if (r < 0) {
		moments_clear(&axis.moments);
		return r;
	}
	while (first < axis.moments.n && axis.moments.list[first].state == SLOT_REMOVED)
		first++;
	axis.moments.n -= first;
	if (first > 0 && axis.moments.n > 0)
		memmove(axis.moments.list, axis.moments.list + first,
			axis.moments.n * sizeof(*axis.moments.list));
	*ret = axis.moments;
	return 0;
}
