/* SPDX-License-Identifier: MIT */
/*
 * What the doctors of both programs share: findings, and the checks of the user's manager, units,
 * the login shell and the disk under an archive. A doctor is a table of checks. What a check knows
 * is a pure function of facts to a finding: a verdict, what is so, and what to do about it. Each
 * check reads its own facts, so that one that cannot be read spoils no other check.
 *
 * A finding is printed as one line, or with --json as one object a line; totals end the list. A
 * machine with warnings is in order (exit 0), one with a failure is not (1).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/vfs.h>

#include "common/base/util.h"
#include "common/commands/cli.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

#define DOCTOR_TEXT_MAX 512 /* bytes, NUL included; longer text is cut */

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_INFO, /* neither good nor bad */
	DOCTOR_WARN, /* works, but may not for long */
	DOCTOR_FAIL,
	DOCTOR_VERDICTS
};

struct doctor_finding {
	enum doctor_verdict verdict;
	char text[DOCTOR_TEXT_MAX]; /* what is so; "": there is nothing to tell */
	char fix[DOCTOR_TEXT_MAX]; /* what to do, "run `...`"; "" */
};

/*
 * "WHAT IS SO\nWHAT TO DO"; without a newline there is nothing to do. Foreign strings must have
 * passed text_clean(), or end before their first newline.
 */
struct doctor_finding PRINTF(2, 3) doctor_find(enum doctor_verdict verdict, const char *fmt, ...);

/* "ok", "info", "warn", "fail". */
const char *doctor_verdict_name(enum doctor_verdict verdict);

/* What all checks of one run share. */
struct doctor {
	struct cli *cli;
	bool json;
	const char *camera; /* that the findings are about; NULL: the machine */
	char user[64];
	sd_bus *bus; /* to the user's manager; NULL: it does not answer */
	unsigned counts[DOCTOR_VERDICTS];
};

/*
 * Reads the settings as cli_settings() does and tells of them: strictly first; settings that only a
 * lenient reader takes are a finding, and the checks go on with them. Then tells of "linger" and
 * "manager"; `deploy` is the command that sets up the program's units. CLI_OK, or an exit code.
 */
int doctor_begin(struct doctor *doctor, struct cli *cli, const char *deploy, void **ret_settings);

/*
 * Prints the finding of a check and counts it; one without text is passed over. Where --name NAME
 * was given, each "`capturepi" in what to do becomes "`capturepi --name NAME".
 */
void doctor_tell(struct doctor *doctor, const char *check, struct doctor_finding finding);

/* Prints the totals. Returns the exit code: CLI_OK, or CLI_INTERNAL where something failed. */
int doctor_end(struct doctor *doctor);

/*
 * The text up to the first NUL of a system file, also in /proc, for free(). It may be a symlink.
 */
int doctor_read_file(const char *path, char **ret);

/* `lingers`: as linger_get(). */
struct doctor_finding doctor_linger(const char *user, int lingers, const char *deploy);
/* `error`: why the user's manager does not answer, -errno; 0: it does. */
struct doctor_finding doctor_manager(const char *user, uid_t uid, int error);

/*
 * Whether this user's services may use the camera, whose devices belong to the group `video`. A
 * process keeps the groups it was started with, so the manager, process `manager` (0: not known),
 * may lack a group that its user has.
 */
struct doctor_finding doctor_groups(const char *user, pid_t manager);
/* The facts are 1 for yes, 0 for no; below 0: there is no such group, the manager is not known. */
struct doctor_finding doctor_groups_judge(
	const char *user, uid_t uid, int user_has, int manager_has);

/* Reads a unit; where that fails, its load state is "not known", which is a finding of its own. */
void doctor_unit_read(sd_bus *bus, const char *name, struct unit_state *ret);
/* Whether it is there, and enabled or at work. */
bool doctor_unit_is_used(const struct unit_state *unit);
/* Of a service, or of a timer, which can be active and yet never fire. `now_us`: wall time. */
struct doctor_finding doctor_unit(const struct unit_state *unit, int64_t now_us);

/*
 * What a login shell makes of a command without a terminal, as sshd runs it: `error` (-ETIMEDOUT,
 * -EFBIG, other: it cannot be run; 0), its exit status `code`, and what it printed of its own.
 * `shell` and `home` are "" for another machine's.
 */
struct doctor_finding doctor_shell(
	const char *shell, const char *home, int error, int code, const char *said);

/*
 * The file system of `path`, or of the nearest folder above it that exists, `ret_path`. 0, -errno.
 */
int doctor_disk_read(const char *path, char ret_path[static PATH_MAX], struct statfs *ret);
/*
 * Stores a file in a folder as a frame is stored, and removes it. 1: all of it works; 0: all but
 * symlinks; -errno of *ret_step, "lock it (flock)".
 */
int doctor_trial_run(const char *folder, const char **ret_step);

struct doctor_use {
	double frames_per_day; /* 0: not known */
	double frame_bytes; /* 0: not known */
	bool makes_room; /* the oldest frames go when space or inodes are short */
	double held_frames; /* in the archive now */
};

/* Whether files there outlive a power cut. `error` of doctor_disk_read(). */
struct doctor_finding doctor_disk(const char *path, int error, const struct statfs *fs);
/* `result` and `step` of doctor_trial_run(). */
struct doctor_finding doctor_publish(const char *path, int result, const char *step);
/* `error` of place_check(); `required`: a disk must be there, by the settings or the memory. */
struct doctor_finding doctor_mount(bool required, int error, const char *path);
/* How long space and inodes last at that rate. */
struct doctor_finding doctor_space(
	const char *path, int error, const struct statfs *fs, const struct doctor_use *use);

/* Tells "disk", "publish", "mount" and "space" of the archive at `path`; `required` and
 * `mount_error` as doctor_mount() has them.
 */
void doctor_tell_disk(struct doctor *doctor, const char *path, bool required, int mount_error,
	const struct doctor_use *use);
