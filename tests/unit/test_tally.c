/* SPDX-License-Identifier: MIT */
/* Slots added up by day and hour. */
#include "tests/unit/archive_kit.h"
#include "view/facts/tally.h"

#define HOUR (60 * KIT_MINUTE)
#define DAY (24 * HOUR)

static struct archive *archive;

static void begin(void)
{
	char folder[64];

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	kit_make_folder(folder);
	CHECK_INT(kit_open(folder, NULL, &archive), 0);
}

static void add_frame(int64_t slot_us, int64_t late_us, const char *boot)
{
	struct record frame = kit_frame(slot_us);
	uint8_t jpeg[KIT_JPEG_BYTES];

	kit_jpeg(jpeg, (uint64_t)slot_us);
	frame.late_us = late_us;
	frame.exposed_us = slot_us + late_us;
	snprintf(frame.boot, sizeof(frame.boot), "%s", boot);
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
}

static struct tallies read_span(int64_t since_us, int64_t until_us, enum tally_unit unit)
{
	struct tallies t = { 0 };

	CHECK_INT(tally_read(archive, since_us, until_us, unit, &t), 0);
	return t;
}

/* 17:01 by Berlin's clocks, and a range that passes midnight. */
TEST(days)
{
	struct record miss;
	struct tallies t;

	begin();
	for (int i = 0; i < 10; i++)
		add_frame(KIT_SLOT + i * KIT_MINUTE, i == 9 ? 50000 : 400, KIT_ID);
	miss = kit_miss(KIT_SLOT + 10 * KIT_MINUTE);
	miss.cause = MISS_DOWN;
	miss.count = 600; /* to 03:10 of the next day */
	miss.last_us = miss.slot_us + 599 * KIT_MINUTE;
	CHECK_INT(archive_note(archive, &miss), 0);
	add_frame(KIT_SLOT + 610 * KIT_MINUTE, -400, "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11");

	t = read_span(KIT_SLOT - DAY, KIT_SLOT + DAY, TALLY_DAYS);
	CHECK_INT(t.n, 2);
	CHECK_INT(t.list[0].taken, 10);
	CHECK_INT(t.list[0].missed[MISS_DOWN], 7 * 60 - 11);
	CHECK_INT(t.list[1].taken, 1);
	CHECK_INT(t.list[1].missed[MISS_DOWN], 600 - 7 * 60 + 11);
	CHECK_INT(t.list[1].since_us - t.list[0].since_us, DAY);
	CHECK(tally_late_us(&t.list[0], 0.5) >= 400 && tally_late_us(&t.list[0], 0.5) < 600);
	CHECK(tally_late_us(&t.list[0], 0.99) >= 50000);
	/* the time without capturepi, and the first picture of another boot */
	CHECK_INT(t.n_events, 2);
	CHECK_INT(t.events[0], 11);
	CHECK_INT(t.events[1], 12);
	tallies_clear(&t);

	/* what is outside of the span is not counted */
	t = read_span(KIT_SLOT + 5 * KIT_MINUTE, KIT_SLOT + 19 * KIT_MINUTE, TALLY_HOURS);
	CHECK_INT(t.n, 1);
	CHECK_INT(t.list[0].taken, 5);
	CHECK_INT(tally_due(&t.list[0]), 15);
	tallies_clear(&t);
	archive_free(archive);
}

/* A frame that got its true time counts by that, once. */
TEST(redated)
{
	struct record frame;
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct tallies t;

	begin();
	add_frame(KIT_SLOT - 3 * DAY, 400, KIT_ID);
	add_frame(KIT_SLOT, 400, KIT_ID);
	frame = kit_frame(KIT_SLOT - KIT_MINUTE);
	frame.was = 1;
	kit_jpeg(jpeg, 1);
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
	CHECK_INT(archive_finish_redate(archive), 0);
	t = read_span(KIT_SLOT - 9 * DAY, KIT_SLOT + DAY, TALLY_DAYS);
	CHECK_INT(t.n, 2);
	CHECK_INT(tally_due(&t.list[0]), 0);
	CHECK_INT(t.list[1].taken, 2);
	CHECK_INT(t.list[1].removed, 0);
	tallies_clear(&t);
	archive_free(archive);
}

/* By day and by mark; one that got its true time later counts once, by that. */
TEST(marks)
{
	struct record frame = kit_frame(KIT_SLOT + DAY);
	uint8_t jpeg[KIT_JPEG_BYTES];
	struct tallies t;

	begin();
	for (int i = 0; i < 12; i++)
		CHECK_INT(kit_publish_marked(
				  archive, KIT_SLOT + i * KIT_MINUTE, (enum mark)(i % MARKS)),
			0);
	CHECK_INT(kit_publish_marked(archive, KIT_SLOT + DAY, MARK_BLURRED), 0);
	t = read_span(KIT_SLOT - DAY, KIT_SLOT + 2 * DAY, TALLY_DAYS);
	CHECK_INT(t.n, 2);
	CHECK_INT(t.list[0].taken, 12);
	CHECK_INT(t.list[0].marked[MARK_NONE], 0);
	for (int mark = MARK_NONE + 1; mark < MARKS; mark++)
		CHECK_INT(t.list[0].marked[mark], 2);
	CHECK_INT(tally_marked(&t.list[0]), 2 * (MARKS - 1));
	CHECK_INT(t.list[1].marked[MARK_BLURRED], 1);
	CHECK_INT(tally_marked(&t.list[1]), 1);
	CHECK_INT(tally_due(&t.list[1]), 1);
	tallies_clear(&t);

	/* the 6th frame, a frozen one, was of the next day */
	frame.was = MARKS;
	frame.picture.mean = 0.5;
	frame.picture.mark = MARK_FROZEN;
	kit_jpeg(jpeg, 1);
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
	t = read_span(KIT_SLOT - DAY, KIT_SLOT + 2 * DAY, TALLY_DAYS);
	CHECK_INT(t.list[0].taken, 11);
	CHECK_INT(t.list[0].marked[MARK_FROZEN], 1);
	CHECK_INT(t.list[1].marked[MARK_FROZEN], 1);
	tallies_clear(&t);
	archive_free(archive);
}

/* The day of 25 hours and that of 23. */
TEST(clock_changes)
{
	int64_t since_us, until_us;

	begin();
	CHECK_INT(tally_day(INT64_C(1792929600) * US_PER_SEC, &since_us, &until_us), 0);
	CHECK_INT(until_us - since_us, 25 * HOUR);
	CHECK_INT(tally_day(INT64_C(1774742400) * US_PER_SEC, &since_us, &until_us), 0);
	CHECK_INT(until_us - since_us, 23 * HOUR);
	archive_free(archive);
}
