/* SPDX-License-Identifier: MIT */
/* Plans: which fault when, for how long, and how the process ends. */
#include <stdio.h>
#include <string.h>

#include "tests/storm/storm.h"

#define MS INT64_C(1000)
#define FIRST_US (2500 * MS) /* the camera has started by then */
#define SILENCE_US (2000 * MS) /* the supervisor notices a silent stream after it */

const struct kind_rule kind_rules[KINDS] = {
	[FREEZE] = { "freeze", "freeze", .cause = MISS_CAMERA },
	[FREEZE_ON] = { "long freeze", "freeze", .lasts = true, .cause = MISS_CAMERA },
	[CANCEL] = { "cancel", "cancel", .cause = MISS_CAMERA },
	[CANCEL_ON] = { "long cancel", "cancel", .lasts = true, .cause = MISS_CAMERA },
	[BUSY] = { "busy", "busy", .broken = true, .lasts = true, .cause = MISS_CAMERA },
	[GONE] = { "gone", "gone", .lasts = true, .cause = MISS_CAMERA },
	[SLOWSTOP] = { "slowstop", "slowstop", .broken = true, .lasts = true,
		.cause = MISS_CAMERA },
	[STALE] = { "stale", "stale", .cause = MISS_CAMERA },
	[ENCODER] = { "slow encoder", NULL, .lasts = true, .cause = MISS_BUSY },
	[DISK] = { "slow disk", NULL, .lasts = true, .cause = MISS_BUSY },
	[FULL] = { "full disk", NULL, .lasts = true, .cause = MISS_DISK },
};

int64_t plan_random(struct plan *plan, int64_t from, int64_t to)
{
	plan->state ^= plan->state >> 12;
	plan->state ^= plan->state << 25;
	plan->state ^= plan->state >> 27;
	return from +
		(int64_t)(plan->state * UINT64_C(2685821657736338717) % (uint64_t)(to - from));
}

static enum kind draw(struct plan *plan)
{
	int64_t i;
	int kind;

	if (plan->left == 0)
		for (int k = 0; k < KINDS; k++)
			plan->deck[plan->left++] = k;
	i = plan_random(plan, 0, plan->left);
	kind = plan->deck[i];
	plan->deck[i] = plan->deck[--plan->left];
	return (enum kind)kind;
}

static void add_to_script(struct life *life, const char *fault, int64_t at_us, int64_t us)
{
	size_t used = strlen(life->script), size = sizeof life->script - used;
	char *end = life->script + used;

	used = (size_t)snprintf(
		end, size, "%s%s@%lldms", used ? "," : "", fault, (long long)(at_us / MS));
	if (us && used < size)
		snprintf(end + used, size - used, "+%lldms", (long long)(us / MS));
}

static struct event make_event(struct plan *plan, struct life *life, int64_t begin_us)
{
	struct event event = { draw(plan), begin_us, begin_us };
	const struct kind_rule *rule = &kind_rules[event.kind];
	int64_t us = plan_random(plan, 300, 2000) * MS;

	if (plan->long_ones && plan_random(plan, 0, 4) == 0)
		us = plan_random(plan, 2000, 15000) * MS;
	/* two frames wait without harm */
	if (rule->cause == MISS_BUSY)
		us += 1300 * MS;
	/* a stop that takes as long as a hanging one would end the process */
	if (event.kind == SLOWSTOP && us > 1500 * MS)
		us = 1500 * MS;
	if (rule->broken)
		add_to_script(life, "cancel", begin_us, 0);
	if (rule->fault)
		add_to_script(life, rule->fault, begin_us, rule->lasts ? us : 0);
	if (event.kind == STALE)
		strcat(life->script, "*4");
	if (rule->lasts)
		event.end_us += us;
	if (event.kind == FREEZE)
		event.end_us += SILENCE_US;
	return event;
}

/* How long the camera is left alone after a fault: long enough to see it come back. */
static int64_t pause_us(struct plan *plan, const struct event *event)
{
	int64_t us = event->end_us - event->begin_us;
	bool camera = kind_rules[event->kind].cause == MISS_CAMERA;

	return plan_random(plan, 0, 1000) * MS +
		(!camera || us == 0               ? 2200 * MS
				: us <= 2000 * MS ? 3400 * MS
						  : 10500 * MS);
}

struct life plan_life(struct plan *plan, int number, int64_t seconds)
{
	struct life life = { .ending = (enum ending)(number % ENDINGS) };
	int64_t t = FIRST_US + plan_random(plan, 0, 500) * MS;

	while (t < seconds * 1000 * MS && life.n < EVENTS_MAX / 2) {
		life.events[life.n] = make_event(plan, &life, t);
		t = life.events[life.n].end_us + pause_us(plan, &life.events[life.n]);
		life.n++;
	}
	/* a camera that rests after several failures has no stream that could be stopped */
	if (life.ending == ENDS_HANGING && life.n)
		t += 4000 * MS;
	life.ends_us = t;
	if (life.ending == ENDS_HANGING) {
		add_to_script(&life, "cancel", t, 0);
		add_to_script(&life, "hangstop", t, 0);
	}
	return life;
}
