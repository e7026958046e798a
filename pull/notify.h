/* SPDX-License-Identifier: MIT */
/*
 * Telling the service manager how it goes, as sd_notify(3) describes it: a datagram to the socket in
 * $NOTIFY_SOCKET. That protocol is stable and small; libsystemd would be a dependency of pullpi for
 * these lines alone, on machines that may have no systemd.
 */
#pragma once

#include <stdbool.h>

#include "common/util.h"

/* Whether somebody wants to know. */
bool notify_wanted(void);

/*
 * "READY=1", "WATCHDOG=1\nSTATUS=..."; control characters but the newlines of `fmt` itself are the
 * caller's to keep out. 0; -ENOENT nobody wants to know; -errno, which may be passed over.
 */
int notify(const char *fmt, ...) PRINTF(1, 2);
