/* SPDX-License-Identifier: MIT */
/* The schedule's settings as text: what is read, what is refused, and that printing reads back. */
#include "tests/test.h"

#include "capture/schedule/schedule.h"

static const char *printed(conf_printer *print, const void *value, char buf[static 256])
{
	FILE *out = fmemopen(buf, 256, "w");

	memset(buf, 0, 256);
	CHECK_INT(print(&(struct conf_item){ 0 }, value, out), 0);
	fclose(out);
	return buf;
}

TEST(days_as_text)
{
	static const struct {
		const char *text;
		unsigned days;
		const char *again; /* NULL: refused */
	} cases[] = {
		{ "all", 0x7f, "all" },
		{ " ALL ", 0x7f, "all" },
		{ "mon-sun", 0x7f, "all" },
		{ "mon-fri", 0x1f, "mon-fri" },
		{ "Mon, WED ,sat - sun", 0x65, "mon,wed,sat-sun" },
		{ "sat-mon", 0x61, "mon,sat-sun" },
		{ "thu,thu", 0x08, "thu" },
		{ "sun", 0x40, "sun" },
		{ "", 0, NULL },
		{ "allx", 0, NULL },
		{ "monday", 0, NULL },
		{ "mon,", 0, NULL },
		{ ",mon", 0, NULL },
		{ "mon-", 0, NULL },
		{ "mon-wed-fri", 0, NULL },
		{ "mon tue", 0, NULL },
		{ "mo", 0, NULL },
		{ "1-5", 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned days = 0xbad, again = 0;
		char buf[256];
		int r = schedule_parse_days(NULL, cases[i].text, &days);

		CHECK_INT(r, cases[i].again ? 0 : -EINVAL);
		CHECK_INT(days, cases[i].again ? cases[i].days : 0xbad);
		if (!cases[i].again)
			continue;
		CHECK_STR(printed(schedule_print_days, &days, buf), cases[i].again);
		CHECK_INT(schedule_parse_days(NULL, buf, &again), 0);
		CHECK_INT(again, days);
	}
}

TEST(hours_as_text)
{
	static const struct {
		const char *text, *again; /* NULL: refused */
	} cases[] = {
		{ "all", "all" },
		{ "06:00-21:00", "06:00-21:00" },
		{ "6:00 - 21:30", "06:00-21:30" },
		{ " 22:00-02:00,05:30-07:00 ", "22:00-02:00, 05:30-07:00" },
		{ "18:00-24:00", "18:00-24:00" },
		{ "18:00-00:00", "18:00-00:00" },
		{ "0:00-0:01,0:02-0:03,0:04-0:05,0:06-0:07,0:08-0:09,0:10-0:11,0:12-0:13,0:14-0:15",
			"00:00-00:01, 00:02-00:03, 00:04-00:05, 00:06-00:07, 00:08-00:09, "
			"00:10-00:11, 00:12-00:13, 00:14-00:15" },
		{ "0:00-0:01,0:02-0:03,0:04-0:05,0:06-0:07,0:08-0:09,0:10-0:11,0:12-0:13,0:14-0:15,"
		  "1:00-2:00",
			NULL },
		{ "", NULL },
		{ "06:00", NULL },
		{ "06:00-", NULL },
		{ "06:00-06:00", NULL },
		{ "24:00-06:00", NULL },
		{ "06:00-24:01", NULL },
		{ "06:60-07:00", NULL },
		{ "6-21", NULL },
		{ "6:0-21:00", NULL },
		{ "006:00-21:00", NULL },
		{ "06:00-21:00,", NULL },
		{ "06:00-21:00 22:00-23:00", NULL },
		{ "-6:00-21:00", NULL },
		{ "06:00-21:00x", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings s = { .n_hours = 77 }, again = { 0 };
		char buf[256];
		int r = schedule_parse_hours(NULL, cases[i].text, &s);

		CHECK_INT(r, cases[i].again ? 0 : -EINVAL);
		if (!cases[i].again) {
			CHECK_INT(s.n_hours, 77);
			continue;
		}
		CHECK_STR(printed(schedule_print_hours, &s, buf), cases[i].again);
		CHECK_INT(schedule_parse_hours(NULL, buf, &again), 0);
		CHECK_INT(again.n_hours, s.n_hours);
	}
}

TEST(daylight_as_text)
{
	static const struct {
		const char *text;
		double elevation;
		const char *again; /* NULL: refused */
	} cases[] = {
		{ "no", 0, "no" },
		{ "yes", -0.833, "yes" },
		{ "Civil", -6, "civil" },
		{ "-6", -6, "civil" },
		{ "-4.5", -4.5, "-4.5" },
		{ "0", 0, "0" },
		{ "90", 90, "90" },
		{ "90.1", 0, NULL },
		{ "-91", 0, NULL },
		{ "nan", 0, NULL },
		{ "", 0, NULL },
		{ "yes please", 0, NULL },
		{ "-6 degrees", 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings s = { 0 };
		char buf[256];
		int r = schedule_parse_daylight(NULL, cases[i].text, &s);

		CHECK_INT(r, cases[i].again ? 0 : -EINVAL);
		CHECK(s.daylight_elevation == cases[i].elevation);
		if (cases[i].again)
			CHECK_STR(printed(schedule_print_daylight, &s, buf), cases[i].again);
		else
			CHECK(!s.daylight);
	}
}

TEST(times_as_text)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{ "none", "none" },
		{ " None ", "none" },
		{ "12:00", "12:00" },
		{ "18:30,12:00", "12:00, 18:30" },
		{ " 6:05 , 00:00, 23:59", "00:00, 06:05, 23:59" },
		{ "12:00, 12:00, 6:00", "06:00, 12:00, 12:00" }, /* the check says so */
		{ "", NULL },
		{ "12", NULL },
		{ "12:0", NULL },
		{ "12:60", NULL },
		{ "24:00", NULL },
		{ "-1:00", NULL },
		{ "12:00,", NULL },
		{ "12:00 18:30", NULL },
		{ "12:00-13:00", NULL },
		{ "12:00:30", NULL },
		{ "noon", "noon" },
		{ " SunSet - 1h,Noon , sunrise+30min", "noon, sunrise+30min, sunset-1h" },
		{ "sunrise+1h 30min, 12:00, sunrise-90min",
			"12:00, sunrise-1h 30min, sunrise+1h 30min" },
		{ "sunset+0, sunset-0min", "sunset, sunset" },
		{ "noon+12h,noon-12h,noon-720min", "noon-12h, noon-12h, noon+12h" },
		{ "noon+1min,noon+60min,noon+61min,noon+0.5h",
			"noon+1min, noon+30min, noon+1h, noon+1h 1min" },
		{ "noon+12h 1min", NULL },
		{ "noon+1000000h", NULL },
		{ "noon+30", NULL },
		{ "noon+30s", NULL },
		{ "noon+", NULL },
		{ "noon 1h", NULL },
		{ "noon++1h", NULL },
		{ "noon+-1h", NULL },
		{ "noonday", NULL },
		{ "sun", NULL },
		{ "sunrise+1h-1h", NULL },
		{ "sunrise,", NULL },
		{ "+1h", NULL },
		{ "none+1h", NULL },
		{ "none, 12:00", NULL },
		{ "all", NULL },
	};
	char text[256], many[SCHEDULE_AT_MAX * 7 + 16] = "";
	struct schedule_settings s = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schedule_settings before;

		memset(&s, 0, sizeof s);
		before = s;
		CHECK_INT(schedule_parse_at(NULL, cases[i].text, &s), cases[i].want ? 0 : -EINVAL);
		if (cases[i].want)
			CHECK_STR(printed(schedule_print_at, &s, text), cases[i].want);
		else
			CHECK_INT(memcmp(&s, &before, sizeof s), 0);
	}
	for (int i = 0; i <= SCHEDULE_AT_MAX; i++) {
		CHECK_INT(i == 0 ? 0 : schedule_parse_at(NULL, many, &s), 0);
		snprintf(many + strlen(many), sizeof many - strlen(many), "%s%02d:%02d",
			i ? "," : "", i / 2 % 24, i % 2 * 30);
	}
	CHECK_INT(s.n_at, SCHEDULE_AT_MAX);
	CHECK_INT(schedule_parse_at(NULL, many, &s), -EINVAL);
}
