/* SPDX-License-Identifier: MIT */
/*
 * The work of dating anew, in pieces. Frames are taken oldest first, and a frame whose file is gone was
 * dated already; so there is nothing to remember between two runs, and what was cut short goes on where
 * it was.
 */
#include "capture/redate.h"

#include <errno.h>
#include <string.h>

#include "capture/exif.h"

#define SLICE_LINES 200 /* of the journal in one step */
#define PROBE_LINES 2000 /* without a frame, then a probe gives up */
#define PLACES_MAX 4 /* this boot and those before it */

enum phase { FINISH, FIND, PLACE, WALK, AHEAD, READ, PUBLISH, PRUNE, END };

/* Where frames of a boot begin whose clock may not have been known. */
struct place {
	uint64_t first, bound; /* lines from `first` on, before `bound` */
	char boot[UUID_CHARS + 1];
};

struct redate {
	struct redate_options options;
	char boot[UUID_CHARS + 1];
	enum phase phase;
	uint64_t first,
		end; /* the journal's first line, and the one after its last, at the start */
	struct redate_totals totals;

	/* search by halves for the first frame of a boot */
	char find_boot[UUID_CHARS + 1];
	uint64_t low, high, bound;

	struct place places[PLACES_MAX]; /* from the last one on */
	int n_places;

	struct journal_cursor *cursor, *ahead;
	struct redate_plan plan;
	struct record frame, moved; /* in hand */
	uint8_t *jpeg;
};

/* A frame that tells which boot wrote the journal there. */
static bool is_plain(const struct record *record)
{
	return record->type == RECORD_FRAME && !record->was && *record->boot;
}

/* The next whole record of the cursor before `bound`. 1, 0 there is none, -errno. */
static int next_record(struct journal_cursor *cursor, uint64_t bound, struct record *ret)
{
	const char *line;
	uint64_t seq;
	size_t len;
	int r;

	while ((r = journal_cursor_next(cursor, &line, &len, &seq)) > 0) {
		if (seq >= bound)
			return 0;
		if (record_parse(line, len, ret) == 0)
			return 1;
	}
	return r;
}

/* The first plain frame from `seq` on, before `bound`. 1, 0 there is none nearby, -errno. */
static int probe(struct redate *redate, uint64_t seq, uint64_t bound, struct record *ret)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	int r = journal_seek(archive_journal(redate->options.archive), seq, &cursor);

	for (int i = 0; r >= 0 && i < PROBE_LINES; i++) {
		r = next_record(cursor, bound, ret);
		if (r <= 0 || is_plain(ret))
			return r;
	}
	return r < 0 ? r : 0;
}

static void add_place(struct redate *redate, uint64_t first, uint64_t bound, const char *boot)
{
	struct place *place = &redate->places[redate->n_places++];

	place->first = first;
	place->bound = bound;
	snprintf(place->boot, sizeof place->boot, "%s", boot);
}

static void find(struct redate *redate, const char *boot, uint64_t bound)
{
	snprintf(redate->find_boot, sizeof redate->find_boot, "%s", boot);
	redate->low = redate->first;
	redate->high = redate->bound = bound;
	redate->phase = FIND;
}

static int step_place(struct redate *redate)
{
	int r;

	journal_cursor_free(TAKE_PTR(redate->cursor));
	if (redate->n_places == 0)
		return 0;
	r = journal_seek(archive_journal(redate->options.archive),
		redate->places[redate->n_places - 1].first, &redate->cursor);
	if (r < 0)
		return r;
	redate->plan = redate_plan_new(redate->boot, redate->options.zero_us);
	redate->phase = WALK;
	return 1;
}

static int next_place(struct redate *redate)
{
	redate->n_places--;
	redate->phase = PLACE;
	return 1;
}

/*
 * The boot of the last frame before a place: 1, 0 there is none, -errno. A frame that was dated anew
 * counts: it may be that boot whose dating was cut short; where it is not the boot just before, nothing
 * is found of it there, and the look goes on from that place.
 */
static int boot_before(struct redate *redate, uint64_t seq, char ret_boot[static UUID_CHARS + 1])
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	uint64_t from = seq > SLICE_LINES ? seq - SLICE_LINES : 1;
	struct record record;
	int found = 0, r = journal_seek(archive_journal(redate->options.archive), from, &cursor);

	while (r >= 0 && (r = next_record(cursor, seq, &record)) > 0) {
		if (record.type != RECORD_FRAME || !*record.boot)
			continue;
		memcpy(ret_boot, record.boot, sizeof record.boot);
		found = 1;
	}
	return r < 0 ? r : found;
}

/* A boot's first frame was found: then the boot before it; at last the work, oldest first. */
static int found(struct redate *redate)
{
	char before[UUID_CHARS + 1];
	int r = 0;

	if (redate->n_places + 1 < PLACES_MAX)
		r = boot_before(redate, redate->low, before);
	if (r < 0)
		return r;
	add_place(redate, redate->low, redate->bound, redate->find_boot);
	redate->phase = PLACE;
	if (r > 0 && strcmp(before, redate->find_boot) != 0)
		find(redate, before, redate->low);
	return 1;
}

/* What a run before this one left half done; the rest is to be found by its files. */
static int step_finish(struct redate *redate)
{
	int r = redate->options.dry_run ? 0 : archive_finish_redate(redate->options.archive);

	if (r < 0)
		return r;
	if (redate->options.all) {
		add_place(redate, redate->first, redate->end, redate->boot);
		redate->phase = PLACE;
	} else {
		find(redate, redate->boot, redate->end);
	}
	return 1;
}

/*
 * One probe. Boots follow each other in the journal, so frames before the first one of a boot are of
 * others. Where a probe meets no frame for long the place found is too early, which only costs time.
 */
static int step_find(struct redate *redate)
{
	uint64_t middle = redate->low + (redate->high - redate->low) / 2;
	struct record record;
	int r;

	if (redate->low >= redate->high)
		return found(redate);
	r = probe(redate, middle, redate->bound, &record);
	if (r < 0)
		return r;
	if (r == 0 || strcmp(record.boot, redate->find_boot) == 0)
		redate->high = middle;
	else
		redate->low = record.seq + 1;
	return 1;
}

static void tell(struct redate *redate, const struct record *after, int error)
{
	if (redate->options.told)
		redate->options.told(redate->options.data, &redate->frame, after, error);
}

/* The frame in hand stays as it is. */
static int give_up_frame(struct redate *redate, int error)
{
	redate->totals.failed++;
	tell(redate, NULL, error);
	free(TAKE_PTR(redate->jpeg));
	redate->phase = WALK;
	return 1;
}

/* What the plan says of the frame in hand. */
static void judge(struct redate *redate)
{
	int64_t delta_us;

	redate->phase = WALK;
	switch (redate_see(&redate->plan, &redate->frame, &delta_us)) {
	case REDATE_ASK:
		redate->phase = AHEAD;
		break;
	case REDATE_DATE:
		redate->moved = redate_moved(&redate->frame, delta_us);
		redate->phase = READ;
		break;
	case REDATE_RIGHT:
		redate->totals.right++;
		break;
	case REDATE_UNKNOWN:
		redate->totals.unknown++;
		break;
	case REDATE_KNOWN:
	case REDATE_PASS:
		break;
	}
}

/* Frames that were dated already, or deleted, are passed over in the same step as they are met. */
static bool is_gone(struct redate *redate)
{
	CLEANUP_FD int fd = -1;

	return archive_open_frame(redate->options.archive, &redate->frame, &fd) == -ENOENT;
}

static int step_walk(struct redate *redate)
{
	const struct place *place = &redate->places[redate->n_places - 1];

	for (int i = 0; i < SLICE_LINES && redate->phase == WALK; i++) {
		int r = next_record(redate->cursor, place->bound, &redate->frame);

		if (r < 0)
			return r;
		if (r == 0)
			return next_place(redate);
		if (!is_plain(&redate->frame))
			continue;
		if (!redate->options.all && strcmp(redate->frame.boot, place->boot) != 0)
			continue;
		if (!redate->options.all && redate->frame.synced)
			return next_place(redate);
		judge(redate);
		if (redate->phase == READ && is_gone(redate))
			redate->phase = WALK;
	}
	return 1;
}

/* Looks for the anchor behind the frame in hand, up to the next boot. */
static int step_ahead(struct redate *redate)
{
	int64_t zero_us = TIME_NONE;
	int r = 0;

	if (!redate->ahead)
		r = journal_seek(archive_journal(redate->options.archive), redate->frame.seq + 1,
			&redate->ahead);
	if (r < 0)
		return r;
	for (int i = 0; i < SLICE_LINES; i++) {
		struct record record;

		r = next_record(redate->ahead, redate->end, &record);
		if (r < 0)
			return r;
		if (r == 0 || redate_anchor(&record, redate->frame.boot, &zero_us) ||
			(is_plain(&record) && strcmp(record.boot, redate->frame.boot) != 0)) {
			journal_cursor_free(TAKE_PTR(redate->ahead));
			redate_answer(&redate->plan, zero_us);
			judge(redate);
			break;
		}
	}
	return 1;
}

/* The whole file, as the journal knows it. */
static int read_file(struct redate *redate, int fd)
{
	size_t bytes = (size_t)redate->frame.bytes;
	uint8_t sha256[SHA256_BYTES];
	ssize_t n;
	int r;

	redate->jpeg = malloc(bytes);
	if (!redate->jpeg)
		return -ENOMEM;
	n = fs_read_at(fd, redate->jpeg, bytes, 0);
	if (n < 0)
		return (int)n;
	r = digest_buffer(redate->jpeg, bytes, sha256);
	if (r < 0)
		return r;
	return (size_t)n != bytes || memcmp(sha256, redate->frame.sha256, SHA256_BYTES) != 0
		? -EBADMSG
		: 0;
}

static bool is_short_of_means(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

static int step_read(struct redate *redate)
{
	CLEANUP_FD int fd = -1;
	int r = archive_open_frame(redate->options.archive, &redate->frame, &fd);

	redate->phase = WALK;
	if (r == -ENOENT) /* dated already, or deleted */
		return 1;
	if (r == 0 && redate->options.dry_run) {
		redate->totals.dated++;
		tell(redate, &redate->moved, 0);
		return 1;
	}
	if (r == 0)
		r = read_file(redate, fd);
	if (r == 0)
		r = exif_redate(redate->jpeg, (size_t)redate->frame.bytes,
			exif_time_us(redate->moved.slot_us, redate->moved.exposed_us));
	if (is_short_of_means(r)) {
		free(TAKE_PTR(redate->jpeg));
		redate->phase = READ;
		return r;
	}
	if (r < 0)
		return give_up_frame(redate, r);
	redate->phase = PUBLISH;
	return 1;
}

static int step_publish(struct redate *redate)
{
	int r = archive_publish(
		redate->options.archive, &redate->moved, redate->jpeg, (size_t)redate->frame.bytes);

	if (r == -EINVAL || r == -ERANGE || r == -EEXIST)
		return give_up_frame(redate, r);
	if (r == -EBUSY)
		return r;
	free(TAKE_PTR(redate->jpeg));
	redate->phase = r < 0 ? READ : PRUNE;
	return r < 0 ? r : 1;
}

static int step_prune(struct redate *redate)
{
	uint64_t seq = redate->frame.seq;
	struct archive_pruned pruned = { 0 };
	int r = archive_prune(redate->options.archive, seq, seq, PRUNE_REDATED, &pruned);

	if (r < 0 && r != -ENOENT)
		return r;
	redate->totals.dated++;
	tell(redate, &redate->moved, 0);
	redate->phase = WALK;
	/* it would be taken for one that was not dated yet */
	if (pruned.left) {
		redate->totals.failed++;
		tell(redate, NULL, -EPERM);
		redate->phase = END;
	}
	return 1;
}

int redate_new(const struct redate_options *options, struct redate **ret)
{
	CLEANUP(redate_freep) struct redate *redate = calloc(1, sizeof *redate);
	struct journal *journal = archive_journal(options->archive);
	int r;

	if (!redate)
		return -ENOMEM;
	redate->options = *options;
	snprintf(redate->boot, sizeof redate->boot, "%s", options->boot);
	redate->options.boot = redate->boot;
	r = journal_first(journal, &redate->first);
	if (r == 0)
		r = journal_last(journal, &redate->end);
	if (r < 0)
		return r;
	redate->end++;
	if (options->from)
		add_place(redate, options->from, redate->end, redate->boot);
	*ret = TAKE_PTR(redate);
	return 0;
}

void redate_free(struct redate *redate)
{
	if (!redate)
		return;
	journal_cursor_free(redate->cursor);
	journal_cursor_free(redate->ahead);
	free(redate->jpeg);
	free(redate);
}

int redate_step(struct redate *redate)
{
	static int (*const steps[])(struct redate * redate) = {
		[FINISH] = step_finish,
		[FIND] = step_find,
		[PLACE] = step_place,
		[WALK] = step_walk,
		[AHEAD] = step_ahead,
		[READ] = step_read,
		[PUBLISH] = step_publish,
		[PRUNE] = step_prune,
	};

	return redate->phase == END ? 0 : steps[redate->phase](redate);
}

struct redate_totals redate_totals(const struct redate *redate)
{
	return redate->totals;
}
