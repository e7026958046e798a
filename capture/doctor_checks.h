/* SPDX-License-Identifier: MIT */
/*
 * What `capturepi doctor` judges beside common/doctor_host.h: facts that were read, and pure functions
 * from them to findings.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/doctor.h"
#include "common/limits.h"

/* Group `video`, which owns the camera's devices. A process keeps the groups it was started with. */
struct doctor_groups {
	const char *user;
	unsigned uid;
	bool needed; /* false: the test camera, or root */
	bool exists; /* there is such a group */
	bool in_database; /* /etc/group has the user in it */
	bool manager_known, in_manager; /* the user's manager has it, and so what that starts */
};
struct doctor_finding doctor_groups(const struct doctor_groups *groups);

/* From the running service, or from a list of the cameras where none runs. */
struct doctor_camera {
	const char *source; /* the setting */
	bool running; /* then: */
	char state[32], model[128], error[TEXT_MAX];
	int listed; /* else: how many there are, or -errno; -ENOSYS: built without libcamera */
	bool found; /* the one of the settings is among them */
};
struct doctor_finding doctor_camera(const struct doctor_camera *camera);

struct doctor_finding doctor_clock(bool synced);

/*
 * What hinders the running service from storing; `error` "" nothing. `writable`: we can write there, so it is the
 * unit's sandbox that cannot.
 */
/* `error`, -errno, at `where`; `writable`: for who runs this, all of the archive at `path` is. */
struct doctor_finding doctor_store(int error, bool writable, const char *where, const char *path);

/* Whether cgroups can limit and count memory; `known`: there are cgroups of version 2 to ask. */
struct doctor_finding doctor_memory(bool known, bool has_memory);

/* How old the newest frame may be by the schedule. */
struct doctor_newest {
	int error; /* of the archive; -ENOENT: there is none yet */
	bool has_frame;
	bool in_future;
	int64_t age_us;
	uint64_t due; /* slots since, that should have a frame by now */
	bool synced;
};
struct doctor_finding doctor_newest(const struct doctor_newest *newest);

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
 * `program_error`: whether the command's program can be run; 0 also where that is not known. -ENODEV: it is for another
 * camera, whose settings are gone.
 */
struct doctor_finding doctor_key(const struct doctor_key *key, int program_error);

/* What makes pulling quicker; -1: not known or not there. */
struct doctor_network {
	int no_delay; /* of ssh.socket */
	int slow_start_after_idle;
	char congestion[32]; /* "cubic"; "" */
};
struct doctor_finding doctor_network(const struct doctor_network *network);
