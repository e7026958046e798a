/* SPDX-License-Identifier: MIT */
/*
 * What the doctors of both programs share: findings, and the checks of the user's manager, units,
 * the login shell and the disk under an archive. A check is a pure function of facts to a finding:
 * a verdict, what is so, and where it is not well what to do. Facts are read apart from that, each
 * on its own, so that one that cannot be read spoils no other check.
 *
 * A finding is one line, or with --json one object a line; totals end it. A machine with warnings
 * is in order (exit 0), one with a failure is not (1).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/util.h"
#include "common/commands/cli.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

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
	char fix[DOCTOR_TEXT_MAX]; /* what to do, "run `...`"; "" */
};

/*
 * "WHAT IS SO\nWHAT TO DO"; without a newline there is nothing to do. Strings from outside must
 * have passed text_clean(), or end before their first newline.
 */
struct doctor_finding PRINTF(2, 3) doctor_find(enum doctor_verdict verdict, const char *fmt, ...);

/* "ok", "info", "warn", "fail". */
const char *doctor_verdict_name(enum doctor_verdict verdict);

/* Who runs this, and whether programs of theirs run without a login. */
struct doctor_user {
	char name[64];
	uid_t uid;
	bool lingers;
	int linger_error; /* why that is not known; 0 */
	int manager_error; /* why the user's manager does not answer; 0 */
	pid_t manager_pid; /* 0: not known */
};

/* What all checks of one run have. */
struct doctor {
	struct cli *cli;
	bool json;
	const char *camera; /* the one that findings are about; NULL: the machine */
	struct doctor_user user;
	sd_bus *bus; /* to the user's manager; NULL: it does not answer */
	unsigned counts[DOCTOR_VERDICTS];
};

/*
 * Reads the settings as cli_settings() does, and tells of them: strictly first, but those that a
 * lenient reader takes are good enough to go on with. Then reads who runs this and tells of
 * "linger" and "manager"; `deploy` is the command that sets up the program's units. CLI_OK, or an
 * exit code.
 */
int doctor_begin(struct doctor *doctor, struct cli *cli, const char *deploy, void **ret_settings);

/* Prints the finding of the check (one word, "linger") and counts it. */
void doctor_tell(struct doctor *doctor, const char *check, struct doctor_finding finding);

/* Prints the totals. Returns the exit code: CLI_OK, or CLI_INTERNAL where something failed. */
int doctor_end(struct doctor *doctor);

/*
 * `text` up to the first NUL of a file of the system, for free(): also of /proc. It may be a
 * symlink.
 */
int doctor_read_file(const char *path, char **ret);

struct doctor_finding doctor_linger(const struct doctor_user *user, const char *deploy);
struct doctor_finding doctor_manager(const struct doctor_user *user);

/*
 * Group `video`, which owns the camera's devices. A process keeps the groups it was started with.
 */
struct doctor_groups {
	const char *user;
	unsigned uid;
	bool needed; /* false: the simulated camera, or root */
	bool exists; /* there is such a group */
	bool in_database; /* /etc/group has the user in it */
	int in_manager; /* the user's manager has it, and so what that starts; -errno: not known */
};
void doctor_groups_read(const struct doctor_user *user, bool needed, struct doctor_groups *ret);
struct doctor_finding doctor_groups(const struct doctor_groups *groups);

/*
 * The state of a unit, within a few seconds. -ENOTCONN where `bus` is NULL; else as
 * unit_state_read().
 */
int doctor_unit_read(sd_bus *bus, const char *name, struct unit_state *ret);
/* Whether it is there, and enabled or at work. */
bool doctor_unit_used(int error, const struct unit_state *unit);

/* `error` of doctor_unit_read(); where it is 0, `unit` is what was read. */
struct doctor_finding doctor_service(int error, const char *name, const struct unit_state *unit);
/* The same for a timer, which can be active and yet never fire again. `now_us`: wall time. */
struct doctor_finding doctor_timer(
	int error, const char *name, const struct unit_state *unit, int64_t now_us);

/* What a login shell makes of a command without a terminal, as sshd gives it one. */
struct doctor_shell {
	const char *shell, *home; /* "": another machine's, not known here */
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

/* What came of storing a file in a folder as a frame is stored. */
struct doctor_trial {
	const char *path;
	int error; /* -errno of `step`; 0: it worked */
	const char *step;
	bool has_symlinks;
};

struct doctor_use {
	double frames_per_day; /* 0: not known */
	double frame_bytes; /* 0: not known */
	bool makes_room; /* old frames go when space or inodes are short */
	double held_frames; /* in the archive now */
};

void doctor_disk_read(const char *path, struct doctor_disk *ret);
/* Tries it with small hidden files, which it removes again. `folder` must outlive `ret`. */
void doctor_trial_run(const char *folder, struct doctor_trial *ret);

/* Whether what is written there is still there after the power was off. */
struct doctor_finding doctor_real_disk(const struct doctor_disk *disk);
struct doctor_finding doctor_publish(const struct doctor_trial *trial);
/* `error` of place_check(); `required`: a disk has to be there, by the settings or the memory. */
struct doctor_finding doctor_mount(bool required, int error, const char *path);
/* How long space and inodes last at that rate. */
struct doctor_finding doctor_space(const struct doctor_disk *disk, const struct doctor_use *use);

/*
 * Tells "disk", "publish", "mount" and "space" of the archive at `path`; the rest as
 * doctor_mount().
 */
void doctor_tell_disk(struct doctor *doctor, const char *path, bool required, int mount_error,
	const struct doctor_use *use);
