/* SPDX-License-Identifier: MIT */
/*
 * The units may write ~/captures or ~/pulled, and disks below /mnt, /media and /srv. An archive
 * that is somewhere else has to be opened to them by a drop-in.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "deploy/ours.h"

/*
 * Whether `unit` may write `archive` as it is shipped: it is `usual` or below it, or on such a
 * disk.
 */
bool sandbox_is_open(const char *usual, const char *archive);

/* The drop-in's text. -EINVAL: no absolute path, or one with control characters; -ENAMETOOLONG. */
int sandbox_drop_in(const char *archive, char ret[static 2 * PATH_MAX]);

/*
 * Makes the folder `archive` if `make`, and ~/.config/systemd/user/UNIT.d/archive.conf; or removes
 * that file where it is not needed any more. `usual` is below the home: "captures". The manager has
 * to be reloaded afterwards, which units_enable() does. Tells what it did as step "sandbox" and
 * returns an exit code.
 */
int sandbox_open(
	struct deploy *deploy, const char *unit, const char *usual, const char *archive, bool make);

/*
 * Removes that file of every unit that is chosen, also of one that is gone. Step "sandbox" where
 * there was one.
 */
int sandbox_close(struct deploy *deploy, const struct ours_choice *choice);
