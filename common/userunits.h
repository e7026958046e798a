/* SPDX-License-Identifier: MIT */
/*
 * What stands in the user's own folder of units, $XDG_CONFIG_HOME/systemd/user, else ~/.config/systemd/user: the links
 * that enable units, and the drop-ins of deploypi. As files, so that no manager is needed, and what names a unit
 * that is gone is found too.
 */
#pragma once

#include <limits.h>

#include "common/limits.h"

#define USERUNITS_DROP_IN "archive.conf" /* deploypi's */

/* -ENAMETOOLONG; -ENOENT there is no home folder. */
int userunits_folder(char ret[static PATH_MAX]);

/*
 * Called with each name of a unit that a link in TARGET.wants/ or a drop-in of deploypi has; once for each. `drop_in` is the
 * drop-in's path, NULL for a link. A negative result ends the walk.
 */
typedef int userunits_found(void *data, const char *unit, const char *drop_in);
/* 0, also where there is no such folder; what `found` returned; -errno. */
int userunits_walk(userunits_found *found, void *data);

/* "garden" of "pullpi-sync@garden.timer". -ENOENT: that is no unit PREFIX...@INSTANCE.TYPE. */
int unit_instance(const char *unit, const char *prefix, char ret[static UNIT_NAME_MAX]);
