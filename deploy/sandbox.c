/* SPDX-License-Identifier: MIT */
/*
 * Drop-ins for archives in unusual places. A program cannot open its own sandbox, and the shipped unit cannot know the
 * settings; deploypi sees both.
 */
#include "deploy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/fs.h"
#include "common/util.h"

#define DROP_IN "archive.conf"

static bool is_below(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool sandbox_is_open(const char *usual, const char *archive)
{
	/* as in the units: ReadWritePaths= */
	static const char *const disks[] = { "/mnt", "/media", "/srv" };

	if (strstr(archive, "/../"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		if (is_below(disks[i], archive))
			return true;
	return is_below(usual, archive);
}

int sandbox_drop_in(const char *archive, char ret[static 2 * PATH_MAX])
{
	/* - : a disk that is away is no reason not to start */
	size_t n = (size_t)snprintf(ret, 2 * PATH_MAX,
		"# Written by deploypi: this archive is where the unit may not write by itself.\n"
		"[Service]\nReadWritePaths=\"-");

	if (*archive != '/')
		return -EINVAL;
	for (const char *c = archive; *c; c++) {
		if ((unsigned char)*c < ' ')
			return -EINVAL;
		if (n > 2 * PATH_MAX - 8)
			return -ENAMETOOLONG;
		/* systemd: \ and " are quoted by \, % is doubled */
		if (strchr("\\\"%", *c))
			ret[n++] = *c == '%' ? '%' : '\\';
		ret[n++] = *c;
	}
	strcpy(ret + n, "\"\n");
	return 0;
}

static int drop_in_folder(const char *home, const char *unit, char ret[static PATH_MAX])
{
	const char *xdg = getenv("XDG_CONFIG_HOME");
	const bool own = xdg && *xdg == '/';
	int n = snprintf(ret, PATH_MAX, "%s%s/systemd/user/%s.d", own ? xdg : home,
		own ? "" : "/.config", unit);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_drop_in(const char *folder, const char *archive)
{
	CLEANUP_FREE char *old = NULL;
	CLEANUP_FD int fd = -1;
	char text[2 * PATH_MAX];
	int r = sandbox_drop_in(archive, text);

	if (r == 0)
		r = fs_make_folders(folder, 0777);
	if (r < 0)
		return r;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* a newer file would mean a restart */
	if (fs_read_file(fd, DROP_IN, sizeof text, &old, NULL) == 0 && strcmp(old, text) == 0)
		return 0;
	return fs_replace(&fs_real, fd, DROP_IN, text, strlen(text), 0644);
}

static int remove_drop_in(const char *folder)
{
	char path[PATH_MAX + sizeof DROP_IN];

	snprintf(path, sizeof path, "%s/%s", folder, DROP_IN);
	if (unlink(path) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	rmdir(folder); /* unless the person has more in there */
	return 0;
}

int sandbox_open(
	struct deploy *deploy, const char *unit, const char *usual, const char *archive, bool make)
{
	char home[CONF_VALUE_MAX], folder[PATH_MAX], path[PATH_MAX];
	int r = conf_home(home);

	if (r == 0 && snprintf(path, sizeof path, "%s/%s", home, usual) >= (int)sizeof path)
		r = -ENAMETOOLONG;
	if (r == 0)
		r = drop_in_folder(home, unit, folder);
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "sandbox", unit, NULL,
			"the home folder: %s", strerror(-r));
	if (!*archive || sandbox_is_open(path, archive)) {
		r = remove_drop_in(folder);
	} else {
		r = make ? fs_make_folders(archive, 0777) : 0;
		if (r < 0)
			return report_failed(&deploy->report, CLI_SETTINGS, "sandbox", unit,
				deploy->again, "%s cannot be made: %s", archive, strerror(-r));
		r = write_drop_in(folder, archive);
		if (r == 0)
			report_ok(&deploy->report, "sandbox", unit, "may write %s too", archive);
	}
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "sandbox", unit, deploy->again,
			"%s: %s", folder, strerror(-r));
	return CLI_OK;
}
