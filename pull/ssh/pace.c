/* SPDX-License-Identifier: MIT */
/* Credit from the measured rate and round trip; the limit as an average since the start. */
#include "pull/ssh/pace.h"

#include "common/base/clock.h"

#define SAMPLE_NS (250 * 1000 * 1000)
/*
 * A short enough wait for a newer frame, and long enough that neither end idles between two
 * frames.
 */
#define QUEUE_US 50e3
#define CREDIT_START INT64_C(262144) /* before anything is measured */

int64_t pace_rate(int64_t bytes, int64_t took_ns)
{
	return took_ns > 0 ? (int64_t)((double)bytes * NS_PER_SEC / (double)took_ns) : 0;
}

void pace_init(struct pace *pace, int64_t limit, int64_t now_ns)
{
	*pace = (struct pace){ .limit = limit, .start_ns = now_ns, .sample_ns = now_ns };
}

void pace_restart(struct pace *pace, int64_t now_ns)
{
	pace->rtt_us = pace->rate = pace->sample_bytes = 0;
	pace->sample_ns = now_ns;
}

void pace_answer(struct pace *pace, int64_t us)
{
	if (us < 1)
		us = 1;
	if (pace->rtt_us == 0 || us < pace->rtt_us)
		pace->rtt_us = us;
}

/*
 * Follows the fastest recent samples: a slow one counts as a tenth only, because the pause may be
 * ours. The credit is twice what is measured, so the rate can double with each sample until the
 * link is full.
 */
void pace_received(struct pace *pace, int64_t bytes, int64_t now_ns)
{
	int64_t took_ns = now_ns - pace->sample_ns, rate;

	pace->sample_bytes += bytes;
	if (took_ns < SAMPLE_NS)
		return;
	rate = pace_rate(pace->sample_bytes, took_ns);
	pace->rate = rate > pace->rate ? rate : pace->rate - (pace->rate - rate) / 10;
	pace->sample_bytes = 0;
	pace->sample_ns = now_ns;
}

void pace_requested(struct pace *pace, int64_t bytes)
{
	pace->requested += bytes;
}

int64_t pace_credit(const struct pace *pace)
{
	double us = 2.0 * (double)pace->rtt_us;
	double credit = (double)pace->rate * (us > QUEUE_US ? us : QUEUE_US) / US_PER_SEC;

	if (pace->rate == 0 || pace->rtt_us == 0)
		return CREDIT_START;
	if (credit < PACE_CREDIT_MIN)
		return PACE_CREDIT_MIN;
	return credit > PACE_CREDIT_MAX ? PACE_CREDIT_MAX : (int64_t)credit;
}

int64_t pace_wait_us(const struct pace *pace, int64_t now_ns)
{
	double due_us, gone_us = (double)(now_ns - pace->start_ns) / NS_PER_US;

	if (pace->limit == 0)
		return 0;
	due_us = (double)pace->requested * US_PER_SEC / (double)pace->limit;
	return due_us > gone_us ? (int64_t)(due_us - gone_us) + 1 : 0;
}

int64_t pace_month_due_us(const struct pace_month *month, int64_t bytes)
{
	const double part = ((double)month->used + (double)bytes) / (double)month->bytes;

	if (month->bytes == 0)
		return month->from_us;
	if (part > 1)
		return INT64_MAX;
	return month->from_us + (int64_t)(part * (double)(month->to_us - month->from_us));
}

int64_t pace_month_done_us(const struct pace_month *month, int64_t bytes, int64_t now_us)
{
	const double length = (double)(month->to_us - month->from_us);
	const double passed = (double)(now_us - month->from_us);
	const double per_us = (double)month->bytes / length; /* of all, */
	/* and of what waits for nothing, once there is a day to judge by */
	const double exempt = passed > length / 31 ? (double)month->exempt / passed : 0;
	const double behind = (double)month->used + (double)bytes - per_us * passed;

	if (behind <= 0)
		return now_us;
	/* a century, and more than a double may be cut to */
	if (exempt >= per_us || behind / (per_us - exempt) > length * 1200)
		return INT64_MAX;
	return now_us + (int64_t)(behind / (per_us - exempt));
}
