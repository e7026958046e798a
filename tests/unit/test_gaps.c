/* SPDX-License-Identifier: MIT */
/*
 * What is missing in a copy, and why: lines in any order, holes of each kind, segments that are not
 * there.
 */
#include "pull/session/gaps.h"

#include "common/contact/peer_state.h"
#include "tests/unit/archive_kit.h"

static char folder[64];
static struct archive *archive;
static char text[2000];
static size_t n_text;

static void set_up(void)
{
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE, .camera = "garden", .id = KIT_ID, .copy = true
	};

	kit_make_folder(folder);
	CHECK_INT(archive_open(folder, &options, &archive), 0);
}

static void tear_down(void)
{
	archive_free(archive);
	test_remove_folder(folder);
}

static int64_t slot(uint64_t seq)
{
	return KIT_SLOT + (int64_t)seq * KIT_MINUTE;
}

static void add_line(const struct record *record)
{
	char line[LINE_MAX_BYTES + 1];
	int n = record_format(record, line);

	CHECK(n > 0);
	CHECK_INT(journal_append(archive_journal(archive), record->seq, line, (size_t)n, false), 0);
}

/* Only its line: no file is looked at. */
static void frame(uint64_t seq)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record record = kit_sent(seq, slot(seq), jpeg);

	add_line(&record);
}

static void dated_anew(uint64_t seq, uint64_t was)
{
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record record = kit_sent(seq, slot(was), jpeg);

	record.was = was;
	add_line(&record);
}

static void miss(uint64_t seq, enum miss_cause cause, uint64_t count)
{
	struct record record = kit_miss(slot(seq));

	record.seq = seq;
	record.cause = cause;
	record.count = count;
	record.last_us = slot(seq + count - 1);
	add_line(&record);
}

static void prune(uint64_t seq, uint64_t first, uint64_t last, const char *why)
{
	struct record record = record_new(RECORD_PRUNE);

	record.seq = seq;
	record.first_seq = first;
	record.last_seq = last;
	record.bytes = 1;
	snprintf(record.text, sizeof record.text, "%s", why);
	add_line(&record);
}

/* "busy 3 of 10-12 (10..12)" with the times in minutes of slot() */
static int write_gap(void *data, const struct gap *gap)
{
	char first[24] = "-", last[24] = "-";

	(void)data;
	if (gap->first_us != TIME_NONE)
		snprintf(first, sizeof first, "%lld",
			(long long)((gap->first_us - KIT_SLOT) / KIT_MINUTE));
	if (gap->last_us != TIME_NONE)
		snprintf(last, sizeof last, "%lld",
			(long long)((gap->last_us - KIT_SLOT) / KIT_MINUTE));
	n_text += (size_t)snprintf(text + n_text, sizeof text - n_text,
		"%s%s%s %llu of %llu-%llu (%s..%s)\n", gap_cause_name(gap->cause),
		*gap->why ? ":" : "", gap->why, (unsigned long long)gap->count,
		(unsigned long long)gap->first_seq, (unsigned long long)gap->last_seq, first, last);
	return 0;
}

static const char *gaps_since(uint64_t camera_last, int64_t since_us)
{
	const struct peer_state peer = { .first = 1, .last = camera_last };
	struct gaps_options options = { .peer = &peer, .since_us = since_us, .gap = write_gap };

	n_text = 0;
	*text = 0;
	CHECK_INT(gaps_walk(archive, &options, NULL), 0);
	return text;
}

static const char *gaps(uint64_t camera_last)
{
	return gaps_since(camera_last, TIME_NONE);
}

static void write_late(void *data, int64_t late_us)
{
	(void)data;
	if (late_us == TIME_NONE)
		n_text += (size_t)snprintf(text + n_text, sizeof text - n_text, "- ");
	else
		n_text += (size_t)snprintf(
			text + n_text, sizeof text - n_text, "%lld ", (long long)late_us);
}

static int skip_gap(void *data, const struct gap *gap)
{
	(void)data;
	(void)gap;
	return 0;
}

TEST(what_was_taken)
{
	const struct peer_state peer = { .first = 1 };
	const struct gaps_options options = {
		.peer = &peer, .since_us = slot(2), .gap = skip_gap, .taken = write_late
	};
	static const int64_t late_us[] = { 1, 22, 333, -4, INT64_C(3600000000) };
	static const char bare[] = "{\"seq\":13,\"slot\":\"2026-11-20T16:14:00Z\",\"file\":"
				   "\"20261120T161400Z-00000013.jpg\"}\n";
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct record record;

	set_up();
	for (uint64_t seq = ARRAY_SIZE(late_us); seq > 0; seq--) { /* the first one is too old */
		record = kit_sent(seq, slot(seq), jpeg);
		record.late_us = late_us[seq - 1];
		add_line(&record);
	}
	miss(6, MISS_BUSY, 2);
	record = kit_sent(7, slot(7), jpeg);
	record.shot = true;
	add_line(&record);
	dated_anew(10, 3); /* counts in the place of number 3 */
	prune(11, 3, 3, PRUNE_REDATED);
	prune(12, 2, 2, "age");
	CHECK_INT(journal_append(archive_journal(archive), 13, bare, strlen(bare), false), 0);
	n_text = 0;
	CHECK_INT(gaps_walk(archive, &options, NULL), 0);
	CHECK_STR(text, "22 -4 1800000000 412 - ");
	tear_down();
}

TEST(nothing_is_missing)
{
	set_up();
	CHECK_STR(gaps(0), "");
	for (uint64_t seq = 5; seq > 0; seq--)
		frame(seq);
	CHECK_STR(gaps(5), "");
	CHECK_STR(gaps(0), "");
	tear_down();
}

TEST(misses_in_a_row_are_one)
{
	set_up();
	frame(1);
	miss(4, MISS_BUSY, 1);
	miss(3, MISS_BUSY, 1);
	miss(2, MISS_BUSY, 1);
	miss(5, MISS_DOWN, 100);
	frame(6);
	miss(7, MISS_DOWN, 2);
	frame(8);
	miss(9, MISS_CAMERA, 1);
	prune(10, 1, 1, "age");
	miss(11, MISS_CAMERA, 1);
	CHECK_STR(gaps(11),
		"busy 3 of 2-4 (2..4)\n"
		"down 100 of 5-5 (5..104)\n"
		"down 2 of 7-7 (7..8)\n"
		"camera 2 of 9-11 (9..11)\n");
	tear_down();
}

TEST(numbers_without_a_line)
{
	static const char settled[] = "settled 2 " KIT_ID "\nrange 20 21\nend\n";

	set_up();
	kit_write(folder, ".settled", settled, strlen(settled), O_TRUNC);
	frame(6);
	frame(10);
	frame(15);
	frame(23);
	prune(24, 1, 3, "age");
	prune(25, 4, 13, "space");
	prune(26, 14, 14, PRUNE_REDATED);
	/* 6 and 10 were fetched in time; 14 is here as 27 */
	dated_anew(27, 14);
	CHECK_STR(gaps(30),
		"pruned:age 3 of 1-3 (-..6)\n"
		"pruned:space 2 of 4-5 (-..6)\n"
		"pruned:space 3 of 7-9 (6..10)\n"
		"pruned:space 3 of 11-13 (10..15)\n"
		"pending 4 of 16-19 (15..23)\n"
		"gone 2 of 20-21 (15..23)\n"
		"pending 1 of 22-22 (15..23)\n"
		"pending 3 of 28-30 (23..-)\n");
	tear_down();
}

/* What was deleted here has its line; a prune line behind it changes nothing. */
TEST(what_was_here_is_no_gap)
{
	set_up();
	frame(1);
	frame(2);
	prune(3, 1, 2, "age");
	CHECK_STR(gaps(3), "");
	tear_down();
}

TEST(segments)
{
	set_up();
	frame(1);
	miss(99999, MISS_DISK, 1);
	miss(100000, MISS_DISK, 1);
	frame(99998);
	prune(100001, 2, 99000, "age");
	frame(100002);
	frame(400000);
	CHECK_STR(gaps(SEQ_MAX),
		"pruned:age 98999 of 2-99000 (1..99998)\n"
		"pending 997 of 99001-99997 (1..99998)\n"
		"disk 2 of 99999-100000 (99999..100000)\n"
		"pending 299997 of 100003-399999 (100002..400000)\n"
		"pending 999999599999 of 400001-999999999999 (400000..-)\n");
	tear_down();
}

TEST(only_of_late)
{
	set_up();
	frame(1);
	miss(2, MISS_CAMERA, 1);
	frame(100001);
	miss(100002, MISS_BUSY, 1);
	miss(100003, MISS_DOWN, 10);
	frame(200000);
	miss(200001, MISS_CAMERA, 1);
	CHECK_STR(gaps_since(200001, slot(100005)),
		"down 10 of 100003-100003 (100003..100012)\n"
		"pending 99996 of 100004-199999 (100003..200000)\n"
		"camera 1 of 200001-200001 (200001..200001)\n");
	CHECK_STR(gaps_since(200001, slot(200002)), "");
	tear_down();
}

TEST(more_reasons_than_are_told_apart)
{
	set_up();
	for (uint64_t i = 0; i < 20; i++) {
		char why[20];

		snprintf(why, sizeof why, "reason %d", (int)i);
		prune(100 + i, 1 + i, 1 + i, why);
	}
	CHECK(strstr(gaps(119), "pruned:reason 0 1 of 1-1 "));
	CHECK(strstr(text, "pruned:reason 6 1 of 7-7 "));
	CHECK(strstr(text, "pruned:other reasons 13 of 8-20 "));
	tear_down();
}

TEST(words)
{
	struct gap gap = { .cause = GAP_PRUNED,
		.first_seq = 1,
		.last_seq = 50,
		.count = 50,
		.first_us = TIME_NONE,
		.last_us = KIT_SLOT,
		.why = "age" };
	char buf[300];

	setenv("TZ", "UTC", 1);
	CHECK_STR(gap_describe(&gap, buf, sizeof buf),
		"1-50  before 2026-11-20 16:01:00 +00:00  50 pruned by the camera before it was "
		"fetched: age");
	gap = (struct gap){ .cause = MISS_DOWN,
		.first_seq = 7,
		.last_seq = 7,
		.count = 3,
		.first_us = KIT_SLOT,
		.last_us = KIT_SLOT + 2 * KIT_MINUTE };
	CHECK_STR(gap_describe(&gap, buf, sizeof buf),
		"7  2026-11-20 16:01:00 +00:00 to 2026-11-20 16:03:00 +00:00  3 missed: the "
		"service was not running");
}
