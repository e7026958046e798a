/* SPDX-License-Identifier: MIT */
/*
 * `metrics`: what `status --json` tells, as Prometheus reads it (its text format, version 0.0.4).
 * Nothing is counted here: a table says which member of a camera's status becomes which metric, so
 * the two cannot disagree.
 *
 * Names and units are by Prometheus' conventions: seconds, bytes, _total for what only grows. What
 * a service counts begins again at 0 when the service starts, which rate() and increase() expect.
 */
#pragma once

#include <stddef.h>

#include "common/commands/cli.h"

struct json_object; /* of json-c */

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_SUMMARY };

/*
 * How a member becomes a sample: a number is multiplied by `scale`, a boolean is 0 or 1, a time is
 * seconds since 1970, another text is 1 with itself as the value of `label`, or without `label` 1
 * if it is not empty, and an object is one sample for each member, with its name as the value of
 * `label`. A member that is not there is no sample.
 */
struct metric {
	const char *name;
	enum metric_type type;
	const char *help; /* one line; rows of one name follow each other, the first one has it */
	const char *pointer; /* to the member (RFC 6901) */
	const char *label, *value; /* one more than `camera`; NULL: none, or as above */
	double scale; /* 0: 1 */
	const char *suffix; /* of the sample's name, "_count" of a summary; NULL: none */
	bool zero; /* the sample is 0 where the member is not there */
};

/* Writes all rows for all objects, NULL ones left out; "/camera" is the value of `camera`. */
void metrics_write(const struct metric *rows, size_t n_rows, struct json_object *const objects[],
	size_t n_objects, FILE *out);

/*
 * The state of the services of this user that the manager knows whose names fit one of the
 * NULL-terminated `patterns`: {"failed":{"pullpi-sync@garden.service":false},"restarts":{...:0}};
 * NULL: there is no manager to ask, or no memory.
 */
struct json_object *metrics_units(const char *const patterns[]);

/*
 * The command: to stdout, or with --output to a file that is replaced at once, so that nobody reads
 * half of it. Frees the objects. Exit code.
 */
int metrics_command(struct cli *cli, const struct metric *rows, size_t n_rows,
	struct json_object *const objects[], size_t n_objects);
extern const struct cli_option metrics_options[];
