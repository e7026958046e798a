/* SPDX-License-Identifier: MIT */
/*
 * Log lines to stderr. Under systemd (stderr is the journal) each line carries its sd-daemon(3)
 * priority prefix "<N>"; on a terminal it does not. Only callers near main() log; library code
 * returns its error (STYLE rule: log or return, never both).
 */
#pragma once

#include <stdbool.h>

#include "common/base/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/* syslog(3) priorities */
enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* Whether stderr is the systemd journal: then a person reads it later, as one line among many. */
bool log_is_journal(void);

/* Lines above `level` are dropped. The default is info. */
void log_set_level(enum log_level level);

/* One line, cut at 1 KB and cleaned as text_clean() does. */
void log_write(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

/* The same, followed by ": strerror(-error)". Returns `error`, for `return log_errno(r, ...)`. */
int log_errno_at(enum log_level level, int error, const char *fmt, ...) PRINTF(3, 4);

#define log_error(...) log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_errno(error, ...) log_errno_at(LOG_LEVEL_ERR, (error), __VA_ARGS__)
#define log_warning_errno(error, ...) log_errno_at(LOG_LEVEL_WARNING, (error), __VA_ARGS__)

#ifdef __cplusplus
}
#endif
