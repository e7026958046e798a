/* SPDX-License-Identifier: MIT */
/*
 * Reads the lines of a span out of the journal. Sequence numbers grow with time, but for frames of
 * a clock that was not set: so the search by halves passes over lines that say so, and the reading
 * begins and ends some hours further out than was asked for.
 */
#include "view/facts/select.h"

#include <errno.h>
#include <string.h>

#include "common/archive/preview.h"
#include "common/base/utc.h"

#define PROBE_LINES 256 /* read to find one with a trustworthy time */
#define MARGIN_US (INT64_C(3) * 3600 * US_PER_SEC)
#define DAY_US (INT64_C(24) * 3600 * US_PER_SEC)

void slots_clear(struct slots *slots)
{
	free(slots->list);
	*slots = (struct slots){ 0 };
}

/* ---- where a time is in the journal */

struct probe {
	int64_t slot_us; /* TIME_NONE: none yet */
	uint64_t seq;
	bool synced;
};

static int probe_line(void *data, uint64_t seq, const char *line, size_t len)
{
	struct probe *probe = data;
	const bool synced = memmem(line, len, "\"synced\":true", 13) != NULL;
	int64_t slot_us;

	if (!record_peek_slot(line, len, &slot_us) || (probe->synced && !synced))
		return 0;
	if (probe->slot_us == TIME_NONE || (synced && !probe->synced) || seq < probe->seq)
		*probe = (struct probe){ slot_us, seq, synced };
	return 0;
}

/* The lowest number from which on slots are at `slot_us` or later. -errno. */
static int select_seek(struct journal *journal, int64_t slot_us, uint64_t *ret_seq)
{
	uint64_t low, high;
	int r = journal_first(journal, &low);

	if (r >= 0)
		r = journal_last(journal, &high);
	if (r < 0)
		return r;
	while (low < high) {
		const uint64_t middle = low + (high - low) / 2;
		struct probe probe = { .slot_us = TIME_NONE };
		uint64_t from = middle, next;

		do {
			r = journal_visit(journal, from, from + (from == middle ? 0 : PROBE_LINES),
				probe_line, &probe, &next);
			if (r < 0)
				return r;
			from = from == middle && next ? middle + 1 : next;
		} while (from && from <= high && !probe.synced && from - middle < PROBE_LINES);
		if (probe.slot_us != TIME_NONE && probe.slot_us < slot_us)
			low = probe.seq + 1 > middle ? probe.seq + 1 : middle + 1;
		else if (probe.slot_us == TIME_NONE && from)
			low = from; /* numbers that are not here */
		else
			high = middle;
	}
	*ret_seq = low;
	return 0;
}

/* ---- the lines of a span */

struct collector {
	const struct selection *selection;
	struct slots slots;
	struct slots redated; /* first_seq in `seq`, how many in `count` */
};

static int slots_add(struct slots *slots, struct slot slot)
{
	if (slots->n >= SELECT_SLOTS_MAX)
		return -EFBIG;
	if (!list_make_room(&slots->list, slots->n, &slots->room, sizeof(slot)))
		return -ENOMEM;
	slots->list[slots->n++] = slot;
	return 0;
}

bool selection_has(const struct selection *s, int64_t slot_us)
{
	int64_t local_us;
	int minute;

	if (slot_us < s->since_us || slot_us > s->until_us)
		return false;
	if (s->from_minute == s->to_minute && s->days == 0)
		return true;
	local_us = slot_us + utc_local_offset_s(slot_us) * US_PER_SEC;
	minute = (int)(local_us % DAY_US / (60 * US_PER_SEC));
	/* 1970-01-01 was a Thursday */
	if (s->days && !(s->days >> ((local_us / DAY_US + 4) % 7) & 1))
		return false;
	if (s->from_minute <= s->to_minute)
		return s->from_minute == s->to_minute ||
			(minute >= s->from_minute && minute < s->to_minute);
	return minute >= s->from_minute || minute < s->to_minute;
}

/* The slots of a range that are within the span; they are taken to be equally far apart. */
static int collector_add_miss(struct collector *c, const struct record *miss)
{
	const struct selection *s = c->selection;
	struct slot slot = { miss->slot_us, miss->last_us, miss->seq, (uint32_t)miss->count,
		SLOT_CAMERA + (enum slot_state)miss->cause };
	int64_t step_us;

	if (miss->last_us < s->since_us || miss->slot_us > s->until_us || miss->count == 0)
		return 0;
	step_us =
		miss->count > 1 ? (miss->last_us - miss->slot_us) / (int64_t)(miss->count - 1) : 0;
	if (step_us > 0 && slot.slot_us < s->since_us)
		slot.slot_us += (s->since_us - slot.slot_us + step_us - 1) / step_us * step_us;
	if (step_us > 0 && slot.last_us > s->until_us)
		slot.last_us -= (slot.last_us - s->until_us + step_us - 1) / step_us * step_us;
	if (slot.last_us < slot.slot_us)
		return 0;
	if (step_us > 0)
		slot.count = (uint32_t)((slot.last_us - slot.slot_us) / step_us + 1);
	return slots_add(&c->slots, slot);
}

static int collector_line(void *data, uint64_t seq, const char *line, size_t len)
{
	struct collector *c = data;
	struct record record;
	int64_t slot_us;

	if (record_peek_slot(line, len, &slot_us) && !memmem(line, len, "\"miss\":", 7)) {
		enum mark mark;

		if (!selection_has(c->selection, slot_us))
			return 0;
		mark = record_peek_mark(line, len);
		if (c->selection->skip_marked && mark != MARK_NONE)
			return 0;
		return slots_add(
			&c->slots, (struct slot){ slot_us, slot_us, seq, 1, SLOT_REMOVED, mark });
	}
	if (record_parse(line, len, &record) < 0)
		return 0;
	if (record.type == RECORD_MISS)
		return collector_add_miss(c, &record);
	if (record.type == RECORD_PRUNE && strcmp(record.text, PRUNE_REDATED) == 0)
		return slots_add(&c->redated,
			(struct slot){ .seq = record.first_seq,
				.count = (uint32_t)(record.last_seq - record.first_seq + 1) });
	return 0;
}

/* ---- which pictures are here */

static int compare_numbers(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

struct numbers {
	uint64_t *list;
	size_t n, room;
};

static void numbers_clear(struct numbers *numbers)
{
	free(numbers->list);
}

static int numbers_add_folder(struct numbers *numbers, int root_fd, int64_t day_us)
{
	const struct frame_name day = { .slot_us = day_us, .seq = 1 };
	char folder[FRAME_PATH_MAX];
	CLEANUP_FD int fd = -1;
	CLEANUP_DIR DIR *dir = NULL;
	struct dirent *entry;
	int r = frame_name_folder(&day, folder);

	if (r == 0)
		r = fs_open_folder(&fs_real, root_fd, folder, false, &fd);
	if (r == 0)
		r = fs_list_folder(fd, ".", &dir);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((entry = readdir(dir))) {
		struct frame_name name;

		if (frame_name_parse(entry->d_name, strlen(entry->d_name), &name) < 0)
			continue;
		if (!list_make_room(&numbers->list, numbers->n, &numbers->room, sizeof(uint64_t)))
			return -ENOMEM;
		numbers->list[numbers->n++] = name.seq;
	}
	return 0;
}

/* Marks the frames whose files are there: one look into each day's folder that has some. */
static int slots_mark_held(struct slots *slots, int root_fd)
{
	CLEANUP(numbers_clear) struct numbers numbers = { 0 };
	int64_t day = INT64_MIN;

	for (size_t i = 0; i < slots->n; i++) {
		struct slot *slot = &slots->list[i];
		int r = 0;

		if (slot->state != SLOT_REMOVED)
			continue;
		if (slot->slot_us / DAY_US != day) {
			day = slot->slot_us / DAY_US;
			numbers.n = 0;
			r = numbers_add_folder(&numbers, root_fd, slot->slot_us);
			if (numbers.n > 0)
				qsort(numbers.list, numbers.n, sizeof(uint64_t), compare_numbers);
		}
		if (r < 0)
			return r;
		if (numbers.n > 0 &&
			bsearch(&slot->seq, numbers.list, numbers.n, sizeof(uint64_t),
				compare_numbers))
			slot->state = SLOT_HELD;
	}
	return 0;
}

/* ---- */

static int compare_slots(const void *left, const void *right)
{
	const struct slot *a = left, *b = right;

	if (a->slot_us != b->slot_us)
		return a->slot_us < b->slot_us ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static bool slot_is_redated(const struct slots *redated, uint64_t seq)
{
	for (size_t i = 0; i < redated->n; i++) {
		if (seq - redated->list[i].seq < redated->list[i].count)
			return true;
	}
	return false;
}

/* Takes out what was published again, and keeps one frame of each `every_us`. */
static void slots_thin(struct slots *slots, const struct slots *redated, int64_t every_us)
{
	int64_t kept = INT64_MIN;
	size_t n = 0;

	for (size_t i = 0; i < slots->n; i++) {
		const struct slot *slot = &slots->list[i];
		const bool is_frame = slot->state <= SLOT_REMOVED;

		if (is_frame && redated->n > 0 && slot_is_redated(redated, slot->seq))
			continue;
		if (is_frame && every_us > 0) {
			if (slot->state != SLOT_HELD || slot->slot_us / every_us == kept)
				continue;
			kept = slot->slot_us / every_us;
		}
		slots->list[n++] = *slot;
	}
	slots->n = n;
}

static void collector_clear(struct collector *c)
{
	slots_clear(&c->slots);
	slots_clear(&c->redated);
}

int select_numbers(struct archive *archive, const struct selection *span, uint64_t *ret_first,
	uint64_t *ret_last)
{
	struct journal *journal = archive_journal(archive);
	uint64_t first, last;
	int r = select_seek(journal, span->since_us - MARGIN_US, &first);

	if (r >= 0)
		r = select_seek(journal, span->until_us + MARGIN_US, &last);
	if (r < 0)
		return r;
	/* a range of misses that ends in the span may be the line before it */
	*ret_first = first > PROBE_LINES ? first - PROBE_LINES : 1;
	*ret_last = last;
	return 0;
}

int select_slots(struct archive *archive, const struct selection *selection, struct slots *ret)
{
	CLEANUP(collector_clear) struct collector c = { .selection = selection };
	uint64_t from, last;
	int r = select_numbers(archive, selection, &from, &last);

	while (r >= 0 && from && from <= last)
		r = journal_visit(archive_journal(archive), from, last, collector_line, &c, &from);
	if (r < 0)
		return r;
	if (c.slots.n > 0)
		qsort(c.slots.list, c.slots.n, sizeof(struct slot), compare_slots);
	r = slots_mark_held(&c.slots, archive_root_fd(archive));
	if (r < 0)
		return r;
	slots_thin(&c.slots, &c.redated, selection->every_us);
	*ret = c.slots;
	c.slots = (struct slots){ 0 };
	return 0;
}

int select_add_coming(
	struct archive *archive, const struct selection *selection, struct slots *slots)
{
	CLEANUP(previews_clear) struct previews previews = { 0 };
	const size_t before = slots->n;

	(void)previews_list(archive, &previews);
	for (size_t i = 0; i < previews.n && slots->n < SELECT_SLOTS_MAX; i++) {
		const struct frame_name *name = &previews.list[i];
		struct record record;

		if (!selection_has(selection, name->slot_us) ||
			archive_find(archive, name->seq, &record) == 0)
			continue;
		if (!list_make_room(&slots->list, slots->n, &slots->room, sizeof(struct slot)))
			return -ENOMEM;
		slots->list[slots->n++] =
			(struct slot){ name->slot_us, name->slot_us, name->seq, 1, SLOT_COMING };
	}
	if (slots->n > before)
		qsort(slots->list, slots->n, sizeof(struct slot), compare_slots);
	return 0;
}

const char *slot_state_name(enum slot_state state)
{
	static const char *const names[] = { [SLOT_HELD] = "held", [SLOT_REMOVED] = "removed" };

	if (state == SLOT_COMING)
		return "coming";
	return state <= SLOT_REMOVED ? names[state]
				     : miss_cause_name((enum miss_cause)(state - SLOT_CAMERA));
}

const char *slot_state_text(enum slot_state state)
{
	static const char *const texts[] = {
		[SLOT_HELD] = "the picture is here", [SLOT_REMOVED] = "the picture was removed"
	};

	if (state == SLOT_COMING)
		return "its picture is still on the camera";
	return state <= SLOT_REMOVED ? texts[state]
				     : miss_cause_text((enum miss_cause)(state - SLOT_CAMERA));
}
