/* SPDX-License-Identifier: MIT */
/* Which slots become pictures of a film, and the words of the command line for them. */
#include "tests/test.h"
#include "view/facts/moments.h"
#include "view/take/take.h"

#include "common/base/clock.h"

#define MINUTE (60 * US_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define START (INT64_C(1795132800) * US_PER_SEC) /* 2026-11-20T00:00:00Z */

static struct moments build(struct slot *list, size_t n, struct selection selection, int at_minute)
{
	const struct slots slots = { list, n, n };
	struct moments moments = { 0 };

	selection.until_us = selection.until_us ? selection.until_us : INT64_MAX;
	CHECK_INT(moments_build(&slots, &selection, at_minute, &moments), 0);
	return moments;
}

static struct slot held(int64_t slot_us, uint64_t seq)
{
	return (struct slot){ slot_us, slot_us, seq, 1, SLOT_HELD };
}

static struct slot down(int64_t first_us, int64_t last_us, uint32_t count)
{
	return (struct slot){ first_us, last_us, 99, count, SLOT_DOWN };
}

TEST(an_outage_is_as_long_as_it_was)
{
	struct slot list[] = { held(START, 1), down(START + MINUTE, START + 10 * MINUTE, 10),
		held(START + 11 * MINUTE, 3) };
	CLEANUP(moments_clear) struct moments moments = build(list, 3, (struct selection){ 0 }, -1);

	CHECK_INT(moments.n, 12);
	CHECK_INT(moments.list[5].state, SLOT_DOWN);
	CHECK_INT(moments.list[5].slot_us, START + 5 * MINUTE);
	CHECK_INT(moments.list[11].seq, 3);
}

TEST(a_missed_slot_that_came_after_all)
{
	struct slot list[] = { down(START, START, 1), held(START, 2), held(START + MINUTE, 3) };
	CLEANUP(moments_clear) struct moments moments = build(list, 3, (struct selection){ 0 }, -1);

	CHECK_INT(moments.n, 2);
	CHECK_INT(moments.list[0].seq, 2);
}

TEST(every)
{
	struct slot list[] = { down(START, START + 14 * MINUTE, 15), held(START + 15 * MINUTE, 1),
		held(START + 16 * MINUTE, 2), held(START + 20 * MINUTE, 3) };
	CLEANUP(moments_clear)
	struct moments moments = build(list, 4, (struct selection){ .every_us = 10 * MINUTE }, -1);

	CHECK_INT(moments.n, 3);
	CHECK_INT(moments.list[0].state, SLOT_DOWN);
	CHECK_INT(moments.list[1].seq, 1); /* has a picture, though a slot before it was missed */
	CHECK_INT(moments.list[2].seq, 3);
}

TEST(what_was_removed_first)
{
	struct slot list[] = { held(START, 1), held(START + MINUTE, 2),
		held(START + 2 * MINUTE, 3) };

	list[0].state = list[2].state = SLOT_REMOVED;
	CLEANUP(moments_clear) struct moments moments = build(list, 3, (struct selection){ 0 }, -1);

	CHECK_INT(moments.n, 2);
	CHECK_INT(moments.list[0].seq, 2);
}

TEST(one_a_day)
{
	struct slot list[] = { held(START + 11 * HOUR + 50 * MINUTE, 1),
		held(START + 12 * HOUR + 5 * MINUTE, 2), held(START + 12 * HOUR + 15 * MINUTE, 3),
		down(START + DAY, START + 2 * DAY - MINUTE, 1440),
		held(START + 2 * DAY + 13 * HOUR, 5), held(START + 3 * DAY + 12 * HOUR, 6) };

	setenv("TZ", "UTC", 1);
	tzset();
	CLEANUP(moments_clear)
	struct moments moments = build(list, ARRAY_SIZE(list), (struct selection){ 0 }, 720);

	CHECK_INT(moments.n, 3);
	CHECK_INT(moments.list[0].seq, 2);
	CHECK_INT(moments.list[1].state, SLOT_DOWN);
	CHECK_INT(moments.list[1].slot_us, START + DAY + 12 * HOUR);
	CHECK_INT(moments.list[2].seq, 6);
}

TEST(too_many)
{
	struct slot list[] = { down(START, START + INT64_C(4000000000) * US_PER_SEC, 4000000000) };
	const struct slots slots = { list, 1, 1 };
	struct selection all = { .until_us = INT64_MAX };
	struct moments moments = { 0 };

	CHECK_INT(moments_build(&slots, &all, -1, &moments), -EFBIG);
	all.every_us = 366 * DAY;
	CHECK_INT(moments_build(&slots, &all, -1, &moments), 0);
	CHECK_INT(moments.n, 127);
	moments_clear(&moments);
}

TEST(words)
{
	static const char *const wrong[] = { "", "6", "06:00", "06:00-", "6:0-7:0", "06:00-06:00",
		"25:00-26:00", "06:60-07:00", "06:00-20:00x", " 06:00-07:00", "-1:00-02:00",
		"06:-1-07:00", "06:+5-07:00", "006:00-07:00" };
	int from = -1, to = -1;
	unsigned days = 0;

	CHECK_INT(hours_parse("6:00-20:30", &from, &to), 0);
	CHECK_INT(from, 360);
	CHECK_INT(to, 1230);
	CHECK_INT(hours_parse("22:00-24:00", &from, &to), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		CHECK_INT(hours_parse(wrong[i], &from, &to), -EINVAL);
	CHECK_INT(days_parse("mon-fri", &days), 0);
	CHECK_INT(days, 0x3e);
	CHECK_INT(days_parse("Sat-Sun,wed", &days), 0);
	CHECK_INT(days, 0x49);
	CHECK_INT(days_parse("", &days), -EINVAL);
	CHECK_INT(days_parse("mon-", &days), -EINVAL);
	CHECK_INT(days_parse("mon,", &days), -EINVAL);
	CHECK_INT(days_parse("monday", &days), -EINVAL);
	CHECK_INT(minute_parse("12:00", &to), 0);
	CHECK_INT(to, 720);
	CHECK_INT(minute_parse("24:00", &to), -EINVAL);
}
