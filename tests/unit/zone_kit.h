/* SPDX-License-Identifier: MIT */
/*
 * Files of time zones (RFC 8536), made here: tests need no tzdata, and change no file of the
 * machine's.
 */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/test.h"

/*
 * Writes the zone of a POSIX rule ("JST-9") over what the file has, at whose time `seconds` says.
 */
__attribute__((unused)) static void zone_write(const char *path, const char *rule, time_t seconds)
{
#define HEADER(times)                                                                              \
	"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                                                      \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" times "\0\0\0\1\0\0\0\4"
#define TYPE "\0\0\0\0\0\0UTC\0"
	/*
	 * for version 1 a type and no change; for 2 a change to it in 1970, after which the rule
	 * holds
	 */
	static const char data[] = HEADER("\0") TYPE HEADER("\1") "\0\0\0\0\0\0\0\0"
								  "\0" TYPE;
	const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK_INT(sizeof data - 1, 44 + 10 + 44 + 9 + 10);
	CHECK(fd >= 0 && write(fd, data, sizeof data - 1) > 0);
	CHECK(dprintf(fd, "\n%s\n", rule) > 0);
	CHECK_INT(futimens(fd, times), 0);
	close(fd);
#undef HEADER
#undef TYPE
}
