/* SPDX-License-Identifier: MIT */
/*
 * What deploypi says while it works: a line for each step as it ends, on stdout; with --json an
 * object a line. A failed step says on stderr what is wrong, the last log lines of the unit, and
 * what to do next.
 *
 *   {"step":"start","result":"failed","unit":"x.service","text":"...","next":"...","log":["..."]}
 */
#pragma once

#include <stdbool.h>

#include "common/base/util.h"
#include "common/commands/cli.h"
#include "deploy/unitlog.h"

#define REPORT_TEXT_MAX 1024

enum step_result {
	STEP_OK, /* done, or was so already */
	STEP_WARN, /* goes on, but the person should know */
	STEP_FAILED,
};

struct report {
	const struct cli *cli;
	bool json;
};

struct step {
	const char *name; /* one word: "linger" */
	const char *unit; /* NULL: of no unit */
	enum step_result result;
	const char *next; /* what to do; NULL: nothing */
	const struct unitlog *log; /* NULL: none */
};

/* Tells it. The text is one sentence without a full stop; foreign bytes in it are cleaned. */
void report_step(const struct report *report, const struct step *step, const char *fmt, ...)
	PRINTF(3, 4);

/* The same for what has no next step and no log. */
void report_ok(const struct report *report, const char *name, const char *unit, const char *fmt,
	...) PRINTF(4, 5);
/* Returns `code`, so `return report_failed(...)`. `next` NULL: nothing. */
int report_failed(const struct report *report, int code, const char *name, const char *unit,
	const char *next, const char *fmt, ...) PRINTF(6, 7);
