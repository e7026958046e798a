/* SPDX-License-Identifier: MIT */
/*
 * The one door between text and HTML. A format is ours and is written as it is; what %s brings may
 * be a peer's: it is cleaned as text_clean() does, escaped for text and quoted attributes, and cut
 * at HTML_TEXT_MAX bytes. Of printf's other conversions, those of numbers may be used.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "common/base/util.h"

#define HTML_TEXT_MAX 1024

void html_put(FILE *out, const char *fmt, ...) PRINTF(2, 3);

/* Local times: "Tue, 24 November 2026", "17:01:00", and as <time> with both. */
#define LOCAL_TEXT_MAX 64
const char *local_date(int64_t wall_us, char buf[static LOCAL_TEXT_MAX]);
const char *local_time(int64_t wall_us, char buf[static LOCAL_TEXT_MAX]);
/* "2026-11-24", as the addresses of the pages have it. */
const char *local_day(int64_t wall_us, char buf[static LOCAL_TEXT_MAX]);
void html_put_time(FILE *out, int64_t wall_us);
