/* SPDX-License-Identifier: MIT */
/*
 * Does the same work for every camera, each in a process of its own: one that hangs, fails or
 * crashes takes no other with it. A bounded number is connected at once. A camera that does not
 * answer is not counted, so any number of dead ones keeps no other waiting.
 *
 * It is at the edge of the program: it tells the person of processes that crash, and returns an
 * exit code.
 */
#pragma once

#include <stdbool.h>

#include "common/commands/cli.h"
#include "pull/settings/settings.h"

#define ALL_JOBS_DEFAULT 4

/* The process of one camera. */
struct worker;
/* Says whether it is connected now; `worker` NULL: nobody wants to know. */
void worker_connected(struct worker *worker, bool yes);

struct all_options {
	const struct cli *cli;
	const struct pull_settings *settings;
	unsigned jobs; /* connected at once, 1 or more */
	/* Runs in the camera's own process, which writes stdout by lines. Returns an exit code. */
	int (*work)(void *data, const struct camera_settings *camera, struct worker *worker);
	void *data;
};

/*
 * Starts with those that answered last time. The processes end with this one, however it ends.
 * Returns what all_code() makes of their exit codes.
 */
int all_cameras(const struct all_options *options);

/*
 * Of two exit codes, the one that a person has to care for most: 1 before 78, 77, 76, then 75 (a
 * later try is all that is needed), and 0 only if both are 0.
 */
int all_code(int a, int b);

/* The value of --jobs. CLI_OK or CLI_USAGE. */
int all_jobs(const struct cli *cli, unsigned *ret);
