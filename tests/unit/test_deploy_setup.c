/* SPDX-License-Identifier: MIT */
/* Small decisions of deploypi, and its man page. */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/json.h"
#include "deploy/commands.h"
#include "deploy/ours.h"
#include "deploy/setup.h"
#include "tests/test.h"

/* Every option of every command stands in the page as "*--name*". */
TEST(man_page)
{
	static const struct cli_option *const tables[] = { capture_options, pull_options,
		restart_options, status_options, remove_options };
	CLEANUP_FREE char *page = NULL;

	if (!CHECK(fs_read_file(AT_FDCWD, SOURCE_ROOT "/deploy/deploypi.1.scd", 1 << 20, &page,
			   NULL) == 0))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct cli_option *o = tables[i]; o->name; o++) {
			char text[64];

			snprintf(text, sizeof text, "*--%s*", o->name);
			if (!CHECK(strstr(page, text)))
				fprintf(stderr, "  %s is not in the page\n", text);
		}
	}
}

TEST(names_are_completed)
{
	char name[UNIT_NAME_MAX], long_name[UNIT_NAME_MAX + 8];

	CHECK(unit_name_complete("capturepi", name));
	CHECK_STR(name, "capturepi.service");
	CHECK(unit_name_complete("pullpi-sync@garden.timer", name));
	CHECK_STR(name, "pullpi-sync@garden.timer");
	CHECK(unit_name_complete("pullpi-sync@a.b", name));
	CHECK_STR(name, "pullpi-sync@a.b.service");
	CHECK(!unit_name_complete("", name));
	CHECK(!unit_name_complete("a b", name));
	CHECK(!unit_name_complete("../x", name));
	memset(long_name, 'x', sizeof long_name);
	long_name[UNIT_NAME_MAX - 3] = '\0';
	CHECK(!unit_name_complete(long_name, name));
}

TEST(values_of_json)
{
	struct json_object *dump = json_tokener_parse(
		"{\"a\":{\"b\":\"c\",\"n\":1},\"s\":\"2026-11-20T16:01:00Z\",\"l\":[\"t\"]}");

	CHECK_STR(json_get_text(dump, "/a/b"), "c");
	CHECK_STR(json_get_text(dump, "/l/0"), "t");
	CHECK_STR(json_get_text(dump, "/a/n"), "");
	CHECK_STR(json_get_text(dump, "/a/x"), "");
	CHECK_STR(json_get_text(dump, "/s/b"), "");
	CHECK_STR(json_get_text(dump, "/x/b"), "");
	CHECK_STR(json_get_text(NULL, "/x"), "");
	CHECK(json_get_time(dump, "/s") == INT64_C(1795190460000000));
	CHECK(json_get_time(dump, "/a/b") == TIME_NONE);
	json_object_put(dump);
}

static void touch(char path[static 96], const char *folder, const char *name)
{
	int fd;

	snprintf(path, 96, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
}

/* What a second run has to do. */
TEST(work_for_a_unit)
{
	char folder[64], unit[96], settings[96];
	uint64_t now_us = (uint64_t)clock_wall_us(&clock_real);
	const uint64_t before = now_us - 3600 * US_PER_SEC, after = now_us + 3600 * US_PER_SEC;
	struct unit_state u = { .active = "inactive" };
	const char *reason;

	test_make_folder(folder);
	touch(unit, folder, "x.service");
	touch(settings, folder, "x.conf");
	snprintf(u.fragment, sizeof u.fragment, "%s", unit);
	CHECK_INT(units_choose_work(&u, settings, &reason), UNIT_WORK_START);
	strcpy(u.active, "failed");
	CHECK_INT(units_choose_work(&u, settings, &reason), UNIT_WORK_START);
	strcpy(u.active, "active");
	u.started_us = u.changed_us = after;
	CHECK_INT(units_choose_work(&u, settings, &reason), UNIT_WORK_NONE);
	CHECK(reason == NULL);
	u.changed_us = before; /* since when it was not told of its settings */
	CHECK_INT(units_choose_work(&u, settings, &reason), UNIT_WORK_RELOAD);
	CHECK_INT(units_choose_work(&u, NULL, &reason), UNIT_WORK_NONE);
	u.started_us = before;
	CHECK_INT(units_choose_work(&u, settings, &reason), UNIT_WORK_RESTART);
	CHECK(reason && strstr(reason, "unit"));
	u.started_us = u.changed_us = after;
	strcpy(u.sub, "elapsed");
	CHECK_INT(units_choose_work(&u, NULL, &reason), UNIT_WORK_RESTART);
	strcpy(u.sub, "running");
	/* this very program, and another */
	u.started_us = u.changed_us = after;
	u.pid = (uint32_t)getpid();
	CHECK(readlink("/proc/self/exe", u.program, sizeof u.program - 1) > 0);
	CHECK_INT(units_choose_work(&u, settings, &reason), UNIT_WORK_NONE);
	snprintf(u.program, sizeof u.program, "%s", unit);
	CHECK_INT(units_choose_work(&u, settings, &reason), UNIT_WORK_RESTART);
	CHECK(reason && strstr(reason, "program"));
	test_remove_folder(folder);
}
