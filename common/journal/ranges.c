/* SPDX-License-Identifier: MIT */
/* Ranges in an array that is searched by halves. */
#include "common/journal/ranges.h"

#include <errno.h>
#include <string.h>

void ranges_clear(struct ranges *ranges)
{
	free(ranges->list);
	*ranges = (struct ranges){ 0 };
}

/* The first range that ends at `seq` or after it; n if there is none. */
static size_t ranges_find(const struct ranges *ranges, uint64_t seq)
{
	size_t low = 0, high = ranges->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->list[middle].last < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int ranges_grow(struct ranges *ranges)
{
	size_t room = ranges->room ? ranges->room * 2 : 16;
	struct range *list;

	if (ranges->n < ranges->room)
		return 0;
	list = reallocarray(ranges->list, room, sizeof *list);
	if (!list)
		return -ENOMEM;
	ranges->list = list;
	ranges->room = room;
	return 0;
}

int ranges_add(struct ranges *ranges, uint64_t first, uint64_t last)
{
	size_t from, to;
	int r;

	if (first > last)
		return 0;
	/* all that overlap or touch become one */
	from = ranges_find(ranges, first > 0 ? first - 1 : 0);
	to = from;
	while (to < ranges->n && ranges->list[to].first <= last + 1)
		to++;
	if (to > from) {
		struct range *into = &ranges->list[from];

		into->first = into->first < first ? into->first : first;
		into->last = ranges->list[to - 1].last > last ? ranges->list[to - 1].last : last;
		memmove(into + 1, &ranges->list[to], (ranges->n - to) * sizeof *into);
		ranges->n -= to - from - 1;
		return 0;
	}
	r = ranges_grow(ranges);
	if (r < 0)
		return r;
	memmove(&ranges->list[from + 1], &ranges->list[from],
		(ranges->n - from) * sizeof *ranges->list);
	ranges->list[from] = (struct range){ first, last };
	ranges->n++;
	return 0;
}

int ranges_remove(struct ranges *ranges, uint64_t first, uint64_t last)
{
	size_t i = ranges_find(ranges, first);
	int r;

	while (i < ranges->n && ranges->list[i].first <= last) {
		struct range old = ranges->list[i];

		r = old.first < first && old.last > last ? ranges_grow(ranges) : 0;
		if (r < 0)
			return r;
		memmove(&ranges->list[i], &ranges->list[i + 1],
			(--ranges->n - i) * sizeof *ranges->list);
		if (old.first < first)
			r = ranges_add(ranges, old.first, first - 1);
		if (r == 0 && old.last > last)
			r = ranges_add(ranges, last + 1, old.last);
		if (r < 0)
			return r;
		i += old.first < first;
	}
	return 0;
}

int ranges_copy(const struct ranges *ranges, struct ranges *ret)
{
	if (ranges->n == 0)
		return 0;
	ret->list = malloc(ranges->n * sizeof *ret->list);
	if (!ret->list)
		return -ENOMEM;
	memcpy(ret->list, ranges->list, ranges->n * sizeof *ret->list);
	ret->n = ret->room = ranges->n;
	return 0;
}

bool ranges_has(const struct ranges *ranges, uint64_t seq)
{
	size_t i = ranges_find(ranges, seq);

	return i < ranges->n && ranges->list[i].first <= seq;
}

bool ranges_run(const struct ranges *ranges, uint64_t seq, uint64_t *ret_last)
{
	size_t i = ranges_find(ranges, seq);
	bool in = i < ranges->n && ranges->list[i].first <= seq;

	if (in)
		*ret_last = ranges->list[i].last;
	else
		*ret_last = i < ranges->n ? ranges->list[i].first - 1 : UINT64_MAX;
	return in;
}

uint64_t ranges_last(const struct ranges *ranges)
{
	return ranges->n ? ranges->list[ranges->n - 1].last : 0;
}

uint64_t ranges_missing(const struct ranges *ranges, uint64_t first, uint64_t last)
{
	uint64_t missing = first <= last ? last - first + 1 : 0;

	for (size_t i = ranges_find(ranges, first); i < ranges->n && ranges->list[i].first <= last;
		i++) {
		const struct range *range = &ranges->list[i];
		uint64_t from = range->first > first ? range->first : first;

		missing -= (range->last < last ? range->last : last) - from + 1;
	}
	return missing;
}

uint64_t ranges_prefix(const struct ranges *ranges, uint64_t first)
{
	size_t i = ranges_find(ranges, first);

	return i < ranges->n && ranges->list[i].first <= first ? ranges->list[i].last : first - 1;
}

bool ranges_gap(const struct ranges *ranges, uint64_t first, uint64_t last, struct range *ret)
{
	size_t i = ranges_find(ranges, last);

	if (first > last)
		return false;
	if (i < ranges->n && ranges->list[i].first <= last) {
		if (ranges->list[i].first <= first)
			return false;
		last = ranges->list[i].first - 1;
	}
	ret->last = last;
	ret->first =
		i > 0 && ranges->list[i - 1].last >= first ? ranges->list[i - 1].last + 1 : first;
	return ret->first <= last;
}
