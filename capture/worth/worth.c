/* SPDX-License-Identifier: MIT */
#include "capture/worth/worth.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "capture/worth/align.h"
#include "capture/worth/learned.h"
#include "common/base/clock.h"

#define HOUR_US (INT64_C(3600) * US_PER_SEC)
#define LEARN_EVERY_US (INT64_C(540) * US_PER_SEC) /* six pictures of an hour a day */
#define LEARNED_MIN 3 /* pictures that make a reference */
#define LEARNED_FULL 30 /* the means are of about so many, five days */
#define MOVED_KEEPS_US (24 * HOUR_US)
#define MARK_KEEPS_US (14 * 24 * HOUR_US)
#define DARK_MAX 0.06 /* mean of a picture that may be dark, */
#define DARK_BRIGHT_MIN 0.2 /* of the darkest one of an hour that is bright */
#define TELLS_MIN 0.12 /* mean of a picture that shows more than noise */
#define BLOCKS_MIN 6 /* with a shape: less say nothing */
#define SHAPE_GONE 0.29 /* even of the strongest; in fog what is near keeps more */
#define KEPT_MIN 5 /* blocks that are found: fog leaves what is near, a cover nothing */
#define ICED_MAX 0.6 /* of the shape, and most of it found though it is so weak, */
#define ICED_SHARP_MAX 0.5 /* and soft */
#define DARK_PART 0.25 /* of the blocks: something hangs before the lens */
#define MOVED_MIN 0.01 /* widths */
#define SHAPES_PART 0.2 /* of the blocks: there is something to see */
#define STILL_MAX 0.1 /* of the blocks, found by chance */
#define STRANGE_MAX 2.0 /* of the shape: what is stronger may be snow on the ground */
#define FLAKES_MIN 1.5 /* of the shape: snow is falling or lies, which has less that is fine */
#define BLURRED_MAX 0.4 /* of what is fine in the reference, */
#define BLURRED_FOG_MAX 0.42 /* where only half of the blocks can be seen, */
#define BLURRED_SNOW_MAX 0.3 /* and in snow */

int worth_new(struct worth **ret)
{
	struct worth *worth = calloc(1, sizeof(*worth));

	if (!worth)
		return -ENOMEM;
	*ret = worth;
	return 0;
}

void worth_free(struct worth *worth)
{
	free(worth);
}

void worth_copy(struct worth *copy, const struct worth *worth)
{
	*copy = *worth;
}

/* ---- learning */

/*
 * The mean of roots, squared: edges grow with the light as the map's samples do, so that the means
 * of both fit after a week of fog.
 */
static float edges_mean(float mean, float now, int weight)
{
	const float root = copysignf(sqrtf(fabsf(mean)), mean);
	const float sum = root + (copysignf(sqrtf(fabsf(now)), now) - root) / (float)weight;

	return sum * fabsf(sum);
}

static void hour_learn(struct hour *hour, const struct sight *sight, int64_t slot_us)
{
	const int n = sight->map.width * sight->map.height;
	int weight;

	if (hour->n > 0 && llabs(slot_us - hour->last_us) < LEARN_EVERY_US)
		return;
	if (hour->n == 0)
		*hour = (struct hour){
			.mean_low = sight->facts.mean,
		};
	hour->last_us = slot_us;
	hour->n += hour->n < LEARNED_FULL;
	weight = (int)hour->n;
	for (int i = 0; i < n; i++) {
		hour->sample[i] = (int16_t)(hour->sample[i] +
			(sight->map.sample[i] * FINE - hour->sample[i]) / weight);
		hour->luma[i] = (int16_t)(hour->luma[i] +
			(sight->map.luma[i] * FINE - hour->luma[i]) / weight);
	}
	for (int i = 0; i < CELLS_SIDE; i++)
		for (int k = 0; k < CELLS_SIDE; k++) {
			struct cell *mean = &hour->cell[i][k];
			const struct cell *now = &sight->cell[i][k];

			mean->fine = edges_mean(mean->fine, now->fine, weight);
			mean->coarse = edges_mean(mean->coarse, now->coarse, weight);
		}
	hour->mean_low += (sight->facts.mean - hour->mean_low) /
		(sight->facts.mean < hour->mean_low ? 1 : LEARNED_FULL);
}

/* ---- judging */

struct judged {
	const struct hour *hour; /* the most like it; NULL: there is nothing to compare with */
	struct alignment at;
	bool was_bright; /* it, and the hours beside it */
};

static struct alignment hour_align(const struct hour *hour, const struct sight *now)
{
	struct reference reference = { .map.width = now->map.width, .map.height = now->map.height };

	for (int i = 0; i < now->map.width * now->map.height; i++) {
		reference.map.sample[i] = (int8_t)(hour->sample[i] / FINE);
		reference.map.luma[i] = (uint8_t)(hour->luma[i] / FINE);
	}
	memcpy(reference.cell, hour->cell, sizeof(reference.cell));
	return sight_align(&reference, now);
}

/* Blocks found, wherever that was. */
static int alignment_known(const struct alignment *at)
{
	return at->found > at->still ? at->found : at->still;
}

static struct judged worth_compare(
	const struct worth *worth, const struct sight *sight, int64_t slot_us)
{
	static const int beside[] = { 0, HOURS - 1, 1 };
	const int now = (int)(slot_us / HOUR_US % HOURS);
	struct judged j = { .was_bright = worth->hour[now].n >= LEARNED_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		const struct hour *hour = &worth->hour[(now + beside[i]) % HOURS];
		struct alignment at;

		if (hour->n < LEARNED_MIN)
			continue;
		j.was_bright &= hour->mean_low >= DARK_BRIGHT_MIN;
		if (j.hour && alignment_known(&j.at) * 2 > j.at.blocks)
			continue; /* it is like this hour */
		at = hour_align(hour, sight);
		if (j.hour &&
			alignment_known(&at) * j.at.blocks <= alignment_known(&j.at) * at.blocks)
			continue;
		j.hour = hour;
		j.at = at;
	}
	return j;
}

/*
 * The shapes are elsewhere; or there are some, and hardly any where it was. What is far stronger
 * than the reference is weather before it. Where nothing is recognized, as in dense snow, what was
 * moved still is.
 */
static bool view_is_moved(const struct alignment *at, bool was_moved)
{
	const bool shapes = at->seen >= SHAPES_PART * at->blocks;

	if (at->moved >= MOVED_SURE && at->found >= ELSEWHERE_PART * at->still)
		return true;
	if (at->moved >= MOVED_MIN && !isnan(at->sharp) && at->found >= at->still)
		return true;
	if (shapes && at->shape < STRANGE_MAX && at->still <= STILL_MAX * at->blocks)
		return true;
	return was_moved && shapes && at->found == 0;
}

/* Ice makes all weak and soft, fog leaves what is near; or the shapes are gone, or it is dark. */
static bool view_is_covered(const struct alignment *at, bool is_bright)
{
	if (at->shape < ICED_MAX && at->sharp < ICED_SHARP_MAX && at->found > at->seen &&
		at->found >= KEPT_MIN)
		return true;
	if (at->shape < SHAPE_GONE && at->found < KEPT_MIN && is_bright)
		return true;
	return at->dark >= DARK_PART * at->blocks;
}

static bool view_is_blurred(const struct alignment *at)
{
	const double most = at->shape > FLAKES_MIN ? BLURRED_SNOW_MAX
		: at->seen * 2 > at->blocks        ? BLURRED_MAX
						   : BLURRED_FOG_MAX;

	return at->sharp < most; /* NaN: too little of it was found to say so */
}

static enum mark judged_mark(const struct judged *j, const struct sight *sight, enum mark before)
{
	const double mean = sight->facts.mean;

	if (j->was_bright && mean <= DARK_MAX)
		return MARK_DARK;
	if (j->at.blocks < BLOCKS_MIN || (!j->was_bright && mean < TELLS_MIN))
		return MARK_NONE;
	if (view_is_covered(&j->at, j->was_bright || mean >= DARK_BRIGHT_MIN))
		return MARK_COVERED;
	if (view_is_moved(&j->at, before == MARK_MOVED))
		return MARK_MOVED;
	return view_is_blurred(&j->at) ? MARK_BLURRED : MARK_NONE;
}

/* A picture without any light or nothing but light has no noise. */
static bool sight_is_plain(const struct sight *sight)
{
	return sight->facts.black + sight->facts.white > 0.98;
}

static bool worth_lasts(const struct worth *worth, int64_t slot_us)
{
	const int64_t keeps_us = worth->mark == MARK_MOVED ? MOVED_KEEPS_US : MARK_KEEPS_US;

	return worth->mark != MARK_NONE && worth->mark != MARK_FROZEN &&
		slot_us - worth->since_us > keeps_us;
}

/* Of the lens or what is before it: as frost grows, a trouble keeps the mark it came with. */
static bool mark_is_of_view(enum mark mark)
{
	return mark == MARK_COVERED || mark == MARK_BLURRED || mark == MARK_MOVED;
}

static void worth_begin(struct worth *worth, const struct sight *sight)
{
	memset(worth, 0, sizeof(*worth));
	worth->width = sight->map.width;
	worth->height = sight->map.height;
}

struct picture_facts worth_judge(struct worth *worth, const struct sight *sight, int64_t slot_us)
{
	struct picture_facts facts = sight->facts;
	struct judged j = { .hour = NULL };
	bool frozen;

	slot_us = slot_us < 0 ? 0 : slot_us;
	if (worth->width != sight->map.width || worth->height != sight->map.height ||
		worth_lasts(worth, slot_us))
		worth_begin(worth, sight);
	frozen = worth->digest == sight->digest && !sight_is_plain(sight);
	worth->digest = sight->digest;
	if (!frozen)
		j = worth_compare(worth, sight, slot_us);
	if (j.hour && !isnan(j.at.moved))
		facts.moved = fmin(round(j.at.moved * 1e4) / 1e4, 1);
	facts.mark = frozen ? MARK_FROZEN
		: j.hour    ? judged_mark(&j, sight, worth->mark)
			    : MARK_NONE;
	if (mark_is_of_view(facts.mark) && mark_is_of_view(worth->mark))
		facts.mark = worth->mark;
	if (facts.mark != worth->mark || slot_us < worth->since_us)
		worth->since_us = slot_us;
	worth->mark = facts.mark;
	if (facts.mark == MARK_NONE)
		hour_learn(&worth->hour[slot_us / HOUR_US % HOURS], sight, slot_us);
	return facts;
}
