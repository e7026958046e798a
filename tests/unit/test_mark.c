/* SPDX-License-Identifier: MIT */
/* Three pictures of one mark in a row are an event, and what ends it. */
#include "common/journal/mark.h"

#include "tests/unit/journal_kit.h"

static struct record frame_marked(uint64_t seq, enum mark mark)
{
	struct record frame = kit_frame(KIT_SLOT + (int64_t)seq * US_PER_SEC);

	frame.seq = seq;
	frame.bytes = 1000;
	frame.picture.mean = 0.5;
	frame.picture.mark = mark;
	return frame;
}

/* One letter a line: a mark's first, '.' none, '-' a miss, '?' a frame that was not measured. */
static struct record record_of(char letter, uint64_t seq)
{
	static const char letters[MARKS + 1] = ".dcbmf";
	const char *found = strchr(letters, letter);
	struct record record = frame_marked(seq, found ? (enum mark)(found - letters) : MARK_NONE);

	if (letter == '-')
		record = kit_miss(record.slot_us);
	if (letter == '?')
		record.picture = picture_facts_none;
	record.seq = seq;
	return record;
}

static const struct {
	const char *lines;
	enum mark event;
	uint64_t since;
} cases[] = {
	{ "", MARK_NONE, 0 },
	{ "..dd", MARK_NONE, 0 },
	{ "..ddd", MARK_DARK, 3 },
	{ "ddd.", MARK_NONE, 0 },
	{ "dddb", MARK_NONE, 0 },
	{ "dddbbb", MARK_BLURRED, 4 },
	{ "m-m?-m", MARK_MOVED, 1 },
	{ "ffff--??", MARK_FROZEN, 1 },
	{ ".c.c.c.c", MARK_NONE, 0 },
	{ "ddd?.?-", MARK_NONE, 0 },
};

TEST(events)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mark_run run = { 0 };

		for (size_t k = 0; cases[i].lines[k]; k++) {
			struct record record = record_of(cases[i].lines[k], k + 1);

			mark_run_add(&run, &record);
		}
		CHECK_INT(mark_event(&run), cases[i].event);
		if (cases[i].event) {
			CHECK_INT(run.seq, cases[i].since);
			CHECK_INT(run.since_us, KIT_SLOT + (int64_t)run.seq * US_PER_SEC);
			CHECK(*mark_text(run.mark) != '\0');
		}
	}
}

/* The newest came first, as to a puller. */
TEST(from_a_copy_out_of_order)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mark_run run = { .count = 99 };
		struct fixture f;

		setup(&f);
		for (size_t k = strlen(cases[i].lines); k-- > 0;) {
			struct record record = record_of(cases[i].lines[k], k + 1);

			CHECK_INT(journal_append_record(f.journal, &record, false), 0);
		}
		CHECK_INT(mark_run_read(f.journal, &run), 0);
		CHECK_INT(mark_event(&run), cases[i].event);
		CHECK(cases[i].event == MARK_NONE || run.seq == cases[i].since);
		teardown(&f);
	}
}

TEST(from_the_end_of_a_long_journal)
{
	struct mark_run run;
	struct fixture f;

	setup(&f);
	for (uint64_t seq = 1; seq <= 1000; seq++) {
		struct record record = frame_marked(seq, MARK_COVERED);

		CHECK_INT(journal_append_record(f.journal, &record, false), 0);
	}
	CHECK_INT(mark_run_read(f.journal, &run), 0);
	CHECK_INT(mark_event(&run), MARK_COVERED);
	CHECK(run.count >= 100 && run.seq > 1);
	teardown(&f);
}

/* A mark of a later version must not cost the frame; what cannot be is not written. */
TEST(unknown_marks)
{
	static const char *const marks[] = { "\"haunted\"", "\"\"", "7", "null", "{}" };
	struct record frame = record_of('d', 9);
	char line[LINE_MAX_BYTES + 1];
	int n = record_format(&frame, line);
	char *mark = strstr(line, "\"mark\":");

	if (!CHECK(n > 0 && mark != NULL))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		snprintf(mark, 64, "\"mark\":%s}", marks[i]);
		CHECK_INT(record_parse(line, strlen(line), &frame), 0);
		CHECK_INT(frame.type, RECORD_FRAME);
		CHECK_INT(frame.picture.mark, MARK_NONE);
		CHECK(frame.picture.mean == 0.5);
	}
	frame.picture.mark = MARKS;
	CHECK_INT(record_format(&frame, line), -ERANGE);
	frame.picture = picture_facts_none;
	frame.picture.mean = 1.01;
	CHECK_INT(record_format(&frame, line), -ERANGE);
}
