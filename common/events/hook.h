/* SPDX-License-Identifier: MIT */
/*
 * `hook`: runs a command of the user's for each picture of an archive once the picture is durable,
 * one at a time, in the order of their numbers.
 *
 * At least once: a picture is done when its command ended with 0, and hook-ID.json in the state
 * folder, of the archive with that id, says so durably. Whatever ends in between, the command runs
 * again. The file has the numbers that are done as ranges, since a puller's pictures arrive in any
 * order: one that comes late has its turn late, and none is skipped.
 *
 * A picture whose command fails keeps its turn, and the others wait. After `tries` it is given up,
 * but only if the command works for the newest picture: so one bad picture does not stop all
 * others, and an outage of what the command talks to, however long, costs none. Pictures that were
 * removed before their turn are passed over. All three are counted, and shown by `status` and
 * `metrics`.
 *
 * One hook of an archive runs at a time, by a lock that its command inherits: even when only the
 * hook is killed, the next one waits for the end of what it started.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/archive/archive.h"
#include "common/commands/cli.h"

struct fs_ops;
struct json_object;

struct hook_settings {
	char command[CONF_VALUE_MAX]; /* for sh; "": there is none */
	int64_t timeout_us, retry_us, tries;
};

#define HOOK_RETRY_MAX_US (INT64_C(3600) * 1000000) /* between two tries */
#define HOOK_RANGES_MAX 20000 /* of what is done; beyond, the oldest hole counts as passed over */

/* The section [hook] of a program's table; `field` is a struct hook_settings in its settings. */
#define HOOK_ITEMS(type, field)                                                                    \
	{ "hook", "command", &conf_string, CONF_FIELD(type, field.command), "",                    \
		"What `hook` runs for each picture, by sh: $1 is its path, $2 its number, $3 its " \
		"slot, $4 the camera; empty: nothing",                                             \
		.unset = "" },                                                                     \
		{ "hook", "timeout", &conf_duration, CONF_FIELD(type, field.timeout_us), "5min",   \
			"How long it may take; then it is ended, and has failed", .min = 1000000,  \
			.max = INT64_C(86400000000) },                                             \
		{ "hook", "retry", &conf_duration, CONF_FIELD(type, field.retry_us), "1min",       \
			"How long after a failure it is tried again; twice as long after each "    \
			"further one, an hour at most",                                            \
			.min = 1000000, .max = HOOK_RETRY_MAX_US },                                \
	{                                                                                          \
		"hook", "tries", &conf_int, CONF_FIELD(type, field.tries), "5",                    \
			"After so many failures a picture is given up, if the command works for "  \
			"the newest one",                                                          \
			.min = 1, .max = 1000000                                                   \
	}

/* What a hook is about. */
struct hook_job {
	const struct hook_settings *settings;
	/* The archive, for reading; NULL `camera`: by the archive's own name. -errno. */
	int (*open)(const void *data, struct archive **ret);
	const void *data;
	const char *camera;
	const struct fs_ops *fs; /* that the state is written by; NULL: the system's calls */
};

/*
 * The command; its options are hook_options. Without --retry it ends when nothing is left or the
 * first picture fails (CLI_TEMPFAIL); with it only when nothing is left. An archive without a state
 * file begins with its newest picture. Exit code.
 */
int hook_command(struct cli *cli, const struct hook_job *job);
extern const struct cli_option hook_options[];

/*
 * What became of an archive's pictures, for `status`: _ran_, _given_up_, _passed_, _waiting_ (lines
 * of the journal), _error_ ("": the last one worked), and with an error _number_, _tries_, _since_.
 * NULL: no hook ever ran. To be freed.
 */
struct json_object *hook_object(const char *program, struct archive *archive);
/* The same as a line for people; nothing for NULL. */
void hook_print(struct json_object *hook);
