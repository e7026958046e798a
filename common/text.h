/* SPDX-License-Identifier: MIT */
/* Foreign text: what is UTF-8 (RFC 3629), what a terminal can be given, what looks like a UUID. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at `text`: 1 to 4, or 0 where it is not UTF-8 or `len` cuts it. */
size_t text_char_bytes(const char *text, size_t len);

/* UTF-8 without control characters (C0, DEL, C1) in all of `len` bytes; NUL is one of them. */
bool text_is_plain(const char *text, size_t len);

/*
 * Copies `len` bytes to `ret` of `size` (1 at least), NUL behind it: each control character and each
 * byte that is not UTF-8 becomes '?', what does not fit is cut off before a character. What comes
 * out is plain. Returns its length.
 */
size_t text_clean(const char *text, size_t len, char *ret, size_t size);

/* 36 characters, lower case: "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11". */
bool text_is_uuid(const char *text, size_t len);
