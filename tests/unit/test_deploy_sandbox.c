/* SPDX-License-Identifier: MIT */
/* Which archives need a line for the sandbox, and that no path can say more than a path in it. */
#include "deploy/sandbox.h"

#include <errno.h>
#include <string.h>

#include "common/util.h"
#include "tests/test.h"

TEST(what_the_units_have_open)
{
	static const struct {
		const char *archive;
		bool open;
	} rows[] = {
		{ "/home/pi/captures", true },
		{ "/home/pi/captures/garden", true },
		{ "/home/pi/captures2", false },
		{ "/home/pi/pictures", false },
		{ "/home/pi/captures/../.ssh", false },
		{ "/mnt/data/captures", true },
		{ "/media/pi/disk", true },
		{ "/srv/captures", true },
		{ "/mnt/../etc", false },
		{ "/data/captures", false },
		{ "/", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!CHECK(sandbox_is_open("/home/pi/captures", rows[i].archive) == rows[i].open))
			fprintf(stderr, "  %s\n", rows[i].archive);
}

TEST(one_path_and_no_more)
{
	static const struct {
		const char *archive, *line;
	} rows[] = {
		{ "/data/captures", "[Service]\nReadWritePaths=\"-/data/captures\"\n" },
		{ "/a disk/50%", "\nReadWritePaths=\"-/a disk/50%%\"\n" },
		{ "/say \"hello\" \\o/", "\nReadWritePaths=\"-/say \\\"hello\\\" \\\\o/\"\n" },
	};
	static char text[2 * PATH_MAX], path[3 * PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!CHECK(sandbox_drop_in(rows[i].archive, text) == 0 &&
			    strstr(text, rows[i].line)))
			fprintf(stderr, "  %s: %s\n", rows[i].archive, text);
	CHECK(sandbox_drop_in("captures", text) == -EINVAL);
	CHECK(sandbox_drop_in("/data\nExecStart=/bin/sh", text) == -EINVAL);
	memset(path, '%', sizeof path - 1);
	path[0] = '/';
	CHECK(sandbox_drop_in(path, text) == -ENAMETOOLONG);
}
