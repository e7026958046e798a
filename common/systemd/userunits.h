/* SPDX-License-Identifier: MIT */
/*
 * The user's own folder of units, $XDG_CONFIG_HOME/systemd/user, else ~/.config/systemd/user: the
 * links that enable units, and the drop-ins of deploypi. It is read as files: that needs no
 * manager, and also finds what names a unit that is gone.
 */
#pragma once

#include <limits.h>

#include "common/base/limits.h"

#define USERUNITS_DROP_IN "archive.conf" /* deploypi's */

/* -ENAMETOOLONG; -ENOENT there is no home folder. */
int userunits_folder(char ret[static PATH_MAX]);

/*
 * Called once for each link in TARGET.wants/ and each drop-in of deploypi, with the unit's name.
 * `drop_in` is the drop-in's path, NULL for a link. A negative result ends the walk.
 */
typedef int userunits_found(void *data, const char *unit, const char *drop_in);
/* 0, also where there is no such folder; what `found` returned; -errno. */
int userunits_walk(userunits_found *found, void *data);

/* "garden" of "pullpi-sync@garden.timer". -ENOENT: that is no unit PREFIX...@INSTANCE.TYPE. */
int unit_instance(const char *unit, const char *prefix, char ret[static UNIT_NAME_MAX]);
