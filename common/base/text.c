/* SPDX-License-Identifier: MIT */
/*
 * Foreign text. What a remote or a file says may end on somebody's terminal, where a control
 * character is a command: it is refused or replaced at the door.
 */
#include "common/base/text.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/limits.h"
#include "common/base/util.h"

/* The character at `text` and its bytes; 0 bytes where it is none. */
static size_t text_decode(const char *text, size_t len, uint32_t *ret)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char first = len > 0 ? (unsigned char)*text : 0x80;
	const size_t bytes = first < 0x80 ? 1
		: first < 0xc0            ? 0
		: first < 0xe0            ? 2
		: first < 0xf0            ? 3
		: first < 0xf8            ? 4
					  : 0;
	uint32_t c = bytes == 1 ? first : first & (0x7fu >> bytes);

	if (bytes == 0 || bytes > len)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)text[i] & 0x3f);
	}
	/* longer than it must be, a half of a UTF-16 pair, or past the last character */
	if (c < smallest[bytes] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	*ret = c;
	return bytes;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/*
 * What shows nothing of itself, or changes how the rest is shown: Unicode's format characters, its
 * line and paragraph separators and what else is ignorable by default (UCD 15,
 * DerivedCoreProperties). The two selectors between a text's and an emoji's look (U+FE0E, U+FE0F)
 * are free: they belong to the sign.
 */
static bool is_hidden(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0xad, 0xad }, /* soft hyphen */
		{ 0x34f, 0x34f }, /* grapheme joiner */
		{ 0x61c, 0x61c }, /* bidi: Arabic letter mark */
		{ 0x115f, 0x1160 }, /* Hangul fillers */
		{ 0x17b4, 0x17b5 }, /* Khmer inherent vowels */
		{ 0x180b, 0x180f }, /* Mongolian selectors */
		{ 0x200b, 0x200f }, /* zero width; bidi marks */
		{ 0x2028, 0x202e }, /* separators; bidi embeddings and overrides */
		{ 0x2060, 0x206f }, /* word joiner, bidi isolates, ... */
		{ 0x3164, 0x3164 }, /* Hangul filler */
		{ 0xfe00, 0xfe0d }, /* variation selectors */
		{ 0xfeff, 0xfeff }, /* byte order mark */
		{ 0xffa0, 0xffa0 }, /* Hangul filler, half width */
		{ 0xfff0, 0xfffb }, /* annotations */
		{ 0x1bca0, 0x1bca3 }, /* shorthand */
		{ 0x1d173, 0x1d17a }, /* music */
		{ 0xe0000, 0xe0fff }, /* tags; more selectors */
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

bool text_is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint32_t c = (unsigned char)text[i];
		const bool ascii = c - 0x20 < 0x5f; /* as nearly everything is */
		const size_t bytes = ascii ? 1 : text_decode(text + i, len - i, &c);

		if (bytes == 0 || is_control(c))
			return false;
		i += bytes;
	}
	return true;
}

size_t text_clean(const char *text, size_t len, char *ret, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		const size_t bytes = text_decode(text + i, len - i, &c);
		const bool keep = bytes > 0 && !is_control(c) && !is_hidden(c);
		const size_t room = keep ? bytes : 1;

		if (used + room >= size)
			break;
		if (keep)
			memmove(ret + used, text + i, bytes);
		else
			ret[used] = '?';
		used += room;
		i += bytes > 0 ? bytes : 1;
	}
	ret[used] = '\0';
	return used;
}

size_t text_vformat(char *ret, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(ret, size, fmt, args);
	size_t len = n < 0 ? 0 : (size_t)n;

	if (len >= size) {
		uint32_t c;
		size_t start = len = size - 1;

		/* a character that the end cuts goes as a whole */
		while (start > 0 && len - start < 3 &&
			((unsigned char)ret[start - 1] & 0xc0) == 0x80)
			start--;
		start -= start > 0;
		if ((unsigned char)ret[start] >= 0xc0 &&
			text_decode(ret + start, len - start, &c) == 0)
			len = start;
	}
	return text_clean(ret, len, ret, size);
}

size_t text_format(char *ret, size_t size, const char *fmt, ...)
{
	va_list args;
	size_t len;

	va_start(args, fmt);
	len = text_vformat(ret, size, fmt, args);
	va_end(args);
	return len;
}

void text_print(FILE *out, const char *fmt, ...)
{
	CLEANUP_FREE char *text = NULL;
	size_t ends = 0, len = strlen(fmt);
	va_list args;
	int n;

	while (ends < len && fmt[len - 1 - ends] == '\n')
		ends++;
	assert(!memchr(fmt, '\n', len - ends));
	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return;
	}
	len = text_clean(text, (size_t)n - ends, text, (size_t)n + 1);
	memset(text + len, '\n', ends);
	fwrite(text, 1, len + ends, out);
}

const char *text_skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

char *text_last_line(char *text)
{
	size_t n = strlen(text);
	char *line;

	while (n > 0 && (unsigned char)text[n - 1] <= 0x20)
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

bool text_is_uuid(const char *text, size_t len)
{
	static const char pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	_Static_assert(sizeof(pattern) == UUID_CHARS + 1, "a UUID has 36 characters");
	if (len != UUID_CHARS)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (pattern[i] == '-' ? text[i] != '-'
				      : !text[i] || !strchr("0123456789abcdef", text[i]))
			return false;
	}
	return true;
}
