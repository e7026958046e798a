/* SPDX-License-Identifier: MIT */
/*
 * The systemd manager of the user who runs this program, reached over its private socket, which
 * needs no login session, no dbus-daemon and no environment: so it works in a command of ssh, cron
 * or `sudo -u`. Also lingering, which keeps that manager alive when nobody is logged in, and the
 * manager's groups, which its services get. A library of its own, since it needs libsystemd.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#define USERBUS_SYSTEMD "org.freedesktop.systemd1"
#define USERBUS_MANAGER "org.freedesktop.systemd1.Manager"
#define USERBUS_PATH "/org/freedesktop/systemd1"

/*
 * The runtime folder of this user: $XDG_RUNTIME_DIR where that is a folder of ours, else
 * /run/user/UID. -ENOENT there is none, since no manager of the user runs; -EPERM it belongs to
 * somebody else or others may write to it.
 */
int userbus_runtime(char ret[static PATH_MAX]);

/*
 * A connection to the user's manager; for sd_bus_flush_close_unref(). -ENOENT no manager runs;
 * -ECONNREFUSED, -ECONNRESET one starts or ends just now; -EPERM as above; other -errno. Errors of
 * the log-in to the bus only show in the first call.
 */
int userbus_open(sd_bus **ret);
/* The process at the other end of such a connection; 0: not known. */
pid_t userbus_pid(sd_bus *bus);

/*
 * A manager keeps the groups that its user had when it started. 1 the process has the group, 0 not;
 * -errno where that cannot be read.
 */
int process_has_group(pid_t pid, gid_t group);
/* By the user database: what the next manager of this user will have. */
bool user_has_group(const char *user, gid_t group);

/* Whether `user` lingers. From logind's folder, which everybody can read; -errno. */
int linger_get(const char *user, bool *ret);

/*
 * Asks logind to let `uid` linger, without asking anybody for a password. The answer comes before
 * the user's manager is up. `system` NULL: the system bus is opened. `error` says what was
 * answered, in words for people where the bus itself is missing; the result is then negative:
 * -EACCES not allowed (polkit says no or cannot be asked), -ENOENT no system bus or no logind,
 * other -errno. The uid must be explicit: without a session, logind takes none to be "whoever owns
 * the session".
 */
int linger_set(sd_bus *system, uid_t uid, bool on, sd_bus_error *error);
