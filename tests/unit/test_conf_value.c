/* SPDX-License-Identifier: MIT */
/* Values of settings: what is taken, what is refused, and that each reads back as it is printed. */
#include "common/conf.h"

#include <math.h>

#include "tests/test.h"

#define FUNCTIONS(name) .parse = conf_parse_##name, .print = conf_print_##name

static const struct {
	const char *text;
	int64_t want; /* -1: refused */
	const char *canonical; /* NULL: as `text` */
} durations[] = {
	{ "0", 0, NULL },
	{ "1us", 1, NULL },
	{ "100ms", 100000, NULL },
	{ "60s", 60000000, "1min" },
	{ "1min 30s", 90000000, NULL },
	{ "1min30s", 90000000, "1min 30s" },
	{ "2m", 120000000, "2min" },
	{ "90 min", INT64_C(5400000000), "1h 30min" },
	{ "1d", INT64_C(86400000000), NULL },
	{ "25h", INT64_C(90000000000), "1d 1h" },
	{ "0.5s", 500000, "500ms" },
	{ "0.000001s", 1, "1us" },
	{ " 1s\t1ms ", 1001000, "1s 1ms" },
	{ "106751991d", INT64_C(9223372022400000000), NULL },
	{ "106751992d", -1, NULL },
	{ "106751991d 5h", -1, NULL },
	{ "99999999999999999999us", -1, NULL },
	{ "0.5us", -1, NULL },
	{ "0.0000001s", -1, NULL },
	{ "1.s", -1, NULL },
	{ ".5s", -1, NULL },
	{ "", -1, NULL },
	{ "1", -1, NULL },
	{ "00", -1, NULL },
	{ "s", -1, NULL },
	{ "-1s", -1, NULL },
	{ "1x", -1, NULL },
	{ "1 sec", -1, NULL },
	{ "1s,2s", -1, NULL },
	{ "1e3s", -1, NULL },
};

static const struct {
	const char *text;
	int64_t want; /* INT64_MIN: refused */
	const char *canonical;
} sizes[] = {
	{ "0", 0, NULL },
	{ "1023", 1023, NULL },
	{ "1024", 1024, "1K" },
	{ "500K", 512000, NULL },
	{ "1536M", INT64_C(1610612736), NULL },
	{ "2G", INT64_C(2147483648), NULL },
	{ "2 G", INT64_C(2147483648), "2G" },
	{ "8388607T", INT64_C(8388607) << 40, NULL },
	{ "10%", -10, NULL },
	{ "90%", -90, NULL },
	{ "0%", 0, "0" },
	{ "8388608T", INT64_MIN, NULL },
	{ "91%", INT64_MIN, NULL },
	{ "10%%", INT64_MIN, NULL },
	{ "1KB", INT64_MIN, NULL },
	{ "1k", INT64_MIN, NULL },
	{ "K", INT64_MIN, NULL },
	{ "-1", INT64_MIN, NULL },
	{ "1.5G", INT64_MIN, NULL },
	{ "", INT64_MIN, NULL },
};

/* The printed form of `dest`, which must be what reads back to it. */
static void check_print(const struct conf_item *item, const void *dest, const char *want)
{
	char text[128] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	CHECK_INT(item->print(item, dest, out), 0);
	fclose(out);
	CHECK_STR(text, want);
}

TEST(durations_and_back)
{
	static const struct conf_item item = { .key = "k", FUNCTIONS(duration) };

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		const char *text = durations[i].text, *canonical = durations[i].canonical;
		int64_t got = -7;

		if (durations[i].want < 0) {
			if (!CHECK(item.parse(&item, "k", text, &got) == -EINVAL))
				fprintf(stderr, "  %s is taken as %lld\n", text, (long long)got);
			CHECK_INT(got, -7);
			continue;
		}
		CHECK_INT(item.parse(&item, "k", text, &got), 0);
		CHECK_INT(got, durations[i].want);
		check_print(&item, &got, canonical ? canonical : text);
	}
}

TEST(sizes_and_back)
{
	static const struct conf_item item = {
		.key = "k", FUNCTIONS(size), .min = -90, .max = INT64_MAX
	};
	static const struct conf_item no_percent = { .key = "k", FUNCTIONS(size) };
	int64_t got;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const char *text = sizes[i].text, *canonical = sizes[i].canonical;

		got = -7;
		if (sizes[i].want == INT64_MIN) {
			if (!CHECK(item.parse(&item, "k", text, &got) == -EINVAL))
				fprintf(stderr, "  %s is taken as %lld\n", text, (long long)got);
			CHECK_INT(got, -7);
			continue;
		}
		CHECK_INT(item.parse(&item, "k", text, &got), 0);
		CHECK_INT(got, sizes[i].want);
		check_print(&item, &got, canonical ? canonical : text);
	}
	CHECK_INT(no_percent.parse(&no_percent, "k", "10%", &got), -EINVAL);
}

TEST(numbers_and_bounds)
{
	const struct conf_item bounded = { FUNCTIONS(int), .min = -5, .max = 10 };
	const struct conf_item any = { FUNCTIONS(int) };
	static const char *const refused[] = { "-6", "11", "", "-", "+1", "1 ", " 1", "0x1", "1.0",
		"9223372036854775808", "--1" };
	int64_t got = 0;

	CHECK_INT(bounded.parse(&bounded, "k", "-5", &got), 0);
	CHECK_INT(got, -5);
	CHECK_INT(bounded.parse(&bounded, "k", "010", &got), 0);
	CHECK_INT(got, 10);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_INT(bounded.parse(&bounded, "k", refused[i], &got), -EINVAL);
	CHECK_INT(any.parse(&any, "k", "9223372036854775807", &got), 0);
	check_print(&any, &got, "9223372036854775807");
	CHECK_INT(any.parse(&any, "k", "9223372036854775808", &got), -EINVAL);
}

TEST(doubles_and_back)
{
	static const char *const same[] = { "0.1", "-52.370216", "1e-05", "3", "0",
		"0.30000000000000004", "89.99999999999999" };
	static const char *const refused[] = { "", "nan", "inf", "0x1p3", "1,5", "90.0000001",
		"-91", "1e999", "1.5x", " 1", "e" };
	const struct conf_item item = { FUNCTIONS(double), .min = -90, .max = 90 };
	double got = 0;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		CHECK_INT(item.parse(&item, "k", same[i], &got), 0);
		check_print(&item, &got, same[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_INT(item.parse(&item, "k", refused[i], &got), -EINVAL);
	got = NAN;
	check_print(&item, &got, "");
}

TEST(words_bools_strings_paths)
{
	const struct conf_item text = { FUNCTIONS(string), .size = 5 };
	const struct conf_item path = { .parse = conf_parse_path, .size = CONF_VALUE_MAX };
	const struct conf_item flag = { FUNCTIONS(bool) };
	static const char *const bad_texts[] = { "12345", "a\tb", "a\x7f", "\xff", "\xc3",
		"\xc0\x80", "\xed\xa0\x80", "\xc2\x85", "\xf4\x90\x80\x80", "\xe0\x80\x80" };
	char got[CONF_VALUE_MAX] = "";
	bool on = false;

	CHECK_INT(text.parse(&text, "k", "\xc3\xa4\xe2\x82", got), -EINVAL);
	CHECK_INT(text.parse(&text, "k", "a\xe2\x82\xac", got), 0);
	CHECK_STR(got, "a\xe2\x82\xac");
	for (size_t i = 0; i < ARRAY_SIZE(bad_texts); i++)
		CHECK_INT(text.parse(&text, "k", bad_texts[i], got), -EINVAL);
	CHECK_INT(text.parse(&text, "k", "\xf0\x9f\x93\xb7", got), 0);

	setenv("HOME", "/home/pi", 1);
	CHECK_INT(path.parse(&path, "k", "~/captures", got), 0);
	CHECK_STR(got, "/home/pi/captures");
	CHECK_INT(path.parse(&path, "k", "~", got), 0);
	CHECK_STR(got, "/home/pi");
	CHECK_INT(path.parse(&path, "k", "/srv/a b", got), 0);
	CHECK_STR(got, "/srv/a b");
	CHECK_INT(path.parse(&path, "k", "~other/x", got), -EINVAL);
	CHECK_INT(path.parse(&path, "k", "captures", got), -EINVAL);
	CHECK_INT(path.parse(&path, "k", "", got), -EINVAL);

	CHECK_INT(flag.parse(&flag, "k", "on", &on), 0);
	CHECK(on);
	CHECK_INT(flag.parse(&flag, "k", "0", &on), 0);
	CHECK(!on);
	CHECK_INT(flag.parse(&flag, "k", "Yes", &on), -EINVAL);
	CHECK_INT(flag.parse(&flag, "k", "", &on), -EINVAL);
}
