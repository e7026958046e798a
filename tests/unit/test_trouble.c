/* SPDX-License-Identifier: MIT */
/* Of what goes on being wrong a log has few lines. */
#include "common/base/trouble.h"

#include "common/base/clock.h"
#include "common/base/util.h"
#include "tests/test.h"

/* Bad for `bad` seconds, good for `good`, and so on for `seconds`; counts the news. */
static void watch(int bad, int good, int seconds, int counts[static 4], struct trouble *trouble)
{
	for (int i = 0; i < 4; i++)
		counts[i] = 0;
	for (int s = 0; s < seconds; s++)
		counts[trouble_look(trouble, s % (bad + good) < bad, (s + 1) * US_PER_SEC)]++;
}

TEST(what_lasts)
{
	struct trouble trouble = { 0 };
	int counts[4];

	watch(7 * 24 * 3600, 1, 7 * 24 * 3600, counts, &trouble);
	CHECK_INT(counts[TROUBLE_BEGINS], 1);
	/* after 1, 5, 21, 85, 341, 1365 minutes, then each day */
	CHECK_INT(counts[TROUBLE_LASTS], 12);
	CHECK_INT(counts[TROUBLE_ENDS], 0);
	CHECK_INT(trouble_look(&trouble, false, (8 * 24 * 3600) * US_PER_SEC), TROUBLE_ENDS);
	CHECK_INT(trouble_look(&trouble, false, (8 * 24 * 3600 + 1) * US_PER_SEC), TROUBLE_NONE);
	/* the next one is told at once */
	CHECK_INT(trouble_look(&trouble, true, (9 * 24 * 3600) * US_PER_SEC), TROUBLE_BEGINS);
}

TEST(what_comes_and_goes)
{
	static const int periods[][2] = { { 1, 1 }, { 2, 1 }, { 1, 59 }, { 30, 30 }, { 60, 599 } };

	for (size_t i = 0; i < ARRAY_SIZE(periods); i++) {
		struct trouble trouble = { 0 };
		int counts[4];

		watch(periods[i][0], periods[i][1], 24 * 3600, counts, &trouble);
		CHECK(counts[TROUBLE_BEGINS] >= 4 && counts[TROUBLE_BEGINS] <= 7);
		CHECK(counts[TROUBLE_ENDS] >= counts[TROUBLE_BEGINS] - 1);
		CHECK(counts[TROUBLE_ENDS] <= counts[TROUBLE_BEGINS]);
	}
}

TEST(what_is_rare)
{
	struct trouble trouble = { 0 };
	int counts[4];

	watch(10, 3590, 24 * 3600, counts, &trouble);
	CHECK_INT(counts[TROUBLE_BEGINS], 24);
	CHECK_INT(counts[TROUBLE_ENDS], 24);
	CHECK_INT(counts[TROUBLE_LASTS], 0);
}
