/* SPDX-License-Identifier: MIT */
/* Values of settings: what is taken, what is refused, and that each reads back as it is printed. */
#include "common/settings/conf.h"

#include <math.h>

#include "tests/test.h"

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

	CHECK_INT(item->type->print(item, dest, out), 0);
	fclose(out);
	CHECK_STR(text, want);
}

TEST(durations_and_back)
{
	static const struct conf_item item = { .key = "k", .type = &conf_duration };

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		const char *text = durations[i].text, *canonical = durations[i].canonical;
		int64_t got = -7;

		if (durations[i].want < 0) {
			if (!CHECK(conf_parse(&item, text, &got) == -EINVAL))
				fprintf(stderr, "  %s is taken as %lld\n", text, (long long)got);
			CHECK_INT(got, -7);
			continue;
		}
		CHECK_INT(conf_parse(&item, text, &got), 0);
		CHECK_INT(got, durations[i].want);
		check_print(&item, &got, canonical ? canonical : text);
	}
}

TEST(sizes_and_back)
{
	static const struct conf_item item = {
		.key = "k", .type = &conf_size, .min = -90, .max = INT64_MAX
	};
	static const struct conf_item no_percent = { .key = "k", .type = &conf_size };
	int64_t got;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const char *text = sizes[i].text, *canonical = sizes[i].canonical;

		got = -7;
		if (sizes[i].want == INT64_MIN) {
			if (!CHECK(conf_parse(&item, text, &got) == -EINVAL))
				fprintf(stderr, "  %s is taken as %lld\n", text, (long long)got);
			CHECK_INT(got, -7);
			continue;
		}
		CHECK_INT(conf_parse(&item, text, &got), 0);
		CHECK_INT(got, sizes[i].want);
		check_print(&item, &got, canonical ? canonical : text);
	}
	CHECK_INT(conf_parse(&no_percent, "10%", &got), -EINVAL);
}

TEST(numbers_and_bounds)
{
	const struct conf_item bounded = { .type = &conf_int, .min = -5, .max = 10 };
	const struct conf_item any = { .type = &conf_int };
	static const char *const refused[] = { "-6", "11", "", "-", "+1", "1 ", " 1", "0x1", "1.0",
		"9223372036854775808", "--1" };
	int64_t got = 0;

	CHECK_INT(conf_parse(&bounded, "-5", &got), 0);
	CHECK_INT(got, -5);
	CHECK_INT(conf_parse(&bounded, "010", &got), 0);
	CHECK_INT(got, 10);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_INT(conf_parse(&bounded, refused[i], &got), -EINVAL);
	CHECK_INT(conf_parse(&any, "9223372036854775807", &got), 0);
	check_print(&any, &got, "9223372036854775807");
	CHECK_INT(conf_parse(&any, "9223372036854775808", &got), -EINVAL);
}

TEST(doubles_and_back)
{
	static const char *const same[] = { "0.1", "-52.370216", "1e-05", "3", "0",
		"0.30000000000000004", "89.99999999999999" };
	static const char *const refused[] = { "", "nan", "inf", "0x1p3", "1,5", "90.0000001",
		"-91", "1e999", "1.5x", " 1", "e" };
	const struct conf_item item = { .type = &conf_double, .min = -90, .max = 90 };
	double got = 0;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		CHECK_INT(conf_parse(&item, same[i], &got), 0);
		check_print(&item, &got, same[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_INT(conf_parse(&item, refused[i], &got), -EINVAL);
	got = NAN;
	check_print(&item, &got, "");
}

/* What a person is told to write comes from the limits, and from nowhere else. */
TEST(what_is_allowed)
{
	static const char *const words[] = { "auto", "stream", "stop", NULL };
	static const struct {
		struct conf_item item;
		const char *want;
	} cases[] = {
		{ { .type = &conf_bool }, "yes or no" },
		{ { .type = &conf_int }, "a number" },
		{ { .type = &conf_int, .min = 1, .max = 9 }, "a number from 1 to 9" },
		{ { .type = &conf_int, .max = INT64_MAX }, "a number of 0 or more" },
		{ { .type = &conf_double, .min = -90, .max = 90 }, "a number from -90 to 90" },
		{ { .type = &conf_duration, .max = 3600000000 }, "a duration up to 1h" },
		{ { .type = &conf_duration, .min = 100000, .max = 60000000, .unset = "auto" },
			"auto, or a duration from 100ms to 1min" },
		{ { .type = &conf_duration, .max = INT64_MAX }, "a duration" },
		{ { .type = &conf_size, .max = INT64_MAX }, "a size such as 500K or 2G" },
		{ { .type = &conf_size, .min = -90, .max = INT64_MAX },
			"a size such as 500K or 2G, or 0% to 90%" },
		{ { .type = &conf_word, .words = words }, "auto, stream or stop" },
		{ { .type = &conf_string, .size = 64 }, "a text of at most 63 bytes" },
		{ { .type = &conf_path, .size = 4096 },
			"an absolute path or ~/..., at most 511 bytes" },
		{ { .type = &conf_int, .allowed = "0 or 180" }, "0 or 180" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256] = "";
		FILE *out = fmemopen(text, sizeof(text), "w");

		conf_describe(&cases[i].item, out);
		fclose(out);
		CHECK_STR(text, cases[i].want);
	}
}

static bool is_even(const char *value)
{
	return (value[strlen(value) - 1] - '0') % 2 == 0;
}

TEST(unset_and_refused)
{
	const struct conf_item item = { .type = &conf_int,
		.size = sizeof(int64_t),
		.min = 10,
		.max = 20,
		.unset = "auto",
		.accepts = is_even };
	const struct conf_item degrees = {
		.type = &conf_double, .size = sizeof(double), .unset = ""
	};
	int64_t got = 7;
	double number = 1;
	char why[CONF_REFUSAL_MAX];

	CHECK_INT(conf_parse(&item, "12", &got), 0);
	CHECK_INT(got, 12);
	CHECK_INT(conf_parse(&item, "13", &got), -EINVAL);
	CHECK_INT(conf_parse(&item, "0", &got), -EINVAL);
	CHECK_INT(got, 12);
	CHECK_INT(conf_parse(&item, "Auto", &got), 0);
	CHECK_INT(got, 0);
	CHECK_INT(conf_parse(&degrees, "", &number), 0);
	CHECK(isnan(number));
	CHECK_STR(conf_refusal(&item, "13", -EINVAL, why), "not auto, or a number from 10 to 20");
	CHECK_STR(conf_refusal(&item, "13", -ENOENT, why), "No such file or directory");
}

TEST(words_bools_strings_paths)
{
	const struct conf_item text = { .type = &conf_string, .size = 5 };
	const struct conf_item path = { .type = &conf_path, .size = CONF_VALUE_MAX };
	const struct conf_item flag = { .type = &conf_bool };
	static const char *const bad_texts[] = { "12345", "a\tb", "a\x7f", "\xff", "\xc3",
		"\xc0\x80", "\xed\xa0\x80", "\xc2\x85", "\xf4\x90\x80\x80", "\xe0\x80\x80" };
	char got[CONF_VALUE_MAX] = "";
	bool on = false;

	CHECK_INT(conf_parse(&text, "\xc3\xa4\xe2\x82", got), -EINVAL);
	CHECK_INT(conf_parse(&text, "a\xe2\x82\xac", got), 0);
	CHECK_STR(got, "a\xe2\x82\xac");
	for (size_t i = 0; i < ARRAY_SIZE(bad_texts); i++)
		CHECK_INT(conf_parse(&text, bad_texts[i], got), -EINVAL);
	CHECK_INT(conf_parse(&text, "\xf0\x9f\x93\xb7", got), 0);

	setenv("HOME", "/home/pi", 1);
	CHECK_INT(conf_parse(&path, "~/captures", got), 0);
	CHECK_STR(got, "/home/pi/captures");
	CHECK_INT(conf_parse(&path, "~", got), 0);
	CHECK_STR(got, "/home/pi");
	CHECK_INT(conf_parse(&path, "/srv/a b", got), 0);
	CHECK_STR(got, "/srv/a b");
	CHECK_INT(conf_parse(&path, "~other/x", got), -EINVAL);
	CHECK_INT(conf_parse(&path, "captures", got), -EINVAL);
	CHECK_INT(conf_parse(&path, "", got), -EINVAL);

	CHECK_INT(conf_parse(&flag, "on", &on), 0);
	CHECK(on);
	CHECK_INT(conf_parse(&flag, "0", &on), 0);
	CHECK(!on);
	CHECK_INT(conf_parse(&flag, "Yes", &on), -EINVAL);
	CHECK_INT(conf_parse(&flag, "", &on), -EINVAL);
}
