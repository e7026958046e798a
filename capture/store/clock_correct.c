/* SPDX-License-Identifier: MIT */
/* Which frames get another time, and the work, in pieces. */
#include "capture/store/clock_correct.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "capture/picture/exif.h"

#define SLICE_LINES 200 /* of the journal in one step */
#define YEAR_10000_US (INT64_C(253402300800) * US_PER_SEC)
#define MARK_FILE "unsynced"
#define MARK_MAX 32 /* bytes */

struct correction {
	struct correction_options options;
	struct correction_plan plan;
	struct correction_totals totals;
	uint64_t end; /* one after the last line at the start */
	struct journal_cursor *cursor;
	struct record frame; /* read last, and */
	bool in_hand; /* not done with */
	struct journal_cursor *ahead; /* looks for its anchor */
	bool unfinished; /* a frame may be published whose old self was not pruned */
};

/* ---- the plan ---- */

static bool correction_has_uptime(const struct record *record)
{
	return record->type == RECORD_FRAME && *record->boot && record->up_ns > 0 &&
		record->exposed_us != TIME_NONE;
}

static int64_t correction_zero_of(const struct record *frame)
{
	return frame->exposed_us - frame->up_ns / NS_PER_US;
}

bool correction_anchor(const struct record *record, const char *boot, int64_t *ret_zero_us)
{
	if (!correction_has_uptime(record) || !record->synced || strcmp(record->boot, boot) != 0)
		return false;
	*ret_zero_us = correction_zero_of(record);
	return true;
}

void correction_answer(struct correction_plan *plan, const struct record *frame, int64_t zero_us)
{
	memcpy(plan->anchored, frame->boot, sizeof plan->anchored);
	plan->anchor_us = zero_us;
}

/* Whether a time has a name and a place in EXIF. */
static bool correction_is_possible(int64_t wall_us)
{
	return wall_us >= 0 && wall_us < YEAR_10000_US;
}

enum correction_verdict correction_judge(
	struct correction_plan *plan, const struct record *record, int64_t *ret_delta_us)
{
	int64_t zero_us, delta_us;

	if (!correction_has_uptime(record) || record->was)
		return CORRECTION_PASS;
	if (record->synced) {
		correction_answer(plan, record, correction_zero_of(record));
		return CORRECTION_PASS;
	}
	if (plan->zero_us != TIME_NONE && strcmp(plan->boot, record->boot) == 0)
		zero_us = plan->zero_us;
	else if (strcmp(plan->anchored, record->boot) == 0)
		zero_us = plan->anchor_us;
	else
		return CORRECTION_ASK;
	if (zero_us == TIME_NONE)
		return CORRECTION_UNKNOWN;
	delta_us = zero_us - correction_zero_of(record);
	if (llabs(delta_us) < CORRECTION_MIN_US)
		return CORRECTION_RIGHT;
	if (!correction_is_possible(record->exposed_us + delta_us) ||
		!correction_is_possible(record->slot_us + delta_us))
		return CORRECTION_UNKNOWN;
	*ret_delta_us = delta_us;
	return CORRECTION_DUE;
}

struct record correction_moved(const struct record *frame, int64_t delta_us)
{
	struct record moved = *frame;

	moved.was = frame->seq;
	moved.seq = 0;
	moved.slot_us += delta_us;
	moved.exposed_us += delta_us;
	moved.synced = true;
	return moved;
}

/* ---- the mark ---- */

int correction_mark(struct archive *archive, uint64_t seq)
{
	CLEANUP_FD int fd = -1;
	char text[MARK_MAX];
	int n = snprintf(text, sizeof text, "%" PRIu64 "\n", seq);
	int r = fs_open_folder(&fs_real, archive_root_fd(archive), "journal", false, &fd);

	if (r == 0)
		r = fs_make(&fs_real, fd, MARK_FILE, text, (size_t)n, 0644);
	return r == -EEXIST ? 0 : r;
}

int correction_marked(struct archive *archive, uint64_t *ret_seq)
{
	CLEANUP_FREE char *text = NULL;
	size_t bytes;
	int r = fs_read_file(
		archive_root_fd(archive), "journal/" MARK_FILE, MARK_MAX, &text, &bytes);

	if (r < 0 && r != -E2BIG && r != -EFBIG)
		return r;
	if (r < 0 || sscanf(text, "%" SCNu64, ret_seq) != 1)
		*ret_seq = 1;
	return 0;
}

void correction_unmark(struct archive *archive)
{
	unlinkat(archive_root_fd(archive), "journal/" MARK_FILE, 0);
}

/* ---- the work ---- */

/* The next whole record before `end`: 1, 0 there is none, -errno. */
static int correction_read(struct journal_cursor *cursor, uint64_t end, struct record *ret)
{
	const char *line;
	uint64_t seq;
	size_t len;
	int r;

	while ((r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (seq >= end)
			return 0;
		if (record_parse(line, len, ret) == 0)
			return 1;
	}
	return r;
}

static void correction_tell(struct correction *c, const struct record *after, int error)
{
	if (error < 0)
		c->totals.failed++;
	else
		c->totals.corrected++;
	if (c->options.told)
		c->options.told(c->options.data, &c->frame, after, error);
}

/* Looks for the anchor after the frame in hand, up to the next boot. */
static int correction_look_ahead(struct correction *c)
{
	int64_t zero_us = TIME_NONE;
	struct record record;

	for (int i = 0; i < SLICE_LINES; i++) {
		int r = correction_read(c->ahead, c->end, &record);

		if (r < 0)
			return r;
		if (r > 0 && !correction_anchor(&record, c->frame.boot, &zero_us) &&
			(record.type != RECORD_FRAME || record.was || !*record.boot ||
				strcmp(record.boot, c->frame.boot) == 0))
			continue;
		journal_cursor_free(TAKE_PTR(c->ahead));
		correction_answer(&c->plan, &c->frame, zero_us);
		break;
	}
	return 1;
}

/* The JPEG as the journal knows it, with another time in its EXIF. */
static int correction_read_jpeg(
	const struct record *frame, const struct record *moved, int fd, uint8_t **ret)
{
	size_t bytes = (size_t)frame->bytes;
	CLEANUP_FREE uint8_t *jpeg = malloc(bytes);
	uint8_t sha256[SHA256_BYTES];
	ssize_t n = jpeg ? fs_read_at(fd, jpeg, bytes, 0) : -ENOMEM;
	int r;

	if (n < 0)
		return (int)n;
	r = digest_buffer(jpeg, bytes, sha256);
	if (r == 0 && ((size_t)n != bytes || memcmp(sha256, frame->sha256, sizeof sha256) != 0))
		r = -EBADMSG;
	if (r == 0)
		r = exif_set_time(jpeg, bytes, exif_time_us(moved->slot_us, moved->exposed_us));
	if (r < 0)
		return r;
	*ret = TAKE_PTR(jpeg);
	return 0;
}

static int correction_prune(struct correction *c)
{
	struct archive_pruned pruned = { 0 };
	int r = archive_prune(
		c->options.archive, c->frame.seq, c->frame.seq, PRUNE_REDATED, &pruned);

	if (r == -ENOENT)
		r = 0;
	c->unfinished = r < 0 || pruned.left > 0;
	return r < 0 ? r : 1;
}

/* Does what is left of a frame that was published. Where its old file stays it ends here. */
static int correction_finish(struct correction *c)
{
	CLEANUP_FD int fd = -1;
	int r = archive_finish_redate(c->options.archive);

	if (r == 0 && c->frame.seq > 0 &&
		archive_open_frame(c->options.archive, &c->frame, &fd) != -ENOENT)
		r = -EPERM;
	c->unfinished = r < 0;
	return r;
}

/* Gives the frame in hand its true time. 0: it is gone, corrected already or deleted; 1; -errno. */
static int correction_carry_out(struct correction *c, int64_t delta_us)
{
	struct record moved = correction_moved(&c->frame, delta_us);
	CLEANUP_FREE uint8_t *jpeg = NULL;
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(c->options.archive, &c->frame, &fd);
	bool final = true;

	if (r == -ENOENT)
		return 0;
	if (r == 0 && !c->options.dry_run) {
		r = correction_read_jpeg(&c->frame, &moved, fd, &jpeg);
		final = r != -ENOMEM;
	}
	if (r == 0 && !c->options.dry_run) {
		r = archive_publish(c->options.archive, &moved, jpeg, (size_t)c->frame.bytes);
		final = r == -EINVAL || r == -ERANGE || r == -EEXIST;
	}
	if (r < 0 && !final)
		return r;
	correction_tell(c, r < 0 ? NULL : &moved, r);
	return r < 0 || c->options.dry_run ? 1 : correction_prune(c);
}

/*
 * What the plan says of the frame in hand. 0: go on at once; 1: that was enough for one piece;
 * -errno.
 */
static int correction_do_frame(struct correction *c)
{
	int64_t delta_us;
	int r = 0;

	switch (correction_judge(&c->plan, &c->frame, &delta_us)) {
	case CORRECTION_ASK:
		r = journal_seek(archive_journal(c->options.archive), c->frame.seq + 1, &c->ahead);
		return r < 0 ? r : 1;
	case CORRECTION_DUE:
		r = correction_carry_out(c, delta_us);
		break;
	case CORRECTION_RIGHT:
		c->totals.right++;
		break;
	case CORRECTION_UNKNOWN:
		c->totals.unknown++;
		break;
	case CORRECTION_PASS:
		break;
	}
	/*
	 * one that is published already is not done again: archive_finish_redate() prunes the old
	 * one
	 */
	c->in_hand = r < 0 && !c->unfinished;
	return r;
}

int correction_step(struct correction *c)
{
	int r = c->unfinished ? correction_finish(c) : 0;

	if (r < 0)
		return r;
	if (c->ahead)
		return correction_look_ahead(c);
	for (int i = 0; r == 0 && i < SLICE_LINES; i++) {
		r = c->in_hand ? 1 : correction_read(c->cursor, c->end, &c->frame);
		if (r <= 0)
			return r;
		c->in_hand = true;
		r = correction_do_frame(c);
	}
	return r < 0 ? r : 1;
}

int correction_new(const struct correction_options *options, struct correction **ret)
{
	CLEANUP(correction_freep) struct correction *c = calloc(1, sizeof *c);
	struct journal *journal = archive_journal(options->archive);
	int r;

	if (!c)
		return -ENOMEM;
	c->options = *options;
	snprintf(c->plan.boot, sizeof c->plan.boot, "%s", options->boot);
	c->plan.zero_us = options->zero_us;
	c->unfinished = !options->dry_run;
	r = journal_last(journal, &c->end);
	c->end++;
	if (r == 0)
		r = journal_seek(journal, options->from, &c->cursor);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void correction_free(struct correction *c)
{
	if (!c)
		return;
	journal_cursor_free(c->cursor);
	journal_cursor_free(c->ahead);
	free(c);
}

struct correction_totals correction_totals(const struct correction *c)
{
	return c->totals;
}
