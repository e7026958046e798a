/* SPDX-License-Identifier: MIT */
/* The pause before the next try: bounds, growth, spread, and that the kinds are apart. */
#include "tests/test.h"

#include "common/base/util.h"
#include "pull/ssh/backoff.h"

#define SECOND INT64_C(1000000)

static int64_t nth(enum backoff_why why, unsigned n, uint32_t random)
{
	struct backoff backoff = { 0 };
	int64_t us = -1;

	for (unsigned i = 0; i <= n; i++)
		us = backoff_next(&backoff, why, random);
	return us;
}

TEST(silence_is_tried_again_soon_for_ever)
{
	CHECK_INT(nth(BACKOFF_SILENT, 0, UINT32_MAX), 0);
	for (unsigned n = 1; n < 1000; n++) {
		CHECK(nth(BACKOFF_SILENT, n, 0) >= SECOND / 2);
		CHECK(nth(BACKOFF_SILENT, n, UINT32_MAX) <= BACKOFF_SILENT_MAX_US);
	}
}

TEST(an_answer_is_left_alone_for_longer_and_longer)
{
	static const int64_t middle[] = { 2, 4, 8, 16, 32, 60, 60 };
	int64_t before = 0;

	for (unsigned n = 0; n < 1000; n++) {
		int64_t us = nth(BACKOFF_ANSWERED, n, UINT32_MAX / 2);

		if (n < ARRAY_SIZE(middle))
			CHECK_INT((us + SECOND / 2) / SECOND, middle[n]);
		CHECK(us >= before);
		CHECK(nth(BACKOFF_ANSWERED, n, 0) >= BACKOFF_ANSWERED_MIN_US);
		CHECK(nth(BACKOFF_ANSWERED, n, UINT32_MAX) <= BACKOFF_ANSWERED_MAX_US);
		before = us;
	}
}

TEST(many_do_not_come_back_together)
{
	CHECK(nth(BACKOFF_ANSWERED, 3, UINT32_MAX) - nth(BACKOFF_ANSWERED, 3, 0) >= 10 * SECOND);
	CHECK(nth(BACKOFF_SILENT, 3, UINT32_MAX) - nth(BACKOFF_SILENT, 3, 0) >= SECOND / 2);
}

TEST(a_long_silence_is_no_record_of_failed_logins)
{
	struct backoff backoff = { 0 };

	for (int i = 0; i < 100; i++)
		backoff_next(&backoff, BACKOFF_SILENT, 0);
	CHECK(backoff_next(&backoff, BACKOFF_ANSWERED, UINT32_MAX) <= 3 * SECOND);
	CHECK(backoff_next(&backoff, BACKOFF_ANSWERED, UINT32_MAX) > 3 * SECOND);
	backoff_reset(&backoff);
	CHECK(backoff_next(&backoff, BACKOFF_ANSWERED, UINT32_MAX) <= 3 * SECOND);
	backoff_reset(&backoff);
	CHECK_INT(backoff_next(&backoff, BACKOFF_SILENT, UINT32_MAX), 0);
}
