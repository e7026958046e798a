/* SPDX-License-Identifier: MIT */
/*
 * Foreign text. What a remote or a file says may end on somebody's terminal, where a control
 * character is a command: it is refused or replaced at the door.
 */
#include "common/text.h"

#include <stdint.h>
#include <string.h>

#include "common/limits.h"

/* The character at `text` and its bytes; 0 bytes where it is none. */
static size_t decode(const char *text, size_t len, uint32_t *ret)
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

size_t text_char_bytes(const char *text, size_t len)
{
	uint32_t c;

	return decode(text, len, &c);
}

bool text_is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint32_t c = (unsigned char)text[i];
		const bool ascii = c - 0x20 < 0x5f; /* as nearly everything is */
		const size_t bytes = ascii ? 1 : decode(text + i, len - i, &c);

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
		const size_t bytes = decode(text + i, len - i, &c);
		const bool keep = bytes > 0 && !is_control(c);
		const size_t room = keep ? bytes : 1;

		if (used + room >= size)
			break;
		if (keep)
			memcpy(ret + used, text + i, bytes);
		else
			ret[used] = '?';
		used += room;
		i += bytes > 0 ? bytes : 1;
	}
	ret[used] = '\0';
	return used;
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
