/* SPDX-License-Identifier: MIT */
/* Frame names: one spelling each, and nothing else gets through. */
#include "common/journal/name.h"

#include "common/base/clock.h"
#include "common/base/util.h"
#include "tests/test.h"

#define LAST_US INT64_C(253402300799000000) /* 9999-12-31T23:59:59Z */

TEST(there_and_back)
{
	static const struct {
		struct frame_name name;
		const char *text, *folder;
	} cases[] = {
		{ { INT64_C(1795190460000000), 123 }, "20261120T160100Z-00000123.jpg",
			"2026/11/20" },
		{ { 0, 1 }, "19700101T000000Z-00000001.jpg", "1970/01/01" },
		{ { LAST_US, SEQ_MAX }, "99991231T235959Z-999999999999.jpg", "9999/12/31" },
		{ { INT64_C(951782400000000), 99999999 }, "20000229T000000Z-99999999.jpg",
			"2000/02/29" },
		{ { INT64_C(951782400000000), 100000000 }, "20000229T000000Z-100000000.jpg",
			"2000/02/29" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct frame_name name = { 0 };
		char text[FRAME_NAME_MAX], path[FRAME_PATH_MAX], want[FRAME_PATH_MAX];

		CHECK_INT(frame_name_format(&cases[i].name, text), 0);
		CHECK_STR(text, cases[i].text);
		CHECK_INT(frame_name_parse(text, strlen(text), &name), 0);
		CHECK_INT(name.slot_us, cases[i].name.slot_us);
		CHECK_INT(name.seq, cases[i].name.seq);

		CHECK_INT(frame_name_folder(&cases[i].name, path), 0);
		CHECK_STR(path, cases[i].folder);
		CHECK_INT(frame_name_path(&cases[i].name, path), 0);
		snprintf(want, sizeof(want), "%s/%s", cases[i].folder, cases[i].text);
		CHECK_STR(path, want);
		name = (struct frame_name){ 0 };
		CHECK_INT(frame_path_parse(path, strlen(path), &name), 0);
		CHECK_INT(name.slot_us, cases[i].name.slot_us);
		CHECK_INT(name.seq, cases[i].name.seq);
	}
}

TEST(cuts_fractions_of_the_slot)
{
	const struct frame_name name = { INT64_C(1795190460999999), 7 };
	char text[FRAME_NAME_MAX];

	CHECK_INT(frame_name_format(&name, text), 0);
	CHECK_STR(text, "20261120T160100Z-00000007.jpg");
}

TEST(refuses_to_format)
{
	static const struct frame_name cases[] = {
		{ 0, 0 },
		{ 0, SEQ_MAX + 1 },
		{ 0, UINT64_MAX },
		{ -1, 1 },
		{ TIME_NONE, 1 },
		{ LAST_US + US_PER_SEC, 1 },
		{ INT64_MAX, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[FRAME_NAME_MAX], path[FRAME_PATH_MAX];

		CHECK_INT(frame_name_format(&cases[i], text), -ERANGE);
		CHECK_INT(frame_name_folder(&cases[i], path), -ERANGE);
		CHECK_INT(frame_name_path(&cases[i], path), -ERANGE);
	}
}

TEST(refuses_names)
{
	static const char *const cases[] = {
		"",
		".",
		"..",
		"latest.jpg",
		"20261120T160100Z-00000123",
		"20261120T160100Z-00000123.jpeg",
		"20261120T160100Z-00000123.JPG",
		"20261120T160100Z-00000123.jpg ",
		" 20261120T160100Z-00000123.jpg",
		"20261120T160100Z-00000123.jpg/",
		"/20261120T160100Z-00000123.jpg",
		"20261120T160100Z-00000123.jpg\n",
		"20261120t160100z-00000123.jpg",
		"20261120T160100Z_00000123.jpg",
		"20261120T160100Z-0000123.jpg", /* too few digits */
		"20261120T160100Z-000000123.jpg", /* a zero too many */
		"20261120T160100Z-0100000000.jpg",
		"20261120T160100Z-1000000000000.jpg", /* over SEQ_MAX */
		"20261120T160100Z-00000000.jpg", /* no such number */
		"20261120T160100Z-+0000123.jpg",
		"20261120T160100Z--0000123.jpg",
		"20261120T160100Z-../../..jpg",
		"20261120T160100Z-0000012a.jpg",
		"20261120T240000Z-00000123.jpg",
		"20261120T166000Z-00000123.jpg",
		"20261120T160160Z-00000123.jpg",
		"20261131T160100Z-00000123.jpg",
		"20260229T160100Z-00000123.jpg",
		"20261320T160100Z-00000123.jpg",
		"20260020T160100Z-00000123.jpg",
		"19691231T235959Z-00000123.jpg",
		"2026112_T160100Z-00000123.jpg",
		"../../../../../etc/passwd",
		"20261120T160100Z-0000012\xef\xbc\x93.jpg",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct frame_name name = { 42, 42 };

		if (!CHECK(frame_name_parse(cases[i], strlen(cases[i]), &name) == -EINVAL))
			fprintf(stderr, "  for \"%s\"\n", cases[i]);
		CHECK(name.slot_us == 42 && name.seq == 42);
	}
	CHECK_INT(
		frame_name_parse("20261120T160100Z-00000123.jpg\0", 30, &(struct frame_name){ 0 }),
		-EINVAL);
	CHECK_INT(frame_name_parse("20261120T160100Z-0000\0"
				   "123.jpg",
			  29, &(struct frame_name){ 0 }),
		-EINVAL);
}

TEST(refuses_long_names)
{
	char text[4096];
	struct frame_name name;

	memset(text, '0', sizeof(text));
	for (size_t len = 0; len < sizeof(text); len += 13)
		CHECK_INT(frame_name_parse(text, len, &name), -EINVAL);
}

TEST(refuses_paths)
{
	static const char *const cases[] = {
		"",
		"20261120T160100Z-00000123.jpg",
		"2026/11/21/20261120T160100Z-00000123.jpg", /* another day's */
		"2026/11/20//20261120T160100Z-00000123.jpg",
		"/2026/11/20/20261120T160100Z-00000123.jpg",
		"./2026/11/20/20261120T160100Z-00000123.jpg",
		"2026/11/20/../20/20261120T160100Z-00000123.jpg",
		"2026-11-20/20261120T160100Z-00000123.jpg",
		"2026/11/20\\20261120T160100Z-00000123.jpg",
		"2026/11/20/",
		"../../../../20261120T160100Z-00000123.jpg",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct frame_name name = { 42, 42 };

		if (!CHECK(frame_path_parse(cases[i], strlen(cases[i]), &name) == -EINVAL))
			fprintf(stderr, "  for \"%s\"\n", cases[i]);
		CHECK(name.slot_us == 42 && name.seq == 42);
	}
}
