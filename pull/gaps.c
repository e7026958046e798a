/* SPDX-License-Identifier: MIT */
/*
 * A puller's journal has its lines in the order they came, so a segment is read into a table by
 * number, and the table is walked. Prune lines stand behind what they tell of, in a later segment
 * perhaps: they are collected first.
 */
#include "pull/gaps.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/utc.h"
#include "pull/contact.h"
#include "common/ranges.h"

#define REASONS_MAX 8 /* of prune lines that are told apart */
#define FRAME_KEY_WITHIN 160 /* bytes of a line */
#define SEGMENTS_MAX 100000

enum kind { ABSENT, FRAME, OTHER, MISS /* and its cause */ };

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
	struct reason reasons[REASONS_MAX];
	size_t n_reasons;
	struct gap miss; /* misses in a row; count 0: none */
	struct range run; /* numbers without a line; first 0: none */
	int64_t after_us; /* the slot of the line before the run */
	int64_t slot_us; /* of the last line with one */
	struct entry entries[SEGMENT_LINES];
};

static void walk_freep(struct walk **walk)
{
	for (size_t i = 0; *walk && i < (*walk)->n_reasons; i++)
		ranges_clear(&(*walk)->reasons[i].ranges);
	free(*walk);
}

/* ---- prune lines */

/* The last place takes all that have no place of their own. */
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

static int note_prune(struct walk *walk, const char *line, size_t len)
{
	struct record record;

	if (!memmem(line, len, "\"prune\":", 8) || record_parse(line, len, &record) < 0 ||
		record.type != RECORD_PRUNE || record.last_seq >= record.seq)
		return 0;
	return ranges_add(&reason_of(walk, record.text)->ranges, record.first_seq, record.last_seq);
}

/* ---- the table of a segment */

/* Lines are written by record_format(), so the key stands early; in a text its quotes would be escaped. */
static bool is_frame(const char *line, size_t len)
{
	return memmem(line, len < FRAME_KEY_WITHIN ? len : FRAME_KEY_WITHIN, "\"file\":", 7);
}

/* The slot of a frame's line; a frame that was dated anew tells nothing of its neighbours. */
static int64_t frame_slot(const char *line, size_t len)
{
	int64_t slot_us;

	return !memmem(line, len, "\"was\":", 6) && record_peek_slot(line, len, &slot_us)
		? slot_us
		: TIME_NONE;
}

static struct entry entry_of(const char *line, size_t len)
{
	struct entry entry = { .kind = OTHER, .slot_us = TIME_NONE, .last_us = TIME_NONE };
	struct record record;

	if (is_frame(line, len)) {
		entry.kind = FRAME;
		entry.slot_us = frame_slot(line, len);
	} else if (record_parse(line, len, &record) == 0 && record.type == RECORD_MISS) {
		entry.kind = (uint8_t)(MISS + record.cause);
		entry.slot_us = record.slot_us;
		entry.last_us = record.last_us;
		entry.count = record.count < UINT32_MAX ? (uint32_t)record.count : UINT32_MAX;
	}
	return entry;
}

/* As for a cursor: what is no segment of ours has no lines. */
static int passed_over(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -ELOOP ? 0 : r;
}

static int load(struct walk *walk, uint64_t number)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_read_on(walk->journal, number, 0, &cursor);

	memset(walk->entries, 0, sizeof walk->entries);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0)
		walk->entries[seq % SEGMENT_LINES] = entry_of(line, len);
	return passed_over(r);
}

/* Takes in a segment's prune lines. `ret_slot_us`: its earliest slot of a frame, TIME_NONE: none. */
static int scan(struct walk *walk, uint64_t number, int64_t *ret_slot_us)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	int64_t slot_us, earliest_us = TIME_NONE;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = journal_read_on(walk->journal, number, 0, &cursor);

	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (!is_frame(line, len)) {
			r = note_prune(walk, line, len);
			continue;
		}
		slot_us = frame_slot(line, len);
		if (slot_us != TIME_NONE && (earliest_us == TIME_NONE || slot_us < earliest_us))
			earliest_us = slot_us;
	}
	r = passed_over(r);
	if (r == 0)
		*ret_slot_us = earliest_us;
	return r;
}

/* ---- gaps */

static int show(struct walk *walk, const struct gap *gap)
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
	return gap.count > 0 ? show(walk, &gap) : 0;
}

/*
 * The cause of what has no line, for as many numbers from `seq` on as have the same. False: it is no
 * gap, for it is here under another number, or would not be kept here.
 */
static bool classify(const struct walk *walk, uint64_t seq, struct gap *gap)
{
	bool redated = false, same;
	uint64_t last;

	if (seq <= walk->options->held->unwanted) {
		if (gap->last_seq > walk->options->held->unwanted)
			gap->last_seq = walk->options->held->unwanted;
		return false;
	}

	gap->cause = ranges_run(&walk->options->held->settled, seq, &last) ? GAP_GONE : GAP_PENDING;
	gap->last_seq = last < gap->last_seq ? last : gap->last_seq;
	if (ranges_run(&walk->options->held->damaged, seq, &last))
		gap->cause = GAP_DAMAGED;
	gap->last_seq = last < gap->last_seq ? last : gap->last_seq;
	for (size_t i = 0; i < walk->n_reasons; i++) {
		same = ranges_run(&walk->reasons[i].ranges, seq, &last);
		gap->last_seq = last < gap->last_seq ? last : gap->last_seq;
		if (!same)
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

		if (classify(walk, run.first, &gap)) {
			gap.count = gap.last_seq - gap.first_seq + 1;
			r = show(walk, &gap);
		}
		run.first = gap.last_seq + 1;
	}
	return r;
}

static int absent(struct walk *walk, uint64_t first, uint64_t last)
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

static int missed(struct walk *walk, uint64_t seq, const struct entry *entry)
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

static int see(struct walk *walk, uint64_t seq)
{
	const struct entry *entry = &walk->entries[seq % SEGMENT_LINES];
	int r = 0;

	if (entry->kind == ABSENT)
		return absent(walk, seq, seq);
	if (entry->slot_us != TIME_NONE) {
		walk->slot_us = entry->slot_us;
		r = end_run(walk, entry->slot_us);
	}
	if (r == 0 && entry->kind >= MISS)
		r = missed(walk, seq, entry);
	else if (r == 0 && entry->kind == FRAME)
		r = end_miss(walk);
	return r;
}

/* The numbers of one segment that is there. */
static int walk_segment(struct walk *walk, uint64_t from, uint64_t to)
{
	int r = load(walk, from / SEGMENT_LINES);

	for (uint64_t seq = from; r == 0 && seq <= to; seq++)
		r = see(walk, seq);
	return r;
}

static int walk_all(struct walk *walk, uint64_t first)
{
	const uint64_t last = walk->options->last;
	uint64_t seq = first, number, from, to;
	int r = 0;

	while (r == 0 && seq <= last) {
		r = journal_segment(walk->journal, seq / SEGMENT_LINES, &number);
		if (r == -ENOENT || (r == 0 && number > last / SEGMENT_LINES)) {
			r = absent(walk, seq, last);
			break;
		}
		if (r < 0)
			return r;
		from = number * SEGMENT_LINES;
		if (from > seq)
			r = absent(walk, seq, from - 1);
		from = from > seq ? from : seq;
		to = (number + 1) * SEGMENT_LINES - 1;
		if (r == 0)
			r = walk_segment(walk, from, to < last ? to : last);
		seq = to + 1;
	}
	if (r == 0)
		r = end_miss(walk);
	return r < 0 ? r : end_run(walk, TIME_NONE);
}

/* The numbers of the segments that are there, from that of `from` on; the caller frees. */
static int list_segments(struct walk *walk, uint64_t from, uint64_t **ret, size_t *ret_n)
{
	CLEANUP_FREE uint64_t *list = NULL;
	uint64_t number = from / SEGMENT_LINES, *grown;
	size_t n = 0;
	int r;

	while ((r = journal_segment(walk->journal, number, &number)) == 0 && n < SEGMENTS_MAX) {
		grown = reallocarray(list, n + 1, sizeof *list);
		if (!grown)
			return -ENOMEM;
		list = grown;
		list[n++] = number++;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

/*
 * Goes back from the newest segment to the one that tells of `since_us`, and takes in the prune lines on
 * the way. `ret_first` is where the walk begins.
 */
static int look_back(struct walk *walk, uint64_t *ret_first)
{
	const struct gaps_options *options = walk->options;
	CLEANUP_FREE uint64_t *segments = NULL;
	uint64_t first = options->first;
	int64_t slot_us = TIME_NONE;
	size_t n;
	int r = list_segments(walk, first, &segments, &n);

	while (r == 0 && n-- > 0) {
		r = scan(walk, segments[n], &slot_us);
		if (options->since_us == TIME_NONE || slot_us == TIME_NONE ||
			slot_us >= options->since_us)
			continue;
		if (segments[n] * SEGMENT_LINES > first)
			first = segments[n] * SEGMENT_LINES;
		break;
	}
	if (r == 0)
		*ret_first = first;
	return r;
}

int gaps_bounds(struct archive *archive, const struct contact *contact, struct gaps_options *ret)
{
	uint64_t first, last;
	int r = journal_first(archive_journal(archive), &first);

	if (r == 0)
		r = journal_last(archive_journal(archive), &last);
	if (r < 0)
		return r;
	ret->last = contact->last > last ? contact->last : last;
	ret->first = contact->first > 0 && (first == 0 || contact->first < first) ? contact->first
										  : first;
	/* an archive without a line, and a camera that has not said anything */
	if (ret->first == 0)
		ret->first = 1;
	return 0;
}

int gaps_walk(struct archive *archive, const struct gaps_options *options)
{
	CLEANUP(walk_freep) struct walk *walk = calloc(1, sizeof *walk);
	uint64_t first;
	int r;

	if (!walk)
		return -ENOMEM;
	walk->options = options;
	walk->journal = archive_journal(archive);
	walk->slot_us = TIME_NONE;
	r = look_back(walk, &first);
	return r < 0 ? r : walk_all(walk, first);
}

/* ---- as text */

const char *gap_cause_name(unsigned cause)
{
	switch (cause) {
	case GAP_PRUNED:
		return "pruned";
	case GAP_GONE:
		return "gone";
	case GAP_DAMAGED:
		return "damaged";
	case GAP_PENDING:
		return "pending";
	default:
		return miss_cause_name((enum miss_cause)cause);
	}
}

static void describe_time(const struct gap *gap, char *buf, size_t size)
{
	char first[UTC_TEXT_MAX], last[UTC_TEXT_MAX];
	bool has_first = gap->first_us != TIME_NONE, has_last = gap->last_us != TIME_NONE;

	if (has_first)
		utc_format_local(gap->first_us, first);
	if (has_last)
		utc_format_local(gap->last_us, last);
	if (gap->cause >= MISS_CAUSES && has_first && has_last)
		snprintf(buf, size, "between %s and %s", first, last);
	else if (gap->cause >= MISS_CAUSES && (has_first || has_last))
		snprintf(buf, size, "%s %s", has_first ? "after" : "before",
			has_first ? first : last);
	else if (has_first && has_last && gap->first_us != gap->last_us)
		snprintf(buf, size, "%s to %s", first, last);
	else
		snprintf(buf, size, "%s", has_first ? first : "at a time that is not known");
}

const char *gap_describe(const struct gap *gap, char *buf, size_t size)
{
	char time[2 * UTC_TEXT_MAX + 16], numbers[48];
	const char *why = gap->why, *words;

	describe_time(gap, time, sizeof time);
	if (gap->first_seq == gap->last_seq)
		snprintf(numbers, sizeof numbers, "%" PRIu64, gap->first_seq);
	else
		snprintf(numbers, sizeof numbers, "%" PRIu64 "-%" PRIu64, gap->first_seq,
			gap->last_seq);
	switch (gap->cause) {
	case GAP_PRUNED:
		words = "pruned by the camera before it was fetched";
		break;
	case GAP_GONE:
		words = "not on the camera any more, it does not say why";
		break;
	case GAP_DAMAGED:
		words = "damaged on the camera: " DAMAGED_NEXT_STEP;
		break;
	case GAP_PENDING:
		words = "not fetched yet";
		break;
	default:
		words = miss_cause_text((enum miss_cause)gap->cause);
	}
	snprintf(buf, size, "%s  %s  %" PRIu64 " %s%s%s%s", numbers, time, gap->count,
		gap->cause < MISS_CAUSES ? "missed: " : "", words, *why ? ": " : "", why);
	return buf;
}
