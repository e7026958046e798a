/* SPDX-License-Identifier: MIT */
/* The time zone's file is replaced in all the ways there are, and local times follow. */
#include "tests/unit/zone_kit.h"

#include "common/base/utc.h"
#include "common/base/zone.h"
#include "common/journal/record.h"

#define NOW_US (INT64_C(1795190460) * US_PER_SEC) /* 2026-11-20T16:01:00Z */
#define SUMMER_US (INT64_C(1782000000) * US_PER_SEC) /* 2026-06-21T00:00:00Z */
#define SECONDS 1700000000

static int begun;
static char folder[64], path[128], other[128], tz[160];

static void begin(struct zone *zone, const char *rule)
{
	test_make_folder(folder);
	snprintf(path, sizeof path, "%s/zone", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	snprintf(tz, sizeof tz, ":%s", path);
	setenv("TZ", tz, 1);
	zone_write(path, rule, SECONDS - ++begun); /* an inode may be used again */
	zone_begin(zone);
	CHECK(!zone_has_changed(zone));
}

static void replace_by_rename(void)
{
	zone_write(other, "JST-9", SECONDS);
	CHECK_INT(rename(other, path), 0);
}

/* `cp -p` over it: the same inode, and the same time where both come from one package */
static void replace_in_place(void)
{
	zone_write(path, "JST-9", SECONDS);
}

static void replace_by_link(void)
{
	zone_write(other, "JST-9", SECONDS);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(symlink("other", path), 0);
}

TEST(a_replaced_file_is_read_again)
{
	static void (*const ways[])(
		void) = { replace_by_rename, replace_in_place, replace_by_link };

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		struct zone zone;

		begin(&zone, "CET-1CEST,M3.5.0,M10.5.0/3");
		CHECK_INT(utc_local_offset_s(NOW_US), 3600);
		CHECK_INT(utc_local_offset_s(SUMMER_US), 7200);
		ways[i]();
		CHECK(zone_has_changed(&zone));
		CHECK_INT(zone_read_again(&zone, NOW_US), 0);
		CHECK_INT(utc_local_offset_s(NOW_US), 9 * 3600);
		CHECK_INT(utc_local_offset_s(SUMMER_US), 9 * 3600);
		CHECK_STR(getenv("TZ"), tz);
		CHECK(!zone_has_changed(&zone));
		test_remove_folder(folder);
	}
}

/* The rules change and the offset of today does not, as most updates of tzdata are. */
TEST(new_rules)
{
	struct zone zone;

	begin(&zone, "<-03>3");
	CHECK_INT(utc_local_offset_s(SUMMER_US), -3 * 3600);
	zone_write(path, "<-03>3<-02>,M3.5.0,M10.5.0", SECONDS);
	CHECK(zone_has_changed(&zone));
	CHECK_INT(zone_read_again(&zone, NOW_US), 0);
	CHECK_INT(utc_local_offset_s(NOW_US), -3 * 3600);
	CHECK_INT(utc_local_offset_s(SUMMER_US), -2 * 3600);
	test_remove_folder(folder);
}

TEST(a_file_that_goes_and_comes)
{
	struct zone zone;

	begin(&zone, "IST-5:30");
	CHECK_INT(unlink(path), 0);
	CHECK(zone_has_changed(&zone));
	CHECK_INT(zone_read_again(&zone, NOW_US), 0);
	CHECK_INT(utc_local_offset_s(NOW_US), 0); /* as the C library has it then */
	CHECK(!zone_has_changed(&zone));
	zone_write(path, "<-0930>9:30", SECONDS);
	CHECK(zone_has_changed(&zone));
	CHECK_INT(zone_read_again(&zone, NOW_US), 0);
	CHECK_INT(utc_local_offset_s(NOW_US), -34200);
	test_remove_folder(folder);
}

TEST(where_the_zone_is)
{
	static const struct {
		const char *tz, *tzdir, *want; /* want NULL: no file */
	} cases[] = {
		{ NULL, NULL, "/etc/localtime" },
		{ NULL, "/x", "/etc/localtime" },
		{ "", NULL, NULL },
		{ ":", NULL, NULL },
		{ "Europe/Berlin", NULL, "/usr/share/zoneinfo/Europe/Berlin" },
		{ ":Europe/Berlin", "/x", "/x/Europe/Berlin" },
		{ ":/etc/zone", "/x", "/etc/zone" },
		{ "CET-1", NULL, "/usr/share/zoneinfo/CET-1" },
	};
	char file[PATH_MAX], name[ZONE_NAME_MAX], real[128];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cases[i].tz ? setenv("TZ", cases[i].tz, 1) : unsetenv("TZ");
		cases[i].tzdir ? setenv("TZDIR", cases[i].tzdir, 1) : unsetenv("TZDIR");
		CHECK_INT(zone_file(file), cases[i].want ? 0 : -ENOENT);
		if (cases[i].want)
			CHECK_STR(file, cases[i].want);
	}
	unsetenv("TZDIR");
	setenv("TZ", "CET-1", 1);
	CHECK_STR(zone_name(name), "CET-1");
	/* a link into a zoneinfo, as /etc/localtime is one */
	test_make_folder(folder);
	snprintf(real, sizeof real, "%s/zoneinfo", folder);
	mkdir(real, 0755);
	snprintf(real, sizeof real, "%s/zoneinfo/Asia", folder);
	mkdir(real, 0755);
	snprintf(real, sizeof real, "%s/zoneinfo/Asia/Tokyo", folder);
	zone_write(real, "JST-9", SECONDS);
	snprintf(path, sizeof path, "%s/zone", folder);
	CHECK_INT(symlink(real, path), 0);
	setenv("TZ", path, 1);
	CHECK_STR(zone_name(name), "Asia/Tokyo");
	test_remove_folder(folder);
	setenv("TZ", "UTC0", 1);
}

/* Its line in the journal. */
TEST(changes_of_the_zone)
{
	struct record zone = record_new(RECORD_ZONE), again;
	char buf[400], line[LINE_MAX_BYTES + 1];

	setenv("TZ", "JST-9", 1);
	tzset();
	zone.seq = 126;
	zone.at_us = NOW_US;
	zone.from_s = -34200;
	zone.to_s = 32400;
	snprintf(zone.text, sizeof(zone.text), "Asia/Tokyo");
	CHECK(record_format(&zone, line) > 0);
	CHECK_STR(line,
		"{\"seq\":126,\"zone\":\"Asia/Tokyo\",\"at\":\"2026-11-20T16:01:00Z\","
		"\"from_s\":-34200,\"to_s\":32400}\n");
	memset(&again, 0xff, sizeof again);
	CHECK_INT(record_parse(line, strlen(line), &again), 0);
	CHECK(again.type == RECORD_ZONE && again.seq == 126 && again.at_us == NOW_US);
	CHECK(again.from_s == -34200 && again.to_s == 32400);
	CHECK_STR(again.text, "Asia/Tokyo");
	CHECK_STR(record_describe(&zone, buf, sizeof(buf)),
		"126  2026-11-21 01:01:00 +09:00  the time zone or its rules changed: now "
		"Asia/Tokyo, "
		"+09:00, before it was -09:30");
	zone.from_s = zone.to_s;
	zone.text[0] = '\0';
	CHECK_STR(record_describe(&zone, buf, sizeof(buf)),
		"126  2026-11-21 01:01:00 +09:00  the time zone or its rules changed: now one "
		"without "
		"a name, +09:00");
	zone.to_s = 100000;
	CHECK_INT(record_format(&zone, line), -ERANGE);
	zone.to_s = INT64_MIN;
	CHECK_INT(record_format(&zone, line), -ERANGE);
}
