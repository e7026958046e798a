/* SPDX-License-Identifier: MIT */
/* The outbox: order, misses that become ranges, when the first item goes. */
#include "tests/test.h"

#include "capture/store/outbox.h"

#define S US_PER_SEC
#define NOW (1000 * S)

static struct outbox outbox;

static void begin(void)
{
	memset(&outbox, 0, sizeof outbox);
}

static struct record miss_at(int slot, enum miss_cause cause, const char *text)
{
	struct record miss = record_new(RECORD_MISS);

	miss.slot_us = miss.last_us = slot * S;
	miss.cause = cause;
	snprintf(miss.text, sizeof miss.text, "%s", text);
	return miss;
}

static void note(int slot, enum miss_cause cause, const char *text)
{
	struct record miss = miss_at(slot, cause, text);

	outbox_note(&outbox, &miss, NOW);
}

static int frame(int slot, bool shot)
{
	struct record record = record_new(RECORD_FRAME);
	struct frame none = { 0 };

	record.slot_us = slot * S;
	record.shot = shot;
	return outbox_add_frame(&outbox, NULL, &none, &record, NOW);
}

TEST(neighbours_become_a_range)
{
	struct record clock = record_new(RECORD_CLOCK);

	begin();
	note(1, MISS_CAMERA, "gone");
	note(2, MISS_CAMERA, "gone");
	CHECK_INT(outbox.n, 1);
	CHECK_INT(outbox.items[0].record.count, 2);
	CHECK_INT(outbox.items[0].record.last_us, 2 * S);
	note(3, MISS_CAMERA, "frozen");
	note(4, MISS_BUSY, "frozen");
	CHECK_INT(outbox.n, 3);
	outbox_note(&outbox, &clock, NOW);
	note(5, MISS_BUSY, "frozen");
	CHECK_INT(outbox.n, 5);
	/* of a clock that was set back: another line */
	note(4, MISS_BUSY, "frozen");
	CHECK_INT(outbox.n, 6);
	/* the disk says in more than one way that it is away */
	note(6, MISS_DISK, "gone");
	note(7, MISS_DISK, "not mounted");
	CHECK_INT(outbox.n, 7);
	outbox.items[6].in_hand = true;
	note(8, MISS_DISK, "not mounted");
	CHECK_INT(outbox.n, 8);
}

TEST(a_frame_that_fails_is_a_miss_in_its_place)
{
	begin();
	note(1, MISS_BUSY, "");
	CHECK_INT(frame(2, false), 0);
	outbox_stage(&outbox, 1, NOW);
	CHECK_INT(frame(3, false), 0);
	CHECK_INT(frame(4, true), 0);
	CHECK_INT(frame(5, false), -EBUSY);
	note(6, MISS_BUSY, "");
	outbox_fail(&outbox, 1, MISS_DISK, "full", NOW);
	outbox_fail(&outbox, 2, MISS_DISK, "full", NOW);
	CHECK_INT(outbox.n, 4);
	CHECK_INT(outbox.items[1].record.cause, MISS_DISK);
	CHECK_STR(outbox.items[1].record.text, "full");
	CHECK_INT(outbox.items[1].record.count, 2);
	CHECK_INT(outbox.items[1].record.last_us, 3 * S);
	outbox_fail(&outbox, 2, MISS_DISK, "full", NOW); /* the shot: no slot of the schedule */
	CHECK_INT(outbox.n, 3);
	CHECK_INT(outbox.items[2].record.slot_us, 6 * S);
}

TEST(a_miss_waits_for_others)
{
	struct record clock = record_new(RECORD_CLOCK);

	begin();
	CHECK(outbox_due_us(&outbox, false) == INT64_MAX);
	note(1, MISS_CAMERA, "");
	CHECK_INT(outbox_due_us(&outbox, false), NOW + 10 * S);
	CHECK_INT(frame(2, false), 0);
	CHECK_INT(outbox_due_us(&outbox, false), NOW + 10 * S);
	outbox_stage(&outbox, 1, NOW);
	CHECK_INT(outbox_due_us(&outbox, true), 0);
	outbox_remove(&outbox, 0);
	CHECK_INT(outbox_due_us(&outbox, false), 0);
	begin();
	note(1, MISS_DISK, "");
	CHECK_INT(outbox_due_us(&outbox, false), NOW + 60 * S);
	outbox_note(&outbox, &clock, NOW);
	CHECK_INT(outbox_due_us(&outbox, false), 0);
	outbox_remove(&outbox, 0);
	CHECK_INT(outbox_due_us(&outbox, false), 0);
}

TEST(a_batch_waits_to_be_one)
{
	begin();
	CHECK_INT(frame(1, false), 0);
	CHECK(outbox_due_us(&outbox, true) == INT64_MAX);
	outbox_stage(&outbox, 0, NOW);
	CHECK_INT(outbox_due_us(&outbox, false), 0);
	CHECK_INT(outbox_due_us(&outbox, true), NOW + BATCH_SECONDS * S);
	CHECK_INT(frame(2, true), 0);
	outbox_stage(&outbox, 1, NOW);
	CHECK_INT(outbox_first_staged(&outbox), 2);
	CHECK_INT(outbox_due_us(&outbox, true), 0);
	outbox_remove(&outbox, 1);
	note(3, MISS_CAMERA, "");
	CHECK_INT(outbox_due_us(&outbox, true), NOW + BATCH_SECONDS * S);
	CHECK_INT(frame(4, false), 0);
	outbox_stage(&outbox, 2, NOW);
	CHECK_INT(outbox_first_staged(&outbox), 1);
	CHECK_INT(outbox_due_us(&outbox, true), 0);
	begin();
	for (int i = 0; i < BATCH_FRAMES_MAX; i++) {
		CHECK_INT(outbox_due_us(&outbox, true), i ? NOW + BATCH_SECONDS * S : INT64_MAX);
		CHECK_INT(frame(i, false), 0);
		outbox_stage(&outbox, (unsigned)i, NOW);
	}
	CHECK_INT(outbox_due_us(&outbox, true), 0);
}

/*
 * However much fails while the disk takes nothing, each slot is counted and the memory stays
 * bounded.
 */
TEST(a_full_outbox_loses_no_slot)
{
	uint64_t slots = 0, frames = 0, random = test_seed() | 1;

	begin();
	for (int slot = 1; slot <= 5000; slot++) {
		unsigned what = (unsigned)(test_random(&random) % 4);

		if (what == 0 && frame(slot, false) == 0) {
			unsigned i = outbox_find(&outbox, OUTBOX_FRAME);

			if (outbox_count(&outbox, OUTBOX_STAGED) < BATCH_FRAMES_MAX)
				outbox_stage(&outbox, i, NOW);
			else
				outbox_fail(&outbox, i, MISS_DISK, "full", NOW);
		} else {
			note(slot, what, slot % 2 ? "a" : "b");
		}
		if (slot % 1000 == 0)
			while (outbox_count(&outbox, OUTBOX_STAGED) > 0)
				outbox_fail(&outbox, outbox_find(&outbox, OUTBOX_STAGED), MISS_DISK,
					"full", NOW);
	}
	for (unsigned i = 0; i < outbox.n; i++) {
		slots += outbox.items[i].record.count;
		frames += outbox.items[i].kind != OUTBOX_NOTE;
	}
	CHECK(outbox.n <= OUTBOX_ITEMS_MAX);
	CHECK_INT(frames, 0);
	CHECK_INT(slots, 5000);
}
