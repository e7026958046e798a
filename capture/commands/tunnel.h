/* SPDX-License-Identifier: MIT */
/*
 * What the hub of capturepi-tunnel.service lets the tunnel's key do. Only the hub knows its
 * authorized_keys, so the key is tried, with ssh as the unit runs it: a command, a port that is not
 * the tunnel's to reach, and one that is not the tunnel's to open must all be refused.
 */
#pragma once

#include "common/doctor/doctor.h"

/* Without text where no tunnel is set up, else up to a minute later. */
struct doctor_finding tunnel_examine(void);
