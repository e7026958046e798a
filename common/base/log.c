/* SPDX-License-Identifier: MIT */
/* Log lines to stderr, with sd-daemon priorities when stderr is the systemd journal. */
#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/text.h"

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

/* $JOURNAL_STREAM is "device:inode" of the stream that systemd connected, see systemd.exec(5). */
bool log_is_journal(void)
{
	static int known = -1;
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (known < 0)
		known = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
			fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
	return known;
}

static void PRINTF(3, 0) log_line(enum log_level level, int error, const char *fmt, va_list args)
{
	char line[1024];
	const size_t most = sizeof line - 1; /* the newline needs no NUL */
	size_t n = 0;

	if (log_is_journal())
		n = (size_t)snprintf(line, most, "<%d>", level);
	n += text_vformat(line + n, most - n, fmt, args);
	if (error)
		n += text_format(line + n, most - n, ": %s", strerror(error < 0 ? -error : error));
	line[n++] = '\n';
	/*
	 * One write per line: lines of several threads never mix. A lost log line is not an error.
	 */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list args;

	if (level > max_level)
		return;
	va_start(args, fmt);
	log_line(level, 0, fmt, args);
	va_end(args);
}

int log_errno_at(enum log_level level, int error, const char *fmt, ...)
{
	va_list args;

	if (level > max_level)
		return error;
	va_start(args, fmt);
	log_line(level, error, fmt, args);
	va_end(args);
	return error;
}
