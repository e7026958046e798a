/* SPDX-License-Identifier: MIT */
/*
 * The other cameras of this user on this machine, by their settings files: two services that use
 * the same camera or the same archive disturb each other, and neither can see why.
 */
#pragma once

#include "capture/settings/settings.h"
#include "common/commands/cli.h"
#include "common/doctor/doctor.h"

/*
 * Compares two services by what they must not share: DOCTOR_FAIL, DOCTOR_WARN where they may be
 * lucky, DOCTOR_OK. `name`: the other's, "capturepi@porch".
 */
struct doctor_finding rivals_judge(const struct capture_settings *mine,
	const struct capture_settings *other, const char *name);

/*
 * Calls `found` for each other service that is enabled or runs and is not DOCTOR_OK, and with
 * DOCTOR_WARN for each that is enabled though its settings are gone. Settings of -c FILE belong to
 * no service and have no rivals. Returns how many are DOCTOR_FAIL.
 */
typedef void rivals_found(void *data, const struct doctor_finding *finding);
int rivals_find(const struct cli *cli, const struct capture_settings *mine, rivals_found *found,
	void *data);

/* Whether there is a settings file of the camera `name`. */
bool rivals_has_settings(const struct cli *cli, const char *name);
