/* SPDX-License-Identifier: MIT */
/* Groups, lingering and the manager. */
#include "deploy/setup.h"

#include <errno.h>
#include <grp.h>
#include <string.h>

#include "common/clock.h"
#include "common/userbus.h"

#define CAMERA_GROUP "video"
#define MANAGER_WAIT_NS (60 * NS_PER_SEC) /* a Pi with a slow card, at its first boot */

/* 0: unknown. */
static pid_t manager_pid(void)
{
	CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

	return userbus_open(&bus) < 0 ? 0 : userbus_pid(bus);
}

void setup_warn_of_groups(struct deploy *deploy)
{
	const struct group *entry = getgrnam(CAMERA_GROUP);
	gid_t video = entry ? entry->gr_gid : 0;
	char user[64], next[REPORT_TEXT_MAX];
	pid_t pid;

	if (!entry || getuid() == 0)
		return;
	setup_user(user);
	if (!user_has_group(user, video)) {
		snprintf(next, sizeof next,
			"sudo usermod -aG " CAMERA_GROUP
			" %s && sudo systemctl restart user@%u, then again: `%s`",
			user, (unsigned)getuid(), deploy->again);
		report_step(&deploy->report,
			&(struct step){ .name = "groups", .result = STEP_WARN, .next = next },
			"%s is not in the group " CAMERA_GROUP " and may not open a camera", user);
		return;
	}
	pid = manager_pid();
	if (pid > 0 && process_has_group(pid, video) == 0) {
		snprintf(next, sizeof next, "sudo systemctl restart user@%u, then again: `%s`",
			(unsigned)getuid(), deploy->again);
		report_step(&deploy->report,
			&(struct step){ .name = "groups", .result = STEP_WARN, .next = next },
			"%s came to the group " CAMERA_GROUP
			" after the user's manager had started; its services are not in it",
			user);
		return;
	}
	report_ok(&deploy->report, "groups", NULL, "%s is in the group " CAMERA_GROUP, user);
}

static int tell_linger_error(
	struct deploy *deploy, const char *user, int error, const sd_bus_error *bus_error)
{
	char next[REPORT_TEXT_MAX];

	snprintf(next, sizeof next, "sudo loginctl enable-linger %s, then again: `%s`", user,
		deploy->again);
	if (error == -EACCES)
		return report_failed(&deploy->report, CLI_REFUSED, "linger", NULL, next,
			"a user may not switch it on here: polkitd does not run, or its rules "
			"forbid "
			"it (%s)",
			bus_error->message ? bus_error->message : bus_error->name);
	if (error == -ENOENT)
		snprintf(next, sizeof next,
			"sudo apt-get install dbus libpam-systemd, then again: `%s`",
			deploy->again);
	return report_failed(&deploy->report, CLI_INTERNAL, "linger", NULL, next, "%s",
		bus_error->message ? bus_error->message : strerror(-error));
}

/* Also where lingering is on and no manager is there: logind starts it then. */
static int set_linger(struct deploy *deploy)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	char user[64], runtime[PATH_MAX];
	bool on = false;
	int r;

	setup_user(user);
	if (linger_get(user, &on) == 0 && on && userbus_runtime(runtime) == 0) {
		report_ok(&deploy->report, "linger", NULL,
			"is on for %s: services run without a login", user);
		return CLI_OK;
	}
	r = linger_set(NULL, getuid(), true, &error);
	if (r < 0)
		return tell_linger_error(deploy, user, r, &error);
	report_ok(&deploy->report, "linger", NULL,
		"switched on for %s: services run without a login", user);
	return CLI_OK;
}

static void tell_version(struct deploy *deploy)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *version = "of an unknown version";
	int r = session_call(deploy->session,
		&(struct session_call){
			.interface = "org.freedesktop.DBus.Properties",
			.member = "Get",
		},
		&error, &reply, "ss", USERBUS_MANAGER, "Version");

	if (r >= 0)
		sd_bus_message_read(reply, "v", "s", &version);
	report_ok(&deploy->report, "manager", NULL, "the user's systemd %s answers", version);
}

static int connect_until(struct deploy *deploy, int64_t wait_ns, const char *next)
{
	int r = session_connect(deploy->session, clock_mono_ns(&clock_real) + wait_ns);

	if (r == 0)
		return CLI_OK;
	if (r == -ETIMEDOUT)
		return report_failed(&deploy->report, CLI_TEMPFAIL, "manager", NULL, next,
			"no manager of this user answers (/run/user/%u/systemd/private)",
			(unsigned)getuid());
	if (r == -EPERM)
		return report_failed(&deploy->report, CLI_REFUSED, "manager", NULL, NULL,
			"/run/user/%u is not this user's alone", (unsigned)getuid());
	return units_tell_error(deploy, "manager", NULL, r, NULL);
}

int setup_manager(struct deploy *deploy)
{
	char next[REPORT_TEXT_MAX];
	int r = set_linger(deploy);

	if (r != CLI_OK)
		return r;
	snprintf(next, sizeof next, "systemctl status user@%u", (unsigned)getuid());
	r = connect_until(deploy, MANAGER_WAIT_NS, next);
	if (r == CLI_OK)
		tell_version(deploy);
	return r;
}

int setup_connect(struct deploy *deploy)
{
	return connect_until(deploy, 2 * NS_PER_SEC,
		"deploypi capture, or deploypi pull: they switch lingering on");
}
