/* SPDX-License-Identifier: MIT */
/* What is settled, from a small file and from what the journal has got since it was written. */
#include "pull/session/held.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/limits.h"
#include "pull/session/room.h"

#define HELD_FILE ".settled"
#define HELD_FILE_MAX (8 * 1024 * 1024)
#define HELD_RANGES_MAX 200000 /* with more the file would be slower than the journal */
#define HELD_SEGMENTS_MAX 100000

void held_clear(struct held *held)
{
	ranges_clear(&held->settled);
	ranges_clear(&held->damaged);
	ranges_clear(&held->claimed);
	free(held->segments);
	ranges_clear(&held->redated);
	*held = (struct held){ 0 };
}

/* They are in order, so that many cost little. */
static int held_add_segment(struct held *held, uint64_t number, struct held_segment **ret)
{
	size_t low = 0, high = held->n_segments;
	struct held_segment *grown;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (held->segments[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < held->n_segments && held->segments[low].number == number) {
		*ret = &held->segments[low];
		return 0;
	}
	if (held->n_segments == HELD_SEGMENTS_MAX)
		return -E2BIG;
	grown = reallocarray(held->segments, held->n_segments + 1, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	held->segments = grown;
	memmove(grown + low + 1, grown + low, (held->n_segments++ - low) * sizeof *grown);
	*ret = &grown[low];
	**ret = (struct held_segment){ .number = number };
	return 0;
}

/* ---- the file */

static int held_parse_line(struct held *held, const char *line)
{
	struct held_segment *segment;
	char word[10], end;
	uint64_t a = 0, b = 0;
	int n = sscanf(line, "%9[a-z] %" SCNu64 " %" SCNu64 "%c", word, &a, &b, &end), r;

	if (n < 2 || a > SEQ_MAX || b > INT64_MAX)
		return -EBADMSG;
	if (n == 2 && strcmp(word, "unwanted") == 0) {
		held->unwanted = a;
		return 0;
	}
	if (n != 3)
		return -EBADMSG;
	if (strcmp(word, "segment") == 0) {
		r = held_add_segment(held, a, &segment);
		if (r == 0)
			segment->offset = (int64_t)b;
		return r;
	}
	if (a == 0 || a > b || b > SEQ_MAX)
		return -EBADMSG;
	if (strcmp(word, "range") == 0 && a > ranges_last(&held->settled))
		return ranges_add(&held->settled, a, b);
	if (strcmp(word, "claimed") == 0)
		return ranges_add(&held->claimed, a, b);
	return strcmp(word, "damaged") == 0 ? ranges_add(&held->damaged, a, b) : -EBADMSG;
}

static int held_parse(struct held *held, const char *id, char *text)
{
	char *next, first[sizeof "settled 2 " + UUID_CHARS];
	bool begun = false;
	int r = 0;

	snprintf(first, sizeof first, "settled 2 %s", id);
	for (char *line = text; r == 0 && (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		if (begun && strcmp(line, "end") == 0)
			return next[1] ? -EBADMSG : 0;
		if (begun)
			r = held_parse_line(held, line);
		else if (strcmp(line, first) != 0)
			r = -EBADMSG;
		begun = true;
	}
	return r < 0 ? r : -EBADMSG;
}

static int held_read_file(struct held *held, struct archive *archive)
{
	CLEANUP_FREE char *text = NULL;
	int r = fs_read_file(archive_root_fd(archive), HELD_FILE, HELD_FILE_MAX, &text, NULL);

	return r < 0 ? r : held_parse(held, archive_id(archive), text);
}

int held_save(struct held *held, struct archive *archive, struct room *room)
{
	CLEANUP_FREE char *text = NULL;
	size_t bytes;
	FILE *f;
	int r = 0;

	if (!held->changed || held->redated.n > 0)
		return 0;
	if (held->settled.n + held->damaged.n + held->claimed.n > HELD_RANGES_MAX) {
		unlinkat(archive_root_fd(archive), HELD_FILE, 0);
		return 0;
	}
	f = open_memstream(&text, &bytes);
	if (!f)
		return -ENOMEM;
	fprintf(f, "settled 2 %s\nunwanted %" PRIu64 "\n", archive_id(archive), held->unwanted);
	for (size_t i = 0; i < held->n_segments; i++)
		fprintf(f, "segment %" PRIu64 " %" PRId64 "\n", held->segments[i].number,
			held->segments[i].offset);
	for (size_t i = 0; i < held->damaged.n; i++)
		fprintf(f, "damaged %" PRIu64 " %" PRIu64 "\n", held->damaged.list[i].first,
			held->damaged.list[i].last);
	for (size_t i = 0; i < held->claimed.n; i++)
		fprintf(f, "claimed %" PRIu64 " %" PRIu64 "\n", held->claimed.list[i].first,
			held->claimed.list[i].last);
	for (size_t i = 0; i < held->settled.n; i++)
		fprintf(f, "range %" PRIu64 " %" PRIu64 "\n", held->settled.list[i].first,
			held->settled.list[i].last);
	fputs("end\n", f);
	if (fclose(f) != 0)
		return -ENOMEM;
	if (!room_fits(room, archive, (int64_t)bytes))
		return 0;
	r = fs_replace(&fs_real, archive_root_fd(archive), HELD_FILE, text, bytes, 0644);
	if (r == 0)
		held->changed = false;
	return r;
}

/* ---- the journal */

static int held_settle(struct held *held, uint64_t seq)
{
	int r = ranges_remove(&held->damaged, seq, seq);

	if (r == 0)
		r = ranges_remove(&held->claimed, seq, seq);
	return r < 0 ? r : ranges_add(&held->settled, seq, seq);
}

int held_claim(struct held *held, uint64_t first, uint64_t last)
{
	struct range gap;
	int r = 0;

	/* what was damaged is settled without a line too */
	for (size_t i = 0; r == 0 && i < held->damaged.n; i++) {
		const struct range *damaged = &held->damaged.list[i];

		if (damaged->first <= last && damaged->last >= first)
			r = ranges_remove(&held->settled,
				damaged->first > first ? damaged->first : first,
				damaged->last < last ? damaged->last : last);
	}
	if (r == 0)
		r = ranges_remove(&held->damaged, first, last);
	while (r == 0 && ranges_gap(&held->settled, first, last, &gap)) {
		held->changed = true;
		r = ranges_add(&held->claimed, gap.first, gap.last);
		if (r == 0)
			r = ranges_add(&held->settled, gap.first, gap.last);
	}
	return r;
}

int held_note_damaged(struct held *held, uint64_t seq)
{
	int r = held_settle(held, seq);

	held->changed = true;
	return r < 0 ? r : ranges_add(&held->damaged, seq, seq);
}

int held_want(struct held *held, uint64_t seq, struct range *ret)
{
	struct range run = { seq, seq };
	int r;

	for (size_t i = 0; i < held->claimed.n; i++) {
		if (held->claimed.list[i].first <= seq && held->claimed.list[i].last >= seq)
			run = held->claimed.list[i];
	}
	held->changed = true;
	if (held->unwanted >= run.first)
		held->unwanted =
			0; /* what is not wanted any more is known again at the next look */
	r = ranges_remove(&held->claimed, run.first, run.last);
	if (r == 0)
		r = ranges_remove(&held->settled, run.first, run.last);
	if (r == 0)
		*ret = run;
	return r;
}

int held_note(struct held *held, const struct record *record)
{
	int r = held_settle(held, record->seq);

	if (r == 0 && record->type == RECORD_FRAME && record->was > 0)
		r = ranges_add(&held->redated, record->seq, record->seq);
	/* only what is older than the line that tells of it */
	if (r == 0 && record->type == RECORD_PRUNE && record->first_seq > 0 &&
		record->last_seq < record->seq)
		r = held_claim(held, record->first_seq, record->last_seq);
	held->changed = true;
	return r;
}

/* The two kinds of lines that tell of others. */
static int held_note_line(struct held *held, const char *line, size_t len)
{
	struct record record;

	if ((!memmem(line, len, "\"prune\":", 8) && !memmem(line, len, "\"was\":", 6)) ||
		record_parse(line, len, &record) < 0)
		return 0;
	return held_note(held, &record);
}

static int held_update_segment(struct held *held, struct archive *archive, uint64_t number)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct held_segment *segment;
	const char *line;
	uint64_t seq;
	size_t len;
	int r = held_add_segment(held, number, &segment);

	if (r == 0)
		r = journal_read_on(archive_journal(archive), number, segment->offset, &cursor);
	while (r == 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		held->changed = true;
		r = held_settle(held, seq);
		if (r == 0)
			r = held_note_line(held, line, len);
	}
	if (r == 0)
		segment->offset = journal_cursor_offset(cursor);
	return r;
}

int held_update(struct held *held, struct archive *archive)
{
	CLEANUP(segments_clear) struct segments segments = { 0 };
	int r = journal_segments(archive_journal(archive), &segments);

	for (size_t i = 0; r == 0 && i < segments.n; i++) {
		r = held_update_segment(held, archive, segments.list[i]);
		/* a segment without a header, or of a stranger: passed over, as a cursor does */
		if (r == -ENOENT || r == -EBADMSG || r == -ELOOP)
			r = 0;
	}
	return r;
}

/*
 * Above the last line that is here, or came and was damaged, nothing is settled: what the file says
 * of that is a camera's word for which no line came.
 */
static int held_cut(struct held *held, struct archive *archive)
{
	const uint64_t damaged = ranges_last(&held->damaged);
	uint64_t last;
	int r = journal_last(archive_journal(archive), &last);

	last = r == 0 && damaged < last ? last : damaged;
	if (r == 0)
		r = ranges_remove(&held->claimed, last + 1, SEQ_MAX);
	if (r == 0)
		r = ranges_remove(&held->settled, last + 1, SEQ_MAX);
	if (r == 0 && held->unwanted > last)
		held->unwanted = last;
	return r;
}

int held_load(struct archive *archive, struct held *ret)
{
	struct held held = { 0 };
	int r = held_read_file(&held, archive);

	if (r == 0)
		r = held_update(&held, archive);
	if (r == 0)
		r = held_cut(&held, archive);
	if (r < 0 && r != -ENOMEM) {
		held_clear(&held);
		r = held_update(&held, archive);
	}
	if (r < 0) {
		held_clear(&held);
		return r;
	}
	*ret = held;
	return 0;
}
