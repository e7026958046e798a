/* SPDX-License-Identifier: MIT */
/*
 * The units see the folders that are usual, and nothing else of the home or of disks below /mnt,
 * /media and /srv. For what the settings name elsewhere the generator makes drop-ins, which the
 * manager reads after them.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "common/settings/conf.h"
#include "deploy/ours.h"

struct sandbox_needs {
	char home[CONF_VALUE_MAX];
	char usual[CONF_VALUE_MAX + NAME_MAX]; /* "/home/pi/captures": the unit has it */
	char archive[PATH_MAX]; /* to be written; "": none */
	const char *reads
		[CONF_CAMERAS_MAX]; /* to be read: a key, a tuning file, archives; the caller's */
	size_t n_reads;
};

/*
 * `usual` is below the home: "captures"; `archive` "": that; `file`, the caller's, is to be read,
 * "": none. Exit code, told as step "sandbox".
 */
int sandbox_needs_of(struct deploy *deploy, const char *usual, const char *archive,
	const char *file, struct sandbox_needs *ret);

/*
 * The drop-in, the caller's to free; "" where the unit sees all of it. -EINVAL: a path that is not
 * absolute, or has control characters; -ENOMEM.
 */
int sandbox_text(const struct sandbox_needs *needs, char **ret);

/*
 * Makes the drop-in of each of `units`, which end with NULL, in the folder `generated`, and, if
 * there is an archive to be written, the folders of `program` that its units bind: the usual
 * archive, the state. -errno.
 */
int sandbox_generate(const char *generated, const char *program, const char *const units[],
	const struct sandbox_needs *needs);

/*
 * Makes the archive's folder if `make`, removes the drop-in of an older deploypi, and tells as step
 * "sandbox" what the unit sees besides. The manager has to be reloaded afterwards, which
 * units_enable() does. `ret_changed`: what runs still sees something else. Exit code.
 */
int sandbox_open(struct deploy *deploy, const char *unit, const struct sandbox_needs *needs,
	bool make, bool *ret_changed);

/*
 * Removes that drop-in of every unit that is chosen, also of one that is gone. Step "sandbox" where
 * there was one.
 */
int sandbox_close(struct deploy *deploy, const struct ours_choice *choice);
