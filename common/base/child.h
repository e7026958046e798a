/* SPDX-License-Identifier: MIT */
/*
 * Child processes. child_run() asks one of our programs something and takes its answer: `capturepi
 * check`, `pullpi dump --json`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_OUTPUT_MAX (1024 * 1024)

struct child_result {
	int code; /* exit status; 128 + the signal that ended it */
	char *out, *err; /* NUL-terminated; for child_result_clear() */
};

/*
 * Runs argv[0], looked for beside this program and then in $PATH, with an empty stdin, and waits
 * for its end. -ENOENT there is no such program; -ETIMEDOUT it was ended after `timeout_us`; -EFBIG
 * over CHILD_OUTPUT_MAX; other -errno. It gets Ctrl-C as everybody in the terminal does.
 */
int child_run(const char *const argv[], int64_t timeout_us, struct child_result *ret);
void child_result_clear(struct child_result *result);

/*
 * Starts `program`, looked for in $PATH, with these descriptors as its stdin, stdout and stderr;
 * all others must be close-on-exec. No signal is blocked there, and SIGPIPE ends it. -errno.
 */
int child_start(
	const char *program, const char *const argv[], int in, int out, int err, pid_t *ret);
/* Waits for its end: the exit status, 128 + the signal that ended it, or -errno. */
int child_wait(pid_t pid);
