/* SPDX-License-Identifier: MIT */
/*
 * Counts what is stored from the journal's lines as they come, gathers the facts, asks retention.h
 * what has to go, and removes it a few frames at a time.
 */
#include "common/upkeep/pruner_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "common/archive/archive_private.h"
#include "common/base/jsonline.h"
#include "common/journal/journal_private.h"

#define STATE_FILE "retention" /* in journal/ */
#define STATE_MAX 256
#define SAVE_LINES 1000 /* the file is no more than so many lines old */
#define WINDOWS_MAX 16 /* of numbers without a frame, skipped in one call */
#define FORCE_STEPS 64 /* of removing, and of counting, that an emergency may take */

/* ---- journal/retention ---- */

/* The file's object; `format` is 1. */
struct state_line {
	int64_t format;
	struct pruner_state state;
};

#define AT(member) JSONLINE_FIELD(struct state_line, member)

static const struct jsonline_field state_fields[] = {
	{ "format", JSONLINE_INT, AT(format), JSONLINE_MUST, 1, 1 },
	{ "next", JSONLINE_INT, AT(state.next), JSONLINE_MUST, 0, SEQ_MAX + 1 },
	{ "first", JSONLINE_INT, AT(state.first), JSONLINE_MUST, 0, SEQ_MAX + 1 },
	{ "gone", JSONLINE_INT, AT(state.gone), JSONLINE_MUST, 0, SEQ_MAX + 1 },
	{ "bytes", JSONLINE_INT, AT(state.bytes), JSONLINE_MUST, 0, INT64_MAX },
	{ "frames", JSONLINE_INT, AT(state.frames), JSONLINE_MUST, 0, INT64_MAX },
};

/*
 * What a copy's own journal tells. The files of its last line may still be there after a crash, so
 * they are looked for once more; what is before that is gone.
 */
static int state_add_removed(struct archive *archive, struct pruner_state *state)
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

static int state_read(struct archive *archive, struct pruner_state *ret)
{
	CLEANUP_FREE char *text = NULL;
	struct state_line line = { 0 };
	struct pruner_state *state = &line.state;
	uint64_t last;
	size_t bytes;
	int r = journal_last(archive->journal, &last);

	if (r < 0)
		return r;
	r = fs_read_file(archive->journal->dirfd, STATE_FILE, STATE_MAX, &text, &bytes);
	if (r == -ENOMEM || r == -EIO)
		return r;
	/*
	 * Without a file of ours everything is counted; so it is where the file knows of more
	 * lines.
	 */
	if (r < 0 ||
		jsonline_parse_fields(text, bytes, state_fields, ARRAY_SIZE(state_fields), &line) <
			0 ||
		state->next > last + 1)
		*state = (struct pruner_state){ 0 };
	r = archive->copy ? state_add_removed(archive, state) : 0;
	if (r == 0)
		*ret = *state;
	return r;
}

/*
 * Takes the file away while a copy's pruner works: a crash must not leave one that knows too
 * little.
 */
static int state_take(struct pruner *p)
{
	const struct fs_ops *fs = p->archive->fs;
	int fd = p->archive->journal->dirfd;

	p->saved = (struct pruner_state){ 0 };
	return fs->unlinkat(fd, STATE_FILE, 0) == 0 ? fs_sync_folder(fs, fd) : 0;
}

static int state_save(struct pruner *p)
{
	const struct state_line line = { 1, p->state };
	char text[LINE_MAX_BYTES + 1];
	int n, r;

	if (memcmp(&p->state, &p->saved, sizeof(p->state)) == 0)
		return 0;
	n = jsonline_format(state_fields, ARRAY_SIZE(state_fields), &line, text);
	if (n < 0)
		return n;
	r = fs_replace(
		p->archive->fs, p->archive->journal->dirfd, STATE_FILE, text, (size_t)n, 0644);
	if (r == 0)
		p->saved = p->state;
	return r;
}

/* ---- counting ---- */

static void count_removed(struct pruner *p, int64_t bytes, int64_t frames)
{
	struct pruner_state *state = &p->state;

	state->bytes -= bytes < state->bytes ? bytes : state->bytes;
	state->frames -= frames < state->frames ? frames : state->frames;
}

static bool is_by_retention(const char *why)
{
	for (unsigned i = RETENTION_SPACE; i < RETENTION_WHYS; i++) {
		if (strcmp(why, retention_why_name((enum retention_why)i)) == 0)
			return true;
	}
	return false;
}

static void count_prune(struct pruner *p, const char *line, size_t len)
{
	struct record prune;

	if (record_parse(line, len, &prune) < 0 || prune.type != RECORD_PRUNE)
		return;
	if (!is_by_retention(prune.text)) {
		count_removed(p, prune.bytes, (int64_t)prune.count);
	} else if (prune.last_seq >= p->state.first) { /* else count_passed() knows it */
		count_removed(p, prune.bytes, (int64_t)prune.count);
		p->state.first = prune.last_seq + 1;
		if (prune.last_seq > p->state.gone)
			p->state.gone = prune.last_seq;
	}
}

/* A frame's `bytes` without parsing the line: inside a JSON string the quotes are escaped. */
static void count_line(struct pruner *p, const char *line, size_t len)
{
	static const char key[] = "\"bytes\":";
	const char *bytes;
	uint64_t n;

	if (!p->archive->copy && memmem(line, len, "\"prune\":", 8)) {
		count_prune(p, line, len);
		return;
	}
	bytes = memmem(line, len, "\"file\":", 7) ? memmem(line, len, key, strlen(key)) : NULL;
	if (!bytes)
		return;
	n = strtoull(bytes + strlen(key), NULL, 10);
	p->state.bytes += n <= FRAME_BYTES_MAX ? (int64_t)n : 0;
	p->state.frames++;
}

int pruner_count(struct pruner *p, unsigned lines)
{
	const char *line;
	uint64_t seq;
	size_t len;
	int r = 0;

	/* a copy's lines come in any order: pruner_stored() and pruner_refresh() tell of them */
	if (p->archive->copy && p->counted)
		return 1;
	if (!p->cursor)
		r = journal_seek(p->archive->journal, p->state.next, &p->cursor);
	for (unsigned i = 0; r >= 0 && i < lines; i++) {
		r = journal_cursor_next(p->cursor, &line, &len, &seq);
		if (r == 0)
			p->counted = true;
		if (r <= 0)
			return r < 0 ? r : 1;
		/* in a copy the lines of what was removed stay */
		if (!p->archive->copy || seq > p->state.gone)
			count_line(p, line, len);
		if (seq >= p->state.next)
			p->state.next = seq + 1;
	}
	return r < 0 ? r : 0;
}

/* ---- the oldest frames ---- */

static int window_compare(const void *a, const void *b)
{
	const struct retention_frame *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* A file is written once, and its time is of this machine's clock, not of the camera's. */
static int64_t window_arrived_us(const struct archive *archive, const struct record *record)
{
	const struct frame_name name = record_name(record);
	char file[FRAME_NAME_MAX];
	CLEANUP_FD int fd = -1;
	struct stat st;

	if (archive_open_day(archive, &name, file, &fd) < 0 ||
		fstatat(fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TIME_NONE;
	return st.st_mtim.tv_sec * US_PER_SEC + st.st_mtim.tv_nsec / NS_PER_US;
}

static int window_add(void *data, uint64_t seq, const char *line, size_t len)
{
	struct pruner *p = data;
	const struct archive *archive = p->archive;
	struct record record;

	/* the newest frame always stays, with what comes after it */
	if ((archive->has_newest && seq >= archive->newest.seq) || p->n_window == PRUNE_LINES_MAX ||
		record_parse(line, len, &record) < 0 || record.type != RECORD_FRAME)
		return 0;
	p->window[p->n_window++] = (struct retention_frame){
		.seq = record.seq,
		.slot_us = record.slot_us,
		.bytes = record.bytes,
		.synced = record.synced,
		.arrived_us = p->settings.keep_us ? window_arrived_us(archive, &record) : TIME_NONE,
	};
	return 0;
}

/* Fills the window, unless there is something in it; numbers without a frame are skipped. */
static int window_fill(struct pruner *p)
{
	uint64_t next = p->state.first;
	bool more = true;
	int r = 0;

	for (int i = 0; r == 0 && more && p->n_window == 0 && i < WINDOWS_MAX; i++) {
		p->state.first = next;
		r = journal_visit(p->archive->journal, next, next + PRUNE_LINES_MAX - 1, window_add,
			p, &next);
		more = next > 0;
	}
	qsort(p->window, p->n_window, sizeof(p->window[0]), window_compare);
	return r;
}

/* The first `n` frames of the window are gone. */
static void window_pass(struct pruner *p, size_t n)
{
	p->state.first = p->window[n - 1].seq + 1;
	if (p->state.first > p->state.gone)
		p->state.gone = p->state.first - 1;
	p->n_window -= n;
	memmove(p->window, p->window + n, p->n_window * sizeof(p->window[0]));
}

/* ---- removing ---- */

static int64_t statvfs_amount(uint64_t count, uint64_t size)
{
	return size > 0 && count > INT64_MAX / size ? INT64_MAX : (int64_t)(count * size);
}

static int gather_facts(const struct pruner *p, int64_t incoming, struct retention_facts *ret)
{
	struct statvfs st;

	if (p->statvfs(p->archive->root_fd, &st) < 0)
		return -errno;
	*ret = (struct retention_facts){
		.disk_bytes = statvfs_amount(st.f_blocks, st.f_frsize),
		.free_bytes = statvfs_amount(st.f_bavail, st.f_frsize),
		.disk_inodes = statvfs_amount(st.f_files, 1),
		.free_inodes = statvfs_amount(st.f_favail, 1),
		.stored_bytes = p->state.bytes,
		.stored_frames = p->state.frames,
		.incoming_bytes = incoming,
		.now_us = clock_synced(p->clock) ? clock_wall_us(p->clock) : TIME_NONE,
	};
	return 0;
}

/*
 * Subtracts the first `n` frames of the window, of which a person may have deleted some. What
 * retention removed before a crash is subtracted already; and a camera's frame from before the
 * clock was set was most likely dated again, and counts under its new number.
 */
static void count_passed(struct pruner *p, size_t n, const struct archive_pruned *pruned)
{
	int64_t bytes = 0, frames = 0, removed = (int64_t)pruned->count;

	for (size_t i = 0; i < n; i++) {
		const struct retention_frame *frame = &p->window[i];

		if (frame->seq > p->state.gone && (frame->synced || p->archive->copy)) {
			bytes += frame->bytes;
			frames++;
		}
	}
	count_removed(p, bytes > pruned->bytes ? bytes : pruned->bytes,
		frames > removed ? frames : removed);
}

/* Removes the first `n` frames of the window. Files that are gone already are no error. */
static int remove_frames(
	struct pruner *p, size_t n, enum retention_why why, struct archive_pruned *ret)
{
	struct archive_pruned pruned = { 0 };
	int r = archive_prune(p->archive, p->window[0].seq, p->window[n - 1].seq,
		retention_why_name(why), &pruned);

	if (r < 0 && r != -ENOENT)
		return r;
	count_passed(p, n, &pruned);
	window_pass(p, n);
	*ret = pruned;
	return 0;
}

/* One step towards the goal: PRUNE_PER_FRAME frames at most. 1: some went, 0: none has to. */
static int take_step(struct pruner *p, struct retention_goal *goal, struct pruner_removed *ret)
{
	struct archive_pruned pruned;
	size_t n;
	int r = window_fill(p);

	if (r < 0)
		return r;
	n = p->n_window < PRUNE_PER_FRAME ? p->n_window : PRUNE_PER_FRAME;
	n = retention_choose(goal, p->window, n);
	if (n == 0)
		return 0;
	r = remove_frames(p, n, goal->why, &pruned);
	if (r < 0)
		return r;
	ret->frames += pruned.count;
	ret->bytes += pruned.bytes;
	ret->why = goal->why;
	goal->bytes -= pruned.bytes;
	goal->frames -= (int64_t)pruned.count;
	return 1;
}

int pruner_make_room(struct pruner *p, int64_t bytes, struct pruner_removed *ret)
{
	struct retention_facts facts;
	struct retention_goal goal;
	int r;

	*ret = (struct pruner_removed){ .why = RETENTION_NONE };
	r = pruner_count(p, COUNT_LINES);
	if (r >= 0 && !p->counted)
		return 0;
	if (r >= 0)
		r = gather_facts(p, bytes, &facts);
	if (r < 0)
		return r;
	goal = retention_goal(&p->settings, &facts);
	if (goal.why != RETENTION_NONE)
		r = take_step(p, &goal, ret);
	if (r >= 0 && !p->archive->copy && p->state.next - p->saved.next >= SAVE_LINES)
		r = state_save(p);
	return r < 0 ? r : 0;
}

int pruner_force(struct pruner *p, int64_t bytes, struct pruner_removed *ret)
{
	struct retention_facts facts;
	struct retention_goal goal;
	int r;

	*ret = (struct pruner_removed){ .why = RETENTION_NONE };
	r = gather_facts(p, bytes, &facts);
	for (int i = 0; r >= 0 && i < FORCE_STEPS && !p->counted; i++)
		r = pruner_count(p, COUNT_LINES);
	if (r < 0)
		return r;
	goal = retention_emergency(&p->settings, &facts);
	r = goal.why != RETENTION_NONE;
	for (int i = 0; r > 0 && i < FORCE_STEPS && (goal.bytes > 0 || goal.frames > 0); i++)
		r = take_step(p, &goal, ret);
	if (r < 0)
		return r;
	return ret->frames > 0 ? 0 : -ENOSPC;
}

/* ---- */

int pruner_new(struct archive *archive, const struct retention_settings *settings,
	const struct clock *clock, struct pruner **ret)
{
	CLEANUP(pruner_freep) struct pruner *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->archive = archive;
	p->settings = *settings;
	p->clock = clock;
	p->statvfs = fstatvfs;
	r = state_read(archive, &p->state);
	if (r < 0)
		return r;
	p->saved = p->state;
	r = archive->copy ? state_take(p) : 0;
	if (r == 0)
		r = pruner_count(p, archive->copy ? UINT_MAX : COUNT_LINES);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

int pruner_refresh(struct pruner *p, struct archive *archive)
{
	int r;

	journal_cursor_free(TAKE_PTR(p->cursor));
	p->archive = archive;
	p->counted = false;
	r = pruner_count(p, UINT_MAX);
	return r < 0 ? r : 0;
}

void pruner_free(struct pruner *p)
{
	if (!p)
		return;
	state_save(p);
	journal_cursor_free(p->cursor);
	free(p);
}

void pruner_set(struct pruner *p, const struct retention_settings *settings)
{
	p->settings = *settings;
}

void pruner_stored(struct pruner *p, const struct record *frame)
{
	if (!p->archive->copy)
		return;
	p->state.bytes += frame->bytes;
	p->state.frames++;
	if (frame->seq >= p->state.next)
		p->state.next = frame->seq + 1;
	if (frame->seq < p->state.first)
		p->state.first = frame->seq;
	if (p->n_window > 0 && frame->seq <= p->window[p->n_window - 1].seq)
		p->n_window = 0;
}

struct pruner_totals pruner_totals(const struct pruner *p)
{
	return (struct pruner_totals){
		.counted = p->counted,
		.bytes = p->state.bytes,
		.frames = p->state.frames,
		.first = p->state.first,
		.gone = p->state.gone,
	};
}

int64_t pruner_oldest_us(struct pruner *p)
{
	return window_fill(p) == 0 && p->n_window > 0 ? p->window[0].slot_us : INT64_MAX;
}

int pruner_gone(struct archive *archive, uint64_t *ret_seq)
{
	struct pruner_state state;
	int r = state_read(archive, &state);

	if (r == 0)
		*ret_seq = state.gone;
	return r;
}
