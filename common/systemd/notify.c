/* SPDX-License-Identifier: MIT */
/* The status line of a service. */
#include "common/systemd/notify.h"

#include <stdarg.h>
#include <systemd/sd-daemon.h>

#include "common/base/limits.h"
#include "common/base/text.h"

void notify_status(const char *fmt, ...)
{
	char text[STATUS_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	text_vformat(text, sizeof text, fmt, args);
	va_end(args);
	sd_notifyf(0, "STATUS=%s", text);
}
