/* SPDX-License-Identifier: MIT */
/* What the tests of the fair lock share. */
#pragma once

#include <fcntl.h>

#include "common/base/fair_lock.h"
#include "tests/test.h"

/* Takes the turn; its descriptor, or -errno. */
static int enter(int dirfd, const char *who, int64_t deadline_ns, bool *ret_others)
{
	int fd = -1, r;

	r = fair_lock_take(dirfd, ".gate", ".lock", who, deadline_ns, &fd, ret_others);
	return r < 0 ? r : fd;
}

static int open_folder(char folder[static 64])
{
	test_make_folder(folder);
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
