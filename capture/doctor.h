/* SPDX-License-Identifier: MIT */
/* `capturepi doctor`: reads the facts of this machine, has them judged, tells. */
#pragma once

#include "capture/doctor_checks.h"
#include "capture/settings.h"
#include "common/child.h"
#include "common/cli.h"
#include "common/doctor_host.h"

/*
 * Facts, read without disturbing a running service. What cannot be read is "not known" or an error in
 * the struct.
 */
void doctor_groups_read(
	const struct doctor_user *user, const char *source, struct doctor_groups *ret);
void doctor_memory_read(bool *ret_known, bool *ret_has_memory);
void doctor_network_read(struct doctor_network *ret);
/* Runs the login shell as sshd does; what it printed is for child_result_clear(). */
void doctor_shell_read(
	const struct doctor_user *user, struct doctor_shell *ret, struct child_result *ret_child);
/* Whether a forced command can be run: 0; -ENODEV the settings of the camera that it names are gone; other -errno. */
int doctor_command_check(const struct cli *cli, const char *command);

/* CLI_OK, or CLI_INTERNAL where something failed. */
int doctor_command(struct cli *cli);
