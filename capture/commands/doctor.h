/* SPDX-License-Identifier: MIT */
/*
 * `capturepi doctor`: what it judges beside common/doctor/doctor.h, as pure functions from facts to
 * findings. Nothing disturbs a running service.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"
#include "common/doctor/doctor.h"
#include "common/journal/record.h"

/* CLI_OK, or CLI_INTERNAL where something failed. */
int doctor_command(struct cli *cli);

/* Of a running service's camera; `error` "": it works. */
struct doctor_finding doctor_camera(const char *model, const char *state, const char *error);
/*
 * Where no service runs: `listed` cameras are there, or -errno, -ENOSYS built without libcamera;
 * `found`: that of the setting `source` is among them.
 */
struct doctor_finding doctor_cameras(const char *source, int listed, bool found);

/*
 * Of a camera that was tried. `error` "": pictures of width x height came. `bytes` and `free` as
 * camera_info.memory_bytes and camera_memory_free() tell them.
 */
struct doctor_trial {
	const char *model, *error;
	int width, height, buffers;
	int64_t bytes, free;
};
struct doctor_finding doctor_camera_trial(const struct doctor_trial *trial);

struct doctor_finding doctor_clock(bool synced);

/*
 * `error` (-errno, 0) at `where` keeps the service from storing. `writable`: whoever runs this can
 * write all of the archive at `path`, so it is the unit's sandbox that cannot.
 */
struct doctor_finding doctor_store(int error, bool writable, const char *where);

/* Whether cgroups can limit memory, by the list of controllers; NULL: no cgroups of version 2. */
struct doctor_finding doctor_memory(const char *controllers);

/*
 * How old the newest frame is; `frame` NULL: there is none. `error` of opening the archive. `due`:
 * slots since that frame that should have one by now.
 */
struct doctor_finding doctor_newest(
	int error, const struct record *frame, int64_t now_us, uint64_t due, bool synced);

/* One line of authorized_keys; sshd(8), AUTHORIZED_KEYS FILE FORMAT. */
struct doctor_key {
	bool ours; /* its command or comment names capturepi or pullpi */
	bool restricted; /* `restrict`, and nothing is allowed again */
	char command[SERVE_COMMAND_MAX]; /* forced; "": none */
	char comment[TEXT_MAX];
};
/* Reads a line without newline. -ENOENT a comment or blank, -EINVAL no key. */
int doctor_key_read(const char *line, size_t length, struct doctor_key *ret);
/*
 * Whether a forced command can be run: 0; -ENODEV the settings of the camera that it names are
 * gone; -errno.
 */
int doctor_command_check(const struct cli *cli, const char *command);
/* `command_error` of that. */
struct doctor_finding doctor_key(const struct doctor_key *key, int command_error);

/* What makes pulling quicker: 1 on, 0 off; below 0 not known. */
struct doctor_finding doctor_network(int no_delay, int slow_start_after_idle, int bbr);
