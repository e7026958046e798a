/* SPDX-License-Identifier: MIT */
/* What this side of an SSH connection offers: ciphers, host keys; and no settings but ours. */
#pragma once

#include <libssh/libssh.h>

#include "pull/ssh/endpoint.h"

/* For a connection to `to` over the descriptor. -ENOSYS: libssh refuses one of the options. */
int ssh_offer_set(ssh_session session, const struct endpoint *to, int fd);
