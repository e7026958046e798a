/* SPDX-License-Identifier: MIT */
/*
 * Drop-ins for archives in unusual places. A program cannot open its own sandbox, and the shipped
 * unit cannot know the settings; deploypi sees both.
 */
#include "deploy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fs.h"
#include "common/base/util.h"
#include "common/settings/conf.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

bool sandbox_is_open(const char *usual, const char *archive)
{
	/* as in the units: ReadWritePaths= */
	static const char *const disks[] = { "/mnt", "/media", "/srv" };

	if (strstr(archive, "/../"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		if (fs_path_is_below(disks[i], archive))
			return true;
	return fs_path_is_below(usual, archive);
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

static int drop_in_write(const char *folder, const char *archive)
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
	if (fs_read_file(fd, USERUNITS_DROP_IN, sizeof text, &old, NULL) == 0 &&
		strcmp(old, text) == 0)
		return 0;
	return fs_replace(&fs_real, fd, USERUNITS_DROP_IN, text, strlen(text), 0644);
}

static int drop_in_remove(const char *folder)
{
	char path[PATH_MAX + sizeof USERUNITS_DROP_IN];

	snprintf(path, sizeof path, "%s/%s", folder, USERUNITS_DROP_IN);
	if (unlink(path) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	rmdir(folder); /* unless the person has more in there */
	return 0;
}

struct closing {
	const struct ours_choice *choice;
	unsigned closed;
};

static int sandbox_close_one(void *data, const char *unit, const char *drop_in)
{
	struct closing *closing = data;
	char folder[PATH_MAX];
	int r = 0;

	if (drop_in && ours_chosen(closing->choice, unit)) {
		snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(drop_in, '/') - drop_in),
			drop_in);
		r = drop_in_remove(folder);
		closing->closed += r == 0;
	}
	return r;
}

int sandbox_close(struct deploy *deploy, const struct ours_choice *choice)
{
	struct closing closing = { .choice = choice };
	int r = userunits_walk(sandbox_close_one, &closing);

	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "sandbox", NULL, deploy->again,
			"a drop-in in ~/.config/systemd/user stays: %s", strerror(-r));
	if (closing.closed)
		report_ok(&deploy->report, "sandbox", NULL, "%u drop-in%s of deploypi removed",
			closing.closed, closing.closed == 1 ? "" : "s");
	return CLI_OK;
}

int sandbox_open(
	struct deploy *deploy, const char *unit, const char *usual, const char *archive, bool make)
{
	char home[CONF_VALUE_MAX] = "", units[PATH_MAX] = "", folder[PATH_MAX + UNIT_NAME_MAX + 4];
	char path[CONF_VALUE_MAX + NAME_MAX];
	bool opens;
	int r = conf_home(home);

	if (r == 0)
		r = userunits_folder(units);
	snprintf(path, sizeof path, "%s/%s", home, usual);
	snprintf(folder, sizeof folder, "%s/%s.d", units, unit);
	opens = *archive && !sandbox_is_open(path, archive);
	if (r == 0 && opens && make && fs_make_folders(archive, 0777) < 0)
		return report_failed(&deploy->report, CLI_SETTINGS, "sandbox", unit, deploy->again,
			"%s cannot be made: %s", archive, strerror(errno));
	if (r == 0)
		r = opens ? drop_in_write(folder, archive) : drop_in_remove(folder);
	if (r == 0 && opens)
		report_ok(&deploy->report, "sandbox", unit, "may write %s too", archive);
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "sandbox", unit, deploy->again,
			"%s: %s", folder, strerror(-r));
	return CLI_OK;
}
