/* SPDX-License-Identifier: MIT */
/* Adds up the lines of a span. A frame's line is not parsed: a year has half a million. */
#include "view/facts/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utc.h"
#include "common/base/when.h"
#include "view/facts/select.h"

#define HOUR_US (INT64_C(3600) * US_PER_SEC)
#define DAY_US (24 * HOUR_US)

void tallies_clear(struct tallies *tallies)
{
	free(tallies->list);
	*tallies = (struct tallies){ 0 };
}

int32_t tally_marked(const struct tally *tally)
{
	int32_t marked = 0;

	for (int mark = MARK_NONE + 1; mark < MARKS; mark++)
		marked += tally->marked[mark];
	return marked;
}

int64_t tally_due(const struct tally *tally)
{
	int64_t due = tally->taken;

	for (int i = 0; i < MISS_CAUSES; i++)
		due += tally->missed[i];
	return due;
}

/* The upper end of a bin. */
static int64_t late_end_us(int bin)
{
	return (TALLY_LATE_US << (bin / 2)) * (bin % 2 ? 1414 : 1000) / 1000;
}

static int late_bin(int64_t late_us)
{
	int bin = 0;

	if (late_us < 0)
		late_us = -late_us;
	while (bin < TALLY_LATE_BINS - 1 && late_us > late_end_us(bin))
		bin++;
	return bin;
}

int64_t tally_late_us(const struct tally *tally, double part)
{
	uint64_t all = 0, below = 0;
	int bin = 0;

	for (int i = 0; i < TALLY_LATE_BINS; i++)
		all += tally->late[i];
	for (; bin < TALLY_LATE_BINS - 1; bin++) {
		below += tally->late[bin];
		if ((double)below >= part * (double)all)
			break;
	}
	return late_end_us(bin);
}

/* ---- units */

int tally_day(int64_t wall_us, int64_t *ret_since_us, int64_t *ret_until_us)
{
	const int64_t day_us = utc_local_day(wall_us) * DAY_US;
	struct utc_fields f;
	char text[UTC_TEXT_MAX];
	int64_t since_us, until_us;

	utc_split(day_us, &f);
	snprintf(text, sizeof(text), "%04d-%02d-%02d", f.year, f.month, f.day);
	if (when_parse(text, WHEN_FROM, 0, &since_us) < 0 ||
		when_parse(text, WHEN_TO, 0, &until_us) < 0)
		return -EINVAL;
	*ret_since_us = since_us;
	*ret_until_us = until_us + 1;
	return 0;
}

/* The unit around that instant. */
static int unit_around(
	int64_t slot_us, enum tally_unit unit, int64_t *ret_since_us, int64_t *ret_until_us)
{
	int64_t part_us;

	if (unit == TALLY_DAYS)
		return tally_day(slot_us, ret_since_us, ret_until_us);
	part_us = (slot_us + utc_local_offset_s(slot_us) * US_PER_SEC) % HOUR_US;
	*ret_since_us = slot_us - part_us;
	*ret_until_us = slot_us - part_us + HOUR_US;
	return 0;
}

/* The tally that begins then, made if there is none. NULL: no memory. */
static struct tally *tallies_at(struct tallies *tallies, int64_t since_us, int64_t until_us)
{
	size_t i = tallies->n;

	while (i > 0 && tallies->list[i - 1].since_us > since_us)
		i--;
	if (i > 0 && tallies->list[i - 1].since_us == since_us)
		return &tallies->list[i - 1];
	if (!list_make_room(&tallies->list, tallies->n, &tallies->room, sizeof(struct tally)))
		return NULL;
	memmove(tallies->list + i + 1, tallies->list + i, (tallies->n - i) * sizeof(struct tally));
	tallies->list[i] = (struct tally){ .since_us = since_us, .until_us = until_us };
	tallies->n++;
	return &tallies->list[i];
}

/* ---- lines */

struct counter {
	struct archive *archive;
	struct tallies *tallies;
	enum tally_unit unit;
	int64_t since_us, until_us; /* what is outside is not counted */
	struct tally *last; /* most lines are of the unit of the line before */
	char boot[UUID_CHARS];
};

/* The tally of that slot; NULL: none is wanted. -errno. */
static int counter_at(struct counter *c, int64_t slot_us, struct tally **ret)
{
	int64_t since_us, until_us;

	*ret = NULL;
	if (slot_us < c->since_us || slot_us > c->until_us)
		return 0;
	if (!c->last || slot_us < c->last->since_us || slot_us >= c->last->until_us) {
		int r = unit_around(slot_us, c->unit, &since_us, &until_us);

		if (r < 0)
			return 0; /* a time that no calendar has */
		c->last = tallies_at(c->tallies, since_us, until_us);
		if (!c->last)
			return -ENOMEM;
	}
	*ret = c->last;
	return 0;
}

static void counter_add_event(struct counter *c, uint64_t seq)
{
	struct tallies *t = c->tallies;

	if (t->n_events == TALLY_EVENTS_MAX)
		memmove(t->events, t->events + 1, --t->n_events * sizeof(t->events[0]));
	t->events[t->n_events++] = seq;
}

static int counter_add_frame(
	struct counter *c, uint64_t seq, const char *line, size_t len, int64_t slot_us)
{
	static const char late_key[] = "\"late_us\":", boot_key[] = "\"boot\":\"";
	const char *boot = memmem(line, len, boot_key, strlen(boot_key)), *late;
	enum mark mark = record_peek_mark(line, len);
	struct tally *tally;
	int r = counter_at(c, slot_us, &tally);

	if (r < 0 || !tally)
		return r;
	tally->taken++;
	tally->marked[mark] += mark != MARK_NONE;
	late = memmem(boot ? boot : line, (size_t)(line + len - (boot ? boot : line)), late_key,
		strlen(late_key));
	if (late)
		tally->late[late_bin(strtoll(late + strlen(late_key), NULL, 10))]++;
	boot = boot ? boot + strlen(boot_key) : NULL;
	if (boot && (size_t)(line + len - boot) > UUID_CHARS &&
		memcmp(c->boot, boot, UUID_CHARS) != 0) {
		if (*c->boot)
			counter_add_event(c, seq);
		memcpy(c->boot, boot, UUID_CHARS);
	}
	return 0;
}

/* A clock correction: the same picture was counted by the wrong time. */
static int counter_take_back(struct counter *c, const char *line, size_t len)
{
	struct record record, old;
	struct tally *tally = NULL;
	int r = 0;

	if (record_parse(line, len, &record) == 0 && record.was > 0 &&
		archive_find(c->archive, record.was, &old) == 0 && old.type == RECORD_FRAME)
		r = counter_at(c, old.slot_us, &tally);
	if (tally) {
		tally->taken--;
		tally->marked[record.picture.mark] -= record.picture.mark != MARK_NONE;
	}
	return r;
}

/* The slots of a range are taken to be equally far apart. */
static int counter_add_misses(struct counter *c, const struct record *miss)
{
	const int64_t step_us =
		miss->count > 1 ? (miss->last_us - miss->slot_us) / (int64_t)(miss->count - 1) : 0;
	int64_t slot_us = miss->slot_us;
	struct tally *tally;

	if (step_us > 0 && slot_us < c->since_us)
		slot_us += (c->since_us - slot_us + step_us - 1) / step_us * step_us;
	while (slot_us <= miss->last_us && slot_us <= c->until_us) {
		int r = counter_at(c, slot_us, &tally);
		int64_t n = 1;

		if (r < 0)
			return r;
		if (!tally)
			return 0;
		if (step_us > 0) {
			int64_t end_us = tally->until_us - 1;

			end_us = miss->last_us < end_us ? miss->last_us : end_us;
			end_us = c->until_us < end_us ? c->until_us : end_us;
			n = (end_us - slot_us) / step_us + 1;
		}
		tally->missed[miss->cause] += (int32_t)n;
		slot_us += n * (step_us > 0 ? step_us : 1);
	}
	return 0;
}

static int counter_line(void *data, uint64_t seq, const char *line, size_t len)
{
	struct counter *c = data;
	struct record record;
	int64_t slot_us;
	int r;

	/* `miss` comes right after `slot` */
	if (record_peek_slot(line, len, &slot_us) &&
		!memmem(line, len < 96 ? len : 96, "\"miss\":", 7)) {
		r = counter_add_frame(c, seq, line, len, slot_us);
		if (r == 0 && memmem(line, len, "\"was\":", 6))
			r = counter_take_back(c, line, len);
		return r;
	}
	if (record_parse(line, len, &record) < 0)
		return 0;
	if (record.type == RECORD_MISS) {
		if (record.cause == MISS_DOWN && record.slot_us >= c->since_us &&
			record.slot_us <= c->until_us)
			counter_add_event(c, seq);
		return counter_add_misses(c, &record);
	}
	if (record.type == RECORD_CLOCK || record.type == RECORD_ZONE)
		counter_add_event(c, seq);
	if (record.type == RECORD_PRUNE && c->last && strcmp(record.text, PRUNE_REDATED) != 0) {
		c->last->removed += (uint32_t)record.count;
		c->last->removed_bytes += record.bytes;
	}
	return 0;
}

/* ---- */

int tally_read(struct archive *archive, int64_t since_us, int64_t until_us, enum tally_unit unit,
	struct tallies *ret)
{
	const struct selection span = { .since_us = since_us, .until_us = until_us };
	struct counter c = { archive, ret, unit, since_us, until_us, NULL, "" };
	uint64_t from, last;
	int r = select_numbers(archive, &span, &from, &last);

	while (r >= 0 && from && from <= last)
		r = journal_visit(archive_journal(archive), from, last, counter_line, &c, &from);
	return r < 0 ? r : 0;
}
