/* SPDX-License-Identifier: MIT */
/* Has the C library read the zone again. */
#include "common/base/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/text.h"
#include "common/base/utc.h"
#include "common/base/util.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define ZONE_LOCAL "/etc/localtime"

int zone_file(char ret[static PATH_MAX])
{
	const char *tz = getenv("TZ"), *folder = getenv("TZDIR");

	int n;

	if (!folder || !*folder)
		folder = ZONE_FOLDER;
	if (tz && *tz == ':')
		tz++;
	if (tz && !*tz)
		return -ENOENT;
	if (!tz || *tz == '/')
		n = snprintf(ret, PATH_MAX, "%s", tz ? tz : ZONE_LOCAL);
	else
		n = snprintf(ret, PATH_MAX, "%s/%s", folder, tz);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

const char *zone_name(char ret[static ZONE_NAME_MAX])
{
	static const char folder[] = "/zoneinfo/";
	char path[PATH_MAX], real[PATH_MAX];
	const char *tz = getenv("TZ"), *name = tz ? tz + (*tz == ':') : "";

	if (zone_file(path) == 0 && realpath(path, real) && strstr(real, folder))
		name = strstr(real, folder) + strlen(folder);
	text_clean(name, strlen(name), ret, ZONE_NAME_MAX);
	return ret;
}

/* As it stands there now; all 0: nothing does. */
static struct zone zone_look(void)
{
	char path[PATH_MAX];
	struct stat st;

	if (zone_file(path) < 0 || stat(path, &st) < 0)
		return (struct zone){ .device = 0 };
	return (struct zone){ .device = st.st_dev, .inode = st.st_ino, .changed = st.st_ctim };
}

bool zone_has_changed(const struct zone *zone)
{
	struct zone now = zone_look();

	return now.device != zone->device || now.inode != zone->inode ||
		now.changed.tv_sec != zone->changed.tv_sec ||
		now.changed.tv_nsec != zone->changed.tv_nsec;
}

void zone_begin(struct zone *zone)
{
	*zone = zone_look();
	tzset();
}

/*
 * glibc's tzset() reads a file again only if the text of TZ has changed and the file differs by
 * inode or whole seconds, which `cp -p` over /etc/localtime does not change. So TZ becomes a rule
 * in between: the offset that holds now. setenv() of a variable that exists exchanges one pointer,
 * and glibc never frees the old text: getenv() in other threads does no harm.
 */
int zone_read_again(struct zone *zone, int64_t now_us)
{
	const char *tz = getenv("TZ");
	CLEANUP_FREE char *before = tz ? strdup(tz) : NULL;
	int offset_s = utc_local_offset_s(now_us), size_s = abs(offset_s);
	struct zone now = zone_look();
	char rule[64];

	snprintf(rule, sizeof rule, "<now>%c%d:%02d:%02d", offset_s < 0 ? '+' : '-', size_s / 3600,
		size_s / 60 % 60, size_s % 60);
	if ((tz && !before) || setenv("TZ", rule, 1) < 0)
		return -ENOMEM;
	tzset();
	if (before)
		setenv("TZ", before, 1); /* known to glibc: it needs no memory */
	else
		unsetenv("TZ");
	tzset();
	*zone = now;
	return 0;
}
