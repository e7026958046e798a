/* SPDX-License-Identifier: MIT */
/* Which slots a span has, and what became of each. */
#include "common/archive/preview.h"
#include "tests/unit/archive_kit.h"
#include "tests/unit/preview_kit.h"
#include "view/facts/select.h"

#define HOUR (60 * KIT_MINUTE)

static struct archive *make_archive(char folder[static 64])
{
	struct archive *archive = NULL;

	kit_make_folder(folder);
	CHECK_INT(kit_open(folder, NULL, &archive), 0);
	return archive;
}

static void add_frames(struct archive *archive, int64_t slot_us, int n)
{
	for (int i = 0; i < n; i++)
		CHECK_INT(kit_publish(archive, slot_us + i * KIT_MINUTE, (uint64_t)i, NULL), 0);
}

static void add_down(struct archive *archive, int64_t first_us, uint64_t count)
{
	struct record miss = kit_miss(first_us);

	miss.cause = MISS_DOWN;
	miss.count = count;
	miss.last_us = first_us + (int64_t)(count - 1) * KIT_MINUTE;
	CHECK_INT(archive_note(archive, &miss), 0);
}

static struct slots select_span(struct archive *archive, int64_t since_us, int64_t until_us)
{
	const struct selection span = { .since_us = since_us, .until_us = until_us };
	struct slots slots = { 0 };

	CHECK_INT(select_slots(archive, &span, &slots), 0);
	return slots;
}

/* Frames that are not here yet, of which a preview is. */
TEST(coming)
{
	static const struct selection span = { .since_us = KIT_SLOT,
		.until_us = KIT_SLOT + 9 * KIT_MINUTE };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(slots_clear) struct slots slots = { 0 };
	uint8_t jpeg[KIT_PREVIEW_BYTES];
	char folder[64];

	archive = make_archive(folder);
	add_frames(archive, KIT_SLOT + 4 * KIT_MINUTE, 2);
	kit_preview(jpeg, 16, 16);
	for (uint64_t seq = 2; seq <= 4; seq++) {
		const struct frame_name name = { seq < 4 ? KIT_SLOT + KIT_MINUTE : KIT_SLOT + HOUR,
			seq };

		CHECK_INT(preview_store(archive, &name, jpeg, sizeof jpeg), 0);
	}
	CHECK_INT(select_slots(archive, &span, &slots), 0);
	CHECK_INT(slots.n, 2);
	CHECK_INT(select_add_coming(archive, &span, &slots), 0);
	/* not 2, which is here, nor 4, which is later */
	CHECK_INT(slots.n, 3);
	CHECK_INT(slots.list[0].state, SLOT_COMING);
	CHECK_INT(slots.list[0].seq, 3);
	CHECK_INT(slots.list[1].state, SLOT_HELD);
	CHECK_STR(slot_state_name(SLOT_COMING), "coming");
	CHECK_STR(slot_state_name(SLOT_DOWN), "down");
	test_remove_folder(folder);
}

TEST(span)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(slots_clear) struct slots slots = { 0 };
	char folder[64];

	archive = make_archive(folder);
	add_frames(archive, KIT_SLOT, 30);
	add_down(archive, KIT_SLOT + 30 * KIT_MINUTE, 600);
	add_frames(archive, KIT_SLOT + 630 * KIT_MINUTE, 30);
	/* from within the first frames into the gap */
	slots = select_span(archive, KIT_SLOT + 10 * KIT_MINUTE, KIT_SLOT + 99 * KIT_MINUTE + 1);
	CHECK_INT(slots.n, 21);
	CHECK_INT(slots.list[0].slot_us, KIT_SLOT + 10 * KIT_MINUTE);
	CHECK_INT(slots.list[0].state, SLOT_HELD);
	CHECK_INT(slots.list[20].state, SLOT_DOWN);
	CHECK_INT(slots.list[20].slot_us, KIT_SLOT + 30 * KIT_MINUTE);
	CHECK_INT(slots.list[20].last_us, KIT_SLOT + 99 * KIT_MINUTE);
	CHECK_INT(slots.list[20].count, 70);
	slots_clear(&slots);
	/* wholly within the gap, whose only line is far away */
	slots = select_span(archive, KIT_SLOT + 300 * KIT_MINUTE, KIT_SLOT + 310 * KIT_MINUTE);
	CHECK_INT(slots.n, 1);
	CHECK_INT(slots.list[0].count, 11);
	slots_clear(&slots);
	slots = select_span(archive, KIT_SLOT - 1000 * HOUR, KIT_SLOT - 1);
	CHECK_INT(slots.n, 0);
}

TEST(removed_and_redated)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP(slots_clear) struct slots slots = { 0 };
	const int64_t wrong_us = KIT_SLOT + 55 * KIT_MINUTE + US_PER_SEC;
	struct archive_pruned pruned;
	struct record frame;
	uint8_t jpeg[KIT_JPEG_BYTES];
	char folder[64];

	archive = make_archive(folder);
	add_frames(archive, KIT_SLOT, 40);
	CHECK_INT(archive_prune(archive, 1, 10, "space", &pruned), 0);
	/* a frame of a clock that was not set, and the same with its true time */
	frame = kit_frame(wrong_us);
	frame.synced = false;
	kit_jpeg(jpeg, 99);
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
	frame.was = frame.seq;
	frame.slot_us = frame.exposed_us = KIT_SLOT + 40 * KIT_MINUTE;
	CHECK_INT(archive_publish(archive, &frame, jpeg, sizeof(jpeg)), 0);
	CHECK_INT(archive_prune(archive, frame.was, frame.was, PRUNE_REDATED, &pruned), 0);
	add_frames(archive, KIT_SLOT + 41 * KIT_MINUTE, 9);

	slots = select_span(archive, KIT_SLOT, KIT_SLOT + HOUR);
	CHECK_INT(slots.n, 50);
	for (size_t i = 0; i < slots.n; i++) {
		CHECK_INT(slots.list[i].slot_us, KIT_SLOT + (int64_t)i * KIT_MINUTE);
		CHECK_INT(slots.list[i].state, i < 10 ? SLOT_REMOVED : SLOT_HELD);
	}
	slots_clear(&slots);
	slots = select_span(archive, wrong_us - 1, wrong_us + 1);
	CHECK_INT(slots.n, 0);
}

TEST(hours_days_every)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct selection s = { .since_us = KIT_SLOT, .until_us = KIT_SLOT + 48 * HOUR };
	struct slots slots = { 0 };
	char folder[64];

	setenv("TZ", "UTC", 1);
	tzset();
	archive = make_archive(folder);
	for (int i = 0; i < 48; i++) /* from Friday, 16:01 */
		CHECK_INT(kit_publish(archive, KIT_SLOT + i * HOUR, (uint64_t)i, NULL), 0);
	s.from_minute = 22 * 60;
	s.to_minute = 2 * 60;
	CHECK_INT(select_slots(archive, &s, &slots), 0);
	CHECK_INT(slots.n, 8); /* 22:01, 23:01, 0:01, 1:01 of two nights */
	slots_clear(&slots);
	s.days = 1U << 6;
	CHECK_INT(select_slots(archive, &s, &slots), 0);
	CHECK_INT(slots.n, 4); /* of them on Saturday */
	slots_clear(&slots);
	s = (struct selection){ KIT_SLOT, KIT_SLOT + 48 * HOUR, .every_us = 6 * HOUR };
	CHECK_INT(select_slots(archive, &s, &slots), 0);
	CHECK_INT(slots.n, 9);
	slots_clear(&slots);
}

/* A frame a minute, of which each letter is a mark's first; '.' has none. */
static void add_marked(struct archive *archive, const char *letters)
{
	static const char all[MARKS + 1] = ".dcbmf";

	for (int i = 0; letters[i]; i++)
		CHECK_INT(kit_publish_marked(archive, KIT_SLOT + i * KIT_MINUTE,
				  (enum mark)(strchr(all, letters[i]) - all)),
			0);
}

/* What is likely to be useless was never due: another picture of its ten minutes is taken. */
TEST(without_marked)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	struct selection s = { .since_us = KIT_SLOT, .until_us = KIT_SLOT + HOUR };
	CLEANUP(slots_clear) struct slots slots = { 0 };
	char folder[64];

	archive = make_archive(folder);
	add_marked(archive, ".d.cc.bmf.");
	add_down(archive, KIT_SLOT + 10 * KIT_MINUTE, 5);
	CHECK_INT(select_slots(archive, &s, &slots), 0);
	CHECK_INT(slots.n, 11);
	CHECK_INT(slots.list[1].mark, MARK_DARK);
	CHECK_INT(slots.list[4].mark, MARK_COVERED);
	CHECK_INT(slots.list[8].mark, MARK_FROZEN);
	CHECK_INT(slots.list[9].mark, MARK_NONE);
	CHECK_INT(slots.list[10].mark, MARK_NONE);
	CHECK_INT(slots.list[10].state, SLOT_DOWN);
	slots_clear(&slots);
	s.skip_marked = true;
	CHECK_INT(select_slots(archive, &s, &slots), 0);
	CHECK_INT(slots.n, 5);
	for (size_t i = 0; i < 5; i++)
		CHECK_INT(slots.list[i].seq, ((uint64_t[]){ 1, 3, 6, 10, 11 })[i]);
	CHECK_INT(slots.list[4].count, 5);
	slots_clear(&slots);
	/* 16:01 and, of the minutes 16:04 to 16:07, of which the first two are marked, 16:06 */
	s = (struct selection){ .since_us = KIT_SLOT,
		.until_us = KIT_SLOT + 6 * KIT_MINUTE,
		.every_us = 4 * KIT_MINUTE,
		.skip_marked = true };
	CHECK_INT(select_slots(archive, &s, &slots), 0);
	CHECK_INT(slots.n, 2);
	CHECK_INT(slots.list[1].seq, 6);
	slots_clear(&slots);
	s.skip_marked = false;
	CHECK_INT(select_slots(archive, &s, &slots), 0);
	CHECK_INT(slots.n, 2);
	CHECK_INT(slots.list[1].seq, 4);
	test_remove_folder(folder);
}
