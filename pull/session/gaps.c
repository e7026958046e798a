/* SPDX-License-Identifier: MIT */
/*
 * A puller's journal has its lines in the order in which they came, so a segment is read into a
 * table by number, and the table is walked. A prune line comes after the lines it is about,
 * perhaps in a later segment, so a first pass collects the prune lines.
 */
#include "pull/session/gaps.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/utc.h"
#include "common/journal/ranges.h"
#include "pull/session/held.h"

#define REASONS_MAX 8 /* words of prune lines that are kept apart */
#define FRAME_KEY_WITHIN 160 /* bytes from the start of a line */
#define SEGMENTS_MAX 100000

enum kind { ABSENT, FRAME, OTHER, MISS /* plus its cause */ };

/* One number of a segment. */
struct entry {
	int64_t slot_us, last_us;
	uint32_t count;
	uint8_t kind;
};

struct reason {
	char why[TEXT_MAX];
	struct ranges ranges;
};

struct walk {
	const struct gaps_options *options;
	struct journal *journal;
	struct held held;
	uint64_t first, last; /* the numbers to look at */
	uint64_t *segments; /* the numbers of those that are there */
	size_t n_segments;
	struct reason reasons[REASONS_MAX];
	size_t n_reasons;
	struct gap miss; /* misses in a row; count 0: none */
	struct range run; /* numbers without a line; first 0: none */
	int64_t after_us; /* the slot of the line before the run */
	int64_t slot_us; /* of the last line with one */
	int64_t earliest_us; /* slot of a frame of the segment loaded last; TIME_NONE: none */
	struct entry entries[SEGMENT_LINES]; /* of the segment that was loaded last */
};

static void walk_free(struct walk *walk)
{
	for (size_t i = 0; walk && i < walk->n_reasons; i++)
		ranges_clear(&walk->reasons[i].ranges);
	if (walk) {
		held_clear(&walk->held);
		free(walk->segments);
	}
	free(walk);
}
DEFINE_CLEANUP(struct walk, walk_free)

/* ---- the lines of a segment */

/* The last place takes every word that has no place of its own. */
static struct reason *reason_of(struct walk *walk, const char *why)
{
	struct reason *reason;

	for (size_t i = 0; i < walk->n_reasons; i++) {
		if (i == REASONS_MAX - 1 || strcmp(walk->reasons[i].why, why) == 0)
			return &walk->reasons[i];
	}
	reason = &walk->reasons[walk->n_reasons++];
	snprintf(reason->why, sizeof reason->why, "%s",
		walk->n_reasons == REASONS_MAX ? "other reasons" : why);
	return reason;
}

/* record_format() writes the key early; within a text its quotes would be escaped. */
static bool line_is_frame(const char *line, size_t len)
{
	return memmem(line, len < FRAME_KEY_WITHIN ? len : FRAME_KEY_WITHIN, "\"file\":", 7);
}

/* The slot of a frame's line. A frame with a clock correction tells nothing of its neighbours. */
static int64_t frame_slot(const char *line, size_t len)
{
	int64_t slot_us;

	return !memmem(line, len, "\"was\":", 6) && record_peek_slot(line, len, &slot_us)
		? slot_us
		: TIME_NONE;
}

/* Puts a line into the table, and a prune line's numbers into the reasons as well. */
static int take_line(void *data, uint64_t seq, const char *line, size_t len)
{
	struct walk *walk = data;
	struct entry *entry = &walk->entries[seq % SEGMENT_LINES];
	struct record record;

	*entry = (struct entry){ .kind = OTHER, .slot_us = TIME_NONE, .last_us = TIME_NONE };
	if (line_is_frame(line, len)) {
		entry->kind = FRAME;
		entry->slot_us = frame_slot(line, len);
		if (walk->earliest_us == TIME_NONE ||
			(entry->slot_us != TIME_NONE && entry->slot_us < walk->earliest_us))
			walk->earliest_us = entry->slot_us;
		return 0;
	}
	if (record_parse(line, len, &record) < 0)
		return 0;
	if (record.type == RECORD_MISS) {
		entry->kind = (uint8_t)(MISS + record.cause);
		entry->slot_us = record.slot_us;
		entry->last_us = record.last_us;
		entry->count = record.count < UINT32_MAX ? (uint32_t)record.count : UINT32_MAX;
	}
	if (record.type != RECORD_PRUNE || record.last_seq >= record.seq)
		return 0;
	return ranges_add(&reason_of(walk, record.text)->ranges, record.first_seq, record.last_seq);
}

/* Fills the table. */
static int load_segment(struct walk *walk, uint64_t number)
{
	const uint64_t first = number * SEGMENT_LINES;
	uint64_t next;

	memset(walk->entries, 0, sizeof walk->entries);
	walk->earliest_us = TIME_NONE;
	return journal_visit(
		walk->journal, first, first + SEGMENT_LINES - 1, take_line, walk, &next);
}

/* ---- gaps */

static int show_gap(struct walk *walk, const struct gap *gap)
{
	const int64_t since_us = walk->options->since_us;

	if (since_us != TIME_NONE && gap->last_us != TIME_NONE && gap->last_us < since_us)
		return 0;
	return walk->options->gap(walk->options->data, gap);
}

static int end_miss(struct walk *walk)
{
	struct gap gap = walk->miss;

	walk->miss.count = 0;
	return gap.count > 0 ? show_gap(walk, &gap) : 0;
}

/* Whether `seq` is in `ranges`; cuts the gap where that changes. */
static bool gap_cut(const struct ranges *ranges, uint64_t seq, struct gap *gap)
{
	uint64_t last;
	bool in = ranges_run(ranges, seq, &last);

	gap->last_seq = last < gap->last_seq ? last : gap->last_seq;
	return in;
}

/*
 * Finds the cause for numbers without a line, and cuts the gap where it changes after `seq`.
 * False: no gap, because the picture is here under another number, or would not be kept here.
 */
static bool gap_classify(const struct walk *walk, uint64_t seq, struct gap *gap)
{
	const struct held *held = &walk->held;
	bool redated = false;

	if (seq <= held->unwanted) {
		if (gap->last_seq > held->unwanted)
			gap->last_seq = held->unwanted;
		return false;
	}
	gap->cause = gap_cut(&held->settled, seq, gap) ? GAP_GONE : GAP_PENDING;
	if (gap_cut(&held->damaged, seq, gap))
		gap->cause = GAP_DAMAGED;
	for (size_t i = 0; i < walk->n_reasons; i++) {
		if (!gap_cut(&walk->reasons[i].ranges, seq, gap))
			continue;
		gap->cause = GAP_PRUNED;
		memcpy(gap->why, walk->reasons[i].why, sizeof gap->why);
		redated = redated || strcmp(gap->why, PRUNE_REDATED) == 0;
	}
	return !redated;
}

static int end_run(struct walk *walk, int64_t before_us)
{
	struct range run = walk->run;
	int r = 0;

	walk->run.first = 0;
	while (r == 0 && run.first > 0 && run.first <= run.last) {
		struct gap gap = { .first_seq = run.first,
			.last_seq = run.last,
			.first_us = walk->after_us,
			.last_us = before_us };

		if (gap_classify(walk, run.first, &gap)) {
			gap.count = gap.last_seq - gap.first_seq + 1;
			r = show_gap(walk, &gap);
		}
		run.first = gap.last_seq + 1;
	}
	return r;
}

static int take_absent(struct walk *walk, uint64_t first, uint64_t last)
{
	int r;

	if (walk->run.first > 0 && walk->run.last + 1 == first) {
		walk->run.last = last;
		return 0;
	}
	r = end_miss(walk);
	if (r == 0)
		r = end_run(walk, TIME_NONE);
	walk->run = (struct range){ first, last };
	walk->after_us = walk->slot_us;
	return r;
}

static int take_miss(struct walk *walk, uint64_t seq, const struct entry *entry)
{
	struct gap *miss = &walk->miss;
	unsigned cause = entry->kind - MISS;
	int r = 0;

	if (miss->count > 0 && miss->cause != cause)
		r = end_miss(walk);
	if (miss->count == 0)
		*miss = (struct gap){ .cause = cause,
			.first_seq = seq,
			.first_us = entry->slot_us,
			.last_us = entry->last_us };
	miss->last_seq = seq;
	miss->count += entry->count;
	if (entry->last_us > miss->last_us)
		miss->last_us = entry->last_us;
	return r;
}

static int take_entry(struct walk *walk, uint64_t seq)
{
	const struct entry *entry = &walk->entries[seq % SEGMENT_LINES];
	int r = 0;

	if (entry->kind == ABSENT)
		return take_absent(walk, seq, seq);
	if (entry->slot_us != TIME_NONE) {
		walk->slot_us = entry->slot_us;
		r = end_run(walk, entry->slot_us);
	}
	if (r == 0 && entry->kind >= MISS)
		r = take_miss(walk, seq, entry);
	else if (r == 0 && entry->kind == FRAME)
		r = end_miss(walk);
	return r;
}

/* Walks from `seq` on, which is in segment `i` of the list or before it. */
static int walk_segments(struct walk *walk, size_t i, uint64_t seq)
{
	const uint64_t last = walk->last;
	int r = 0;

	for (; r == 0 && i < walk->n_segments && seq <= last; i++) {
		uint64_t start = walk->segments[i] * SEGMENT_LINES, end = start + SEGMENT_LINES - 1;

		if (start > last)
			break;
		if (start > seq) {
			r = take_absent(walk, seq, start - 1);
			seq = start;
		}
		if (r == 0)
			r = load_segment(walk, walk->segments[i]);
		for (; r == 0 && seq <= end && seq <= last; seq++)
			r = take_entry(walk, seq);
	}
	if (r == 0 && seq <= last)
		r = take_absent(walk, seq, last);
	if (r == 0)
		r = end_miss(walk);
	return r < 0 ? r : end_run(walk, TIME_NONE);
}

/* Lists the segments that are there, from that of the first number on. */
static int list_segments(struct walk *walk)
{
	uint64_t number = walk->first / SEGMENT_LINES, *grown;
	int r;

	while ((r = journal_segment(walk->journal, number, &number)) == 0 &&
		walk->n_segments < SEGMENTS_MAX) {
		grown = reallocarray(walk->segments, walk->n_segments + 1, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		walk->segments = grown;
		walk->segments[walk->n_segments++] = number++;
	}
	return r == -ENOENT ? 0 : r;
}

/*
 * Goes back from the newest segment to the one that reaches `since_us`, and collects the prune
 * lines on the way. The walk begins with segment `ret_i` of the list, which may raise its first
 * number.
 */
static int look_back(struct walk *walk, size_t *ret_i)
{
	const int64_t since_us = walk->options->since_us;
	size_t i = walk->n_segments;
	bool reached = false;
	int r = 0;

	while (r == 0 && i > 0 && !reached) {
		r = load_segment(walk, walk->segments[--i]);
		reached = walk->earliest_us != TIME_NONE && walk->earliest_us < since_us;
	}
	if (reached && walk->segments[i] * SEGMENT_LINES > walk->first)
		walk->first = walk->segments[i] * SEGMENT_LINES;
	*ret_i = i;
	return r;
}

/* What is here, and what the camera said it has. */
static int find_bounds(struct walk *walk)
{
	const struct peer_state *peer = walk->options->peer;
	int r = journal_first(walk->journal, &walk->first);

	if (r == 0)
		r = journal_last(walk->journal, &walk->last);
	if (peer->last > walk->last)
		walk->last = peer->last;
	if (peer->first > 0 && (walk->first == 0 || peer->first < walk->first))
		walk->first = peer->first;
	if (walk->first == 0) /* the archive has no line, and the camera has not said anything */
		walk->first = 1;
	return r;
}

int gaps_walk(struct archive *archive, const struct gaps_options *options, uint64_t *ret_behind)
{
	CLEANUP(walk_freep) struct walk *walk = calloc(1, sizeof *walk);
	size_t i = 0;
	int r;

	if (!walk)
		return -ENOMEM;
	walk->options = options;
	walk->journal = archive_journal(archive);
	walk->slot_us = TIME_NONE;
	r = held_load(archive, &walk->held);
	if (r == 0)
		r = find_bounds(walk);
	if (r < 0)
		return r;
	if (ret_behind)
		*ret_behind = ranges_missing(&walk->held.settled, walk->first, walk->last);
	if (options->from > walk->first)
		walk->first = options->from;
	r = list_segments(walk);
	if (r == 0)
		r = look_back(walk, &i);
	return r < 0 ? r : walk_segments(walk, i, walk->first);
}

/* ---- as text */

/* The causes that are not those of a miss. */
static const struct {
	const char *name, *words;
} causes[GAP_CAUSES] = {
	[GAP_PRUNED] = { "pruned", "pruned by the camera before it was fetched" },
	[GAP_GONE] = { "gone", "not on the camera any more, it does not say why" },
	[GAP_DAMAGED] = { "damaged", "damaged on the camera: " DAMAGED_NEXT_STEP },
	[GAP_PENDING] = { "pending", "not fetched yet" },
};

const char *gap_cause_name(unsigned cause)
{
	return causes[cause].name ? causes[cause].name : miss_cause_name((enum miss_cause)cause);
}

/* Says when the gap was: by its own slots, or by its neighbours', of which one may be unknown. */
static void describe_time(const struct gap *gap, char *buf, size_t size)
{
	const bool between = gap->cause >= MISS_CAUSES;
	char first[UTC_TEXT_MAX] = "", last[UTC_TEXT_MAX] = "";

	if (gap->first_us != TIME_NONE)
		utc_format_local(gap->first_us, first);
	if (gap->last_us != TIME_NONE)
		utc_format_local(gap->last_us, last);
	if (*first && *last && (between || gap->first_us != gap->last_us))
		snprintf(buf, size, "%s%s %s %s", between ? "between " : "", first,
			between ? "and" : "to", last);
	else if (*first)
		snprintf(buf, size, "%s%s", between ? "after " : "", first);
	else if (*last && between)
		snprintf(buf, size, "before %s", last);
	else
		snprintf(buf, size, "at a time that is not known");
}

const char *gap_describe(const struct gap *gap, char *buf, size_t size)
{
	const bool missed = gap->cause < MISS_CAUSES;
	char time[2 * UTC_TEXT_MAX + 16], until[24] = "";

	describe_time(gap, time, sizeof time);
	if (gap->first_seq != gap->last_seq)
		snprintf(until, sizeof until, "-%" PRIu64, gap->last_seq);
	snprintf(buf, size, "%" PRIu64 "%s  %s  %" PRIu64 " %s%s%s%s", gap->first_seq, until, time,
		gap->count, missed ? "missed: " : "",
		missed ? miss_cause_text((enum miss_cause)gap->cause) : causes[gap->cause].words,
		*gap->why ? ": " : "", gap->why);
	return buf;
}
