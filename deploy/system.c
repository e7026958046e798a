/* SPDX-License-Identifier: MIT */
/* The account of a system service, its folders, and the change from root to it. */
#include "deploy/system.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/util.h"
#include "common/systemd/userbus.h"

#define SYSUSERS_US (20 * US_PER_SEC)
#define GROUPS_MAX 64

/* systemd-sysusers(8) does nothing where the account is there. */
static int account_make(struct deploy *deploy, const char *program)
{
	CLEANUP(child_result_clear) struct child_result child = { 0 };
	char user[128], group[64];
	const bool camera = strcmp(program, "capturepi") == 0;
	const char *const argv[] = { "systemd-sysusers", "--inline", user, camera ? group : NULL,
		NULL };
	int r;

	snprintf(user, sizeof user, "u %s - \"Service of %s\" " SYSTEM_HOME("%s") " /bin/sh",
		program, program, program);
	snprintf(group, sizeof group, "m %s video", program);
	r = child_run(argv, SYSUSERS_US, &child);
	if (r == 0 && child.code == 0)
		return CLI_OK;
	return report_failed(&deploy->report, CLI_INTERNAL, "account", NULL, deploy->again,
		"systemd-sysusers: %s", r < 0 ? strerror(-r) : child.err);
}

/* A folder in one of root's, given to the account when it is new. */
static int folder_make(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	CLEANUP_FD int fd = -1;

	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fchmod(fd, mode) < 0 || fchown(fd, uid, gid) < 0 ? -errno : 0;
}

/* `pullpi pair` writes its own settings; those of the camera are root's. */
static int folders_make(const struct passwd *account)
{
	const bool own = strcmp(account->pw_name, "pullpi") == 0;
	char settings[64];
	int r = folder_make(account->pw_dir, 0750, account->pw_uid, account->pw_gid);

	snprintf(settings, sizeof settings, "/etc/%s", account->pw_name);
	return r < 0
		? r
		: folder_make(settings, 0755, own ? account->pw_uid : 0, own ? account->pw_gid : 0);
}

/* ~/.config/NAME leads to /etc/NAME, so that all commands of the account find the settings. */
static int settings_link(const char *program)
{
	char target[64], path[96];

	snprintf(target, sizeof target, "/etc/%s", program);
	snprintf(path, sizeof path, SYSTEM_HOME("%s") "/.config", program);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	strcat(strcat(path, "/"), program);
	return symlink(target, path) < 0 && errno != EEXIST ? -errno : 0;
}

/* For good, with the account's groups, and the one that reads the log. */
static int account_become(const struct passwd *account)
{
	const struct group *log = getgrnam("systemd-journal");
	gid_t groups[GROUPS_MAX + 1];
	int n = GROUPS_MAX;

	if (getgrouplist(account->pw_name, account->pw_gid, groups, &n) < 0)
		return -E2BIG;
	if (log)
		groups[n++] = log->gr_gid;
	if (setgroups((size_t)n, groups) < 0 ||
		setresgid(account->pw_gid, account->pw_gid, account->pw_gid) < 0 ||
		setresuid(account->pw_uid, account->pw_uid, account->pw_uid) < 0)
		return -errno;
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_CACHE_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	return setenv("HOME", account->pw_dir, 1) < 0 || chdir(account->pw_dir) < 0 ? -errno : 0;
}

static int bus_open(sd_bus **ret)
{
	CLEANUP(sd_bus_unrefp) sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bus);
	return 0;
}

/* Only root can make another one. */
static int bus_take(void *data, sd_bus **ret)
{
	struct deploy *deploy = data;

	if (!deploy->system)
		return -EPERM;
	*ret = TAKE_PTR(deploy->system);
	return 0;
}

int system_enter(struct deploy *deploy, const char *program)
{
	const char *name = *program ? program : getpwnam("capturepi") ? "capturepi" : "pullpi";
	const struct passwd *account;
	int r;

	if (getuid() != 0)
		return report_failed(&deploy->report, CLI_REFUSED, "account", NULL,
			"run it with sudo, or without --system", "--system is for root");
	r = *program ? account_make(deploy, program) : CLI_OK;
	if (r != CLI_OK)
		return r;
	account = getpwnam(name);
	if (!account)
		return report_failed(&deploy->report, CLI_INTERNAL, "account", NULL,
			"deploypi capture --system, or deploypi pull --system",
			"there is no service of the system here");
	r = folders_make(account);
	if (r == 0)
		r = bus_open(&deploy->system);
	if (r == 0)
		r = account_become(account);
	if (r == 0 && !user_is_system())
		return report_failed(&deploy->report, CLI_REFUSED, "account", NULL,
			"rename that user, or set up the service as that user, without --system",
			"there is a user %s already, with the home %s", name, account->pw_dir);
	if (r == 0)
		r = settings_link(name);
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "account", NULL, deploy->again,
			"%s: %s", name, strerror(-r));
	deploy->manager.open = bus_take;
	deploy->manager.data = deploy;
	if (*program)
		report_ok(&deploy->report, "account", NULL,
			"%s; its commands: `sudo -u %s %s status`, ...", name, name, name);
	return CLI_OK;
}
