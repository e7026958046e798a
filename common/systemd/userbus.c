/* SPDX-License-Identifier: MIT */
/* How the user's manager and logind are reached, and what a service tells its manager. */
#include "common/systemd/userbus.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "common/base/limits.h"
#include "common/base/text.h"
#include "common/base/util.h"

#define CALL_US (UINT64_C(5) * 1000000) /* a manager that hangs must not hold its caller */
#define GROUPS_MAX 256 /* of a user */

/* Only this user may write to the folder; else its owner could pose as the manager. */
static int check_folder(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	return S_ISDIR(st.st_mode) && st.st_uid == getuid() && !(st.st_mode & 022) ? 0 : -EPERM;
}

bool user_is_system(void)
{
	const struct passwd *user = getpwuid(getuid());

	return user &&
		((strcmp(user->pw_name, "capturepi") == 0 &&
			 strcmp(user->pw_dir, SYSTEM_HOME("capturepi")) == 0) ||
			(strcmp(user->pw_name, "pullpi") == 0 &&
				strcmp(user->pw_dir, SYSTEM_HOME("pullpi")) == 0));
}

const char *user_hint(const char *text, char *buf, size_t size)
{
	static const char word[] = " --user";
	char *at;

	if (!text || !strstr(text, word) || !user_is_system())
		return text;
	snprintf(buf, size, "%s", text);
	while ((at = strstr(buf, word)))
		memmove(at, at + strlen(word), strlen(at + strlen(word)) + 1);
	return buf;
}

int userbus_runtime(char ret[static PATH_MAX])
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];
	int r;

	if (user_is_system()) {
		strcpy(ret, "/run");
		return 0;
	}
	/* `sudo -u` and `su` may leave that of another user there */
	if (xdg && *xdg == '/' && strlen(xdg) < PATH_MAX && check_folder(xdg) == 0) {
		strcpy(ret, xdg);
		return 0;
	}
	snprintf(path, sizeof path, "/run/user/%u", (unsigned)getuid());
	r = check_folder(path);
	if (r == 0)
		strcpy(ret, path);
	return r;
}

/* Process 1 answers there to everybody what it tells of a unit. */
static int userbus_open_system(sd_bus **ret)
{
	CLEANUP(sd_bus_unrefp) sd_bus *bus = NULL;
	int r = sd_bus_open_system(&bus);

	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, CALL_US);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bus);
	return 0;
}

int userbus_open(sd_bus **ret)
{
	CLEANUP(sd_bus_unrefp) sd_bus *bus = NULL;
	char folder[PATH_MAX], address[3 * PATH_MAX + 64] = "unix:path=";
	char *end = address + strlen(address);
	int r = userbus_runtime(folder);

	if (r < 0)
		return r;
	if (user_is_system())
		return userbus_open_system(ret);
	for (const char *p = folder; *p; p++)
		end += snprintf(end, 4, "%%%02x", (unsigned char)*p); /* as sd-bus escapes */
	strcpy(end, "/systemd/private");
	r = sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, CALL_US);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bus);
	return 0;
}

pid_t userbus_pid(sd_bus *bus)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof peer;
	int fd = sd_bus_get_fd(bus);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return 0;
	return peer.pid;
}

int process_has_group(pid_t pid, gid_t group)
{
	CLEANUP_FILE FILE *file = NULL;
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		char *rest, *word = strtok_r(line, " \t\n", &rest);

		if (!word || strcmp(word, "Groups:") != 0)
			continue;
		while ((word = strtok_r(NULL, " \t\n", &rest)))
			if (strtoul(word, NULL, 10) == group)
				return 1;
		return 0;
	}
	return -EBADMSG;
}

bool user_has_group(const char *user, gid_t group)
{
	const struct passwd *entry = getpwnam(user);
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX;

	if (!entry)
		return false;
	if (getgrouplist(user, entry->pw_gid, groups, &n) < 0)
		n = GROUPS_MAX;
	for (int i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return false;
}

int linger_get(const char *user)
{
	char path[PATH_MAX];

	if (!*user || strchr(user, '/') || *user == '.')
		return -EINVAL;
	if (snprintf(path, sizeof path, "/var/lib/systemd/linger/%s", user) >= (int)sizeof path)
		return -ENAMETOOLONG;
	if (access(path, F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int open_system(sd_bus **ret, sd_bus_error *error)
{
	int r = sd_bus_open_system(ret);

	if (r >= 0)
		return 0;
	sd_bus_error_setf(error, "capturepi.NoSystemBus",
		"the system bus cannot be reached (%s); is the package dbus installed and running?",
		strerror(-r));
	return -ENOENT;
}

int linger_enable(sd_bus *system, uid_t uid, sd_bus_error *error)
{
	CLEANUP(sd_bus_flush_close_unrefp) sd_bus *own = NULL;
	int r = system ? 0 : open_system(&own, error);

	if (r < 0)
		return r;
	r = sd_bus_call_method(system ? system : own, "org.freedesktop.login1",
		"/org/freedesktop/login1", "org.freedesktop.login1.Manager", "SetUserLinger", error,
		NULL, "ubb", (uint32_t)uid, true, false);
	if (r >= 0)
		return 0;
	if (sd_bus_error_has_names(
		    error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return -ENOENT;
	/* also what logind heard when it asked polkit, which may be masked or broken */
	return sd_bus_error_is_set(error) && r != -ETIMEDOUT ? -EACCES : r;
}

void notify_status(const char *fmt, ...)
{
	char text[STATUS_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	text_vformat(text, sizeof text, fmt, args);
	va_end(args);
	sd_notifyf(0, "STATUS=%s", text); /* ours now */
}
