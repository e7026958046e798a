/* SPDX-License-Identifier: MIT */
/* How values are spread, in a fixed amount of memory. */
#pragma once

#include <stdint.h>

struct json_object; /* of json-c */

/* |values| in microseconds, eight buckets per power of two: 9 % resolution up to half an hour. */
#define SPREAD_BUCKETS (8 * 28)

/* Zeroed is empty. */
struct spread {
	uint64_t buckets[SPREAD_BUCKETS], samples;
	int64_t max_us;
};

/* Adds the magnitude of a value. */
void spread_add(struct spread *spread, int64_t us);
/* The value below which `percent` of the samples are; 0 without samples. */
int64_t spread_percentile(const struct spread *spread, unsigned percent);
/* p50, p99, max, samples. */
struct json_object *spread_object(const struct spread *spread);
