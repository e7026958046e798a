/* SPDX-License-Identifier: MIT */
/*
 * The systemd manager of the user who runs this program: its private socket, which needs no login
 * session, no dbus-daemon and no environment, so that it works from ssh, cron and `sudo -u`; the
 * groups that its services get; lingering, which keeps it alive when nobody is logged in; and the
 * status that a service reports. A room of its own, since it needs libsystemd.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "common/base/util.h"

#define USERBUS_SYSTEMD "org.freedesktop.systemd1"
#define USERBUS_MANAGER "org.freedesktop.systemd1.Manager"
#define USERBUS_PATH "/org/freedesktop/systemd1"

/*
 * Whether this user is the account of a system service, which `deploypi --system` makes: capturepi
 * or pullpi, with the home /var/lib/NAME. Its manager is then process 1, its units are those of the
 * system, and it needs no lingering.
 */
bool user_is_system(void);
/* The home of that account. */
#define SYSTEM_HOME(name) "/var/lib/" name

/*
 * A hint of ours, "run `systemctl --user start x`", as it is right for this user: without --user
 * for such an account. Returns `text` or `buf`.
 */
const char *user_hint(const char *text, char *buf, size_t size);

/*
 * The runtime folder of this user: $XDG_RUNTIME_DIR where that is a folder of ours, else
 * /run/user/UID; /run for the account of a system service. -ENOENT there is none, since no manager
 * of the user runs; -EPERM it belongs to somebody else or others may write to it.
 */
int userbus_runtime(char ret[static PATH_MAX]);

/*
 * Connects to the user's manager, or for the account of a system service to the system bus, whose
 * calls have 5 s; for sd_bus_flush_close_unref(). -ENOENT none runs; -ECONNREFUSED, -ECONNRESET one
 * starts or ends at this moment; -EPERM as above; other -errno. A failed log-in to the bus only
 * shows in the first call.
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

/* Whether `user` lingers, from logind's folder, which everybody can read: 1, 0; -errno. */
int linger_get(const char *user);

/*
 * Asks logind to let `uid` linger, without a password prompt. The answer comes before the user's
 * manager is up. `system` NULL: opens the system bus. The uid must be explicit: without a session,
 * logind takes none to be "whoever owns the session".
 *
 * -EACCES not allowed (polkit says no or cannot be asked), -ENOENT no system bus or no logind,
 * other -errno. `error` gets logind's words, or ours where the bus is missing.
 */
int linger_enable(sd_bus *system, uid_t uid, sd_bus_error *error);

/*
 * Reports STATUS= to the service manager (sd_notify(3)), cleaned as text_clean() does: so foreign
 * text can neither begin another assignment nor steer the terminal of a reader of systemctl.
 * Failures are ignored. Words of our own (READY=1) go straight to sd_notify().
 */
void notify_status(const char *fmt, ...) PRINTF(1, 2);
