/* SPDX-License-Identifier: MIT */
/* Programs that are asked something: their output, their ends, and those that do not end. */
#include "common/base/child.h"

#include <signal.h>

#include "tests/test.h"

#define LONG_US 20000000

TEST(output_and_status)
{
	const char *const argv[] = { "sh", "-c", "echo out; echo err >&2; exit 7", NULL };
	struct child_result child;

	if (!CHECK(child_run(argv, LONG_US, &child) == 0))
		return;
	CHECK_INT(child.code, 7);
	CHECK_STR(child.out, "out\n");
	CHECK_STR(child.err, "err\n");
	child_result_clear(&child);
}

TEST(ended_by_a_signal)
{
	const char *const argv[] = { "sh", "-c", "kill -TERM $$", NULL };
	struct child_result child;

	if (!CHECK(child_run(argv, LONG_US, &child) == 0))
		return;
	CHECK_INT(child.code, 128 + SIGTERM);
	child_result_clear(&child);
}

TEST(no_such_program)
{
	const char *const argv[] = { "no-such-program-here", NULL };
	struct child_result child;

	CHECK_INT(child_run(argv, LONG_US, &child), -ENOENT);
}

TEST(one_that_does_not_end)
{
	const char *const argv[] = { "sleep", "1000", NULL };
	struct child_result child;

	CHECK_INT(child_run(argv, 50000, &child), -ETIMEDOUT);
}

TEST(too_much_output)
{
	const char *const argv[] = { "cat", "/dev/zero", NULL };
	struct child_result child;

	CHECK_INT(child_run(argv, LONG_US, &child), -EFBIG);
}

/* Our own loop blocks signals; a child that could not be interrupted would be a surprise. */
TEST(signals_reach_the_child)
{
	const char *const argv[] = { "sh", "-c", "kill -INT $$; exit 0", NULL };
	struct child_result child;
	sigset_t blocked, old;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	if (CHECK(child_run(argv, LONG_US, &child) == 0)) {
		CHECK_INT(child.code, 128 + SIGINT);
		child_result_clear(&child);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
}

TEST(stdin_is_empty)
{
	const char *const argv[] = { "cat", NULL };
	struct child_result child;

	if (!CHECK(child_run(argv, LONG_US, &child) == 0))
		return;
	CHECK_INT(child.code, 0);
	CHECK_STR(child.out, "");
	child_result_clear(&child);
}
