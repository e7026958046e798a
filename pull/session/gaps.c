/* SPDX-License-Identifier: MIT */
/*
 * A puller's journal has its lines in the order in which they came, so a segment is read into a
 * table, which is sorted and walked. The table is as long as the segment has lines: a peer may
 * write a segment with one. A prune line comes after the lines it is about, perhaps in a later
 * segment, so a first pass collects the prune lines.
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

enum kind { FRAME, OTHER, MISS /* plus its cause */ };

/* A line of a segment. */
struct entry {
	uint64_t seq;
	int64_t slot_us, last_us;
	uint32_t count, line; /* slots; which line of the segment it is */
	int32_t late_us; /* of a frame that may count as taken; or one of the next two */
	uint8_t kind;
};
#define LATE_UNCOUNTED INT32_MIN
#define LATE_UNKNOWN (INT32_MIN + 1)
#define LATE_KEPT_US INT32_C(1800000000)

struct reason {
	char why[TEXT_MAX];
	struct ranges ranges;
};

struct walk {
	const struct gaps_options *options;
	struct journal *journal;
	struct held held;
	uint64_t first, last; /* the numbers to look at */
	struct segments segments;
	struct reason reasons[REASONS_MAX];
	size_t n_reasons;
	struct gap miss; /* misses in a row; count 0: none */
	struct range run; /* numbers without a line; first 0: none */
	int64_t after_us; /* the slot of the line before the run */
	int64_t slot_us; /* of the last line with one */
	int64_t earliest_us; /* slot of a frame of the segment loaded last; TIME_NONE: none */
	struct entry
		*entries; /* of the segment that was loaded last, in the order of the numbers */
	size_t n_entries, room;
};

static void walk_free(struct walk *walk)
{
	for (size_t i = 0; walk && i < walk->n_reasons; i++)
		ranges_clear(&walk->reasons[i].ranges);
	if (walk) {
		held_clear(&walk->held);
		segments_clear(&walk->segments);
		free(walk->entries);
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

/* Without parsing it; by its own slot, after a clock correction too. */
static int32_t frame_late(const struct gaps_options *options, const char *line, size_t len)
{
	static const char key[] = "\"late_us\":";
	const char *at;
	int64_t slot_us, late_us;

	if (!options->taken || !record_peek_slot(line, len, &slot_us) ||
		(options->since_us != TIME_NONE && slot_us < options->since_us) ||
		memmem(line, len, "\"shot\":true", 11))
		return LATE_UNCOUNTED;
	at = memmem(line, len, key, strlen(key));
	if (!at)
		return LATE_UNKNOWN;
	late_us = strtoll(at + strlen(key), NULL, 10);
	if (late_us > LATE_KEPT_US)
		return LATE_KEPT_US;
	return late_us < -LATE_KEPT_US ? -LATE_KEPT_US : (int32_t)late_us;
}

static struct entry *entry_new(struct walk *walk, uint64_t seq)
{
	struct entry *entry;

	if (!list_make_room(&walk->entries, walk->n_entries, &walk->room, sizeof(*entry)))
		return NULL;
	entry = &walk->entries[walk->n_entries];
	*entry = (struct entry){ .seq = seq,
		.line = (uint32_t)walk->n_entries++,
		.kind = OTHER,
		.slot_us = TIME_NONE,
		.last_us = TIME_NONE };
	return entry;
}

/* Of two lines with one number the later one comes last, and counts. */
static int entry_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Puts a line into the table, and a prune line's numbers into the reasons as well. */
static int take_line(void *data, uint64_t seq, const char *line, size_t len)
{
	struct walk *walk = data;
	struct entry *entry = entry_new(walk, seq);
	struct record record;

	if (!entry)
		return -ENOMEM;
	if (line_is_frame(line, len)) {
		entry->kind = FRAME;
		entry->slot_us = frame_slot(line, len);
		entry->late_us = frame_late(walk->options, line, len);
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
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_read_on(walk->journal, number, 0, &cursor);

	walk->n_entries = 0;
	walk->earliest_us = TIME_NONE;
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0)
		r = take_line(walk, seq, line, len);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* no line of it can be read */
	if (walk->n_entries > 0)
		qsort(walk->entries, walk->n_entries, sizeof *walk->entries, entry_compare);
	return 0;
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

static int take_miss(struct walk *walk, const struct entry *entry)
{
	struct gap *miss = &walk->miss;
	unsigned cause = entry->kind - MISS;
	int r = 0;

	if (miss->count > 0 && miss->cause != cause)
		r = end_miss(walk);
	if (miss->count == 0)
		*miss = (struct gap){ .cause = cause,
			.first_seq = entry->seq,
			.first_us = entry->slot_us,
			.last_us = entry->last_us };
	miss->last_seq = entry->seq;
	miss->count += entry->count;
	if (entry->last_us > miss->last_us)
		miss->last_us = entry->last_us;
	return r;
}

static void take_taken(const struct walk *walk, const struct entry *entry)
{
	const int32_t late_us = entry->late_us;

	if (late_us == LATE_UNCOUNTED)
		return;
	for (size_t i = 0; i < walk->n_reasons; i++)
		if (strcmp(walk->reasons[i].why, PRUNE_REDATED) == 0 &&
			ranges_has(&walk->reasons[i].ranges, entry->seq))
			return;
	walk->options->taken(walk->options->data, late_us == LATE_UNKNOWN ? TIME_NONE : late_us);
}

static int take_entry(struct walk *walk, const struct entry *entry)
{
	int r = 0;

	if (entry->slot_us != TIME_NONE) {
		walk->slot_us = entry->slot_us;
		r = end_run(walk, entry->slot_us);
	}
	if (r == 0 && entry->kind >= MISS)
		r = take_miss(walk, entry);
	else if (r == 0 && entry->kind == FRAME)
		r = end_miss(walk);
	if (r == 0 && entry->kind == FRAME)
		take_taken(walk, entry);
	return r;
}

/* Walks the lines of the segment that was loaded, from the number `*seq` on. */
static int walk_entries(struct walk *walk, uint64_t *seq)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < walk->n_entries; i++) {
		const struct entry *entry = &walk->entries[i];

		if (entry->seq < *seq || entry->seq > walk->last ||
			(i + 1 < walk->n_entries && entry[1].seq == entry->seq))
			continue;
		if (entry->seq > *seq)
			r = take_absent(walk, *seq, entry->seq - 1);
		if (r == 0)
			r = take_entry(walk, entry);
		*seq = entry->seq + 1;
	}
	return r;
}

/* Walks from `seq` on, which is in segment `i` of the list or before it. */
static int walk_segments(struct walk *walk, size_t i, uint64_t seq)
{
	const uint64_t last = walk->last;
	int r = 0;

	for (; r == 0 && i < walk->segments.n && seq <= last; i++) {
		r = load_segment(walk, walk->segments.list[i]);
		if (r == 0)
			r = walk_entries(walk, &seq);
	}
	if (r == 0 && seq <= last)
		r = take_absent(walk, seq, last);
	if (r == 0)
		r = end_miss(walk);
	return r < 0 ? r : end_run(walk, TIME_NONE);
}

/*
 * Goes back from the newest segment to the one that reaches `since_us`, and collects the prune
 * lines on the way, down to the segment `least` of the list. The walk begins with segment `ret_i`
 * of it, which may raise its first number.
 */
static int look_back(struct walk *walk, size_t least, size_t *ret_i)
{
	const int64_t since_us = walk->options->since_us;
	size_t i = walk->segments.n;
	bool reached = false;
	int r = 0;

	while (r == 0 && i > least && !reached) {
		r = load_segment(walk, walk->segments.list[--i]);
		reached = walk->earliest_us != TIME_NONE && walk->earliest_us < since_us;
	}
	if (reached && walk->segments.list[i] * SEGMENT_LINES > walk->first)
		walk->first = walk->segments.list[i] * SEGMENT_LINES;
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
	r = journal_segments(walk->journal, &walk->segments);
	if (r == 0)
		r = look_back(walk, segments_at(&walk->segments, walk->first / SEGMENT_LINES), &i);
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
