/* SPDX-License-Identifier: MIT */
/* What to ask next, and when to come again. */
#include "pull/session/plan.h"

#include "common/base/limits.h"
#include "common/commands/cli.h"

static bool plan_may_ask_frame(const struct plan_facts *facts)
{
	return facts->n_items > 0 && !facts->paused && facts->under_way < facts->credit;
}

/* The histories are compared before anything is stored, and nothing else may be under way then. */
static enum plan_step plan_ask(const struct plan_facts *facts)
{
	const bool frame = plan_may_ask_frame(facts);
	/* the newest frame rides in the request that opens the connection */
	const bool compare = facts->compare_due && (facts->plan != PLAN_NEWEST || facts->asked);

	if (facts->comparing || facts->n_asks == SYNC_ASKS_MAX)
		return STEP_ANSWER;
	if (compare)
		return STEP_COMPARE;
	/* a frame first, if none is under way: nobody waits for a list */
	if (facts->list_wanted && !(frame && facts->under_way == 0))
		return STEP_LIST;
	if (frame)
		return STEP_FRAME;
	if (facts->newest_due)
		return facts->status_due ? STEP_STATUS : STEP_NEWEST;
	return STEP_ANSWER;
}

enum plan_step plan_next(const struct plan_facts *facts)
{
	enum plan_step step = facts->time_over ? STEP_ANSWER : plan_ask(facts);

	if (step != STEP_ANSWER || facts->n_asks > 0)
		return step;
	return facts->n_items > 0 && !facts->time_over ? STEP_NAP : STEP_DONE;
}

enum plan_after plan_after(const struct plan_end *end)
{
	if (end->plan != PLAN_BACKLOG)
		return end->plan == PLAN_FOLLOW ? AFTER_RETRY : AFTER_END;
	if (end->time_over &&
		(end->code == CLI_OK || (end->code == CLI_TEMPFAIL && end->connected_once)))
		return AFTER_TIME_OVER;
	/* a camera that was never there is tried again by the timer */
	if (end->code != CLI_TEMPFAIL || end->why == CONNECT_HERE || !end->connected_once)
		return AFTER_END;
	return end->silent_max_us > 0 && end->silent_us >= end->silent_max_us ? AFTER_END
									      : AFTER_RETRY;
}
