/* SPDX-License-Identifier: MIT */
/*
 * The other cameras of this user on this machine, by their settings files: two services that want
 * the same camera or the same archive are in each other's way, and each alone cannot tell.
 */
#pragma once

#include "capture/settings/settings.h"
#include "common/commands/cli.h"
#include "common/doctor/doctor.h"

/*
 * What two services must not share: DOCTOR_FAIL; DOCTOR_WARN where they may be lucky; DOCTOR_OK.
 * `name`: the other's, as in "capturepi@porch".
 */
struct doctor_finding rivals_judge(const struct capture_settings *mine,
	const struct capture_settings *other, const char *name);

/*
 * Calls `found` for each other service that is enabled or runs and that is not DOCTOR_OK. Settings
 * of -c FILE are no service's, and have no rivals. Returns how many are DOCTOR_FAIL.
 */
typedef void rivals_found(void *data, const struct doctor_finding *finding);
int rivals_find(const struct cli *cli, const struct capture_settings *mine, rivals_found *found,
	void *data);

/* Calls `found` for each capturepi@NAME.service that is enabled though its settings are gone. */
void rivals_find_gone(
	const struct cli *cli, void (*found)(void *data, const char *name), void *data);
/* Whether there are settings of the camera `name`; NULL: the first, which needs none. */
bool rivals_has_settings(const struct cli *cli, const char *name);
