/* SPDX-License-Identifier: MIT */
/* Foreign text: UTF-8 and its forgeries, control characters, cutting, UUIDs. */
#include "common/text.h"

#include "common/util.h"
#include "tests/test.h"

static const struct {
	const char *text, *clean;
	bool plain;
} cases[] = {
	{ "", "", true },
	{ "garden 1~", "garden 1~", true },
	{ "Gr\xc3\xbc\xc3\x9f", "Gr\xc3\xbc\xc3\x9f", true },
	{ "\xe2\x82\xac \xf0\x9f\x93\xb7", "\xe2\x82\xac \xf0\x9f\x93\xb7", true },
	{ "\xef\xbf\xbf\xf4\x8f\xbf\xbf", "\xef\xbf\xbf\xf4\x8f\xbf\xbf", true },
	{ "a\tb\nc\x1b[31m\x7f", "a?b?c?[31m?", false },
	{ "\xc2\x9b"
	  "31m\xc2\xa0",
		"?31m\xc2\xa0", false }, /* CSI as one character */
	{ "\x80\xbf", "??", false }, /* no first byte */
	{ "\xc3", "?", false }, /* cut */
	{ "\xe2\x82", "??", false },
	{ "\xc3(", "?(", false },
	{ "\xc0\xaf", "??", false }, /* '/' too long */
	{ "\xe0\x80\xaf", "???", false },
	{ "\xf0\x80\x80\xaf", "????", false },
	{ "\xed\xa0\x80", "???", false }, /* half of a pair */
	{ "\xf4\x90\x80\x80", "????", false }, /* past the end */
	{ "\xf8\x88\x80\x80\x80\xff\xfe", "???????", false },
};

TEST(plain_and_cleaned)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const size_t len = strlen(cases[i].text);
		char clean[64];

		if (!CHECK(text_is_plain(cases[i].text, len) == cases[i].plain))
			fprintf(stderr, "  in case %zu\n", i);
		CHECK_INT(text_clean(cases[i].text, len, clean, sizeof(clean)),
			strlen(cases[i].clean));
		CHECK_STR(clean, cases[i].clean);
		CHECK(text_is_plain(clean, strlen(clean)));
	}
}

TEST(nul_is_a_control_character)
{
	char clean[8];

	CHECK(!text_is_plain("a\0b", 3));
	CHECK_INT(text_clean("a\0b", 3, clean, sizeof(clean)), 3);
	CHECK_STR(clean, "a?b");
}

TEST(never_cuts_a_character)
{
	static const char text[] = "a\xc3\xbc\xe2\x82\xac";
	static const char *const want[] = { "", "a", "a", "a\xc3\xbc", "a\xc3\xbc", "a\xc3\xbc",
		text };

	for (size_t size = 1; size <= ARRAY_SIZE(want); size++) {
		char clean[8] = "zzzzzzz";

		CHECK_INT(text_clean(text, strlen(text), clean, size), strlen(want[size - 1]));
		CHECK_STR(clean, want[size - 1]);
	}
}

TEST(bytes_of_a_character)
{
	CHECK_INT(text_char_bytes("", 0), 0);
	CHECK_INT(text_char_bytes("a", 1), 1);
	CHECK_INT(text_char_bytes("\n", 1), 1);
	CHECK_INT(text_char_bytes("\xc3\xbc", 2), 2);
	CHECK_INT(text_char_bytes("\xc3\xbc", 1), 0);
	CHECK_INT(text_char_bytes("\xf0\x9f\x93\xb7", 4), 4);
}

TEST(uuids)
{
	static const char *const bad[] = {
		"",
		"5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d1",
		"5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d111",
		"5F0C7A9E-0d3b-4c1a-9f55-2b8f6f0a7d11",
		"5f0c7a9e00d3b-4c1a-9f55-2b8f6f0a7d11",
		"5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d1g",
		"5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d1-",
		"../../../../../../../../../../etc/pa",
	};

	CHECK(text_is_uuid("5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11", 36));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!text_is_uuid(bad[i], strlen(bad[i])));
	CHECK(!text_is_uuid("5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d1\0", 36));
}
