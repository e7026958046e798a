/* SPDX-License-Identifier: MIT */
/* `redate` as people and scripts see it. */
#include "tests/unit/correction_kit.h"

#include "capture/store/clock_correct.h"
#include "tests/unit/cli_kit.h"

static int redate(struct cli *cli)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	CLEANUP_FREE void *loaded = NULL;
	struct archive_options options = {
		.mode = cli_flag(cli, "dry-run") ? ARCHIVE_READ : ARCHIVE_WRITE,
	};

	if (cli_settings(cli, CLI_LENIENT, &loaded) != CLI_OK ||
		archive_open(((struct settings *)loaded)->path, &options, &archive) < 0)
		return 99;
	return correction_command(cli, archive);
}

static const struct cli_command commands[] = {
	{ "redate", "", "date", redate, correction_command_options, 0, 0 },
	{ 0 },
};
static const struct cli_program program = { CLI_KIT_PROGRAM(commands) };

/* Two boots: one without an anchor, one with it. */
static void make_story(struct story *s)
{
	story_begin(s, NULL);
	setenv("TZ", "UTC0", 1);
	tzset();
	s->wrong_us = -3600 * S;
	story_frames(s, 2);
	story_reboot(s, -3600 * S);
	story_frames(s, 2);
	story_set_clock(s, 0, true);
	story_frames(s, 1);
	archive_free(TAKE_PTR(s->archive));
	make_home();
}

static int run_redate(struct story *s, const char *options)
{
	char args[200];

	snprintf(args, sizeof args, "-o s.path=%s redate %s", s->path, options);
	return run(args);
}

TEST(people)
{
	struct story s;

	make_story(&s);
	CHECK_INT(run_redate(&s, "--dry-run"), CLI_OK);
	CHECK(strstr(out, "3  2026-11-20 17:07:20 +00:00, is 2026-11-20 16:07:20 +00:00\n"));
	CHECK(strstr(out, "2 frames would get their true time\n"));
	CHECK_INT(kit_newest(s.path), 6);
	CHECK_INT(run_redate(&s, ""), CLI_OK);
	CHECK(strstr(out, "3 -> 7  2026-11-20 17:07:20 +00:00, was 2026-11-20 16:07:20 +00:00\n"));
	CHECK(strstr(out, "4 -> 9  "));
	CHECK(strstr(out, "2 frames got their true time\n2 frames stay: "));
	CHECK_STR(err, "");
	CHECK_INT(run_redate(&s, ""), CLI_OK);
	CHECK(strstr(out, "0 frames got") == out);
	CHECK_INT(kit_findings(s.path), 0);
	story_end(&s);
	test_remove_folder(folder);
}

TEST(scripts)
{
	struct story s;

	make_story(&s);
	CHECK_INT(run_redate(&s, "--json"), CLI_OK);
	CHECK_STR(out,
		"{\"was\":3,\"seq\":7,\"before\":\"2026-11-20T16:07:20.000412Z\","
		"\"exposed\":\"2026-11-20T17:07:20.000412Z\"}\n"
		"{\"was\":4,\"seq\":9,\"before\":\"2026-11-20T16:08:20.000412Z\","
		"\"exposed\":\"2026-11-20T17:08:20.000412Z\"}\n"
		"{\"dated\":2,\"right\":0,\"unknown\":2,\"failed\":0}\n");
	story_end(&s);
	test_remove_folder(folder);
}

TEST(a_damaged_frame)
{
	struct story s;

	make_story(&s);
	kit_write(s.path, KIT_DAY "/20261120T160720Z-00000003.jpg", "\xff\xd8+", 3, 0);
	CHECK_INT(run_redate(&s, "--json"), CLI_INTERNAL);
	CHECK(strstr(out, "{\"was\":3,\"before\":\"2026-11-20T16:07:20.000412Z\",\"error\":\""));
	CHECK(strstr(out, "{\"dated\":1,\"right\":0,\"unknown\":2,\"failed\":1}\n"));
	CHECK(strstr(err, "prog: frame 3 cannot be corrected: "));
	story_end(&s);
	test_remove_folder(folder);
}
