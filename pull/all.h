/* SPDX-License-Identifier: MIT */
/*
 * The same work for every camera, a process for each: one that hangs, fails or crashes takes no other
 * with it. A bounded number is connected at once; a camera that does not answer is not counted, so
 * any number of dead ones keeps no other waiting.
 *
 * At the edge of the program: it tells the person of processes that crash, and returns an exit code.
 */
#pragma once

#include <stdbool.h>

#include "common/cli.h"
#include "pull/settings.h"

#define ALL_JOBS_DEFAULT 4

/* What a camera's process tells of itself. */
struct worker;
/* Whether it is connected now; `worker` NULL: nobody wants to know. */
void worker_connected(struct worker *worker, bool yes);

struct all_options {
	const struct cli *cli;
	const struct pull_settings *settings;
	unsigned jobs; /* connected at once, 1 or more */
	/* In the camera's own process, whose stdout is written by lines. Returns an exit code. */
	int (*work)(void *data, const struct camera_settings *camera, struct worker *worker);
	void *data;
};

/*
 * Those that answered last time go first. The processes end with this one, however it ends. Returns
 * what all_code() makes of the exit codes.
 */
int all_cameras(const struct all_options *options);

/*
 * The exit code of two: the one that a person has to care for most. 0 only where both are 0, 75 where
 * a later try is all that is needed, else in this order: 1, 78, 77, 76.
 */
int all_code(int a, int b);

/* The value of --jobs. CLI_OK or CLI_USAGE. */
int all_jobs(const struct cli *cli, unsigned *ret);
