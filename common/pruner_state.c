/* SPDX-License-Identifier: MIT */
/*
 * What the pruner knows: counted from the journal's lines as they come, kept in journal/retention. And
 * the oldest frames, read from the journal a window of numbers at a time.
 */
#include "common/pruner_private.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "common/archive_private.h"
#include "common/journal_private.h"
#include "common/jsonline.h"

#define STATE_MAX 256
#define SAVE_LINES 1000 /* the file is no further behind than so many lines, */
#define SAVE_NS (600 * NS_PER_SEC) /* or, where there are any, than that long */
#define WINDOWS_MAX 16 /* of numbers without a frame, passed over in one call */

static int open_journal(struct archive *archive, int *ret_fd)
{
	return fs_open_folder(&fs_real, archive->root_fd, "journal", false, ret_fd);
}

static int get_number(struct json_object *object, const char *key, int64_t *ret)
{
	return jsonline_get_int(object, key, 0, INT64_MAX, ret) > 0 ? 0 : -EINVAL;
}

static int parse_state(const char *text, size_t bytes, struct pruner_state *ret)
{
	CLEANUP(jsonline_freep) struct json_object *object = NULL;
	int64_t format = 0, next = 0, first = 0, gone = 0;
	struct pruner_state state = { 0 };
	int r = jsonline_parse(text, bytes, &object);

	if (r < 0)
		return r;
	if (get_number(object, "format", &format) < 0 || format != 1 ||
		get_number(object, "next", &next) < 0 || get_number(object, "first", &first) < 0 ||
		get_number(object, "gone", &gone) < 0 ||
		get_number(object, "bytes", &state.bytes) < 0 ||
		get_number(object, "frames", &state.frames) < 0)
		return -EINVAL;
	state.next = (uint64_t)next;
	state.first = (uint64_t)first;
	state.gone = (uint64_t)gone;
	if (state.next > SEQ_MAX + 1 || state.first > SEQ_MAX + 1 || state.gone > SEQ_MAX)
		return -EINVAL;
	*ret = state;
	return 0;
}

/*
 * What a copy's own journal tells. The files of its last line may be there still, after a crash, so
 * they are looked for once more; what is before that is gone.
 */
static int add_removed(struct archive *archive, struct pruner_state *state)
{
	struct record last;
	int r = archive_last_removal(archive, &last);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (last.last_seq > state->gone)
		state->gone = last.last_seq;
	if (state->next == 0)
		state->first = last.first_seq;
	return 0;
}

int pruner_state_read(struct archive *archive, struct pruner_state *ret)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FD int fd = -1;
	struct pruner_state state = { 0 };
	uint64_t last;
	size_t bytes;
	int r = open_journal(archive, &fd);

	if (r == 0)
		r = journal_last(archive->journal, &last);
	if (r < 0)
		return r;
	r = fs_read_file(fd, RETENTION_FILE, STATE_MAX, &text, &bytes);
	if (r == -ENOMEM || r == -EIO)
		return r;
	/* What is not there or none of ours is made anew; so is what tells of lines that are gone. */
	if (r < 0 || parse_state(text, bytes, &state) < 0 || state.next > last + 1)
		state = (struct pruner_state){ 0 };
	r = archive->copy ? add_removed(archive, &state) : 0;
	if (r == 0)
		*ret = state;
	return r;
}

int pruner_state_take(struct pruner *p)
{
	CLEANUP_FD int fd = -1;
	int r = open_journal(p->archive, &fd);

	if (r == 0 && p->archive->fs->unlinkat(fd, RETENTION_FILE, 0) == 0)
		r = fs_sync_folder(p->archive->fs, fd);
	p->saved = (struct pruner_state){ 0 };
	return r;
}

static bool is_due(const struct pruner *p)
{
	if (memcmp(&p->state, &p->saved, sizeof(p->state)) == 0)
		return false;
	return p->state.next - p->saved.next >= SAVE_LINES ||
		p->state.first - p->saved.first >= SAVE_LINES ||
		clock_mono_ns(p->clock) - p->saved_ns >= SAVE_NS;
}

int pruner_state_save(struct pruner *p, bool now)
{
	CLEANUP_FD int fd = -1;
	char text[STATE_MAX];
	int n, r;

	if (!now && (p->copy || !is_due(p)))
		return 0;
	if (memcmp(&p->state, &p->saved, sizeof(p->state)) == 0)
		return 0;
	n = snprintf(text, sizeof(text),
		"{\"format\":1,\"next\":%" PRIu64 ",\"first\":%" PRIu64 ",\"gone\":%" PRIu64
		",\"bytes\":%" PRId64 ",\"frames\":%" PRId64 "}\n",
		p->state.next, p->state.first, p->state.gone, p->state.bytes, p->state.frames);
	r = open_journal(p->archive, &fd);
	if (r == 0)
		r = fs_replace(p->archive->fs, fd, RETENTION_FILE, text, (size_t)n, 0644);
	p->saved_ns = clock_mono_ns(p->clock);
	if (r == 0)
		p->saved = p->state;
	return r;
}

/* ---- counting ---- */

static bool is_ours(const char *why)
{
	for (int i = RETENTION_SPACE; i < RETENTION_WHYS; i++) {
		if (strcmp(why, retention_why_name((enum retention_why)i)) == 0)
			return true;
	}
	return false;
}

static void count_prune(struct pruner *p, const char *line, size_t len)
{
	struct pruner_state *state = &p->state;
	struct record prune;

	if (record_parse(line, len, &prune) < 0 || prune.type != RECORD_PRUNE)
		return;
	state->bytes -= prune.bytes < state->bytes ? prune.bytes : state->bytes;
	state->frames -=
		(int64_t)prune.count < state->frames ? (int64_t)prune.count : state->frames;
	if (!is_ours(prune.text))
		return;
	if (prune.last_seq > state->gone)
		state->gone = prune.last_seq;
	if (prune.last_seq >= state->first)
		state->first = prune.last_seq + 1;
}

/* A frame's `bytes` without parsing the line: inside a JSON string the quotes are escaped. */
static void count_line(struct pruner *p, const char *line, size_t len)
{
	static const char key[] = "\"bytes\":";
	const char *bytes;
	int64_t n = 0;

	if (!p->copy && memmem(line, len, "\"prune\":", 8)) {
		count_prune(p, line, len);
		return;
	}
	bytes = memmem(line, len, "\"file\":", 7) ? memmem(line, len, key, strlen(key)) : NULL;
	if (!bytes)
		return;
	for (const char *c = bytes + strlen(key); *c >= '0' && *c <= '9'; c++) {
		if (n <= FRAME_BYTES_MAX)
			n = n * 10 + (*c - '0');
	}
	p->state.bytes += n;
	p->state.frames++;
}

int pruner_count(struct pruner *p, unsigned lines)
{
	const char *line;
	uint64_t seq;
	size_t len;
	int r = 0;

	/* lines of a copy come in any order: pruner_stored() and pruner_refresh() tell of them */
	if (p->copy && p->counted)
		return 1;
	if (!p->cursor)
		r = journal_seek(p->archive->journal, p->state.next, &p->cursor);
	for (unsigned i = 0; r >= 0 && i < lines; i++) {
		r = journal_cursor_next(p->cursor, &line, &len, &seq);
		if (r == 0)
			p->counted = true;
		if (r <= 0)
			return r < 0 ? r : 1;
		/* of a copy the lines of what was removed stay */
		if (!p->copy || seq > p->state.gone)
			count_line(p, line, len);
		if (seq >= p->state.next)
			p->state.next = seq + 1;
	}
	return r < 0 ? r : 0;
}

/* ---- the oldest frames ---- */

static int by_seq(const void *a, const void *b)
{
	const struct retention_frame *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* One frame line into the window. */
static void see_line(struct pruner *p, const char *line, size_t len)
{
	struct record record;

	if (!memmem(line, len, "\"file\":", 7) || p->n_window == PRUNE_LINES_MAX ||
		record_parse(line, len, &record) < 0 || record.type != RECORD_FRAME)
		return;
	p->window[p->n_window++] = (struct retention_frame){
		.seq = record.seq,
		.slot_us = record.slot_us,
		.bytes = record.bytes,
		.synced = record.synced,
	};
}

/* The frames of the numbers from `from` to below `end`, all of one segment; and the line after them. */
static int read_numbers(struct pruner *p, uint64_t from, uint64_t end, uint64_t *ret_beyond)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	struct segment segment = { .fd = -1 };
	uint64_t seq, beyond = 0;
	const char *line;
	size_t len;
	int r = segment_open(p->archive->journal, from / SEGMENT_LINES, &segment);

	segment_close(&segment);
	if (r == 0)
		r = journal_seek_in_segment(p->archive->journal, from, &cursor);
	while (r >= 0 && (r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (seq < end)
			see_line(p, line, len);
		else if (beyond == 0 || seq < beyond)
			beyond = seq;
		if (beyond)
			r = journal_cursor_pass(cursor);
	}
	*ret_beyond = beyond;
	if (r == -ENOENT || r == -ENODATA || r == -EBADMSG || r == -ELOOP)
		return 0; /* no lines of ours */
	return r < 0 ? r : 0;
}

/* Fills the window from `from` on. 0: it has frames, or there are none; else where to look next. */
static int fill(struct pruner *p, uint64_t from, uint64_t *ret_next)
{
	uint64_t segment_end = from - from % SEGMENT_LINES + SEGMENT_LINES, number;
	uint64_t end = from + PRUNE_LINES_MAX < segment_end ? from + PRUNE_LINES_MAX : segment_end;
	uint64_t beyond = 0;
	int r;

	*ret_next = 0;
	p->n_window = 0;
	r = read_numbers(p, from, end, &beyond);
	if (r < 0 || p->n_window > 0)
		return r;
	if (beyond == 0) {
		r = segment_at_or_after(p->archive->journal, segment_end / SEGMENT_LINES, &number);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		beyond = number * SEGMENT_LINES;
	}
	*ret_next = beyond;
	return 0;
}

/* The newest frame always stays, with what is behind it. */
static void leave_newest(struct pruner *p)
{
	const struct archive *archive = p->archive;

	for (size_t i = 0; archive->has_newest && i < p->n_window; i++) {
		if (p->window[i].seq >= archive->newest.seq)
			p->n_window = i;
	}
}

int pruner_look(struct pruner *p)
{
	uint64_t next = p->state.first;
	int r = 0;

	if (p->window_valid && p->n_window > 0)
		return 0;
	p->n_window = 0;
	for (int i = 0; i < WINDOWS_MAX; i++) {
		p->state.first = next;
		r = fill(p, p->state.first, &next);
		if (r < 0 || next == 0)
			break;
	}
	if (r < 0)
		return r;
	qsort(p->window, p->n_window, sizeof(p->window[0]), by_seq);
	leave_newest(p);
	p->window_valid = true;
	return 0;
}

void pruner_pass(struct pruner *p, size_t n)
{
	p->state.first = p->window[n - 1].seq + 1;
	if (p->state.first > p->state.gone)
		p->state.gone = p->state.first - 1;
	p->n_window -= n;
	memmove(p->window, p->window + n, p->n_window * sizeof(p->window[0]));
}
