/* SPDX-License-Identifier: MIT */
/* Facts of a camera's machine, as they stand in /proc, /sys and the user database. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "capture/doctor.h"
#include "capture/rivals.h"

#define CALL_US (UINT64_C(5) * 1000000)
#define SHELL_US (INT64_C(10) * 1000000)

void doctor_groups_read(
	const struct doctor_user *user, const char *source, struct doctor_groups *ret)
{
	const struct group *video = getgrnam("video");
	int r;

	*ret = (struct doctor_groups){
		.user = user->name,
		.uid = (unsigned)user->uid,
		.needed = user->uid != 0 && strcmp(source, "test") != 0,
		.exists = video != NULL,
	};
	if (!video)
		return;
	ret->in_database = user_has_group(user->name, video->gr_gid);
	if (user->manager_pid <= 0)
		return;
	r = process_has_group(user->manager_pid, video->gr_gid);
	ret->manager_known = r >= 0;
	ret->in_manager = r > 0;
}

void doctor_memory_read(bool *ret_known, bool *ret_has_memory)
{
	CLEANUP_FREE char *text = NULL;

	*ret_known = doctor_read_file("/sys/fs/cgroup/cgroup.controllers", &text) == 0;
	*ret_has_memory = *ret_known && strstr(text, "memory");
}

static int socket_no_delay(void)
{
	CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	int value = 0;

	if (sd_bus_open_system(&bus) < 0)
		return -1;
	sd_bus_set_method_call_timeout(bus, CALL_US);
	if (sd_bus_get_property_trivial(bus, USERBUS_SYSTEMD, USERBUS_PATH "/unit/ssh_2esocket",
		    "org.freedesktop.systemd1.Socket", "NoDelay", NULL, 'b', &value) < 0)
		return -1;
	return value;
}

void doctor_network_read(struct doctor_network *ret)
{
	CLEANUP_FREE char *idle = NULL, *congestion = NULL;

	*ret = (struct doctor_network){ .no_delay = -1, .slow_start_after_idle = -1 };
	if (doctor_read_file("/proc/sys/net/ipv4/tcp_slow_start_after_idle", &idle) == 0)
		ret->slow_start_after_idle = idle[0] == '1';
	if (doctor_read_file("/proc/sys/net/ipv4/tcp_congestion_control", &congestion) == 0)
		snprintf(ret->congestion, sizeof ret->congestion, "%.*s",
			(int)strcspn(congestion, "\n"), congestion);
	ret->no_delay = socket_no_delay();
}

static bool is_of_nothing(const struct cli *cli, const char *command)
{
	const char *option = strstr(command, " --name");
	char name[CLI_NAME_MAX];

	if (!option || (option[7] && option[7] != ' ' && option[7] != '='))
		return false;
	if (!option[7])
		return true;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(option + 8, " "), option + 8);
	return !cli_name_ok(cli->program->name, name) || !rivals_has_settings(cli, name);
}

int doctor_command_check(const struct cli *cli, const char *command)
{
	char program[PATH_MAX];

	if (is_of_nothing(cli, command))
		return -ENODEV;

	snprintf(program, sizeof program, "%.*s", (int)strcspn(command, " "), command);
	if (program[0] != '/')
		return 0;
	return access(program, X_OK) < 0 ? -errno : 0;
}

void doctor_shell_read(
	const struct doctor_user *user, struct doctor_shell *ret, struct child_result *ret_child)
{
	const struct passwd *entry = getpwuid(user->uid);
	char home[CONF_VALUE_MAX], home_is[sizeof home + 8];
	/* bash reads its start-up file where sshd is its parent, by this variable */
	const char *argv[] = { "env", "-i", "PATH=/usr/bin:/bin", home_is,
		"SSH_CLIENT=127.0.0.1 1 1", ret->shell, "-c", "exit 0", NULL };

	*ret = (struct doctor_shell){ .said = "", .error = -ENOENT };
	*ret_child = (struct child_result){ 0 };
	if (!entry || conf_home(home) < 0)
		return;
	snprintf(home_is, sizeof home_is, "HOME=%s", home);
	snprintf(ret->home, sizeof ret->home, "%s", home);
	snprintf(ret->shell, sizeof ret->shell, "%s",
		*entry->pw_shell ? entry->pw_shell : "/bin/sh");
	ret->error = child_run(argv, SHELL_US, ret_child);
	if (ret->error < 0)
		return;
	ret->code = ret_child->code;
	ret->said = ret_child->out;
}
