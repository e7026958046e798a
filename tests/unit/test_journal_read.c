/* SPDX-License-Identifier: MIT */
/* Reading the journal: finding, orders of arrival, cursors beside a writer, damaged lines. */
#include "tests/unit/journal_kit.h"

TEST(finds_every_line_of_a_large_segment)
{
	enum { LINES = 3000 };
	struct record record;
	struct fixture f;
	int wrong = 0;

	setup(&f);
	for (uint64_t seq = 1; seq <= LINES; seq++)
		CHECK_INT(append_miss(f.journal, seq), 0);
	for (uint64_t seq = 1; seq <= LINES; seq++) {
		char want[20];

		snprintf(want, sizeof(want), "%" PRIu64, seq);
		wrong += strcmp(read_seqs(f.journal, seq, 1), want) != 0;
		wrong += journal_find(f.journal, seq, &record) != 0 || record.seq != seq;
	}
	CHECK_INT(wrong, 0);
	CHECK_INT(newest_of(f.journal), -ENOENT);
	CHECK_INT(last_of(f.journal), LINES);
	teardown(&f);
}

/* The frame's line moves over the border of a block, byte by byte as it were. */
TEST(newest_frame_at_the_border_of_a_block)
{
	struct fixture f;
	struct stat st;
	char path[100];

	setup(&f);
	snprintf(path, sizeof(path), "%s/journal/00000000.jsonl", f.path);
	CHECK_INT(append_miss(f.journal, 1), 0);
	CHECK_INT(append_frame(f.journal, 2), 0);
	for (uint64_t seq = 3; seq < 2000; seq++) {
		CHECK_INT(append_miss(f.journal, seq), 0);
		CHECK_INT(stat(path, &st), 0);
		if (st.st_size > 64 * 1024 - 1000)
			CHECK_INT(newest_of(f.journal), 2);
		if (st.st_size > 64 * 1024 + 2000)
			break;
	}
	teardown(&f);
}

/* Bytes that this process has read so far, -1 where the kernel does not count them. */
static long long bytes_read(void)
{
	const char *text = kit_read("/proc/self", "io"), *number = strstr(text, "rchar: ");

	return number ? atoll(number + 7) : -1;
}

TEST(does_not_read_what_is_older)
{
	enum { LINES = 30000 }; /* 5 MB */
	struct record record;
	long long before;
	struct fixture f;

	setup(&f);
	CHECK_INT(append_frame(f.journal, 1), 0);
	for (uint64_t seq = 2; seq <= LINES; seq++)
		append_miss(f.journal, seq);
	before = bytes_read();
	CHECK_STR(read_seqs(f.journal, LINES / 2, 1), "15000");
	CHECK_INT(last_of(f.journal), LINES);
	CHECK_INT(first_of(f.journal), 1);
	CHECK_INT(journal_find(f.journal, LINES - 1, &record), 0);
	CHECK_INT(journal_find(f.journal, LINES + 1, &record), -ENOENT);
	if (before >= 0)
		CHECK(bytes_read() - before < 1000 * 1000);
	/* the newest frame is behind all those misses */
	CHECK_INT(newest_of(f.journal), 1);
	teardown(&f);
}

TEST(arrival_order)
{
	static const uint64_t arrived[] = { 10, 11, 3, 4, 20, 1, 12, 2 };
	struct record record;
	struct fixture f;

	setup(&f);
	for (size_t i = 0; i < ARRAY_SIZE(arrived); i++) {
		CHECK_INT(journal_holds(f.journal, arrived[i]), 0);
		CHECK_INT(arrived[i] == 12 ? append_miss(f.journal, arrived[i])
					   : append_frame(f.journal, arrived[i]),
			0);
		CHECK_INT(journal_holds(f.journal, arrived[i]), 1);
		CHECK_INT(kit_count(f.path, "journal", NULL), i < 2 ? 1 : 2);
	}
	CHECK_STR(read_seqs(f.journal, 0, 20), "10 11 3 4 20 1 12 2");
	CHECK_STR(read_seqs(f.journal, 4, 20), "10 11 4 20 12");
	CHECK_INT(first_of(f.journal), 1);
	CHECK_INT(last_of(f.journal), 20);
	CHECK_INT(newest_of(f.journal), 20);
	for (size_t i = 0; i < ARRAY_SIZE(arrived); i++) {
		CHECK_INT(journal_find(f.journal, arrived[i], &record), 0);
		CHECK_INT(record.seq, arrived[i]);
	}
	CHECK_INT(journal_find(f.journal, 5, &record), -ENOENT);
	CHECK_INT(journal_holds(f.journal, 5), 0);
	CHECK_INT(journal_holds(f.journal, 13), 0);
	/* numbers of other segments, newest first */
	CHECK_INT(append_frame(f.journal, 5 * SEGMENT_LINES + 1), 0);
	CHECK_INT(append_frame(f.journal, 2 * SEGMENT_LINES + 7), 0);
	CHECK_INT(append_frame(f.journal, 15), 0);
	CHECK_INT(journal_holds(f.journal, 2 * SEGMENT_LINES + 7), 1);
	CHECK_INT(journal_holds(f.journal, 15), 1);
	CHECK_INT(last_of(f.journal), 5 * SEGMENT_LINES + 1);
	CHECK_STR(read_seqs(f.journal, 12, 20), "20 12 15 200007 500001");
	teardown(&f);
}

static int append_dated(struct journal *journal, uint64_t seq, uint64_t was)
{
	struct record frame = kit_frame(KIT_SLOT);

	frame.seq = seq;
	frame.was = was;
	frame.bytes = 1000;
	return append(journal, &frame);
}

/* A picture that was redated is as old as it was, wherever its line is. */
TEST(newest_frame_among_dated_ones)
{
	const uint64_t far = 3 * SEGMENT_LINES;
	static const struct {
		uint64_t seq, was; /* 0: a miss, or no other number */
		bool frame;
		uint64_t newest; /* after that line */
	} lines[] = {
		{ 1, 0, true, 1 },
		{ 2, 0, true, 2 },
		{ 3, 1, true, 2 },
		{ 4, 0, false, 2 },
		{ 5, 0, true, 5 },
		{ 6, 2, true, 5 },
		{ 7, 0, false, 5 },
		{ 8, 5, true, 8 },
		{ SEGMENT_LINES + 1, 3, true, 8 },
		{ SEGMENT_LINES + 2, 0, false, 8 },
		{ 2 * SEGMENT_LINES + 2, 8, true, 2 * SEGMENT_LINES + 2 },
		{ 2 * SEGMENT_LINES + 3, 7, true, 2 * SEGMENT_LINES + 2 },
	};

	/* in order, and as they may arrive in a copy */
	for (int unsorted = 0; unsorted < 2; unsorted++) {
		struct fixture f;

		setup(&f);
		for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
			if (lines[i].frame)
				CHECK_INT(append_dated(f.journal, lines[i].seq, lines[i].was), 0);
			else
				append_miss(f.journal, lines[i].seq);
			if (unsorted && i > 0 && lines[i].seq < SEGMENT_LINES)
				kit_write(f.path, "journal/00000000.unsorted", "", 0, 0);
			CHECK_INT(newest_of(f.journal), lines[i].newest);
		}
		CHECK_INT(append_dated(f.journal, far + 9, 0), 0);
		CHECK_INT(append_dated(f.journal, far + 8, 4), 0);
		CHECK_INT(newest_of(f.journal), far + 9);
		teardown(&f);
	}
}

TEST(unsorted_with_damaged_best_line)
{
	static const char damaged[] = "{\"seq\":50,\"file\":\"nonsense\"}\n";
	struct fixture f;

	setup(&f);
	CHECK_INT(append_frame(f.journal, 10), 0);
	CHECK_INT(append_frame(f.journal, 3), 0);
	CHECK_INT(journal_append(f.journal, 50, damaged, sizeof(damaged) - 1, true), 0);
	CHECK_INT(append_frame(f.journal, 11), 0);
	CHECK_INT(newest_of(f.journal), 11);
	teardown(&f);
}

TEST(reader_follows_the_writer)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	CLEANUP(journal_freep) struct journal *reader = NULL;
	static const char torn[] = "{\"seq\":3,\"slot\":\"2026";
	const char *line;
	struct fixture f;
	uint64_t seq;
	size_t len;

	setup(&f);
	CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, false, NULL, &reader), 0);
	CHECK_INT(journal_seek(reader, 1, &cursor), 0);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 0);
	CHECK_INT(append_miss(f.journal, 1), 0);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, 1);
	CHECK(line[0] == '{' && line[len - 1] == '}');
	CHECK_INT(append_miss(f.journal, 2), 0);
	/* half a line is none */
	kit_write(f.path, "journal/00000000.jsonl", torn, sizeof(torn) - 1, O_APPEND);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, 2);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 0);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 0);
	CHECK_INT(last_of(reader), 2);
	/* the writer takes that half line for a stranger's and cuts it off */
	CHECK_INT(append_miss(f.journal, 3), 0);
	CHECK(journal_was_cut(f.journal));
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, 3);
	CHECK_INT(append_miss(f.journal, SEGMENT_LINES), 0);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, SEGMENT_LINES);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 0);
	CHECK_INT(journal_cursor_bad_lines(cursor), 0);
	CHECK_INT(journal_append(reader, 9, "{}\n", 3, true), -EROFS);
	teardown(&f);
}

TEST(reader_survives_a_line_taken_back)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	const char *line;
	struct stat st;
	struct fixture f;
	char path[100];
	uint64_t seq;
	size_t len;

	setup(&f);
	snprintf(path, sizeof(path), "%s/journal/00000000.jsonl", f.path);
	CHECK_INT(append_miss(f.journal, 1), 0);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(append_miss(f.journal, 20), 0); /* 140 dots */
	CHECK_INT(journal_seek(f.journal, 1, &cursor), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0)
		;
	CHECK_INT(truncate(path, st.st_size), 0);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 0);
	/* shorter and longer ones in its place */
	CHECK_INT(append_miss(f.journal, 22), 0);
	CHECK_INT(append_miss(f.journal, 23), 0);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, 22);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, 23);
	CHECK_INT(journal_cursor_bad_lines(cursor), 0);
	CHECK_INT(truncate(path, st.st_size), 0);
	CHECK_INT(append_miss(f.journal, 42), 0); /* 144 dots: reaches beyond the place of 22 */
	CHECK_INT(append_miss(f.journal, 43), 0);
	CHECK_INT(append_miss(f.journal, 44), 0);
	while (journal_cursor_next(cursor, &line, &len, &seq) > 0)
		;
	CHECK_INT(seq, 44);
	CHECK_INT(journal_cursor_bad_lines(cursor), 0);
	teardown(&f);
}

TEST(passes_over_bad_lines)
{
	CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
	static const char *const bad[] = {
		"garbage\n",
		"\n",
		"{}\n",
		"{\"slot\":1,\"seq\":2}\n",
		"{\"seq\":-3}\n",
		"{\"seq\":99999999999999999999}\n",
		"{\"seq\":700001,\"miss\":\"camera\"}\n", /* of another segment */
		"{\"seq\":3,\"slot\":\n",
	};
	static char big[200 * 1000];
	struct record record;
	const char *line;
	struct fixture f;
	uint64_t seq;
	size_t len;

	setup(&f);
	CHECK_INT(append_frame(f.journal, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		kit_write(f.path, "journal/00000000.jsonl", bad[i], strlen(bad[i]), O_APPEND);
	/* a hole as a power cut leaves it, a line beyond all limits, one just beyond them */
	kit_write(f.path, "journal/00000000.jsonl", "{\"seq\":4\0\0\0\0}\n", 14, O_APPEND);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = big[100 * 1000] = '\n';
	kit_write(f.path, "journal/00000000.jsonl", big, sizeof(big), O_APPEND);
	CHECK_INT(append_miss(f.journal, 2), 0);
	CHECK_INT(journal_seek(f.journal, 0, &cursor), 0);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, 1);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 1);
	CHECK_INT(seq, 2);
	CHECK_INT(journal_cursor_next(cursor, &line, &len, &seq), 0);
	CHECK_INT(journal_cursor_bad_lines(cursor), ARRAY_SIZE(bad) + 3);
	CHECK_INT(last_of(f.journal), 2);
	CHECK_INT(newest_of(f.journal), 1);
	CHECK_INT(journal_find(f.journal, 2, &record), 0);
	CHECK_INT(journal_find(f.journal, 1, &record), 0);
	teardown(&f);
}

/* Each question about each number gets the same answer as a table has. */
static void check_against(struct journal *journal, const bool *held, uint64_t n, uint64_t step)
{
	uint64_t first = 0, last = 0, got = 0, seq;
	struct record record;
	const char *line;
	size_t len;
	int wrong = 0;

	for (uint64_t i = 1; i <= n; i++) {
		last = held[i] ? i : last;
		first = first == 0 && held[i] ? i : first;
	}
	CHECK_INT(last_of(journal), last);
	CHECK_INT(journal_first(journal, &got), 0);
	CHECK_INT(got, first);
	CHECK_INT(newest_of(journal), last);
	for (uint64_t i = 1; i <= n; i += step) {
		CLEANUP(journal_cursor_freep) struct journal_cursor *cursor = NULL;
		uint64_t there = 0, want = 0;

		wrong += journal_holds(journal, i) != held[i];
		wrong += (journal_find(journal, i, &record) == 0) != held[i];
		wrong += journal_seek(journal, i, &cursor) != 0;
		while (journal_cursor_next(cursor, &line, &len, &seq) > 0)
			there += seq;
		for (uint64_t j = i; j <= n; j++)
			want += held[j] ? j : 0;
		wrong += there != want;
	}
	CHECK_INT(wrong, 0);
}

/*
 * In order at first, then out of it: what is in order is searched, what is not is read, and after
 * it was sorted the answers are the same and the file has the same lines.
 */
TEST(a_part_in_order_and_sorting)
{
	enum { LINES = 5000 };
	static bool held[LINES + 1];
	uint64_t seed = test_seed(), last = 2000;
	struct stat before, after;
	struct fixture f;
	char path[100];

	setup(&f);
	memset(held, 0, sizeof(held));
	snprintf(path, sizeof(path), "%s/journal/00000000.jsonl", f.path);
	for (uint64_t seq = 1; seq <= last; seq += 1 + test_random(&seed) % 2) {
		CHECK_INT(append_frame(f.journal, seq), 0);
		held[seq] = true;
	}
	CHECK(access(kit_path(f.path, "journal/00000000.unsorted"), F_OK) < 0);
	for (int i = 0; i < 4000; i++) {
		uint64_t seq = 1 + test_random(&seed) % LINES;

		if (held[seq])
			continue;
		CHECK_INT(append_frame(f.journal, seq), 0);
		held[seq] = true;
	}
	CHECK(atoll(kit_read(f.path, "journal/00000000.unsorted")) > 200000);
	check_against(f.journal, held, LINES, 37);
	CHECK_INT(stat(path, &before), 0);
	CHECK_INT(journal_sort(f.journal), 1);
	CHECK_INT(journal_sort(f.journal), 0);
	CHECK_INT(stat(path, &after), 0);
	CHECK_INT(after.st_size, before.st_size);
	CHECK(access(kit_path(f.path, "journal/00000000.unsorted"), F_OK) < 0);
	check_against(f.journal, held, LINES, 37);
	/* and goes on, in this process */
	CHECK_INT(append_frame(f.journal, LINES + 1), 0);
	CHECK_INT(journal_holds(f.journal, LINES + 1), 1);
	CHECK_INT(last_of(f.journal), LINES + 1);
	teardown(&f);
}

/* What sorting would leave out is left for a repair. */
TEST(no_sorting_of_what_is_damaged)
{
	struct fixture f;

	setup(&f);
	for (uint64_t seq = 3000; seq > 1; seq--)
		CHECK_INT(append_frame(f.journal, seq), 0);
	kit_write(f.path, "journal/00000000.jsonl", "garbage\n", 8, O_APPEND);
	CHECK_INT(journal_sort(f.journal), 0);
	CHECK(access(kit_path(f.path, "journal/00000000.unsorted"), F_OK) == 0);
	CHECK_INT(last_of(f.journal), 3000);
	teardown(&f);
}

/* A journal that is frozen has the segments of that moment, whoever goes on with it. */
TEST(frozen)
{
	CLEANUP(journal_freep) struct journal *reader = NULL;
	CLEANUP(segments_clear) struct segments segments = { 0 };
	struct fixture f;

	setup(&f);
	CHECK_INT(journal_open(f.root_fd, "journal", KIT_ID, false, NULL, &reader), 0);
	CHECK_INT(journal_freeze(reader), 0);
	CHECK_STR(read_seqs(reader, 1, 9), ""); /* it was empty: that is no state to keep */
	for (uint64_t seq = 7; seq < 5 * SEGMENT_LINES; seq += SEGMENT_LINES)
		CHECK_INT(append_miss(f.journal, seq), 0);
	CHECK_STR(read_seqs(reader, 1, 9), "7 100007 200007 300007 400007");
	CHECK_INT(journal_freeze(reader), 0);
	CHECK_INT(append_miss(f.journal, 400008), 0);
	CHECK_INT(append_miss(f.journal, 900007), 0);
	CHECK_INT(unlink(kit_path(f.path, "journal/00000002.jsonl")), 0);
	CHECK_STR(read_seqs(reader, 1, 9), "7 100007 300007 400007 400008");
	CHECK_STR(read_seqs(reader, 200000, 9), "300007 400007 400008");
	CHECK_STR(read_seqs(reader, 500000, 9), "");
	CHECK_INT(last_of(reader), 400008);
	CHECK_INT(journal_segments(reader, &segments), 0);
	CHECK_INT(segments.n, 5);
	CHECK_INT(journal_freeze(reader), 0);
	CHECK_INT(last_of(reader), 900007);
	teardown(&f);
}

TEST(peeks)
{
	static const struct {
		const char *line;
		uint64_t seq;
	} cases[] = {
		{ "{\"seq\":1,", 1 },
		{ "{\"seq\":1}", 1 },
		{ "{\"seq\":999999999999,\"x", SEQ_MAX },
		{ "{\"seq\":1000000000000,", 0 },
		{ "{\"seq\":99999999999999999999999999999,", 0 },
		{ "{\"seq\":123", 0 }, /* there may be more digits */
		{ "{\"seq\":0,", 0 },
		{ "{\"seq\":01,", 0 },
		{ "{\"seq\":-1,", 0 },
		{ "{\"seq\":1.5,", 0 },
		{ "{\"seq\":1e3,", 0 },
		{ "{\"seq\": 1,", 0 },
		{ " {\"seq\":1,", 0 },
		{ "{\"seq\":,", 0 },
		{ "{\"seq\":", 0 },
		{ "{\"format\":1,\"seq\":5}", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_INT(record_peek_seq(cases[i].line, strlen(cases[i].line)), cases[i].seq);
}
