/* SPDX-License-Identifier: MIT */
/* The commands of pullpi, as the table in main.c has them. Each returns an exit code. */
#pragma once

#include <limits.h>

#include "common/commands/cli.h"
#include "common/contact/peer_state.h"
#include "common/journal/record.h"
#include "pull/settings/settings.h"

int command_attest(struct cli *cli); /* attest_command.c */
int command_doctor(struct cli *cli); /* doctor.c */
int command_fetch(struct cli *cli); /* commands.c */
int command_follow(struct cli *cli); /* follow_command.c */
int command_forget(struct cli *cli); /* forget_command.c */
int command_sync(struct cli *cli); /* sync_command.c */
int command_hook(struct cli *cli); /* events.c */
int command_list(struct cli *cli); /* gaps_command.c */
int command_metrics(struct cli *cli); /* events.c */
int command_status(struct cli *cli); /* status.c */

extern const struct cli_option attest_options[], doctor_options[], fetch_options[];
extern const struct cli_option forget_options[], sync_options[];

struct json_object;

/* What --json of `status` tells of a camera, to be freed with json_object_put(). */
struct json_object *camera_status_object(const struct camera_settings *camera);
/* What --json tells of a frame, into an object. */
void add_frame(struct json_object *o, const struct record *frame, const char *path);
/* "taken 3 s ago", or when it was where the two clocks disagree. Returns `buf`. */
const char *describe_age(const struct record *frame, char *buf, size_t size);

/*
 * Notes the result of a visit, or of storing here (CLI_OK: something was stored), and tells what
 * failed: a person each time, the log of a service when it changes.
 */
void report_result(const struct cli *cli, const char *camera, enum peer_side side, int code,
	const char *error);

/* The same of a session that has ended, with what the camera said of itself. */
struct session_result;
void report_session(
	const struct cli *cli, const char *camera, int code, const struct session_result *result);

/* Notes what the camera said of itself, where it answered, and the rate. */
void report_seen(const char *camera, const struct sighting *sighting, int64_t rate);
/* Tells what happened, into the log of a service as a warning; "" is nothing. */
void report_warning(const struct cli *cli, const char *camera, const char *text);
/* Tells why something failed; the log of a service gets it only if that `changed`. */
void report_failure(
	const struct cli *cli, const char *camera, int code, const char *error, bool changed);
struct history_fork;
/* The keys of --json of a camera that has another history, where it has. */
void add_fork(struct json_object *o, const struct history_fork *fork);
/* Tells what retention did here, after something was stored. */
void report_room(const struct cli *cli, const char *camera, uint64_t removed, int error);

/*
 * Runs `all->work` for the camera that is named, the only one, or with --all each of them; `all`
 * needs its work and data only.
 */
struct all_options;
int command_each(struct cli *cli, struct all_options *all);

/* For cli_list() and cli_verify(). */
int choose_archive(struct cli *cli, const void *settings, char ret[static PATH_MAX]);
