/* SPDX-License-Identifier: MIT */
/*
 * The checks that both programs share: the user's manager, units, and the disk under an archive. Reading
 * and judging are apart; what judges is pure.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/doctor.h"
#include "common/unitstate.h"
#include "common/userbus.h"

#define DOCTOR_FILE_MAX (16 * 1024 * 1024)

/*
 * A file of the system, NUL behind it, for free(): also of /proc, where sizes are 0. It may be a
 * symlink. -EFBIG over DOCTOR_FILE_MAX.
 */
int doctor_read_file(const char *path, char **ret);

/* Who runs this, and whether programs of theirs run without a login. */
struct doctor_user {
	char name[64];
	uid_t uid;
	bool lingers;
	int linger_error; /* why that is not known; 0 */
	int manager_error; /* why the user's manager does not answer; 0 */
	pid_t manager_pid; /* 0: not known */
};

/* Reads that; `ret_bus` is a connection to the manager or NULL, for sd_bus_flush_close_unref(). */
void doctor_user_read(struct doctor_user *ret, sd_bus **ret_bus);

/* `deploy`: what sets up the program's units, and that as well. */
struct doctor_finding doctor_linger(const struct doctor_user *user, const char *deploy);
struct doctor_finding doctor_manager(const struct doctor_user *user);

/*
 * The state of a unit, within a few seconds. -ENOTCONN where `bus` is NULL; else as
 * unit_state_read().
 */
int doctor_unit_read(sd_bus *bus, const char *name, struct unit_state *ret);

/* `error` of doctor_unit_read(); where it is 0, `unit` is what was read. */
struct doctor_finding doctor_service(int error, const char *name, const struct unit_state *unit);
/* The same for a timer, which can be active and yet never fire again. `now_us`: wall time. */
struct doctor_finding doctor_timer(
	int error, const char *name, const struct unit_state *unit, int64_t now_us);

/* What a login shell makes of a command without a terminal, as sshd gives it one. */
struct doctor_shell {
	char shell[PATH_MAX], home[PATH_MAX]; /* "": another machine's, not known here */
	int error; /* -ETIMEDOUT, -EFBIG; other: it cannot be run; 0 */
	int code; /* its exit status */
	const char *said; /* what it printed of its own, on stdout */
};
struct doctor_finding doctor_shell(const struct doctor_shell *shell);

/* The file system of a path, or of the nearest folder above it that is there. */
struct doctor_disk {
	char path[PATH_MAX]; /* the one that was looked at */
	int error; /* -errno; 0 */
	int64_t type; /* f_type of statfs(2) */
	bool read_only;
	int64_t bytes, free_bytes; /* free: for a user */
	int64_t inodes, free_inodes; /* 0 in all: the file system has no such limit */
};

void doctor_disk_read(const char *path, struct doctor_disk *ret);

/* Whether what is written there is still there after the power was off. */
struct doctor_finding doctor_real_disk(const struct doctor_disk *disk);

/* What came of storing a file in a folder as a frame is stored. */
struct doctor_trial {
	char path[PATH_MAX];
	int error; /* -errno of `step`; 0: it worked */
	const char *step;
	bool has_symlinks;
};

/* Tries it with small hidden files, which it removes again. */
void doctor_trial_run(const char *folder, struct doctor_trial *ret);
struct doctor_finding doctor_publish(const struct doctor_trial *trial);

struct doctor_use {
	double frames_per_day; /* 0: not known */
	double frame_bytes; /* 0: not known */
	bool makes_room; /* old frames go when space or inodes are short */
	double held_frames; /* in the archive now */
};

/* `error` of place_check(); `required`: a disk has to be there, by the settings or the memory. */
struct doctor_finding doctor_mount(bool required, int error, const char *path);

/* How long space and inodes last at that rate. */
struct doctor_finding doctor_space(const struct doctor_disk *disk, const struct doctor_use *use);
