/* SPDX-License-Identifier: MIT */
/* Which frames are to be dated anew, and by how much. */
#include <stdlib.h>
#include <string.h>

#include "capture/redate.h"

#define YEAR_10000_US (INT64_C(253402300800) * US_PER_SEC)

struct redate_plan redate_plan_new(const char *boot, int64_t zero_us)
{
	struct redate_plan plan = {
		.zero_us = zero_us,
		.run_zero_us = TIME_NONE,
		.anchor_zero_us = TIME_NONE,
	};

	snprintf(plan.boot, sizeof plan.boot, "%s", boot);
	return plan;
}

static bool has_uptime(const struct record *record)
{
	return record->type == RECORD_FRAME && *record->boot && record->up_ns > 0 &&
		record->exposed_us != TIME_NONE;
}

static int64_t zero_of(const struct record *frame)
{
	return frame->exposed_us - frame->up_ns / NS_PER_US;
}

bool redate_anchor(const struct record *record, const char *boot, int64_t *ret_zero_us)
{
	if (!has_uptime(record) || !record->synced || strcmp(record->boot, boot) != 0)
		return false;
	*ret_zero_us = zero_of(record);
	return true;
}

void redate_answer(struct redate_plan *plan, int64_t zero_us)
{
	if (zero_us == TIME_NONE && strcmp(plan->anchor_boot, plan->run_boot) == 0)
		zero_us = plan->anchor_zero_us;
	plan->running = true;
	plan->run_zero_us = zero_us;
}

/* Whether the frame begins a run whose anchor has to be looked for. */
static bool begin_run(struct redate_plan *plan, const struct record *frame)
{
	if (plan->running && strcmp(plan->run_boot, frame->boot) == 0)
		return false;
	memcpy(plan->run_boot, frame->boot, sizeof plan->run_boot);
	plan->running = plan->zero_us != TIME_NONE && strcmp(plan->boot, frame->boot) == 0;
	plan->run_zero_us = plan->zero_us;
	return !plan->running;
}

/* A time that has a name and a place in EXIF. */
static bool can_be(int64_t wall_us)
{
	return wall_us >= 0 && wall_us < YEAR_10000_US;
}

enum redate_verdict redate_see(
	struct redate_plan *plan, const struct record *record, int64_t *ret_delta_us)
{
	int64_t delta_us;

	if (!has_uptime(record) || record->was)
		return REDATE_PASS;
	if (record->synced) {
		plan->running = false;
		memcpy(plan->anchor_boot, record->boot, sizeof plan->anchor_boot);
		plan->anchor_zero_us = zero_of(record);
		return REDATE_KNOWN;
	}
	if (begin_run(plan, record))
		return REDATE_ASK;
	if (plan->run_zero_us == TIME_NONE)
		return REDATE_UNKNOWN;
	delta_us = plan->run_zero_us - zero_of(record);
	if (llabs(delta_us) < REDATE_MIN_US)
		return REDATE_RIGHT;
	if (!can_be(record->exposed_us + delta_us) || !can_be(record->slot_us + delta_us))
		return REDATE_UNKNOWN;
	*ret_delta_us = delta_us;
	return REDATE_DATE;
}

struct record redate_moved(const struct record *frame, int64_t delta_us)
{
	struct record moved = *frame;

	moved.was = frame->seq;
	moved.seq = 0;
	moved.slot_us += delta_us;
	moved.exposed_us += delta_us;
	moved.synced = true;
	return moved;
}

int64_t redate_zero(const struct clock *clock)
{
	return clock_wall_of_up(clock, 0);
}
