/* SPDX-License-Identifier: MIT */
/* What a session spends of a month's bytes: all that its connections carry. */
#include "pull/session/session_private.h"

#include "common/base/clock.h"
#include "common/base/when.h"
#include "common/contact/peer_state.h"

#define STEP_BYTES (64 * 1024) /* counted at once, so that a crash forgets no more */
#define TALK_PART 16 /* of a frame's bytes: headers, acknowledgements and packets around them */

void session_spend(struct session *s, bool all)
{
	const struct camera_settings *camera = s->options->camera;
	const struct stream *stream = s->stream;
	const int64_t carried =
		stream && stream->ops->carried ? stream->ops->carried(stream) : s->spent;
	const int64_t bytes = carried - s->spent;
	int64_t exempt = bytes - (s->paced - s->paced_spent);
	struct peer_spending spending;

	if (camera->budget == 0 || (!all && bytes < STEP_BYTES))
		return;
	exempt = exempt > 0 ? exempt : 0;
	if (peer_state_spent(camera->name, s->clock, bytes, exempt, &spending) == 0) {
		s->month.used = spending.bytes;
		s->month.exempt = spending.exempt;
	} else { /* this session keeps to the budget at least */
		s->month.used += bytes;
		s->month.exempt += exempt;
	}
	s->spent = carried;
	s->paced_spent = s->paced;
	s->month.bytes = camera->budget;
	if (when_month(spending.month_us, &s->month.from_us, &s->month.to_us) < 0)
		s->month.from_us = s->month.to_us = INT64_MAX;
}

int64_t session_budget_wait_us(const struct session *s)
{
	const struct item *next = s->items;
	const int64_t bytes = s->under_way + (s->n_items > 0 ? next->bytes : 0);
	int64_t due_us, now_us;

	if (s->month.bytes == 0 || s->n_items == 0 || s->plan != PLAN_BACKLOG || next->preview ||
		next->probe || next->seq == s->newest_listed)
		return 0;
	due_us = pace_month_due_us(&s->month, bytes + bytes / TALK_PART + STEP_BYTES);
	now_us = clock_wall_us(s->clock);
	return due_us > now_us ? due_us - now_us : 0;
}
