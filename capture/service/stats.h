/* SPDX-License-Identifier: MIT */
/*
 * What happened to the slots, counted in fixed memory: for STATUS=, `capturepi status` and the
 * wire. "Today" is the local calendar day; the counters of a day start at zero with its first
 * outcome.
 */
#pragma once

#include <stdint.h>

#include "capture/store/store.h"
#include "capture/stream/phase_lock.h"
#include "capture/stream/supervisor.h"
#include "common/journal/record.h"

/* |lateness| in microseconds, eight buckets per power of two: 9 % resolution up to half an hour. */
#define STATS_BUCKETS (8 * 28)

struct stats {
	int64_t started_us; /* wall time */
	uint64_t frames, shots; /* since start */
	uint64_t missed[MISS_CAUSES];
	int day; /* days since the epoch, local */
	uint64_t today_frames, today_missed[MISS_CAUSES];
	uint64_t late_buckets[STATS_BUCKETS]; /* since start */
	int64_t late_max_us;
	uint64_t wake_buckets[STATS_BUCKETS]; /* of the slot timer */
	int64_t wake_max_us;
	struct record last; /* the newest stored frame; seq 0: none yet */
	int64_t encode_us, store_us; /* of the last frame */
};

/* What else the status shows. */
struct stats_view {
	const struct stats *stats;
	const struct supervisor_facts *camera;
	const char *camera_model;
	int64_t next_us; /* next slot, TIME_NONE: none */
	struct schedule_due due; /* what pullers are told */
	bool synced;
	const struct phase_lock *phase_lock; /* NULL: no phase lock */
	int64_t now_us;
	const struct store_facts *store;
	const char *archive; /* its path */
	const char *settings; /* path of the file; NULL: not told */
	int64_t settings_us; /* when it had been changed last, as it was read */
};

void stats_frame(struct stats *stats, const struct record *frame, int64_t now_us);
void stats_miss(struct stats *stats, enum miss_cause cause, uint64_t count, int64_t now_us);
void stats_wake(struct stats *stats, int64_t late_us);

/* The value below which `percent` of the samples are; 0 without samples. */
int64_t stats_percentile(const uint64_t buckets[static STATS_BUCKETS], double percent);

/* One readable line for STATUS=. Returns `buf`. */
const char *stats_line(const struct stats_view *view, char *buf, size_t size);

/* One JSON object without newline; its length, or -E2BIG / -ENOMEM. */
int stats_json(const struct stats_view *view, char *buf, size_t size);
