/* SPDX-License-Identifier: MIT */
/*
 * Foreign text: what is UTF-8 (RFC 3629), what a terminal can be given, what looks like a UUID.
 *
 * Words of a peer, a file or a device are cleaned where they leave the program. Each way out has
 * one function that does so: text_print() for a terminal, log_write(), json_new_text(),
 * jsonline_format() for files of ours, notify_status(). tests/style looks for what goes round them.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/* UTF-8 without control characters (C0, DEL, C1) in all of `len` bytes; NUL is one of them. */
bool text_is_plain(const char *text, size_t len);

/*
 * The door for all that a peer, a file or a device says before it reaches a terminal, a log, the
 * service manager or a file of ours. Copies `len` bytes to `ret` of `size` (1 at least), which may
 * be `text` itself, and ends them with a NUL. '?' stands for each control character (C0, DEL, C1;
 * newlines too), for each character that shows nothing or changes the direction of the rest (zero
 * width, bidi, line separators, tags) and for each byte that is not UTF-8. What does not fit is cut
 * off before a character. What comes out is plain, and cleaning it again changes nothing. Returns
 * its length.
 */
size_t text_clean(const char *text, size_t len, char *ret, size_t size);

/*
 * As snprintf(3), and cleaned as a whole. No argument may be `ret`. Returns the length that it has.
 */
size_t text_format(char *ret, size_t size, const char *fmt, ...) PRINTF(3, 4);
size_t text_vformat(char *ret, size_t size, const char *fmt, va_list args) PRINTF(3, 0);

/*
 * As fprintf(3), to a terminal or to whoever reads stdout; no argument can steer either or begin a
 * line. `fmt` has newlines at its end at most. Errors show in ferror(3); without memory nothing is
 * printed.
 */
void text_print(FILE *out, const char *fmt, ...) PRINTF(2, 3);

/* Where the text goes on after blanks and tabs. */
const char *text_skip_blanks(const char *text);

/* The last line of `text`; blanks and control characters at its end are cut off. */
char *text_last_line(char *text);

/* 36 characters, lower case: "5f0c7a9e-0d3b-4c1a-9f55-2b8f6f0a7d11". */
bool text_is_uuid(const char *text, size_t len);

#ifdef __cplusplus
}
#endif
