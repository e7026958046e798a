/* SPDX-License-Identifier: MIT */
/*
 * What `doctor` is made of. A check is a pure function of facts to a finding: a verdict, what is so, and
 * where it is not well what to do. The facts are read elsewhere, each on its own, so that a fact that
 * cannot be read spoils no other check.
 *
 * A finding is one line, or with --json one object a line; totals end it. A machine with warnings is
 * in order (exit 0), one with a failure is not (1).
 */
#pragma once

#include <stdbool.h>

#include "common/cli.h"
#include "common/util.h"

#define DOCTOR_TEXT_MAX 512 /* bytes, NUL included; what is longer is cut */

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_INFO, /* neither good nor bad */
	DOCTOR_WARN, /* works, and will or may not for long */
	DOCTOR_FAIL,
	DOCTOR_VERDICTS
};

struct doctor_finding {
	enum doctor_verdict verdict;
	char text[DOCTOR_TEXT_MAX]; /* what is so */
	char fix[DOCTOR_TEXT_MAX]; /* what to do; "" */
};

/* A finding without a fix, and one with: the fix is a sentence's second half, "run `...`". */
struct doctor_finding PRINTF(2, 3) doctor_find(enum doctor_verdict verdict, const char *fmt, ...);
struct doctor_finding PRINTF(2, 3) doctor_fix(struct doctor_finding finding, const char *fmt, ...);

/* "ok", "info", "warn", "fail". */
const char *doctor_verdict_name(enum doctor_verdict verdict);

struct doctor {
	bool json;
	unsigned counts[DOCTOR_VERDICTS];
};

/*
 * Prints the finding of the check (one word, "linger") and counts it. `camera` is the one it is about,
 * NULL: the machine.
 */
void doctor_tell(struct doctor *doctor, const char *check, const char *camera,
	struct doctor_finding finding);

/*
 * Reads the settings as cli_settings() does, and tells of them: strictly first, but those that a lenient
 * reader takes are good enough to go on with.
 */
int doctor_settings(struct doctor *doctor, struct cli *cli, void **ret);

/* Prints the totals. Returns the exit code: CLI_OK, or CLI_INTERNAL where something failed. */
int doctor_end(const struct doctor *doctor);
