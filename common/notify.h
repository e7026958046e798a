/* SPDX-License-Identifier: MIT */
/*
 * Telling the service manager how it goes: sd_notify(3) for what may have foreign text in it. Words of our
 * own (READY=1) go straight to sd_notify().
 */
#pragma once

#include "common/util.h"

/*
 * STATUS= with this text, cleaned as text_clean() does: it can neither begin another assignment (each has a
 * line of its own) nor steer the terminal of whoever reads it with systemctl. A lost one is no error.
 */
void notify_status(const char *fmt, ...) PRINTF(1, 2);
