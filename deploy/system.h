/* SPDX-License-Identifier: MIT */
/*
 * --system: the stricter way, for root. The services are those of process 1, each program under an
 * account of its own that nobody logs in to, with its pictures and state in /var/lib/NAME and its
 * settings in /etc/NAME. deploypi itself becomes that account as soon as it is connected to process
 * 1, which knows the connection as root's: all that follows is as for a person, see
 * user_is_system().
 */
#pragma once

#include "deploy/units.h"

#define SYSTEM_OPTION                                                                              \
	{                                                                                          \
		"system", 0, NULL, "as root: a service of the system, with a user of its own"      \
	}

/*
 * Makes the account of `program` with its folders, connects to process 1 and becomes that account.
 * `program` "": an account that is there. Step "account" where something is wrong. Exit code.
 */
int system_enter(struct deploy *deploy, const char *program);
