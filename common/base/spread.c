/* SPDX-License-Identifier: MIT */
/* A histogram whose buckets grow with the values. */
#include "common/base/spread.h"

#include "common/base/json.h"

void spread_add(struct spread *spread, int64_t us)
{
	uint64_t magnitude = (uint64_t)(us < 0 ? -us : us), v = magnitude + 8;
	int exponent = 63 - __builtin_clzll(v);
	int bucket = (exponent - 3) * 8 + (int)(v >> (exponent - 3) & 7);

	spread->buckets[bucket < SPREAD_BUCKETS ? bucket : SPREAD_BUCKETS - 1]++;
	spread->samples++;
	if ((int64_t)magnitude > spread->max_us)
		spread->max_us = (int64_t)magnitude;
}

int64_t spread_percentile(const struct spread *spread, unsigned percent)
{
	uint64_t seen = 0;

	for (int i = 0; i < SPREAD_BUCKETS; i++) {
		int64_t end_us = ((int64_t)(8 + i % 8 + 1) << i / 8) - 9;

		seen += spread->buckets[i];
		/* a bucket's upper end may be above the largest sample */
		if (spread->buckets[i] && seen * 100 >= spread->samples * percent)
			return end_us < spread->max_us ? end_us : spread->max_us;
	}
	return 0;
}

struct json_object *spread_object(const struct spread *spread)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "p50", spread_percentile(spread, 50));
	json_add_number(o, "p99", spread_percentile(spread, 99));
	json_add_number(o, "max", spread->max_us);
	json_add_number(o, "samples", (int64_t)spread->samples);
	return o;
}
