/* SPDX-License-Identifier: MIT */
/*
 * Drop-ins for what the settings name outside the units' own folders. A program cannot open its own
 * sandbox, and the shipped unit cannot know the settings; deploypi sees both.
 */
#include "deploy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/archive/place.h"
#include "common/base/fs.h"
#include "common/base/util.h"
#include "common/settings/conf.h"
#include "common/systemd/unit.h"
#include "common/systemd/userbus.h"

#define DROP_IN "deploypi.conf" /* what the generator makes */
#define DROP_IN_MAX (16 * PATH_MAX)
#define HEAD "# By deploypi, for what the settings name; made again at each reload.\n[Service]\n"

/* What units/sandbox hides in two lines; a test compares. */
static const char *const disks[] = { "/mnt", "/media", "/srv" };
#define HIDDEN "-/run/dbus -/run/docker.sock -/run/libvirt -/run/log -/var/log -/dev/pts"

int sandbox_needs_of(struct deploy *deploy, const char *usual, const char *archive,
	const char *file, struct sandbox_needs *ret)
{
	int r = conf_home(ret->home);

	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "sandbox", NULL, NULL,
			"there is no home folder: %s", strerror(-r));
	snprintf(ret->usual, sizeof ret->usual, "%s/%s", ret->home, usual);
	snprintf(ret->archive, sizeof ret->archive, "%s", *archive ? archive : ret->usual);
	ret->reads[0] = file;
	ret->n_reads = *file != '\0';
	return CLI_OK;
}

static bool path_is_plain(const char *path)
{
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < ' ')
			return false;
	return *path == '/' && path[1] && !strstr(path, "/../");
}

/* Whether the path, or where its links lead, is on such a disk. */
static bool path_is_on(const char *disk, const char *path)
{
	char nearest[PATH_MAX], real[PATH_MAX];
	struct stat st;

	return fs_path_is_below(disk, path) ||
		(place_nearest(path, &st, nearest) >= 0 && realpath(nearest, real) &&
			fs_path_is_below(disk, real));
}

static bool reads_are_on(const char *disk, const struct sandbox_needs *needs)
{
	bool any = false;

	for (size_t i = 0; i < needs->n_reads; i++)
		any |= path_is_on(disk, needs->reads[i]);
	return any;
}

/* systemd: \ and " are quoted by \, % is doubled; in quotes a : divides nothing. */
static void line_print(FILE *out, const char *key, const char *path)
{
	fprintf(out, "%s=\"-", key);
	for (; *path; path++) {
		if (strchr("\\\"%", *path))
			fputc(*path == '%' ? '%' : '\\', out);
		fputc(*path, out);
	}
	fputs("\"\n", out);
}

/* All below /mnt and the like, so that a disk comes and goes in there as it does outside. */
static void disks_print(FILE *out, const struct sandbox_needs *needs)
{
	bool opens = false;

	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		opens |= path_is_on(disks[i], needs->archive) || reads_are_on(disks[i], needs);
	if (!opens)
		return;
	fputs("InaccessiblePaths=\nInaccessiblePaths=" HIDDEN "\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		if (path_is_on(disks[i], needs->archive))
			line_print(out, "ReadWritePaths", disks[i]);
		else if (!reads_are_on(disks[i], needs))
			line_print(out, "InaccessiblePaths", disks[i]);
	}
}

static void bind_print(FILE *out, const char *key, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		if (fs_path_is_below(disks[i], path))
			return; /* it is seen already */
	line_print(out, key, path);
}

/* As long as there is no archive, the folder above it: what is mounted in there later is seen. */
static void archive_print(FILE *out, const struct sandbox_needs *needs)
{
	char nearest[PATH_MAX];
	struct stat st;

	if (fs_path_is_below(needs->usual, needs->archive))
		return;
	if (place_nearest(needs->archive, &st, nearest) > 0 && strcmp(needs->home, nearest) != 0 &&
		fs_path_is_below(needs->home, nearest))
		bind_print(out, "BindPaths", nearest);
	else
		bind_print(out, "BindPaths", needs->archive);
}

int sandbox_text(const struct sandbox_needs *needs, char **ret)
{
	CLEANUP_FREE char *lines = NULL;
	size_t size;
	FILE *out;

	if (*needs->archive && !path_is_plain(needs->archive))
		return -EINVAL;
	for (size_t i = 0; i < needs->n_reads; i++)
		if (!path_is_plain(needs->reads[i]))
			return -EINVAL;
	out = open_memstream(&lines, &size);
	if (!out)
		return -ENOMEM;
	disks_print(out, needs);
	if (*needs->archive)
		archive_print(out, needs);
	for (size_t i = 0; i < needs->n_reads; i++)
		bind_print(out, "BindReadOnlyPaths", needs->reads[i]);
	if (fclose(out) != 0 || asprintf(ret, "%s%s", *lines ? HEAD : "", lines) < 0)
		return -ENOMEM;
	return 0;
}

/* Whether the manager has that drop-in of the unit since its generators ran last. */
static bool drop_in_is(const char *unit, const char *text)
{
	char runtime[PATH_MAX], path[PATH_MAX + UNIT_NAME_MAX + 64];
	CLEANUP_FREE char *now = NULL;

	if (userbus_runtime(runtime) < 0)
		return false;
	snprintf(path, sizeof path, "%s/systemd/generator/%s.d/" DROP_IN, runtime, unit);
	if (fs_read_file(AT_FDCWD, path, DROP_IN_MAX, &now, NULL) < 0)
		return !*text;
	return strcmp(now, text) == 0;
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
		r = drop_in_remove(folder); /* what an older deploypi wrote */
		closing->closed += r == 0;
	}
	return r;
}

int sandbox_close(struct deploy *deploy, const struct ours_choice *choice)
{
	struct closing closing = { .choice = choice };
	int r = user_is_system() ? 0 : userunits_walk(sandbox_close_one, &closing);

	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "sandbox", NULL, deploy->again,
			"a drop-in in ~/.config/systemd/user stays: %s", strerror(-r));
	if (closing.closed)
		report_ok(&deploy->report, "sandbox", NULL, "%u drop-in%s of deploypi removed",
			closing.closed, closing.closed == 1 ? "" : "s");
	return CLI_OK;
}

int sandbox_open(struct deploy *deploy, const char *unit, const struct sandbox_needs *needs,
	bool make, bool *ret_changed)
{
	char units[PATH_MAX] = "", folder[PATH_MAX + UNIT_NAME_MAX + 4];
	CLEANUP_FREE char *text = NULL;
	int r;

	if (user_is_system() && !fs_path_is_below(needs->usual, needs->archive))
		return report_failed(&deploy->report, CLI_SETTINGS, "sandbox", unit,
			"leave that setting away, and mount the disk at the usual place",
			"the archive is %s; a service of the system writes below %s alone",
			needs->archive, needs->usual);
	if (make && fs_make_folders(needs->archive, 0777) < 0)
		return report_failed(&deploy->report, CLI_SETTINGS, "sandbox", unit, deploy->again,
			"%s cannot be made: %s", needs->archive, strerror(errno));
	r = sandbox_text(needs, &text);
	if (r == 0)
		r = userunits_folder(units);
	snprintf(folder, sizeof folder, "%s/%s.d", units, unit);
	if (r == 0 && !user_is_system())
		r = drop_in_remove(folder);
	if (r < 0)
		return report_failed(&deploy->report, CLI_INTERNAL, "sandbox", unit, deploy->again,
			"%s: %s", folder, strerror(-r));
	if (!fs_path_is_below(needs->usual, needs->archive))
		report_ok(&deploy->report, "sandbox", unit, "may write %s too", needs->archive);
	for (size_t i = 0; i < needs->n_reads; i++)
		report_ok(&deploy->report, "sandbox", unit, "may read %s too", needs->reads[i]);
	*ret_changed = !user_is_system() && !drop_in_is(unit, text);
	return CLI_OK;
}

int sandbox_generate(const char *generated, const char *program, const char *const units[],
	const struct sandbox_needs *needs)
{
	char folder[PATH_MAX + UNIT_NAME_MAX + 4];
	CLEANUP_FREE char *text = NULL;
	int r = sandbox_text(needs, &text);

	if (r == 0 && *needs->archive && fs_path_is_below(needs->usual, needs->archive))
		r = fs_make_folders(needs->usual, 0777);
	if (r == 0 && *needs->archive && conf_state_path(program, "", folder) == 0)
		r = fs_make_folders(folder, 0777);
	for (; r == 0 && *text && *units; units++) {
		snprintf(folder, sizeof folder, "%s/%s.d", generated, *units);
		r = drop_in_write(folder, DROP_IN, text);
	}
	return r;
}
