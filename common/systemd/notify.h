/* SPDX-License-Identifier: MIT */
/*
 * Tells the service manager the status: sd_notify(3) for what may contain foreign text. Words of
 * our own (READY=1) go straight to sd_notify().
 */
#pragma once

#include "common/base/util.h"

/*
 * Sends STATUS= with this text, cleaned as text_clean() does: so it can neither begin another
 * assignment (each has a line of its own) nor steer the terminal of a reader of systemctl. A lost
 * one is no error.
 */
void notify_status(const char *fmt, ...) PRINTF(1, 2);
