/* SPDX-License-Identifier: MIT */
#include "common/journal/mark.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

#define READ_LINES 256

/* A frame that was measured. */
struct marked {
	uint64_t seq;
	int64_t slot_us;
	enum mark mark;
};

static bool marked_of(const struct record *record, struct marked *ret)
{
	const struct picture_facts *picture = &record->picture;

	if (record->type != RECORD_FRAME || (picture->mark == MARK_NONE && isnan(picture->mean)))
		return false;
	*ret = (struct marked){ record->seq, record->slot_us, picture->mark };
	return true;
}

static void mark_run_add_marked(struct mark_run *run, const struct marked *m)
{
	if (m->mark != run->mark || run->count == 0)
		*run = (struct mark_run){ .mark = m->mark, .seq = m->seq, .since_us = m->slot_us };
	run->count++;
}

void mark_run_add(struct mark_run *run, const struct record *record)
{
	struct marked marked;

	if (marked_of(record, &marked))
		mark_run_add_marked(run, &marked);
}

enum mark mark_event(const struct mark_run *run)
{
	return run->count >= MARK_EVENT_FRAMES ? run->mark : MARK_NONE;
}

/* ---- from a journal, which may be a copy's: in order of arrival */

struct marked_list {
	struct marked list[READ_LINES];
	size_t n;
};

static int marked_list_add(void *data, uint64_t seq, const char *line, size_t len)
{
	struct marked_list *l = data;
	struct record record;

	(void)seq;
	/* a frame that was dated again has its place further back */
	if (l->n < READ_LINES && memmem(line, len, "\"file\":", 7) &&
		record_parse(line, len, &record) == 0 && record.was == 0 &&
		marked_of(&record, &l->list[l->n]))
		l->n++;
	return 0;
}

static int marked_compare(const void *left, const void *right)
{
	const struct marked *a = left, *b = right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

int mark_run_read(struct journal *journal, struct mark_run *ret)
{
	struct marked_list marked = { .n = 0 };
	struct mark_run run = { 0 };
	uint64_t from, last;
	int r = journal_last(journal, &last);

	if (r < 0)
		return r;
	from = last > READ_LINES ? last - READ_LINES + 1 : 1;
	while (r >= 0 && from && from <= last)
		r = journal_visit(journal, from, last, marked_list_add, &marked, &from);
	if (r < 0)
		return r;
	qsort(marked.list, marked.n, sizeof(marked.list[0]), marked_compare);
	for (size_t i = 0; i < marked.n; i++)
		mark_run_add_marked(&run, &marked.list[i]);
	*ret = run;
	return 0;
}

void mark_run_json(struct json_object *o, const struct mark_run *run)
{
	struct json_object *event = json_object_new_object();

	json_add_text(event, "mark", mark_name(run->mark));
	json_add_time(event, "since", run->since_us);
	json_add_number(event, "seq", (int64_t)run->seq);
	json_add_number(event, "count", run->count);
	json_object_object_add(o, "event", event);
}

const char *mark_text(enum mark mark)
{
	static const char *const texts[MARKS] = {
		[MARK_NONE] = "",
		[MARK_DARK] = "the pictures are dark at a time of day that is bright",
		[MARK_COVERED] = "something covers the lens",
		[MARK_BLURRED] = "the pictures are blurred",
		[MARK_MOVED] = "the camera has moved",
		[MARK_FROZEN] = "the camera gives the same picture again and again",
	};

	return (unsigned)mark < MARKS ? texts[mark] : "";
}
