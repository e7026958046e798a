/* SPDX-License-Identifier: MIT */
/* Foreign text: UTF-8 and its forgeries, control characters, cutting, UUIDs. */
#include "common/base/text.h"

#include <stdint.h>

#include "common/base/json.h"
#include "common/base/util.h"
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

static size_t encode(uint32_t c, char ret[static 5])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		ret[i] = (char)(0x80 | (c & 0x3f));
	ret[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xf0) | c);
	ret[n] = '\0';
	return n;
}

/* First and last of what passes nowhere, and its neighbours, which do. */
TEST(what_shows_nothing_or_turns_the_rest_is_cleaned)
{
	static const uint32_t hidden[][2] = {
		{ 0x80, 0x9f },
		{ 0xad, 0xad },
		{ 0x34f, 0x34f },
		{ 0x61c, 0x61c },
		{ 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },
		{ 0x180b, 0x180f },
		{ 0x200b, 0x200f },
		{ 0x2028, 0x202e },
		{ 0x2060, 0x206f },
		{ 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0d },
		{ 0xfeff, 0xfeff },
		{ 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 },
		{ 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		for (uint32_t c = hidden[i][0] - 1; c <= hidden[i][1] + 1; c++) {
			const bool in = c >= hidden[i][0] && c <= hidden[i][1];
			char text[5], clean[5];
			size_t len = encode(c, text);

			if (c == 0x7f)
				continue;
			text_clean(text, len, clean, sizeof clean);
			if (!CHECK(strcmp(clean, in ? "?" : text) == 0))
				fprintf(stderr, "  U+%04X\n", (unsigned)c);
		}
	}
}

TEST(cleans_where_it_stands)
{
	char text[] = "a\x1b[1m\xe2\x80\xaeg\xc3\xbc";

	CHECK_INT(text_clean(text, strlen(text), text, sizeof text), 9);
	CHECK_STR(text, "a?[1m?g\xc3\xbc");
}

TEST(formats_whole_characters)
{
	static const char *const want[] = { "", "<", "<", "<\xc3\xbc", "<\xc3\xbc?", "<\xc3\xbc?",
		"<\xc3\xbc?", "<\xc3\xbc?", "<\xc3\xbc?\xf0\x9f\x93\xb7",
		"<\xc3\xbc?\xf0\x9f\x93\xb7>" };

	for (size_t size = 1; size <= ARRAY_SIZE(want); size++) {
		char text[16] = "zzzzzzzzzzzzzzz";

		CHECK_INT(text_format(text, size, "<%s\n%s>", "\xc3\xbc", "\xf0\x9f\x93\xb7"),
			strlen(want[size - 1]));
		CHECK_STR(text, want[size - 1]);
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

#define HOSTILE "\x1b]0;a\a\n\xc2\x9b\xe2\x80\xae\xe2\x80\x8b\xed\xa0\x80\xff"
#define TAMED "?]0;a?????????"

TEST(what_is_printed_neither_steers_nor_begins_a_line)
{
	CLEANUP_FREE char *said = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&said, &len);

	text_print(out, "%s: %-3s|%s\n", HOSTILE, "ok", HOSTILE);
	text_print(out, "%s", "no line");
	text_print(out, "%.3s\n\n", "\n\n\n\n");
	fclose(out);
	CHECK_STR(said, TAMED ": ok |" TAMED "\nno line???\n\n");
}

TEST(a_json_object_has_no_other_texts)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "error", HOSTILE);
	CHECK_STR(json_get_text(o, "/error"), TAMED);
	CHECK_STR(json_text(o), "{\"error\":\"" TAMED "\"}");
	json_object_put(o);
}
